# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at rigs bit by bit, and the scene that is there only while a file is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import bpy
import numpy as np

from ..rig import compat
from ..rig.assemble import in_metres, scene_of
from ..rig.editing import evaluation
from ..rig.editing.steps import Step, Steps


def look(thing: bpy.types.Object, frames: np.ndarray, bones: Sequence[str], what: str) -> Steps[np.ndarray]:
    """(T,B,4,4) world matrices, m, of the bones of an armature object on the scene frames (T,), as Blender evaluates them. Raises
    SkelError if it is in Edit Mode."""
    scene = scene_of(thing)
    posed = np.empty((len(frames), len(bones), 4, 4))
    everyone = np.empty((len(thing.pose.bones), 4, 4), dtype=np.float32)  # of whom `bones` are read; column by column
    chosen = [thing.pose.bones.find(name) for name in bones]
    with evaluation.posed_armatures([thing]), closing(evaluation.on_frames(thing, frames)) as shown:
        for row, seen in enumerate(shown):
            seen.pose.bones.foreach_get("matrix", everyone.ravel())
            posed[row] = in_metres(seen.matrix_world, scene) @ everyone[chosen].transpose(0, 2, 1)
            yield Step(what, (row + 1) / len(frames))
    return posed


def in_sight(thing: bpy.types.Object) -> bpy.types.Object:
    """A copy of an object that nothing hides on any frame."""
    copy = thing.copy()
    for path in ("hide_viewport", "hide_render"):
        copy.driver_remove(path)
        holder = compat.holder(copy)
        if holder and holder.fcurves.find(path):
            compat.use_action(copy, copy.animation_data.action.copy())
            holder = compat.holder(copy)
            holder.fcurves.remove(holder.fcurves.find(path))
        setattr(copy, path, False)
    return copy


@contextmanager
def free_names(wanted: dict[str, set[str]]) -> Iterator[None]:
    """Make names free for new datablocks (kind of `bpy.data` -> names): who has them is called otherwise until the end.

    Exporters write the names of datablocks. Enter it before `empty_scene`, so that the new ones are gone when the names return.
    """
    moved = []
    try:
        for kind, names in wanted.items():
            for name in names:
                block = getattr(bpy.data, kind).get(name)
                if block is not None and block.library is None:
                    moved.append((block, name))
                    block.name = f"{name[:40]} of the scene"
        yield
    finally:
        for block, name in moved:
            block.name = name


@contextmanager
def in_scene(scene: bpy.types.Scene) -> Iterator[bpy.types.Context]:
    """Blender's context with this scene as the one that operators see; a window that an exporter switches to it is switched back."""
    context, layer = bpy.context, scene.view_layers[0]
    window = context.window
    shown = (window.scene, window.view_layer) if window else None
    compat.settle_context()  # exporters set the window's scene
    with ExitStack() as stack:
        stack.callback(compat.settle_context)
        if shown:
            stack.callback(_show, window, *shown)
        stack.enter_context(context.temp_override(scene=scene, view_layer=layer))
        yield context


def _show(window: bpy.types.Window, scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> None:
    if window.scene != scene:
        window.scene = scene
    if window.view_layer != layer:
        window.view_layer = layer
