# SPDX-License-Identifier: GPL-3.0-or-later
"""Angles that do not jump where the joint does not: the same rotations with Euler angles close to the frame before's. numpy only."""

from __future__ import annotations

import numpy as np

from .. import kinematics
from ..anatomy import ARCS, DOFS_OF_JOINT, ELLIPSOIDS, J

_TURN = 2.0 * np.pi
_JUMP = np.pi / 2  # rad between frames
_ALIKE = 0.02  # rad beyond limits that are no reason for another branch


def continuous(poses: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(T,46) rad: `poses` with whole turns more or less, and on the other Euler branch of joints with three DoFs, wherever angles
    jump by more than 90 degrees although the joint turns by less.

    Every rotation stays what it was. Left alone are joints whose angles also move them (spine, shoulder blades), since a whole turn
    more is another place there, and angles that would go farther beyond `limits` (46,2).
    """
    poses = np.array(poses, dtype=float)
    for joint in range(J):
        columns = [dof.index for dof in DOFS_OF_JOINT[joint]]
        jumps = np.nonzero((np.abs(np.diff(poses[:, columns], axis=0)) > _JUMP).any(axis=1))[0] + 1
        if joint in ARCS or joint in ELLIPSOIDS or not len(jumps):
            continue
        ends = np.append(jumps[1:], len(poses))
        smooth = _turns(poses, joint, jumps) < _JUMP
        for first, end in zip(jumps[smooth], ends[smooth]):
            stretch = poses[first:end, columns]
            moved = _nearest(poses[first - 1, columns], stretch)
            if _beyond(moved, limits[columns]) <= _beyond(stretch, limits[columns]):
                poses[first:end, columns] = moved
    return poses


def within(angles: np.ndarray, before: np.ndarray, middle: int, ranges: np.ndarray) -> np.ndarray:
    """(3,) Euler angles of the same rotation as `angles` (3,), on the branch and with the whole turns that keep `ranges` (3,2) best; of
    those that keep them alike, the nearest to `before` (3,). `middle` is the index of the axis that is turned about in between."""
    other = angles + np.pi
    other[middle] -= 2.0 * angles[middle]
    usual = np.where(np.isfinite(ranges), ranges, before[:, None]).mean(axis=1)
    options = [branch - _TURN * np.round((branch - near) / _TURN) for branch in (angles, other) for near in (before, usual)]
    return min(options, key=lambda option: (max(_beyond(option, ranges), _ALIKE), float(np.abs(option - before).sum())))


def _turns(poses: np.ndarray, joint: int, frames: np.ndarray) -> np.ndarray:
    """(N,) rad by which the joint really turns from the frame before to each of `frames` (N,)."""
    def rotation(places: np.ndarray) -> np.ndarray:
        result = np.eye(3)
        for dof in DOFS_OF_JOINT[joint]:
            result = kinematics.axis_rotation(np.array(dof.axis), poses[places, dof.index]) @ result
        return result

    trace = np.einsum("nij,nij->n", rotation(frames - 1), rotation(frames))
    return np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0))


def _nearest(before: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """`angles` (N,D) on the branch whose first row lies nearest to `before` (D,), the later rows on the same one."""
    branches = [angles]
    if angles.shape[1] == 3:
        branches.append(np.pi + angles * [1.0, -1.0, 1.0])
    moved = [branch - _TURN * np.round((branch[0] - before) / _TURN) for branch in branches]
    return min(moved, key=lambda branch: float(np.abs(branch[0] - before).sum()))


def _beyond(angles: np.ndarray, limits: np.ndarray) -> float:
    return float(np.maximum(0.0, np.maximum(limits[:, 0] - angles, angles - limits[:, 1])).sum())
