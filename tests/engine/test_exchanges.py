# SPDX-License-Identifier: GPL-3.0-or-later
"""Limbs that change places at once are put back as they are for most of the time; limbs that pass each other go on."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.people.exchanges import without_exchanges
from skel_blender.engine.people.sides import SWAP_ORDERS, exchanged
from tests.engine.stage import PX_PER_M, pose_at

RATE = 30.0
WHOLE, ARMS, LOWER_LEGS, LEGS, ABOVE = range(1, 6)  # of SWAP_ORDERS


def walk(count: int, turn: float) -> np.ndarray:
    """(count,33,10) of somebody who takes steps, `turn` rad of a step in each frame, with a made-up outline."""
    edges = np.random.default_rng(1).normal(size=(count, 33, 4))
    poses = [pose_at(300 + 3 * n, 0.9 + turn * n) for n in range(count)]
    return np.stack([np.column_stack([p.keypoints_2d, p.landmarks_3d, e]) for p, e in zip(poses, edges, strict=True)])


def mistaken(points: np.ndarray, kind: int, first: int, end: int) -> np.ndarray:
    wrong = points.copy()
    wrong[first:end] = exchanged(points[first:end], SWAP_ORDERS[kind])
    return wrong


@pytest.mark.parametrize("first, end", [(0, 40), (60, 100), (30, 70), (50, 51)])
@pytest.mark.parametrize("kind", [WHOLE, ARMS, LEGS, ABOVE])
def test_sides_that_were_mistaken_for_long_are_put_right(kind, first, end):
    truth = walk(100, 0.0)
    found = without_exchanges(np.arange(100), mistaken(truth, kind, first, end), PX_PER_M, RATE)
    np.testing.assert_array_equal(found, truth)


def test_legs_keep_the_hips_that_they_had():
    """Where only the legs were mistaken the hips stay."""
    truth = walk(100, 0.0)
    found = without_exchanges(np.arange(100), mistaken(truth, LOWER_LEGS, 20, 50), PX_PER_M, RATE)
    np.testing.assert_array_equal(found, truth)


def test_two_mistakes_at_once_are_told_apart():
    truth = walk(100, 0.0)
    wrong = mistaken(mistaken(truth, ARMS, 10, 40), LEGS, 30, 60)
    np.testing.assert_array_equal(without_exchanges(np.arange(100), wrong, PX_PER_M, RATE), truth)


def test_what_is_mistaken_all_the_time_stays():
    """Nothing leaps, so nothing is known: what the network said counts."""
    wrong = mistaken(walk(50, 0.0), WHOLE, 0, 50)
    np.testing.assert_array_equal(without_exchanges(np.arange(50), wrong, PX_PER_M, RATE), wrong)


@pytest.mark.parametrize("turn", [0.1, 0.4, -0.7])
def test_legs_and_arms_that_pass_each_other_go_on(turn):
    """A step in 2 s, in 0.5 s, and in 0.3 s, which is a sprint."""
    truth = walk(120, turn)
    np.testing.assert_array_equal(without_exchanges(np.arange(120), truth, PX_PER_M, RATE), truth)


def test_beyond_a_hole_nothing_is_known():
    """After a second out of sight the legs may be anywhere; each piece is judged by itself."""
    truth = walk(80, 0.0)
    wrong = mistaken(truth, LEGS, 0, 30)
    frames = np.r_[np.arange(30), np.arange(60, 110)]
    np.testing.assert_array_equal(without_exchanges(frames, wrong, PX_PER_M, RATE), wrong)
    one_hole = np.r_[np.arange(30), np.arange(31, 81)]  # a frame is missing: the leap is no less one
    np.testing.assert_array_equal(without_exchanges(one_hole, wrong, PX_PER_M, RATE), truth)


def test_a_single_frame_has_no_leaps():
    truth = walk(1, 0.0)
    np.testing.assert_array_equal(without_exchanges(np.array([7]), truth, PX_PER_M, RATE), truth)
