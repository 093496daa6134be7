# SPDX-License-Identifier: GPL-3.0-or-later
"""What a built take is made of, and what building leaves alone."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from skel_blender.anatomy import JOINT_NAMES
from skel_blender.rig import assemble, compat, layout, restposes
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import motion
from tests import synthetic
from tests.bpy import bodies
from tests.bpy.evaluated import joint_positions, rig_of


def kinds(collection):
    return sorted(thing.type for thing in collection.all_objects)


def test_take_is_one_collection_of_named_parts(context, take):
    collection = build_take(context, take, collection_name="shot")
    assert collection.name == "shot" and collection.name in context.scene.collection.children
    shapes = [thing for thing in collection.objects if thing.hide_viewport and thing.hide_render and thing.hide_select]
    assert {thing.name for thing in shapes} == {"skel_ring", "skel_box", "skel_square"}
    assert kinds(collection) == ["ARMATURE"] * 2 + ["CAMERA", "EMPTY"] + ["MESH"] * (2 * 25 + len(shapes))
    for person in ("person_1", "person_2"):
        rig = collection.objects[person]
        assert collection.all_objects[f"{person}_skin"].parent == rig
        for name in JOINT_NAMES:
            bone = collection.all_objects[f"{person}_{name}_bone"]
            assert [group.name for group in bone.vertex_groups] == [name]
    colours = {tuple(collection.all_objects[f"person_{k}_skin"].material_slots[0].material.diffuse_color) for k in (1, 2)}
    assert len(colours) == 2


def test_skin_has_the_bodys_faces_uv_and_weights(context, take):
    body = take.people[0].body
    mesh = build_take(context, take).all_objects["person_1_skin"].data
    assert len(mesh.polygons) == len(body.skin_faces)
    used = body.skin_faces[7][body.skin_faces[7] >= 0]
    assert list(mesh.polygons[7].vertices) == used.tolist()
    assert {len(face.vertices) for face in mesh.polygons} == {3, 4}
    uv = np.array([tuple(corner.vector) for corner in mesh.uv_layers[0].uv])
    assert np.abs(uv - body.skin_uv[body.skin_faces >= 0]).max() < 1e-6
    for vertex in (0, 17, len(mesh.vertices) - 1):
        weights = dict.fromkeys(range(24), 0.0)
        for joint, weight in zip(body.weight_index[vertex], body.weight_value[vertex]):
            weights[int(joint)] += float(weight)
        found = {group.group: group.weight for group in mesh.vertices[vertex].groups}
        assert found == pytest.approx({joint: weight for joint, weight in weights.items() if weight > 0})


def test_building_again_makes_a_second_version(context, take):
    first = build_take(context, take, collection_name="shot")
    rig = rig_of(first)
    rig.pose.bones["tibia_r"].rotation_euler[0] = 1.234
    action = rig.animation_data.action
    second = build_take(context, take, collection_name="shot")
    assert (first.name, second.name) == ("shot", "shot.001")
    assert not set(first.all_objects) & set(second.all_objects)
    assert rig_of(first) == rig and rig.animation_data.action == action
    assert rig_of(second).animation_data.action != action
    context.scene.frame_set(20)
    assert np.allclose(joint_positions(rig), joint_positions(rig_of(second)), atol=1e-6)


@pytest.mark.parametrize("mode", ["OBJECT", "EDIT"])
def test_other_contents_of_the_scene_stay_as_they_are(context, take, mode):
    mesh = bpy.data.meshes.new("theirs")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    theirs = bpy.data.objects.new("person_1", mesh)
    context.scene.collection.objects.link(theirs)
    theirs.select_set(True)
    context.view_layer.objects.active = theirs
    bpy.ops.object.mode_set(mode=mode)
    collection = build_take(context, take)
    assert theirs.name == "person_1" and rig_of(collection).name == "person_1.001"
    assert context.view_layer.objects.active == theirs and theirs.mode == mode
    assert context.selected_objects == [theirs]
    assert len(mesh.vertices) == 3


def test_bones_are_sorted_coloured_and_helpers_hidden(context, take):
    data = rig_of(build_take(context, take)).data
    assert not data.collections["Helpers"].is_visible
    for name in JOINT_NAMES:
        (home,) = data.bones[name].collections
        assert home.is_visible
    colours = {tuple(data.bones[name].color.custom.normal) for name in ("femur_r", "femur_l", "pelvis", "root", "hand_ik_r")}
    assert len(colours) == 5


def test_builds_in_a_scene_that_no_window_shows(context, take):
    here = context.scene
    other = bpy.data.scenes.new("other")
    with context.temp_override(scene=other, view_layer=other.view_layers[0]):
        collection = build_take(bpy.context, take)
    assert collection.name in other.collection.children and not here.collection.children
    assert (other.frame_start, here.frame_start) == (5, 1)
    assert {bone.name for bone in rig_of(collection).data.bones} >= set(JOINT_NAMES)
    assert rig_of(collection).mode == "OBJECT"


def test_moving_the_empty_moves_people_and_camera(context, take):
    collection = build_take(context, take)
    rig, eye = rig_of(collection), context.scene.camera
    before, seen = joint_positions(rig), np.array(eye.matrix_world)
    assemble.place_of(collection).location = (1.0, 2.0, 0.5)
    context.view_layer.update()
    assert np.abs(joint_positions(rig) - before - [1.0, 2.0, 0.5]).max() < 1e-5
    assert np.abs(np.array(eye.matrix_world) - seen)[:3, 3] == pytest.approx([1.0, 2.0, 0.5], abs=1e-5)


def test_bones_wear_shapes_that_are_not_seen_themselves(context, take):
    rig = rig_of(build_take(context, take))
    for bone in rig.pose.bones:
        assert (bone.custom_shape is not None) == (bone.name in JOINT_NAMES or "_ik" in bone.name or bone.name == "root")
    assert not [thing for thing in context.scene.objects if thing.name.startswith("skel_") and thing.visible_get()]


def test_rings_lie_apart_and_around_the_skin(context):
    """On a solid body every ring can be seen and clicked: no point of it is inside, and no other ring is in its place."""
    body = bodies.open_body("open_male", "large")
    rig = rig_of(build_take(context, bodies.random_take(body, 3, seed=1)))
    skin, rings = layout.rest_points(body.skin_verts, body), []
    for joint, name in enumerate(JOINT_NAMES):
        bone = rig.pose.bones[name]
        worn = Matrix.LocRotScale(bone.custom_shape_translation, bone.custom_shape_rotation_euler, bone.custom_shape_scale_xyz)
        placed = np.array(bone.bone.matrix_local @ worn)
        own = (skin[body.owners() == joint] - placed[:3, 3]) @ np.linalg.inv(placed[:3, :3]).T
        assert (np.linalg.norm(own[np.abs(own[:, 1]) < 0.01][:, [0, 2]], axis=1) < 1.0).all(), name  # the ring is the unit circle
        rings.append(np.array([vertex.co for vertex in bone.custom_shape.data.vertices]) @ placed[:3, :3].T + placed[:3, 3])
    for one, points in enumerate(rings):
        for other in rings[one + 1 :]:
            assert np.linalg.norm(points[:, None] - other, axis=2).min(axis=1).max() > 0.03


def test_rest_poses_are_assets_that_stand_upright_within_the_limits(context, take):
    rig = rig_of(build_take(context, take))
    played = rig.animation_data.action
    poses = restposes.ensure(rig)
    assert [action.name for action in poses] == list(restposes.POSES) and restposes.ensure(rig) == poses
    assert rig.animation_data.action == played and all(action.asset_data for action in poses)
    box = take.people[0].body.limits
    for name in restposes.POSES:
        angles = restposes.angles(name)
        assert (angles >= box[:, 0]).all() and (angles <= box[:, 1]).all()
        assert np.array_equal(synthetic.mirrored(angles), angles)
        compat.use_action(rig, bpy.data.actions[name])
        context.scene.frame_set(1)
        assert np.abs(motion.pose_now(rig)[3:] - angles[3:]).max() < 1e-6
    compat.use_action(rig, bpy.data.actions["SKEL Standing"])
    rig.pose.bones["pelvis"].rotation_euler = (0, 0, 0)
    context.scene.frame_set(2)
    joints = joint_positions(rig)
    hands = joints[[JOINT_NAMES.index("hand_r"), JOINT_NAMES.index("hand_l")]]
    assert (hands[:, 2] < joints[JOINT_NAMES.index("lumbar_body"), 2]).all()
