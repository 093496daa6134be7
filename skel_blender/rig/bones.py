# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton: one mesh per bone, riding its joint rigidly.

Each mesh lies in armature space with one vertex group of weight 1 and an Armature modifier, not parented to the bone: that is as
exact, and FBX and glTF carry it as an ordinary skinned mesh that every game engine understands.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..anatomy import JOINT_NAMES
from ..take import RestBody
from . import layout, skin


def build(
    person: str, body: RestBody, armature: bpy.types.Object, material: bpy.types.Material | None, collection: bpy.types.Collection
) -> list[bpy.types.Object]:
    """New objects `<person>_<joint>_bone`, children of `armature`, for the joints that have a bone."""
    points = layout.rest_points(body.bone_verts, body)
    face_joint = body.bone_joint[body.bone_faces[:, 0]] if len(body.bone_faces) else np.zeros(0, dtype=int)
    result = []
    for joint, name in enumerate(JOINT_NAMES):
        faces = body.bone_faces[face_joint == joint]
        if not len(faces):
            continue
        used, flat = np.unique(faces, return_inverse=True)
        mesh = bpy.data.meshes.new(f"{person}_{name}_bone")
        skin.fill_mesh(mesh, points[used], flat.reshape(faces.shape))
        if material is not None:
            mesh.materials.append(material)
        bone = bpy.data.objects.new(mesh.name, mesh)
        collection.objects.link(bone)
        bone.vertex_groups.new(name=name).add(list(range(len(used))), 1.0, "ADD")
        skin.deform(bone, armature)
        result.append(bone)
    return result
