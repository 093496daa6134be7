# SPDX-License-Identifier: GPL-3.0-or-later
"""Small rotation helpers on (3,) vectors and (3,3) matrices, column convention."""
from __future__ import annotations

import numpy as np

FLIP = np.array([-1.0, 1.0, 1.0])


def unit(a: np.ndarray) -> np.ndarray:
    """a scaled to length one along its last axis."""
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


def axis_rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """(3,3) rotation about a unit axis, angle in radians."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(3,3) smallest rotation that takes direction a onto direction b (not opposite)."""
    a, b = unit(a), unit(b)
    c = np.cross(a, b)
    k = np.array([[0, -c[2], c[1]], [c[2], 0, -c[0]], [-c[1], c[0], 0]])
    return np.eye(3) + k + k @ k / (1 + a @ b)


def frame(main: np.ndarray, side: np.ndarray) -> np.ndarray:
    """(3,3) columns: main direction, side made orthogonal to it, their cross product."""
    x = unit(main)
    y = unit(side - (side @ x) * x)
    return np.stack([x, y, np.cross(x, y)], 1)


def twist_angle(rotation: np.ndarray, axis: np.ndarray) -> float:
    """Angle in radians of the part of a rotation that turns about `axis`."""
    vee = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    w = np.sqrt(max(1 + np.trace(rotation), 1e-12))
    return float(2 * np.arctan2(vee @ axis / w, w))
