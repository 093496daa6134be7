# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the edges of somebody's trunk and limbs are in his outline, which the landmark network draws beside its landmarks.

A part is measured across the line between its landmarks, either way to the edge. Where another limb is in the way, or the image ends, there
is none: thighs that touch are in one outline, of which each has the outer edge.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..blazepose import ACROSS, HIPS, KNEES, LANDMARKS, SHOULDERS
from .crops import Roi

_STEP, _FARTHEST = 0.5, 90.0  # px of the outline
_SHORTEST = 10.0  # px: what points at the camera has no breadth of its own
_OUTSIDE = 0.5  # px by which the network draws the edge outside of where it is
_MARGIN = 3.0  # px: what is as near to an edge is in the way
_BORDER = 1.0  # px of the image
_PAST = 0.1  # part of its length by which a limb reaches beyond its landmarks
# What may be in the way of a part: limbs; of an arm the trunk's sides too; of the hips no thigh, which begins there.
_LIMBS = ((11, 13), (13, 15), (12, 14), (14, 16), (25, 27), (26, 28), (23, 25), (24, 26))
_LINES = (*_LIMBS, (11, 12), (23, 24), (11, 23), (12, 24))
_HIPS, _ARMS = 24, (13, 14, 15, 16)
_IN_THE_WAY = np.array([[line[1] != end and line in (_LIMBS[:6] if end == _HIPS else _LINES if end in _ARMS else _LIMBS) for line in _LINES]
                        for end in ACROSS])  # fmt: skip
_GO_ON = 0.7  # least cosine between the trunk and both thighs of whom the hips are measured: bent, hips and thighs are one outline


def across(logits: np.ndarray, points: np.ndarray, roi: Roi, size: tuple[int, int]) -> np.ndarray:
    """(33,4) px of the image, under the landmarks of ACROSS: x, y of a part's edge to the right of who goes along the part, as the image
    shows it, and of that to the left; NaN for what is not there or was not found.

    logits (S,S) of a window `roi` of an image of `size` (width, height) px are above 0 inside the outline; points (33,2) are the landmarks
    in the window, 0..1.
    """
    side, points = len(logits), points * len(logits)
    first, last = (np.array([points[list(ends[k])].mean(0) for ends in ACROSS.values()]) for k in (0, 1))
    length = np.maximum(np.linalg.norm(last - first, axis=1), 1e-6)
    middle = first + np.array([share for *_, share in ACROSS.values()])[:, None] * (last - first)
    normal = np.column_stack([first[:, 1] - last[:, 1], last[:, 0] - first[:, 0]]) / length[:, None]
    ways = np.stack([normal, -normal], 1)
    reach = _edges(logits, middle, ways)
    edges = roi.to_image((middle[:, None] + (reach - _OUTSIDE)[..., None] * ways) / side)
    clear = ((edges > _BORDER) & (edges < np.array(size) - _BORDER)).all(2) & (length > _SHORTEST)[:, None]
    clear &= ~_obstructed(points, middle, normal, reach)
    clear[list(ACROSS).index(_HIPS)] &= _goes_on(points)
    found = np.full((LANDMARKS, 4), np.nan, np.float32)
    found[list(ACROSS)] = np.where(clear[..., None], edges, np.nan).reshape(-1, 4)
    return found


def _edges(logits: np.ndarray, middle: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """(N,2) px from each middle (N,2) to the outline's edge both ways (N,2,2); NaN where a middle is outside, or no edge is near."""
    steps = np.arange(0, _FARTHEST, _STEP)
    there = (middle[:, None, None] + steps[:, None] * ways[:, :, None]).astype(np.float32)
    values = cv2.remap(logits, there[..., 0].reshape(-1, len(steps)), there[..., 1].reshape(-1, len(steps)), cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"))  # fmt: skip
    out = (values <= 0).argmax(1)
    rows = np.arange(len(values))
    inside, outside = values[rows, out - 1], values[rows, out]
    known = (out > 0) & np.isfinite(inside)
    share = inside / np.where(known, inside - outside, 1.0)
    return np.where(known, _STEP * (out - 1 + share), np.nan).reshape(-1, 2)


def _obstructed(points: np.ndarray, middle: np.ndarray, normal: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(N,2) bool: another limb crosses the way from a middle (N,2) along its normal (N,2), or against it, to the edge in `reach` (N,2)."""
    start, end = (points[[line[k] for line in _LINES]] for k in (0, 1))
    lines = end - start
    across = normal[:, :1] * lines[:, 1] - normal[:, 1:] * lines[:, 0]  # (N,M)
    way = start - middle[:, None]
    across = np.where(np.abs(across) < 1e-6, 1e-6, across)
    at = (way[..., 0] * lines[:, 1] - way[..., 1] * lines[:, 0]) / across  # along the normal
    part = (way[..., 0] * normal[:, 1:] - way[..., 1] * normal[:, :1]) / across  # along the limb
    crosses = (part > -_PAST) & (part < 1 + _PAST) & _IN_THE_WAY
    ways = np.stack([at, -at], 1)
    return (crosses[:, None] & (ways > -_MARGIN) & (ways < reach[..., None] + _MARGIN)).any(2)


def _goes_on(points: np.ndarray) -> bool:
    """Whether both thighs go on where the trunk ends."""
    hips = points[HIPS]
    trunk, thighs = hips.mean(0) - points[SHOULDERS].mean(0), points[KNEES] - hips
    return bool((thighs @ trunk > _GO_ON * np.linalg.norm(thighs, axis=1) * np.linalg.norm(trunk)).all())
