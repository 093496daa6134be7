# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's angles straight from SMPL's rotations: where a fit starts, near to where it ends.

Each SKEL segment is given the rotation of the SMPL segment that it rides; from joint to joint outward the angles are taken that come
nearest to it. A hinge takes the part of the turn about its axis (swing and twist); what it can't follow is left to the next joint.
"""

from __future__ import annotations

import numpy as np

from ...anatomy import DOFS_OF_JOINT, JOINT_NAMES, PARENTS, J, Q
from ...kinematics import axis_rotation
from ..branches import continuous
from .motion import JOINT_INDEX
from .source_body import SMPL_OF_SKEL


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
        if len(dofs) == 1:
            poses[:, numbers[0]] = _about(own, axes[0])
        else:
            poses[:, numbers] = _triple(own, [*axes, np.cross(axes[0], axes[1])][:3])[:, : len(dofs)]
        now[:, joint] = above @ frame @ _turned(axes, poses[:, numbers]) @ frame.T
    return continuous(poses, limits)


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


def _triple(turn: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
    """Angles (T,3) about three different signed unit axes that make up turns (T,3,3), the first axis acting first; the middle one lies
    within a right angle. Where it is one, the first and the last turn about the same axis, and the first takes what the last leaves."""
    k, j, i = (int(np.argmax(np.abs(axis))) for axis in axes)
    signs = np.array([axis[n] for axis, n in zip(axes, (k, j, i))])
    even = 1.0 if (j - i) % 3 == 1 else -1.0
    middle = np.arcsin(np.clip(even * turn[:, i, k], -1.0, 1.0)) * signs[1]
    last = np.arctan2(-even * turn[:, j, k], turn[:, k, k]) * signs[2]
    left = np.swapaxes(_turned(axes[1:], np.stack([middle, last], axis=-1)), -1, -2) @ turn
    return np.stack([_about(left, axes[0]), middle, last], axis=-1)
