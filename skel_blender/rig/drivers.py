# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers with simple expressions: Blender computes them by itself, without permission to run Python."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from . import layout

Source = Callable[[bpy.types.DriverVariable], None]


def prop(owner: bpy.types.ID, path: str) -> Source:
    """A variable that is the property of `owner` at that RNA path."""
    def fill(variable: bpy.types.DriverVariable) -> None:
        variable.type = "SINGLE_PROP"
        target = variable.targets[0]
        target.id_type, target.id, target.data_path = owner.id_type, owner, path

    return fill


def scene(path: str) -> Source:
    """A variable that is the property at that RNA path of whichever scene is looked at."""
    def fill(variable: bpy.types.DriverVariable) -> None:
        variable.type = "CONTEXT_PROP"
        variable.targets[0].context_property, variable.targets[0].data_path = "ACTIVE_SCENE", path

    return fill


def channel(owner: bpy.types.Object, source: layout.Channel) -> Source:
    """A variable that is one of the armature's channels, as it is keyed."""
    return prop(owner, f"{source.path}[{source.index}]")


def turn(owner: bpy.types.Object, bone: str, axis: int, order: str) -> Source:
    """A variable that is the evaluated local rotation (rad) of a bone about one of its axes, as Euler angles of that order."""
    def fill(variable: bpy.types.DriverVariable) -> None:
        variable.type = "TRANSFORMS"
        target = variable.targets[0]
        target.id, target.bone_target = owner, bone
        target.transform_space, target.transform_type, target.rotation_mode = "LOCAL_SPACE", f"ROT_{'XYZ'[axis]}", order

    return fill


def distance(owner: bpy.types.Object, one: str, other: str) -> Source:
    """A variable that is the distance (m, in the world) between the heads of two bones."""
    def fill(variable: bpy.types.DriverVariable) -> None:
        variable.type = "LOC_DIFF"
        for target, bone in zip(variable.targets, (one, other)):
            target.id, target.bone_target, target.transform_space = owner, bone, "WORLD_SPACE"

    return fill


def add(owner: bpy.types.bpy_struct, path: str, index: int, expression: str, **variables: Source) -> None:
    """Drive owner's property (component `index`, -1 if it has none) by an expression in the variables' names, by nothing else."""
    owner.driver_remove(path, index)
    curve = owner.driver_add(path, index)
    curve.keyframe_points.clear()  # from 5.0 on there are two that map 0 to 0 and 1 to 1, but also what is nearly 0 to 0
    driver = curve.driver
    driver.type = "SCRIPTED"
    for name, fill in variables.items():
        variable = driver.variables.new()
        variable.name = name
        fill(variable)
    driver.expression = expression
