# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's pose blend shapes as driven shape keys: with them Blender's skin is the model's, without them its linear blend skinning.

The model adds to each vertex a linear function of the joints' rotation matrices. In the axes of its bone a joint's rotation is a product
of rotations about the bone's own axes, by the raw channels, so that every entry of it is a short simple expression: each different one
drives a shape key. Shape keys come before the Armature modifier, as in the model. What IK or a limit makes of a channel they do not see.
"""

from __future__ import annotations

from collections import defaultdict

import bpy
import numpy as np

from .. import kinematics
from ..anatomy import DOFS_OF_JOINT, FEATURE_JOINTS, JOINT_NAMES
from ..take import RestBody
from . import drivers, layout
from .skin import points, put_points

_LEAST = 1e-7  # m
_RANGE = 2.0  # of what an entry of a rotation less the identity can be
_Term = tuple[str, ...]  # factors such as 'sin(x)'
_Entry = dict[_Term, float]


def build(skin: bpy.types.Object, armature: bpy.types.Object, body: RestBody) -> int:
    """Give a skin its driven shape keys, none to a body without pose blend shapes; how many."""
    if body.posedirs is None:
        return 0
    if skin.data.shape_keys is None:
        skin.shape_key_add(name="Basis", from_mix=False)
    rest, own, count = points(skin.data.shape_keys.reference_key.data), len(body.skin_verts), 0
    axes = {bone.joint: kinematics.R_ZUP_YUP.T @ bone.basis for bone in layout.rest_bones(body) if bone.joint is not None}
    for row, joint in enumerate(FEATURE_JOINTS):
        turned = np.einsum("vxab,ai,bk->vxik", body.posedirs[..., 9 * row : 9 * row + 9].reshape(-1, 3, 3, 3), axes[joint], axes[joint])
        for expression, pattern in _expressions(joint):
            moved = kinematics.z_up(np.einsum("vxik,ik->vx", turned, pattern))
            if np.abs(moved).max() < _LEAST:
                continue
            count += 1
            key = skin.shape_key_add(name=f"{JOINT_NAMES[joint]} {count}", from_mix=False)
            key.slider_min, key.slider_max = -_RANGE, _RANGE
            put_points(key.data, np.concatenate([rest[:own] + moved, rest[own:]]))
            drivers.add(key, "value", -1, expression, **_sources(armature, joint))
    return count


def have(skin: bpy.types.Object) -> bool:
    """Whether a skin has its driven shape keys."""
    return bool(_own(skin))


def others(skin: bpy.types.Object) -> bool:
    """Whether a skin has other shape keys than those."""
    keys = skin.data.shape_keys
    return keys is not None and len(keys.key_blocks) > 1 + len(_own(skin))


def drop(skin: bpy.types.Object) -> None:
    """Take its driven shape keys from a skin; those of an animator stay."""
    if not have(skin):
        return
    if not others(skin):
        skin.shape_key_clear()
        return
    for key in _own(skin):
        key.driver_remove("value")
        skin.shape_key_remove(key)


def _own(skin: bpy.types.Object) -> list[bpy.types.ShapeKey]:
    keys = skin.data.shape_keys
    if keys is None or keys.animation_data is None:
        return []
    driven = {curve.data_path for curve in keys.animation_data.drivers}
    named = [key for key in keys.key_blocks if key.name.rpartition(" ")[0] in JOINT_NAMES]
    return [key for key in named if key.path_from_id("value") in driven]


def _sources(armature: bpy.types.Object, joint: int) -> dict[str, drivers.Source]:
    channels = [layout.channel(dof.index) for dof in DOFS_OF_JOINT[joint]]
    return {"xyz"[c.index]: drivers.channel(armature, c) for c in channels}


def _expressions(joint: int) -> list[tuple[str, np.ndarray]]:
    """The different entries of the bone's rotation less the identity, and where they are: signs (3,3)."""
    found: defaultdict[str, np.ndarray] = defaultdict(lambda: np.zeros((3, 3)))
    for (i, k), entry in _rotation(joint).items():
        entry = {term: factor for term, factor in entry.items() if factor}
        if i == k:
            entry[()] = entry.get((), 0.0) - 1.0
        if not any(entry.values()):
            continue
        sign = 1.0 if next(iter(entry.values())) > 0 else -1.0
        text = "".join("+-"[sign * factor < 0] + ("*".join(term) or "1") for term, factor in sorted(entry.items()) if factor)
        found[text.lstrip("+")][i, k] += sign
    return list(found.items())


def _rotation(joint: int) -> dict[tuple[int, int], _Entry]:
    """The nine entries of the bone's Euler rotation by its free channels, as sums of products."""
    free = {layout.channel(dof.index).index for dof in DOFS_OF_JOINT[joint]}
    result = {(i, k): {(): float(i == k)} for i in range(3) for k in range(3)}
    for letter in layout.euler_order(joint):
        axis = "XYZ".index(letter)
        if axis in free:
            step = _about(axis)
            result = {(i, k): _sum(_times(step[i, n], result[n, k]) for n in range(3)) for i in range(3) for k in range(3)}
    return result


def _about(axis: int) -> dict[tuple[int, int], _Entry]:
    name = "xyz"[axis]
    one, two = (axis + 1) % 3, (axis + 2) % 3
    result = {(i, k): {(): float(i == k == axis)} for i in range(3) for k in range(3)}
    result[one, one] = result[two, two] = {(f"cos({name})",): 1.0}
    result[two, one], result[one, two] = {(f"sin({name})",): 1.0}, {(f"sin({name})",): -1.0}
    return result


def _times(one: _Entry, other: _Entry) -> _Entry:
    return _sum({tuple(sorted(a + b)): x * y} for a, x in one.items() for b, y in other.items())


def _sum(entries) -> _Entry:
    result: defaultdict[_Term, float] = defaultdict(float)
    for entry in entries:
        for term, factor in entry.items():
            result[term] += factor
    return {term: factor for term, factor in result.items() if factor}
