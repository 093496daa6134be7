# SPDX-License-Identifier: GPL-3.0-or-later
"""Where bones lie and which channel each DoF is: derived from anatomy.py and a rest body, without bpy.

A bone's rest basis B = Z M A, with Z the z-up matrix, M the joint's rest frame and A orthonormal bone axes in the joint frame.
A pose then is B E B^T with E the bone's Euler rotation, and SKEL's is Z M Rp M^T Z^T, so that E = A^T Rp A: since the columns of A
are the DoFs' axes up to a sign, each DoF is one Euler channel times that sign, in the Euler order in which the DoFs act.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import kinematics
from ..anatomy import BONE_AXES, DOFS, DOFS_OF_JOINT, JOINT_NAMES, PARENTS, J
from ..take import RestBody

ROOT = "root"
SHIFTS = {11: "lumbar_shift", 12: "thorax_shift", 13: "head_shift", 14: "scapula_shift_r", 19: "scapula_shift_l"}
"""Joint -> the helper bone above it that carries the translation which its angles cause."""
CLAMPS = {15: "humerus_limit_r", 20: "humerus_limit_l"}
"""Joint -> the helper bone beside it that holds its angles cut to their limits, see `limits`."""
HELPERS = (*SHIFTS.values(), *CLAMPS.values())

# Where a bone points if not at its first child: the ulna's child sits beside its head, the forearm ends at the hand.
_AIMS = {0: 11, 12: 13, 16: 18, 21: 23}
_DOWN, _FORWARD = np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.0])
_UPWARD_JOINTS, _FORWARD_JOINTS = ("head",), ("toes_r", "toes_l")
_SHORTEST, _ROOT_LENGTH, _HELPER_LENGTH = 0.02, 0.3, 0.04


@dataclass(frozen=True)
class Channel:
    """One DoF as Blender keys it: rotation_euler[index] of `bone` = sign * pose angle (rad)."""

    bone: str
    index: int
    sign: int

    @property
    def path(self) -> str:
        """RNA path, from the armature object, of the property that `index` is a component of."""
        return f'pose.bones["{self.bone}"].rotation_euler'


@dataclass(frozen=True)
class RestBone:
    """A bone at rest in armature space (z up): `basis` columns are its local axes, Y from head to tail."""

    name: str
    parent: str | None
    head: np.ndarray  # (3,) m
    basis: np.ndarray  # (3,3)
    length: float  # m
    joint: int | None  # None for the root and the helper bones, which deform nothing


def local_axes(joint: int, aim: np.ndarray) -> np.ndarray:
    """(3,3) bone axes A as columns, in the joint frame; `aim` (3,), joint frame, is where a one-DoF joint's bone should point.

    A one-DoF joint keeps its axis as local X. Where that axis runs along the limb (pronation), it is local Y instead: no bone could
    point to its child otherwise, and a twist is what animators look for on Y.
    """
    if joint in BONE_AXES:
        x, y = (np.array(axis) for axis in BONE_AXES[joint])
        return np.stack([x, y, np.cross(x, y)], axis=1)
    axis = np.array(DOFS_OF_JOINT[joint][0].axis)
    axis /= np.linalg.norm(axis)
    if abs(axis[1]) > 0.9:
        y = -np.sign(axis[1]) * axis
        x = _perpendicular(np.array([0.0, 0.0, 1.0]), y)
    else:
        x, y = axis, _perpendicular(aim, axis)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _perpendicular(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Unit vector: the part of `vector` perpendicular to `axis`, of a standard direction where there is hardly any."""
    for candidate in (vector, _DOWN, _FORWARD):
        part = candidate - axis * (axis @ candidate)
        if np.linalg.norm(part) > 0.1 * max(np.linalg.norm(candidate), 1e-6):
            return part / np.linalg.norm(part)
    raise ValueError("no direction is perpendicular to a zero axis")


_CHANNELS = tuple(Channel(dof.bone, dof.channel, dof.sign) for dof in DOFS)


def channels() -> tuple[Channel, ...]:
    """The 46 channels in the order of the DoFs, as anatomy.py has them."""
    return _CHANNELS


def channel(dof: int) -> Channel:
    """Bone, Euler index and sign of one DoF."""
    return _CHANNELS[dof]


@lru_cache(maxsize=J)
def euler_order(joint: int) -> str:
    """Blender's name of the order in which the joint's DoFs act ('XYZ' turns about X first)."""
    used = "".join("XYZ"[channel(dof.index).index] for dof in DOFS_OF_JOINT[joint])
    return used + "".join(letter for letter in "XYZ" if letter not in used)


def ground(body: RestBody) -> float:
    """How far (m) the rest body is lifted so that its lowest skin point stands on z = 0."""
    return -float(body.skin_verts[:, 1].min())


def rest_points(points: np.ndarray, body: RestBody) -> np.ndarray:
    """(...,3) points of the rest body, model frame, in armature space."""
    return kinematics.z_up(points) + np.array([0.0, 0.0, ground(body)])


def rest_bones(body: RestBody) -> tuple[RestBone, ...]:
    """Root, 24 joints and the helper bones, parents first."""
    heads = rest_points(body.joints, body)
    bones = [RestBone(ROOT, None, np.zeros(3), np.eye(3), _ROOT_LENGTH, None)]
    for joint, name in enumerate(JOINT_NAMES):
        parent = JOINT_NAMES[PARENTS[joint]] if PARENTS[joint] >= 0 else ROOT
        if joint in SHIFTS:
            bones.append(RestBone(SHIFTS[joint], parent, heads[joint], np.eye(3), _HELPER_LENGTH, None))
            parent = SHIFTS[joint]
        aim = _aim(joint, body)
        axes = local_axes(joint, aim)
        basis = kinematics.R_ZUP_YUP @ body.frames[joint] @ axes
        bones.append(RestBone(name, parent, heads[joint], basis, _length(joint, body, aim, axes[:, 1]), joint))
        if joint in CLAMPS:
            bones.append(RestBone(CLAMPS[joint], parent, heads[joint], basis, _HELPER_LENGTH, None))
    return tuple(bones)


def _aim(joint: int, body: RestBody) -> np.ndarray:
    """(3,) where the bone should end, joint frame, metres from the joint; a direction only where the bone has no child."""
    target = _AIMS.get(joint, next((child for child, parent in enumerate(PARENTS) if parent == joint), None))
    if target is not None:
        return (body.joints[target] - body.joints[joint]) @ body.frames[joint]
    name = JOINT_NAMES[joint]
    return -_DOWN if name in _UPWARD_JOINTS else _FORWARD if name in _FORWARD_JOINTS else _DOWN


def _length(joint: int, body: RestBody, aim: np.ndarray, y: np.ndarray) -> float:
    """Bone length (m): to the child, along the bone; the extent of the bone mesh, or of the skin, where there is no child."""
    if joint in PARENTS:
        return max(_SHORTEST, float(aim @ y), 0.5 * float(np.linalg.norm(aim)))
    points = body.bone_verts[body.bone_joint == joint]
    if not len(points):
        points = body.skin_verts[body.owners() == joint]
    reach = (points - body.joints[joint]) @ body.frames[joint] @ y
    return max(_SHORTEST, float(reach.max(initial=0.0)))
