# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames an animator has set by hand, and a stretch of new motion as an action beside the present one.

The engine takes minutes, in which the animator works on: what he keys outside of the stretch that it fits is in the new action too.
"""

from __future__ import annotations

from typing import NamedTuple

import bpy
import numpy as np

from ... import kinematics
from ...messages import SkelError
from ...take import Corrections, Person
from .. import clock, compat, contacts, doubt, ik, keyframes, nla, record, tracks
from . import layers, motion

_TURNED, _MOVED_M = 2e-3, 1e-3  # a joint's rotation matrix and the place of who was set by hand differ by more than rounding does
_ROUNDING = 1e-6  # frames
_MOST = 0.5  # of the frames: more have been smoothed, thinned or animated, not corrected
KIND = "refitted"


class Sent(NamedTuple):
    """The stretch that the engine fits, source frames `first` to `last`, and what the rig played there when it was asked: poses (T,46)
    and trans (T,3) on the scene's frames."""

    first: int
    last: int
    poses: np.ndarray
    trans: np.ndarray


class Brought(NamedTuple):
    """The action with the new motion, and the scene frames (N,) of the stretch that were changed since it was sent: `kept`, the name of
    what the rig played until now, still has them."""

    action: bpy.types.Action
    changed: np.ndarray
    kept: str

    def sentence(self) -> str:
        """What of the animator's work is not in the new action; empty if nothing."""
        if not len(self.changed):
            return ""
        runs = np.split(self.changed, np.flatnonzero(np.diff(self.changed) > 1) + 1)
        frames = ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
        several = len(self.changed) > 1
        return f" What you changed meanwhile on frame{'s' * several} {frames} is only in {self.kept}."


def find(rig: bpy.types.Object, person: Person) -> Corrections:
    """The frames in which what the rig plays, layers included, is not the Take's motion. Raises SkelError if there are none or too many;
    what an IK control does counts once it is handed over to the angles."""
    played = clock.of_rig(rig).play(person)
    poses, trans = motion.read(rig, played.frames)
    chosen = _differ((poses, trans), (played.poses, played.trans))
    if not chosen.any():
        led = ", ".join(limb.title for limb in ik.led(rig))
        if led:
            raise SkelError("led", f"No frame differs from the Take, but IK controls lead {led}.", "Press To Angles first.")
        raise SkelError("no_corrections", "No frame differs from the Take.", "Set some frames by hand and key them, then press Re-fit.")
    if chosen.mean() > _MOST:
        raise SkelError("no_corrections", "Most frames differ from the Take.",
                        "Correct single frames in the version that came from the engine, before it is smoothed or thinned; "
                        "end a layer with Key No Correction, under Angles.")  # fmt: skip
    rows, first = np.unique(played.rows[chosen], return_index=True)  # two frames of the scene can show one of the footage
    return Corrections(person.frames[rows], poses[chosen][first], trans[chosen][first])


def sent(rig: bpy.types.Object, person: Person, first: int, last: int) -> Sent:
    """What is sent when source frames `first` to `last` are to be fitted again."""
    played = clock.of_rig(rig).play(person)
    return Sent(first, last, *motion.read(rig, played.frames[_fitted(rig, played, first, last)]))


def bring(rig: bpy.types.Object, person: Person, asked: Sent) -> Brought:
    """Give the rig a new action with the person's motion in the stretch that was asked for, and around it what the rig plays now; that
    stays in the file, layers in the NLA and muted."""
    motion.span_of(rig)  # raises if it plays nothing any more
    played = clock.of_rig(rig).play(person)
    inside = _fitted(rig, played, asked.first, asked.last)
    frames, data = played.frames[inside], rig.animation_data
    changed = frames[_differ(motion.read(rig, frames), (asked.poses, asked.trans))]
    kept = data.action.name if data.action else nla.strips_of(data)[-1].name
    action = layers.merge(rig, KIND) if nla.is_layered(rig) else motion.derive(rig, KIND, [])
    holder = compat.holder(rig)
    values = tracks.sources(played.poses[inside], played.trans[inside])
    for curve in keyframes.every_frame(record.of(rig).tracks, frames, values):
        keyframes.merge(holder, curve)
    for curve in motion.settled(rig, int(frames[0])):
        _settle(rig, curve, frames)
    if contacts.of(rig, played.frames) is None:
        contacts.keep(rig, int(played.frames[0]), played.contacts)
    doubt.keep(rig, person, again=True)
    return Brought(action, changed, kept)


def _fitted(rig: bpy.types.Object, played: clock.Played, first: int, last: int) -> np.ndarray:
    """(T,) bool: which of the frames played show source frames `first` to `last`, or lie between one of them and another."""
    low, up = clock.of_rig(rig).places(np.array([first - 1, last + 1]))
    return (played.frames > low + _ROUNDING) & (played.frames < up - _ROUNDING)


def _settle(rig: bpy.types.Object, curve: keyframes.Curve, frames: np.ndarray) -> None:
    """Hold a channel on the frames (T,) where its curve of one key does, and around them where it is now."""
    holder = compat.holder(rig)
    found, ends = holder.fcurves.find(curve.path, index=curve.index), (frames[0] - 1, frames[-1] + 1)
    stands = rig.path_resolve(curve.path)[curve.index]
    before, after = (found.evaluate(end) if found else stands for end in ends)
    values = np.array([before, *np.repeat(curve.values, len(frames)), after])
    keyframes.merge(holder, keyframes.Curve(curve.path, curve.index, curve.group, np.array([ends[0], *frames, ends[1]]), values))


def _differ(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(T,) bool: on which frames motions of poses (T,46) and trans (T,3) differ by more than rounding."""
    turned = np.abs(kinematics.joint_rotations(one[0]) - kinematics.joint_rotations(other[0])).max(axis=(1, 2, 3)) > _TURNED
    return turned | (np.linalg.norm(one[1] - other[1], axis=1) > _MOVED_M)
