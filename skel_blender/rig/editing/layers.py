# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections as layers: an action whose keys add to what lies below it in the NLA, and all of it as one action again.

Blender's own tools work on them; a rig that plays layers has no single action that says its angles, so tools that read those ask for
a merge first (`motion.action_of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress

import bpy
import numpy as np

from ...messages import SkelError
from .. import colours, compat, controls, ik, keyframes, record
from . import evaluation, motion

MERGED = "merged"  # kind of an action that was layers
_IK, _OBJECT = "IK", "Object Transforms"  # groups: of switches, and Blender's own of an object's place


def add(armature: bpy.types.Object) -> bpy.types.Action:
    """Put the rig's action on a track of the NLA and give the rig a new one that adds to it. Raises SkelError if there is no motion
    below or the topmost layer is still empty."""
    record.of(armature)
    compat.check_assignable(armature)
    motion.span_of(armature)
    data = armature.animation_data
    if data.action is not None and not motion.keyed(armature):
        raise SkelError("empty_layer", f"{data.action.name} has no keys yet.", "Key something in it before you add another layer.")
    base = data.action.name if data.action else armature.name
    _push(armature)
    compat.new_action(armature, f"{base.removesuffix(f' {record.LAYER}')} {record.LAYER}", keyframes.SLOT)
    record.mark(data.action, armature, record.LAYER)
    data.action_blend_type, data.action_extrapolation, data.action_influence = "COMBINE", "HOLD", 1.0
    return data.action


def merge(armature: bpy.types.Object) -> bpy.types.Action:
    """A new action with a key on every frame of what the rig's layers make together; they stay in the NLA, muted."""
    record.of(armature)
    compat.check_assignable(armature)
    if not motion.is_layered(armature):
        raise SkelError("no_layers", f"{armature.name} plays one action alone.", "Add a layer first, or put strips into the NLA.")
    frames, channels = motion.span_of(armature), [(track.path, track.index) for track in record.of(armature).tracks]
    for limb in ik.limbs(armature):
        channels += _control_channels(limb)
    with closing(evaluation.on_frames(armature, frames)) as shown:
        values = np.array([[_value(posed, path, index) for path, index in channels] for posed in shown])
    columns = dict(zip(channels, values.T))
    for limb in controls.LIMBS:
        switch, *rest = _control_channels(limb)
        if switch in columns and not columns[switch].any():
            for channel in (switch, *rest):
                del columns[channel]
    resting = contacts(armature, frames)
    action = alone(armature, MERGED, [_curve(path, k, frames, column) for (path, k), column in columns.items()])
    if resting is not None:
        record.keep_contacts(action, int(frames[0]), resting)
    return action


def contacts(armature: bpy.types.Object, frames: np.ndarray) -> np.ndarray | None:
    """(T,6) bool: which feet rest on the scene frames (T,), as the rig's action knows, or the lowest strip below its layers. None if that
    does not, such as a meta strip, or one at another pace."""
    if not motion.is_layered(armature):
        return record.contacts(compat.action(armature), frames)
    below = motion.strips_of(armature.animation_data)[0]
    if below.action is None or below.scale != 1.0:
        return None
    return record.contacts(below.action, frames - round(below.frame_start - below.action_frame_start))


def alone(armature: bpy.types.Object, kind: str, curves: Sequence[keyframes.Curve]) -> bpy.types.Action:
    """Give the rig a new action of these curves, to be played alone, and of what else its layers animate."""
    curves = [*curves, *_others(armature)]
    leave(armature)
    holder = compat.new_action(armature, f"{armature.name} {kind}", keyframes.SLOT)
    for curve in curves:
        keyframes.write(holder, curve, "CONSTANT" if curve.group == _IK else "LINEAR")
    colours.give_groups(holder)
    action = armature.animation_data.action
    record.mark(action, armature, kind)
    return action


def _others(armature: bpy.types.Object) -> list[keyframes.Curve]:
    """With a key on every frame, what layers animate that is neither the pose nor IK: the object's own place, bones that were added."""
    known = {(track.path, track.index) for track in record.of(armature).tracks}
    known.update(channel for limb in controls.LIMBS for channel in _control_channels(limb))
    data, players = armature.animation_data, []
    pending = [data, *motion.strips_of(data)]
    while pending:
        player = pending.pop()
        players.append(compat.holder_of(player))
        pending.extend(getattr(player, "strips", ()))  # of a meta strip
    found = {(curve.data_path, curve.array_index) for holder in filter(None, players) for curve in holder.fcurves} - known
    channels = []
    for path, index in sorted(found):
        with suppress(ValueError, IndexError):  # no number, or a path to what is not there
            _value(armature, path, index)
            channels.append((path, index))
    if not channels:
        return []
    frames = motion.span_of(armature)
    with closing(evaluation.on_frames(armature, frames)) as shown:
        values = np.array([[_value(posed, path, index) for path, index in channels] for posed in shown])
    return [_curve(path, index, frames, column) for (path, index), column in zip(channels, values.T)]


def _curve(path: str, index: int, frames: np.ndarray, values: np.ndarray) -> keyframes.Curve:
    """A curve in the group of its bone, of the switches, or of the object itself."""
    switches = {f'["{limb.switch}"]' for limb in controls.LIMBS}
    group = path.split('"')[1] if path.startswith("pose.bones") else _IK if path in switches else _OBJECT
    return keyframes.Curve(path, index, group, frames, values)


def leave(armature: bpy.types.Object) -> None:
    """Let the rig's next action play alone: what it plays now goes into the NLA, muted. Nothing changes if it plays one action alone."""
    if not motion.is_layered(armature):
        return
    data = armature.animation_data
    _push(armature)
    for track in data.nla_tracks:
        track.mute = True
    data.action_blend_type, data.action_influence = "REPLACE", 1.0


def _push(armature: bpy.types.Object) -> None:
    """The rig's action as a strip of the same frames on a track of its own, blended as it was; an action without keys is let go."""
    data = armature.animation_data
    action, slot = data.action, getattr(data, "action_slot", None)
    if action is None:
        return
    if motion.keyed(armature):
        first, last = action.curve_frame_range  # whatever range is set by hand
        if motion.goes_on(armature):
            first, last = min(first, bpy.context.scene.frame_start), max(last, bpy.context.scene.frame_end)
        track = data.nla_tracks.new()
        track.name = action.name
        strip = track.strips.new(action.name, int(first), action)
        if slot is not None:
            strip.action_slot = slot
        strip.action_frame_end, strip.action_frame_start = max(last, first + 1.0), first
        strip.blend_type, strip.extrapolation = data.action_blend_type, data.action_extrapolation
        strip.frame_start, strip.frame_end = first, max(last, first + 1.0)
        strip.use_animated_influence, strip.influence = data.action_influence < 1.0, data.action_influence
    data.action = None


def _control_channels(limb: controls.Limb) -> list[tuple[str, int]]:
    """RNA paths and indices of a limb's switch and of its control."""
    path = f'pose.bones["{limb.control}"].'
    return [(f'["{limb.switch}"]', 0), *((f"{path}location", k) for k in range(3)), *((f"{path}rotation_quaternion", k) for k in range(4))]


def _value(posed: bpy.types.Object, path: str, index: int) -> float:
    found = posed.path_resolve(path)
    return float(found[index] if hasattr(found, "__len__") else found)
