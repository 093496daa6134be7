# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton that is delivered: names, hierarchy, rest poses, place and size."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import JOINT_INDEX, JOINT_NAMES
from skel_blender.export import names, opensim, presets, skeleton, writing
from skel_blender.rig import armature, record, restposes
from skel_blender.rig.assemble import build_take, place_of
from tests.bpy import deliveries, importing
from tests.bpy.evaluated import mesh_points, model_skin


@pytest.mark.parametrize("table", names.TITLES)
def test_bones_have_the_names_and_the_hierarchy_of_the_map(context, tmp_path, table):
    take = deliveries.take()
    preset = presets.choose("generic", names=table)
    report = importing.read(*deliveries.export(take, tmp_path / "shot.fbx", names=table), take, names=table)
    assert report.bones == deliveries.expected_bones(preset)
    expected = deliveries.expected_joints(take.people[0], preset)
    assert np.linalg.norm(report.places(list(report.bones)) - deliveries.ordered(expected, report, table), axis=-1).max() < 1e-3


def test_every_map_has_every_joint_once():
    for table in names.TITLES:
        rows = names.bones(table)
        assert sorted(row.joint for row in rows) == sorted(JOINT_NAMES)
        called = [names.root(table), *(row.name for row in rows)]
        assert len(set(called)) == len(called)
        for index, row in enumerate(rows):
            assert row.parent is None or row.parent in called[: index + 1]


def test_joint_index_covers_the_maps():
    assert {row.head for table in names.TITLES for row in names.bones(table)} <= set(JOINT_INDEX)


@pytest.mark.parametrize("rest", presets.RESTS)
@pytest.mark.parametrize("ending", ["fbx", "glb"])
def test_the_rest_pose_is_the_one_that_was_asked_for(context, tmp_path, ending, rest):
    """At rest: the root bone at the origin, the person over it, the skin as the joints' weights carry it; in motion: joints as ever."""
    take = deliveries.take()
    person, preset = take.people[0], presets.choose("generic", rest=rest)
    report = importing.read(*deliveries.export(take, tmp_path / f"shot.{ending}", rest=rest), take, rest=rest)
    expected = deliveries.expected_joints(person, preset)
    assert np.linalg.norm(report.places(list(report.bones)) - deliveries.ordered(expected, report), axis=-1).max() < 1e-3
    poses = {"t": np.zeros((1, 46)), "a": restposes.angles("SKEL A Pose")[None], "first": person.poses[:1]}[rest]
    transforms = kinematics.forward(poses, person.body.joints, person.body.frames)[0]
    if rest == "first":
        transforms = person.transforms()[0]
    else:
        transforms[:, 1, 3] += -person.body.skin_verts[:, 1].min()
    transforms[:, [0, 2], 3] -= transforms[[1, 6]][:, [0, 2], 3].mean(axis=0)
    (rig,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    rig.data.pose_position = "REST"
    bpy.context.view_layer.update()
    heads = np.array([rig.matrix_world @ rig.data.bones[name].head_local for name in JOINT_NAMES])
    assert np.abs(np.array(rig.matrix_world @ rig.data.bones["root"].head_local)).max() < 1e-5
    assert np.abs(heads - kinematics.z_up(transforms[:, :3, 3])).max() < 1e-3
    (skin,) = (thing for thing in bpy.data.objects if thing.find_armature() == rig)
    assert deliveries.apart(mesh_points(skin), model_skin(person.body, transforms)) < 1e-3


def test_what_no_joint_moves_stays_by_the_pelvis(context, tmp_path):
    """As the vertices of a thing that was joined to the skin: Blender shows them where they are, not at the origin."""
    take = deliveries.take()
    collection = build_take(context, take)
    (skin,) = (thing for thing in collection.all_objects if thing.get(record.PART) == "skin")
    for group in skin.vertex_groups:
        group.remove(list(range(40)))
    weights = skeleton.weights(skin)
    assert np.abs(weights.sum(axis=1) - 1.0).max() < 1e-6 and (weights[:40, 0] == 1.0).all() and (weights[40:, 0] != 1.0).any()
    writing.write(context.scene, writing.rigs_of(collection.all_objects), tmp_path / "shot.glb", presets.choose("generic"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "shot.glb"))
    (made,) = (thing for thing in bpy.data.objects if thing.find_armature())
    rest = take.people[0].body.skin_verts
    points = kinematics.z_up(rest - [0.0, rest[:, 1].min(), 0.0])
    points[:, :2] -= kinematics.z_up(take.people[0].body.joints[[1, 6]]).mean(axis=0)[:2]
    assert deliveries.apart(np.array([vertex.co for vertex in made.data.vertices]), points) < 1e-3


def test_what_an_added_bone_moves_goes_with_the_joint_that_carries_it(context):
    """As a sword's bone below a hand, or below its control; a bone that deforms nothing moves no skin in Blender either."""
    collection = build_take(context, deliveries.take())
    (rig,) = writing.rigs_of(collection.all_objects)
    (skin,) = record.parts(rig, "skin")
    with armature.editing(context, rig):
        for name, parent in (("grip", "hand_r"), ("blade", "grip"), ("shield", "hand_ik_l"), ("still", "head"), ("free", "root")):
            bone = rig.data.edit_bones.new(name)
            bone.parent, bone.tail, bone.use_deform = rig.data.edit_bones[parent], (0.0, 0.0, 1.0), name != "still"
    wanted = {"blade": "hand_r", "grip": "hand_r", "shield": "hand_l", "still": "pelvis", "free": "pelvis", "lumbar_shift": "pelvis"}
    for vertex, name in enumerate(wanted):
        for group in skin.vertex_groups:
            group.remove([vertex])
        (skin.vertex_groups.get(name) or skin.vertex_groups.new(name=name)).add([vertex], 1.0, "REPLACE")
    skin.vertex_groups["head"].add([0], 1.0, "REPLACE")
    skin.vertex_groups["hand_r"].add([0], 0.5, "REPLACE")
    weights = skeleton.weights(skin)
    head, hand = JOINT_INDEX["head"], JOINT_INDEX["hand_r"]
    assert weights[0, [head, hand]] == pytest.approx([0.4, 0.6]) and weights[0].sum() == pytest.approx(1.0)
    assert [JOINT_NAMES[row.argmax()] for row in weights[: len(wanted)]] == list(wanted.values())
    assert (weights[1 : len(wanted)].max(axis=1) == 1.0).all()
    assert (opensim.rest_body(rig).weight_index[: len(wanted), 0] == weights[: len(wanted)].argmax(axis=1)).all()


def test_a_moved_and_scaled_take_is_written_where_and_as_large_as_it_stands(context, tmp_path):
    take = deliveries.take()
    collection = build_take(context, take)
    place = place_of(collection)
    place.location, place.rotation_euler, place.scale = (1.0, 2.0, 0.5), (0.0, 0.0, 0.7), (1.5, 1.5, 1.5)
    context.view_layer.update()
    matrix = np.array(place.matrix_world)
    preset = presets.choose("generic")
    (path,) = writing.write(context.scene, writing.rigs_of(collection.all_objects), tmp_path / "shot.fbx", preset)
    report = importing.read(path, take)
    bones = [name for name in report.bones if name != "root"]
    order = list(deliveries.expected_bones(preset))
    expected = deliveries.expected_joints(take.people[0], preset)[:, [order.index(name) for name in bones]]
    assert np.linalg.norm(report.places(bones) - (expected @ matrix[:3, :3].T + matrix[:3, 3]), axis=-1).max() < 1.5e-3
    assert report.scale < 1e-4
