# SPDX-License-Identifier: GPL-3.0-or-later
"""One version of a motion after another: Blender leaves channels that an action does not key as the last one left them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import bpy

from . import compat, controls, nla, record

_REST = {"location": (0, 0, 0), "rotation_euler": (0, 0, 0), "rotation_quaternion": (1, 0, 0, 0), "rotation_axis_angle": (0, 0, 1, 0),
         "scale": (1, 1, 1)}  # fmt: skip
Channel = tuple[str, int]  # RNA path from the armature object, and index


def rest(path: str, index: int) -> float | None:
    """What a channel of an object's or a bone's place, turn or size is at rest; None of any other."""
    values = _REST.get(path.rpartition(".")[2])
    return None if values is None else float(values[index])


@contextmanager
def at_rest(armature: bpy.types.Object) -> Iterator[dict[Channel, float]]:
    """While this lasts, give the rig another action. Afterwards what that does not key, but a version of the rig does, is at rest: places,
    turns and sizes of bones, and of the object what was played before keyed; and IK switches that the action does not key are off. Gives
    what all these channels are before, for `put`."""
    before = {}
    for path, index in _animated(armature):
        with suppress(ValueError, IndexError):  # a path to what is not there
            before[path, index] = armature.path_resolve(path)[index]
    for limb in controls.LIMBS:
        if limb.switch in armature:
            before[f'["{limb.switch}"]', 0] = armature[limb.switch]
    yield before
    holder = compat.holder(armature)
    free = [(path, index) for path, index in before if not (holder and holder.fcurves.find(path, index=index))]
    put(armature, {channel: rest(*channel) or 0.0 for channel in free})


def put(armature: bpy.types.Object, values: dict[Channel, float]) -> None:
    """Give channels of places, turns, sizes and IK switches these values."""
    for (path, index), value in values.items():
        if path.startswith("["):
            armature[path[2:-2]] = value
        else:
            armature.path_resolve(path)[index] = value
    armature.update_tag()


def _animated(armature: bpy.types.Object) -> set[Channel]:
    """Channels of places, turns and sizes: what the rig plays, and the bones' of all its versions."""
    curves = [curve for action in record.actions(armature) for curve in compat.curves(action)]
    curves = [curve for curve in curves if curve.data_path.startswith("pose.bones")]
    curves += [curve for holder in nla.holders(armature) for curve in holder.fcurves]
    channels = {(curve.data_path, curve.array_index) for curve in curves}
    return {channel for channel in channels if rest(*channel) is not None}
