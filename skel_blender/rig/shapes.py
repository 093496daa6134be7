# SPDX-License-Identifier: GPL-3.0-or-later
"""What bones look like: rings around the body's parts, boxes for hands and feet, a square on the floor for the root.

The shapes are meshes of a metre, shared by all rigs of a file and in no scene; each bone says how large it wears its shape.
"""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Vector

from ..anatomy import JOINT_NAMES
from ..take import RestBody
from . import controls, layout

RING, BOX, SQUARE = "skel_ring", "skel_box", "skel_square"
_LOOSE = 1.15  # of the part's own radius
_LEAST = 0.035  # m
_BOXES = {"hand": ((0.07, 0.07, 0.07), (0.0, 0.0, 0.0)), "foot": ((0.11, 0.28, 0.05), (0.0, -0.06, -0.06))}
_TURNED = {"head": (0.13, 0.24), "chest": (0.24, 0.02)}  # m, a ring's radius and height above the joint


def build(armature: bpy.types.Object, body: RestBody) -> None:
    """Give the rig's bones their shapes."""
    radii = _radii(body)
    for joint, name in enumerate(JOINT_NAMES):
        bone = armature.pose.bones[name]
        _wear(bone, RING, (radii[joint], 1.0, radii[joint]), (0.0, 0.5 * bone.length, 0.0))
    _wear(armature.pose.bones[layout.ROOT], SQUARE, (0.4, 0.4, 0.4), (0.0, 0.0, 0.0))
    for limb in controls.LIMBS:
        bone = armature.pose.bones[limb.control]
        if limb in controls.TURNING:
            radius, up = _TURNED[limb.control.split("_")[0]]
            _wear(bone, RING, (radius,) * 3, (0.0, up, 0.0))
            bone.custom_shape_transform = armature.pose.bones[JOINT_NAMES[limb.tip]]  # it only turns: shown where the head is
        else:
            _wear(bone, BOX, *_BOXES[limb.control.split("_")[0]])


def _wear(bone: bpy.types.PoseBone, shape: str, scale: tuple[float, float, float], place: tuple[float, float, float]) -> None:
    bone.custom_shape = _shape(shape)
    bone.use_custom_shape_bone_size = False
    bone.custom_shape_scale_xyz, bone.custom_shape_translation = Vector(scale), Vector(place)
    bone.bone.show_wire = True
    if hasattr(bone, "custom_shape_wire_width"):  # from 4.2 on, not in every build
        bone.custom_shape_wire_width = 2.0


def _radii(body: RestBody) -> np.ndarray:
    """(24,) m: how thick the body is around each joint's bone."""
    owner = body.owners()
    result = np.full(len(JOINT_NAMES), _LEAST)
    for bone in layout.rest_bones(body):
        points = layout.rest_points(body.skin_verts[owner == bone.joint], body) if bone.joint is not None else ()
        if len(points):
            along = bone.basis[:, 1]
            away = points - bone.head
            away = away - (away @ along)[:, None] * along
            result[bone.joint] = max(_LEAST, _LOOSE * float(np.percentile(np.linalg.norm(away, axis=1), 75)))
    return result


def _shape(name: str) -> bpy.types.Object:
    """The shape of that name, made on its first use."""
    found = bpy.data.objects.get(name)
    if found is not None and found.library is None and found.type == "MESH":
        return found
    points, edges = {RING: _ring, BOX: _box, SQUARE: _square}[name]()
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points, edges, [])
    return bpy.data.objects.new(name, mesh)


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
