# SPDX-License-Identifier: GPL-3.0-or-later
"""A captured walk on other people's characters: where feet stand, how knees bend, where limbs point."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.export.retarget import skeleton
from skel_blender.rig import controls
from skel_blender.rig.editing import matching
from tests.bpy import characters, walking
from tests.bpy.evaluated import curves, degrees_apart
from tests.bpy.walking import apart, put

MAKERS = {"mixamo": characters.mixamo, "manny": characters.manny, "nameless": characters.nameless,
          "unity": lambda: characters.simple("Unity", characters.UNITY)}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_a_walk_stands_bends_and_points_as_the_source_does(source, name):
    before = walking.look_at_source(source)
    target = MAKERS[name]()
    modes = [bone.rotation_mode for bone in target.pose.bones]
    rest = skeleton.read(target)
    result, mapping, seen = put(source, target)
    assert result.frames == 120 and result.off_rad == result.off_m == 0.0
    assert [bone.rotation_mode for bone in target.pose.bones] == modes
    for side in "lr":
        stood = walking.steps(before, side)
        assert len(stood) >= 2
        for step in stood:
            assert walking.slide(seen.heads[f"toe_{side}"][step]) < 0.01
        for part in ("foot", "toe"):
            assert seen.heads[f"{part}_{side}"][:, 2].min() > rest.head(mapping[f"{part}_{side}"])[2] - 0.001
        assert walking.knee_ahead(seen, side).min() > 0.0
        assert np.abs(walking.knee_bend(seen, side) - walking.knee_bend(before, side)).mean() < 5.0
        for one, other, mean, most in (("upper_arm", "forearm", 0.1, 0.1), ("forearm", "hand", 0.1, 0.1), ("thigh", "shin", 4.0, 13.0)):
            off = apart(seen.direction(f"{one}_{side}", f"{other}_{side}"), before.direction(f"{one}_{side}", f"{other}_{side}"))
            assert off.mean() < mean and off.max() < most, (one, off.mean(), off.max())
        smooth = walking.jerkiness(before.heads[f"foot_{side}"]) * result.ratio
        assert walking.jerkiness(seen.heads[f"foot_{side}"]) < 1.5 * smooth
    middles = [(where.heads["thigh_l"] + where.heads["thigh_r"]) / 2 for where in (seen, before)]
    assert np.abs(middles[0] - result.ratio * middles[1])[:, :2].max() < 0.01
    assert walking.jerkiness(middles[0]) < 1.5 * walking.jerkiness(middles[1]) * result.ratio
    assert degrees_apart(seen.turns["head"] @ np.swapaxes(seen.turns["head"][:1], 1, 2),
                         before.turns["head"] @ np.swapaxes(before.turns["head"][:1], 1, 2)) < 0.1  # fmt: skip


def test_without_ik_every_limb_points_where_the_sources_does(source):
    before = walking.look_at_source(source)
    _, _, seen = put(source, characters.manny(), hold_feet=False)
    for side in "lr":
        for one, other in (("thigh", "shin"), ("shin", "foot"), ("upper_arm", "forearm"), ("forearm", "hand")):
            names = f"{one}_{side}", f"{other}_{side}"
            assert apart(seen.direction(*names), before.direction(*names)).max() < 0.05
    slides = [walking.slide(seen.heads["toe_l"][step]) for step in walking.steps(before, "l")]
    assert max(slides) > 0.01  # what IK is there for


def test_the_trunk_is_shared_out_and_its_ends_are_exact(source):
    bones = source.pose.bones
    source.animation_data.action = None
    bpy.context.scene.frame_set(1)
    for bone, angle in (("lumbar_body", 0.3), ("thorax", -0.25), ("head", 0.2)):
        bones[bone].rotation_euler = (angle, 0.1, angle / 2)
    for frame in (1, 2):
        for bone in ("lumbar_body", "thorax", "head", "root"):
            bones[bone].keyframe_insert("rotation_euler", frame=frame)
    bones["root"].keyframe_insert("location", frame=1)
    before = walking.look_at_source(source)
    rest = {name: np.array(source.data.bones[name].matrix_local)[:3, :3] for name in ("pelvis", "thorax", "head")}
    target = characters.manny()
    _, mapping, seen = put(source, target)
    still = skeleton.read(target)
    turn = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # it faces +x, the source -y

    def own(slot):
        return seen.turns[slot][0] @ (turn @ still.basis(mapping[slot])).T

    def theirs(joint):
        return before.turns[joint][0] @ rest[joint].T

    assert degrees_apart(own("spine_5"), theirs("thorax")) < 0.05
    assert degrees_apart(own("head"), theirs("head")) < 0.05
    assert degrees_apart(own("hips"), theirs("pelvis")) < 0.05
    spine = [f"spine_{k}" for k in range(1, 6)]
    shares = [degrees_apart(own(a), own(b)) for a, b in zip(["hips", *spine], spine)]
    assert min(shares) > 1.0 and max(shares) < 12.0


def test_twist_bones_take_the_turn_of_the_palm(source):
    (palm,) = (curve for curve in curves(source) if "radius_l" in curve.data_path)
    for point in palm.keyframe_points:
        point.co.y += 0.8
    target = characters.manny()
    _, mapping, seen = put(source, target)
    rest = skeleton.read(target)

    def twist(one, other):
        """Degrees by which one turns against the other about the forearm, each from its rest."""
        turns = [seen.turns[slot] @ rest.basis(mapping[slot]).T for slot in (one, other)]
        change = np.swapaxes(turns[0], 1, 2) @ turns[1]
        along = rest.head(mapping["hand_l"]) - rest.head(mapping["forearm_l"])
        axis = np.stack([change[:, i, j] - change[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=-1) / 2
        return np.degrees(np.arcsin(np.clip(axis @ (along / np.linalg.norm(along)), -1, 1)))

    whole = abs(np.degrees(palm.evaluate(60)))
    near, far = (np.abs(twist("forearm_l", f"forearm_twist_{k}_l")[59]) for k in (1, 2))
    assert whole > 40.0
    assert near == pytest.approx(0.35 * whole, abs=2.0) and far == pytest.approx(0.75 * whole, abs=2.0)


def test_palms_that_lie_otherwise_at_rest_turn_as_the_others_do(source):
    across = []
    for lies in ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)):  # to the floor, to the front
        target = characters.mixamo(across=lies)
        put(source, target)
        fingers = {finger: f"mixamorig:RightHand{finger}1" for finger in ("Index", "Pinky")}
        across.append(walking.look(target, fingers).direction("Index", "Pinky"))
    assert apart(*across).max() < 0.5


def test_what_ik_makes_of_the_source_is_what_the_target_does(source):
    hand = next(limb for limb in controls.LIMBS if limb.control == "hand_ik_l")
    matching.to_control(bpy.context.scene, source, [hand], walking.FRAMES)
    (lift,) = (curve for curve in curves(source) if curve.data_path == 'pose.bones["hand_ik_l"].location' and curve.array_index == 2)
    for point in lift.keyframe_points:
        point.co.y += 0.25
    before = walking.look_at_source(source)
    _, _, seen = put(source, characters.mixamo())
    for one, other in (("upper_arm_l", "forearm_l"), ("forearm_l", "hand_l")):
        assert apart(seen.direction(one, other), before.direction(one, other)).max() < 0.1
    assert (before.heads["forearm_l"] - before.heads["humerus_l"])[:, 2].max() > -0.22  # lifted indeed
