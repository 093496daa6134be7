# SPDX-License-Identifier: GPL-3.0-or-later
"""Which points of the feet rest, as F-curves beside the feet's angles: keys that are moved, scaled, baked or mirrored take them along."""

from __future__ import annotations

import bpy
import numpy as np

from ..take import CONTACT_NAMES
from . import compat, keyframes, nla

_BONES = {"heel": "calcn", "ball": "toes", "toe": "toes"}
_KEPT, _FIRST = "skel_contacts", "skel_first"  # custom properties of actions from before: bits of each frame, the first scene frame
_RESTS = 0.5  # a value above it: strips of the NLA that are blended make all between 0 and 1


def channels() -> list[tuple[str, str]]:
    """The bone and the custom property of each of `take.CONTACT_NAMES`: 1 while it rests, else 0."""
    points = (name.split("_") for name in CONTACT_NAMES)
    return [(f"{_BONES[point]}_{side}", f"{point.capitalize()} Rests") for point, side in points]


def paths() -> list[str]:
    """Their RNA paths from the armature object."""
    return [f'pose.bones["{bone}"]["{name}"]' for bone, name in channels()]


def build(armature: bpy.types.Object) -> None:
    """Give a rig's feet the properties, where they lack them."""
    for name, prop in channels():
        bone = armature.pose.bones[name]
        if prop not in bone:
            bone[prop] = 0.0
            bone.id_properties_ui(prop).update(min=0.0, max=1.0, default=0.0, description="1 while this part of the foot rests")
            bone.property_overridable_library_set(f'["{prop}"]', True)


def keep(armature: bpy.types.Object, first: int, contacts: np.ndarray, few: bool = False) -> None:
    """Key the contacts (T,6) bool of the scene frames from `first` on in the rig's action; none if nothing ever rests.

    On every frame, so that where they change stays where it is when Blender's tools smooth all curves; or, with `few`, only where they
    change.
    """
    build(armature)
    _key(compat.holder(armature), first, contacts, few)


def thin(armature: bpy.types.Object, frames: np.ndarray, contacts: np.ndarray) -> None:
    """Of the keys that the rig's action has for contacts on the scene frames (T,), leave those where contacts (T,6) bool change. What lies
    before the first of these keys and after the last stays as it is."""
    holder = compat.holder(armature)
    for (bone, _), path, rests in zip(channels(), paths(), contacts.T > 0):
        found = holder.fcurves.find(path)
        keyed = keyframes.rows_of(found, frames) if found else ()
        if len(keyed) > 1:
            between = slice(keyed[0], keyed[-1] + 1)
            rows = keyed[0] + _changes(rests[between])
            keyframes.replace(holder, keyframes.Curve(path, 0, bone, frames[rows], rests[rows].astype(float)), "CONSTANT")


def adopt(armature: bpy.types.Object) -> None:
    """Key contacts that what the rig plays knows from before, without curves: layers show curves alone."""
    for holder in nla.holders(armature):
        action = holder.id_data
        if _KEPT in action and action.library is None:
            build(armature)
            _key(holder, action[_FIRST], _kept(action, action[_FIRST] + np.arange(len(action[_KEPT]))))
            del action[_KEPT], action[_FIRST]


def _key(holder: bpy.types.Action | bpy.types.ActionChannelbag, first: int, contacts: np.ndarray, few: bool = False) -> None:
    rows = np.arange(len(contacts))
    known = contacts.any() or any(map(holder.fcurves.find, paths()))
    for (bone, _), path, rests in zip(channels(), paths(), contacts.T > 0) if known else ():
        if few:
            rows = _changes(rests)
        curve = keyframes.Curve(path, 0, bone, first + rows, rests[rows].astype(float))
        keyframes.write(holder, curve, "CONSTANT" if few else "LINEAR")


def _changes(rests: np.ndarray) -> np.ndarray:
    """(K,) the frames at which contacts (T,) bool are other than before, the first and the last."""
    return np.union1d(np.flatnonzero(np.diff(rests, prepend=~rests[:1])), [len(rests) - 1])


def of(armature: bpy.types.Object, frames: np.ndarray) -> np.ndarray | None:
    """(T,6) bool contacts at the scene frames (T,) by the rig's own action, none outside of its keys; None if it knows of none."""
    holder = compat.holder(armature)
    curves = [holder.fcurves.find(path) if holder else None for path in paths()]
    if not any(curves):
        return _kept(compat.action(armature), frames)
    low, up = np.array([curve.range() for curve in nla.keyed(armature)]).T
    result = [[curve is not None and curve.evaluate(float(frame)) > _RESTS for curve in curves] for frame in frames]
    return np.array(result).reshape(-1, len(curves)) & ((low.min() <= frames) & (frames <= up.max()))[:, None]


def shown(posed: bpy.types.Object) -> list[bool]:
    """(6,) the contacts of an evaluated rig, whatever plays."""
    return [posed.path_resolve(path) > _RESTS for path in paths()]


def move(action: bpy.types.Action, by: int) -> None:
    """Let contacts that an action has without curves be `by` frames later."""
    if _FIRST in action:
        action[_FIRST] += by


def _kept(action: bpy.types.Action | None, frames: np.ndarray) -> np.ndarray | None:
    if action is None or _KEPT not in action:
        return None
    bits, places = np.array(action[_KEPT]), np.asarray(frames).astype(int) - action[_FIRST]
    inside = (places >= 0) & (places < len(bits))
    known = np.where(inside, bits[np.clip(places, 0, len(bits) - 1)], 0)
    return (known[:, None] >> np.arange(len(CONTACT_NAMES))) & 1 > 0
