# SPDX-License-Identifier: GPL-3.0-or-later
"""A newer Take with other bodies reaches the meshes of rigs that are there, and what was added to these stays."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import replace

import bpy
import numpy as np
import pytest

from skel_blender import take as takes
from skel_blender.rig import record, skin
from skel_blender.rig.assemble import build_take
from skel_blender.rig.update import update_take
from skel_blender.ui import arrival
from tests import synthetic
from tests.bpy.evaluated import mesh_points, model_bone, model_skin, rig_of

HAT = [(0.0, 0.0, 2.0), (0.0, 0.1, 2.0), (0.1, 0.0, 2.0)]


@pytest.fixture
def take():
    return synthetic.random_take(people=1)


def grown(take, scale=1.15):
    """The same people, taller."""
    again = copy.deepcopy(take)
    for person in again.people:
        person.body, person.betas = synthetic.rest_body(scale), np.full(10, scale)
    return again


def join_hat(surface, groups=("head",)):
    """A triangle above the head, joined to a skin as the export asks for."""
    mesh = bpy.data.meshes.new("hat")
    mesh.from_pydata(HAT, [], [(0, 1, 2)])
    hat = bpy.data.objects.new("hat", mesh)
    bpy.context.scene.collection.objects.link(hat)
    for name in groups:
        hat.vertex_groups.new(name=name).add([0, 1, 2], 1.0, "REPLACE")
    things = [surface, hat]
    with bpy.context.temp_override(active_object=surface, object=surface, selected_objects=things, selected_editable_objects=things):
        bpy.ops.object.join()


@contextmanager
def edited(mesh):
    """What Edit Mode makes of a mesh."""
    import bmesh  # there once bpy is

    form = bmesh.new()
    form.from_mesh(mesh)
    form.faces.ensure_lookup_table()
    yield form
    form.to_mesh(mesh)
    form.free()


def trim(mesh):
    """Delete a face and its points, as under clothes."""
    with edited(mesh) as form:
        for point in list(form.faces[5].verts):
            form.verts.remove(point)


def assert_is_model(take, surface, frame=3):
    bpy.context.scene.frame_set(int(take.frames[frame]) + 1)
    person = take.people[0]
    wanted = model_skin(person.body, person.transforms()[frame])
    assert np.linalg.norm(mesh_points(surface)[: len(wanted)] - wanted, axis=1).max() < 2e-4


def test_what_was_added_to_a_skin_stays(context, take):
    """A pin group, colours, a correction, a hat that was joined to it, a second material: the skin fits the new body, with them."""
    rig = rig_of(collection := build_take(context, take))
    (surface,) = record.parts(rig, "skin")
    mesh, count = surface.data, len(surface.data.vertices)
    surface.vertex_groups.new(name="mask").add([0, 1, 2], 0.5, "REPLACE")
    mesh.color_attributes.new("painted", "FLOAT_COLOR", "POINT").data[7].color = (1.0, 0.0, 0.0, 1.0)
    mesh.materials.append(bpy.data.materials.new("shirt"))
    mesh.polygons[3].material_index = 1
    join_hat(surface)
    surface.shape_key_add(name="Basis")
    fix = surface.shape_key_add(name="Fix")
    fix.value = 0.0
    fix.data[11].co.z += 0.25
    fix.data[count].co.y += 0.5
    head = np.array(rig.data.bones["head"].matrix_local)
    again = grown(take)
    assert update_take(context, again, collection) == []
    assert surface.data == mesh and [key.name for key in mesh.shape_keys.key_blocks] == ["Basis", "Fix"]
    assert surface.vertex_groups["mask"].weight(1) == 0.5 and tuple(mesh.color_attributes["painted"].data[7].color)[:2] == (1.0, 0.0)
    assert mesh.polygons[3].material_index == 1 and mesh.materials[1].name == "shirt"
    assert_is_model(again, surface)
    basis, points = (skin.points(mesh.shape_keys.key_blocks[name].data) for name in ("Basis", "Fix"))
    assert np.allclose(skin.points(mesh.vertices), basis)
    moved = np.zeros_like(basis)
    moved[11, 2], moved[count, 1] = 0.25, 0.5
    assert np.abs(points - basis - moved).max() < 1e-5
    carried = np.array(rig.data.bones["head"].matrix_local) @ np.linalg.inv(head) @ np.c_[HAT, np.ones(3)].T
    assert carried[2].min() > 2.1 and np.abs(basis[count:] - carried[:3].T).max() < 1e-5
    before = skin.points(mesh.vertices)
    assert update_take(context, again, collection) == [] and np.array_equal(skin.points(mesh.vertices), before)


def test_what_hangs_on_no_bone_stays_where_it_is(context, take):
    rig = rig_of(collection := build_take(context, take))
    (surface,) = record.parts(rig, "skin")
    join_hat(surface, groups=())
    update_take(context, grown(take), collection)
    assert np.allclose(skin.points(surface.data.vertices)[-3:], HAT)


def test_bone_meshes_are_found_by_their_bones(context, take):
    """Also one that was given another group of vertices before its own, or lost that."""
    rig = rig_of(collection := build_take(context, take))
    first, second = record.parts(rig, "bone")[:2]
    first.vertex_groups.clear()
    first.vertex_groups.new(name="mask")
    second.vertex_groups.clear()
    meshes = [thing.data for thing in record.parts(rig, "bone")]
    again = grown(take)
    assert update_take(context, again, collection) == []
    assert [thing.data for thing in record.parts(rig, "bone")] == meshes
    context.scene.frame_set(1)
    transforms = again.people[0].transforms()[0]
    for joint, thing in enumerate(record.parts(rig, "bone")):
        assert np.linalg.norm(mesh_points(thing) - model_bone(again.people[0].body, transforms, joint), axis=1).max() < 1e-4


def test_a_mesh_that_lost_points_is_left_alone_and_named(context, enabled, take, tmp_path):
    """But told of only when there is another shape that it would get."""
    takes.save(replace(take, source="/clip.mp4"), tmp_path / "one.npz")
    takes.save(replace(grown(take), source="/clip.mp4"), tmp_path / "two.npz")
    arrival.build(context, str(tmp_path / "one.npz"))
    rig = rig_of(bpy.data.collections["one"])
    surface, bone = record.parts(rig, "skin")[0], record.parts(rig, "bone")[4]
    for thing in (surface, bone):
        trim(thing.data)
    before = [skin.points(thing.data.vertices) for thing in (surface, bone)]
    enabled.again = "UPDATE"
    assert "old shape" not in arrival.build(context, str(tmp_path / "one.npz"))
    told = arrival.build(context, str(tmp_path / "two.npz"))
    assert f" {surface.name}, {bone.name}: kept in the old shape, because their vertices or faces do not match the new body." in told
    assert all(np.array_equal(skin.points(thing.data.vertices), points) for thing, points in zip((surface, bone), before))
    head = record.of(rig).joints[4] - take.people[0].body.joints[4]
    assert np.linalg.norm(head) > 0.01 and bone.matrix_parent_inverse.translation.y == -rig.data.bones[bone.parent_bone].length


def test_faces_in_another_order_are_not_the_rigs_own(context, take):
    rig = rig_of(collection := build_take(context, take))
    (surface,) = record.parts(rig, "skin")
    with edited(surface.data) as form:
        form.faces.sort(key=lambda face: face.index ^ 1)
    assert update_take(context, grown(take), collection) == [surface.name]


def test_a_linked_duplicate_keeps_its_shape(context, take):
    rig = rig_of(collection := build_take(context, take))
    (surface,) = record.parts(rig, "skin")
    other = bpy.data.objects.new("other", surface.data)
    before = skin.points(other.data.vertices)
    again = grown(take)
    assert update_take(context, again, collection) == []
    assert np.array_equal(skin.points(other.data.vertices), before)
    assert_is_model(again, surface)


def test_objects_that_share_the_skin_are_fitted_once(context, take):
    """As an outline that is a second object of the same mesh."""
    rig = rig_of(collection := build_take(context, take))
    (surface,) = record.parts(rig, "skin")
    surface.shape_key_add(name="Basis")
    surface.shape_key_add(name="Fix").data[0].co.z += 0.5
    collection.objects.link(surface.copy())
    mesh = surface.data
    update_take(context, grown(take), collection)
    one, other = record.parts(rig, "skin")
    basis, fix = (skin.points(key.data) for key in one.data.shape_keys.key_blocks)
    assert one.data == other.data == mesh and np.abs(fix - basis).sum() == pytest.approx(0.5, abs=1e-3)


def test_the_other_sex_brings_its_weights(context, take):
    """They are the model's; groups that were added keep theirs."""
    rig = rig_of(collection := build_take(context, take))
    (surface,) = record.parts(rig, "skin")
    surface.vertex_groups.new(name="mask").add([0, 1, 2], 0.5, "REPLACE")
    join_hat(surface)
    again = grown(take)
    person = again.people[0]
    person.body_name, person.body.weight_value = "tubes female", person.body.weight_value[:, ::-1].copy()
    update_take(context, again, collection)
    assert_is_model(again, surface)
    assert surface.vertex_groups["mask"].weight(2) == 0.5
    assert [element.weight for element in surface.data.vertices[-1].groups] == [1.0]


@pytest.mark.parametrize("added", [False, True])
def test_a_body_of_another_kind_has_meshes_of_its_own(context, take, added):
    """They take the place of what nothing was added to."""
    rig = rig_of(collection := build_take(context, take))
    (surface,) = record.parts(rig, "skin")
    colour = surface.data.materials[0]
    if added:
        surface.data.color_attributes.new("painted", "FLOAT_COLOR", "POINT")
    again = grown(take)
    person = again.people[0]
    person.body = replace(person.body, skin_faces=person.body.skin_faces[::-1].copy(), skin_uv=person.body.skin_uv[::-1].copy())
    person.body_name = "SKEL male"
    meshes = len(bpy.data.meshes)
    assert update_take(context, again, collection) == ([surface.name] if added else [])
    assert len(bpy.data.meshes) == meshes and surface.data.materials[0] == colour
    if not added:
        assert_is_model(again, surface)
