# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at an armature on many frames in a scene of its own: the user's scene stays where it is, and no skin is deformed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy
import numpy as np


def look(thing: bpy.types.Object, frames: np.ndarray, bones: Sequence[str]) -> np.ndarray:
    """(T,B,4,4) world matrices of the bones of an armature object on the scene frames (T,), as Blender evaluates them."""
    posed = np.empty((len(frames), len(bones), 4, 4))
    with _alone(thing) as scene:
        graph = scene.view_layers[0].depsgraph
        for row, frame in enumerate(frames):
            scene.frame_set(int(frame))
            seen = thing.evaluated_get(graph)
            posed[row] = [bone.matrix for bone in map(seen.pose.bones.__getitem__, bones)]
            posed[row] = np.array(seen.matrix_world) @ posed[row]
    return posed


@contextmanager
def _alone(thing: bpy.types.Object) -> Iterator[bpy.types.Scene]:
    """A scene with that object alone, and what it depends on, in sight; it is gone afterwards."""
    hidden, handlers = thing.hide_viewport, bpy.app.handlers.frame_change_post[:]
    scene = bpy.data.scenes.new("skel_stage")
    bpy.app.handlers.frame_change_post.clear()
    try:
        thing.hide_viewport = False
        scene.collection.objects.link(thing)
        scene.view_layers[0].update()
        yield scene
    finally:
        bpy.app.handlers.frame_change_post.extend(handlers)
        thing.hide_viewport = hidden
        bpy.data.scenes.remove(scene)
