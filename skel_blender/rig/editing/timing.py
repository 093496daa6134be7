# SPDX-License-Identifier: GPL-3.0-or-later
"""When a take happens: its first frame's place on the scene's timeline, and a whole take moved there."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from .. import assemble, camera, clock, compat, contacts, presence, record, sound
from . import twins

_PLACES = ("co", "handle_left", "handle_right")


def move(scene: bpy.types.Scene, collection: bpy.types.Collection, start: int, footage: bool = True) -> None:
    """Show the footage's first frame at the scene frame `start`: the keys of all versions, strips, contacts, camera and footage move.

    The scene's range goes along if it was the take's. Without `footage` that stays, since it is there already.
    """
    by = start - record.start_of(collection)
    if by == 0:
        return
    twins.part(collection)
    rigs, eye = [thing for thing in collection.objects if record.is_rig(thing)], assemble.camera_of(collection)
    if rigs and (scene.frame_start, scene.frame_end) == span(collection):
        scene.frame_start, scene.frame_end = scene.frame_start + by, scene.frame_end + by
        scene.frame_current += by
    owners = [*rigs, *((eye, eye.data) if eye else ()), *filter(None, [assemble.place_of(collection)])]
    actions = {compat.action(owner) for owner in owners if compat.action(owner)}
    for rig in rigs:
        actions.update(record.actions(rig))
    for rig in rigs:
        presence.move(rig, by)
        for track in rig.animation_data.nla_tracks if rig.animation_data else ():
            _move_strips(track.strips, actions, by)
    for action in actions:
        contacts.move(action, by)
        for curve in compat.curves(action, owners):
            _move_keys(curve, by)
    if eye is not None:
        _move_sound(scene, collection, eye, start)
        if footage:
            _move_footage(eye, by)
    collection[record.START] = start
    scene.frame_set(scene.frame_current)


def footage_elsewhere(collection: bpy.types.Collection) -> int | None:
    """The scene frame with which a take's footage begins, if it was moved there without the take."""
    eye = assemble.camera_of(collection)
    start = None if eye is None else camera.footage_start(eye)
    return None if start == record.start_of(collection) else start


def home_of(armature: bpy.types.Object) -> bpy.types.Collection | None:
    """The collection of a rig's take, if its time can be changed: a linked one's keys are another file's, and an override's too."""
    if armature.library is not None or armature.override_library is not None:
        return None
    return record.home_of(armature)


def span(collection: bpy.types.Collection) -> tuple[int, int]:
    """First and last scene frame of the take."""
    first, count = collection.get(record.SPAN, (0, 1))
    frames = clock.of(collection).shown(np.array([first, first + count - 1]))
    return int(frames[0]), int(frames[-1])


def _move_keys(curve: bpy.types.FCurve, by: int, up: int = 0) -> None:
    """Let the keys be `by` frames later and `up` greater."""
    points = curve.keyframe_points
    for name in _PLACES:
        values = np.empty(2 * len(points), dtype=np.float32)
        points.foreach_get(name, values)
        values[::2] += by
        values[1::2] += up
        points.foreach_set(name, values)
    curve.update()


def _move_strips(strips: Iterable[bpy.types.NlaStrip], actions: set[bpy.types.Action], by: int, inside: bool = False) -> None:
    """Let strips begin `by` frames later, those `inside` of a meta strip with that, and find their motion there if it is of `actions`.

    The strip in front goes first, since strips can't pass each other; a strip is longer while only one end of its action has moved,
    which there is room for only where it is farther left.
    """
    place = 0 if inside else by
    for strip in list(strips)[:: -1 if by > 0 else 1]:
        if by < 0:
            strip.frame_start_ui += place
        if strip.action in actions:
            for name in ("action_frame_end", "action_frame_start")[:: 1 if by > 0 else -1]:
                setattr(strip, name, getattr(strip, name) + by)
        _move_strips(strip.strips, actions, by, inside=True)
        if by > 0:
            strip.frame_start_ui += place


def _move_footage(eye: bpy.types.Object, by: int) -> None:
    """The clip behind the camera; one that another camera shows as well stays for that one."""
    for background in eye.data.background_images:
        clip = background.clip
        if clip is None:
            continue
        if any(shown.clip == clip for other in bpy.data.cameras if other != eye.data for shown in other.background_images):
            clip = background.clip = clip.copy()
            camera.keep_to_footage(eye)
        clip.frame_start += by
        if compat.action(clip) is not None:  # of another rate than the scene's: its start is keyed, to be `by` more and as much later
            for curve in compat.curves(compat.action(clip)):
                _move_keys(curve, by, by)


def _move_sound(scene: bpy.types.Scene, collection: bpy.types.Collection, eye: bpy.types.Object, start: int) -> None:
    """Another version of the take, which stays in its time, keeps its sound."""
    path, before = camera.footage_of(eye), record.start_of(collection)
    strip = None if path is None else sound.find(scene, path, before)
    if strip is None:
        return
    homes = [home for home in scene.collection.children_recursive if record.START in home and home != collection]
    eyes = [assemble.camera_of(home) for home in homes if record.start_of(home) == before]
    if any(other is not None and camera.footage_of(other) == path for other in eyes):
        sound.lay(scene, path, start)
    else:
        compat.move_strip(strip, start)
