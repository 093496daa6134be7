# SPDX-License-Identifier: GPL-3.0-or-later
"""What one person tells of the floor and of the lens: only who stands tells how a body stands, only feet that rest tell of the floor."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.anatomy import JOINT_INDEX  # noqa: E402
from skel_blender.engine.fit.contacts import HANDS  # noqa: E402
from skel_blender.engine.fit.scene.lens import lens_evidence  # noqa: E402
from skel_blender.engine.fit.scene.sightings import CLEAR_M, places, posed, sightings  # noqa: E402
from tests.engine.standing import NONE, VIEW, evidence, on_floor, standing  # noqa: E402

FRAMES, UNSEEN = 30, slice(12, 24)
OBSERVED = ~np.isin(np.arange(FRAMES), np.arange(FRAMES)[UNSEEN])
EYE = np.array([0.0, 1.0, 5.0])
AHEAD = {"shoulder_r_y": -0.9, "shoulder_l_y": 0.9}  # arms
PUSHES_UP = {"pelvis_tilt": -0.9, **AHEAD}
POSTURES = {  # angles, whether the body tells, and whether the trunk does
    "stands": ({}, True, True),
    "a knee is bent": ({"knee_angle_r": 0.9}, False, True),
    "the other knee is bent": ({"knee_angle_l": 0.9}, False, True),
    "sits with legs ahead": ({"hip_flexion_r": 1.4, "hip_flexion_l": 1.4}, False, True),
    "bows": ({"pelvis_tilt": -0.8, "hip_flexion_r": 0.8, "hip_flexion_l": 0.8}, False, True),
    "lies": ({"pelvis_tilt": -1.5}, False, False),
    "on his hands": ({"pelvis_tilt": 3.1}, False, False),
    "holds his arms ahead": (AHEAD, True, True),
    "leans far forward": ({"pelvis_tilt": -0.9}, True, True),  # or is seen by a camera that looks down on him
    "at the top of a push-up": (PUSHES_UP, False, False),
}


@pytest.mark.parametrize("posture", POSTURES)
def test_who_tells_how_a_body_stands(body, posture):
    angles, stands, upright = POSTURES[posture]
    state = on_floor(body, standing(FRAMES, **angles))
    told = sightings(body, evidence(body, state), state, NONE, OBSERVED)
    assert (len(told.bodies), len(told.trunks)) == (stands * OBSERVED.sum(), upright * OBSERVED.sum())
    joints = posed(body, state, NONE)[1].positions[0].numpy()
    ankles = joints[[JOINT_INDEX["talus_r"], JOINT_INDEX["talus_l"]]].mean(0)
    for axes, low, high in ((told.bodies, ankles, joints[JOINT_INDEX["thorax"]]), (told.trunks, joints[0], joints[JOINT_INDEX["thorax"]])):
        assert np.allclose(axes, (high - low) / np.linalg.norm(high - low))
    words = lens_evidence(body, evidence(body, state), state, NONE, OBSERVED).bodies
    assert len(words) == stands, "one in 0.7 s of those that were observed"


def test_legs_that_nobody_saw_do_not_tell_how_a_body_stands(body):
    """Behind a desk they are straight ones by default. A knee or an ankle is enough."""
    state = on_floor(body, standing(FRAMES))
    seen = evidence(body, state)
    seen.keypoints_2d[:, [25, 26, 27, 28], 2] = 0.2
    seen.keypoints_2d[0, 25, 2] = seen.keypoints_2d[1, 28, 2] = 0.5
    told = sightings(body, seen, state, NONE, OBSERVED)
    assert (len(told.bodies), len(told.trunks)) == (2, OBSERVED.sum())
    seen.keypoints_2d[:2, [25, 28], 2] = 0.2
    assert len(lens_evidence(body, seen, state, NONE, OBSERVED).bodies) == 0


@pytest.mark.parametrize(("raised", "resting"), [("", range(6)), ("r", range(3, 6)), ("l", range(3))])
def test_feet_that_rest_tell_where_they_are_and_from_where_that_was_seen(body, raised, resting):
    """One may be held up, a quarter of a metre over the floor."""
    angles = {f"{name}_{side}": 1.2 for side in raised for name in ("hip_flexion", "knee_angle")}
    state = on_floor(body, standing(FRAMES, **angles))
    told = sightings(body, evidence(body, state), state, NONE, OBSERVED)
    assert np.array_equal(told.feet, places(body, state, NONE, body.soles)[:, list(resting)].reshape(-1, 3))
    assert np.array_equal(told.eyes, np.tile(EYE, (len(told.feet), 1)))


@pytest.mark.parametrize("posture", POSTURES)
def test_who_is_upright_stands_on_his_lower_sole_and_nobody_else_on_any(body, posture):
    """Under who lies or is on his hands the floor is a little below all of him."""
    angles, _, upright = POSTURES[posture]
    state = standing(FRAMES, **angles)
    told = sightings(body, evidence(body, state), state, NONE, OBSERVED)
    up = next((axes[0] for axes in (told.bodies, told.trunks) if len(axes)), np.array([0.0, 1, 0]))
    soles, markers = ((places(body, state, NONE, points)[OBSERVED] @ up).min(1) for points in (body.soles, body.markers))
    assert np.allclose(told.under @ up, soles if upright else np.minimum(soles, markers) - CLEAR_M)


@pytest.mark.parametrize(("posture", "sees_legs", "hands"), [(PUSHES_UP, True, 0.0), (PUSHES_UP, False, 1.0), (AHEAD, False, 0.0)])
def test_hands_of_who_is_bent_over_them_rest_if_nothing_that_was_seen_is_lower(body, posture, sees_legs, hands):
    """The legs of this push-up go through the floor; but where nobody saw them, as beyond the image's edge, they are a guess."""
    state = standing(FRAMES, **posture)
    seen = evidence(body, state)
    if not sees_legs:
        seen.keypoints_2d[:, 25:, 2] = 0.0
    told = sightings(body, seen, state, NONE, OBSERVED)
    own = places(body, state, NONE, body.markers.select(list(HANDS))).reshape(-1, 3)
    lowest = own[own[:, 1] < own[:, 1].min() + 0.05]
    assert np.isin(lowest, told.feet).all(axis=1).mean() == hands


@pytest.mark.parametrize(("somebody", "hangs"), [("pulls himself up", True), ("is lifted, arms up", False), ("stands on a bus", False)])
def test_who_hangs_stands_on_nothing_but_the_floor_is_below_his_lowest(body, somebody, hangs):
    """His hips move by half a metre; feet that stay where they are stand."""
    state = standing(2 * FRAMES, shoulder_r_x=-1.3, shoulder_l_x=1.3)
    state[:, 1] += 0.25 - 0.25 * torch.cos(torch.linspace(0, 2 * np.pi, len(state))).double()
    seen = evidence(body, state)
    if somebody == "is lifted, arms up":
        seen.keypoints_2d[:, 13:23, 2] = 0.0
    else:
        seen.keypoints_2d[:, 13:23] = seen.keypoints_2d[:1, 13:23]
    if somebody == "stands on a bus":
        seen.keypoints_2d[:, 25:] = seen.keypoints_2d[:1, 25:]
    told = sightings(body, seen, state, NONE, np.ones(len(state), bool))
    soles = places(body, state, NONE, body.soles)
    assert (len(told.feet) == 0) == hangs
    lowest = (told.under @ told.bodies[0]).min()
    assert lowest == pytest.approx((soles @ told.bodies[0]).min()) and (len(told.under) == 1) == hangs


def test_what_is_told_of_the_lens_is_in_the_camera_s_axes(body):
    """Heels and balls that rest, as they lie beside the hips, and the body."""
    state = on_floor(body, standing(FRAMES))
    told = lens_evidence(body, evidence(body, state), state, NONE, OBSERVED)
    R = VIEW.R.numpy()
    hips = state[:, :3].numpy()[0] + body.J_template[0].numpy()
    soles = places(body, state, NONE, body.soles)[0, [0, 1, 3, 4]]
    assert np.allclose(told.foot_hips, R @ hips) and np.allclose(told.body_hips, R @ hips)
    assert np.allclose(told.foot_hips + told.feet, soles @ R.T)
    assert told.bodies.shape == (1, 3) and (told.bodies[:, 1] < -0.98).all() and np.allclose(np.linalg.norm(told.bodies, axis=1), 1)


def test_a_moment_s_rest_tells_nothing_of_the_lens(body):
    """Feet that lie on the floor for six frames at a time, of somebody who hops."""
    state = on_floor(body, standing(FRAMES))
    state[:, 1] += torch.as_tensor(0.4 * (np.arange(FRAMES) % 12 > 5))
    told = lens_evidence(body, evidence(body, state), state, NONE, OBSERVED)
    assert len(told.feet) == len(told.foot_hips) == 0
