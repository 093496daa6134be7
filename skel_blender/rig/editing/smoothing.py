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
