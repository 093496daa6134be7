# SPDX-License-Identifier: GPL-3.0-or-later
"""A track ends where the person leaves the image."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.people.tracks import Track, cut_to_image


def test_a_track_ends_where_the_person_leaves_the_image():
    frames = np.arange(20)
    keypoints = np.full((20, 33, 3), 0.9)
    keypoints[..., 0] = np.linspace(-20, 20, 33) + 100 + 30 * frames[:, None]
    keypoints[..., 1] = 50
    track = Track(frames, keypoints, np.zeros((20, 33, 3)), np.ones(20, dtype=bool))
    cut = cut_to_image(track, (400, 100))
    assert 8 <= cut.frames[-1] <= 11 and cut.frames[0] == 0
    outside = cut.keypoints_2d[..., 0] >= 400
    assert np.all(cut.keypoints_2d[outside, 2] == 0) and np.all(cut.keypoints_2d[~outside, 2] == 0.9)
    assert len(cut_to_image(track, (50, 100)).frames) == 0


def test_who_shows_only_the_upper_body_keeps_every_frame():
    keypoints = np.full((20, 33, 3), 0.9)
    keypoints[..., 0], keypoints[..., 1] = 50, np.where(np.arange(33) < 23, 50, 150)
    track = Track(np.arange(20), keypoints, np.zeros((20, 33, 3)), np.ones(20, dtype=bool))
    assert len(cut_to_image(track, (100, 100)).frames) == 20
