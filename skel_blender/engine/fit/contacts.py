# SPDX-License-Identifier: GPL-3.0-or-later
"""Which points of the soles, and of the hands, rest on the floor: those that stand still in the image and are low.

Speed is read from the image landmarks of heel, toe and knuckles, not from the fit: a camera sees motion across its view well, while a
fitted foot's depth is the least certain of all.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_closing, binary_opening, uniform_filter1d

from .observations import Observations

HANDS = ("right_index", "right_pinky", "left_index", "left_pinky")  # markers that can rest beside the soles
# BlazePose's heel or foot index for each of take.CONTACT_NAMES, then those of HANDS; and how low each must be, m above the floor.
_LANDMARK = (30, 32, 32, 29, 31, 31, 20, 18, 19, 17)
_LOW_M = (0.10,) * 6 + (0.05,) * 4
_SLOW = 0.4  # m/s at the person's depth
_WINDOW_S = 0.12  # a contact or a gap shorter than this is noise
_UNSEEN = 0.1  # confidence under which a landmark is a guess
_SEEN = 0.3  # least confidence of a landmark that can tell


def contacts(seen: Observations, depth: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """(T,C) bool contacts of the soles' points (C = 6), or of theirs and the hands' (C = 10), of somebody `depth` (T,) m away.

    `heights` (T,C) m are above the floor.
    """
    count = heights.shape[1]
    touching = (_speed(seen, depth)[:, :count] < _SLOW) & (heights < np.array(_LOW_M[:count]))
    touching &= (seen.keypoints_2d[..., 2].cpu().numpy() > _SEEN)[:, list(_LANDMARK[:count])]
    width = round(_WINDOW_S * seen.fps)
    if width < 2:
        return touching
    shape = np.ones((width, 1), dtype=bool)
    longer = np.pad(touching, ((width, width), (0, 0)), mode="edge")  # what is before and after the clip goes on as it began and ended
    return binary_opening(binary_closing(longer, shape), shape)[width:-width]


def unseen(seen: Observations, count: int) -> np.ndarray:
    """(T,count) bool: points whose landmark nobody saw, as legs beyond the image's border: the floor must not bend those."""
    return seen.keypoints_2d[..., 2].cpu().numpy()[:, list(_LANDMARK[:count])] < _UNSEEN


def _speed(seen: Observations, depth: np.ndarray) -> np.ndarray:
    """(T,10) m/s across the view."""
    pixels = seen.keypoints_2d[..., :2].cpu().numpy()[:, list(_LANDMARK)]
    if len(pixels) < 2:
        return np.zeros(pixels.shape[:2])
    velocity = np.gradient(pixels, axis=0) * seen.fps * (depth / float(seen.view.K[1, 1]))[:, None, None]
    window = max(1, round(_WINDOW_S * seen.fps))
    return np.linalg.norm(uniform_filter1d(velocity, window, axis=0, mode="nearest"), axis=-1)
