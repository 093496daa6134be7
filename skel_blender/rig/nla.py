# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rig plays: its action alone, or with strips of the NLA; and how its action becomes one."""

from __future__ import annotations

import bpy

from . import compat, record


def is_layered(armature: bpy.types.Object) -> bool:
    """Whether strips of the NLA take part in what the rig plays."""
    data = armature.animation_data
    if not strips_of(data):
        return False
    if data.action is None or data.action_blend_type != "REPLACE" or data.action_influence < 1.0:
        return True
    holder = compat.holder(armature)
    return holder is None or any(holder.fcurves.find(track.path, index=track.index) is None for track in record.of(armature).tracks)


def strips_of(data: bpy.types.AnimData | None) -> list[bpy.types.NlaStrip]:
    """The strips that play, lowest first."""
    tracks = [track for track in data.nla_tracks if not track.mute] if data is not None and data.use_nla else []
    return [strip for track in tracks for strip in track.strips if not strip.mute]


def keyed(armature: bpy.types.Object) -> list[bpy.types.FCurve]:
    """The curves of the rig's own action that have keys."""
    holder = compat.holder(armature)
    return [curve for curve in (holder.fcurves if holder else ()) if len(curve.keyframe_points)]


def ends(armature: bpy.types.Object) -> list[float]:
    """The scene frames at which what the rig may play begins and ends: curves of its own action, and strips."""
    data = armature.animation_data
    own = () if data is None or data.use_tweak_mode else keyed(armature)  # in tweak mode they are a strip's
    found = [*(curve.range() for curve in own), *((strip.frame_start, strip.frame_end) for strip in strips_of(data))]
    return [end for pair in found for end in pair]


def goes_on(armature: bpy.types.Object) -> bool:
    """Whether the rig's own action moves outside of its keys, as a loop does."""
    return any(modifier.type == "CYCLES" and not modifier.mute for curve in keyed(armature) for modifier in curve.modifiers)


def holders(armature: bpy.types.Object) -> list[bpy.types.Action | bpy.types.ActionChannelbag]:
    """What holds the `fcurves` of all that the rig plays: of its action and, if they take part, of strips."""
    data = armature.animation_data
    return holders_of(data) if is_layered(armature) else [holder for holder in [compat.holder_of(data)] if holder is not None]


def holders_of(data: bpy.types.AnimData) -> list[bpy.types.Action | bpy.types.ActionChannelbag]:
    """What holds the `fcurves` of an action and of all strips that play below it."""
    pending, found = [data, *strips_of(data)], []
    while pending:
        player = pending.pop()
        found.append(compat.holder_of(player))
        pending.extend(getattr(player, "strips", ()))  # of a meta strip
    return [holder for holder in found if holder is not None]


def leave(armature: bpy.types.Object) -> None:
    """Let the rig's next action play alone: what it plays now goes into the NLA, muted. Nothing changes if it plays one action alone."""
    if not is_layered(armature):
        return
    data = armature.animation_data
    push(armature)
    for track in data.nla_tracks:
        track.mute = True
    data.action_blend_type, data.action_influence = "REPLACE", 1.0


def push(armature: bpy.types.Object) -> None:
    """The rig's action as a strip of the same frames on a track of its own, blended as it was; an action without keys is let go."""
    data = armature.animation_data
    action, slot = data.action, getattr(data, "action_slot", None)
    if action is None:
        return
    if keyed(armature):
        first, last = action.curve_frame_range  # whatever range is set by hand
        if goes_on(armature):
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
