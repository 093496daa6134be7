# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivered meshes: the skeleton's, the weights of the skin, and the evaluated skin of a cache."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.export import presets, writing
from skel_blender.rig import assemble
from skel_blender.rig.assemble import build_take
from tests.bpy import deliveries, fbx_tree, importing
from tests.bpy.evaluated import mesh_points


def test_the_skeletons_meshes_ride_along(context, tmp_path):
    take = deliveries.take()
    person = take.people[0]
    importing.read(*deliveries.export(take, tmp_path / "shot.fbx", bones=True, skin=False), take)
    (mesh,) = (thing for thing in bpy.data.objects if thing.find_armature())
    assert mesh.name == "person_1_skeleton"
    transforms = person.transforms()[-1]  # where reading has left the scene
    moved = person.body.bone_verts - person.body.joints[person.body.bone_joint]
    moved = np.einsum("vij,vj->vi", transforms[person.body.bone_joint, :3, :3], moved) + transforms[person.body.bone_joint, :3, 3]
    assert deliveries.apart(mesh_points(mesh), kinematics.z_up(moved)) < 1e-3


def test_alembic_holds_the_skin_as_blender_shows_it(context, tmp_path):
    """With what only the evaluated skin has: a modifier that no skeleton carries. Also one that is switched off in the Outliner."""
    take = deliveries.take()
    collection = build_take(context, take)
    skin = next(thing for thing in collection.all_objects if thing.get("skel_part") == "skin")
    skin.modifiers.new("Thicker", "DISPLACE").strength = 0.02
    frames = [take.people[0].frames[k] + 1 for k in deliveries.SKINNED]
    expected = []
    for frame in frames:
        context.scene.frame_set(int(frame))
        expected.append(mesh_points(skin))
    assemble.layer_of(context.view_layer, assemble.shelf(collection, "skin")).exclude = True
    deliveries_path = tmp_path / "shot.abc"
    writing.write(context.scene, writing.rigs_of(collection.all_objects), deliveries_path, presets.choose("generic"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    context.scene.render.fps, context.scene.render.fps_base = 30, 1.001
    bpy.ops.wm.alembic_import(filepath=str(deliveries_path))
    (mesh,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
    off = []
    for frame, points in zip(frames, expected):
        bpy.context.scene.frame_set(int(frame))
        off.append(np.linalg.norm(mesh_points(mesh) - points, axis=1).max())
    deliveries.FIGURES.append(("abc", "generic", "Blender", "-", f"{1000 * max(off):.3f}", "-", "-", "-"))
    assert max(off) < 1e-3
    assert len(expected[0]) == len(take.people[0].body.skin_verts)


def test_alembic_plays_who_comes_later_when_he_comes(context, tmp_path):
    take = deliveries.take(2)
    late = take.people[1]
    for name in ("frames", "poses", "trans", "confidence", "keypoints_2d", "landmarks_3d", "reprojection_error", "contacts"):
        setattr(late, name, getattr(late, name)[10:])
    collection = build_take(context, take, hide=True)
    skin = next(thing for thing in collection.all_objects if thing.name == "person_2_skin")
    frames, expected = (late.frames[0] + 1, late.frames[-1] + 1), []
    for frame in frames:
        context.scene.frame_set(int(frame))
        expected.append(mesh_points(skin))
    context.scene.frame_set(1)
    writing.write(context.scene, writing.rigs_of(collection.all_objects), tmp_path / "shot.abc", presets.choose("generic"))
    assert skin.name == "person_2_skin" and skin.hide_viewport
    bpy.ops.wm.read_factory_settings(use_empty=True)
    context.scene.render.fps, context.scene.render.fps_base = 30, 1.001
    bpy.ops.wm.alembic_import(filepath=str(tmp_path / "shot.abc"))
    assert {thing.name for thing in bpy.data.objects if thing.type == "MESH"} == {"person_1_skin", "person_2_skin"}
    for frame, points in zip(frames, expected):
        bpy.context.scene.frame_set(int(frame))
        assert np.linalg.norm(mesh_points(bpy.data.objects["person_2_skin"]) - points, axis=1).max() < 1e-3


def test_alembic_holds_the_bones_where_they_are(context, tmp_path):
    take = deliveries.take()
    collection = build_take(context, take)
    writing.write(
        context.scene, writing.rigs_of(collection.all_objects), tmp_path / "shot.abc", presets.choose("generic", skin=False, bones=True)
    )
    bpy.ops.wm.read_factory_settings(use_empty=True)
    context.scene.render.fps, context.scene.render.fps_base = 30, 1.001
    bpy.ops.wm.alembic_import(filepath=str(tmp_path / "shot.abc"))
    person, frame = take.people[0], deliveries.SKINNED[1]
    context.scene.frame_set(int(person.frames[frame]) + 1)
    meshes = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    assert len(meshes) == len(set(person.body.bone_joint))
    found = np.concatenate([mesh_points(thing) for thing in meshes])
    joints = person.body.bone_joint
    moved = person.body.bone_verts - person.body.joints[joints]
    moved = np.einsum("vij,vj->vi", person.transforms()[frame][joints, :3, :3], moved) + person.transforms()[frame][joints, :3, 3]
    assert deliveries.apart(found, kinematics.z_up(moved)) < 1e-3


def many_weights(take):
    """The person's vertices with six joints each, of unlike shares."""
    body, rng = take.people[0].body, np.random.default_rng(2)
    count = len(body.skin_verts)
    body.weight_index = np.argsort(rng.random((count, 24)), axis=1)[:, :6]
    shares = rng.random((count, 6)) ** 3
    body.weight_value = shares / shares.sum(axis=1, keepdims=True)
    return take


@pytest.mark.parametrize(("influences", "most"), [("4", 4), ("all", 6)])
def test_a_vertex_has_no_more_bones_than_asked_for_and_its_shares_sum_to_one(context, tmp_path, influences, most):
    take = many_weights(deliveries.take())
    body = take.people[0].body
    (path,) = deliveries.export(take, tmp_path / "shot.fbx", "unity", influences=influences)
    found = np.zeros(body.weight_value.shape[0] * 24).reshape(-1, 24)
    names = {name: joint for joint, name in enumerate(deliveries.bones_of_joints(presets.choose("unity")))}
    for name, (vertices, shares) in fbx_tree.clusters(path).items():
        found[vertices, names[name]] = shares
    assert np.abs(found.sum(axis=1) - 1.0).max() < 1e-6 and (found > 0.0).sum(axis=1).max() == most
    wanted = np.zeros_like(found)
    np.put_along_axis(wanted, body.weight_index, body.weight_value, axis=1)
    if most < 6:
        np.put_along_axis(wanted, np.argsort(wanted, axis=1)[:, :-most], 0.0, axis=1)
    assert np.abs(found - wanted / wanted.sum(axis=1, keepdims=True)).max() < 1e-6


def test_presets_of_engines_limit_the_bones_of_a_vertex():
    assert {name: preset.influences for name, preset in presets.PRESETS.items()} == {
        "generic": "all", "unreal": "8", "unity": "4", "godot": "8"}  # fmt: skip
