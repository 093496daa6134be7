# SPDX-License-Identifier: GPL-3.0-or-later
"""Bezier keys of many channels at once: what curve they make of every frame, and the handles that fit best. numpy only.

Between two keys a handle lies a share of the way to the other key; the shares of a stretch are one of SHAPES, its handles' values are
free. With handles a third of the way time runs evenly along the curve; other shares lean the curve to one of its ends, or to its middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

SHAPES = ((1 / 3, 1 / 3), (0.5, 0.5), (0.6, 0.2), (0.2, 0.6))
_SWEEPS = 3  # of reweighting, which brings the greatest error down
_HALVINGS = 40


@cache
def blending(length: int, shape: int) -> np.ndarray:
    """(4,length + 1) what the first key, its handle, the other handle and the last key count for at each frame of a stretch."""
    first, second = SHAPES[shape]
    time = np.arange(length + 1) / length
    low, up = np.zeros(length + 1), np.ones(length + 1)
    for _ in range(_HALVINGS):
        u = (low + up) / 2
        early = 3 * u * (1 - u) ** 2 * first + 3 * u * u * (1 - u) * (1 - second) + u**3 < time
        low, up = np.where(early, u, low), np.where(early, up, u)
    u = (low + up) / 2
    u[0], u[-1] = 0.0, 1.0
    return np.stack([(1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u * u * (1 - u), u**3])


def solve_two(one: np.ndarray, both: np.ndarray, two: np.ndarray, right_one: np.ndarray, right_two: np.ndarray) -> tuple:
    """The two unknowns of many symmetric 2 x 2 systems."""
    determinant = one * two - both * both
    return (right_one * two - right_two * both) / determinant, (right_two * one - right_one * both) / determinant


@dataclass(frozen=True)
class Spline:
    """Keys of C channels over T frames, all in one row, channel after channel."""

    keys: np.ndarray  # (K,) place of each key in the row of C * T frames
    values: np.ndarray  # (K,)
    left: np.ndarray  # (K,2) left handles from their keys: frames, value
    right: np.ndarray  # (K,2)
    curve: np.ndarray  # (C,T) what the keys make of every frame

    def of(self, channel: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Frames (k,), values (k,), left and right handles (k,2) of one channel's keys."""
        frames = self.curve.shape[1]
        mine = slice(*np.searchsorted(self.keys, [channel * frames, (channel + 1) * frames]))
        return self.keys[mine] - channel * frames, self.values[mine], self.left[mine], self.right[mine]


class Stretches:
    """The stretches between chosen frames of C channels, whose keys have the values of these frames."""

    def __init__(self, values: np.ndarray, chosen: np.ndarray, shapes: np.ndarray) -> None:
        """values (C,T), chosen (C,T) bool with the first and last frame of every channel, shapes (C,T) of the stretch from each frame."""
        self.values, count = values, values.shape[1]
        self.row = values.ravel()
        self.keys = np.nonzero(chosen.ravel())[0]
        self.segment = np.cumsum(chosen.ravel()) - 1  # of each place: the stretch that starts at that key
        last = self.keys % count == count - 1
        self.length = np.where(last, 1, np.diff(self.keys, append=self.keys[-1] + 1))
        self.end = np.where(last, np.arange(len(self.keys)), np.arange(1, len(self.keys) + 1))
        self.shape = np.where(last, 0, shapes.ravel()[self.keys])
        self.inner = ~chosen.ravel()
        self.blend = np.empty((4, len(self.row)))
        within = np.arange(len(self.row)) - self.keys[self.segment]
        kind = self.length * len(SHAPES) + self.shape
        for one in np.unique(kind):
            places = (kind == one)[self.segment]
            self.blend[:, places] = blending(one // len(SHAPES), one % len(SHAPES))[:, within[places]]
        start, stop = self.row[self.keys], self.row[self.keys[self.end]]
        self.ends = self.blend[0] * start[self.segment] + self.blend[3] * stop[self.segment]
        self.straight = start + (stop - start) / 3, stop - (stop - start) / 3
        self.handles = self.straight

    def fit(self, wanted: np.ndarray, weight: np.ndarray, rows: slice | None = None) -> None:
        """Turn the handles to the least squares of `weight` (C,T) at `wanted` (C,T); C are all channels, or those of the slice `rows`."""
        count = self.values.shape[1]
        places = slice(0, len(self.row)) if rows is None else slice(rows.start * count, rows.stop * count)
        near = slice(*np.searchsorted(self.keys, [places.start, places.stop]))
        segment, n = self.segment[places] - near.start, near.stop - near.start
        one, two = self.blend[1, places], self.blend[2, places]
        weight = np.where(self.inner[places], weight.ravel(), 0.0)
        rest = wanted.ravel() - self.ends[places]
        rest = rest - one * self.straight[0][near][segment] - two * self.straight[1][near][segment]
        sums = [np.bincount(segment, weight * part, n) for part in (one * one, one * two, two * two, one * rest, two * rest)]
        floor = 1e-6 * (sums[0] + sums[2]) + 1e-12  # two handles and one frame between: the least turn
        turned = solve_two(sums[0] + floor, sums[1], sums[2] + floor, sums[3], sums[4])
        for handle, straight, turn in zip(self._own(), self.straight, turned):
            handle[near] = straight[near] + turn

    def fit_evenly(self, tolerance: np.ndarray) -> None:
        """Turn the handles so that the greatest error of each stretch, over `tolerance` (C,T), is small."""
        weight = tolerance**-2.0
        for _ in range(_SWEEPS):
            self.fit(self.values, weight)
            error = (np.abs(self.curve() - self.values) / tolerance).ravel()
            greatest = np.maximum.reduceat(error, self.keys)[self.segment] + 1e-12
            weight = weight * (error / greatest + 0.1).reshape(weight.shape)

    def curve(self) -> np.ndarray:
        """(C,T)."""
        first, second = (handle[self.segment] for handle in self.handles)
        return (self.ends + self.blend[1] * first + self.blend[2] * second).reshape(self.values.shape)

    def curve_of(self, channel: int) -> np.ndarray:
        """(T,) of one channel."""
        count = self.values.shape[1]
        places = slice(channel * count, (channel + 1) * count)
        first, second = (handle[self.segment[places]] for handle in self.handles)
        return self.ends[places] + self.blend[1, places] * first + self.blend[2, places] * second

    def spline(self) -> Spline:
        """The keys as they stand."""
        start, shares = self.row[self.keys], np.array(SHAPES)[self.shape] * self.length[:, None]
        right = np.stack([shares[:, 0], self.handles[0] - start], axis=1)
        left = -right  # of the first key of a channel
        inside = self.end != np.arange(len(self.keys))
        after = self.end[inside]
        left[after] = np.stack([-shares[inside, 1], self.handles[1][inside] - start[after]], axis=1)
        right[~inside] = -left[~inside]
        return Spline(self.keys, start, left, right, self.curve())

    def _own(self) -> tuple[np.ndarray, np.ndarray]:
        if self.handles is self.straight:
            self.handles = tuple(handle.copy() for handle in self.straight)
        return self.handles


def joined(parts: list[Stretches]) -> Spline:
    """One spline of stretches of the same channels that follow each other in time and share a frame with the next."""
    splines = [part.spline() for part in parts]
    counts = [spline.curve.shape[1] for spline in splines]
    whole = sum(counts) - len(counts) + 1
    rows: list[list[np.ndarray]] = [[], [], [], []]
    for channel in range(len(splines[0].curve)):
        first = channel * whole
        for number, (spline, count) in enumerate(zip(splines, counts)):
            frames, values, left, right = spline.of(channel)
            if number:
                rows[3][-1][-1] = right[0]
            begin = 1 if number else 0
            for row, part in zip(rows, (frames + first, values, left, right)):
                row.append(part[begin:].copy())
            first += count - 1
    curve = np.concatenate([spline.curve[:, 1 if number else 0 :] for number, spline in enumerate(splines)], axis=1)
    return Spline(*(np.concatenate(row) for row in rows), curve)
