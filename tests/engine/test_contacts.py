# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts: still and low feet touch, moving or lifted ones do not, and single frames neither make nor break a contact."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.body.landmarks import MIXTURES  # noqa: E402
from skel_blender.engine.fit.contacts import HANDS, contacts, holding, slipping, unseen  # noqa: E402
from skel_blender.engine.fit.observations import Observations, View  # noqa: E402

FRAMES, DEPTH = 40, 4.0
LANDMARK = {name: number for number, name in enumerate(MIXTURES)}
POINTS = {"right_heel": [0], "right_foot_index": [1, 2], "left_heel": [3], "left_foot_index": [4, 5]} | {
    name: [6 + k] for k, name in enumerate(HANDS)
}


def _evidence(pixels: np.ndarray, confidence: float = 0.9, fps: float = 30.0) -> Observations:
    frames = len(pixels)
    view = View(torch.tensor([[1000.0, 0, 640], [0, 1000.0, 360], [0, 0, 1]]).double(), torch.eye(3).double(), torch.zeros(3).double())
    seen = np.concatenate([np.tile(pixels[:, None], (1, 33, 1)), np.full((frames, 33, 1), confidence)], -1)
    return Observations(fps, (frames,), view, torch.as_tensor(seen))


def _still(frames: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(0).normal(500, 0.5, (frames, 2))


def _contacts(pixels: np.ndarray, heights: float | np.ndarray = 0.02, confidence: float = 0.9) -> np.ndarray:
    return contacts(_evidence(pixels, confidence), np.full(len(pixels), DEPTH), np.broadcast_to(heights, (len(pixels), 6)))


def test_a_still_low_foot_touches_in_every_frame():
    assert _contacts(_still()).all()


def test_one_image_can_touch():
    assert _contacts(_still(1)).all()


def test_a_moving_a_lifted_and_an_unseen_foot_do_not_touch():
    swing = _still() + np.arange(FRAMES)[:, None] * 8.0  # 8 px a frame at 4 m is about 1 m/s
    assert not _contacts(swing).any()
    assert not _contacts(_still(), 0.3).any()
    assert not _contacts(_still(), confidence=0.1).any()


def test_a_single_frame_neither_makes_nor_breaks_a_contact():
    heights = np.full((FRAMES, 6), 0.02)
    heights[20] = 0.5
    assert _contacts(_still(), heights).all()
    assert not _contacts(_still(), 0.52 - heights).any()


@pytest.mark.parametrize(("last", "rests"), [(1, False), (3, True)])
def test_a_moment_at_an_end_of_the_clip_is_no_contact(last, rests):
    heights = np.full((FRAMES, 6), 0.5)
    heights[-last:] = 0.02
    assert _contacts(_still(), heights)[-1].all() == rests
    assert _contacts(_still(), heights[::-1])[0].all() == rests
    assert not _contacts(_still(), heights)[:-last].any()


@pytest.mark.parametrize(("frames", "moved_px", "rests"), [(9, 0, True), (20, 0, False), (9, 150, False)])
def test_a_foot_that_is_hidden_for_a_moment_rests_if_it_comes_back_where_it_was(frames, moved_px, rests):
    hidden = slice(10, 10 + frames)
    pixels = _still()
    pixels[hidden] += 80.0  # where it is guessed to be meanwhile
    pixels[hidden.stop :] += moved_px
    seen = _evidence(pixels)
    seen.keypoints_2d[hidden, :, 2] = 0.2
    touching = contacts(seen, np.full(FRAMES, DEPTH), np.full((FRAMES, 6), 0.02))
    assert touching[hidden].all() if rests else not touching[hidden].any()
    assert touching[: hidden.start - 2].all() and touching[hidden.stop + 2 :].all()


def test_a_foot_beyond_the_border_until_the_end_does_not_touch():
    seen = _evidence(_still())
    seen.keypoints_2d[30:, :, 2] = 0.0
    touching = contacts(seen, np.full(FRAMES, DEPTH), np.full((FRAMES, 6), 0.02))
    assert touching[:30].all() and not touching[30:].any()


def test_hands_touch_only_lower_than_feet():
    heights = np.full((FRAMES, 10), 0.07)
    touching = contacts(_evidence(_still()), np.full(FRAMES, DEPTH), heights)
    assert touching[:, :6].all() and not touching[:, 6:].any()
    heights[:, 6:] = 0.02
    assert contacts(_evidence(_still()), np.full(FRAMES, DEPTH), heights).all()


@pytest.mark.parametrize("name", POINTS)
def test_each_point_is_told_by_its_own_landmark(name):
    """Which rests no more where that one moves, and is unseen where nobody saw that one."""
    seen, columns = _evidence(_still()), np.isin(np.arange(10), POINTS[name])
    seen.keypoints_2d[:, LANDMARK[name], 0] += 8.0 * torch.arange(FRAMES)
    touching = contacts(seen, np.full(FRAMES, DEPTH), np.zeros((FRAMES, 10)))
    assert np.array_equal(touching, np.tile(~columns, (FRAMES, 1)))
    seen.keypoints_2d[::2, LANDMARK[name], 2] = 0.05
    assert np.array_equal(unseen(seen, 10), np.outer(np.arange(FRAMES) % 2 == 0, columns))


@pytest.mark.parametrize("fps", [0.5, 3.0, 10.0])
def test_at_a_low_rate_too_what_stays_rests_and_what_moves_does_not(fps):
    """Down to a picture every two seconds; it moves at 1 m/s."""
    moving = _still() + np.arange(FRAMES)[:, None] * [250.0 / fps, 0]
    for pixels, rests in ((_still(), True), (moving, False)):
        assert (contacts(_evidence(pixels, fps=fps), np.full(FRAMES, DEPTH), np.zeros((FRAMES, 6))) == rests).all()


def test_a_fitted_point_that_moves_slips_whichever_way_it_goes():
    still, along = np.zeros((FRAMES, 1, 3)), np.arange(FRAMES)[:, None, None] / 30.0
    for way in np.eye(3):
        assert not slipping(still + 0.3 * along * way, 30.0).any()
        assert slipping(still + 0.8 * along * way, 30.0).all()
    shaken = still + 0.01 * np.random.default_rng(0).normal(size=still.shape)
    assert slipping(shaken, 30.0).mean() < 0.2, "it stays where it is"
    assert not slipping(still[:1], 30.0).any()


HOLDS = {  # how far the hips go, m; by how much the hand moves, px a frame; how many frames it is not seen in between; and whether it holds
    "pulls himself up": (0.5, 0.0, 0, True),
    "lets the hand hang": (0.1, 0.0, 0, False),
    "waves": (0.5, 6.0, 0, False),
    "walks away": (3.0, 0.0, 0, False),
    "has the hand hidden for a moment": (0.5, 0.0, 8, True),
    "has the hand hidden": (0.5, 0.0, 39, False),
}


@pytest.mark.parametrize("somebody", HOLDS)
@pytest.mark.parametrize("moving_camera", [False, True])
def test_a_hand_holds_that_stands_still_while_the_hips_move(somebody, moving_camera):
    """The right one; the left one goes with the hips."""
    way, shift, hidden, expected = HOLDS[somebody]
    seen, rise = _evidence(_still()), np.sin(np.linspace(0, np.pi, FRAMES))
    right, left = ([LANDMARK[f"{side}_{name}"] for name in ("index", "pinky")] for side in ("right", "left"))
    seen.keypoints_2d[:, right, 0] += shift * torch.arange(FRAMES)[:, None]
    seen.keypoints_2d[:, left, 1] -= torch.as_tensor(1000.0 * 0.5 / DEPTH * rise)[:, None]
    seen.keypoints_2d[10 : 10 + hidden, right, 2] = 0.0
    if moving_camera:  # the same, where every frame's camera is said by itself
        seen = replace(seen, view=View(*(part.expand(FRAMES, *part.shape) for part in (seen.view.K, seen.view.R, seen.view.t))))
    hips = np.column_stack([np.zeros(FRAMES), -way * rise, np.full(FRAMES, DEPTH)])
    holds = holding(seen, np.full(FRAMES, DEPTH), hips)
    assert holds.shape == (FRAMES, 4) and holds[:, :2].all() == holds[:, :2].any() == expected and not holds[:, 2:].any()
