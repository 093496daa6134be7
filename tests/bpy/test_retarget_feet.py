# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet and legs of a retarget: which contacts count, and legs that reach."""

from __future__ import annotations

import numpy as np
import pytest

from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX
from skel_blender.export import rotations
from skel_blender.export.retarget import align, feet, legs, skeleton
from skel_blender.rig import record
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import layers
from tests import walk
from tests.bpy import characters, walking
from tests.bpy.evaluated import curves, rig_of
from tests.bpy.walking import put


def test_contacts_of_the_take_are_believed_and_those_that_an_edit_lifts_are_not(source):
    action = source.animation_data.action
    target = characters.mixamo()
    down = np.zeros((120, 6), dtype=bool)
    down[29:45, 3:5] = True
    record.keep_contacts(action, 1, down)
    _, _, seen = put(source, target)
    assert walking.slide(seen.heads["foot_l"][29:45]) < 0.001 < walking.slide(seen.heads["toe_l"][10:24])
    down[:] = True  # of a walk this can't be true: the feet are in the air in between
    record.keep_contacts(action, 1, down)
    _, _, seen = put(source, target)
    assert seen.heads["foot_l"][:, 2].max() > 0.2


def test_contacts_are_known_below_a_layer_too(source):
    """The walk floats 7 cm over its floor: only what is known of it holds the feet; moved in time, it is known of the same steps."""
    action, down = source.animation_data.action, np.zeros((120, 6), dtype=bool)
    down[29:45, 3:5] = True
    record.keep_contacts(action, 1, down)
    for curve in curves(source):
        if curve.data_path.endswith('["pelvis"].location'):
            rise = np.array(source.data.bones["pelvis"].matrix_local)[2, curve.array_index] * 0.07
            for key in curve.keyframe_points:
                key.co.y += rise
    bone = source.pose.bones["ulna_r"]
    slides = []
    for step in (None, layers.add):
        if step is not None:
            step(source)
            bone.keyframe_insert("rotation_euler", index=0, frame=50)
        _, _, seen = put(source, characters.mixamo())
        slides.append(walking.slide(seen.heads["foot_l"][29:45]))
    assert slides[1] == pytest.approx(slides[0], abs=5e-4) and slides[0] < 0.005
    (track,) = source.animation_data.nla_tracks
    track.strips[0].frame_start, track.strips[0].frame_end = 31, 150
    _, _, seen = put(source, characters.mixamo())
    assert walking.slide(seen.heads["foot_l"][59:75]) == pytest.approx(slides[0], abs=5e-4)


@pytest.mark.parametrize(("places", "yaws"), [((0.3, 0.5, 0.2), (0.4, 0.4, 0.4)), ((0.3, 0.3, 0.3), (0.4, 1.4, 0.2))])
def test_a_foot_that_slides_or_turns_while_it_is_down_gets_another_print(places, yaws):
    """40 frames at each place, trembling: there it stands still, where it stood on the mean."""
    rng, sole = np.random.default_rng(0), np.array([[0.0, 0.05, -0.1], [0.0, -0.13, -0.1], [0.0, -0.2, -0.1]])
    place, yaw = np.repeat(places, 40) + rng.normal(0.0, 0.003, 120), np.repeat(yaws, 40) + rng.normal(0.0, 0.03, 120)
    ankle = np.stack([place, np.zeros(120), np.full(120, 0.1)], axis=1)
    turn = rotations.turn(yaw[:, None] * [0.0, 0.0, 1.0])
    foot, down = align.Foot(sole, np.zeros(3)), np.ones((120, 3), dtype=bool)
    planted = feet.plant(foot, feet.Track(ankle, turn, turn), np.eye(3), down, 0.0, 6, 0.8)
    for k in range(3):
        stands = slice(40 * k + 5, 40 * k + 35)
        facing = np.arctan2(planted.turn[stands, 1, 0], planted.turn[stands, 0, 0])
        assert np.ptp(planted.ankle[stands], axis=0).max() < 1e-9 and np.ptp(facing) < 1e-9
        assert abs(planted.ankle[stands, 0].mean() - places[k]) < 0.002 and abs(facing.mean() - yaws[k]) < 0.02


def test_a_body_sinks_to_a_foot_that_a_straight_leg_does_not_reach(context):
    """Who tilts the pelvis over straight legs has one foot in the air; where both are said to stand, the other knee must bend."""
    take, target = walk.take(), characters.mixamo()
    person = take.people[0]
    person.poses[:], person.trans[:], person.contacts[:] = 0.0, 0.0, True
    person.poses[:, DOF_INDEX["pelvis_list"]] = 0.25
    ankles = person.transforms()[0, [JOINT_INDEX["talus_l"], JOINT_INDEX["talus_r"]], 1, 3]
    assert np.ptp(ankles) > 0.04
    person.trans[:, 1] = 0.08 - ankles.min()
    _, mapping, seen = put(rig_of(build_take(context, take)), target)
    height = skeleton.read(target).head(mapping["foot_l"])[2]
    assert max(np.abs(seen.heads[f"foot_{side}"][:, 2] - height).max() for side in "lr") < 1e-3
    assert walking.knee_bend(seen, "l").max() < 5.0 and walking.knee_bend(seen, "r").min() > 40.0


def test_a_leg_reaches_its_goal_and_its_knee_stays_on_its_side():
    rng = np.random.default_rng(3)
    count = 500
    hinge = rotations.unit(rng.standard_normal((count, 3)))
    down = rotations.unit(np.cross(hinge, rng.standard_normal((count, 3))))
    bend = rng.uniform(-0.05, 2.0, count)[:, None]  # some are a little bent the wrong way
    shin = rotations.apply(rotations.turn(bend * hinge), down)
    hip = rng.standard_normal((count, 3))
    knee, ankle = hip + 0.45 * down, hip + 0.45 * down + 0.4 * shin
    goal = ankle + 0.1 * rng.standard_normal((count, 3))
    first, second = legs.solve(hip, knee, ankle, hinge, goal)
    new_knee = hip + rotations.apply(first, knee - hip)
    new_ankle = new_knee + rotations.apply(second, ankle - knee)
    reach = np.linalg.norm(goal - hip, axis=1)
    reached = np.linalg.norm(new_ankle - goal, axis=1)
    assert reached[(reach > 0.06) & (reach < 0.849)].max() < 1e-9
    assert (np.abs(reached - (reach - 0.85))[reach > 0.86] < 1e-3).all()
    axis = np.cross(new_knee - hip, new_ankle - new_knee)
    assert (rotations.unit(axis) * rotations.apply(first, hinge)).sum(1).min() > 0.9
    same, also = legs.solve(hip, knee, ankle, hinge, ankle)
    bent = (bend[:, 0] > 0.1) & (np.linalg.norm(ankle - hip, axis=1) < 0.849)
    assert np.abs(same - np.eye(3))[bent].max() < 1e-6 and np.abs(also - np.eye(3))[bent].max() < 1e-6
