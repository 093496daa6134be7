# SPDX-License-Identifier: GPL-3.0-or-later
"""A stretch of motion that repeats for ever: its last pose becomes its first one, and the way over the floor goes on."""

from __future__ import annotations

import bpy
import numpy as np

from ...anatomy import JOINT_INDEX, Q
from ...messages import SkelError
from .. import compat, ik, keyframes, record, tracks
from . import motion, sway

KIND = "loop"
_TRAVEL = (Q, Q + 2)  # sources of the way over the floor
_SHORTEST_S, _LONGEST_S = 0.4, 3.0
_ENDS = [JOINT_INDEX[name] for name in ("hand_r", "hand_l", "toes_r", "toes_l")]
_LEAST_M, _EVERY = 0.15, 3  # a stretch in which no hand or foot gets this far is no motion to repeat; looked at every so many frames
_LONG = 0.1  # a second longer counts like ends that fit worse by this share


def find(armature: bpy.types.Object, fps: float) -> tuple[int, int] | None:
    """First and last scene frame of the stretch of the rig's motion whose ends fit best, in pose and in speed, for how far hands and
    feet get in between; None if nothing moves or the motion is too short."""
    frames = motion.frames_of(armature)
    places = _places(armature, _values(armature, frames))
    shortest, longest = max(2, round(_SHORTEST_S * fps)), min(round(_LONGEST_S * fps), len(frames) - 1)
    speeds = np.gradient(places, axis=0) if len(frames) > 1 else places
    best, found = np.inf, None
    for length in range(shortest, longest + 1):
        apart = np.linalg.norm(places[length:] - places[:-length], axis=-1).mean(axis=1)
        apart += np.linalg.norm(speeds[length:] - speeds[:-length], axis=-1).mean(axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(places[:, _ENDS], length + 1, axis=0)[..., ::_EVERY]
        extent = np.linalg.norm(np.ptp(windows, axis=-1), axis=-1).max(axis=1)
        misfit = np.where(extent > _LEAST_M, apart / np.maximum(extent, _LEAST_M), np.inf) * (1.0 + _LONG * length / fps)
        start = int(np.argmin(misfit))
        if misfit[start] < best:
            best, found = misfit[start], (int(frames[start]), int(frames[start + length]))
    return found


def loop(armature: bpy.types.Object, first: int, last: int) -> float:
    """Give the rig an action of the scene frames `first` to `last` that repeats before and after them; returns how far apart (m) joints
    were at its ends. What is amiss is spread evenly over the stretch."""
    span = motion.frames_of(armature)
    if not span[0] <= first < last - 1 <= span[-1] - 1:
        raise SkelError("frame_range", f"The motion of {armature.name} goes from {span[0]} to {span[-1]}.", "Choose frames in between.")
    led = ", ".join(limb.title for limb in ik.led(armature))
    if led:
        raise SkelError("led", f"IK controls lead {led}.", "Hand them over first, by All to Angles.")
    frames = np.arange(first, last + 1)
    values, kept, old = _values(armature, frames), record.of(armature), motion.action_of(armature)
    contacts, places = record.contacts(old, frames), _places(armature, values)
    amiss = values[:, -1] - values[:, 0]
    amiss[:Q] -= 2.0 * np.pi * np.round(amiss[:Q] / (2.0 * np.pi))
    amiss[list(_TRAVEL)] = 0.0
    values = values - amiss[:, None] * np.linspace(0.0, 1.0, len(frames))
    action = motion.derive(armature, KIND, keyframes.every_frame(kept.tracks, frames, values))
    if contacts is not None:
        record.keep_contacts(action, first, contacts)
    holder = compat.holder(armature)
    for track in kept.tracks:
        _repeat(holder.fcurves.find(track.path, index=track.index), track.source in _TRAVEL)
    return float(np.linalg.norm(places[-1] - places[0], axis=-1).max())


def _values(armature: bpy.types.Object, frames: np.ndarray) -> np.ndarray:
    """(49,T) what the tracks refer to."""
    return tracks.sources(*motion.read(armature, frames))


def _places(armature: bpy.types.Object, values: np.ndarray) -> np.ndarray:
    """(T,24,3) joints of the motion on the spot."""
    kept, still = record.of(armature), values.copy()
    still[list(_TRAVEL)] = 0.0
    return sway.Moving(still, (kept.joints, kept.frames), None, sway.Bounds()).places


def _repeat(curve: bpy.types.FCurve, goes_on: bool) -> None:
    for modifier in [modifier for modifier in curve.modifiers if modifier.type == "CYCLES"]:
        curve.modifiers.remove(modifier)
    cycles = curve.modifiers.new("CYCLES")
    cycles.mode_before = cycles.mode_after = "REPEAT_OFFSET" if goes_on else "REPEAT"
    curve.update()
