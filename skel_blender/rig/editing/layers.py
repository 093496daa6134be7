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
from .. import colours, compat, contacts, controls, ik, keyframes, layout, nla, record
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
    if data.action is not None and not nla.keyed(armature):
        raise SkelError("empty_layer", f"{data.action.name} has no keys yet.", "Key something in it before you add another layer.")
    base = data.action.name if data.action else armature.name
    nla.push(armature)
    compat.new_action(armature, f"{base.removesuffix(f' {record.LAYER}')} {record.LAYER}", keyframes.SLOT)
    record.mark(data.action, armature, record.LAYER)
    data.action_blend_type, data.action_extrapolation, data.action_influence = "COMBINE", "HOLD", 1.0
    return data.action


def adds(armature: bpy.types.Object) -> bool:
    """Whether the keys of what the rig plays on top add to what lies below."""
    return nla.is_layered(armature) and armature.animation_data.action_blend_type in ("COMBINE", "ADD")


def take_back(armature: bpy.types.Object, dof: int) -> None:
    """Key an angle so that the layer adds nothing on the current frame. Raises SkelError if the rig plays no layer."""
    if not adds(armature):
        raise SkelError("no_layers", f"{armature.name} plays no layer of corrections.", "Add a layer first.")
    motion.key(armature, dof)  # makes the curve where there is none
    channel = layout.channel(dof)
    curve = compat.holder(armature).fcurves.find(channel.path, index=channel.index)
    curve.keyframe_points.insert(bpy.context.scene.frame_current, 0.0)


def merge(armature: bpy.types.Object, kind: str = MERGED) -> bpy.types.Action:
    """A new action with a key on every frame of what the rig's layers make together; they stay in the NLA, muted."""
    record.of(armature)
    compat.check_assignable(armature)
    if not nla.is_layered(armature):
        raise SkelError("no_layers", f"{armature.name} plays one action alone.", "Add a layer first, or put strips into the NLA.")
    contacts.adopt(armature)
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
    return alone(armature, kind, [_curve(path, k, frames, column) for (path, k), column in columns.items()])


def resting(armature: bpy.types.Object, frames: np.ndarray) -> np.ndarray | None:
    """(T,6) bool: which feet rest on the scene frames (T,), by all that the rig plays. None if that does not tell."""
    if not nla.is_layered(armature):
        return contacts.of(armature, frames)
    if not any(holder.fcurves.find(path) for holder in nla.holders(armature) for path in contacts.paths()):
        return None
    with closing(evaluation.on_frames(armature, frames)) as shown:
        return np.array([contacts.shown(posed) for posed in shown])


def alone(armature: bpy.types.Object, kind: str, curves: Sequence[keyframes.Curve]) -> bpy.types.Action:
    """Give the rig a new action of these curves, to be played alone, and of what else its layers animate."""
    curves = [*curves, *_others(armature, {(curve.path, curve.index) for curve in curves})]
    nla.leave(armature)
    holder = compat.new_action(armature, f"{armature.name} {kind}", keyframes.SLOT)
    for curve in curves:
        keyframes.write(holder, curve, "CONSTANT" if curve.group == _IK else "LINEAR")
    colours.give_groups(holder)
    action = armature.animation_data.action
    record.mark(action, armature, kind)
    return action


def _others(armature: bpy.types.Object, given: set[tuple[str, int]]) -> list[keyframes.Curve]:
    """With a key on every frame, what layers animate that is neither given, nor the pose, nor IK: the object's own place, bones that were
    added."""
    known = given | {(track.path, track.index) for track in record.of(armature).tracks}
    known.update(channel for limb in controls.LIMBS for channel in _control_channels(limb))
    found = {(curve.data_path, curve.array_index) for holder in nla.holders(armature) for curve in holder.fcurves} - known
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


def _control_channels(limb: controls.Limb) -> list[tuple[str, int]]:
    """RNA paths and indices of a limb's switch and of its control."""
    path = f'pose.bones["{limb.control}"].'
    return [(f'["{limb.switch}"]', 0), *((f"{path}location", k) for k in range(3)), *((f"{path}rotation_quaternion", k) for k in range(4))]


def _value(posed: bpy.types.Object, path: str, index: int) -> float:
    found = posed.path_resolve(path)
    return float(found[index] if hasattr(found, "__len__") else found)
