# SPDX-License-Identifier: GPL-3.0-or-later
"""Lenses, and how a moving camera is asked about frames."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.camera import CameraMotion, intrinsics, toward  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402

TAN_30 = math.tan(math.radians(30))


@pytest.mark.parametrize(
    ("size", "said", "focal"),
    [((1280, 720), {}, 640 / TAN_30), ((720, 1280), {}, 640 / TAN_30), ((1280, 720), {"fov_degrees": 90.0}, 640),
     ((720, 1280), {"fov_degrees": 90.0}, 360), ((720, 1280), {"focal_length": 900.0}, 900)],
)  # fmt: skip
def test_an_angle_that_is_said_is_across_the_width_and_the_usual_one_across_the_longer_side(size, said, focal):
    assert intrinsics(size, **said) == pytest.approx(np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]]))


def test_the_axis_is_turned_to_a_ray_and_not_about_it():
    rays = torch.tensor([[0.0, 0, 2], [1, 0, 1], [-0.3, 0.5, 1]], dtype=torch.float64)
    turns = toward(rays)
    assert torch.allclose(turns @ turns.mT, torch.eye(3, dtype=torch.float64).expand(3, 3, 3))
    assert torch.allclose(turns[..., 2], torch.nn.functional.normalize(rays, dim=-1))
    assert torch.allclose(turns[..., 0, 1], turns[..., 1, 0]), "about an axis that is level in the image"


def test_a_motion_is_asked_by_the_numbers_of_frames():
    places = np.arange(15.0).reshape(5, 3)
    turns = axis_rotation(np.array([0.0, 1, 0]), 0.1 * np.arange(5))
    motion = CameraMotion(10, intrinsics((640, 480), focal_length=500.0), turns, np.linspace(1, 2, 5), places)
    frames = np.array([11, 14])
    assert np.allclose(motion.lenses(frames)[:, [0, 1], [0, 1]], [[625, 625], [1000, 1000]])
    assert np.allclose(motion.lenses(frames)[:, :2, 2], [320, 240])
    assert np.array_equal(motion.turned(frames), turns[[1, 4]])
    assert np.array_equal(motion.placed(frames), places[[1, 4]] - places[2])
    still = CameraMotion(10, motion.K, turns, np.ones(5))
    assert np.array_equal(still.placed(frames), np.zeros((2, 3)))


def test_a_camera_that_hardly_turns_moves_the_picture_alike_through_any_lens():
    nod, roll = np.radians(1.5) * np.sin(np.arange(20)), np.radians(1.0) * np.cos(np.arange(20))
    turns = axis_rotation(np.array([1.0, 0, 0]), nod) @ axis_rotation(np.array([0.0, 0, 1]), roll)
    motion = CameraMotion(0, intrinsics((640, 480), focal_length=500.0), turns, np.ones(20))
    longer = motion.refocused(np.log(2.0))
    assert longer.K[0, 0] == pytest.approx(1000.0)
    background = np.array([[0.3, 0.2, 1.0], [-0.4, -0.1, 1.0], [0.1, -0.3, 1.0]])
    seen, again = (far @ part.turns.swapaxes(1, 2) @ part.K.T for part, far in ((motion, background), (longer, background * [0.5, 0.5, 1])))
    assert np.abs(seen[..., :2] / seen[..., 2:] - again[..., :2] / again[..., 2:]).max() < 1.5, "13 px and more without"


@pytest.mark.parametrize(("change", "still"), [({}, True), ({"turn": 5.0}, False), ({"zoom": 1.1}, False), ({"goes": True}, False)])
def test_which_camera_is_nearly_still(change, still):
    turns = axis_rotation(np.array([0.0, 1, 0]), np.radians(np.linspace(0, change.get("turn", 3.0), 4)))
    places = np.eye(4, 3) if change.get("goes") else None
    assert CameraMotion(0, intrinsics((640, 480)), turns, np.linspace(1, change.get("zoom", 1.0), 4), places).nearly_still == still
