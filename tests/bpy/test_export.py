# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports beside what other programs read of them: the scene stays as it was, and what presets and options promise."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import JOINT_INDEX, JOINT_NAMES
from skel_blender.export import names, presets, writing
from skel_blender.messages import SkelError
from skel_blender.rig import motion
from skel_blender.rig.assemble import build_take, place_of
from tests import synthetic
from tests.bpy import deliveries, dump, importing
from tests.bpy.evaluated import evaluated, mesh_points, model_skin, rig_of

FRAMES = deliveries.POSED


def export(take, path, preset="generic", **changes):
    return deliveries.deliver(take, path, presets.choose(preset, **changes))


def read(path, take, preset="generic", **changes):
    return importing.by_blender(path, take, presets.choose(preset, **changes))


@pytest.mark.parametrize("ending", ["fbx", "glb", "usdc", "bvh", "abc"])
def test_an_export_changes_nothing_in_the_scene(context, tmp_path, ending):
    """Not the pose that is not keyed either, the mode, the selection, the frame, shape keys, or a name that the file takes."""
    collection = build_take(context, synthetic.random_take(frames=4, people=1), hide=True)
    rig = rig_of(collection)
    skin = next(thing for thing in collection.objects if thing.get("skel_part") == "skin")
    for name in ("Basis", "corrective"):
        skin.shape_key_add(name=name)
    bpy.data.objects.new("Armature", bpy.data.armatures.new("Armature"))
    motion.smooth(rig, 0.2, 29.97, {"arm_r"})
    context.scene.frame_set(3)
    rig.select_set(True)
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    rig.pose.bones["humerus_r"].rotation_euler = (0.1, 0.2, 0.3)
    context.view_layer.update()
    before = dump.dump()
    preset = presets.choose("unreal", bones=True, clips="all" if ending in ("fbx", "glb", "bvh") else "current")
    writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", preset)
    assert dump.differences(before, dump.dump()) == []
    context.view_layer.update()
    assert tuple(rig.pose.bones["humerus_r"].rotation_euler) == pytest.approx((0.1, 0.2, 0.3))


def test_a_dump_sees_small_changes(context):
    rig = rig_of(build_take(context, synthetic.random_take(frames=3, people=1)))
    before = dump.dump()
    assert dump.differences(before, dump.dump()) == []
    rig.pose.bones["humerus_r"].rotation_euler.x += 0.01
    context.scene.frame_current += 1
    assert len(dump.differences(before, dump.dump())) >= 2


def test_an_export_in_edit_mode_leaves_it(context, tmp_path):
    rig = rig_of(build_take(context, synthetic.random_take(frames=3, people=1)))
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for ending in ("fbx", "glb"):
        writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose("generic"))
        assert context.mode == "EDIT_ARMATURE" and context.active_object == rig


@pytest.mark.parametrize("ending", ["fbx", "glb", "usdc", "bvh", "abc"])
def test_what_cannot_be_written_is_one_sentence_and_the_old_file_stays(context, tmp_path, ending):
    old = tmp_path / f"shot.{ending}"
    old.mkdir()  # nothing can take the place of a folder
    scenes = len(bpy.data.scenes)
    with pytest.raises(SkelError, match="could not be written"):
        export(synthetic.random_take(frames=3, people=1), old)
    assert [entry.name for entry in tmp_path.iterdir()] == [old.name]
    assert len(bpy.data.scenes) == scenes


@pytest.mark.parametrize(
    ("path", "changes", "sentence"),
    [("shot.obj", {}, "Choose one of .fbx"), ("shot.usdc", {"clips": "all"}, "holds one motion"), ("shot.abc", {"skin": False}, "no mesh")],
)
def test_what_cannot_be_asked_for_is_said(context, tmp_path, path, changes, sentence):
    with pytest.raises(SkelError, match=sentence):
        export(synthetic.random_take(frames=3, people=1), tmp_path / path, **changes)
    assert not list(tmp_path.iterdir())


def test_presets_and_options_that_there_are_not_are_said():
    with pytest.raises(SkelError, match="There is no preset maya. Choose one of generic, unreal"):
        presets.choose("maya")
    with pytest.raises(SkelError, match="Choose one of t, a, first"):
        presets.choose("unity", rest="x")


def test_a_scene_without_people_is_said(context):
    with pytest.raises(SkelError, match="no reconstructed person"):
        writing.rigs_of(context.scene.objects)


@pytest.mark.parametrize("ending", ["fbx", "glb", "usdc"])
def test_people_share_a_file_or_get_one_each(context, tmp_path, ending):
    take = deliveries.take(people=2)
    assert export(take, tmp_path / f"both.{ending}") == [tmp_path / f"both.{ending}"]
    files = export(take, tmp_path / f"each.{ending}", separate=True)
    assert [file.name for file in files] == [f"each_person_{k}.{ending}" for k in (1, 2)]
    preset = presets.choose("generic")
    for person, file in zip(take.people, files):
        report = read(file, take)
        expected = deliveries.expected_joints(person, preset)
        assert np.linalg.norm(report.places(list(report.bones)) - _ordered(expected, report), axis=-1).max() < 1e-3
    bpy.ops.wm.read_factory_settings(use_empty=True)
    {"fbx": bpy.ops.import_scene.fbx, "glb": bpy.ops.import_scene.gltf, "usdc": bpy.ops.wm.usd_import}[ending](
        filepath=str(tmp_path / f"both.{ending}"))  # fmt: skip
    assert sum(thing.type == "ARMATURE" for thing in bpy.data.objects) == 2


def _ordered(expected, report, table=names.SKEL):
    order = list(deliveries.expected_bones(presets.choose("generic", names=table)))
    return expected[:, [order.index(name) for name in report.bones]]


@pytest.mark.parametrize("table", names.TITLES)
def test_bones_have_the_names_and_the_hierarchy_of_the_map(context, tmp_path, table):
    take = deliveries.take()
    preset = presets.choose("generic", names=table)
    report = read(*export(take, tmp_path / "shot.fbx", names=table), take, names=table)
    assert report.bones == deliveries.expected_bones(preset)
    expected = deliveries.expected_joints(take.people[0], preset)
    assert np.linalg.norm(report.places(list(report.bones)) - _ordered(expected, report, table), axis=-1).max() < 1e-3


def test_every_map_has_every_joint_once():
    for table in names.TITLES:
        rows = names.bones(table)
        assert sorted(row.joint for row in rows) == sorted(JOINT_NAMES)
        called = [names.root(table), *(row.name for row in rows)]
        assert len(set(called)) == len(called)
        for index, row in enumerate(rows):
            assert row.parent is None or row.parent in called[: index + 1]


@pytest.mark.parametrize("rest", presets.RESTS)
@pytest.mark.parametrize("ending", ["fbx", "glb"])
def test_the_rest_pose_is_the_one_that_was_asked_for(context, tmp_path, ending, rest):
    """At rest: the root bone at the origin, the person over it, the skin as the joints' weights carry it; in motion: joints as ever."""
    take = deliveries.take()
    person, preset = take.people[0], presets.choose("generic", rest=rest)
    report = read(*export(take, tmp_path / f"shot.{ending}", rest=rest), take, rest=rest)
    expected = deliveries.expected_joints(person, preset)
    assert np.linalg.norm(report.places(list(report.bones)) - _ordered(expected, report), axis=-1).max() < 1e-3
    poses = {"t": np.zeros((1, 46)), "a": _a_pose()[None], "first": person.poses[:1]}[rest]
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


def _a_pose():
    from skel_blender.rig import restposes

    return restposes.angles("SKEL A Pose")


@pytest.mark.parametrize("travel", presets.TRAVELS)
def test_the_way_is_carried_by_the_bone_that_was_asked_for(context, tmp_path, travel):
    take = deliveries.take()
    preset = presets.choose("generic", travel=travel)
    report = read(*export(take, tmp_path / "shot.glb", travel=travel), take)
    bones = list(report.bones)
    joints = report.places(bones)
    expected = _ordered(deliveries.expected_joints(take.people[0], preset), report)
    root = joints[:, bones.index("root")]
    if travel != "root":
        assert np.abs(root).max() < 1e-5
    if travel == "none":
        hips = expected[:, [bones.index("femur_r"), bones.index("femur_l")]].mean(axis=1) * [1, 1, 0]
        expected = expected - hips[:, None]
    inner = [k for k, name in enumerate(bones) if name != "root"]
    assert np.linalg.norm(joints[:, inner] - expected[:, inner], axis=-1).max() < 1e-3


def test_the_root_turns_with_the_hips_only_if_asked_to(context, tmp_path):
    take = deliveries.take()
    take.people[0].poses[:, :2] *= 0.3  # who stands has a heading
    turns = []
    for heading in (False, True):
        read(*export(take, tmp_path / "shot.glb", heading=heading), take)
        (rig,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
        angles = []
        for frame in np.linspace(0, importing.RATE * deliveries.times(take, (deliveries.FRAMES - 1,))[0], 40):
            bpy.context.scene.frame_set(int(frame), subframe=frame - int(frame))
            posed = evaluated(rig).pose.bones
            forward = (rig.matrix_world @ posed["root"].matrix @ rig.data.bones["root"].matrix_local.inverted()).to_3x3().col[1]
            hips = (rig.matrix_world @ posed["pelvis"].matrix @ rig.data.bones["pelvis"].matrix_local.inverted()).to_3x3().col[1]
            angles.append([np.arctan2(forward.x, forward.y) - np.arctan2(hips.x, hips.y), np.arctan2(forward.x, forward.y)])
        turns.append(np.array(angles))
    assert np.abs(turns[0][:, 1]).max() < 1e-5
    whole = np.exp(1j * turns[1][::2, 0])
    assert np.abs(np.angle(whole)).mean() < 0.2 and np.ptp(turns[1][:, 1]) > 0.5


def test_a_moved_and_scaled_take_is_written_where_and_as_large_as_it_stands(context, tmp_path):
    take = deliveries.take()
    collection = build_take(context, take)
    place = place_of(collection)
    place.location, place.rotation_euler, place.scale = (1.0, 2.0, 0.5), (0.0, 0.0, 0.7), (1.5, 1.5, 1.5)
    context.view_layer.update()
    matrix = np.array(place.matrix_world)
    preset = presets.choose("generic")
    (path,) = writing.write(context.scene, writing.rigs_of(collection.all_objects), tmp_path / "shot.fbx", preset)
    report = read(path, take)
    bones = [name for name in report.bones if name != "root"]
    order = list(deliveries.expected_bones(preset))
    expected = deliveries.expected_joints(take.people[0], preset)[:, [order.index(name) for name in bones]]
    assert np.linalg.norm(report.places(bones) - (expected @ matrix[:3, :3].T + matrix[:3, 3]), axis=-1).max() < 1.5e-3
    assert report.scale < 1e-4


def test_a_scaled_bone_is_refused(context, tmp_path):
    collection = build_take(context, synthetic.random_take(frames=3, people=1))
    rig_of(collection).pose.bones["tibia_l"].scale = (1.0, 1.2, 1.0)
    with pytest.raises(SkelError, match="The bone tibia_l of person_1 is scaled"):
        writing.write(context.scene, [rig_of(collection)], tmp_path / "shot.fbx", presets.choose("generic"))
    assert not list(tmp_path.iterdir())


def test_the_skeletons_meshes_ride_along(context, tmp_path):
    take = deliveries.take()
    person = take.people[0]
    read(*export(take, tmp_path / "shot.fbx", bones=True, skin=False), take)
    (mesh,) = (thing for thing in bpy.data.objects if thing.find_armature())
    assert mesh.name == "person_1_skeleton"
    transforms = person.transforms()[-1]  # where reading has left the scene
    moved = person.body.bone_verts - person.body.joints[person.body.bone_joint]
    moved = np.einsum("vij,vj->vi", transforms[person.body.bone_joint, :3, :3], moved) + transforms[person.body.bone_joint, :3, 3]
    assert deliveries.apart(mesh_points(mesh), kinematics.z_up(moved)) < 1e-3


def test_all_versions_become_clips_of_their_names(context, tmp_path):
    collection = build_take(context, deliveries.take())
    rig = rig_of(collection)
    motion.smooth(rig, 0.3, 29.97, {"arm_r", "leg_r"})
    preset = presets.choose("generic", clips="all")
    assert [file.name for file in writing.write(context.scene, [rig], tmp_path / "shot.bvh", preset)] == [
        "shot_raw.bvh", "shot_smoothed.bvh"]  # fmt: skip
    for ending in ("fbx", "glb"):
        writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", preset)
    for ending, read_in in (("fbx", bpy.ops.import_scene.fbx), ("glb", bpy.ops.import_scene.gltf)):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.scene.render.fps = importing.RATE
        read_in(filepath=str(tmp_path / f"shot.{ending}"))
        found = {action.name: action.frame_range for action in bpy.data.actions}
        assert {name.split("|")[1] if "|" in name else name.removesuffix("_person_1") for name in found} == {"raw", "smoothed"}


def test_the_range_is_the_keys_or_the_scenes(context, tmp_path):
    collection = build_take(context, deliveries.take())
    context.scene.frame_start, context.scene.frame_end = 8, 12
    (path,) = writing.write(context.scene, [rig_of(collection)], tmp_path / "shot.bvh", presets.choose("generic", range="scene"))
    assert "Frames: 5\n" in path.read_text()


def test_alembic_holds_the_skin_as_blender_shows_it(context, tmp_path):
    """With what only the evaluated skin has: a modifier that no skeleton carries."""
    take = deliveries.take()
    collection = build_take(context, take)
    skin = next(thing for thing in collection.objects if thing.get("skel_part") == "skin")
    skin.modifiers.new("Thicker", "DISPLACE").strength = 0.02
    frames = [take.people[0].frames[k] + 1 for k in deliveries.SKINNED]
    expected = []
    for frame in frames:
        context.scene.frame_set(int(frame))
        expected.append(mesh_points(skin))
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


def test_joint_index_covers_the_maps():
    assert {row.head for table in names.TITLES for row in names.bones(table)} <= set(JOINT_INDEX)
