# SPDX-License-Identifier: GPL-3.0-or-later
"""Cubic curves through chosen frames of many channels at once, with the slopes that fit the other frames best. numpy only.

A Bezier key of Blender whose handles lie a third of the way to its neighbours makes the curve between them the cubic with the
keys' values and slopes (Hermite's), since time then runs evenly along it. Slopes are in units per frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SWEEPS = 40  # of Jacobi's method; each at least divides the error by 4/3, since the matrix's diagonal dominates by that
_PULL = 1e-3  # weight of the finite difference at a key, next to a neighbouring frame's: decides where no frame lies between keys


@dataclass(frozen=True)
class Spline:
    """Keys of C channels over T frames, all in one row, channel after channel."""

    keys: np.ndarray  # (K,) place of each key in the row of C * T frames
    values: np.ndarray  # (K,)
    slopes: np.ndarray  # (K,) per frame
    curve: np.ndarray  # (C,T) what the keys make of every frame

    def of(self, channel: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frames (k,), values (k,) and slopes (k,) of one channel's keys."""
        frames = self.curve.shape[1]
        mine = slice(*np.searchsorted(self.keys, [channel * frames, (channel + 1) * frames]))
        return self.keys[mine] - channel * frames, self.values[mine], self.slopes[mine]


def fit(values: np.ndarray, chosen: np.ndarray, flat: np.ndarray) -> Spline:
    """The smooth curve through values (C,T) at the `chosen` (C,T) frames, as near as can be at the others.

    `chosen` must hold the first and last frame of every channel; the slope is zero where `flat` (C,T).
    """
    count = values.shape[1]
    row, keys = values.ravel(), np.nonzero(chosen.ravel())[0]
    segment = np.cumsum(chosen.ravel()) - 1  # of each place: the segment that starts at that key
    last = keys % count == count - 1
    length = np.where(last, 1, np.diff(keys, append=keys[-1] + 1)).astype(float)
    end = np.where(last, np.arange(len(keys)), np.arange(1, len(keys) + 1))  # the key at which a segment ends
    u = (np.arange(len(row)) - keys[segment]) / length[segment]
    span = length[segment]
    out, back = span * u * (1 - u) ** 2, -span * u * u * (1 - u)
    start, stop = row[keys], row[keys[end]]
    blend = u * u * (3 - 2 * u)
    straight = start[segment] + blend * (stop - start)[segment]
    slopes = _slopes(row - straight, out, back, segment, end, _differences(values).ravel()[keys], flat.ravel()[keys])
    curve = straight + out * slopes[segment] + back * slopes[end][segment]
    return Spline(keys, start, slopes, curve.reshape(values.shape))


def _differences(values: np.ndarray) -> np.ndarray:
    """(C,T) central differences, per frame."""
    return np.gradient(values, axis=1) if values.shape[1] > 1 else np.zeros_like(values)


def _slopes(
    rest: np.ndarray, out: np.ndarray, back: np.ndarray, segment: np.ndarray, end: np.ndarray, guess: np.ndarray, flat: np.ndarray
) -> np.ndarray:
    """(K,) least-squares slopes: `out` and `back` are what unit slopes at a segment's start and end add to each place."""
    count = len(end)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(segment, values, count)

    beside = total(out * back)
    beside[end == np.arange(count)] = 0.0
    diagonal = total(out * out) + _PULL
    right = total(out * rest) + _PULL * guess
    inner = end != np.arange(count)
    np.add.at(diagonal, end[inner], total(back * back)[inner])
    np.add.at(right, end[inner], total(back * rest)[inner])
    before = np.zeros(count)
    before[end[inner]] = beside[inner]
    slopes = np.where(flat, 0.0, guess)
    for _ in range(_SWEEPS):
        pull = beside * slopes[end] + before * np.roll(slopes, 1)
        slopes = np.where(flat, 0.0, (right - pull) / diagonal)
    return slopes
