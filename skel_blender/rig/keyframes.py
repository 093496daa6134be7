# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, written in bulk: one action per person, one F-curve per DoF and three for the place, grouped by bone."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..take import Person
from . import bezier, clock, colours, compat, record, tracks

_SPLIT = ("CONSTANT", "LINEAR", "BEZIER")  # kinds of stretches whose parts are of the same kind
_WHOLE = 1e-3  # frames; a key that lies nearer to a whole one is on it
_ONWARD = ("interpolation", "easing", "amplitude", "back", "period")  # what a key says of the stretch behind it
_SELECTED = tuple(f"select_{part}" for part in ("control_point", "left_handle", "right_handle"))
SLOT = "SKEL"  # the slot's name in actions of rigs: Blender finds it by itself when another person is given the action


@dataclass(frozen=True)
class Curve:
    """Keys of one F-curve; with handles, left and right (K,2) frames and value from their keys, they are Bezier keys."""

    path: str
    index: int
    group: str
    frames: np.ndarray  # (K,)
    values: np.ndarray  # (K,)
    handles: tuple[np.ndarray, np.ndarray] | None = None


def key_person(armature: bpy.types.Object, person: Person) -> bpy.types.Action:
    """Give a rig a new action with a key on every frame of every DoF."""
    played = clock.of_rig(armature).play(person)
    holder = compat.new_action(armature, armature.name, SLOT)
    values = tracks.sources(played.poses, played.trans)
    for curve in every_frame(record.of(armature).tracks, played.frames, values):
        write(holder, curve)
    colours.give_groups(holder)
    return armature.animation_data.action


def every_frame(table: Sequence[tracks.Track], frames: np.ndarray, values: np.ndarray) -> list[Curve]:
    """Curves with a key on each of the frames (T,), of values (49,T) as `tracks.sources` gives them."""
    return [Curve(t.path, t.index, t.bone, frames, t.offset + t.factor * values[t.source]) for t in table]


def thinned(table: Sequence[tracks.Track], first: int, spline: bezier.Spline) -> list[Curve]:
    """Curves with the keys of a spline of 49 channels whose first frame is the scene frame `first`."""
    result = []
    for track in table:
        frames, values, *handles = spline.of(track.source)
        handles = tuple(handle * [1.0, track.factor] for handle in handles)
        result.append(Curve(track.path, track.index, track.bone, frames + first, track.offset + track.factor * values, handles))
    return result


def write(holder: bpy.types.Action | bpy.types.ActionChannelbag, curve: Curve, interpolation: str = "LINEAR") -> bpy.types.FCurve:
    """Write a curve into `holder` (see compat); one that is there already loses its keys first, and the modifiers that change what lies
    between its ends, such as noise: values that were read of it have them in already."""
    made = holder.fcurves.find(curve.path, index=curve.index) or holder.fcurves.new(curve.path, index=curve.index)
    if made.group is None:
        made.group = holder.groups.get(curve.group) or holder.groups.new(curve.group)
    made.color_mode = "AUTO_YRGB" if curve.path.endswith("quaternion") else "AUTO_RGB"
    for modifier in _inside(made):
        made.modifiers.remove(modifier)
    count, points = len(curve.frames), made.keyframe_points
    points.clear()
    points.add(count)
    points.foreach_set("co", _pairs(curve.frames, curve.values))
    _fill(points, "interpolation", "BEZIER" if curve.handles else interpolation)
    for side, handles in zip(("left", "right"), curve.handles or (None, None)):
        _fill(points, f"handle_{side}_type", "AUTO_CLAMPED" if handles is None else "FREE")
        if handles is not None:
            points.foreach_set(f"handle_{side}", _pairs(curve.frames + handles[:, 0], curve.values + handles[:, 1]))
    for part in _SELECTED:  # new keys are selected, and the next press would move or delete all
        points.foreach_set(part, np.zeros(count, dtype=bool))
    made.update()
    return made


def merge(
    holder: bpy.types.Action | bpy.types.ActionChannelbag,
    curve: Curve,
    interpolation: str = "LINEAR",
    span: tuple[int, int] | None = None,
) -> bpy.types.FCurve:
    """Like `write`, but what is outside `span` (scene frames, both included; None: the curve's own) stays as it is seen, also between keys
    that are far apart. A single key goes in as one that is set by hand: the curve bends to it."""
    first, last = span or (curve.frames[0], curve.frames[-1])
    found = holder.fcurves.find(curve.path, index=curve.index)
    if found and interpolation != "CONSTANT" and last > first:
        for edge in (first - 1, last + 1):
            _split(found, edge)
    kept = _read(found.keyframe_points) if found else {}
    if kept and _inside(found):
        shift = [found.evaluate(frame) - value for frame, value in kept["co"]]
        for name in ("co", "handle_left", "handle_right"):
            kept[name][:, 1] += shift
    made = write(holder, curve, interpolation)
    if kept:
        stays = (kept["co"][:, 0] < first - 0.5) | (kept["co"][:, 0] > last + 0.5)
        _add(made, _read(made.keyframe_points), kept, stays)
    return made


def replace(holder: bpy.types.Action | bpy.types.ActionChannelbag, curve: Curve, interpolation: str = "LINEAR") -> None:
    """Like `write`, but only between a curve's first and last frame, where there are keys already, whose values stay. Before the first and
    after the last nothing changes, neither keys nor what is seen: the handles that look there stay, too."""
    found = holder.fcurves.find(curve.path, index=curve.index)
    kept = _read(found.keyframe_points)
    times = kept["co"][:, 0]
    first, last = (int(np.abs(times - frame).argmin()) for frame in curve.frames[[0, -1]])
    made = write(holder, curve, interpolation)
    new = _read(made.keyframe_points)
    for mine, theirs, names in ((0, first, ("co", "handle_left")), (-1, last, ("co", "handle_right", *_ONWARD))):
        for name in names:
            new[name][mine] = kept[name][theirs]
    free = bpy.types.Keyframe.bl_rna.properties["handle_left_type"].enum_items["FREE"].value
    new["handle_left_type"][0] = new["handle_right_type"][-1] = free
    _add(made, new, kept, (times < times[first]) | (times > times[last]))


def cut(curve: Curve, first: float, last: float) -> Curve:
    """The keys of a curve between two frames, both included."""
    rows = (curve.frames >= first) & (curve.frames <= last)
    handles = curve.handles and tuple(handle[rows] for handle in curve.handles)
    return Curve(curve.path, curve.index, curve.group, curve.frames[rows], curve.values[rows], handles)


def rows_of(curve: bpy.types.FCurve, frames: np.ndarray) -> np.ndarray:
    """(K,) on which of the whole frames (T,) a curve has keys; none if modifiers make what is seen of it."""
    keys = np.empty((len(curve.keyframe_points), 2), dtype=np.float32)
    curve.keyframe_points.foreach_get("co", keys.ravel())
    whole = np.round(keys[:, 0])
    on = whole[np.abs(keys[:, 0] - whole) < _WHOLE]
    return np.flatnonzero(np.isin(frames, [] if _inside(curve) else on))


def _add(made: bpy.types.FCurve, new: dict[str, np.ndarray], kept: dict[str, np.ndarray], stays: np.ndarray) -> None:
    """Give a curve the keys `new`, of which it has as many, and of other keys those that stay."""
    points = made.keyframe_points
    points.add(int(stays.sum()))
    for name, values in new.items():
        points.foreach_set(name, np.concatenate([values, kept[name][stays]]).ravel())
    made.update()


def _split(curve: bpy.types.FCurve, frame: float) -> None:
    """Key a curve on a frame between its keys without a change of its shape: Blender splits a stretch exactly if its handles are free. One
    that eases in or out, as SINE and BACK do, has no part that is such a one: it is keyed on each of its frames."""
    points = curve.keyframe_points
    after = bisect.bisect_left(points, frame - 0.5, key=lambda point: point.co.x)
    if not 0 < after < len(points) or points[after].co.x < frame + 0.5 or _inside(curve):
        return
    ends = points[after - 1], points[after]
    parts = ends[0].interpolation in _SPLIT
    frames = [frame] if parts else np.arange(np.floor(ends[0].co.x) + 1.0, ends[1].co.x).tolist()
    values = [curve.evaluate(one) for one in frames]
    for point in ends if parts else ():
        point.handle_left_type = point.handle_right_type = "FREE"
    kind = ends[0].interpolation = ends[0].interpolation if parts else "LINEAR"
    for one, value in zip(frames, values):
        made = points.insert(one, value)
        made.interpolation = kind
        for part in _SELECTED:
            setattr(made, part, False)


def _inside(curve: bpy.types.FCurve) -> list[bpy.types.FModifier]:
    """The modifiers that change what lies between a curve's ends."""
    return [modifier for modifier in curve.modifiers if modifier.type != "CYCLES"]


_KEY = ("co", "handle_left", "handle_right", "handle_left_type", "handle_right_type", "interpolation", "easing", "amplitude", "back",
        "period", "type", *_SELECTED)  # fmt: skip
_DTYPES = {"FLOAT": np.float32, "ENUM": np.int32, "BOOLEAN": bool}


def _read(points: bpy.types.FCurveKeyframePoints) -> dict[str, np.ndarray]:
    """What makes up keys: property -> (K,2) or (K,)."""
    result = {}
    for name in _KEY:
        prop = bpy.types.Keyframe.bl_rna.properties[name]
        width = getattr(prop, "array_length", 0)
        values = np.empty(len(points) * max(width, 1), dtype=_DTYPES[prop.type])
        points.foreach_get(name, values)
        result[name] = values.reshape(-1, width) if width else values
    return result


def _pairs(frames: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([frames, values], axis=1).astype(np.float32).ravel()


def _fill(points: bpy.types.FCurveKeyframePoints, name: str, value: str) -> None:
    items = bpy.types.Keyframe.bl_rna.properties[name].enum_items
    points.foreach_set(name, np.full(len(points), items[value].value, dtype=np.int32))
