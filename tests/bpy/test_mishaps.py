# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes after a day's work: things deleted, renamed, hidden, duplicated, linked, in the NLA: each has its way or a sentence."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.anatomy import DOF_INDEX
from skel_blender.export import sample
from skel_blender.messages import SkelError
from skel_blender.rig import assemble, presence, record
from skel_blender.rig.editing import evaluation, motion
from skel_blender.rig.editing.steps import finish
from tests.bpy.characters import of_one_bone
from tests.bpy.evaluated import curves, evaluated
from tests.bpy.panels import draw


def test_a_rig_that_lost_a_bone_says_so_everywhere(rig):
    rig.data.bones["tibia_r"].name = "shin.R"
    assert draw("SKEL_PT_people").labels == ["Bone tibia_r is missing"]
    for name in ("angles", "limits", "ik", "keys"):
        assert not getattr(bpy.types, f"SKEL_PT_{name}").poll(bpy.context)
    for button in (bpy.ops.skel.smooth, bpy.ops.skel.check_limits, bpy.ops.skel.match, bpy.ops.skel.refit):
        with pytest.raises(RuntimeError, match="no longer has a bone tibia_r. Undo"):
            button()
    rig.data.bones["shin.R"].name = "tibia_r"
    assert bpy.ops.skel.check_limits() == {"FINISHED"}


def test_a_bone_in_another_rotation_mode_is_named(rig):
    rig.pose.bones["hand_l"].rotation_mode = "QUATERNION"
    for button in (bpy.ops.skel.smooth, bpy.ops.skel.check_limits):
        with pytest.raises(RuntimeError, match="mode of hand_l was changed.*Set it to .* Euler"):
            button()


def test_angles_of_what_is_no_rig_are_read_without_a_word(rig, context, capfd):
    """Blender reads all properties of all objects when it makes library overrides."""
    for thing in (bpy.data.objects.new("empty", None), bpy.data.objects.new("bare", bpy.data.armatures.new("bare"))):
        assert thing.skel.angles.knee_angle_r == 0.0 and not thing.skel.limits_on and thing.skel.table == "custom"
    assert "Traceback" not in capfd.readouterr().err


def test_a_rig_that_forgot_what_it_was_is_an_armature_like_any_other(rig, context):
    """Custom properties can be cleared, and an export of Blender's own that is read again has some of them."""
    del rig[record.LIMITS]
    assert not record.is_rig(rig) and rig not in record.rigs(context.scene)
    assert not bpy.types.SKEL_PT_angles.poll(context) and not bpy.ops.skel.smooth.poll()


def test_a_take_whose_camera_was_deleted_says_that(rig, context):
    from skel_blender.ui import person_operators

    home = person_operators.home_of(rig)
    bpy.data.objects.remove(assemble.camera_of(home))
    assert person_operators.home_of(rig) == home
    with pytest.raises(SkelError, match="no longer has a camera. Undo"):
        person_operators.SKEL_OT_over_footage.run(None, context)
    home.objects.unlink(rig)
    context.scene.collection.objects.link(rig)
    with pytest.raises(SkelError, match="is no longer in its take's collection"):
        person_operators.home_of(rig)


def test_smoothing_tells_of_limbs_whose_angles_are_not_seen(rig, capfd):
    bpy.ops.skel.smooth()
    assert "led by" not in capfd.readouterr().out
    bpy.ops.skel.match(to="CONTROL", limbs={"hand_ik_r"}, range="FRAME")
    rig["hand_ik_r_on"] = 0.0
    bpy.ops.skel.smooth()
    assert "which were left as they are: Right Hand." in capfd.readouterr().out


def test_another_version_is_not_led_by_the_controls_of_the_one_before(rig, context):
    context.scene.frame_set(12)
    before = np.array(evaluated(rig).pose.bones["calcn_r"].matrix)
    bpy.ops.skel.match(to="CONTROL", range="ACTION")
    rig.pose.bones["foot_ik_r"].location.z += 1.0
    bpy.ops.skel.use_action(name=record.versions(rig)[0].name)
    context.scene.frame_set(13)
    context.scene.frame_set(12)
    assert np.abs(np.array(evaluated(rig).pose.bones["calcn_r"].matrix) - before).max() < 1e-6
    bpy.ops.skel.use_action(name=record.versions(rig)[1].name)
    context.scene.frame_set(12)
    assert rig["foot_ik_r_on"] == 1.0


def test_a_hidden_rig_is_handed_over_as_one_that_is_seen(rig, context):
    keys = []
    for hidden in (False, True):
        assemble.layer_of(context.view_layer, rig.users_collection[0]).hide_viewport = hidden
        bpy.ops.skel.match(to="CONTROL", range="ACTION")
        keys.append([key.co.y for curve in curves(rig) if "hand_ik_r" in curve.data_path for key in curve.keyframe_points])
        bpy.ops.skel.use_action(name=record.versions(rig)[0].name)
    assert len(keys[0]) > 100 and keys[0] == pytest.approx(keys[1], abs=1e-6)


def test_a_pose_that_is_not_keyed_is_handed_over_as_it_is_seen(rig, context):
    context.scene.frame_set(12)
    rig.skel.angles.elbow_flexion_r += 0.4
    context.view_layer.update()
    seen = np.array(evaluated(rig).pose.bones["hand_r"].matrix)
    bpy.ops.skel.match(to="CONTROL", limbs={"hand_ik_r"}, range="FRAME")
    for frame in (12, 20, 12):
        context.scene.frame_set(frame)
    assert np.abs(np.array(evaluated(rig).pose.bones["hand_r"].matrix) - seen).max() < 0.002


def test_motion_in_the_nla_is_told_of(rig):
    data, raw = rig.animation_data, rig.animation_data.action
    strip = data.nla_tracks.new().strips.new("x", 1, raw)
    data.action = None
    with pytest.raises(RuntimeError, match="is in the NLA"):
        bpy.ops.skel.smooth()
    data.nla_tracks.active, strip.select = data.nla_tracks[0], True
    data.use_tweak_mode = True
    with pytest.raises(RuntimeError, match="in tweak mode"):
        bpy.ops.skel.smooth()
    assert list(bpy.data.actions) == [action for action in bpy.data.actions if action.get(record.KIND) == record.RAW]
    data.use_tweak_mode = False
    bpy.ops.skel.use_action(name=raw.name)
    assert data.action == raw and bpy.ops.skel.smooth() == {"FINISHED"}


def test_motion_that_the_nla_plays_is_exported(rig, context):
    data, raw = rig.animation_data, rig.animation_data.action
    (before,) = finish(sample.people(context.scene, [rig], "current", "keys"))
    strip = data.nla_tracks.new().strips.new("x", int(raw.frame_range[0]) + 10, raw)
    data.action = None
    (after,) = finish(sample.people(context.scene, [rig], "current", "keys"))
    assert np.array_equal(after.clips[0].frames, before.clips[0].frames + 10)
    assert np.abs(after.clips[0].world - before.clips[0].world).max() < 1e-6
    strip.mute = True
    with pytest.raises(SkelError, match="has no action"):
        finish(sample.people(context.scene, [rig], "current", "keys"))


def test_who_is_switched_off_is_not_exported_with_everybody(rig, take, context, tmp_path):
    home = assemble.build_take(context, take, collection_name="again")
    assemble.layer_of(context.view_layer, home).exclude = True
    assert bpy.ops.skel.export(preset="generic", filename_ext=".bvh", filepath=str(tmp_path / "x.bvh")) == {"FINISHED"}
    assert sorted(path.name for path in tmp_path.glob("*.bvh")) == ["x_person_1.bvh", "x_person_2.bvh"]


def test_a_rig_without_its_bone_collections_and_groups_is_worked_on(rig):
    rig.data.collections.remove(rig.data.collections_all["Controls"])
    record.parts(rig, "skin")[0].vertex_groups.clear()
    assert "is_visible" not in {name for _, name in draw("SKEL_PT_ik").props}
    assert bpy.ops.skel.match(to="CONTROL", range="FRAME") == {"FINISHED"}
    rig.skel.hide_absent = True
    assert len(record.parts(rig, "skin")) == 1


def test_an_action_of_something_else_or_without_keys_is_named(rig):
    own, rig.animation_data.action = rig.animation_data.action, bpy.data.actions.new("empty")
    with pytest.raises(RuntimeError, match="no keys of the pose"):
        bpy.ops.skel.check_limits()
    bpy.ops.skel.use_action(name=own.name)
    next(curve for curve in curves(rig) if "tibia_r" in curve.data_path).keyframe_points.clear()
    assert motion.frames_of(rig)[0] == 5


def test_removing_a_duplicate_keeps_the_versions_of_the_original(rig):
    bpy.ops.skel.smooth()
    before = record.versions(rig)
    bpy.ops.object.duplicate()
    assert bpy.context.object != rig and record.is_rig(bpy.context.object)
    bpy.ops.skel.remove_person()
    assert set(before) <= set(record.versions(rig)) and all(action.use_fake_user for action in before)


def test_a_version_that_a_duplicate_plays_is_not_removed(rig):
    bpy.ops.skel.smooth()
    bpy.ops.object.duplicate()
    twin = bpy.context.object
    played = twin.animation_data.action
    bpy.context.view_layer.objects.active = rig
    assert played in record.versions(rig) and played != rig.animation_data.action
    with pytest.raises(RuntimeError, match=f"{twin.name} plays {played.name} or has it in the NLA. Choose another version there"):
        bpy.ops.skel.remove_action(name=played.name)
    assert twin.animation_data.action == played
    bpy.data.objects.remove(twin)
    assert bpy.ops.skel.remove_action(name=played.name) == {"FINISHED"}


def link(tmp_path, rig) -> str:
    """Save the scene as a library, link its take into an empty scene; the rig's name."""
    name, home, path = rig.name, rig.users_collection[0].name, str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.collections = [home]
    bpy.context.scene.collection.children.link(bpy.data.collections[home])
    return name


def test_a_linked_rig_asks_for_an_override(rig, context, tmp_path):
    name = link(tmp_path, rig)
    bpy.context.view_layer.objects.active = bpy.data.objects[name]
    assert bpy.ops.skel.check_limits() == {"FINISHED"}
    for button in (bpy.ops.skel.smooth, bpy.ops.skel.match, bpy.ops.skel.thin_keys, bpy.ops.skel.refit):
        with pytest.raises(RuntimeError, match="linked from another file. Make a library override"):
            button()
    with pytest.raises(RuntimeError, match="comes from another file"):
        bpy.ops.skel.remove_person()


def test_an_override_is_keyed_and_limited_without_noise_and_keeps_it(rig, context, tmp_path, capfd):
    name = link(tmp_path, rig)
    home = bpy.data.objects[name].users_collection[0]
    mine = home.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    rig = next(thing for thing in mine.objects if record.is_rig(thing) and thing.name == name)
    bpy.context.view_layer.objects.active = rig
    assert "Traceback" not in capfd.readouterr().err
    rig.skel.angles.knee_angle_r, rig.skel.angles.hip_flexion_r = 0.5, 0.25
    bpy.ops.skel.key_angles(dofs="knee_angle_r hip_flexion_r")
    assert rig.animation_data.action.library is None and rig.animation_data.action[record.KIND] == motion.EDITED
    bpy.ops.skel.limit_dof(dof="knee_angle_l", low=0.0, up=0.7)
    assert not record.is_said(rig)
    rig.skel.stature, rig[record.SAID["body"]] = 1.7, "female"
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    rig = next(thing for thing in bpy.data.objects if record.is_rig(thing) and thing.name == name and thing.library is None)
    poses = motion.read(rig, [bpy.context.scene.frame_current])[0][0]
    assert [poses[DOF_INDEX[dof]] for dof in ("knee_angle_r", "hip_flexion_r")] == pytest.approx([0.5, 0.25], abs=1e-6)
    assert record.limits(rig)[DOF_INDEX["knee_angle_l"]] == pytest.approx([0.0, 0.7])
    assert record.said(rig, "stature") == pytest.approx(1.7) and record.said(rig, "body") == "female"
    assert rig.pose.bones["tibia_l"].constraints["Limit Rotation"].max_x == pytest.approx(0.7)


def test_what_was_found_beyond_limits_is_told_no_more_once_a_bone_is_gone(rig, capfd):
    """The list is brought up to date on every change of the scene."""
    knee = next(curve for curve in curves(rig) if "tibia_r" in curve.data_path)
    for key in knee.keyframe_points:
        key.co.y = -1.0
    assert bpy.ops.skel.check_limits() == {"FINISHED"} and len(bpy.context.window_manager.skel.violations)
    rig.data.bones["tibia_r"].name = "shin.R"
    bpy.context.scene.frame_set(9)
    assert "Traceback" not in capfd.readouterr().err


def test_after_blenders_own_bake_limits_heights_and_frames_can_be_changed(rig, context):
    """It keys whatever numbers an object has as custom properties."""
    presence.apply(rig, True)
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.nla.bake(frame_start=5, frame_end=9, only_selected=False, visual_keying=True, bake_types={"POSE"})
    assert any("skel_limits" in curve.data_path for curve in curves(rig))
    bpy.ops.skel.limit_dof(dof="knee_angle_r", low=0.0, up=0.7)
    rig.skel.stature = 1.6
    rig.skel.start = 11
    context.scene.frame_set(context.scene.frame_current + 3)
    assert record.limits(rig)[DOF_INDEX["knee_angle_r"]] == pytest.approx([0.0, 0.7])
    assert record.said(rig, "stature") == pytest.approx(1.6) and rig[presence.FIRST] == 15


def test_a_key_that_is_no_number_is_named(rig):
    knee = next(curve for curve in curves(rig) if "tibia_r" in curve.data_path)
    knee.keyframe_points[4].co.y = float("nan")
    for button in (bpy.ops.skel.thin_keys, bpy.ops.skel.smooth, bpy.ops.skel.check_limits):
        with pytest.raises(RuntimeError, match="On frame 9 tibia_r has a value that is not a number"):
            button()


def test_values_that_nobody_has_keyed_stay_whatever_their_names_and_kinds(rig, context):
    """Rigify's switches are custom properties of bones with dots in their names; a rotation mode is a word."""
    other = of_one_bone(context, "thigh_parent.L")
    bone = other.pose.bones["thigh_parent.L"]
    bone["IK.FK"], bone.rotation_mode = 0.0, "XYZ"
    for path in ('["IK.FK"]', "rotation_mode", "location"):
        bone.keyframe_insert(path, frame=1)
    bone["IK.FK"], bone.rotation_mode, bone.location.y = 1.0, "QUATERNION", 2.0
    with evaluation.kept_values():
        context.scene.frame_set(9)
        assert (bone["IK.FK"], bone.rotation_mode, bone.location.y) == (0.0, "XYZ", 0.0)
    assert (bone["IK.FK"], bone.rotation_mode, bone.location.y) == (1.0, "QUATERNION", 2.0)
