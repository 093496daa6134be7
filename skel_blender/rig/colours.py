# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of bones and of their channels in the animation editors: red right, blue left, yellow in the middle, green the controls."""

from __future__ import annotations

import bpy

from ..anatomy import JOINT_NAMES
from . import controls, layout

_SIDES = {"_r": (1.00, 0.32, 0.28), "_l": (0.30, 0.62, 1.00)}
_MIDDLE, _ROOT, _CONTROL = (1.00, 0.82, 0.20), (0.95, 0.95, 0.95), (0.35, 0.95, 0.40)
"""Lighter than Blender's own palettes, whose red and blue are lost on dark footage and in a dark theme."""
_SELECTED, _ACTIVE = 0.55, 0.8  # how much nearer to white


def of(name: str) -> tuple[float, float, float] | None:
    """The colour of a bone by its name; None for helper bones and for what is no bone."""
    if name == layout.ROOT:
        return _ROOT
    if name in controls.names()[controls.COLLECTION]:
        return _CONTROL
    return _SIDES.get(name[-2:], _MIDDLE) if name in JOINT_NAMES else None


def give(thing: bpy.types.BoneColor | bpy.types.ActionGroup, colour: tuple[float, float, float]) -> None:
    """Colour a bone or a group of channels; lighter where it is selected."""
    if isinstance(thing, bpy.types.ActionGroup):
        thing.color_set, shades = "CUSTOM", thing.colors
    else:
        thing.palette, shades = "CUSTOM", thing.custom
    shades.normal = colour
    for name, light in (("select", _SELECTED), ("active", _ACTIVE)):
        setattr(shades, name, [part + light * (1.0 - part) for part in colour])


def give_groups(holder: bpy.types.Action | bpy.types.ActionChannelbag) -> None:
    """Colour the groups of channels as their bones, as Blender does when it keys them."""
    for group in holder.groups:
        colour = of(group.name)
        if colour is not None:
            give(group, colour)
