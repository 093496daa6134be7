# SPDX-License-Identifier: GPL-3.0-or-later
"""From where bones shall be to the values of their channels, in each bone's own rotation mode.

A bone's matrix in its armature is P = X basis: `basis` is what its channels say, X the frame that its parents give it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ... import kinematics
from ...rig.keyframes import Curve
from .. import rotations
from .skeleton import Skeleton

PROPERTY = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}


@dataclass(frozen=True)
class Goal:
    """Where a bone shall be, world axes: how it is turned (T,3,3), its axes as columns, and its head (T,3) m if it is moved."""

    turned: np.ndarray
    head: np.ndarray | None = None


def frames_from_parents(skeleton: Skeleton, still: np.ndarray, goals: dict[str, Goal]) -> dict[str, np.ndarray]:
    """Bone -> X (T,4,4), if nothing but parents moves bones: those of `goals` are where they shall be, the others as their channels
    stand, `still` (B,4,4)."""
    wanted = {number for name in goals for number in skeleton.path(skeleton.index[name])}
    posed: dict[int, np.ndarray] = {}
    result = {}
    for bone in sorted(wanted):
        parent, name = skeleton.parents[bone], skeleton.names[bone]
        if parent < 0:
            given = skeleton.local[bone][None]
        else:
            given = posed[parent] @ (np.linalg.inv(skeleton.local[parent]) @ skeleton.local[bone])
            if not skeleton.inherits[bone]:
                given = given.copy()
                given[:, :3, :3] = skeleton.local[bone, :3, :3]
        if name in goals:
            result[name] = np.broadcast_to(given, (len(goals[name].turned), 4, 4))
            posed[bone] = given @ bases(skeleton, result[name], still[bone], goals[name])
        else:
            posed[bone] = given @ still[bone]
    return result


def bases(skeleton: Skeleton, given: np.ndarray, still: np.ndarray, goal: Goal) -> np.ndarray:
    """(T,4,4) the basis of a bone that brings it to its goal from the frames X (T,4,4); what it does not move stays as in `still`."""
    back = rotations.transpose(rotations.orthonormal(given[:, :3, :3]))
    result = np.tile(still, (len(given), 1, 1))
    result[:, :3, :3] = back @ (skeleton.turned.T @ goal.turned)
    if goal.head is not None:
        result[:, :3, 3] = rotations.apply(back, skeleton.to_armature(goal.head) - given[:, :3, 3])
    return result


def curves(bone: str, mode: str, basis: np.ndarray, frames: np.ndarray, located: np.ndarray | None = None) -> list[Curve]:
    """F-curves of a bone whose rotation mode is `mode`, for its basis (T,4,4) on the frames (T,); for its place only with `located` (3,3)
    of the skeleton."""
    turns = basis[:, :3, :3]
    if mode == "QUATERNION":
        values = rotations.continuous_quaternions(turns)
    elif mode == "AXIS_ANGLE":
        values = rotations.axis_angles(turns)
    else:
        values = kinematics.eulers(turns, mode, np.zeros(3))
    path = f'pose.bones["{_escaped(bone)}"].'
    result = [Curve(path + PROPERTY.get(mode, "rotation_euler"), k, bone, frames, column) for k, column in enumerate(values.T)]
    if located is not None:
        result += [Curve(path + "location", k, bone, frames, column) for k, column in enumerate(located @ basis[:, :3, 3].T)]
    return result


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
