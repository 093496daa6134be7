# SPDX-License-Identifier: GPL-3.0-or-later
"""A Take arrives: it is read, built in the scene that asked for it, and told of in a sentence."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

from .. import take as takes
from ..messages import SkelError
from ..rig import placement
from ..rig.assemble import Options, build_take
from ..rig.update import find_built, update_take

PROPERTY = "skel_take"  # custom property of a take's collection: path of its .npz
TOLERANCE = math.radians(0.5)  # less beyond a limit is not worth a word


def build_in_scene(path: str, scene_uid: int) -> str:
    """Build the Take at `path` in the scene with that `session_uid`; what came of it, as a sentence. Raises SkelError."""
    scene = next((scene for scene in bpy.data.scenes if scene.session_uid == scene_uid), None)
    windows = bpy.context.window_manager.windows
    if scene is None:
        raise SkelError("no_scene", f"The scene is not open any more, the Take is saved as {path}.", "Load it with Load Take.")
    window = next((window for window in windows if window.scene == scene), None)
    if window is not None:
        with bpy.context.temp_override(window=window):
            sentence = build(bpy.context, path)
            bpy.ops.ed.undo_push(message="Reconstruct")
        return sentence
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        return build(bpy.context, path)


def build(context: bpy.types.Context, path: str) -> str:
    """Build the Take at `path` in the context's scene and return the sentence about it."""
    take, settings = takes.load(path), context.scene.skel
    collection = find_built(context.scene, take.source) if settings.again == "UPDATE" else None
    options = {"horizontal": settings.horizontal, "correct": settings.correct, "hide": settings.hide}
    if collection is None:
        collection = build_take(context, take, collection_name=Path(path).stem, **options)
    else:
        update_take(context, take, collection, Options(**options))
    clip = settings.clip if settings.source == "CLIP" else None
    if clip is not None and shows(clip, take) and clip.tracking.reconstruction.is_valid:
        placement.place(context.scene, collection, clip)
    collection[PROPERTY] = bpy.path.relpath(path) if bpy.data.filepath and same_drive(path) else str(path)
    return summary(take)


def summary(take: takes.Take) -> str:
    """What is in a Take and how far it leaves the joint limits."""
    count, frames = len(take.people), len(take.frames)
    beyond = sum(int((person.violations() > TOLERANCE).any(axis=1).sum()) for person in take.people)
    people = "1 person" if count == 1 else f"{count} people"
    limits = f"{beyond} poses go beyond a joint limit" if beyond else "all poses keep the joint limits"
    return f"{people} in {frames} frames; {limits}."


def shows(clip: bpy.types.MovieClip, take: takes.Take) -> bool:
    """Whether a movie clip is the footage of a Take."""
    path, source = Path(bpy.path.abspath(clip.filepath, library=clip.library)), Path(take.source)
    return source in (path, path.parent) or (clip.source == "SEQUENCE" and source.parent == path.parent)


def same_drive(path: str) -> bool:
    """Whether `path` can be written relative to the .blend file."""
    return Path(path).drive.lower() == Path(bpy.data.filepath).drive.lower()
