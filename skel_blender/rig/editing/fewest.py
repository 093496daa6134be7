# SPDX-License-Identifier: GPL-3.0-or-later
"""The fewest keys with which each channel stays within a tolerance that may change from frame to frame. numpy only.

How well one Bezier stretch can follow a channel is worked out once, for every start and length; which stretches to take then is a
shortest path, for any tolerance.
"""

from __future__ import annotations

import numpy as np

from .. import bezier

_LENGTHS = np.array([*range(1, 25), 28, 32, 40, 48, 64, 96])
_EXACT = 3  # frames: two handles pass through all that lies within
_SHAPED = 14  # frames: longer stretches have handles of one shape only
_BETTER = 0.95  # of the error: less is no reason for another shape
_TIE = 0.3  # of a key, for a stretch that uses its tolerance up
_WINDOW = 250  # frames after which every channel has a key


class Table:
    """How well stretches can follow the channels values (C,T), in tolerances (C,T); None of them leaves `room`."""

    def __init__(self, values: np.ndarray, tolerance: np.ndarray, room: tuple[np.ndarray, np.ndarray] | None) -> None:
        """`room` (C,T) twice: how far a curve may go below and above the values."""
        channels, count = values.shape
        whole = [count - 1] if count - 1 <= _WINDOW else []  # for who stands still
        self.lengths = np.unique([*_LENGTHS[_LENGTHS < count], *whole])
        self.error = np.full((len(self.lengths), channels, count), np.inf, dtype=np.float32)  # of the stretch from each frame
        self.shape = np.zeros(self.error.shape, dtype=np.int8)
        near = None if room is None else np.nonzero((np.minimum(*room) < tolerance.max(axis=1, keepdims=True)).any(axis=1))[0]
        for row, length in enumerate(self.lengths):
            error, shape = self.error[row, :, : count - length], self.shape[row, :, : count - length]
            if length <= _EXACT:
                error[:] = 0.0
                continue
            for number in range(len(bezier.SHAPES) if length <= _SHAPED else 1):
                found = _errors(values, tolerance, length, number)
                if near is not None and len(near):
                    found[near] = _errors(values[near], tolerance[near], length, number, tuple(part[near] for part in room))
                better = found < error * (_BETTER if number else 1.0)
                error[better], shape[better] = found[better], number

    def choose(self, loose: np.ndarray, forced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chosen frames (C,T) bool, among them `forced` (C,T), and shapes (C,T) of stretches, for the tolerance times `loose` (C,T)."""
        channels, count = loose.shape
        forced = forced.copy()
        forced[:, ::_WINDOW] = forced[:, -1] = True
        cost = self._costs(loose, forced)  # by the frame at which a stretch ends
        edges = np.append(np.arange(0, count - 1, _WINDOW), count - 1)
        width = int(np.diff(edges).max(initial=1))
        paths = np.full((len(self.lengths), width + 1, channels, len(edges) - 1), np.inf, dtype=np.float32)
        for k, (first, last) in enumerate(zip(edges[:-1], edges[1:])):
            paths[:, : last - first + 1, :, k] = cost[:, :, first : last + 1].transpose(0, 2, 1)
        back = _shortest(paths, self.lengths)
        chosen = np.zeros(loose.shape, dtype=bool)
        for k, (first, last) in enumerate(zip(edges[:-1], edges[1:])):
            at = np.full(channels, last - first)
            while (at >= 0).any():
                alive = at >= 0
                chosen[alive, first + at[alive]] = True
                at = np.where(at > 0, at - self.lengths[back[np.maximum(at, 0), np.arange(channels), k]], -1)
        chosen[:, 0] = True
        return chosen, self.shapes(chosen)

    def _costs(self, loose: np.ndarray, forced: np.ndarray) -> np.ndarray:
        """(N,C,T) cost of the stretch of each length that ends at a frame; infinite if it is too bad or steps over a forced key."""
        cost = np.full(self.error.shape, np.inf, dtype=np.float32)
        keys = np.cumsum(forced, axis=1)
        least, reach = loose, 1  # the least of `reach` frames from each on
        for row, length in enumerate(self.lengths):
            if length == 1:
                cost[row, :, 1:] = 1.0
                continue
            while reach < length - 1:
                step = min(reach, length - 1 - reach)
                least, reach = np.minimum(least[:, :-step], least[:, step:]), reach + step
            ratio = self.error[row, :, :-length] / least[:, 1 : least.shape[1] - 1]
            stepped = keys[:, length - 1 : -1] > keys[:, :-length]
            cost[row, :, length:] = np.where((ratio <= 1.0) & ~stepped, 1.0 + _TIE * ratio * ratio, np.inf)
        return cost

    def shapes(self, chosen: np.ndarray) -> np.ndarray:
        """(C,T) shape of the stretch that starts at each chosen frame."""
        result = np.zeros(chosen.shape, dtype=int)
        rows, starts = np.nonzero(chosen)
        length = np.where(np.diff(rows, append=-1) == 0, np.diff(starts, append=0), 1)
        place = np.minimum(np.searchsorted(self.lengths, length), len(self.lengths) - 1)
        result[rows, starts] = np.where(self.lengths[place] == length, self.shape[place, rows, starts], 0)
        return result


def _errors(
    values: np.ndarray, tolerance: np.ndarray, length: int, shape: int, room: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """(C,T - length) the least greatest error, in tolerances, with which one stretch from each frame follows the channels."""
    def windows(rows: np.ndarray) -> np.ndarray:
        return np.lib.stride_tricks.sliding_window_view(rows, length + 1, axis=1)

    start, one, two, stop = bezier.blending(length, shape)[:, 1:-1]
    seen = windows(values)
    rest = seen[..., 1:-1] - seen[..., :1] * start - seen[..., -1:] * stop
    per = 1.0 / windows(tolerance)[..., 1:-1]
    weight = per * per
    least = np.full(rest.shape[:2], np.inf)
    for _ in range(3):
        right = weight * rest
        turned = bezier.solve_two(weight @ (one * one), weight @ (one * two), weight @ (two * two), right @ one, right @ two)
        off = turned[0][..., None] * one + turned[1][..., None] * two - rest
        error = np.abs(off) * per
        worst = error.max(axis=-1)
        if room is None:
            least = np.minimum(least, worst)
        else:
            leaves = ((off < -windows(room[0])[..., 1:-1]) | (off > windows(room[1])[..., 1:-1])).any(axis=-1)
            least = np.minimum(least, np.where(leaves, np.inf, worst))
        weight = weight * (error / (worst[..., None] + 1e-12) + 0.1)
    return least


def _shortest(cost: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(W,C,K) which length ends best at each frame, of costs (N,W,C,K) of `lengths` (N,) by end frame."""
    _, width, channels, windows = cost.shape
    total = np.full((width, channels, windows), np.inf)
    total[0] = 0.0
    back = np.zeros(total.shape, dtype=int)
    for frame in range(1, width):
        fits = lengths <= frame
        options = total[frame - lengths[fits]] + cost[fits, frame]
        back[frame] = options.argmin(axis=0)
        total[frame] = np.take_along_axis(options, back[frame][None], axis=0)[0]
    return back
