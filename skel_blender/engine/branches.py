# SPDX-License-Identifier: GPL-3.0-or-later
"""Angles that go on from frame to frame, among all that mean the same rotations.

A joint of three DoFs has two triples for each rotation, (a, b, c) and (a + pi, pi - b, c + pi), and every angle its full turns.
"""

from __future__ import annotations

import numpy as np

from ..anatomy import DOFS_OF_JOINT, Q

TRIPLES = np.array([[dof.index for dof in dofs] for dofs in DOFS_OF_JOINT if len(dofs) == 3])  # (10,3) DoFs
_TURN = 2 * np.pi
_OTHER, _SIGN = np.zeros(Q), np.ones(Q)  # the second triple of a rotation is _OTHER + _SIGN * the first
_OTHER[TRIPLES] = np.pi
_SIGN[TRIPLES[:, 1]] = -1.0


def continuous(poses: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """poses (T,46) rad -> the same rotations as angles without leaps, each joint in the branch that exceeds limits (46,2) least."""
    one, other = np.asarray(poses, float), _OTHER + _SIGN * poses
    low, up = np.clip(limits.T, -1e3, 1e3)  # of free angles the middle is zero
    stays, leaves = (np.abs(_wrapped(to[1:] - one[:-1]))[:, TRIPLES].sum(-1) for to in (one, other))
    # both triples of a frame are equally far from both of the next, so a change of sides is one whichever side the path is on
    changed = np.zeros((len(one), len(TRIPLES)), bool)
    changed[1:] = np.cumsum(leaves < stays, axis=0) % 2 == 1
    paths, beyond = [], []
    for second in (changed, ~changed):
        path = one.copy()
        path[:, TRIPLES] = np.where(second[..., None], other[:, TRIPLES], one[:, TRIPLES])
        path = np.unwrap(path, axis=0)
        path -= _TURN * np.round((np.median(path, axis=0) - (low + up) / 2) / _TURN)
        paths.append(path)
        beyond.append(np.maximum(0.0, np.maximum(low - path, path - up)).sum(axis=0)[TRIPLES].sum(-1))
    better = TRIPLES[beyond[1] < beyond[0]]
    paths[0][:, better] = paths[1][:, better]
    return paths[0]


def _wrapped(angles: np.ndarray) -> np.ndarray:
    """The same angles within half a turn."""
    return angles - _TURN * np.round(angles / _TURN)
