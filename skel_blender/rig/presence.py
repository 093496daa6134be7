# SPDX-License-Identifier: GPL-3.0-or-later
"""Out of sight while a person is not in the footage: drivers on the visibility of a rig and its meshes."""

from __future__ import annotations

import bpy
import numpy as np

from . import drivers, record

FIRST, LAST = "skel_first_frame", "skel_last_frame"  # custom properties of the armature: scene frames between which the person is there
_PATHS = ("hide_viewport", "hide_render")


def keep(armature: bpy.types.Object, frames: np.ndarray) -> None:
    """Say in which scene frames (T,) the person is there."""
    armature[FIRST], armature[LAST] = int(frames[0]), int(frames[-1])


def is_on(armature: bpy.types.Object) -> bool:
    """Whether the rig hides outside of its person's frames."""
    data = armature.animation_data
    return data is not None and data.drivers.find(_PATHS[0]) is not None


def apply(armature: bpy.types.Object, enabled: bool) -> None:
    """Hide the rig and its meshes outside of the person's frames, in the viewport and in renders, or show them on all frames."""
    for thing in (armature, *record.parts(armature, "skin"), *record.parts(armature, "bone")):
        for path in _PATHS:
            if enabled:
                ends = {"a": drivers.prop(armature, f'["{FIRST}"]'), "b": drivers.prop(armature, f'["{LAST}"]')}
                drivers.add(thing, path, -1, "1 if frame < a or frame > b else 0", **ends)
            else:
                thing.driver_remove(path)
                setattr(thing, path, False)
