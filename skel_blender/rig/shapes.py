# SPDX-License-Identifier: GPL-3.0-or-later
"""What bones look like: rings around the body's parts, boxes for hands and feet, a square on the floor for the root.

The shapes are meshes of a metre, shared by the rigs of a take and out of sight in its collection: what lies in none Blender would put into
the scene where a take is appended. Each bone says how large it wears its shape.
A ring lies just outside of the skin, so that it is seen and can be clicked on a solid body, and no two lie in one place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..anatomy import JOINT_NAMES, PARENTS
from ..take import RestBody
from . import controls, drivers, layout, record

RING, BOX, SQUARE = "skel_ring", "skel_box", "skel_square"
_AWAY, _LEAST = 0.008, 0.035  # m, from a ring to the skin inside of it, and its least radius
_SLAB = 0.02  # m, half of the slice of skin that a ring goes around
_UP, _FRONT = (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)  # of a person at rest in armature space
_BOXES = {"hand": ((0.07, 0.07, 0.07), (0.0, 0.0, 0.0)), "foot": ((0.11, 0.28, 0.05), (0.0, -0.06, -0.06))}
_TURNED = {"head": (0.13, 0.24), "chest": (0.24, 0.02)}  # m, a ring's radius and height above the joint


@dataclass(frozen=True)
class _Ring:
    """Where a bone's ring lies: `along` the bone (0 head, 1 tail), around the bone itself or around a direction in armature space."""

    along: float = 0.5
    around: tuple[float, float, float] | None = None


_RINGS = {
    "pelvis": _Ring(0.0, _UP), "lumbar_body": _Ring(0.05, _UP), "thorax": _Ring(-1.2, _UP), "head": _Ring(0.6, _UP),
    "ulna": _Ring(0.2), "radius": _Ring(0.8),
    "talus": _Ring(0.0, _UP), "calcn": _Ring(0.6, _FRONT), "toes": _Ring(0.3, _FRONT),
}  # fmt: skip
"""The joints, without their side, whose rings do not lie around the middle of their bones."""


def build(armature: bpy.types.Object, body: RestBody) -> None:
    """Give the rig's bones their shapes. A control is seen while it leads its limb."""
    for bone in layout.rest_bones(body):
        if bone.joint is not None:
            _wear(armature.pose.bones[bone.name], RING, *_fit(bone, body))
    _wear(armature.pose.bones[layout.ROOT], SQUARE, (0.4, 0.4, 0.4))
    for limb in controls.LIMBS:
        bone = armature.pose.bones[limb.control]
        if limb in controls.TURNING:
            radius, up = _TURNED[limb.control.split("_")[0]]
            _wear(bone, RING, (radius,) * 3, (0.0, up, 0.0))
            bone.custom_shape_transform = armature.pose.bones[JOINT_NAMES[limb.tip]]  # it only turns: shown where the head is
        else:
            _wear(bone, BOX, *_BOXES[limb.control.split("_")[0]])
        switch = drivers.prop(armature, f'["{limb.switch}"]')
        for axis, size in enumerate(bone.custom_shape_scale_xyz):  # a control that does not lead stands anywhere
            drivers.add(bone, "custom_shape_scale_xyz", axis, f"{round(size, 4)!r} if a > 0 else 0", a=switch)


def _wear(bone: bpy.types.PoseBone, shape: str, scale: tuple, place: tuple = (0.0, 0.0, 0.0), turn: tuple = (0.0, 0.0, 0.0)) -> None:
    if bone.custom_shape is not None and record.PART not in bone.custom_shape:
        return  # an animator's own
    bone.custom_shape = _shape(shape, bone.id_data)
    bone.use_custom_shape_bone_size = False
    bone.custom_shape_scale_xyz, bone.custom_shape_translation, bone.custom_shape_rotation_euler = Vector(scale), Vector(place), turn
    bone.bone.show_wire = True
    if hasattr(bone, "custom_shape_wire_width"):  # from 4.2 on, not in every build
        bone.custom_shape_wire_width = 2.5


def _fit(bone: layout.RestBone, body: RestBody) -> tuple[tuple, tuple, tuple]:
    """Scale, place and Euler turn, in the bone's own axes, of the ring around the skin at a joint's bone."""
    ring = _RINGS.get(bone.name.removesuffix("_r").removesuffix("_l"), _Ring())
    axes = bone.basis if ring.around is None else _around(np.array(ring.around))
    centre = bone.head + ring.along * bone.length * bone.basis[:, 1]
    points = (layout.rest_points(body.skin_verts[_near(bone.joint, body)], body) - centre) @ axes
    slice_ = points[np.abs(points[:, 1]) < _SLAB][:, [0, 2]]
    radii, middle = np.full(2, _LEAST), np.zeros(2)
    if len(slice_):
        low, up = slice_.min(axis=0), slice_.max(axis=0)
        half, middle = np.maximum((up - low) / 2, 1e-3), (low + up) / 2
        radii = np.maximum(_LEAST, half * np.linalg.norm((slice_ - middle) / half, axis=1).max() + _AWAY)
    place = bone.basis.T @ (centre + axes[:, [0, 2]] @ middle - bone.head)
    turn = Matrix((bone.basis.T @ axes).tolist()).to_euler()
    return (radii[0], 1.0, radii[1]), tuple(place), tuple(turn)


def _around(normal: np.ndarray) -> np.ndarray:
    """(3,3) axes as columns, with y along a direction in the body's middle plane and x to its side."""
    side = np.array([1.0, 0.0, 0.0])
    return np.stack([side, normal, np.cross(side, normal)], axis=1)


def _near(joint: int, body: RestBody) -> np.ndarray:
    """(V,) bool: the skin that hangs mostly on the joint or on its neighbours."""
    return np.isin(body.owners(), [joint, PARENTS[joint], *(child for child, parent in enumerate(PARENTS) if parent == joint)])


def _shape(name: str, armature: bpy.types.Object) -> bpy.types.Object:
    """The shape of that name in the collection of a rig's take, made on its first use."""
    home = record.home_of(armature) or armature.users_collection[0]
    found = next((thing for thing in home.objects if thing.get(record.PART) == name), None)
    if found is not None:
        return found
    points, edges = {RING: _ring, BOX: _box, SQUARE: _square}[name]()
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points, edges, [])
    made = bpy.data.objects.new(name, mesh)
    made.parent, made[record.PART] = armature.parent, name
    made.hide_viewport = made.hide_render = made.hide_select = True
    home.objects.link(made)
    return made


def _ring(count: int = 32) -> tuple[list, list]:
    """A circle of radius 1 around y."""
    angles = [2.0 * math.pi * k / count for k in range(count)]
    return [(math.cos(a), 0.0, math.sin(a)) for a in angles], [(k, (k + 1) % count) for k in range(count)]


def _box() -> tuple[list, list]:
    """A cube with edges of 1."""
    points = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
    return points, [(a, b) for a in range(8) for b in range(a) if bin(a ^ b).count("1") == 1]


def _square() -> tuple[list, list]:
    """A square around the origin on the floor, and an arrow to -y, where the person faces."""
    points = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0), (-0.3, -1.1, 0), (0.3, -1.1, 0), (0, -1.5, 0)]
    return points, [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 4)]
