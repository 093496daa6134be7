# SPDX-License-Identifier: GPL-3.0-or-later
"""A rig's skin and bone meshes in the shape of another body. A mesh that is still the rig's own stays, with all that was added to it: only
its points move."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from ..take import Person
from . import bones, correctives, record, skin


def reshape(rig: bpy.types.Object, spare: bpy.types.Object, old: bpy.types.Armature, person: Person) -> list[str]:
    """Give the meshes of a rig, which has its new bones already and had those of `old`, the shape of those of `spare`, a rig that was
    built of the person; the names of those that keep their shape, since they are not the rig's own any more.

    The rig still remembers the body before: one of another kind has meshes of its own, which take the places of those that nothing was
    added to, and one of the other sex has its own weights.
    """
    left = []
    for kind in ("skin", "bone"):
        new = {record.joint_of(thing): thing for thing in record.parts(spare, kind)}
        for mesh, things in _by_mesh(record.parts(rig, kind)).items():
            mesh, joint = _single(mesh, things), record.joint_of(things[0])
            if joint is not None:
                _ride(mesh, things, joint, rig, old)
            fresh = new.get(joint)
            if fresh is None or not _bring(mesh, things, fresh, rig, old, person):
                left += [thing.name for thing in things]
    return left


def _bring(
    mesh: bpy.types.Mesh, things: list[bpy.types.Object], fresh: bpy.types.Object, rig: bpy.types.Object, old: bpy.types.Armature,
    person: Person,
) -> bool:  # fmt: skip
    """Give objects with one mesh the shape of the fresh one if it can have that."""
    thing, was = things[0], record.body_name(rig)
    is_skin = thing[record.PART] == "skin"
    corrected = is_skin and correctives.have(thing)
    if _is_own(mesh, fresh.data):
        correctives.drop(thing)
        _fit(thing, fresh.data, rig, old)
        if is_skin and was != person.body_name:
            skin.weigh_again(thing, person.body)
    elif was.partition(" ")[0] != person.body_name.partition(" ")[0] and _is_plain(thing, fresh):
        _replace(mesh, things, fresh.data)
    else:
        return False
    if corrected:
        correctives.build(thing, rig, person.body)
    return True


def _by_mesh(things: Iterable[bpy.types.Object]) -> dict[bpy.types.Mesh, list[bpy.types.Object]]:
    found: dict[bpy.types.Mesh, list[bpy.types.Object]] = {}
    for thing in things:
        found.setdefault(thing.data, []).append(thing)
    return found


def _single(mesh: bpy.types.Mesh, things: list[bpy.types.Object]) -> bpy.types.Mesh:
    """The mesh, or a copy for these objects if others have it too, as a linked duplicate of the rig has."""
    if mesh.library is None and mesh.users == len(things):
        return mesh
    copy = mesh.copy()
    for thing in things:
        thing.data = copy
    return copy


def _ride(mesh: bpy.types.Mesh, things: list[bpy.types.Object], joint: str, rig: bpy.types.Object, old: bpy.types.Armature) -> None:
    """Let objects ride their bone, also those of an older rig, which deformed its bone meshes in its own space as it does its skin."""
    if things[0].parent_type != "BONE":
        mesh.transform(old.bones[joint].matrix_local.inverted(), shape_keys=True)
    for thing in things:
        for modifier in [modifier for modifier in thing.modifiers if modifier.type == "ARMATURE"]:
            thing.modifiers.remove(modifier)
        bones.ride(thing, rig, joint)


def _is_own(mesh: bpy.types.Mesh, fresh: bpy.types.Mesh) -> bool:
    """Whether a mesh begins with all points and faces of the one that the rig would be given."""
    if len(mesh.vertices) < len(fresh.vertices) or len(mesh.polygons) < len(fresh.polygons):
        return False
    (sizes, corners), (wanted, wanted_corners) = _faces(mesh), _faces(fresh)
    return np.array_equal(sizes[: len(wanted)], wanted) and np.array_equal(corners[: len(wanted_corners)], wanted_corners)


def _faces(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """How many corners the faces have, and the points at these."""
    sizes, corners = np.empty(len(mesh.polygons), dtype=np.int32), np.empty(len(mesh.loops), dtype=np.int32)
    mesh.polygons.foreach_get("loop_total", sizes)
    mesh.loops.foreach_get("vertex_index", corners)
    return sizes, corners


def _fit(thing: bpy.types.Object, fresh: bpy.types.Mesh, rig: bpy.types.Object, old: bpy.types.Armature) -> None:
    """Move the points of a mesh: its own to where the fresh one has them, added ones with their bones, and all shape keys along."""
    mesh = thing.data
    keys = mesh.shape_keys
    before = skin.points(keys.reference_key.data if keys else mesh.vertices)
    after = before.copy()
    after[: len(fresh.vertices)] = skin.points(fresh.vertices)
    if thing.parent_type != "BONE":
        _carry(thing, len(fresh.vertices), after, rig, old)
    for key in keys.key_blocks if keys else ():
        skin.put_points(key.data, after if key == keys.reference_key else skin.points(key.data) + (after - before))
    skin.put_points(mesh.vertices, after)
    mesh.update()


def _carry(thing: bpy.types.Object, first: int, points: np.ndarray, rig: bpy.types.Object, old: bpy.types.Armature) -> None:
    """Let the points from `first` on, as those of a hat that was joined to the skin, lie to the bones that move them as they did."""
    moves = {}
    for group in thing.vertex_groups:
        bone = rig.data.bones.get(group.name)
        if bone is not None and bone.use_deform and group.name in old.bones:
            moves[group.index] = np.array(bone.matrix_local @ old.bones[group.name].matrix_local.inverted())
    for vertex in thing.data.vertices[first:]:
        shares = [(element.weight, moves[element.group]) for element in vertex.groups if element.group in moves]
        total = sum(weight for weight, _ in shares)
        if total > 0.0:
            move = sum(weight * move for weight, move in shares) / total
            points[vertex.index] = move[:3, :3] @ points[vertex.index] + move[:3, 3]


def _is_plain(thing: bpy.types.Object, fresh: bpy.types.Object) -> bool:
    """Whether a mesh has nothing that the fresh one lacks."""
    names = [{name for name in one.data.attributes.keys() if not name.startswith(".")} for one in (thing, fresh)]
    groups = [[group.name for group in one.vertex_groups] for one in (thing, fresh)]
    return groups[0] == groups[1] and names[0] <= names[1] and not correctives.others(thing)


def _replace(mesh: bpy.types.Mesh, things: list[bpy.types.Object], fresh: bpy.types.Mesh) -> None:
    for material in mesh.materials:
        fresh.materials.append(material)
    for thing in things:
        thing.data = fresh
    bpy.data.meshes.remove(mesh)
