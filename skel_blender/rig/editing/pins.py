# SPDX-License-Identifier: GPL-3.0-or-later
"""A hand or foot that stays where it is for a while, by its control."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Quaternion

from ...messages import SkelError
from .. import contacts, controls
from . import matching, motion, sway


@dataclass(frozen=True)
class Pin:
    """From the scene frame `first` to `last` a control is where it is at `at`; it comes there and goes within `ease` frames."""

    first: int
    last: int
    at: int
    ease: int

    def share(self, frames: np.ndarray) -> np.ndarray:
        """(T,1) how much it is held on the scene frames (T,): falls from 1 to 0 as half a cosine does."""
        away = np.maximum(np.maximum(self.first - frames, frames - self.last), 0) / (self.ease + 1)
        return (0.5 + 0.5 * np.cos(np.pi * np.minimum(away, 1.0)))[:, None]


def pin(scene: bpy.types.Scene, armature: bpy.types.Object, limb: controls.Limb, held: Pin) -> None:
    """Hold a hand or foot still (of head and chest the turn) by its control, also where the rig's object moves: in the space of that one's
    parent. Before and after, the motion is what it was.

    Where the pin's frame is the current one, a pose counts that is not keyed yet.
    """
    span = motion.frames_of(armature)
    frames = span[(span >= held.first - held.ease) & (span <= held.last + held.ease)]
    if not len(frames):
        raise SkelError("no_frames", "There is no motion between these frames.", "Choose frames that have motion.")
    ((there, at),) = matching.sample(
        scene, armature, np.array([held.at]), lambda posed: [matching.followed(posed, armature, limb), posed.matrix_local.copy()]
    )
    objects = matching.sample(scene, armature, frames, lambda posed: [posed.matrix_local.copy()])
    rest, still = armature.data.bones[limb.control].matrix_local, Matrix.LocRotScale(there[:3], Quaternion(there[3:]), None)
    wanted = [(rest.inverted() @ now.inverted() @ at @ rest @ still).decompose() for (now,) in objects]
    places, turns = (np.array([part[k] for part in wanted]) for k in (0, 1))
    share = held.share(frames)

    def hold(values: np.ndarray) -> np.ndarray:
        near = np.where(np.sum(values[:, 3:] * turns, axis=1) < 0.0, -1.0, 1.0)[:, None] * turns
        turned = values[:, 3:] + share * (near - values[:, 3:])
        moved = values[:, :3] + share * (places - values[:, :3])
        return np.concatenate([moved, turned / np.linalg.norm(turned, axis=1, keepdims=True)], axis=1)

    matching.to_control(scene, armature, [limb], frames, hold)


def resting(armature: bpy.types.Object, limb: controls.Limb, frame: int) -> tuple[int, int] | None:
    """First and last scene frame of the time in which a foot rests around `frame`, by the motion's contacts; None if it does not rest."""
    frames = motion.frames_of(armature)
    found = contacts.of(armature, frames)
    own = [k for k, joints in enumerate(sway.HELD) if set(joints) & set(limb.joints)]
    place = frame - int(frames[0])
    if found is None or not 0 <= place < len(frames) or not found[place, own].any():
        return None
    lifted = np.flatnonzero(~found[:, own].any(axis=1))
    before, after = lifted[lifted < place], lifted[lifted > place]
    return int(frames[before[-1] + 1 if len(before) else 0]), int(frames[after[0] - 1 if len(after) else -1])
