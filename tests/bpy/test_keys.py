# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: one curve per DoF and three for the root, a key on every frame, grouped by bone; and the mirror rule of the channels."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import DOFS
from skel_blender.rig import keyframes, layout
from skel_blender.rig.build import build_take
from tests.bpy.evaluated import curves, evaluated, pose, rig_of


def curves_by_channel(rig):
    return {(curve.data_path, curve.array_index): curve for curve in curves(rig)}


def points_of(curve):
    values = np.empty(2 * len(curve.keyframe_points), dtype=np.float32)
    curve.keyframe_points.foreach_get("co", values)
    return values.reshape(-1, 2)


@pytest.mark.parametrize("person", [0, 1])
def test_every_dof_is_one_curve(context, take, person):
    rig = rig_of(build_take(context, take), person)
    found = curves_by_channel(rig)
    assert len(found) == 49
    for dof in DOFS:
        channel = layout.channel(dof.index)
        curve = found[f'pose.bones["{channel.bone}"].rotation_euler', channel.index]
        points = points_of(curve)
        assert np.array_equal(points[:, 0], take.frames + 1)
        assert np.abs(points[:, 1] - channel.sign * take.people[person].poses[:, dof.index]).max() < 1e-6
        assert curve.group.name == channel.bone
        assert {point.interpolation for point in curve.keyframe_points} == {"LINEAR"}


def test_root_carries_the_translation(context, take):
    person = take.people[1]
    rig = rig_of(build_take(context, take), 1)
    for frame in (0, 29):
        context.scene.frame_set(int(take.frames[frame]) + 1)
        expected = person.joints()[frame, 0]
        assert np.linalg.norm(np.array(evaluated(rig).pose.bones["pelvis"].head) - expected) < 1e-5


def test_each_person_has_an_action_of_their_own(context, take):
    collection = build_take(context, take)
    actions = [rig_of(collection, person).animation_data.action for person in (0, 1)]
    assert actions[0] != actions[1]
    assert [action.name for action in actions] == ["person_1", "person_2"]
    assert tuple(actions[0].frame_range) == (5, 34)


def test_bezier_keys_pass_through_the_same_values(context, take):
    rig = rig_of(build_take(context, take))
    rig.animation_data_clear()
    keyframes.key_person(rig, take.people[0], "BEZIER")
    for (path, index), curve in curves_by_channel(rig).items():
        assert curve.keyframe_points[3].interpolation == "BEZIER"
        middle = curve.evaluate(take.frames[3] + 1.5)
        assert np.isfinite(middle), (path, index)
        assert curve.evaluate(take.frames[3] + 1) == pytest.approx(points_of(curve)[3, 1], abs=1e-6)


def test_mirrored_pose_is_blenders_flip_of_the_channels(take):
    """X-mirror and Paste Flipped give the other side the same X and negated Y and Z."""
    poses = take.people[0].poses
    mirrored = kinematics.mirror_poses(poses)
    index = {(channel.bone, channel.index): number for number, channel in enumerate(layout.channels())}
    for number, channel in enumerate(layout.channels()):
        other = bpy.utils.flip_name(channel.bone)
        partner = index[other, channel.index]
        factor = 1 if channel.index == 0 else -1
        ours = channel.sign * mirrored[:, number]
        theirs = factor * layout.channel(partner).sign * poses[:, partner]
        assert np.array_equal(ours, theirs), channel


def test_paste_pose_flipped_gives_the_anatomical_mirror(context, take):
    """Blender's own operators, on a whole pose."""
    rig = rig_of(build_take(context, take))
    rig.animation_data.action = None
    angles = take.people[0].poses[3]
    pose(rig, angles)
    rig.select_set(True)
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    for bone in rig.pose.bones:
        (bone if hasattr(bone, "select") else bone.bone).select = True
    bpy.ops.pose.copy()
    bpy.ops.pose.paste(flipped=True)
    flipped = [c.sign * rig.pose.bones[c.bone].rotation_euler[c.index] for c in layout.channels()]
    assert np.abs(flipped - kinematics.mirror_poses(angles)).max() < 1e-5


def test_left_bones_rest_as_the_mirror_image_of_right_ones(take):
    """What Blender's X-mirror presumes; the ankle is left out, whose axis SKEL does not mirror."""
    bones = {bone.name: bone for bone in layout.rest_bones(take.people[0].body)}
    across = np.diag([-1.0, 1.0, 1.0])
    for name, bone in bones.items():
        other = bones[bpy.utils.flip_name(name)]
        assert np.abs(across @ bone.head - other.head).max() < 1e-9
        if not name.startswith("talus"):
            assert np.abs(across @ bone.basis @ across - other.basis).max() < 1e-4, name
