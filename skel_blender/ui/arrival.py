# SPDX-License-Identifier: GPL-3.0-or-later
"""A Take arrives: it is read, built in the scene that asked for it, and told of in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import take as takes
from ..messages import SkelError
from ..rig import armature, assemble, camera, clock, record
from ..rig.assemble import Options, build_take
from ..rig.editing import evaluation, placement
from ..rig.update import find_built, has_frames_of, update_take

_SAME_RATE = 1e-3  # frames a second
PROPERTY = "skel_take"  # custom property of a take's collection: path of its .npz


@dataclass(frozen=True)
class Choices:
    """How a Take is to be built, as it was set when it was asked for."""

    again: str
    correct: bool
    hide: bool
    set_scene: bool
    clip_uid: int  # session_uid of the chosen movie clip, 0 if none is

    @property
    def clip(self) -> bpy.types.MovieClip | None:
        """The clip, if it is still there."""
        return next((clip for clip in bpy.data.movieclips if clip.session_uid == self.clip_uid), None)


def choices_of(settings: bpy.types.PropertyGroup) -> Choices:
    """What is set now."""
    clip = settings.clip if settings.source == "CLIP" else None
    return Choices(settings.again, settings.correct, settings.hide, settings.set_scene, clip.session_uid if clip else 0)


def build_in_scene(path: str, scene_uid: int, home_uid: int = 0, choices: Choices | None = None) -> str:
    """Build the Take at `path`, as `build` does, in the scene with that `session_uid`. Raises SkelError if it is not open any more."""
    scene = next((scene for scene in bpy.data.scenes if scene.session_uid == scene_uid), None)
    windows = bpy.context.window_manager.windows
    if scene is None:
        raise SkelError("no_scene", "The scene is no longer open.", "Load the Take in another one.")
    window = next((window for window in windows if window.scene == scene), None)
    shown = {"window": window} if window is not None else {"scene": scene, "view_layer": scene.view_layers[0]}
    with bpy.context.temp_override(**shown):
        sentence = build(bpy.context, path, home_uid, choices)
    push_undo("Reconstruct", window)
    return sentence


def push_undo(message: str, window: bpy.types.Window | None = None) -> None:
    """Let what was done be undone, as an operator's work is; the step is the whole file's, and any window will do."""
    window = window or next(iter(bpy.context.window_manager.windows), None)
    if window is not None:
        with bpy.context.temp_override(window=window):
            bpy.ops.ed.undo_push(message=message)


def build(context: bpy.types.Context, path: str, home_uid: int = 0, choices: Choices | None = None) -> str:
    """Build the Take at `path` in the context's scene and return the sentence about it. Who is in the middle of posing or editing goes on
    with that, and poses that nobody has keyed stay; else the new person is selected, and what was built before from these frames of the
    footage is switched off: the collection with the `session_uid` `home_uid` if that is there, else the newest. Without `choices` it is
    built by what is set now. Raises SkelError."""
    with evaluation.kept_values():
        return _build(context, path, home_uid, choices or choices_of(context.scene.skel))


def _build(context: bpy.types.Context, path: str, home_uid: int, choices: Choices) -> str:
    take = takes.load(path)
    homes, idle = context.scene.collection.children_recursive, context.mode == "OBJECT"
    before = next((home for home in homes if home.session_uid == home_uid), None)
    layer = before and assemble.layer_of(context.view_layer, before)
    if before is None or choices.again == "VERSION" and (layer is None or layer.exclude):  # as when another version has come meanwhile
        before = find_built(context, take)
    is_version = before is not None and has_frames_of(before, take)  # not another stretch of the footage, which lies in step with it
    earlier = assemble.layer_of(context.view_layer, before) if is_version else None
    can_change = is_version and before.override_library is None  # an override's objects are another file's
    collection = before if choices.again == "UPDATE" and can_change else None
    options = {"correct": choices.correct, "hide": choices.hide, "set_scene": choices.set_scene}
    told, rate, shot = "", clock.rate(context.scene), _shot(context.scene)
    clip = choices.clip if choices.clip is not None and shows(choices.clip, take) else None
    if collection is None:
        collection = build_take(context, take, collection_name=Path(path).stem, before=before, chosen=clip, **options)
        first = next((thing for thing in collection.objects if record.is_rig(thing)), None)
        if first is not None and idle:
            armature.select(context, first)
        if earlier is not None:
            assemble.switch(earlier, earlier.exclude or idle)
            told += f" {before.name} is {'switched off, in People' if earlier.exclude else 'still there, in the same place'}."
    else:
        assemble.switch(earlier, False)
        left = update_take(context, take, collection, Options(**options))
        here, there = ({rig[record.PERSON] for rig in collection.objects if record.is_rig(rig)}, {person.name for person in take.people})
        told = "".join(f" {name} is no longer in the Take; Remove Person deletes the rig." for name in sorted(here - there))
        if left:
            told += f" {', '.join(left)}: kept in the old shape, because their vertices or faces do not match the new body."
    told += _unlimited(collection, take)
    pace = clock.of(collection).pace
    if clip is not None and clip.tracking.reconstruction.is_valid and pace == 1.0:
        try:
            placement.place(context.scene, collection, clip)
        except SkelError as error:  # it is there all the same
            told += f" The solved camera could not place it: {error}"
    collection[PROPERTY] = bpy.path.relpath(path) if bpy.data.filepath and same_drive(path) else str(path)
    eye = assemble.camera_of(collection)
    if eye is not None and camera.lies(eye):
        told += " This version of Blender shows the footage on its side; convert it to a file with upright frames."
    if pace != 1.0:
        told += f" The footage has {float(take.fps):.4g} frames a second; it plays in real time at the scene's {rate:.4g}."
    elif abs(rate - clock.rate(context.scene)) > _SAME_RATE:
        told += f" The scene now plays {clock.rate(context.scene):.4g} frames a second, not {rate:.4g}."
    changed = [name for name, was in shot.items() if was not in (None, _shot(context.scene)[name])]
    if changed:
        told += f" The take has set the scene's {', '.join(changed)}."
    return summary(take) + told


def _unlimited(collection: bpy.types.Collection, take: takes.Take) -> str:
    """A sentence about whose limits are off, since his motion goes beyond them."""
    beyond = {person.name for person in take.people if person.beyond_limits().any()}
    free = [rig.name for rig in collection.objects if record.is_rig(rig) and rig[record.PERSON] in beyond]
    return f" Joint Limits are off for {', '.join(free)}, so that nothing is clipped." if free else ""


def _shot(scene: bpy.types.Scene) -> dict[str, object]:
    """What a take sets in a scene beside its rate; no camera if that is a take's."""
    size = scene.render.resolution_x, scene.render.resolution_y
    eye = None if scene.camera is None or record.FOLLOWS in scene.camera else scene.camera
    return {"range": (scene.frame_start, scene.frame_end), "picture size": size, "camera": eye}


def summary(take: takes.Take) -> str:
    """What is in a Take and how far it leaves the joint limits."""
    beyond = sum(int(person.beyond_limits().sum()) for person in take.people)
    kept = f"{_counted(beyond, 'pose')} beyond a joint limit" if beyond else "all poses are within the joint limits"
    return f"{_counted(len(take.people), 'person', 'people')} in {_counted(len(take.frames), 'frame')}; {kept}."


def _counted(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def shows(clip: bpy.types.MovieClip, take: takes.Take) -> bool:
    """Whether a movie clip is the footage of a Take."""
    path, source = camera.file_of(clip), Path(take.source)
    return source in (path, path.parent)


def same_drive(path: str) -> bool:
    """Whether `path` can be written relative to the .blend file."""
    return Path(path).drive.lower() == Path(bpy.data.filepath).drive.lower()
