# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton: one mesh per bone, riding its joint rigidly.

Each mesh has its bone's own axes and is parented to it: nothing is deformed, so that they cost next to nothing on a frame. The one vertex
group of weight 1 says whose a mesh is.
"""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ..anatomy import JOINT_NAMES
from ..take import RestBody
from . import layout, skin


def build(
    person: str, body: RestBody, armature: bpy.types.Object, material: bpy.types.Material | None, collection: bpy.types.Collection
) -> list[bpy.types.Object]:
    """New objects `<person>_<joint>_bone`, children of `armature`, for the joints that have a bone."""
    points = layout.rest_points(body.bone_verts, body)
    face_joint = body.bone_joint[body.bone_faces[:, 0]]
    result = []
    for joint, name in enumerate(JOINT_NAMES):
        faces = body.bone_faces[face_joint == joint]
        if not len(faces):
            continue
        used, flat = np.unique(faces, return_inverse=True)
        mesh = bpy.data.meshes.new(f"{person}_{name}_bone")
        rest = np.array(armature.data.bones[name].matrix_local)
        skin.fill_mesh(mesh, (points[used] - rest[:3, 3]) @ rest[:3, :3], flat.reshape(faces.shape))
        if material is not None:
            mesh.materials.append(material)
        bone = bpy.data.objects.new(mesh.name, mesh)
        collection.objects.link(bone)
        bone.vertex_groups.new(name=name).add(list(range(len(used))), 1.0, "ADD")
        ride(bone, armature, name)
        result.append(bone)
    return result


def ride(thing: bpy.types.Object, armature: bpy.types.Object, name: str) -> None:
    """Parent `thing`, given in the bone's own axes, to a bone. Blender counts from the bone's tail."""
    thing.parent, thing.parent_type, thing.parent_bone = armature, "BONE", name
    thing.matrix_parent_inverse = Matrix.Translation((0.0, -armature.data.bones[name].length, 0.0))
