# SPDX-License-Identifier: GPL-3.0-or-later
"""Which angles go beyond which limit, when and by how much. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...anatomy import LIMIT_TOLERANCE


@dataclass(frozen=True)
class Violation:
    """One DoF over a range of frames."""

    dof: int
    worst: float  # rad beyond the limit
    frame: int  # where it is worst
    count: int  # of frames beyond the limit


def beyond(poses: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(...,46) rad by which poses (...,46) leave limits (46,2), negative below the lower one; 0 inside."""
    low, up = np.asarray(limits).T
    return np.maximum(poses - up, 0.0) + np.minimum(poses - low, 0.0)


def summary(poses: np.ndarray, frames: np.ndarray, limits: np.ndarray) -> list[Violation]:
    """The DoFs whose poses (T,46) at frames (T,) leave the limits, the worst first."""
    off = beyond(poses, limits)
    size = np.abs(off)
    worst = size.argmax(axis=0)
    found = [
        Violation(dof, float(off[row, dof]), int(frames[row]), int(np.count_nonzero(size[:, dof] > LIMIT_TOLERANCE)))
        for dof, row in enumerate(worst)
        if size[row, dof] > LIMIT_TOLERANCE
    ]
    return sorted(found, key=lambda violation: -abs(violation.worst))


def bad_frames(poses: np.ndarray, frames: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(N,) the frames on which any DoF leaves its limits."""
    return np.asarray(frames)[(np.abs(beyond(poses, limits)) > LIMIT_TOLERANCE).any(axis=1)]
