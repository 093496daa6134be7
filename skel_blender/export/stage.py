# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes that are there only while rigs are looked at or a file is written, and what makes sure that nothing of them is left."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple, TypeVar

import bpy
import numpy as np

from ..rig import compat

_KINDS = ("objects", "meshes", "armatures", "actions", "collections", "scenes")
Made = TypeVar("Made")


class Step(NamedTuple):
    """How far a part of the work is, 0 to 1."""

    what: str
    done: float


Steps = Generator[Step, None, Made]
"""Work that can be done bit by bit, and returns what it has made; closed before its end, it leaves nothing behind."""


def finish(steps: Steps[Made]) -> Made:
    """Do all of the work."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def look(thing: bpy.types.Object, frames: np.ndarray, bones: Sequence[str], what: str) -> Steps[np.ndarray]:
    """(T,B,4,4) world matrices of the bones of an armature object on the scene frames (T,), as Blender evaluates them.

    It happens in a scene of its own without any skin, so that the editing scene keeps its frame and poses that are not keyed stay.
    """
    posed, hidden = np.empty((len(frames), len(bones), 4, 4)), thing.hide_viewport
    with kept_values(), empty_scene(bpy.context.scene, "skel stage") as scene:
        scene.collection.objects.link(thing)
        try:
            thing.hide_viewport = False
            for row, frame in enumerate(frames):
                scene.frame_set(int(frame))
                seen = thing.evaluated_get(scene.view_layers[0].depsgraph)
                posed[row] = np.array(seen.matrix_world) @ np.array([seen.pose.bones[name].matrix for name in bones])
                yield Step(what, (row + 1) / len(frames))
        finally:
            thing.hide_viewport = hidden
    return posed


@contextmanager
def empty_scene(like: bpy.types.Scene, name: str) -> Iterator[bpy.types.Scene]:
    """A scene with the clock and the units of `like`. It and every object, mesh, armature and action made meanwhile is gone after."""
    before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
    try:
        scene = bpy.data.scenes.new(name)
        scene.view_layers[0].name = bpy.context.view_layer.name  # so that a window which is switched to and fro keeps its own
        scene.render.fps, scene.render.fps_base = like.render.fps, like.render.fps_base
        yield scene
    finally:
        for kind in _KINDS:
            made = [block for block in getattr(bpy.data, kind) if block not in before[kind]]
            bpy.data.batch_remove(made)


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
    with ExitStack() as stack:
        if shown:
            stack.callback(_show, window, *shown)
        stack.enter_context(context.temp_override(scene=scene, view_layer=layer))
        yield context


def _show(window: bpy.types.Window, scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> None:
    if window.scene != scene:
        window.scene = scene
    if window.view_layer != layer:
        window.view_layer = layer


@contextmanager
def kept_values() -> Iterator[None]:
    """Let everything that is animated or driven keep the values that it has now, also where nobody has keyed them.

    Blender writes keyed values over them when actions are changed, or when a window is switched to another scene and back, and driven
    ones that depend on the frame when an exporter shows another frame.
    """
    values = []
    for owner in _animated():
        holder = compat.holder(owner)
        for curve in [*(holder.fcurves if holder else ()), *owner.animation_data.drivers]:
            with suppress(ValueError):  # a path to what is not there
                found = owner.path_resolve(curve.data_path)
                values.append((owner, curve.data_path, curve.array_index, _item(found, curve.array_index)))
    try:
        yield
    finally:
        bpy.context.view_layer.update()
        for owner, path, index, value in values:
            _put(owner, path, index, value)
        bpy.context.view_layer.update()


def _put(owner: bpy.types.ID, path: str, index: int, value: object) -> None:
    """Give a property back its value, if it has another one now."""
    found = owner.path_resolve(path)
    if _item(found, index) == value:
        return
    if hasattr(found, "__len__"):
        found[index] = value
    else:
        above, _, name = path.rpartition(".")
        setattr(owner.path_resolve(above) if above else owner, name, value)


def _animated() -> list[bpy.types.ID]:
    """The datablocks that have actions or drivers."""
    kinds = (prop.identifier for prop in bpy.data.bl_rna.properties if prop.type == "COLLECTION")
    blocks = (block for kind in kinds for block in getattr(bpy.data, kind))
    return [block for block in blocks if getattr(block, "animation_data", None)]


def _item(found: object, index: int) -> object:
    return found[index] if hasattr(found, "__len__") else found
