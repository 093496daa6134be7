# SPDX-License-Identifier: GPL-3.0-or-later
"""The box of a whole person, as a detector would draw it, of landmarks that end at ears, fingers and toes."""

from __future__ import annotations

import numpy as np

_EARS, _SHOULDERS = [7, 8], [11, 12]
# Fitted to the open body in a few hundred random poses: the crown is this far beyond the ears, by the distance from the shoulders to
# them, and the skin this far around the landmarks, by the longer side.
_CROWN, _MARGIN = 0.6, 0.015
_LEAST = 8.0  # px


def person_boxes(keypoints_2d: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes (T,4) left, top, right, bottom px of BlazePose landmarks (T,33,>=2) px, within an image of `size` px."""
    points = np.asarray(keypoints_2d[..., :2], float)
    ears = points[:, _EARS].mean(1)
    crown = ears + _CROWN * (ears - points[:, _SHOULDERS].mean(1))
    points = np.concatenate([points, crown[:, None]], 1)
    low, high = points.min(1), points.max(1)
    margin = np.maximum(_MARGIN * (high - low).max(1, keepdims=True), _LEAST / 2)
    low = np.clip(low - margin, 0, np.asarray(size) - _LEAST)
    return np.concatenate([low, np.clip(high + margin, low + _LEAST, size)], 1)
