# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSim's axes: x forward, y up, z to the person's right, floor at y = 0. The model frame has x left, y up, z forward."""

from __future__ import annotations

import numpy as np

R_MODEL_GROUND = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def ground(vectors: np.ndarray) -> np.ndarray:
    """(...,3) vectors of the model frame in OpenSim's ground: (x, y, z) -> (z, y, -x). Both floors are at y = 0."""
    return np.asarray(vectors, dtype=float) @ R_MODEL_GROUND


def body_fixed_angles(rotation: np.ndarray) -> np.ndarray:
    """(3,) rad a, b, c of a matrix (3,3) = Rx(a) Ry(b) Rz(c), which is how OpenSim writes the orientation of an offset frame."""
    r = np.asarray(rotation, dtype=float)
    b = np.arcsin(np.clip(r[0, 2], -1.0, 1.0))
    if np.hypot(r[0, 0], r[0, 1]) < 1e-9:  # x and z turn about one line: all of it is x's
        return np.array([np.arctan2(r[2, 1], r[1, 1]), b, 0.0])
    return np.array([np.arctan2(-r[1, 2], r[2, 2]), b, np.arctan2(-r[0, 1], r[0, 0])])
