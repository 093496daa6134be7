# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground, if the background's corners show it: the level plane under the camera that many of them lie on, and hardly any below."""

from __future__ import annotations

import numpy as np

_TRIED, _SEED = 2000, 0
_TILT = np.radians(30)  # from the camera's mean down, at most
_NEAR = 0.9  # part of the corners, the nearest ones: far ones are not told well
_FLAT = 0.03  # how far from the plane a corner on it may be, as part of the camera's height
_LEAST, _SHARE, _BELOW = 20, 0.1, 3.0  # corners on the plane, and of all; what one below it counts against them
_REFINED = 3


def ground(points: np.ndarray) -> np.ndarray | None:
    """(4,) the plane n . X + height = 0, n the unit normal that points up, of corners (N,3) in an upright camera's axes (y down), which is
    in the origin; None where there is none."""
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < _LEAST:
        return None
    far = np.linalg.norm(points, axis=1)
    points = points[far <= np.quantile(far, _NEAR)]
    planes = _through(points[np.random.default_rng(_SEED).integers(len(points), size=(_TRIED, 3))])
    scores = [np.sum(np.abs(off) < _FLAT) - _BELOW * np.sum(off < -2 * _FLAT) for off in (_off(points, plane) for plane in planes)]
    if not scores or max(scores) < max(_LEAST, _SHARE * len(points)):
        return None
    plane = planes[int(np.argmax(scores))]
    for _ in range(_REFINED):
        own = points[np.abs(_off(points, plane)) < _FLAT]
        middle = own.mean(axis=0)
        up = np.linalg.svd(own - middle)[2][2]
        up *= np.sign(up @ plane[:3])
        plane = np.append(up, -up @ middle)
    return plane


def _through(corners: np.ndarray) -> np.ndarray:
    """(n,4) the planes through three corners (m,3,3) that lie under the camera and are about level."""
    up = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(up, axis=1)
    up, corners = up[length > 0] / length[length > 0, None], corners[length > 0]
    up *= np.where(up[:, 1:2] > 0, -1.0, 1.0)
    height = -(up * corners[:, 0]).sum(axis=1)
    return np.column_stack([up, height])[(up[:, 1] < -np.cos(_TILT)) & (height > 0)]


def _off(points: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """(N,) how far points are above a plane, as part of the camera's height."""
    return (points @ plane[:3] + plane[3]) / plane[3]
