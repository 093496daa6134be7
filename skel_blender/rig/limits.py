# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint limits: a Limit Rotation constraint per bone, the same limits for IK, and how often a motion exceeds them.

Limit Rotation knows a rotation, not the channels that made it: it takes the Euler angles of the smallest sum. The shoulder's ranges
are so wide that a pose inside them can have smaller angles on the other Euler branch, and that constraint alone would clip poses
which are allowed. So a helper bone beside the humerus has the same channels, cut to their limits by drivers, and the humerus
copies it after its Limit Rotation: exact inside the limits, and stopped channel by channel beyond them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import bpy
import numpy as np

from ..anatomy import DOFS, DOFS_OF_JOINT, JOINT_NAMES
from . import drivers, ik, layout, record

CONSTRAINT, CLAMP = "Limit Rotation", "Limit Channels"
_AXES = "xyz"


def build(armature: bpy.types.Object) -> None:
    """Give every joint's bone its constraints; `apply` says what the limits are."""
    for joint, bone_name in enumerate(JOINT_NAMES):
        bone = armature.pose.bones[bone_name]
        _held(bone, joint)
        if joint in layout.CLAMPS:
            _clamped(armature, bone, layout.CLAMPS[joint])
        for index, axis in enumerate(_AXES):  # ranges of IK hang on the controls' chains; here Blender would draw them as discs
            setattr(bone, f"lock_ik_{axis}", bone.lock_rotation[index])


def apply(armature: bpy.types.Object, table: np.ndarray, name: str = "custom", enabled: bool = True) -> None:
    """Give the rig the limits `table` (46,2) rad of the pose angles, for its constraints and for IK alike, or switch all off.

    A DoF whose limits are infinite stays free. Constraints that were deleted are made again.
    """
    armature[record.TURNED] = [DOFS[row].name for row in np.nonzero(np.greater(*np.asarray(table).T))[0]]
    table = ordered(table)
    armature[record.TABLE] = name
    record.put(armature, record.LIMITS, table.ravel().tolist())
    for kept in (record.TABLE, record.LIMITS):
        armature.property_overridable_library_set(f'["{kept}"]', True)
    for joint, bone_name in enumerate(JOINT_NAMES):
        bone, ranges = armature.pose.bones[bone_name], channel_limits(table, joint)
        constraint = _held(bone, joint)
        _set_range(constraint, ranges)
        constraint.mute = not enabled
        if layout.CLAMPS.get(joint, "") in armature.pose.bones:  # a helper bone may have been deleted
            _clamped(armature, bone, layout.CLAMPS[joint]).mute = not enabled
            _clamp(armature, bone, armature.pose.bones[layout.CLAMPS[joint]], ranges)
    ik.limit(armature, [channel_limits(table, joint) for joint in range(len(JOINT_NAMES))], enabled)
    armature.update_tag()


def added(armature: bpy.types.Object, joints: Iterable[int]) -> list[bpy.types.Constraint]:
    """The constraints on the bones of joints that act and are not the rig's own."""
    own = (CONSTRAINT, CLAMP, ik.COPY)
    found = (constraint for joint in joints for constraint in armature.pose.bones[JOINT_NAMES[joint]].constraints)
    return [one for one in found if one.name not in own and not one.mute and one.influence > 0.0]


def are_on(armature: bpy.types.Object) -> bool:
    """Whether the rig's limits hold."""
    held = (armature.pose.bones[name].constraints.get(CONSTRAINT) for name in JOINT_NAMES)
    return any(constraint is not None and not constraint.mute for constraint in held)


def ordered(table: np.ndarray) -> np.ndarray:
    """(46,2) with low <= up: SKEL's own table has a pair the wrong way round."""
    return np.sort(np.asarray(table, dtype=float), axis=1)


def channel_limits(limits: np.ndarray, joint: int) -> dict[int, tuple[float, float]]:
    """Euler index -> (low, up) rad of the bone's limited channels; `limits` (46,2) of the pose angles."""
    result = {}
    for dof in DOFS_OF_JOINT[joint]:
        low, up = (float(value) for value in limits[dof.index])
        channel = layout.channel(dof.index)
        low, up = (low, up) if channel.sign > 0 else (-up, -low)
        if math.isfinite(low) and math.isfinite(up):
            result[channel.index] = (low, up)
    return result


def _held(bone: bpy.types.PoseBone, joint: int) -> bpy.types.Constraint:
    """The bone's Limit Rotation, the first of its constraints."""
    found = bone.constraints.get(CONSTRAINT)
    if found is None:
        found = bone.constraints.new("LIMIT_ROTATION")
        found.name, found.owner_space = CONSTRAINT, "LOCAL"
        found.euler_order = layout.euler_order(joint)
        found.use_transform_limit = joint not in layout.CLAMPS  # it would turn an allowed pose to another branch under the hand
        bone.constraints.move(len(bone.constraints) - 1, 0)
    return found


def _clamped(armature: bpy.types.Object, bone: bpy.types.PoseBone, source: str) -> bpy.types.Constraint:
    """The bone's copy of its clamped channels, right after its Limit Rotation."""
    found = bone.constraints.get(CLAMP)
    if found is None:
        found = bone.constraints.new("COPY_TRANSFORMS")
        found.name, found.target, found.subtarget = CLAMP, armature, source
        found.owner_space = found.target_space = "POSE"
        bone.constraints.move(len(bone.constraints) - 1, 1)
    return found


def _set_range(constraint: bpy.types.Constraint, ranges: dict[int, tuple[float, float]]) -> None:
    for index, axis in enumerate(_AXES):
        low, up = ranges.get(index, (0.0, 0.0))
        setattr(constraint, f"use_limit_{axis}", index in ranges)
        setattr(constraint, f"min_{axis}", low)
        setattr(constraint, f"max_{axis}", up)


def _clamp(
    armature: bpy.types.Object, bone: bpy.types.PoseBone, helper: bpy.types.PoseBone, ranges: dict[int, tuple[float, float]]
) -> None:
    """Drive `helper` by the channels of `bone`, cut to `ranges`."""
    for index in range(3):
        low, up = ranges.get(index, (None, None))
        drivers.add(helper, "rotation_euler", index, "a" if low is None else f"min(max(a,{low!r}),{up!r})",
                    a=drivers.prop(armature, f"{bone.path_from_id('rotation_euler')}[{index}]"))  # fmt: skip
