# SPDX-License-Identifier: GPL-3.0-or-later
"""Out of sight while a person is not in the footage: before he comes, after he goes, and while he is away for long.

The armature, whose action is its motion, hides by drivers. Its meshes share one action with two curves: as drivers they would take as
long on a frame as the armature itself. Who wants no skins or no bone meshes at all switches their collections off, see `assemble.shelf`.
"""

from __future__ import annotations

import math

import bpy
import numpy as np

from ..take import Person
from . import clock, compat, drivers, keyframes, nla, record

FIRST, LAST = "skel_first_frame", "skel_last_frame"  # custom properties of the armature: scene frames between which the person is there
GAPS = "skel_gaps"  # but for these: the last scene frame before each long absence, and the first after it
LONG_S = 3.0  # an absence; who is hidden behind something for less stays in sight
_MOST_GAPS = 8  # what a driver's expression has room for
_PATHS = ("hide_viewport", "hide_render")
_KIND = "presence"  # of the meshes' action
_LETTERS = "abcdghijklmnopqrst"  # variables of the drivers; e is a number


def keep(armature: bpy.types.Object, person: Person, fps: float) -> None:
    """Say in which frames the person is there, of a scene that plays `fps` frames a second."""
    time = clock.of_rig(armature)
    shown, there = time.shown(person.frames), time.places(person.frames[person.confidence > 0])
    away = np.flatnonzero(np.diff(there) > LONG_S * fps)
    ends = np.stack([np.floor(there[away]), np.ceil(there[away + 1])], 1).astype(int)
    _keep(armature, int(shown[0]), int(shown[-1]), ends[:_MOST_GAPS].ravel().tolist())


def move(armature: bpy.types.Object, by: int) -> None:
    """Let the person come and go `by` frames later; a rig of before this was kept knows no frames."""
    if FIRST in armature:
        _keep(armature, armature[FIRST] + by, armature[LAST] + by, [end + by for end in armature.get(GAPS, ())])


def _keep(armature: bpy.types.Object, first: int, last: int, gaps: list[int]) -> None:
    for key, value in ((FIRST, first), (LAST, last), (GAPS, gaps)):
        record.put(armature, key, value)
    if not gaps:
        del armature[GAPS]
    if is_on(armature):
        apply(armature, True)


def beyond(armature: bpy.types.Object, frame: int) -> bool:
    """Whether the person is out of sight on a scene frame because he has not come yet, or is gone."""
    return is_on(armature) and not armature.get(FIRST, frame) <= frame <= armature.get(LAST, frame)


def reach(armature: bpy.types.Object, frame: int) -> None:
    """Let the person be there on a scene frame before he comes or after he goes, and wherever beyond them his motion has keys."""
    ends = [frame, armature[FIRST], armature[LAST], *nla.ends(armature)]
    _keep(armature, math.floor(min(ends)), math.ceil(max(ends)), list(armature.get(GAPS, ())))


def nearest(armature: bpy.types.Object, frame: int) -> int:
    """The scene frame nearest to `frame` on which the person is in sight."""
    if not is_on(armature):
        return frame
    ends = (armature[FIRST], *armature.get(GAPS, ()), armature[LAST])
    return min((min(max(frame, first), last) for first, last in zip(ends[::2], ends[1::2])), key=lambda shown: abs(shown - frame))


def is_on(armature: bpy.types.Object) -> bool:
    """Whether the rig hides outside of its person's frames."""
    data = armature.animation_data
    return data is not None and data.drivers.find(_PATHS[0]) is not None


def apply(armature: bpy.types.Object, enabled: bool) -> None:
    """Hide the rig and its meshes outside of the person's frames, in the viewport and in renders, or show them on all frames."""
    meshes = [*record.parts(armature, "skin"), *record.parts(armature, "bone")]
    gaps = [f'["{GAPS}"][{k}]' for k in range(len(armature.get(GAPS, ())))]
    ends = {letter: drivers.prop(armature, path) for letter, path in zip(_LETTERS, (f'["{FIRST}"]', f'["{LAST}"]', *gaps))}
    away = "".join(f" or {last} < frame < {first}" for last, first in zip(_LETTERS[2 : len(ends) : 2], _LETTERS[3 : len(ends) : 2]))
    action, plain = action_of(armature), [thing for thing in meshes if _is_plain(thing)]
    for thing in (armature, *meshes):
        drive = enabled and thing not in plain
        for path in _PATHS:
            if drive:
                drivers.add(thing, path, -1, f"1 if frame < a or frame > b{away} else 0", **ends)
            else:
                thing.driver_remove(path)
    if enabled:
        shared = action is not None and action.users > sum(compat.action(thing) == action for thing in meshes)
        _key(armature, None if shared else action, plain)  # not by that of a duplicate
        return
    for thing in (thing for thing in plain if thing.animation_data):
        thing.animation_data.action = None
    for thing in (armature, *meshes):
        for path in _PATHS:
            setattr(thing, path, False)
    if action is not None and not action.users:
        bpy.data.actions.remove(action)


def _is_plain(mesh: bpy.types.Object) -> bool:
    """Whether the user has not animated a mesh."""
    action = compat.action(mesh)
    return action is None or action.get(record.KIND) == _KIND


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
    turns = np.array([armature[FIRST], *armature.get(GAPS, ()), armature[LAST]])
    turns[1::2] += 1  # he goes on the frame after the last one
    frames, values = np.append(turns[0] - 1, turns), np.append(1.0, np.arange(len(turns)) % 2)
    for path in _PATHS:
        keyframes.write(compat.holder(meshes[0]), keyframes.Curve(path, 0, "Visibility", frames, values), "CONSTANT")
