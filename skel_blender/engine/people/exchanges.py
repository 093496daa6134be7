# SPDX-License-Identifier: GPL-3.0-or-later
"""Limbs that change places from one frame to the next: nobody's do, so left was taken for right, before that or after.

The path of sides.py weighs frames one by one, so to mend a mistake that lasts costs it more than the leap at its end. Here a leap that
nobody can make is none: of what comes before it and what comes after it the shorter is mended.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..blazepose import ELBOWS, HIPS, LANDMARKS, LEGS, PARTNERS, SHOULDERS, WRISTS
from .sides import exchanged

_PARTS = (range(13), range(13, 23), range(23, 25), range(25, 33))  # that are mistaken together: face and shoulders, arms, hips, legs
_TOLD_BY = (SHOULDERS, ELBOWS + WRISTS, HIPS, LEGS)  # the joints that tell it of each
_HANGS_ON = ((1, 0), (3, 2))  # arms on shoulders, legs on hips
_LEAP_M, _LEAP_M_S = 0.2, 4.0  # mean way of both sides' joints in the image from a frame to the next that is no motion; and more a second
_BACK = 0.4  # of that way is left at most if the sides are exchanged
_GAP_S = 0.1  # between frames of which the one does not tell the other's sides
_ALL, _SOME = 0.1, 0.2  # what it costs a frame to have all sides, or those of some parts, otherwise than the network said


def without_exchanges(frames: np.ndarray, points: np.ndarray, px_per_m: float, fps: float) -> np.ndarray:
    """What was read of somebody (S,33,10), see sides.exchanged, at frames (S,), increasing, with left and right as they are for most of the
    time. px_per_m: his size in the image."""
    seconds = np.diff(frames) / fps
    kept, swapped = np.stack([_ways(points, joints, px_per_m) for joints in _TOLD_BY], axis=-1)
    leap = (_LEAP_M + _LEAP_M_S * seconds)[:, None]
    leaps = (kept > leap) & (swapped < _BACK * kept) & (seconds <= _GAP_S)[:, None]
    sides = np.concatenate([np.zeros((1, len(_PARTS)), bool), np.logical_xor.accumulate(leaps)])
    for piece in np.split(np.arange(len(frames)), np.flatnonzero(seconds > _GAP_S) + 1):
        choices = [sides[piece] ^ choice for choice in itertools.product((False, True), repeat=len(_PARTS))]
        sides[piece] = min(choices, key=_cost)
    for limbs, trunk in _HANGS_ON:
        sides[:, trunk] |= _along(sides[:, limbs] & ~sides[:, trunk], kept[:, trunk], swapped[:, trunk])
    fixed = points.copy()
    for part, turned in zip(_PARTS, sides.T, strict=True):
        order = np.array([PARTNERS[k] if k in part else k for k in range(LANDMARKS)])
        fixed[turned] = exchanged(fixed[turned], order)
    return fixed


def _along(limbs: np.ndarray, kept: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """(S,) bool: where what limbs hang on, whose sides lie too close to leap, is exchanged with them, of where they are (S,).

    kept, swapped (S-1,): how far that goes from frame to frame with sides as they are, and exchanged. It is exchanged where the way into
    such a stretch and out of it gets shorter by that.
    """
    edges = np.flatnonzero(np.diff(limbs))  # before each of these steps limbs are otherwise than after it
    found = np.zeros_like(limbs)
    for stretch in np.split(np.arange(len(limbs)), edges + 1):
        ends = [step for step in (stretch[0] - 1, stretch[-1]) if 0 <= step < len(kept)]
        found[stretch] = limbs[stretch[0]] and swapped[ends].sum() < kept[ends].sum()
    return found


def _ways(points: np.ndarray, joints: list[int], px_per_m: float) -> np.ndarray:
    """(2,S-1): how far joints go in the image from frame to frame, in metres, with sides as they are, and exchanged."""
    before, after = points[:-1, joints, :2], points[1:, :, :2]
    orders = (joints, [PARTNERS[k] for k in joints])
    return np.stack([np.linalg.norm(after[:, order] - before, axis=-1).mean(1) for order in orders]) / px_per_m


def _cost(sides: np.ndarray) -> float:
    """Of the parts (S,4) whose sides are to be exchanged in each frame."""
    return float(np.where(sides.all(1), _ALL, np.where(sides.any(1), _SOME, 0.0)).sum())
