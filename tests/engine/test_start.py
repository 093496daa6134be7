# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a fit starts: the place at which landmarks are imaged as they were seen, turned as the trunk is."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.anatomy import DOF_INDEX  # noqa: E402
from skel_blender.engine.fit.scene.sightings import places  # noqa: E402
from skel_blender.engine.fit.start import first_state, guesses, place  # noqa: E402
from skel_blender.kinematics import joint_rotations  # noqa: E402
from tests.engine.standing import NONE, VIEW, evidence, on_floor, standing  # noqa: E402


def _turned(body, count, **angles):
    """Somebody beside the middle of the picture, a little nearer in each frame."""
    state = on_floor(body, standing(count, **angles))
    state[:, 0], state[:, 2] = 0.8, torch.linspace(0, 1, count).double()
    return state


def _off(body, found, state):
    """m between the pelves, and degrees between their turns."""
    pelves = (found[:, :3] - state[:, :3]).norm(dim=1).max()
    turns = [joint_rotations(part[:, 3:].numpy())[:, 0] for part in (found, state)]
    trace = np.einsum("tij,tij->t", *turns)
    return float(pelves), float(np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))).max())


def test_the_place_is_that_at_which_landmarks_are_seen_as_they_were(body):
    """Exactly, through a lens with another focal length down than across."""
    state = _turned(body, 5)
    seen, lens = evidence(body, state), VIEW.K.clone()
    lens[1, 1] = 1300.0
    pixels = seen.keypoints_2d.clone()
    pixels[..., 1] = (pixels[..., 1] - 360) * 1.3 + 360
    hips = torch.as_tensor(places(body, state, NONE, body.markers))[:, [23, 24]].mean(1) @ VIEW.R.T + VIEW.t
    for told in (seen, replace(seen, keypoints_2d=pixels, view=replace(VIEW, K=lens))):
        assert torch.allclose(place(told), hips, atol=1e-3)
    behind = replace(seen, landmarks_3d=-seen.landmarks_3d)
    assert (place(behind)[:, 2] >= 0.3).all(), "before the camera, whatever is told"


@pytest.mark.parametrize(
    "angles", [{}, {"pelvis_rotation": 2.0}, {"pelvis_tilt": -1.2, "pelvis_rotation": -0.7}, {"pelvis_list": 1.5}], ids=str
)
def test_metric_landmarks_tell_where_to_start(body, angles):
    state = _turned(body, 3, **angles)
    off, degrees = _off(body, first_state(body, evidence(body, state)), state)
    assert off < 0.02 and degrees < 5


@pytest.mark.parametrize("quarter", range(4))
def test_without_metric_landmarks_one_of_four_ways_is_right(body, quarter):
    state = _turned(body, 3, pelvis_rotation=quarter * np.pi / 2)
    seen = replace(evidence(body, state), landmarks_3d=None)
    off = [_off(body, found, state) for found in guesses(body, seen)]
    assert off[quarter][0] < 0.15 and off[quarter][1] < 5 and sorted(round(degrees, -1) for _, degrees in off) == [0, 90, 90, 180]
    told = torch.as_tensor(standing(3, elbow_flexion_r=1.5)[:, 3:])
    sigma = torch.full_like(told, torch.inf)
    sigma[:, DOF_INDEX["elbow_flexion_r"]] = 0.1
    bent = guesses(body, replace(seen, prior_poses=told + 0.3, prior_sigma=sigma))[0]
    assert torch.allclose(bent[:, 3 + DOF_INDEX["elbow_flexion_r"]], torch.tensor(1.8).double())
    assert torch.allclose(bent[:, 3 + DOF_INDEX["elbow_flexion_l"]], state[:, 3 + DOF_INDEX["elbow_flexion_l"]])


def test_nothing_to_start_from_is_said(body):
    seen = replace(evidence(body, standing(1)), keypoints_2d=None, landmarks_3d=None)
    with pytest.raises(ValueError, match="needs a start"):
        guesses(body, seen)
