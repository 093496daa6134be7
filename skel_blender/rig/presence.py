# SPDX-License-Identifier: GPL-3.0-or-later
"""Out of sight while a person is not in the footage.

The armature, whose action is its motion, hides by drivers. Its meshes share one action with two curves: as drivers they would take as
long on a frame as the armature itself.
"""

from __future__ import annotations

import bpy
import numpy as np

from . import compat, drivers, keyframes, record

FIRST, LAST = "skel_first_frame", "skel_last_frame"  # custom properties of the armature: scene frames between which the person is there
_PATHS = ("hide_viewport", "hide_render")
_KIND = "presence"  # of the meshes' action


def keep(armature: bpy.types.Object, frames: np.ndarray) -> None:
    """Say in which scene frames (T,) the person is there."""
    armature[FIRST], armature[LAST] = int(frames[0]), int(frames[-1])
    if is_on(armature):
        apply(armature, True)


def move(armature: bpy.types.Object, by: int) -> None:
    """Let the person come and go `by` frames later; a rig of before this was kept knows no frames."""
    if FIRST in armature:
        keep(armature, np.array([armature[FIRST] + by, armature[LAST] + by]))


def nearest(armature: bpy.types.Object, frame: int) -> int:
    """The scene frame nearest to `frame` on which the person is in sight."""
    return min(max(frame, int(armature[FIRST])), int(armature[LAST])) if is_on(armature) else frame


def is_on(armature: bpy.types.Object) -> bool:
    """Whether the rig hides outside of its person's frames."""
    data = armature.animation_data
    return data is not None and data.drivers.find(_PATHS[0]) is not None


def apply(armature: bpy.types.Object, enabled: bool) -> None:
    """Hide the rig and its meshes outside of the person's frames, in the viewport and in renders, or show them on all frames."""
    meshes = [*record.parts(armature, "skin"), *record.parts(armature, "bone")]
    ends = {"a": drivers.prop(armature, f'["{FIRST}"]'), "b": drivers.prop(armature, f'["{LAST}"]')}
    action = action_of(armature)
    for thing in (armature, *meshes):
        drive = enabled and (thing == armature or compat.action(thing) not in (None, action))  # a mesh that the user has animated
        for path in _PATHS:
            if drive:
                drivers.add(thing, path, -1, "1 if frame < a or frame > b else 0", **ends)
            else:
                thing.driver_remove(path)
    plain = [thing for thing in meshes if compat.action(thing) in (None, action)]
    if enabled:
        _key(armature, action, plain)
        return
    for thing in (thing for thing in plain if thing.animation_data):
        thing.animation_data.action = None
    for thing in (armature, *meshes):
        for path in _PATHS:
            setattr(thing, path, False)
    if action is not None:
        bpy.data.actions.remove(action)


def action_of(armature: bpy.types.Object) -> bpy.types.Action | None:
    """The action by which the meshes of a rig hide."""
    meshes = (*record.parts(armature, "skin"), *record.parts(armature, "bone"))
    found = (compat.action(thing) for thing in meshes)
    return next((action for action in found if action is not None and action.get(record.KIND) == _KIND), None)


def _key(armature: bpy.types.Object, action: bpy.types.Action | None, meshes: list[bpy.types.Object]) -> None:
    """Let the meshes share an action that hides them."""
    if not meshes:
        return
    if action is None:
        compat.new_action(meshes[0], f"{armature.name} {_KIND}")
        action = compat.action(meshes[0])
        action[record.KIND] = _KIND
    for thing in meshes:
        if compat.action(thing) != action:
            compat.use_action(thing, action)
    first, last = armature[FIRST], armature[LAST]
    frames, values = np.array([first - 1, first, last + 1]), np.array([1.0, 0.0, 1.0])
    for path in _PATHS:
        keyframes.write(compat.holder(meshes[0]), keyframes.Curve(path, 0, "Visibility", frames, values), "CONSTANT")
