# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits stands on straight legs, where what was seen leaves it open; whose bend was seen keeps it."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.anatomy import DOF_INDEX, Q  # noqa: E402
from skel_blender.engine.camera import R_CAM_LEVEL  # noqa: E402
from skel_blender.engine.fit import people  # noqa: E402
from skel_blender.engine.fit.quiet import straightened, waits  # noqa: E402
from skel_blender.engine.fit.scene.sightings import places  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.engine.regress.guess import Guess  # noqa: E402
from tests.engine.standing import FPS, NONE, K, evidence, on_floor, standing  # noqa: E402

FRAMES = 40
KNEES, HIPS, ANKLES = ([DOF_INDEX[f"{name}_{side}"] for side in "rl"] for name in ("knee_angle", "hip_flexion", "ankle_angle"))
ALWAYS, BOTH = np.ones(FRAMES, dtype=bool), np.ones((FRAMES, 6), dtype=bool)


def _told(body, right: float, left: float, sigma: float):
    """What is seen of somebody, of whose knees a regressor says so much (degrees)."""
    poses = torch.zeros(FRAMES, Q).double()
    poses[:, KNEES] = torch.deg2rad(torch.tensor([right, left]).double())
    spread = torch.full((FRAMES, Q), np.radians(sigma)).double()
    return replace(evidence(body, on_floor(body, standing(FRAMES))), prior_poses=poses, prior_sigma=spread)


def _knees(seen) -> np.ndarray:
    return np.degrees(seen.prior_poses[:, KNEES].numpy())


def _swaying(fast: np.ndarray) -> np.ndarray:
    """(T,3) m, whose speed is (T,) m/s."""
    return np.cumsum(np.broadcast_to(fast, FRAMES) / FPS)[:, None] * [0.6, 0.0, 0.8]


def test_who_stands_still_over_his_feet_waits():
    frames = np.arange(FRAMES)
    assert waits(BOTH, ALWAYS, _swaying(0.0), FPS).all()
    assert waits(BOTH, ALWAYS, _swaying(0.04), FPS).all() and not waits(BOTH, ALWAYS, _swaying(0.09), FPS).any()
    assert waits(BOTH & [True, True, True, False, False, False], ALWAYS, _swaying(0.0), FPS).all()
    assert waits(BOTH & (frames[:, None] % 20 < 8), ALWAYS, _swaying(0.0), FPS)[:28].all()
    assert not waits(~BOTH, ALWAYS, _swaying(0.0), FPS).any() and not waits(BOTH, ~ALWAYS, _swaying(0.0), FPS).any()
    assert not waits(BOTH, frames % 20 < 12, _swaying(0.0), FPS).any()
    assert not waits(BOTH[:9], ALWAYS[:9], _swaying(0.0)[:9], FPS).any()


@pytest.mark.parametrize("fps", [0.1, 1.0, 3.0])
def test_slow_footage_has_people_who_wait_and_a_single_image_has_none(fps):
    assert waits(BOTH, ALWAYS, _swaying(0.0), fps).all() and not waits(BOTH, ALWAYS, np.arange(FRAMES)[:, None] * np.ones(3), fps).any()
    assert not waits(BOTH[:1], ALWAYS[:1], np.zeros((1, 3)), fps).any()


def test_who_waits_may_shift_his_weight_and_walks_off_at_last():
    frames = np.arange(FRAMES)
    assert waits(BOTH, ALWAYS, _swaying(np.where(frames < 20, 0.0, 0.09)), FPS).all()
    found = waits(BOTH, ALWAYS, _swaying(np.where(frames < 24, 0.0, 0.8)), FPS)
    assert found[:18].all() and not found[26:].any()


def test_what_is_said_without_being_sure_is_straightened_and_the_trunk_stays(body):
    seen = _told(body, 35.0, 50.0, 16.0)
    after = straightened(seen, ALWAYS)
    assert (_knees(after)[:, 0] < 12).all() and np.allclose(np.diff(_knees(after)), 15)
    change = after.prior_poses - seen.prior_poses
    assert torch.allclose(change[:, KNEES], 2 * change[:, HIPS]) and torch.equal(change[:, HIPS], change[:, ANKLES])
    others = np.setdiff1d(np.arange(Q), [*KNEES, *HIPS, *ANKLES])
    assert not change[:, others].any()
    surer = (after.prior_sigma < seen.prior_sigma).numpy()
    assert surer[:, KNEES[0]].all() and surer.sum() == FRAMES


@pytest.mark.parametrize(("right", "left", "sigma"), [(50.0, 55.0, 6.0), (50.0, 55.0, 13.0), (70.0, 70.0, 18.0), (2.0, 30.0, 16.0)])
def test_a_bend_that_was_seen_and_a_leg_that_is_straight_stay(body, right, left, sigma):
    seen = _told(body, right, left, sigma)
    assert np.abs(_knees(straightened(seen, ALWAYS)) - _knees(seen)).max() < 0.5


def test_it_comes_and_goes_without_a_leap_and_only_while_he_waits(body):
    seen = _told(body, 35.0, 35.0, 16.0)
    knees = _knees(straightened(seen, np.arange(FRAMES) >= 20))[:, 0]
    assert np.allclose(knees[:4], 35) and (knees[36:] < 12).all() and knees[19] > knees[20]
    assert np.abs(np.diff(knees)).max() < 1.5
    assert straightened(seen, ~ALWAYS) is seen


def test_where_nobody_was_seen_nothing_is_said(body):
    seen = _told(body, 35.0, 35.0, np.inf)
    after = straightened(seen, ALWAYS)
    assert torch.equal(after.prior_poses, seen.prior_poses) and torch.equal(after.prior_sigma, seen.prior_sigma)


def test_who_waits_before_the_camera_comes_out_straight(body, monkeypatch):
    """From before: metric landmarks and the guess have knees bent by 35 degrees, which the image hardly contradicts."""
    true = on_floor(body, standing(FRAMES))
    bent = standing(FRAMES, **{f"{name}_{side}": np.radians(angle) for side in "rl"
                               for name, angle in (("knee_angle", 35), ("hip_flexion", 17.5), ("ankle_angle", 17.5))})  # fmt: skip
    seen = evidence(body, true, torch.as_tensor(places(body, bent, NONE, body.markers)))
    track = Track(np.arange(FRAMES), seen.keypoints_2d.numpy(), seen.landmarks_3d.numpy(), np.ones(FRAMES, dtype=bool))
    eye = np.array([0.0, 1.0, 5.0]) @ R_CAM_LEVEL
    guess = Guess(bent[:, 3:].numpy(), np.zeros(10), true[:, :3].numpy() + eye, np.full((FRAMES, Q), np.radians(16)))

    def knees() -> float:
        (fit,), _ = people.fit_people([track], body, K.numpy(), FPS, guesses=[lambda _: guess])
        return float(np.degrees(np.median(fit.state[:, 3:][:, KNEES])))

    told = knees()
    monkeypatch.setattr(people, "waits", lambda resting, *_: np.zeros(len(resting), dtype=bool))
    assert told < 12 < 20 < knees()
