# SPDX-License-Identifier: GPL-3.0-or-later
"""Angles that go on from frame to frame, among all that mean the same rotations."""

from __future__ import annotations

import numpy as np

from ....anatomy import Q
from .rotations import EULER_TRIPLES

_TURN = 2 * np.pi
_OTHER, _SIGN = np.zeros(Q), np.ones(Q)  # the second triple of a rotation is _OTHER + _SIGN * the first
_OTHER[EULER_TRIPLES] = np.pi
_SIGN[EULER_TRIPLES[:, 1]] = -1.0


def continuous(poses: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """poses (T,46) rad -> the same rotations as angles without leaps, each joint in the branch that exceeds limits (46,2) least.

    A joint of three DoFs has two triples for each rotation, and every angle its full turns.
    """
    one = np.array(poses, float)
    for t in range(1, len(one)):
        last = one[t - 1]
        first, second = (angles + _TURN * np.round((last - angles) / _TURN) for angles in (poses[t], _OTHER + _SIGN * poses[t]))
        one[t] = first
        far, near = (np.abs(angles - last)[EULER_TRIPLES].sum(1) for angles in (first, second))
        changed = EULER_TRIPLES[near < far].ravel()
        one[t, changed] = second[changed]
    one, other = (angles - _TURN * np.round(np.median(angles, 0) / _TURN) for angles in (one, _OTHER + _SIGN * one))
    worse, better = (_excess(angles, limits)[EULER_TRIPLES].sum(1) for angles in (one, other))
    changed = EULER_TRIPLES[better < worse].ravel()
    one[:, changed] = other[:, changed]
    return one


def _excess(poses: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(46,) rad beyond the limits, summed over the frames."""
    return (np.maximum(limits[:, 0] - poses, 0.0) + np.maximum(poses - limits[:, 1], 0.0)).sum(0)
