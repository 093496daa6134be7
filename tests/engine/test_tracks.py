# SPDX-License-Identifier: GPL-3.0-or-later
"""A track ends where the person leaves the image, or is seen no more but for a moment."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.people.tracks import Track, cut_to_image
from tests.engine.stage import Stage, pose_at, track


def test_a_track_ends_where_the_person_leaves_the_image():
    frames = np.arange(20)
    keypoints = np.full((20, 33, 3), 0.9)
    keypoints[..., 0] = np.linspace(-20, 20, 33) + 100 + 30 * frames[:, None]
    keypoints[..., 1] = 50
    whole = Track(frames, keypoints, np.zeros((20, 33, 3)), np.ones(20, dtype=bool))
    cut = cut_to_image(whole, (400, 100))
    assert 8 <= cut.frames[-1] <= 11 and cut.frames[0] == 0
    outside = cut.keypoints_2d[..., 0] >= 400
    assert np.all(cut.keypoints_2d[outside, 2] == 0) and np.all(cut.keypoints_2d[~outside, 2] == 0.9)
    assert len(cut_to_image(whole, (50, 100)).frames) == 0


def test_who_shows_only_the_upper_body_keeps_every_frame():
    keypoints = np.full((20, 33, 3), 0.9)
    keypoints[..., 0], keypoints[..., 1] = 50, np.where(np.arange(33) < 23, 50, 150)
    whole = Track(np.arange(20), keypoints, np.zeros((20, 33, 3)), np.ones(20, dtype=bool))
    assert len(cut_to_image(whole, (100, 100)).frames) == 20


@pytest.mark.parametrize(("again", "stays"), [(2, False), (6, True)])
def test_a_moment_beyond_a_long_hole_is_no_part_of_a_track(again, stays):
    """Somebody who walks off, and is seen again for 0.2 s or 0.6 s after 1.2 s, and the same backwards."""
    frames = 53 + again
    for seen, crumb in ((range(41), range(53, frames)), (range(12 + again, frames), range(again))):
        there = {*seen, *crumb}
        found = track(Stage([lambda n, there=there: pose_at(100.0 + 5 * n, 0.6 * n) if n in there else None]), frames)
        assert len(found) == 1
        assert (found[0].frames[0], found[0].frames[-1]) == ((0, frames - 1) if stays else (seen[0], seen[-1]))
