# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: one action per person, one F-curve per DoF and three for the root's location, written in bulk."""

from __future__ import annotations

import bpy
import numpy as np

from ..take import Person
from . import compat, layout

FIRST_FRAME = 1  # scene frame that shows frame 0 of the source


def scene_frames(frames: np.ndarray) -> np.ndarray:
    """Scene frames that show the source's frames."""
    return np.asarray(frames) + FIRST_FRAME


def key_person(armature: bpy.types.Object, person: Person, interpolation: str = "LINEAR") -> bpy.types.Action:
    """Give the armature a new action with a key on every frame of every DoF; `interpolation` is LINEAR or BEZIER."""
    holder = compat.new_action(armature, armature.name)
    frames = scene_frames(person.frames)
    root = armature.pose.bones[layout.ROOT].path_from_id("location")
    for index, values in enumerate(layout.root_locations(person.trans, person.body).T):
        key_curve(holder, root, index, frames, values, layout.ROOT, interpolation)
    for channel, values in zip(layout.channels(), person.poses.T):
        path = armature.pose.bones[channel.bone].path_from_id("rotation_euler")
        key_curve(holder, path, channel.index, frames, channel.sign * values, channel.bone, interpolation)
    return armature.animation_data.action


def key_curve(
    holder: bpy.types.Action | bpy.types.ActionChannelbag,
    path: str,
    index: int,
    frames: np.ndarray,
    values: np.ndarray,
    group: str,
    interpolation: str = "LINEAR",
) -> bpy.types.FCurve:
    """A new F-curve in `holder` (compat.new_action) with keys (T,) at `frames`, in the group of that name."""
    curve = holder.fcurves.new(path, index=index)
    curve.group = holder.groups.get(group) or holder.groups.new(group)
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.stack([frames, values], axis=1).astype(np.float32).ravel())
    kinds = bpy.types.Keyframe.bl_rna.properties
    points.foreach_set("interpolation", _filled(kinds["interpolation"], interpolation, len(frames)))
    for side in ("handle_left_type", "handle_right_type"):
        points.foreach_set(side, _filled(kinds[side], "AUTO_CLAMPED", len(frames)))
    curve.update()
    return curve


def _filled(kind: bpy.types.EnumProperty, name: str, count: int) -> np.ndarray:
    return np.full(count, kind.enum_items[name].value, dtype=np.int32)
