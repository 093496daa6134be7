# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet and legs of a retarget: which contacts count, and legs that reach."""

from __future__ import annotations

import numpy as np
import pytest

from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX
from skel_blender.export import rotations
from skel_blender.export.retarget import align, feet, legs, skeleton
from skel_blender.rig import contacts
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import layers
from tests import walk
from tests.bpy import characters, walking
from tests.bpy.evaluated import curves, rig_of
from tests.bpy.walking import put


def lift(source, metres):
    """Raise a whole motion."""
    for curve in curves(source):
        if curve.data_path.endswith('["pelvis"].location'):
            rise = np.array(source.data.bones["pelvis"].matrix_local)[2, curve.array_index] * metres
            for key in curve.keyframe_points:
                key.co.y += rise


def test_contacts_of_the_take_are_believed_and_those_that_an_edit_lifts_are_not(source):
    target = characters.mixamo()
    down = np.zeros((120, 6), dtype=bool)
    down[29:45, 3:5] = True
    contacts.keep(source, 1, down)
    _, _, seen = put(source, target)
    assert walking.slide(seen.heads["foot_l"][29:45]) < 0.001 < walking.slide(seen.heads["toe_l"][10:24])
    down[:] = True  # of a walk this can't be true: the feet are in the air in between
    contacts.keep(source, 1, down)
    _, _, seen = put(source, target)
    assert seen.heads["foot_l"][:, 2].max() > 0.2


def test_contacts_are_known_below_a_layer_too(source):
    """The walk floats 7 cm over its floor: only what is known of it holds the feet; moved in time, it is known of the same steps."""
    down = np.zeros((120, 6), dtype=bool)
    down[29:45, 3:5] = True
    contacts.keep(source, 1, down)
    lift(source, 0.07)
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


@pytest.mark.parametrize("make", [characters.mixamo, characters.manny])
def test_feet_stand_on_a_wall_as_on_the_floor(source, make):
    """A walk 2 m up: it slid by 30 mm where only the floor counted."""
    down = np.zeros((120, 6), dtype=bool)
    down[29:45, 3:5] = True
    contacts.keep(source, 1, down)
    _, _, low = put(source, make())
    lift(source, 2.0)
    result, _, seen = put(source, make())
    ankle, below = seen.heads["foot_l"][29:45], low.heads["foot_l"][29:45]
    assert walking.slide(ankle) < 0.001 and np.ptp(ankle[:, 2]) < 0.001 and walking.slide(seen.heads["toe_l"][10:24]) > 0.02
    assert ankle[:, 2].mean() - below[:, 2].mean() == pytest.approx(2.0 * result.ratio, abs=0.03)


def test_only_whoever_stands_up_there_rests_on_something_raised():
    """Not a foot that an edit lifts while the other one stands, and nobody whom an edit lets float up."""
    known, points = np.ones((60, 6), dtype=bool), np.zeros((60, 6, 3))
    points[..., 2] = 0.5
    touching, levels = feet.contacts(points, 0.1, 30.0, known)
    assert touching.all() and np.allclose(levels, 0.4)
    points[:, 3:, 2] = 0.11
    touching, levels = feet.contacts(points, 0.1, 30.0, known)
    assert not touching[:, :3].any() and touching[:, 3:].all() and not levels.any()
    points[..., 2] = np.linspace(0.0, 1.2, 60)[:, None]
    touching, _ = feet.contacts(points, 0.0, 30.0, known)
    assert not touching[10:].any() and touching[:5].all()


def test_a_foot_without_toes_rolls_where_toes_would_be(source):
    """Its bone points up, as Roblox's and many exported ones do: the front of the foot went 67 mm below the floor."""
    joints = characters.places(characters.Build())
    target = characters.simple("Blocks", {part: name for part, name in characters.UNITY.items() if part != "ball"})
    _, mapping, seen = put(source, target)
    before = walking.look_at_source(source)
    for side, flip in (("l", np.asarray), ("r", characters.mirrored)):
        rest = np.array(target.data.bones[mapping[f"foot_{side}"]].matrix_local)[:3, :3]
        ball = seen.heads[f"foot_{side}"] + seen.turns[f"foot_{side}"] @ rest.T @ flip(joints["ball"] - joints["foot"])
        assert ball[:, 2].min() > 0.01 and max(walking.slide(ball[step]) for step in walking.steps(before, side)) < 0.012


@pytest.mark.parametrize(("places", "yaws"), [((0.3, 0.5, 0.2), (0.4, 0.4, 0.4)), ((0.3, 0.3, 0.3), (0.4, 1.4, 0.2))])
def test_a_foot_that_slides_or_turns_while_it_is_down_gets_another_print(places, yaws):
    """40 frames at each place, trembling: there it stands still, where it stood on the mean."""
    rng, sole = np.random.default_rng(0), np.array([[0.0, 0.05, -0.1], [0.0, -0.13, -0.1], [0.0, -0.2, -0.1]])
    place, yaw = np.repeat(places, 40) + rng.normal(0.0, 0.003, 120), np.repeat(yaws, 40) + rng.normal(0.0, 0.03, 120)
    ankle = np.stack([place, np.zeros(120), np.full(120, 0.1)], axis=1)
    turn = rotations.turn(yaw[:, None] * [0.0, 0.0, 1.0])
    foot, down = align.Foot(sole, np.zeros(3)), np.ones((120, 3), dtype=bool)
    planted = feet.plant(foot, feet.Track(ankle, turn, turn), np.eye(3), down, np.zeros(120), 6, 0.8)
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
