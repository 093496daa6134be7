# SPDX-License-Identifier: GPL-3.0-or-later
"""People before a camera that pans, rolls, zooms and goes: they move as they did, not as the image does."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bin.evaluation.metrics import angle_between  # noqa: E402
from skel_blender.engine.body.chain import pose_chain  # noqa: E402
from skel_blender.engine.camera import CameraMotion, intrinsics  # noqa: E402
from skel_blender.engine.fit import people  # noqa: E402
from skel_blender.engine.fit.people import fit_people  # noqa: E402
from skel_blender.engine.regress.lift import LiftRegressor, load_lift  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402
from tests.engine import squatting  # noqa: E402
from tests.engine.squatting import FPS, FRAMES, SIZE  # noqa: E402


class _Footage:
    fps = FPS


def _sway(pan: float = 50.0, places: np.ndarray | None = None) -> CameraMotion:
    """Pans by 50 degrees, nods, rolls, and zooms in by a third."""
    when = np.linspace(0, 1, FRAMES)
    axes = (np.array([0.0, 1, 0]), np.array([1.0, 0, 0]), np.array([0.0, 0, 1]))
    angles = np.radians([pan * (when - 0.5), 6 * np.sin(9 * when), 5 * np.sin(7 * when)])
    panned, nod, roll = (axis_rotation(axis, angle) for axis, angle in zip(axes, angles))
    return CameraMotion(0, intrinsics(SIZE), roll @ nod @ panned, 1 + when / 3, places)


def _fit(squat, motion, start):
    """The fit, joints (T,24,3) m and up (3,) in the axes of the first frame's camera, and the camera."""
    guesses = None
    if start == "lift":
        K = np.tile(squat.K, (FRAMES, 1, 1)) if motion is None else motion.lenses(squat.track.frames)
        guesses = LiftRegressor(load_lift())(_Footage, [squat.track], [K], None)
    fits, view = fit_people([squat.track], squat.body, squat.K, FPS, guesses=guesses, motion=motion)
    state, one = torch.as_tensor(fits[0].state), torch.zeros(FRAMES, dtype=torch.long)
    posed = pose_chain(squat.body.shape(torch.as_tensor(fits[0].betas)[None]), one, state[:, 3:], state[:, :3])
    first = view.at(slice(0, 1))
    return fits[0], first.see(posed.positions).numpy(), first.R.numpy().reshape(3, 3)[:, 1], view


def _true(squat, motion):
    """Joints and up in the same axes."""
    if motion is None:
        return squat.joints, squat.R[:, 1]
    return (squat.joints - motion.placed(np.arange(1))) @ motion.turns[0].T, motion.turns[0] @ squat.R[:, 1]


def _drift(joints, true):
    """m, the farthest that the pelvis comes from where it was, an offset for all frames taken out."""
    off = joints[:, 0] - true[:, 0]
    return np.linalg.norm(off - np.median(off, 0), axis=-1).max()


@pytest.mark.parametrize("start", ["stance", "lift"])
def test_a_turning_camera_tells_as_much_as_a_still_one(start):
    """The same squats, seen both ways: joints, feet on the floor, the world upright."""
    errors = []
    for motion in (None, _sway()):
        squat = squatting.imaged(motion)
        fit, joints, up, _ = _fit(squat, motion, start)
        true, true_up = _true(squat, motion)
        assert np.nanmedian(fit.reprojection_error) < 4 and fit.contacts.mean() > 0.5
        assert np.degrees(np.arccos(np.clip(up @ true_up, -1, 1))) < 6
        errors.append(np.linalg.norm(joints - joints[:, :1] - (true - true[:, :1]), axis=-1).mean())
        assert _drift(joints, true) < 0.12
    assert errors[1] < 1.15 * errors[0] + 0.002


@pytest.mark.parametrize("way", [(1.2, 0.0, 0.0), (0.0, -0.2, 1.5)])
def test_feet_tell_how_far_a_camera_goes(way):
    """It goes aside, or nearer and up; its path is told in a unit of its own."""
    motion = _sway(20.0, np.linspace(0, 1, FRAMES)[:, None] * way)
    squat = squatting.imaged(motion)
    fit, joints, _, view = _fit(squat, replace(motion, places=motion.places / 3.7), "stance")
    eye = view.eye.numpy()
    assert np.linalg.norm(eye[-1] - eye[0]) == pytest.approx(np.linalg.norm(way), rel=0.05)
    assert _drift(joints, _true(squat, motion)[0]) < 0.06 and fit.contacts.mean() > 0.8


@pytest.mark.parametrize("tilt", [0.0, 30.0])
def test_a_plane_from_which_everybody_leans_is_not_the_ground(tilt):
    """Corners of the background may lie on a slope or a wall; half a second of standing says that it is not what people stand on."""
    way = np.linspace(-0.5, 0.5, FRAMES)[:, None] * [1.0, 0.0, 0.0]
    motion = _sway(20.0, way)
    squat = squatting.imaged(motion)
    plane = axis_rotation(np.array([1.0, 0, 0]), np.array(np.radians(tilt))) @ squat.R[:, 1]
    motion = replace(motion, ground=np.append(plane, 1.7))
    up, true = _fit(squat, motion, "stance")[2], _true(squat, motion)[1]
    assert angle_between(up, true) < 6


def test_a_floor_that_is_not_in_one_place_bends_no_legs(monkeypatch):
    """The camera rises by half a metre for a moment, and nobody knows how far: the person seems to sink below the floor."""
    rise = 0.5 * np.exp(-(((np.arange(FRAMES) - 30) / 5) ** 2))
    motion = _sway(10.0, -np.outer(rise, [0.0, 1.0, 0.0]))
    squat = squatting.imaged(motion)
    monkeypatch.setattr(people, "_path_size", lambda *told: 0.0)
    joints = _fit(squat, motion, "stance")[1]
    legs = [(part[:, [3, 8]] - part[:, [1, 6]]).reshape(-1, 3) for part in (joints, squat.joints @ motion.turns[0].T)]  # hips to ankles
    assert max(angle_between(*leg) for leg in zip(*legs)) < 5


def test_without_its_turns_the_same_track_is_far_off():
    motion = _sway()
    squat = squatting.imaged(motion)
    fit, joints, _, _ = _fit(squat, None, "stance")
    assert _drift(joints, _true(squat, motion)[0]) > 1.0


def test_contacts_are_read_as_if_the_camera_stood_still():
    """A person who stands, before a camera that turns fast: the feet do not move."""
    motion = replace(_sway(), zoom=np.ones(FRAMES))
    fit, still = (_fit(squatting.imaged(moved), moved, "stance")[0] for moved in (motion, None))
    assert (fit.contacts == still.contacts).mean() > 0.95
