# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the target goes: its own place, and a root bone that takes the way and turns."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector

from skel_blender.export.retarget import skeleton
from skel_blender.messages import SkelError
from tests.bpy import characters, walking
from tests.bpy.evaluated import curves, degrees_apart
from tests.bpy.walking import put


def test_a_target_elsewhere_walks_beside_the_source(source):
    target = characters.mixamo()
    target.location.x += 2.0
    bpy.context.view_layer.update()
    matrix = target.matrix_world.copy()
    result, _, seen = put(source, target)
    before = walking.look_at_source(source)
    assert np.abs(seen.heads["thigh_l"][:, 0] - 2.0 - result.ratio * before.heads["thigh_l"][:, 0]).max() < 0.06
    assert target.matrix_world == matrix


@pytest.mark.parametrize("hold", [True, False])
def test_a_take_that_is_turned_and_moved_turns_the_target_about_its_own_place(source, hold):
    """Where the take was moved to does not matter, how it was turned does: hands, feet and the way go with it."""
    (_, _, plain), place, angle = put(source, characters.mixamo(), hold_feet=hold), source.parent, 2.5
    place.rotation_euler.z, place.location = angle, (3.0, -1.0, 0.4)
    bpy.context.view_layer.update()
    _, _, turned = put(source, characters.mixamo(), hold_feet=hold)
    turn = np.array(Matrix.Rotation(angle, 3, "Z"))
    for part in ("hips", "head", "hand_l", "hand_r", "foot_l", "toe_r"):
        assert np.abs(turned.heads[part] - plain.heads[part] @ turn.T).max() < 1e-3, part
        assert np.abs(turned.turns[part] - turn @ plain.turns[part]).max() < 1e-3, part


def test_who_is_larger_or_smaller_goes_as_far_and_steps_alike(source):
    ratios, ways = [], []
    for size in (1.0, 0.1, 20.0):
        target = characters.mixamo()
        target.scale *= size
        bpy.context.view_layer.update()
        result, _, seen = put(source, target)
        ratios.append(result.ratio / size)
        ways.append(np.stack([seen.heads[bone] for bone in ("hips", "foot_l", "toe_r")]) / size)
    assert ratios == pytest.approx(3 * [1.0], abs=0.05)
    assert np.abs(ways[1] - ways[0]).max() < 1e-4 and np.abs(ways[2] - ways[0]).max() < 1e-4


def test_the_root_bone_takes_the_way_if_asked(source):
    target = characters.manny()
    _, _, plain = put(source, target)
    _, _, travelled = put(source, target, root_travels=True)
    for slot in ("hips", "foot_l", "hand_r", "head"):
        assert np.abs(plain.heads[slot] - travelled.heads[slot]).max() < 1e-4
    way = travelled.heads["root"]
    hips = (travelled.heads["thigh_l"] + travelled.heads["thigh_r"]) / 2
    assert np.ptp(plain.heads["root"]) < 1e-6 and np.ptp(way[:, 2]) < 1e-5
    assert np.abs(way - way[0] - (hips - hips[0]))[:, :2].max() < 1e-4 and np.ptp(way[:, 1]) > 3.0


@pytest.mark.parametrize(("degrees", "refused"), [(25, False), (90, True), (-90, True), (180, True)])
def test_a_target_that_lies_at_rest_is_to_be_turned_first(source, degrees, refused):
    """As one whose file was imported without a conversion of axes: its feet would come out 0.2 m below the floor."""
    target = characters.mixamo()
    target.matrix_world = Matrix.Rotation(np.radians(degrees), 4, "X") @ target.matrix_world
    bpy.context.view_layer.update()
    if not refused:
        assert put(source, target)[0].frames
        return
    with pytest.raises(SkelError, match="does not stand upright in its rest pose. Turn"):
        put(source, target)
    assert target.animation_data is None


def test_a_root_bone_that_points_below_the_floor_leaves_the_floor_where_it_is(source):
    target = characters.manny()
    before = skeleton.read(target).floor
    bpy.context.view_layer.objects.active = target
    bpy.ops.object.mode_set(mode="EDIT")
    target.data.edit_bones["root"].tail = (0.0, 0.0, -60.0)  # cm
    bpy.ops.object.mode_set(mode="OBJECT")
    assert skeleton.read(target).floor == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("root", [False, True])
def test_the_bones_at_which_unreals_ik_aims_go_with_feet_and_hands(source, root):
    """Whose own IK, in the game, would else pull the limbs to the rest pose."""
    target = characters.manny()
    bpy.context.view_layer.objects.active = target
    bpy.ops.object.mode_set(mode="EDIT")
    bones = target.data.edit_bones
    for name, limb in (("ik_hand_l", "hand_l"), ("ik_hand_r", "hand_r")):
        bones.new(name).matrix = bones[limb].matrix
        bones[name].length, bones[name].parent = 1.0, bones["ik_hand_gun"]
    bpy.ops.object.mode_set(mode="OBJECT")
    put(source, target, root_travels=root)
    pairs = {"ik_foot_l": "foot_l", "ik_foot_r": "foot_r", "ik_hand_gun": "hand_r", "ik_hand_l": "hand_l", "ik_hand_r": "hand_r"}
    rest = {name: target.data.bones[limb].matrix_local.inverted() @ target.data.bones[name].matrix_local for name, limb in pairs.items()}
    for frame in (1, 40, 100):
        bpy.context.scene.frame_set(frame)
        for name, limb in pairs.items():
            wanted = target.pose.bones[limb].matrix @ rest[name]
            assert np.abs(np.array(target.pose.bones[name].matrix) - np.array(wanted)).max() < 0.02, name  # cm
    assert not any("ik_foot_root" in curve.data_path for curve in curves(target))


def test_a_take_that_was_made_larger_or_smaller_walks_the_same(source):
    ways = []
    for size in (1.0, 10.0, 0.1):
        source.parent.scale = (size, size, size)
        target = characters.mixamo()
        bpy.context.view_layer.update()
        _, _, seen = put(source, target)
        ways.append(np.stack([seen.heads[bone] for bone in ("hips", "foot_l", "toe_r")]))
    assert np.abs(ways[1] - ways[0]).max() < 1e-4 and np.abs(ways[2] - ways[0]).max() < 1e-4


@pytest.mark.parametrize("root_travels", [False, True])
def test_bones_whose_location_counts_in_their_parents_axes_go_the_same_way(source, root_travels):
    """As Local Location, a bone's setting, has it when it is off."""
    seen = []
    for local in (True, False):
        target = characters.manny()
        for bone in target.data.bones:
            bone.use_local_location = local
        shift = Vector((0.0, 0.0, 2.0))
        target.pose.bones["root"].location = target.data.bones["root"].matrix.inverted() @ shift if local else shift
        seen.append(put(source, target, root_travels=root_travels)[2].heads)
    for slot, heads in seen[0].items():
        assert np.abs(heads - seen[1][slot]).max() < 1e-4, slot


def spin(source, turns):
    """Let the walker turn about himself so many times on his straight way."""
    (yaw,) = (curve for curve in curves(source) if curve.data_path.startswith('pose.bones["pelvis"].rot') and curve.array_index == 1)
    for point, angle in zip(yaw.keyframe_points, np.linspace(0.0, 2.0 * np.pi * turns, 120)):
        point.co.y += angle


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ"])
def test_a_root_that_takes_the_way_faces_where_the_body_does(source, mode):
    """Through whole turns, without a flip in any rotation mode, and no other bone is moved by it."""
    spin(source, 2.5)
    source.parent.rotation_euler.z = 0.8
    bpy.context.view_layer.update()
    target = characters.manny()
    target.pose.bones["root"].rotation_mode = mode
    rest = skeleton.read(target)
    _, _, still = put(source, target, root_travels=True, root_turns=False)
    assert degrees_apart(still.turns["root"], rest.basis("root")) < 1e-3
    _, mapping, seen = put(source, target, root_travels=True)
    for slot in set(mapping) - {"root"}:
        assert np.abs(seen.heads[slot] - still.heads[slot]).max() < 2e-5
        assert degrees_apart(seen.turns[slot], still.turns[slot]) < 2e-3
    assert np.abs(seen.heads["root"] - still.heads["root"]).max() < 1e-5
    turned = seen.turns["root"] @ rest.basis("root").T
    assert np.abs(turned[:, 2, 2] - 1.0).max() < 1e-6
    yaw = np.unwrap(np.arctan2(turned[:, 1, 0], turned[:, 0, 0]))
    ahead = walking.forward(seen)
    faces = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))  # at rest it faces +x, that is by 0
    assert np.abs(np.angle(np.exp(1j * (yaw - faces)))).max() < np.radians(25.0)
    assert np.ptp(yaw) == pytest.approx(5.0 * np.pi, abs=0.2)
    keyed = [curve for curve in curves(target) if curve.data_path.startswith('pose.bones["root"].rot')]
    assert len(keyed) == (3 if len(mode) == 3 else 4)
    for curve in keyed:
        values = np.array([point.co.y for point in curve.keyframe_points])
        assert len(values) == 120 and np.abs(np.diff(values)).max() < 0.6
