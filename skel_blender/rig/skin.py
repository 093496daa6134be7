# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin: one mesh whose Armature modifier, with the model's own weights, is the model's linear blend skinning."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from ..anatomy import JOINT_NAMES
from ..take import TRIANGLE, RestBody
from . import compat, layout

COLOURS = ((0.62, 0.42, 0.33), (0.33, 0.45, 0.62), (0.42, 0.56, 0.36), (0.60, 0.50, 0.28), (0.50, 0.38, 0.56))
"""Base colours of the first, second ... person, so that people are told apart."""


def build(
    name: str, body: RestBody, armature: bpy.types.Object, material: bpy.types.Material | None, collection: bpy.types.Collection
) -> bpy.types.Object:
    """A new skin object, child of `armature`, in its rest pose; as many groups as joints, at most K weights a vertex."""
    mesh = bpy.data.meshes.new(name)
    fill_mesh(mesh, layout.rest_points(body.skin_verts, body), body.skin_faces, body.skin_uv)
    if material is not None:
        mesh.materials.append(material)
    skin = bpy.data.objects.new(name, mesh)
    collection.objects.link(skin)
    weigh(skin, JOINT_NAMES, _dense(body))
    deform(skin, armature)
    return skin


def fill_mesh(mesh: bpy.types.Mesh, points: np.ndarray, faces: np.ndarray, uv: np.ndarray | None = None) -> None:
    """Fill an empty mesh: points (V,3) m, faces (F,3) or (F,4) with TRIANGLE as fourth index of a triangle, uv (F,4,2) per corner."""
    used = faces != TRIANGLE
    sizes = used.sum(axis=1)
    corners = faces[used]
    mesh.vertices.add(len(points))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(points, dtype=np.float32).ravel())
    mesh.loops.add(len(corners))
    mesh.loops.foreach_set("vertex_index", corners.astype(np.int32))
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32))
    mesh.update(calc_edges=True)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), dtype=bool))
    if uv is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.uv.foreach_set("vector", np.ascontiguousarray(uv[used], dtype=np.float32).ravel())
    mesh.validate()


def deform(target: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Make `target`, given in armature space, follow the armature by its vertex groups: plain linear blend skinning."""
    target.parent = armature
    modifier = target.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    modifier.use_vertex_groups = True
    modifier.use_bone_envelopes = False
    modifier.use_deform_preserve_volume = False


def plain_material(name: str, colour: tuple[float, float, float], roughness: float, solid: float = 1.0) -> bpy.types.Material:
    """A sober opaque material, the same in the viewport's Solid mode but for how `solid` (0 to 1) it is there."""
    material = bpy.data.materials.new(name)
    tree = compat.use_nodes(material)
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    material.diffuse_color = (*colour, solid)
    material.roughness = roughness
    return material


def weigh(thing: bpy.types.Object, names: Sequence[str], weights: np.ndarray) -> None:
    """A vertex group per name, with weights (V,N). Equal ones go in one call, which is what makes `VertexGroup.add` bearable."""
    for name, column in zip(names, weights.T):
        group = thing.vertex_groups.get(name) or thing.vertex_groups.new(name=name)
        vertices = np.flatnonzero(column > 0.0)
        levels, which = np.unique(column[vertices], return_inverse=True)
        order = np.argsort(which, kind="stable")
        runs = np.split(vertices[order], np.searchsorted(which[order], np.arange(1, len(levels)))) if len(levels) else []
        for level, members in zip(levels, runs):
            group.add(members.tolist(), float(level), "REPLACE")


def weigh_again(skin: bpy.types.Object, body: RestBody) -> None:
    """Give a skin's first points, which are a body's, the weights of that; what was added keeps its own."""
    for group in (group for group in skin.vertex_groups if group.name in JOINT_NAMES):
        group.remove(list(range(len(body.skin_verts))))
    weigh(skin, JOINT_NAMES, _dense(body))


def points(data: bpy.types.bpy_prop_collection) -> np.ndarray:
    """(V,3) the points of a mesh, `mesh.vertices`, or of a shape key."""
    result = np.empty(3 * len(data), dtype=np.float32)
    data.foreach_get("co", result)
    return result.reshape(-1, 3)


def put_points(data: bpy.types.bpy_prop_collection, places: np.ndarray) -> None:
    """Move what `points` gives."""
    data.foreach_set("co", np.ascontiguousarray(places, dtype=np.float32).ravel())


def _dense(body: RestBody) -> np.ndarray:
    """(V,24) the body's weights, each joint's in its column."""
    result = np.zeros((len(body.skin_verts), len(JOINT_NAMES)))
    np.add.at(result, (np.arange(len(result))[:, None], body.weight_index), body.weight_value)
    return result
