# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses to begin with, as assets of Blender's pose library: they fit every rig of this add-on, since angles mean the same in all."""

from __future__ import annotations

import bpy
import numpy as np

from ..anatomy import DOF_INDEX, DOFS, Q
from . import compat, keyframes, layout

_D = np.radians
POSES: dict[str, dict[str, float]] = {
    "SKEL T Pose": {},
    "SKEL A Pose": {"shoulder_r_x": _D(40)},
    "SKEL Standing": {"shoulder_r_x": _D(75), "elbow_flexion_r": _D(10), "hip_flexion_r": _D(2), "knee_angle_r": _D(3)},
    "SKEL Sitting": {"shoulder_r_x": _D(70), "elbow_flexion_r": _D(70), "hip_flexion_r": _D(85), "knee_angle_r": _D(85)},
}
"""Name -> the angles (rad) that are not zero; the left side mirrors the right."""


def angles(name: str) -> np.ndarray:
    """(46,) rad of one of POSES."""
    result = np.zeros(Q)
    for dof_name, value in POSES[name].items():
        dof = DOFS[DOF_INDEX[dof_name]]
        result[dof.index], result[dof.mirror] = value, dof.mirror_sign * value
    return result


def ensure(armature: bpy.types.Object) -> list[bpy.types.Action]:
    """The poses as assets of this file, made if they are not there yet; `armature` stays as it is."""
    return [bpy.data.actions.get(name) or _make(armature, name) for name in POSES]


def _make(armature: bpy.types.Object, name: str) -> bpy.types.Action:
    """All angles but those of the pelvis, which say where the person faces."""
    with compat.spare_action(armature, name) as holder:
        for channel, value in zip(layout.channels()[3:], angles(name)[3:]):
            key = np.array([channel.sign * value])
            keyframes.write(holder, keyframes.Curve(channel.path, channel.index, channel.bone, np.array([1]), key))
    action = bpy.data.actions[name]
    action.asset_mark()
    action.asset_data.description = "A pose for rigs of SKEL's anatomy; the hips keep their direction"
    return action
