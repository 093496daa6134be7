# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation matrices in stacks: between directions, shares of a turn, quaternions that do not jump. numpy only."""

from __future__ import annotations

import numpy as np

_TINY = 1e-9


def unit(vectors: np.ndarray) -> np.ndarray:
    """(...,3) of length 1; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _TINY)


def turn(rotvec: np.ndarray) -> np.ndarray:
    """(...,3,3) the rotations about the directions of `rotvec` (...,3) by their lengths, rad (Rodrigues)."""
    rotvec = np.asarray(rotvec, dtype=float)
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(unit(rotvec), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*rotvec.shape, 3)
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)


def rotvec(rotations: np.ndarray) -> np.ndarray:
    """(...,3) axis times angle (0 to pi rad) of rotations (...,3,3)."""
    w, x, y, z = np.moveaxis(quaternions(rotations), -1, 0)
    vector = np.stack([x, y, z], axis=-1) * np.where(w < 0.0, -1.0, 1.0)[..., None]
    sine = np.linalg.norm(vector, axis=-1)
    angle = 2.0 * np.arctan2(sine, np.abs(w))
    return vector * (angle / np.maximum(sine, _TINY))[..., None]


def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(...,3,3) the smallest rotations that take directions `one` (...,3) to `other`; half a turn goes about any axis across."""
    one, other = np.broadcast_arrays(unit(np.asarray(one, dtype=float)), unit(np.asarray(other, dtype=float)))
    axis = np.cross(one, other)
    sine, cosine = np.linalg.norm(axis, axis=-1), (one * other).sum(-1)
    spare = unit(np.cross(one, np.eye(3)[np.abs(one).argmin(axis=-1)]))
    axis = np.where((sine < _TINY)[..., None], spare, unit(axis))
    return turn(axis * np.arctan2(sine, cosine)[..., None])


def share(first: np.ndarray, last: np.ndarray, part: float) -> np.ndarray:
    """(...,3,3) `part` (0 to 1) of the way from rotation `first` to `last`, the short way."""
    return turn(part * rotvec(last @ transpose(first))) @ first


def frame(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(...,3,3) orthonormal columns: `along` (...,3), the part of `across` perpendicular to it, and their cross product."""
    along = unit(along)
    across = unit(across - along * (along * across).sum(-1, keepdims=True))
    return np.stack([along, across, np.cross(along, across)], axis=-1)


def transpose(matrices: np.ndarray) -> np.ndarray:
    """The inverses of rotations (...,3,3)."""
    return np.swapaxes(matrices, -1, -2)


def apply(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(...,3): rotations (...,3,3) times vectors (...,3)."""
    return np.einsum("...ij,...j->...i", rotations, vectors)


def orthonormal(matrices: np.ndarray) -> np.ndarray:
    """The rotations nearest to matrices (...,3,3)."""
    u, _, v = np.linalg.svd(matrices)
    flip = np.linalg.det(u @ v)
    u[..., :, 2] *= flip[..., None]
    return u @ v


def quaternions(rotations: np.ndarray) -> np.ndarray:
    """(...,4) w x y z of rotations (...,3,3), by the largest of the four, so that none loses digits."""
    m = rotations
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = np.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], axis=-1)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    rows = np.stack([
        squares[..., 0], wx, wy, wz, wx, squares[..., 1], xy, xz, wy, xy, squares[..., 2], yz, wz, xz, yz, squares[..., 3],
    ], axis=-1).reshape(*squares.shape, 4)  # fmt: skip
    best = np.take_along_axis(rows, squares.argmax(axis=-1)[..., None, None], axis=-2)[..., 0, :]
    return best / np.linalg.norm(best, axis=-1, keepdims=True)


def continuous_quaternions(rotations: np.ndarray) -> np.ndarray:
    """(T,...,4) w x y z of rotations (T,...,3,3), none with the opposite sign of the one before."""
    result = quaternions(rotations)
    signs = np.cumprod(np.where((result[1:] * result[:-1]).sum(-1) < 0.0, -1.0, 1.0), axis=0)
    result[1:] *= signs[..., None]
    return np.where(result[:1, ..., :1] < 0.0, -result, result)


def axis_angles(rotations: np.ndarray) -> np.ndarray:
    """(T,4) angle (rad, of either sign) and unit axis of rotations (T,3,3); the axis never turns about between frames."""
    w, *vector = continuous_quaternions(rotations).T
    vector = np.stack(vector, axis=-1)
    sine = np.linalg.norm(vector, axis=-1)
    axis = np.where((sine < 1e-6)[:, None], [0.0, 1.0, 0.0], unit(vector))
    signs = np.cumprod(np.where((axis[1:] * axis[:-1]).sum(-1) < 0.0, -1.0, 1.0))
    signs = np.concatenate([[1.0], signs])
    return np.concatenate([np.unwrap(signs * 2.0 * np.arctan2(sine, w))[:, None], signs[:, None] * axis], axis=1)
