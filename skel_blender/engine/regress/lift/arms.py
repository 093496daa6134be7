# SPDX-License-Identifier: GPL-3.0-or-later
"""Shoulder rotations as the three angles of their joint, continuous in time."""

from __future__ import annotations

import numpy as np

_EXCESS = 10.0  # how much an angle beyond its limit weighs against one that leaps


def arm_angles(rotations: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(T,3) rad x, y, z of rotations (T,3,3) = Rz Ry Rx: of the two triples that each has, the one that fits the limits (3,2) and the
    frame before. The path through all frames that costs least is taken, so that a first frame cannot lead astray."""
    both, excess = both_triples(rotations, limits)
    middle = limits.mean(1)
    leaps = np.abs(both[1:, None] - both[:-1, :, None]).sum(-1)  # (T-1,from,to), each the other way round
    cost, before = excess[0] + 1e-3 * np.abs(both[0] - middle).sum(-1), np.empty((len(both), 2), dtype=int)
    for t in range(1, len(both)):
        through = cost[:, None] + leaps[t - 1]
        before[t] = through.argmin(0)
        cost = through.min(0) + excess[t]
    chosen = np.empty(len(both), dtype=int)
    chosen[-1] = cost.argmin()
    for t in range(len(both) - 1, 0, -1):
        chosen[t - 1] = before[t, chosen[t]]
    return both[np.arange(len(both)), chosen]


def both_triples(rotations: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two triples (T,2,3) rad x, y, z of rotations (T,3,3) = Rz Ry Rx, each angle within half a turn of the middle of its limits
    (3,2), and what each triple costs for being beyond them (T,2)."""
    x = np.arctan2(rotations[:, 2, 1], rotations[:, 2, 2])
    y = np.arcsin(np.clip(-rotations[:, 2, 0], -1.0, 1.0))
    z = np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0])
    both = np.stack([np.stack([x, y, z], -1), np.stack([x + np.pi, np.pi - y, z + np.pi], -1)], 1)
    middle = limits.mean(1)
    both = middle + np.angle(np.exp(1j * (both - middle)))
    return both, _EXCESS * np.maximum(0.0, np.maximum(limits[:, 0] - both, both - limits[:, 1])).sum(-1)
