# SPDX-License-Identifier: GPL-3.0-or-later
"""A stretch of motion that repeats for ever: its last pose becomes its first one, and the way over the floor goes on, straight or in a
circle."""

from __future__ import annotations

from typing import NamedTuple

import bpy
import numpy as np

from ... import kinematics
from ...anatomy import JOINT_INDEX, Q
from ...messages import SkelError
from .. import compat, contacts, ik, keyframes, record, tracks
from . import following, motion

KIND = "loop"
_GOES_ON = (0, 1, 2, Q, Q + 2)  # sources of the hips' turn and of the way over the floor
_SHORTEST_S, _LONGEST_S = 0.4, 3.0
_ENDS = [JOINT_INDEX[name] for name in ("hand_r", "hand_l", "toes_r", "toes_l")]
_LEAST_M, _EVERY = 0.15, 3  # a stretch in which no hand or foot gets this far is no motion to repeat; looked at every so many frames
_STRAIGHT, _OFF, _MOST = np.radians(15.0), np.radians(6.0), 36  # a turn that is straightened; what a turn may be off so that few repeats
# close it, which are at most so many
_LEVEL = 0.6  # how much of the hips' lateral axis is level where they face somewhere
_LONG = 0.1  # a second longer counts like ends that fit worse by this share


class Looped(NamedTuple):
    """How far apart (m) joints were at the stretch's ends, as the body itself sees them, and how often it is in the action."""

    apart: float
    times: int


def find(armature: bpy.types.Object, fps: float) -> tuple[int, int] | None:
    """First and last scene frame of the stretch of the rig's motion whose ends fit best, in pose and in speed, for how far hands and
    feet get in between; None if nothing moves or the motion is too short."""
    frames = motion.frames_of(armature)
    kept = record.of(armature)
    places = _places(*motion.read(armature, frames, turned=True), (kept.joints, kept.frames))
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


def loop(armature: bpy.types.Object, first: int, last: int) -> Looped:
    """Give the rig an action of the scene frames `first` to `last` that repeats before and after them. What is amiss is spread evenly
    over the stretch; one that turns is set together until it comes back to where it began."""
    span = motion.frames_of(armature)
    if not span[0] <= first < last - 1 <= span[-1] - 1:
        raise SkelError("frame_range", f"The motion of {armature.name} goes from {span[0]} to {span[-1]}.", "Choose frames in between.")
    led = ", ".join(limb.title for limb in ik.led(armature))
    if led:
        raise SkelError("led", f"IK controls lead {led}.", "Press All to Angles first.")
    frames = np.arange(first, last + 1)
    poses, trans = motion.read(armature, frames, turned=True)
    kept, resting = record.of(armature), contacts.of(armature, frames)
    rest = kept.joints, kept.frames
    ends = _places(poses[[0, -1]], trans[[0, -1]], rest)
    headings = _headings(poses, rest)
    times, turn = _closing(headings[-1] - headings[0])
    rounds = _rounds(*_even(poses, trans, rest, turn), rest, times, turn)
    frames = np.arange(first, first + len(rounds[0]))
    curves = keyframes.every_frame(kept.tracks, frames, tracks.sources(*rounds))
    motion.derive(armature, KIND, [*curves, *motion.settled(armature, first, turned=True)])
    if resting is not None:
        contacts.keep(armature, first, np.concatenate([*[resting[:-1]] * times, resting[-1:]]))
    holder = compat.holder(armature)
    for track in kept.tracks:
        _repeat(holder.fcurves.find(track.path, index=track.index), track.source in _GOES_ON)
    return Looped(float(np.linalg.norm(ends[1] - ends[0], axis=-1).max()), times)


def _even(
    poses: np.ndarray, trans: np.ndarray, rest: tuple[np.ndarray, np.ndarray], turn: float
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (T,46) and trans (T,3) whose last pose is the first one turned by `turn`, at the same height."""
    there, _ = following.moved(poses[:1], trans[:1], rest, _turns(np.array([turn])), np.zeros(3))
    amiss = poses[-1] - there[0]
    amiss -= 2.0 * np.pi * np.round(amiss / (2.0 * np.pi))
    share = np.linspace(0.0, 1.0, len(poses))[:, None]
    rise = np.array([0.0, trans[-1, 1] - trans[0, 1], 0.0])
    return poses - share * amiss, trans - share * rise


def _rounds(
    poses: np.ndarray, trans: np.ndarray, rest: tuple[np.ndarray, np.ndarray], times: int, turn: float
) -> tuple[np.ndarray, np.ndarray]:
    """The stretch `times` times, each as far from the one before as its last frame is from its first."""
    origin, length = rest[0][0], len(poses) - 1
    number = np.append(np.repeat(np.arange(times), length), times - 1)
    rows = np.append(np.tile(np.arange(length), times), length)
    turns, shifts = _turns(turn * np.arange(times)), np.zeros((times, 3))
    for k in range(1, times):
        shifts[k] = turns[1] @ (shifts[k - 1] - trans[0] - origin) + trans[-1] + origin
    return following.moved(poses[rows], trans[rows], rest, turns[number], shifts[number])


def _closing(turn: float) -> tuple[int, float]:
    """How often a stretch that turns by `turn` (rad) is repeated until it closes, and by how much it turns then; 1 and 0 if it hardly
    turns."""
    if abs(turn) < _STRAIGHT:
        return 1, 0.0
    numbers = np.arange(1, _MOST + 1)
    turns = 2.0 * np.pi * np.round(turn * numbers / (2.0 * np.pi)) / numbers
    best = int(np.argmax(np.abs(turns - turn) < _OFF))  # the first; the last is within 5 degrees
    return int(numbers[best]), float(turns[best])


def _turns(angles: np.ndarray) -> np.ndarray:
    """(N,3,3) turns about the vertical, model frame."""
    return kinematics.axis_rotation(np.array([0.0, 1.0, 0.0]), angles)


def _headings(poses: np.ndarray, rest: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(T,) rad by which the hips' lateral axis is turned about the vertical, never jumping; where it is steep, in between."""
    frame = rest[1][0]
    across = (frame @ kinematics.joint_rotations(poses)[:, 0] @ frame.T)[..., 0]
    level = np.flatnonzero(np.hypot(across[:, 0], across[:, 2]) > _LEVEL)
    if not len(level):
        return np.zeros(len(poses))
    return np.interp(np.arange(len(poses)), level, np.unwrap(np.arctan2(-across[level, 2], across[level, 0])))


def _places(poses: np.ndarray, trans: np.ndarray, rest: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(T,24,3) joints as the moving body itself sees them: on the spot, at their height, and always facing the same way."""
    there = kinematics.forward(poses, *rest, trans)[..., :3, 3]
    on_spot = there - there[:, :1] * [1.0, 0.0, 1.0]
    return np.einsum("tij,tkj->tki", _turns(-_headings(poses, rest)), on_spot)


def _repeat(curve: bpy.types.FCurve, goes_on: bool) -> None:
    for modifier in [modifier for modifier in curve.modifiers if modifier.type == "CYCLES"]:
        curve.modifiers.remove(modifier)
    cycles = curve.modifiers.new("CYCLES")
    cycles.mode_before = cycles.mode_after = "REPEAT_OFFSET" if goes_on else "REPEAT"
    curve.update()
