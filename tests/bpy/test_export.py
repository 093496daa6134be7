# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports change nothing in the scene, and what can't be done is said in a sentence."""

from __future__ import annotations

import bpy
import pytest

from skel_blender.export import presets, stage, writing
from skel_blender.messages import SkelError
from skel_blender.rig import assemble
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import motion
from tests import synthetic
from tests.bpy import deliveries, dump
from tests.bpy.evaluated import mesh_points, rig_of


def test_an_export_changes_nothing_in_the_scene(context, tmp_path):
    """Not the pose that is not keyed either, the mode, the selection, the frame, shape keys, or a name that the file takes."""
    collection = build_take(context, synthetic.random_take(frames=4, people=1), hide=True)
    rig = rig_of(collection)
    skin = next(thing for thing in collection.all_objects if thing.get("skel_part") == "skin")
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
    for ending in ("fbx", "glb", "usdc", "bvh", "abc"):
        preset = presets.choose("unreal", bones=True, clips="all" if ending in ("fbx", "glb", "bvh") else "current")
        writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", preset)
        assert dump.differences(before, dump.dump()) == [], ending
    context.view_layer.update()
    assert tuple(rig.pose.bones["humerus_r"].rotation_euler) == pytest.approx((0.1, 0.2, 0.3))
    rig.pose.bones["humerus_r"].rotation_euler.x += 0.01
    context.scene.frame_current += 1
    assert len(dump.differences(before, dump.dump())) >= 2  # it sees small changes


@pytest.mark.parametrize("ending", ["fbx", "glb", "bvh", "abc"])
def test_a_rig_in_edit_mode_is_named_as_it_shows_no_motion_there(context, tmp_path, ending):
    rig = rig_of(build_take(context, synthetic.random_take(frames=3, people=1)))
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(SkelError, match="person_1 is in Edit Mode, where it has no pose. Leave Edit Mode."):
        writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose("generic"))
    assert context.mode == "EDIT_ARMATURE" and context.active_object == rig and not list(tmp_path.iterdir())


def test_an_export_while_a_mesh_is_edited_leaves_it_so(context, tmp_path):
    rig = rig_of(build_take(context, synthetic.random_take(frames=3, people=1)))
    context.view_layer.objects.active = rig.children[0]
    bpy.ops.object.mode_set(mode="EDIT")
    for ending in ("fbx", "glb"):
        writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose("generic"))
        assert context.mode == "EDIT_MESH" and context.active_object == rig.children[0]


@pytest.mark.parametrize("ending", ["bvh", "abc"])
def test_a_rig_in_rest_position_is_exported_with_its_motion(context, tmp_path, ending):
    rig = rig_of(build_take(context, synthetic.random_take(frames=3, people=1)))
    written = []
    for position in ("POSE", "REST"):
        rig.data.pose_position = position
        writing.write(context.scene, [rig], tmp_path / f"{position}.{ending}", presets.choose("generic"))
        assert rig.data.pose_position == position
        written.append(_contents(tmp_path / f"{position}.{ending}"))
    assert written[0] == written[1] and len(set(written[0])) > 3


def _contents(path):
    """The lines of a BVH; of Alembic's skin, places on the frames."""
    if path.suffix == ".bvh":
        return path.read_text().splitlines()
    bpy.ops.wm.alembic_import(filepath=str(path), as_background_job=False)
    skin = bpy.context.view_layer.objects.active
    places = []
    for frame in range(1, 4):
        bpy.context.scene.frame_set(frame)
        places += [tuple(round(value, 5) for value in point) for point in mesh_points(skin)[::200]]
    bpy.data.objects.remove(skin)
    return places


@pytest.mark.parametrize("ending", ["fbx", "glb", "usdc", "bvh", "abc"])
def test_what_cannot_be_written_is_one_sentence_and_the_old_file_stays(context, tmp_path, ending):
    old = tmp_path / f"shot.{ending}"
    old.mkdir()  # nothing can take the place of a folder
    scenes = len(bpy.data.scenes)
    with pytest.raises(SkelError, match="could not be written"):
        deliveries.export(synthetic.random_take(frames=3, people=1), old)
    assert [entry.name for entry in tmp_path.iterdir()] == [old.name]
    assert len(bpy.data.scenes) == scenes


@pytest.mark.parametrize(
    ("path", "changes", "sentence"),
    [("shot.obj", {}, "Choose one of .fbx"), ("shot.usdc", {"clips": "all"}, "only one motion"), ("shot.abc", {"skin": False}, "no mesh")],
)
def test_what_cannot_be_asked_for_is_said(context, tmp_path, path, changes, sentence):
    with pytest.raises(SkelError, match=sentence):
        deliveries.export(synthetic.random_take(frames=3, people=1), tmp_path / path, **changes)
    assert not list(tmp_path.iterdir())


def test_presets_and_options_that_there_are_not_are_said():
    with pytest.raises(SkelError, match="There is no preset maya. Choose one of generic, unreal"):
        presets.choose("maya")
    with pytest.raises(SkelError, match="Choose one of t, a, first"):
        presets.choose("unity", rest="x")


def test_a_scene_without_people_is_said(context):
    with pytest.raises(SkelError, match="no reconstructed person"):
        writing.rigs_of(context.scene.objects)


def test_what_the_context_gives_belongs_to_a_scene_that_is_alive(context):
    """Exporters set `bpy.context.window.scene`: in 4.2 that writes to the scene that the context was last asked something of."""
    other, place = (bpy.data.scenes.new(name) for name in ("other", "place"))
    with context.temp_override(scene=other):
        assert context.tool_settings
    with stage.in_scene(place):
        assert context.window.id_data != other
        assert context.tool_settings
    assert context.window.id_data != place


def test_a_scaled_bone_is_refused(context, tmp_path):
    collection = build_take(context, synthetic.random_take(frames=3, people=1))
    rig_of(collection).pose.bones["tibia_l"].scale = (1.0, 1.2, 1.0)
    with pytest.raises(SkelError, match="The bone tibia_l of person_1 is scaled"):
        writing.write(context.scene, [rig_of(collection)], tmp_path / "shot.fbx", presets.choose("generic"))
    assert not list(tmp_path.iterdir())


def test_a_mirrored_take_is_refused(context, tmp_path):
    """A skeleton has no mirrored bones: the file would hold another motion."""
    collection = build_take(context, synthetic.random_take(frames=3, people=1))
    assemble.place_of(collection).scale.x = -1.0
    with pytest.raises(SkelError, match="of person_1 is scaled along one axis, to nothing, or mirrored. .* take's empty"):
        writing.write(context.scene, [rig_of(collection)], tmp_path / "shot.fbx", presets.choose("generic"))


def test_a_take_that_grows_is_refused_and_told_why(context, tmp_path):
    collection = build_take(context, synthetic.random_take(frames=3, people=1))
    place = assemble.place_of(collection)
    place.keyframe_insert("scale", frame=1)
    place.scale = (1.5, 1.5, 1.5)
    place.keyframe_insert("scale", frame=3)
    with pytest.raises(SkelError, match="person_1 changes size during its motion"):
        writing.write(context.scene, [rig_of(collection)], tmp_path / "shot.fbx", presets.choose("generic"))


def test_the_range_is_the_keys_or_the_scenes(context, tmp_path):
    collection = build_take(context, deliveries.take())
    context.scene.frame_start, context.scene.frame_end = 8, 12
    (path,) = writing.write(context.scene, [rig_of(collection)], tmp_path / "shot.bvh", presets.choose("generic", range="scene"))
    assert "Frames: 5\n" in path.read_text()
