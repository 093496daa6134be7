# SPDX-License-Identifier: GPL-3.0-or-later
"""When the points of the soles rest on the floor: as the Take says, or, where it does not, from how low and slow they are. numpy only."""

from __future__ import annotations

import numpy as np

_LOW_M, _SLOW_M_S = 0.05, 0.35
_LIFTED_M, _MOVED_M_S = 0.12, 1.2  # a contact of the Take that an edit has lifted this far, or moves this fast, is none any more
_SHORTEST_S = 0.1


def contacts(points: np.ndarray, floor: float, fps: float, known: np.ndarray | None) -> np.ndarray:
    """(T,6) bool for points (T,6,3) m of the soles over a floor at height `floor`; `known` (T,6) bool is what the Take says."""
    height = points[..., 2] - floor
    speed = np.linalg.norm(np.gradient(points, axis=0), axis=-1) * fps if len(points) > 1 else np.zeros_like(height)
    if known is not None:
        return known & (height < _LIFTED_M) & (speed < _MOVED_M_S)
    width = max(1, round(_SHORTEST_S * fps))
    return _opened(~_opened(~((height < _LOW_M) & (speed < _SLOW_M_S)), width), width)


def _opened(mask: np.ndarray, width: int) -> np.ndarray:
    """(T,C) bool without runs shorter than `width`; what touches an end of the clip goes on beyond it."""
    result = mask.copy()
    for column in range(mask.shape[1]):
        for first, end in runs(mask[:, column]):
            if end - first < width and first > 0 and end < len(mask):
                result[first:end, column] = False
    return result


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and end (not included) of each run of a mask (T,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
