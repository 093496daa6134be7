# SPDX-License-Identifier: GPL-3.0-or-later
"""People before a camera that pans, rolls and zooms: they move as they did, not as the image does."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.body.chain import pose_chain  # noqa: E402
from skel_blender.engine.camera import CameraMotion, intrinsics  # noqa: E402
from skel_blender.engine.fit.people import fit_people  # noqa: E402
from skel_blender.engine.regress.lift import LiftRegressor, load_lift  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402
from tests.engine import squatting  # noqa: E402
from tests.engine.squatting import FPS, FRAMES, SIZE  # noqa: E402


class _Footage:
    fps = FPS


def _sway() -> CameraMotion:
    """Pans by 50 degrees, nods, rolls, and zooms in by a third."""
    when = np.linspace(0, 1, FRAMES)
    axes = (np.array([0.0, 1, 0]), np.array([1.0, 0, 0]), np.array([0.0, 0, 1]))
    angles = np.radians([50 * (when - 0.5), 6 * np.sin(9 * when), 5 * np.sin(7 * when)])
    pan, nod, roll = (axis_rotation(axis, angle) for axis, angle in zip(axes, angles))
    return CameraMotion(0, intrinsics(SIZE), roll @ nod @ pan, 1 + when / 3)


def _fit(squat, motion, start):
    guesses = None
    if start == "lift":
        K = np.tile(squat.K, (FRAMES, 1, 1)) if motion is None else motion.lenses(squat.track.frames)
        guesses = LiftRegressor(load_lift())(_Footage, [squat.track], squat.body, [K], None)
    fits, view = fit_people([squat.track], squat.body, squat.K, FPS, guesses=guesses, motion=motion)
    state, one = torch.as_tensor(fits[0].state), torch.zeros(FRAMES, dtype=torch.long)
    posed = pose_chain(squat.body.shape(torch.as_tensor(fits[0].betas)[None]), one, state[:, 3:], state[:, :3])
    return fits[0], view, view.see(posed.positions).numpy()


@pytest.mark.parametrize("start", ["stance", "lift"])
def test_a_turning_camera_tells_as_much_as_a_still_one(start):
    """The same squats, seen both ways: joints in the axes that the turns are counted from, feet on the floor, the world upright."""
    motion, errors = _sway(), []
    for moved in (None, motion):
        squat = squatting.imaged(moved)
        fit, view, joints = _fit(squat, moved, start)
        assert np.nanmedian(fit.reprojection_error) < 4 and fit.contacts.mean() > 0.5
        up = view.R.numpy() @ [0, 1, 0]
        assert np.degrees(np.arccos(np.clip(up @ (squat.R @ [0, 1, 0]), -1, 1))) < 6
        errors.append(np.linalg.norm(joints - joints[:, :1] - (squat.joints - squat.joints[:, :1]), axis=-1).mean())
        assert np.linalg.norm(joints[:, 0] - squat.joints[:, 0] - np.median(joints[:, 0] - squat.joints[:, 0], 0), axis=-1).max() < 0.12
    assert errors[1] < 1.15 * errors[0] + 0.002


def test_without_its_turns_the_same_track_is_far_off():
    squat = squatting.imaged(_sway())
    _, _, joints = _fit(squat, None, "stance")
    drift = joints[:, 0] - squat.joints[:, 0]
    assert np.linalg.norm(drift - np.median(drift, 0), axis=-1).max() > 1.0


def test_contacts_are_read_as_if_the_camera_stood_still():
    """A person who stands, before a camera that turns fast: the feet do not move."""
    motion = replace(_sway(), zoom=np.ones(FRAMES))
    fit, _, _ = _fit(squatting.imaged(motion), motion, "stance")
    still, _, _ = _fit(squatting.imaged(), None, "stance")
    assert (fit.contacts == still.contacts).mean() > 0.95
