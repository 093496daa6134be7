# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes that were duplicated, as by Full Copy of a scene: copies of a rig have its identity, and with it all versions of its motion. And
people who were given the motion of somebody else. Before a take is moved in time, what it shares with other takes becomes its own."""

from __future__ import annotations

import uuid

import bpy

from .. import assemble, camera, compat, record
from . import motion


def part(collection: bpy.types.Collection) -> None:
    """Give the rigs, the camera and the empty of a take motions of their own, where those of another take have the same ones."""
    own = set(collection.objects)
    for rig in [thing for thing in own if record.is_rig(thing)]:
        if any(record.is_rig(other) and other[record.ID] == rig[record.ID] for other in bpy.data.objects if other not in own):
            _part_rig(rig)
        _part_borrowed(rig, own)
    eye, place = assemble.camera_of(collection), assemble.place_of(collection)
    if eye is not None and eye.data.users > 1:
        eye.data = eye.data.copy()
        camera.keep_to_footage(eye)
    for owner in filter(None, (place, eye, eye and eye.data)):
        action = compat.action(owner)
        if action is not None and bpy.data.user_map(subset=[action])[action] != {owner}:
            compat.use_action(owner, action.copy())


def _part_rig(rig: bpy.types.Object) -> None:
    """A new identity, with the versions that the rig alone plays and copies of those that nobody plays or both; the others' stay theirs."""
    actions = record.actions(rig)
    users = bpy.data.user_map(subset=actions)
    rig[record.ID] = uuid.uuid4().hex
    for action in (action for action in actions if rig in users[action] or not users[action]):
        mine = action if users[action] == {rig} else _copied(rig, action)
        record.mark(mine, rig, action[record.KIND])


def _part_borrowed(rig: bpy.types.Object, own: set[bpy.types.Object]) -> None:
    """Who plays the motion of somebody in another take gets a copy of his own: the rig, or those not among `own` who play one of its."""
    actions = {*record.actions(rig), *filter(None, [compat.action(rig)])}
    users = bpy.data.user_map(subset=actions)
    for action in actions:
        others = [user for user in users[action] - own if isinstance(user, bpy.types.Object) and record.is_rig(user)]
        for borrower in others if action.get(record.OWNER) == rig[record.ID] else [rig] if others else []:
            record.mark(_copied(borrower, action), borrower, action.get(record.KIND, motion.EDITED))


def _copied(rig: bpy.types.Object, action: bpy.types.Action) -> bpy.types.Action:
    """A copy of an action that the rig plays in its place."""
    copy, data = action.copy(), rig.animation_data
    if compat.action(rig) == action:
        compat.use_action(rig, copy)
    for strip in [strip for track in (data.nla_tracks if data else ()) for strip in track.strips if strip.action == action]:
        slot = getattr(strip, "action_slot", None)
        strip.action = copy
        if slot is not None:
            strip.action_slot = copy.slots[slot.identifier]
    return copy
