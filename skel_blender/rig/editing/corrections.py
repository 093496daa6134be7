# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames an animator has set by hand, and a stretch of new motion as an action beside the present one."""

from __future__ import annotations

import bpy
import numpy as np

from ... import kinematics
from ...corrections import Corrections
from ...messages import SkelError
from ...take import Person
from .. import keyframes, record, tracks
from . import motion

_TURNED, _MOVED_M = 2e-3, 1e-3  # a joint's rotation matrix and the place of who was set by hand differ by more than rounding does
_MOST = 0.5  # of the frames: more have been smoothed, thinned or animated, not corrected
KIND = "refitted"


def find(rig: bpy.types.Object, person: Person) -> Corrections:
    """The frames in which the rig's action is not the Take's motion. Raises SkelError if there are none, or too many."""
    poses, trans = motion.read(rig, keyframes.scene_frames(person.frames, record.start(rig)))
    turned = np.abs(kinematics.joint_rotations(poses) - kinematics.joint_rotations(person.poses)).max(axis=(1, 2, 3)) > _TURNED
    chosen = turned | (np.linalg.norm(trans - person.trans, axis=1) > _MOVED_M)
    if not chosen.any():
        raise SkelError("no_corrections", "No frame differs from the Take.", "Set some frames by hand and key them, then press Re-fit.")
    if chosen.mean() > _MOST:
        raise SkelError("no_corrections", "Most frames differ from the Take.",
                        "Correct single frames in the version that came from the engine, before it is smoothed or thinned.")  # fmt: skip
    return Corrections(person.frames[chosen], poses[chosen], trans[chosen])


def bring(rig: bpy.types.Object, person: Person) -> bpy.types.Action:
    """Give the rig a new action with the person's motion; the present one stays as it is."""
    frames = keyframes.scene_frames(person.frames, record.start(rig))
    action = motion.derive(rig, KIND, keyframes.every_frame(record.of(rig).tracks, frames, tracks.sources(person.poses, person.trans)))
    record.keep_contacts(action, int(frames[0]), person.contacts)
    return action
