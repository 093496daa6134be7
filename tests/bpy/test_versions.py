# SPDX-License-Identifier: GPL-3.0-or-later
"""Reconstructing again: new versions, updates that lose nothing, people who can be removed; and files that are saved and linked."""

from __future__ import annotations

import copy
from dataclasses import replace

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from skel_blender import rig as rigs
from skel_blender import take as takes
from skel_blender.anatomy import DOF_INDEX
from skel_blender.rig import contacts, controls, limits, record, skin, update
from skel_blender.rig.assemble import build_take, handles, layer_of
from skel_blender.rig.editing import timing
from skel_blender.ui import arrival
from tests import synthetic
from tests.bpy.evaluated import (
    TO_ZUP,
    curves,
    degrees_apart,
    joint_positions,
    joint_turns,
    mesh_points,
    model_bone,
    model_skin,
    rig_of,
)  # fmt: skip

KNEE = DOF_INDEX["knee_angle_r"]


def newer(take, scale):
    """The same people in another motion and size."""
    again = copy.deepcopy(take)
    for person in again.people:
        person.body, person.betas = synthetic.rest_body(scale), np.full(10, scale)
        person.poses = synthetic.random_poses(len(person.frames), person.body.limits, np.random.default_rng(5))
    return again


def assert_is_model(context, collection, take, frame):
    context.scene.frame_set(int(take.frames[frame]) + 1)
    for handle, person in zip(handles(collection), take.people):
        transforms = person.transforms()[frame]
        assert np.linalg.norm(joint_positions(handle.armature) - person.joints()[frame], axis=1).max() < 1e-4
        assert degrees_apart(joint_turns(handle.armature), TO_ZUP @ transforms[:, :3, :3] @ TO_ZUP.T) < 0.01
        assert np.linalg.norm(mesh_points(handle.skin) - model_skin(person.body, transforms), axis=1).max() < 2e-4
        for joint, bone in enumerate(handle.bones):
            assert np.linalg.norm(mesh_points(bone) - model_bone(person.body, transforms, joint), axis=1).max() < 1e-4


def test_build_gives_a_handle_per_person(context, take):
    first, second = rigs.build(take, collection_name="shot")
    assert (first.armature.name, second.skin.name) == ("person_1", "person_2_skin")
    assert len(first.bones) == 24 and first.action == first.armature.animation_data.action


def test_a_rig_of_an_older_version_is_updated_too(context, take):
    """Its root has the height, and its bones are deformed in the rig's own space."""
    collection = build_take(context, take, horizontal=False)
    for handle in handles(collection):
        for thing in handle.bones:
            thing.data.vertices.foreach_set("co", record.rest_points(thing).astype(np.float32).ravel())
            thing.parent_type, thing.matrix_parent_inverse = "OBJECT", Matrix.Identity(4)
            skin.deform(thing, handle.armature)
    assert_is_model(context, collection, take, 3)
    again = newer(take, 1.15)
    update.update_take(context, again, collection)
    assert_is_model(context, collection, again, 3)


@pytest.mark.parametrize("scale", [1.0, 1.15])
def test_an_update_brings_motion_and_shape_and_keeps_the_rest(context, take, scale):
    take.source = "/clip.mp4"
    collection = build_take(context, take)
    first = handles(collection)[0]
    rig, edited = first.armature, first.action
    edited.name = "my edit"
    before = [point.co.y for point in curves(rig)[7].keyframe_points]
    table = record.limits(rig)
    table[KNEE] = 0.0, 2.0
    limits.apply(rig, table, "custom")
    follower = bpy.data.objects.new("hat", None)
    follower.parent, follower.parent_type, follower.parent_bone = rig, "BONE", "head"
    collection.objects.link(follower)
    rig.pose.bones["head"].constraints.new("DAMPED_TRACK").mute = True
    colour = first.skin.data.materials[0]
    objects, meshes = set(bpy.data.objects), len(bpy.data.meshes)
    take = newer(take, scale)
    take.people[0].poses[:, KNEE] = np.minimum(take.people[0].poses[:, KNEE], 2.0)
    assert update.find_built(context, take) == collection and update.find_built(context, replace(take, source="/no.mp4")) is None
    update.update_take(context, take, collection)
    assert set(bpy.data.objects) == objects and len(bpy.data.meshes) == meshes and len(bpy.data.armatures) == 2
    assert rig.animation_data.action != edited and edited.use_fake_user
    kept = next(action for action in record.versions(rig) if action.name == "my edit")
    rig.animation_data.action, new = kept, rig.animation_data.action
    assert [point.co.y for point in curves(rig)[7].keyframe_points] == before
    rig.animation_data.action = new
    assert record.limits(rig)[KNEE] == pytest.approx([0.0, 2.0])
    assert rig.pose.bones["head"].constraints[-1].type == "DAMPED_TRACK" and follower.parent == rig
    assert first.skin.data.materials[0] == colour and rig.data.name == "person_1"
    for frame in (0, 9):
        assert_is_model(context, collection, take, frame)


def test_an_update_keeps_bones_that_were_added(context, take):
    """A prop's, with what hangs on it."""
    collection = build_take(context, take)
    rig = rig_of(collection)
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones
    sword, tip, cloak = (bones.new(name) for name in ("sword", "tip", "cloak"))
    sword.head, sword.tail, sword.roll, sword.parent, sword.use_deform = (0, 0, 1), (0.1, 0.2, 2), 0.3, bones["hand_r"], False
    tip.head, tip.tail, tip.parent, tip.use_connect = sword.tail, (0.1, 0.2, 3), sword, True
    cloak.head, cloak.tail = (0, 1, 1), (0, 1, 2)
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.pose.bones["tip"].constraints.new("DAMPED_TRACK").mute = True
    prop = bpy.data.objects.new("prop", None)
    collection.objects.link(prop)
    prop.parent, prop.parent_type, prop.parent_bone = rig, "BONE", "sword"
    rig.data.display_type, rig.data["asset"], rig.pose.bones["hand_r"].custom_shape = "STICK", "hero", prop
    props = rig.data.collections.new("Props")
    props.is_visible = not props.assign(rig.data.bones["sword"])

    def places() -> list[np.ndarray]:
        hand, *added = (rig.data.bones[name].matrix_local for name in ("hand_r", "sword", "tip", "cloak"))
        return [np.array(matrix) for matrix in (hand.inverted() @ added[0], hand.inverted() @ added[1], added[2])]

    hand, before = np.array(rig.data.bones["hand_r"].matrix_local), places()
    update.update_take(context, newer(take, 0.9), collection)
    assert np.abs(np.array(rig.data.bones["hand_r"].matrix_local) - hand).max() > 0.01
    assert max(np.abs(one - other).max() for one, other in zip(places(), before)) < 1e-5
    assert rig.data.bones["tip"].use_connect and not rig.data.bones["sword"].use_deform
    assert rig.pose.bones["tip"].constraints[0].type == "DAMPED_TRACK" and prop.parent_bone == "sword"
    assert (rig.data.display_type, rig.data["asset"], rig.pose.bones["hand_r"].custom_shape) == ("STICK", "hero", prop)
    props = rig.data.collections["Props"]
    assert [bone.name for bone in props.bones] == ["sword"] and not props.is_visible


def test_an_update_leaves_a_camera_alone_that_is_not_the_takes(context, take):
    """The take's was deleted for it."""
    collection = build_take(context, take)
    bpy.data.objects.remove(context.scene.camera)
    own = bpy.data.objects.new("own", bpy.data.cameras.new("own"))
    collection.objects.link(own)
    own.location.x = 3.0
    own.keyframe_insert("location", frame=1)
    context.scene.camera = own
    update.update_take(context, take, collection)
    assert own.animation_data.action is not None and own.location.x == 3.0 and context.scene.camera == own


def test_an_update_is_of_the_rig_and_not_of_its_duplicate(context, take):
    collection = build_take(context, take)
    rig = rig_of(collection)
    context.view_layer.objects.active = rig
    bpy.ops.object.select_all(action="DESELECT")
    rig.select_set(True)
    bpy.ops.object.duplicate()
    twin = context.object
    before = rig.animation_data.action, twin.animation_data.action
    update.update_take(context, newer(take, 0.9), collection)
    assert rig.animation_data.action != before[0] and twin.animation_data.action == before[1]


def test_an_update_adds_new_people_and_keeps_absent_ones(context, take):
    collection = build_take(context, take)
    crowd = copy.deepcopy(take)
    crowd.people[0].name = "somebody"
    update.update_take(context, crowd, collection)
    assert {handle.armature.name for handle in handles(collection)} == {"person_1", "person_2", "somebody"}


def test_an_update_works_in_pose_mode(context, take):
    collection = build_take(context, take)
    rig = rig_of(collection)
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    take = newer(take, 0.9)
    update.update_take(context, take, collection)
    assert rig.mode == "POSE"
    assert_is_model(context, collection, take, 3)


def test_a_removed_person_leaves_nothing_and_the_others_alone(context, take):
    collection = build_take(context, take)
    first, second = handles(collection)
    update.remove_person(first.armature)
    kinds = (bpy.data.objects, bpy.data.meshes, bpy.data.armatures, bpy.data.actions, bpy.data.materials)
    assert not [block for kind in kinds for block in kind if "person_1" in block.name]
    assert [handle.armature for handle in handles(collection)] == [second.armature]
    update.remove_person(second.armature)
    assert not bpy.data.armatures and not bpy.data.actions and not bpy.data.materials


def test_a_saved_file_holds_everything(context, take, tmp_path):
    take.people[0].contacts[4:9, 1] = True
    build_take(context, take, collection_name="shot")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"), use_scripts=False)
    collection = bpy.data.collections["shot"]
    assert_is_model(bpy.context, collection, take, 5)
    rig = rig_of(collection)
    assert len(record.of(rig).tracks) == 49 and np.array_equal(contacts.of(rig, take.frames + 1), take.people[0].contacts)
    assert len(record.versions(rig)) == 1


@pytest.mark.parametrize("link", [False, True])
def test_appended_and_linked_rigs_work_in_another_file(context, take, tmp_path, link):
    """Linked with a library override: drivers, constraints and skin point into the new file, and the pose can be changed."""
    build_take(context, take, collection_name="shot")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "shot.blend"), link=link) as (_, data):
        data.collections = ["shot"]
    (collection,) = data.collections
    scene = bpy.context.scene
    if link:
        collection = collection.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    else:
        scene.collection.children.link(collection)
    bpy.context.view_layer.update()
    assert_is_model(bpy.context, collection, take, 5)
    rig = rig_of(collection)
    assert rig.library is None and (rig.override_library is not None) == link
    for curve in rig.animation_data.drivers:
        assert curve.is_valid and curve.driver.is_valid
        assert all(target.id == rig for variable in curve.driver.variables for target in variable.targets if target.id)
    for bone in rig.pose.bones:
        assert all(constraint.target == rig for constraint in bone.constraints if hasattr(constraint, "target"))
    before = joint_positions(rig)[18]
    rig["hand_ik_r_on"] = 1.0
    rig.pose.bones["hand_ik_r"].location = (0.1, -0.3, 0.2)
    rig.update_tag()
    bpy.context.view_layer.update()
    assert np.linalg.norm(joint_positions(rig)[18] - before) > 0.02
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"), use_scripts=False)
    again = rig_of(bpy.data.collections["shot"])
    assert again["hand_ik_r_on"] == 1.0 and tuple(again.pose.bones["hand_ik_r"].location) == pytest.approx((0.1, -0.3, 0.2))
    assert controls.LIMBS[0].switch in again


@pytest.mark.parametrize("again", ["VERSION", "UPDATE"])
def test_another_stretch_of_the_footage_is_no_version_and_lies_in_step(context, enabled, tmp_path, again):
    for name, first in (("one", 0), ("two", 40), ("three", 50)):
        part = replace(synthetic.random_take(frames=20, people=1, first=first), source="/clip.mp4")
        takes.save(part, tmp_path / f"{name}.npz")
    arrival.build(context, str(tmp_path / "one.npz"))
    home = bpy.data.collections["one"]
    timing.move(context.scene, home, 101)
    enabled.again = again
    assert "switched off" not in arrival.build(context, str(tmp_path / "two.npz"))
    two = bpy.data.collections["two"]
    assert not layer_of(context.view_layer, home).exclude and record.start_of(two) == 101
    assert (context.scene.frame_start, context.scene.frame_end) == (141, 160)
    said = arrival.build(context, str(tmp_path / "three.npz"))
    assert not layer_of(context.view_layer, home).exclude, "the newest that has frames in common is another version"
    assert ("two is switched off" in said) == (again == "VERSION") == ("three" in bpy.data.collections)
