# SPDX-License-Identifier: GPL-3.0-or-later
"""A rig as Blender evaluates it on many frames, in a scene that is there only meanwhile: quick, and the user's scene stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import bpy

from ...messages import SkelError
from .. import armature, compat, nla

_KINDS = ("objects", "meshes", "armatures", "cameras", "actions", "collections", "scenes")


def on_frames(thing: bpy.types.Object, frames: Iterable[int]) -> Iterator[bpy.types.Object]:
    """`thing` evaluated on each of the scene frames, hidden or not, in a scene without any skin. Poses that are not keyed stay, and what
    else is made or deleted before the last frame, as in a second window."""
    with kept_values(), _own_scene(bpy.context.scene, "skel stage") as scene, armature.in_sight(thing):
        scene.collection.objects.link(thing)
        for frame in frames:
            scene.frame_set(int(frame))
            yield thing.evaluated_get(scene.view_layers[0].depsgraph)


@contextmanager
def posed_armatures(things: Sequence[bpy.types.Object]) -> Iterator[None]:
    """Let armature objects show their pose meanwhile, also those that were put into Rest Position: for who looks at where bones are, since
    channels say the same in both. Raises SkelError for one in Edit Mode, where Blender shows the rest pose whatever is keyed."""
    edited = next((thing.name for thing in things if thing.data.is_editmode), None)
    if edited is not None:
        raise SkelError("edit_mode", f"{edited} is in Edit Mode, where it has no pose.", "Leave Edit Mode.")
    before = {thing.data: thing.data.pose_position for thing in things}
    try:
        for data in before:
            data.pose_position = "POSE"
        yield
    finally:
        for data, position in before.items():
            data.pose_position = position


@contextmanager
def empty_scene(like: bpy.types.Scene, name: str) -> Iterator[bpy.types.Scene]:
    """A scene with the clock of `like`. It and every object, mesh, armature, camera and action made meanwhile is gone after: only for what
    is done in one go, or an animator's work would be among it."""
    before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
    try:
        with _own_scene(like, name) as scene:
            yield scene
    finally:
        for kind in _KINDS:
            made = [block for block in getattr(bpy.data, kind) if block not in before[kind]]
            bpy.data.batch_remove(made)


@contextmanager
def _own_scene(like: bpy.types.Scene, name: str) -> Iterator[bpy.types.Scene]:
    """A scene with the clock of `like`, gone after."""
    scene = bpy.data.scenes.new(name)
    try:
        scene.view_layers[0].name = bpy.context.view_layer.name  # so that a window which is switched to and fro keeps its own
        scene.render.fps, scene.render.fps_base = like.render.fps, like.render.fps_base
        yield scene
    finally:
        bpy.data.scenes.remove(scene)


@contextmanager
def kept_values() -> Iterator[None]:
    """Let everything that is animated or driven keep the values that it has now, also where nobody has keyed them; but not who plays
    another action afterwards.

    Blender writes keyed values over them when actions are changed, when a scene gets new objects, or when a window is switched to another
    scene and back, and driven ones that depend on the frame when an exporter shows another frame.
    """
    values = []
    for owner in _animated():
        curves = [curve for holder in nla.holders_of(owner.animation_data) for curve in holder.fcurves]
        for curve in [*curves, *owner.animation_data.drivers]:
            with suppress(ValueError, IndexError):  # a path to what is not there
                found = owner.path_resolve(curve.data_path)
                values.append((owner, compat.action(owner), curve.data_path, curve.array_index, _item(found, curve.array_index)))
    try:
        yield
    finally:
        bpy.context.view_layer.update()
        for owner, action, path, index, value in values:
            with suppress(ReferenceError, ValueError, IndexError):  # it is not there any more
                if compat.action(owner) == action:
                    _put(owner, path, index, value)
        bpy.context.view_layer.update()


def _put(owner: bpy.types.ID, path: str, index: int, value: object) -> None:
    """Give a property back its value, if it has another one now."""
    found = owner.path_resolve(path)
    if _item(found, index) == value:
        return
    if hasattr(found, "__setitem__"):
        found[index] = value
    else:
        mark = '["' if path.endswith('"]') else "."  # custom properties, and bones and the like above them, may have dots in their names
        above, _, name = path.rpartition(mark)
        setattr(owner.path_resolve(above) if above else owner, mark.strip(".") + name, value)


def _animated() -> list[bpy.types.ID]:
    """The datablocks that have actions or drivers."""
    kinds = (prop.identifier for prop in bpy.data.bl_rna.properties if prop.type == "COLLECTION")
    blocks = (block for kind in kinds for block in getattr(bpy.data, kind))
    return [block for block in blocks if getattr(block, "animation_data", None)]


def _item(found: object, index: int) -> object:
    return found[index] if hasattr(found, "__setitem__") else found
