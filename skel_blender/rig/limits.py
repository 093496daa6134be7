# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint limits: a Limit Rotation constraint per bone, the same limits for IK, and how often a motion exceeds them.

Limit Rotation knows a rotation, not the channels that made it: it takes the Euler angles of the smallest sum. The shoulder's ranges
are so wide that a pose inside them can have smaller angles on the other Euler branch, and that constraint alone would clip poses
which are allowed. So a helper bone beside the humerus has the same channels, cut to their limits by drivers, and the humerus
copies it after its Limit Rotation: exact inside the limits, and stopped channel by channel beyond them.
"""

from __future__ import annotations

import math

import bpy
import numpy as np

from ..anatomy import DOFS_OF_JOINT, JOINT_NAMES
from ..take import Person, RestBody
from . import layout

CONSTRAINT, CLAMP = "Limit Rotation", "Limit Channels"
_TOLERANCE = 1e-5  # rad; rounding of a key that lies on its limit is no violation
_AXES = "xyz"


def build(armature: bpy.types.Object, body: RestBody) -> None:
    """Limit every joint's bone by `body.limits`; a channel without a limit stays free."""
    for joint, name in enumerate(JOINT_NAMES):
        ranges = channel_limits(body.limits, joint)
        bone = armature.pose.bones[name]
        constraint = _constrain(bone, layout.euler_order(joint), ranges)
        _limit_ik(bone, ranges)
        if joint in layout.CLAMPS:
            constraint.use_transform_limit = False  # it would turn an allowed pose to another branch under the animator's hand
            _clamp(armature, bone, armature.pose.bones[layout.CLAMPS[joint]], ranges)


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


def is_ambiguous(joint: int, ranges: dict[int, tuple[float, float]]) -> bool:
    """Whether a pose inside the ranges can have Euler angles of a smaller sum on the other branch, (180, 180 - middle, 180) away.

    Such a joint must be one of `layout.CLAMPS`.
    """
    if len(DOFS_OF_JOINT[joint]) < 3 or not ranges:
        return False
    widest = {index: max(abs(low), abs(up)) for index, (low, up) in ranges.items()}
    middle = "XYZ".index(layout.euler_order(joint)[1])
    return widest.get(middle, math.pi) >= math.pi / 2 or sum(widest.values()) >= 1.5 * math.pi


def count_violations(person: Person) -> int:
    """How many keys of the person's DoFs lie beyond their limits (the constraint would clip them)."""
    return int(np.count_nonzero(person.violations() > _TOLERANCE))


def _constrain(bone: bpy.types.PoseBone, order: str, ranges: dict[int, tuple[float, float]]) -> bpy.types.Constraint:
    constraint = bone.constraints.new("LIMIT_ROTATION")
    constraint.name = CONSTRAINT
    constraint.owner_space = "LOCAL"
    constraint.euler_order = order
    constraint.use_transform_limit = True
    for index, (low, up) in ranges.items():
        axis = _AXES[index]
        setattr(constraint, f"use_limit_{axis}", True)
        setattr(constraint, f"min_{axis}", low)
        setattr(constraint, f"max_{axis}", up)
    return constraint


def _limit_ik(bone: bpy.types.PoseBone, ranges: dict[int, tuple[float, float]]) -> None:
    """IK may turn only the channels that are DoFs, and only as far; Blender allows IK limits of half a turn each way."""
    for index, axis in enumerate(_AXES):
        setattr(bone, f"lock_ik_{axis}", bone.lock_rotation[index])
        if index in ranges:
            low, up = ranges[index]
            setattr(bone, f"use_ik_limit_{axis}", True)
            setattr(bone, f"ik_min_{axis}", max(-math.pi, min(0.0, low)))
            setattr(bone, f"ik_max_{axis}", min(math.pi, max(0.0, up)))


def _clamp(
    armature: bpy.types.Object, bone: bpy.types.PoseBone, helper: bpy.types.PoseBone, ranges: dict[int, tuple[float, float]]
) -> None:
    """Drive `helper` by the channels of `bone`, cut to `ranges`, and let `bone` copy it."""
    for index in range(3):
        driver = helper.driver_add("rotation_euler", index).driver
        driver.type = "SCRIPTED"
        variable = driver.variables.new()
        variable.name = "a"
        variable.targets[0].id = armature
        variable.targets[0].data_path = f"{bone.path_from_id('rotation_euler')}[{index}]"
        low, up = ranges.get(index, (None, None))
        driver.expression = "a" if low is None else f"min(max(a,{low!r}),{up!r})"
    copy = bone.constraints.new("COPY_TRANSFORMS")
    copy.name = CLAMP
    copy.target, copy.subtarget = armature, helper.name
    copy.owner_space = copy.target_space = "POSE"
