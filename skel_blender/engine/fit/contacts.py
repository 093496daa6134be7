# SPDX-License-Identifier: GPL-3.0-or-later
"""Which points of the soles rest on the floor, from how they move and how high they are."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_closing, binary_opening, uniform_filter1d

_SLOW_ACROSS, _SLOW = 0.35, 0.9  # m/s, across the view (well seen) and in all (depth is noisy)
_LOW_M = 0.10  # above the floor, or above the lowest sole point where the floor is not known yet
_WINDOW_S = 0.12  # a contact or a gap shorter than this is noise


def slow_points(soles: np.ndarray, toward: np.ndarray, fps: float) -> np.ndarray:
    """(T,6) bool: does a sole point (T,6,3) m stand still; `toward` (T,3) is the unit ray from the camera to the person."""
    if len(soles) < 2:
        return np.ones(soles.shape[:2], dtype=bool)
    velocity = np.gradient(soles, axis=0) * fps
    velocity = uniform_filter1d(velocity, max(1, round(_WINDOW_S * fps)), axis=0, mode="nearest")
    along = np.einsum("tki,ti->tk", velocity, toward)
    across = np.linalg.norm(velocity - along[..., None] * toward[:, None], axis=-1)
    return (across < _SLOW_ACROSS) & (np.linalg.norm(velocity, axis=-1) < _SLOW)


def contacts(soles: np.ndarray, heights: np.ndarray, toward: np.ndarray, seen: np.ndarray, fps: float) -> np.ndarray:
    """(T,6) bool contacts: slow, low and seen. `heights` (T,6) m above the floor, `seen` (T,) bool."""
    touching = slow_points(soles, toward, fps) & (heights < _LOW_M) & seen[:, None]
    width = round(_WINDOW_S * fps)
    if width < 2:
        return touching
    shape = np.ones((width, 1), dtype=bool)
    return binary_opening(binary_closing(touching, shape), shape)
