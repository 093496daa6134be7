# SPDX-License-Identifier: GPL-3.0-or-later
"""IK in the rig: solved chains start from the limb's own channels and reach for the control; the limb copies them when switched on.

With IK on, the limb's own channels still say how the chain starts: the elbow's way around is steered by the arm's channels.
"""

from __future__ import annotations

import math

import bpy
import numpy as np

from ..anatomy import JOINT_NAMES
from . import controls, drivers, layout, nla

COPY, SOLVE, LOOK, LIMIT = "IK", "Solve", "Look", "Limit Rotation"
_AXES = "xyz"
_TURN_WEIGHT = 0.1  # where a limit lets a control have only its place or its turn, it gets its place
_BEND, _SLACK, _ENOUGH, _CLEAR = 2.0, 0.0001, 0.05, 0.3


def build(armature: bpy.types.Object) -> None:
    """Add switches, drivers and constraints to an armature that has the bones of `controls`; all switched off."""
    for limb in controls.LIMBS:
        _add_switch(armature, limb.switch, limb.title)
        armature.pose.bones[limb.control].rotation_mode = "QUATERNION"
        armature.pose.bones[limb.control].lock_scale = (True, True, True)
        if limb in controls.TURNING:
            armature.pose.bones[limb.control].lock_location = (True, True, True)
            _look(armature, limb)
        else:
            _solve(armature, limb)
        for joint in limb.joints:
            kind = "COPY_ROTATION" if limb in controls.TURNING else "COPY_TRANSFORMS"
            copy = armature.pose.bones[JOINT_NAMES[joint]].constraints.new(kind)
            copy.name, copy.target, copy.subtarget = COPY, armature, controls.solved_name(limb, joint)
            copy.owner_space = copy.target_space = "POSE"
            _switched(armature, copy, limb)
    measure(armature)
    for name in controls.names()["Solved"]:
        bone = armature.pose.bones[name]
        bone.lock_location = bone.lock_rotation = bone.lock_scale = (True, True, True)


def measure(armature: bpy.types.Object) -> None:
    """Fit the solved knees and elbows to the length of the armature's limbs."""
    for limb in controls.REACHING:
        (hinge,) = controls.segments(limb)[1]
        channel = layout.channel(hinge.dof)
        drivers.add(armature.pose.bones[hinge.name], "rotation_euler", channel.index, _bent(armature, limb, channel.sign),
                    a=drivers.channel(armature, channel), d=drivers.distance(armature, limb.base, limb.control))  # fmt: skip


def limit(armature: bpy.types.Object, ranges: list[dict[int, tuple[float, float]]], enabled: bool) -> None:
    """Hold the solved bones to `ranges`: per joint Euler index -> (low, up) rad (`limits.channel_limits`), or to none."""
    for limb in controls.REACHING:
        for joint, bones in zip(limb.joints, controls.segments(limb)):
            for segment in bones:
                if segment.name in armature.pose.bones:
                    _limit_segment(armature.pose.bones[segment.name], segment.dof, ranges[joint] if enabled else {})
    for limb in controls.TURNING:
        bone = armature.pose.bones.get(controls.solved_name(limb, limb.tip))
        constraint = bone and bone.constraints.get(LIMIT)
        if not constraint:
            continue
        constraint.mute = not enabled
        for index, axis in enumerate(_AXES):
            low, up = ranges[limb.tip].get(index, (-math.pi, math.pi))
            setattr(constraint, f"use_limit_{axis}", True)
            setattr(constraint, f"min_{axis}", low)
            setattr(constraint, f"max_{axis}", up)


def limbs(armature: bpy.types.Object) -> list[controls.Limb]:
    """The limbs that a control can lead: an older rig has not all of them, and bones or constraints may have been deleted."""
    bones = armature.pose.bones

    def follows(limb: controls.Limb) -> bool:
        needed = (limb.control, limb.target, *(controls.solved_name(limb, joint) for joint in limb.joints))
        return all(name in bones for name in needed) and all(COPY in bones[JOINT_NAMES[joint]].constraints for joint in limb.joints)

    return [limb for limb in controls.LIMBS if limb.switch in armature and follows(limb)]


def is_on(armature: bpy.types.Object, limb: controls.Limb) -> bool:
    """Whether the control leads the limb now, at least in part."""
    return armature[limb.switch] > 0.0


def led(armature: bpy.types.Object) -> list[controls.Limb]:
    """The limbs that a control leads now or on some frame of what the rig plays."""
    holders = nla.holders(armature)

    def leads(limb: controls.Limb) -> bool:
        curves = filter(None, (holder.fcurves.find(f'["{limb.switch}"]') for holder in holders))
        return is_on(armature, limb) or any(key.co.y > 0.0 for curve in curves for key in curve.keyframe_points)

    return [limb for limb in limbs(armature) if leads(limb)]


def _add_switch(armature: bpy.types.Object, name: str, title: str) -> None:
    armature[name] = 0.0
    armature.id_properties_ui(name).update(min=0.0, max=1.0, default=0.0, description=f"How much the control leads: {title.lower()}")
    armature.property_overridable_library_set(f'["{name}"]', True)


def _switched(armature: bpy.types.Object, constraint: bpy.types.Constraint, limb: controls.Limb) -> None:
    drivers.add(constraint, "influence", -1, "a", a=drivers.prop(armature, f'["{limb.switch}"]'))


def _solve(armature: bpy.types.Object, limb: controls.Limb) -> None:
    chain = [segment for joint in controls.segments(limb) for segment in joint]
    for segment in chain:
        bone, channel = armature.pose.bones[segment.name], layout.channel(segment.dof)
        bone.rotation_mode = "XYZ"
        drivers.add(bone, "rotation_euler", channel.index, "a", a=drivers.channel(armature, channel))
        for index, axis in enumerate(_AXES):
            setattr(bone, f"lock_ik_{axis}", index != channel.index)
    solve = armature.pose.bones[chain[-1].name].constraints.new("IK")
    solve.name, solve.target, solve.subtarget = SOLVE, armature, limb.target
    solve.chain_count, solve.use_rotation, solve.use_tail, solve.use_stretch = len(chain), True, True, False
    solve.iterations, solve.weight, solve.orient_weight = 500, 1.0, _TURN_WEIGHT
    _switched(armature, solve, limb)


def _bent(armature: bpy.types.Object, limb: controls.Limb, sign: int) -> str:
    """Knee or elbow a little bent when the control is nearer than a straight limb reaches: the solver can't find the way out of one.

    Two bones of equal length that span the share s of their reach bend by about sqrt(8 (1 - s)); less keeps a limb in its place.
    """
    base, control = (armature.data.bones[name].head_local for name in (limb.base, limb.control))
    reach = (control - base).length
    bend = f"{_BEND}*sqrt(max(0,{1.0 - _SLACK}-d/{reach:.6f}))"
    bend = f"({bend} if {bend}>{_CLEAR} else min({_ENOUGH},{bend}))"
    return f"max(a,{bend})" if sign > 0 else f"min(a,-{bend})"


def _look(armature: bpy.types.Object, limb: controls.Limb) -> None:
    """The solved bone turns as the control does, within limits; the arc of the spine below follows what comes of it."""
    bone, order = armature.pose.bones[controls.solved_name(limb, limb.tip)], layout.euler_order(limb.tip)
    bone.rotation_mode = order
    look = bone.constraints.new("COPY_ROTATION")
    look.name, look.target, look.subtarget = LOOK, armature, limb.target
    look.owner_space = look.target_space = "POSE"
    hold = bone.constraints.new("LIMIT_ROTATION")
    hold.name, hold.owner_space, hold.euler_order = LIMIT, "LOCAL", order
    shift = armature.pose.bones[layout.SHIFTS[limb.tip]].constraints.new("COPY_TRANSFORMS")
    shift.name, shift.target, shift.subtarget = COPY, armature, controls.shift_name(limb)
    shift.owner_space = shift.target_space = "POSE"
    _switched(armature, shift, limb)


def _limit_segment(bone: bpy.types.PoseBone, dof: int, ranges: dict[int, tuple[float, float]]) -> None:
    """Blender's IK limits reach from at most to at least the rest pose, and half a turn each way."""
    channel = layout.channel(dof)
    axis = _AXES[channel.index]
    low, up = ranges.get(channel.index, (-np.inf, np.inf))
    setattr(bone, f"use_ik_limit_{axis}", channel.index in ranges)
    setattr(bone, f"ik_min_{axis}", max(-math.pi, min(0.0, low)))
    setattr(bone, f"ik_max_{axis}", min(math.pi, max(0.0, up)))
