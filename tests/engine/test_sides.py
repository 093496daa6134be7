# SPDX-License-Identifier: GPL-3.0-or-later
"""Left and right, and which of several readings, are chosen so that a person moves steadily."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.people.landmarker import Pose
from skel_blender.engine.people.sides import steadiest, swap_orders
from tests.engine.stage import pose_at


def swapped(pose: Pose, kind: int = 1) -> Pose:
    order = swap_orders()[kind]
    return Pose(pose.keypoints_2d[order], pose.landmarks_3d[order], pose.score, pose.next_roi)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_swapped_sides_are_put_right(kind):
    truth = [pose_at(100 + 5 * n, 0.4 * n) for n in range(40)]
    wrong = [0, 10, 11, 12, 13, 25, 39]
    readings = [[swapped(p, kind) if n in wrong else p] for n, p in enumerate(truth)]
    keypoints, landmarks = steadiest(np.arange(len(readings)), readings)
    np.testing.assert_array_equal(keypoints, [p.keypoints_2d for p in truth])
    np.testing.assert_array_equal(landmarks, [p.landmarks_3d for p in truth])


def test_of_several_readings_the_steady_one_is_taken():
    truth = [pose_at(100 + 5 * n, 0.4 * n) for n in range(20)]
    wild = pose_at(130, 2.5, confidence=0.95)
    readings = [[p] for p in truth]
    readings[8] = [wild, truth[8]]
    keypoints, _ = steadiest(np.arange(len(readings)), readings)
    np.testing.assert_array_equal(keypoints[8], truth[8].keypoints_2d)
