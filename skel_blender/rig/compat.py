# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Blender 4.2 and 5.x, and between Blender and its Python module. The only file that may ask for a version."""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import bpy

from ..messages import SkelError


def action(owner: bpy.types.ID) -> bpy.types.Action | None:
    """The action that animates `owner`, if one does."""
    return owner.animation_data.action if owner.animation_data else None


def check_assignable(owner: bpy.types.ID) -> None:
    """Raise SkelError if Blender does not let another action animate `owner` now."""
    data = owner.animation_data
    if data is not None and data.use_tweak_mode:
        raise SkelError("tweaking", f"A strip of {owner.name} is in tweak mode.", "Leave tweak mode in the NLA editor.")


def new_action(owner: bpy.types.ID, name: str, slot_name: str = "") -> bpy.types.Action | bpy.types.ActionChannelbag:
    """Give `owner` a new action, with a slot of that name (else the owner's); returns what holds its `fcurves` and `groups` (the
    action itself before slots came in 4.4)."""
    check_assignable(owner)
    data = owner.animation_data or owner.animation_data_create()
    action = bpy.data.actions.new(name)
    data.action = action
    if not hasattr(action, "slots"):
        return action
    slot = action.slots.new(id_type=owner.id_type, name=slot_name or owner.name)
    data.action_slot = slot
    return action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)


@contextmanager
def spare_action(owner: bpy.types.Object, name: str) -> Iterator[bpy.types.Action | bpy.types.ActionChannelbag]:
    """A new action for `owner`, as `new_action` gives it; afterwards `owner` plays what it played before."""
    check_assignable(owner)
    data = owner.animation_data or owner.animation_data_create()
    before = data.action
    try:
        yield new_action(owner, name)
    finally:
        if before is None:
            data.action = None
        else:
            use_action(owner, before)


def holder(owner: bpy.types.Object) -> bpy.types.Action | bpy.types.ActionChannelbag | None:
    """What holds the `fcurves` and `groups` that animate `owner`; None without an action."""
    data = owner.animation_data
    if data is None or data.action is None:
        return None
    if not hasattr(data.action, "slots"):
        return data.action
    bags = (strip.channelbag(data.action_slot) for layer in data.action.layers for strip in layer.strips if data.action_slot)
    return next((bag for bag in bags if bag is not None), None)


def curves(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All F-curves of an action, of all its slots."""
    if not hasattr(action, "slots"):
        return list(action.fcurves)
    bags = (bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags)
    return [curve for bag in bags for curve in bag.fcurves]


def use_action(owner: bpy.types.Object, action: bpy.types.Action) -> None:
    """Let `action` animate `owner`, by the slot that was made for it."""
    check_assignable(owner)
    data = owner.animation_data or owner.animation_data_create()
    data.action = action
    if hasattr(action, "slots"):
        data.action_slot = next((slot for slot in action.slots if slot.target_id_type == owner.id_type), None)


def use_nodes(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """Switch nodes on, which 5.0 does by itself, and return the node tree."""
    if bpy.app.version < (5, 0, 0):
        owner.use_nodes = True
    return owner.node_tree


def leave(code: int) -> NoReturn:
    """End the process at once. Blender as a Python module can hang when the interpreter takes itself down."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":  # there os._exit takes Blender's libraries down too, which print what they leave behind after our last sentence
        ctypes.windll.kernel32.TerminateProcess(ctypes.c_void_p(-1), code)  # -1 is this process
    os._exit(code)


def run(main: Callable[[], None]) -> NoReturn:
    """Run a command's `main` and end the process: code 0, or 1 after one sentence on standard error for a SkelError."""
    try:
        main()
    except SkelError as error:
        print(error, file=sys.stderr)
        leave(1)
    except SystemExit as stop:  # argparse, which has said why
        leave(stop.code if isinstance(stop.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        leave(1)
    leave(0)
