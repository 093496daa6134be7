# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's angles straight from SMPL's rotations: where a fit starts, near to where it ends.

Each SKEL segment is given the rotation of the SMPL segment that it rides; from joint to joint outward the angles are taken that come
nearest to it. A hinge takes the part of the turn about its axis (swing and twist); what it can't follow is left to the next joint.
"""

from __future__ import annotations

import numpy as np

from ...anatomy import DOFS_OF_JOINT, JOINT_NAMES, PARENTS, J, Q
from ...kinematics import axis_rotation
from .motion import JOINT_INDEX
from .source_body import SMPL_OF_SKEL

_FULL = 2 * np.pi


def follow(rotations: np.ndarray, rest_frames: np.ndarray, rest_poses: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(T,46) poses, rad, continuous in time, that turn SKEL's segments as SMPL's turn.

    rotations (T,22,3,3) of SMPL's segments from its rest pose, rest_frames (24,3,3), rest_poses (46,) the angles in which SKEL lies
    over that rest pose, limits (46,2): where a turn has two sets of angles, that which stays nearer to the limits.
    """
    poses = np.zeros((len(rotations), Q))
    now = np.zeros((len(rotations), J, 3, 3))
    rest = np.zeros((J, 3, 3))
    for joint, parent in enumerate(PARENTS):
        frame, dofs = rest_frames[joint], DOFS_OF_JOINT[joint]
        numbers = [dof.index for dof in dofs]
        axes = [np.array(dof.axis) for dof in dofs]
        above = now[:, parent] if parent >= 0 else np.eye(3)
        rest[joint] = (rest[parent] if parent >= 0 else np.eye(3)) @ frame @ _turned(axes, rest_poses[numbers]) @ frame.T
        smpl = JOINT_INDEX[SMPL_OF_SKEL[JOINT_NAMES[joint]]]
        wanted = rotations[:, smpl] @ rest[joint]
        own = frame.T @ np.swapaxes(above, -1, -2) @ wanted @ frame
        if len(dofs) == 3:
            poses[:, numbers] = _continuous(*_two_ways(own, axes), limits[numbers])
        elif len(dofs) == 2:
            third = np.cross(axes[0], axes[1])
            poses[:, numbers] = _two_ways(own, [*axes, third])[0][:, :2]
        else:
            poses[:, numbers[0]] = _about(own, axes[0])
        now[:, joint] = above @ frame @ _turned(axes, poses[:, numbers]) @ frame.T
    return poses


def _turned(axes: list[np.ndarray], angles: np.ndarray) -> np.ndarray:
    """(...,3,3) of angles (...,n) about n axes, the first acting first."""
    result = np.eye(3)
    for k, axis in enumerate(axes):
        result = axis_rotation(axis, angles[..., k]) @ result
    return result


def _about(turn: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(T,) the angle about a unit axis that comes nearest to turns (T,3,3)."""
    skew = np.stack([turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], axis=-1)
    trace = np.trace(turn, axis1=-2, axis2=-1)
    return np.arctan2(skew @ axis, trace - turn @ axis @ axis)


def _two_ways(turn: np.ndarray, axes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Both triples (T,3) of angles about three different signed unit axes that make up turns (T,3,3), the first axis acting first."""
    k, j, i = (int(np.argmax(np.abs(axis))) for axis in axes)
    signs = np.array([axis[n] for axis, n in zip(axes, (k, j, i))])
    even = 1.0 if (j - i) % 3 == 1 else -1.0
    middle = np.arcsin(np.clip(even * turn[:, i, k], -1.0, 1.0))
    last = np.arctan2(-even * turn[:, j, k], turn[:, k, k])
    first = np.arctan2(-even * turn[:, i, j], turn[:, i, i])
    one = np.stack([first, middle, last], axis=-1)
    return one * signs, np.stack([first + np.pi, np.pi - middle, last + np.pi], axis=-1) * signs


def _continuous(one: np.ndarray, other: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(T,3) that takes of two triples a frame, up to full turns, the one nearer to the frame before.

    Begun from either triple; of both paths the one that is less beyond the limits (3,2) is given.
    """
    low, up = np.clip(limits.T, -1e3, 1e3)
    stays, leaves = (np.abs(_wrapped(to[1:] - one[:-1])).sum(axis=1) for to in (one, other))
    # both triples of a frame are equally far from both of the next, so a change of sides is one whichever side the path is on
    changed = np.concatenate([[0], np.cumsum(leaves < stays)]) % 2 == 1
    best, least = one, np.inf
    for first in (changed, ~changed):
        path = np.unwrap(np.where(first[:, None], other, one), axis=0)
        path -= _FULL * np.round((np.median(path, axis=0) - (low + up) / 2) / _FULL)
        beyond = np.maximum(0.0, np.maximum(low - path, path - up)).sum()
        if beyond < least:
            best, least = path, beyond
    return best


def _wrapped(angles: np.ndarray) -> np.ndarray:
    """The same angles within half a turn."""
    return angles - _FULL * np.round(angles / _FULL)
