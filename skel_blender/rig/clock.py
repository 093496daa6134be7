# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's time on the scene's timeline: the first take gives the scene its rate, later ones are put into that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import bpy
import numpy as np

from ..take import Person, Take
from . import compat, continuity, record

_PACE = "skel_pace"  # of a take's collection: scene frames for each frame of the footage, where that is not 1
_RATE = "skel_rate"  # of a take's collection: frames a second that the scene played when the take came
_OFF = 0.5  # frames at the end of a take by which two rates are still the same
_ROUNDING = 1e-6
_GREATEST_FPS = 32767


@dataclass(frozen=True)
class Played:
    """A person's motion on whole frames of the scene: frames (T,), poses (T,46) rad, trans (T,3) m, contacts (T,6) bool, and the
    nearest `rows` (T,) of the Take's person."""

    frames: np.ndarray
    poses: np.ndarray
    trans: np.ndarray
    contacts: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Clock:
    """The scene frame `start` shows the footage's first frame, and `pace` scene frames go by for each of the footage's."""

    start: int = record.FIRST_FRAME
    pace: float = 1.0

    def places(self, frames: np.ndarray) -> np.ndarray:
        """(T,) where source frames (T,) are on the timeline; between its frames where the rates differ."""
        frames = np.asarray(frames)
        return frames + self.start if self.pace == 1.0 else frames * self.pace + self.start

    def source(self, frame: int) -> int:
        """The source frame that is nearest to a scene frame."""
        return max(round((frame - self.start) / self.pace), 0)

    def shown(self, frames: np.ndarray) -> np.ndarray:
        """(S,) the scene frames that show the source frames from the first to the last of (T,)."""
        first, last = self.places(np.array([frames[0], frames[-1]]))
        first = math.ceil(first - _ROUNDING)
        return np.arange(first, max(first, math.floor(last + _ROUNDING)) + 1)

    def play(self, person: Person) -> Played:
        """The person's motion as the scene shows it: between frames of the footage, angles go straight from one to the next."""
        frames, places = self.shown(person.frames), self.places(person.frames)
        poses = continuity.continuous(person.poses, person.body.limits)
        rows = np.rint(np.interp(frames, places, np.arange(len(places)))).astype(int)
        if self.pace == 1.0:
            return Played(frames, poses, person.trans, person.contacts, rows)
        poses, trans = (np.stack([np.interp(frames, places, column) for column in part.T], axis=1) for part in (poses, person.trans))
        return Played(frames, poses, trans, person.contacts[rows], rows)


def of(collection: bpy.types.Collection) -> Clock:
    """The clock of a take's collection."""
    return Clock(record.start_of(collection), float(collection.get(_PACE, 1.0)))


def of_rig(armature: bpy.types.Object) -> Clock:
    """The clock of a rig's take."""
    home = record.home_of(armature)
    return Clock() if home is None else of(home)


def keep(collection: bpy.types.Collection, clock: Clock, fps: float) -> None:
    """Write a take's clock down, in a scene that plays `fps` frames a second."""
    collection[record.START], collection[_RATE] = clock.start, fps
    if clock.pace != 1.0:
        collection[_PACE] = clock.pace


def is_empty(scene: bpy.types.Scene) -> bool:
    """Whether a scene has no take yet."""
    return not any(record.START in home for home in scene.collection.children_recursive)


def is_animated(scene: bpy.types.Scene) -> bool:
    """Whether anything in a scene has keys, so that its current frame matters to somebody."""
    owners = [scene, *(block for thing in scene.objects for block in (thing, thing.data, getattr(thing.data, "shape_keys", None)))]
    found = (getattr(owner, "animation_data", None) for owner in owners)
    return any(data is not None and (data.action is not None or len(data.nla_tracks) > 0) for data in found)


def begins(clip: bpy.types.MovieClip) -> int | None:
    """The scene frame with which a movie clip shows the first frame of its footage, seen or not; None where its start is keyed."""
    return clip.frame_start - clip.frame_offset if compat.action(clip) is None else None


def for_take(
    scene: bpy.types.Scene,
    take: Take,
    before: bpy.types.Collection | None = None,
    clip: bpy.types.MovieClip | None = None,
    set_scene: bool = True,
) -> Clock:
    """The clock for a new take, in a scene that has the rate of its first one, or without `set_scene` its own. A version of the take
    `before` lies in step with that, also where the scene plays at another rate by now; another one begins where `clip` does, which shows
    its footage."""
    if before is not None:
        start, fps = record.start_of(before), before.get(_RATE, rate(scene))
    else:
        start = begins(clip) if clip is not None else None
        start = record.FIRST_FRAME if start is None else start
        fps = float(take.fps) if set_scene and is_empty(scene) else rate(scene)
    pace = fps / float(take.fps)
    return Clock(start, 1.0 if abs(pace - 1.0) * len(take.frames) < _OFF else pace)


def rate(scene: bpy.types.Scene) -> float:
    """Frames a second that a scene plays."""
    return scene.render.fps / scene.render.fps_base


def give_rate(scene: bpy.types.Scene, fps: Fraction) -> None:
    """Let a scene play `fps` frames a second: for 30000/1001 30 over 1.001, as Blender itself writes it."""
    whole = min(_GREATEST_FPS, max(1, round(fps)))
    scene.render.fps, scene.render.fps_base = whole, float(whole / fps)
