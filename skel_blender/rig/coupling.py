# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's coupled translations as drivers on the helper bones: simple expressions, which need no permission to run Python.

The helper bone sits between parent and joint and its axes are the armature's, so its location is the model-frame translation of
`kinematics.couplings`, z up. A driver that moved the joint's own bone by its own angles would be a dependency cycle.
"""

from __future__ import annotations

import math

import bpy
import numpy as np

from .. import kinematics
from ..anatomy import ARCS, DOFS_OF_JOINT, ELLIPSOIDS
from . import controls, drivers, layout


def build(armature: bpy.types.Object, rest_joints: np.ndarray) -> None:
    """Drive the helper bones of `armature` by the raw angles of the joints below them; rest_joints (24,3) m, model frame.

    The helpers of head and chest have twins that follow the angles which their controls leave them with (see `ik`).
    """
    for joint, expressions in _expressions(rest_joints).items():
        dofs = DOFS_OF_JOINT[joint][:2]
        _drive(armature, layout.SHIFTS[joint], expressions, [drivers.channel(armature, layout.channel(dof.index)) for dof in dofs])
        for limb in (limb for limb in controls.TURNING if limb.tip == joint):
            turns = [layout.channel(dof.index).index for dof in dofs]
            order = layout.euler_order(joint)
            sources = [drivers.turn(armature, controls.solved_name(limb, joint), index, order) for index in turns]
            _drive(armature, controls.shift_name(limb), expressions, sources)


def _drive(armature: bpy.types.Object, name: str, expressions: tuple[str, str, str], angles: list[drivers.Source]) -> None:
    bone = armature.pose.bones[name]
    for index, expression in enumerate(expressions):
        drivers.add(bone, "location", index, expression, **dict(zip("ab", angles)))


def _expressions(rest_joints: np.ndarray) -> dict[int, tuple[str, str, str]]:
    """Joint -> expressions of x, y and z (m) in its first two channels, a and b (rad)."""
    result = {}
    for joint, (bottom, top) in ARCS.items():
        length = abs(float(rest_joints[top, 1] - rest_joints[bottom, 1]))
        result[joint] = _arc(length, *_signs(joint))
    width, height = kinematics.scapula_ellipsoid(rest_joints)
    for joint, side in ELLIPSOIDS.items():
        result[joint] = _ellipsoid(width, height, side, *_signs(joint))
    return result


def _signs(joint: int) -> tuple[int, int]:
    first, second = DOFS_OF_JOINT[joint][:2]
    return layout.channel(first.index).sign, layout.channel(second.index).sign


def _arc(length: float, sign_a: int, sign_b: int) -> tuple[str, str, str]:
    """`kinematics.arc_offset`, z up. 2 sin^2(a/2) / a is (1 - cos a) / a without the loss of digits near zero."""

    def versine(name: str) -> str:
        return f"(sin({name}/2)*sin({name}/2)/{name} if {name} else 0)"

    shrink = f"{length!r}*((sin(a)/a if a else 1)+(sin(b)/b if b else 1)-2)"
    return f"{-2 * length * sign_a!r}*{versine('a')}", f"{2 * length * sign_b!r}*{versine('b')}", shrink


def _ellipsoid(width: float, height: float, side: int, sign_a: int, sign_b: int) -> tuple[str, str, str]:
    """`kinematics.ellipsoid_offset`, z up; the angles' signs and the side's are folded into constants."""
    quarter, half_root = math.pi / 4, math.sqrt(0.5)
    sweep, lift = -side * sign_a, -side * sign_b
    angle = f"({lift}*b-{quarter!r})"
    return (
        f"{side * width / 4!r}*(cos{angle}*cos(a)-{half_root!r})",
        f"{-sweep * width / 4!r}*sin(a)",
        f"{-height / 2!r}*(sin{angle}+{half_root!r})",
    )
