# SPDX-License-Identifier: GPL-3.0-or-later
"""Values between the frames of which they are known."""

from __future__ import annotations

import numpy as np


def interpolated(frames: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(T,...) float64 at `frames` (T,) from values (S,...) at frames `known` (S,), increasing: linear in between, constant beyond."""
    columns = values.reshape(len(known), -1).T
    return np.stack([np.interp(frames, known, column) for column in columns], 1).reshape(len(frames), *values.shape[1:])
