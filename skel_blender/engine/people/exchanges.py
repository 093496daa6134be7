# SPDX-License-Identifier: GPL-3.0-or-later
"""Left and right limbs that change places from one frame to the next: nobody's do, so they were mistaken on one side of the leap.

The path of sides.py pays for every frame whose sides it exchanges, so a mistake that lasts costs it more than the leap at its end. Here a
leap that nobody can make is always taken for a mistake, and the shorter of the stretches on either side of it is corrected.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..blazepose import ELBOWS, HIPS, LANDMARKS, LEGS, PARTNERS, SHOULDERS, WRISTS
from .sides import exchanged

# Landmarks that are mistaken together: head and shoulders, arms, hips, legs.
_PARTS = (range(13), range(13, 23), range(23, 25), range(25, 33))
_JOINTS = (SHOULDERS, ELBOWS + WRISTS, HIPS, LEGS)  # by which each part's leaps are measured
_ATTACHED_TO = ((1, 0), (3, 2))  # pairs of parts: arms to shoulders, legs to hips
_LEAP_M, _LEAP_M_S = 0.2, 4.0  # a mean distance of both sides' joints between two frames that is no motion, and what is added per second
_BACK = 0.4  # of that distance is left at most if the sides are exchanged
_GAP_S = 0.1  # frames farther apart say nothing about each other's sides
_ALL_COST, _SOME_COST = 0.1, 0.2  # cost of a frame in which the sides of all parts, or of some, differ from the network's


def without_exchanges(frames: np.ndarray, points: np.ndarray, px_per_m: float, fps: float) -> np.ndarray:
    """A person's readings (S,33,10), see sides.exchanged, at frames (S,), increasing, with left and right as they are most of the time.
    px_per_m: his size in the image."""
    seconds = np.diff(frames) / fps
    kept, swapped = np.stack([_distances(points, joints, px_per_m) for joints in _JOINTS], axis=-1)
    leap = (_LEAP_M + _LEAP_M_S * seconds)[:, None]
    leaps = (kept > leap) & (swapped < _BACK * kept) & (seconds <= _GAP_S)[:, None]
    sides = np.concatenate([np.zeros((1, len(_PARTS)), bool), np.logical_xor.accumulate(leaps)])
    for piece in np.split(np.arange(len(frames)), np.flatnonzero(seconds > _GAP_S) + 1):
        choices = [sides[piece] ^ choice for choice in itertools.product((False, True), repeat=len(_PARTS))]
        sides[piece] = min(choices, key=_cost)
    for limbs, trunk in _ATTACHED_TO:
        sides[:, trunk] |= _exchanged_with_limbs(sides[:, limbs] & ~sides[:, trunk], kept[:, trunk], swapped[:, trunk])
    fixed = points.copy()
    for part, turned in zip(_PARTS, sides.T, strict=True):
        order = np.array([PARTNERS[k] if k in part else k for k in range(LANDMARKS)])
        fixed[turned] = exchanged(fixed[turned], order)
    return fixed


def _exchanged_with_limbs(limbs: np.ndarray, kept: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """(S,) bool: where shoulders or hips are exchanged together with their limbs, given where those are (S,): the two sides of the trunk
    lie too close to each other to leap.

    kept, swapped (S-1,): the distances that shoulders or hips move between frames with their sides as they are, and exchanged. A stretch
    of exchanged limbs takes them along where that shortens the distances at its two ends.
    """
    edges = np.flatnonzero(np.diff(limbs))  # steps across which it changes whether limbs are exchanged
    found = np.zeros_like(limbs)
    for stretch in np.split(np.arange(len(limbs)), edges + 1):
        ends = [step for step in (stretch[0] - 1, stretch[-1]) if 0 <= step < len(kept)]
        found[stretch] = limbs[stretch[0]] and swapped[ends].sum() < kept[ends].sum()
    return found


def _distances(points: np.ndarray, joints: list[int], px_per_m: float) -> np.ndarray:
    """(2,S-1) m: mean distances that joints move in the image between frames, with sides as they are, and exchanged."""
    before, after = points[:-1, joints, :2], points[1:, :, :2]
    orders = (joints, [PARTNERS[k] for k in joints])
    return np.stack([np.linalg.norm(after[:, order] - before, axis=-1).mean(1) for order in orders]) / px_per_m


def _cost(sides: np.ndarray) -> float:
    """Cost of a choice of the parts (S,4) whose sides are exchanged in each frame."""
    return float(np.where(sides.all(1), _ALL_COST, np.where(sides.any(1), _SOME_COST, 0.0)).sum())
