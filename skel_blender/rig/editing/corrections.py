# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames an animator has set by hand, and a stretch of new motion as an action beside the present one."""

from __future__ import annotations

import bpy
import numpy as np

from ... import kinematics
from ...messages import SkelError
from ...take import Corrections, Person
from .. import clock, contacts, doubt, ik, keyframes, nla, record, tracks, unkeyed
from . import layers, motion

_TURNED, _MOVED_M = 2e-3, 1e-3  # a joint's rotation matrix and the place of who was set by hand differ by more than rounding does
_MOST = 0.5  # of the frames: more have been smoothed, thinned or animated, not corrected
KIND = "refitted"


def find(rig: bpy.types.Object, person: Person) -> Corrections:
    """The frames in which what the rig plays, layers included, is not the Take's motion. Raises SkelError if there are none or too many;
    what an IK control does counts once it is handed over to the angles."""
    played = clock.of_rig(rig).play(person)
    poses, trans = motion.read(rig, played.frames)
    turned = np.abs(kinematics.joint_rotations(poses) - kinematics.joint_rotations(played.poses)).max(axis=(1, 2, 3)) > _TURNED
    chosen = turned | (np.linalg.norm(trans - played.trans, axis=1) > _MOVED_M)
    if not chosen.any():
        led = ", ".join(limb.title for limb in ik.led(rig))
        if led:
            raise SkelError("led", f"No frame differs from the Take, but IK controls lead {led}.", "Hand them over first, by To Angles.")
        raise SkelError("no_corrections", "No frame differs from the Take.", "Set some frames by hand and key them, then press Re-fit.")
    if chosen.mean() > _MOST:
        raise SkelError("no_corrections", "Most frames differ from the Take.",
                        "Correct single frames in the version that came from the engine, before it is smoothed or thinned; "
                        "end a layer with Key No Correction, under Angles.")  # fmt: skip
    rows, first = np.unique(played.rows[chosen], return_index=True)  # two frames of the scene can show one of the footage
    return Corrections(person.frames[rows], poses[chosen][first], trans[chosen][first])


def bring(rig: bpy.types.Object, person: Person) -> bpy.types.Action:
    """Give the rig a new action with the person's motion; what it plays now stays in the file, layers in the NLA and muted."""
    played = clock.of_rig(rig).play(person)
    curves = keyframes.every_frame(record.of(rig).tracks, played.frames, tracks.sources(played.poses, played.trans))
    curves += motion.settled(rig, int(played.frames[0]))
    if nla.is_layered(rig):
        with unkeyed.at_rest(rig):
            action = layers.alone(rig, KIND, curves)
    else:
        action = motion.derive(rig, KIND, curves)
    contacts.keep(rig, int(played.frames[0]), played.contacts)
    doubt.keep(rig, person, again=True)
    return action
