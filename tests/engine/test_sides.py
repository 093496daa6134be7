# SPDX-License-Identifier: GPL-3.0-or-later
"""Left and right, and which of several readings, are chosen so that a person moves steadily."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.people.landmarker import Pose
from skel_blender.engine.people.sides import SWAP_ORDERS, exchanged, steadiest
from tests.engine.stage import pose_at


def swapped(pose: Pose, kind: int = 1) -> Pose:
    row = exchanged(np.column_stack([pose.keypoints_2d, pose.landmarks_3d, pose.outline]), SWAP_ORDERS[kind])
    return Pose(row[:, :3], row[:, 3:6], pose.score, pose.next_roi, row[:, 6:])


@pytest.mark.parametrize("kind", range(1, len(SWAP_ORDERS)))
def test_swapped_sides_are_put_right(kind):
    edges = np.random.default_rng(0).normal(size=(40, 33, 4)).astype(np.float32)
    truth = [replace(pose_at(100 + 5 * n, 0.4 * n), outline=edges[n]) for n in range(40)]
    wrong = [0, 10, 11, 12, 13, 25, 39]
    readings = [[swapped(p, kind) if n in wrong else p] for n, p in enumerate(truth)]
    keypoints, landmarks, outline = steadiest(np.arange(len(readings)), readings)
    np.testing.assert_array_equal(keypoints, [p.keypoints_2d for p in truth])
    np.testing.assert_array_equal(landmarks, [p.landmarks_3d for p in truth])
    np.testing.assert_array_equal(outline, edges)


def test_of_several_readings_the_steady_one_is_taken():
    truth = [pose_at(100 + 5 * n, 0.4 * n) for n in range(20)]
    wild = pose_at(130, 2.5, confidence=0.95)
    readings = [[p] for p in truth]
    readings[8] = [wild, truth[8]]
    keypoints, *_ = steadiest(np.arange(len(readings)), readings)
    np.testing.assert_array_equal(keypoints[8], truth[8].keypoints_2d)


def test_memory_hardly_grows_with_the_track():
    """All versions of all frames' readings together would be gigabytes of an hour."""

    def peak(count: int) -> int:
        readings = [[pose_at(100 + 5 * n, 0.4 * n)] for n in range(count)]
        tracemalloc.start()
        try:
            steadiest(np.arange(count), readings)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert (peak(600) - peak(200)) / 400 < 4 * 33 * 10 * 4  # bytes a frame: its chosen version, a few times


def test_what_is_swapped():
    """Nothing, all of a body, forearms with hands, lower legs with feet, these with hips, all above the hips."""
    shoulder, elbow, finger, hip, knee, toe = 11, 13, 19, 23, 25, 31
    orders = SWAP_ORDERS[:, [0, shoulder, elbow, finger, hip, knee, toe]] - [0, shoulder, elbow, finger, hip, knee, toe]
    assert orders.tolist() == [[0] * 7, [0, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1],
                               [0, 0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 0, 0, 0]]  # fmt: skip


def test_the_outline_of_the_trunk_has_no_sides():
    rows = np.arange(33 * 10.0).reshape(33, 10)
    for order in SWAP_ORDERS:
        turned = exchanged(rows, order)
        np.testing.assert_array_equal(turned[[11, 23, 24], 6:], rows[[11, 23, 24], 6:])
        np.testing.assert_array_equal(turned[[13, 25, 28], 6:], rows[order][[13, 25, 28], 6:])
        np.testing.assert_array_equal(turned[:, :6], rows[order][:, :6])


@pytest.mark.parametrize("part, axis, off", [("keypoints_2d", 0, 40.0), ("keypoints_2d", 1, 40.0),
                                             ("landmarks_3d", 0, 0.4), ("landmarks_3d", 1, 0.4), ("landmarks_3d", 2, 0.4)])  # fmt: skip
@pytest.mark.parametrize("frame", [0, 8, 19])
def test_a_reading_that_leaps_aside_is_not_taken_though_it_looks_better(part, axis, off, frame):
    readings = [[pose_at(100 + 5 * n, 0.4 * n)] for n in range(20)]
    leaps = pose_at(100 + 5 * frame, 0.4 * frame, confidence=0.95)
    leaps = replace(leaps, **{part: getattr(leaps, part) + np.float32(off) * np.eye(3, dtype=np.float32)[axis]})
    readings[frame].insert(0, leaps)
    keypoints, *_ = steadiest(np.arange(20), readings)
    assert (keypoints[frame, :, 2] == np.float32(0.9)).all()


@pytest.mark.parametrize("frames", [1, 2])
def test_where_nothing_moves_the_better_reading_is_taken(frames):
    readings = [[pose_at(100, 0.4, confidence) for confidence in (0.6, 0.9, 0.7)] for _ in range(frames)]
    keypoints, landmarks, _ = steadiest(np.arange(frames), readings)
    assert keypoints.shape == landmarks.shape == (frames, 33, 3)
    assert all(np.array_equal(found, readings[0][1].keypoints_2d) for found in keypoints)


def test_a_joint_that_is_not_seen_may_leap():
    """A wrist that is guessed somewhere else is no reason to take a reading in which all of the body is a little off."""
    truth = [pose_at(100 + 5 * n, 0.4 * n) for n in range(20)]
    for pose in truth:
        pose.keypoints_2d[15, 2] = 0.02
    guessed, aside = (pose_at(140, 3.2) for _ in range(2))
    guessed.keypoints_2d[15] = [400, 100, 0.02]
    aside.keypoints_2d[:, 0] += 3
    keypoints, *_ = steadiest(np.arange(20), [[guessed, aside] if n == 8 else [pose] for n, pose in enumerate(truth)])
    np.testing.assert_array_equal(keypoints[8], guessed.keypoints_2d)
