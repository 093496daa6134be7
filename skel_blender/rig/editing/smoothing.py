# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing by a span in seconds, whatever the frame rate; peaks keep most of their height. numpy only."""

from __future__ import annotations

import numpy as np

_REACH = 4  # spans to either side; beyond, the weights are below a thousandth


def smooth(values: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    """(T,...) values of frames at `fps`, each replaced by the parabola that fits its neighbourhood best.

    The neighbours' weights fall off as a normal curve of standard deviation `seconds`. Constant, linear and quadratic motion, such
    as a jump's flight, stays exactly what it was, the clip's ends included.
    """
    values = np.asarray(values, dtype=float)
    span = seconds * fps
    reach = int(np.ceil(_REACH * span))
    if len(values) < 3 or span < 0.25:
        return values.copy()
    count = len(values)
    offsets = np.arange(-reach, reach + 1)
    times = offsets / span
    weight = np.exp(-0.5 * times**2)
    powers = times[:, None] ** np.arange(3)
    flat = values.reshape(count, -1)
    padded = np.pad(flat, ((reach, reach), (0, 0)))
    inside = np.pad(np.ones(count), reach)
    moments = np.stack([np.convolve(inside, (weight * times**k)[::-1], "valid") for k in range(5)], axis=1)
    matrices = moments[:, np.add.outer(np.arange(3), np.arange(3))]
    kernels = weight[:, None] * powers
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    right = np.einsum("tcw,wp->tpc", windows, kernels, optimize=True)
    return np.linalg.solve(matrices, right)[:, 0].reshape(values.shape)


def share(frames: np.ndarray, first: int, last: int, fade: int) -> np.ndarray:
    """(T,) how much of a change is made on the frames (T,) for it to begin with `first` and end with `last` without a step: from 0 outside
    it rises to 1 within `fade` frames, as half a cosine does. Where the frames begin or end themselves it is 1 at once."""
    before = frames - first + 1.0 if first > frames[0] else np.full(len(frames), np.inf)
    behind = last + 1.0 - frames if last < frames[-1] else np.full(len(frames), np.inf)
    inside = np.clip(np.minimum(before, behind) / (fade + 1), 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * inside)
