# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig's panels and operators, without a window: what they show is what the rig is, what they do can be undone by hand."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest

from skel_blender.anatomy import DOF_INDEX, DOFS, LIMIT_TABLES
from skel_blender.rig import continuity, controls, layout, limits, record
from skel_blender.rig.assemble import build_take, layer_of
from skel_blender.rig.editing import motion
from tests import synthetic
from tests.bpy.evaluated import evaluated
from tests.bpy.panels import draw

KNEE = DOF_INDEX["knee_angle_r"]


def test_all_angles_have_a_slider_in_degrees_with_their_range(rig, take):
    shown = set()
    for limb in ("TRUNK", "HEAD", "ARM_R", "ARM_L", "LEG_R", "LEG_L"):
        bpy.context.window_manager.skel.limb = limb
        shown |= {name for _, name in draw("SKEL_PT_angles").props if name != "rotation_euler"}
    assert shown == {dof.name for dof in DOFS} | {"limb"}
    bpy.context.scene.frame_set(int(take.frames[2]) + 1)
    poses = continuity.continuous(take.people[0].poses, take.people[0].body.limits)[2]
    for dof in DOFS:
        slider = type(rig.skel.angles).bl_rna.properties[dof.name]
        assert slider.subtype == "ANGLE" and slider.soft_min < slider.soft_max
        assert getattr(rig.skel.angles, dof.name) == pytest.approx(poses[dof.index], abs=1e-5)


def test_a_slider_turns_its_channel_to_the_limit_and_with_x_mirror_the_other_side_too(rig):
    rig.animation_data.action = None
    channel = layout.channel(KNEE)
    rig.skel.angles.knee_angle_r = 0.7
    assert channel.sign * rig.pose.bones[channel.bone].rotation_euler[channel.index] == pytest.approx(0.7)
    rig.skel.angles.knee_angle_r = 9.0
    assert rig.skel.angles.knee_angle_r == pytest.approx(record.limits(rig)[KNEE, 1])
    rig.skel.limits_on = False
    rig.skel.angles.knee_angle_r = 3.0
    assert rig.skel.angles.knee_angle_r == pytest.approx(3.0)
    rig.pose.use_mirror_x = True
    before = motion.pose_now(rig)
    for dof in DOFS:
        if dof.name.endswith("_r") or "_r_" in dof.name:
            setattr(rig.skel.angles, dof.name, 0.01 * dof.index)
    after = motion.pose_now(rig)
    right = [dof.index for dof in DOFS if dof.mirror > dof.index]
    left = [DOFS[index].mirror for index in right]
    assert np.abs(synthetic.mirrored(after)[left] - after[left]).max() < 1e-6
    assert np.array_equal(after[:3], before[:3])


@pytest.mark.parametrize("table", sorted(LIMIT_TABLES))
def test_a_table_of_limits_goes_into_constraints_and_ik(rig, table):
    rig.skel.table = table
    assert rig.skel.table == table
    expected = np.sort(np.array(LIMIT_TABLES[table]), axis=1)
    assert np.allclose(record.limits(rig), expected)
    for dof in DOFS:
        channel, (low, up) = layout.channel(dof.index), expected[dof.index]
        constraint, axis = rig.pose.bones[channel.bone].constraints[limits.CONSTRAINT], "xyz"[channel.index]
        assert getattr(constraint, f"use_limit_{axis}") == math.isfinite(low)
        if math.isfinite(low):
            found = sorted(channel.sign * getattr(constraint, f"{end}_{axis}") for end in ("min", "max"))
            assert found == pytest.approx([low, up], abs=1e-5)
    for limb in controls.REACHING:
        for segment in (segment for joint in controls.segments(limb) for segment in joint):
            bone, channel = rig.pose.bones[segment.name], layout.channel(segment.dof)
            low, up = expected[segment.dof]
            axis = "xyz"[channel.index]
            assert getattr(bone, f"use_ik_limit_{axis}") == math.isfinite(low)
            if math.isfinite(low):
                found = sorted(channel.sign * getattr(bone, f"ik_{end}_{axis}") for end in ("min", "max"))
                assert found == pytest.approx([min(low, 0), max(up, 0)], abs=1e-5)


def test_limits_go_off_and_on_and_one_can_be_set(rig):
    rig.skel.limits_on = False
    assert not rig.skel.limits_on and all(bone.constraints[limits.CONSTRAINT].mute for bone in rig.pose.bones if "femur" == bone.name[:5])
    rig.skel.limits_on = True
    bpy.ops.skel.limit_dof(dof="knee_angle_r", low=0.1, up=1.2)
    assert rig.skel.table == "custom" and record.limits(rig)[KNEE] == pytest.approx([0.1, 1.2])
    assert record.limits(rig)[KNEE + 7] == pytest.approx(record.body_limits(rig)[KNEE + 7])
    rig.skel.table = "body"
    assert np.allclose(record.limits(rig), record.body_limits(rig))
    with pytest.raises(RuntimeError, match="minimum is greater than the maximum"):
        bpy.ops.skel.limit_dof(dof="knee_angle_r", low=1.0, up=0.5)


def test_a_range_given_the_wrong_way_round_is_used_and_told(rig):
    table = record.body_limits(rig)
    table[KNEE] = table[KNEE, ::-1]
    limits.apply(rig, table, "custom")
    assert np.allclose(record.limits(rig), record.body_limits(rig))
    assert "knee_angle_r is reversed in this table" in draw("SKEL_PT_limits").labels


def test_a_check_lists_what_goes_beyond_and_leads_there(rig, take):
    scene, view = bpy.context.scene, bpy.context.window_manager.skel
    bpy.ops.skel.check_limits()
    assert not len(view.violations) and "All frames" in draw("SKEL_PT_limits").labels[0]
    bpy.ops.skel.limit_dof(dof="knee_angle_r", low=0.0, up=1.0)
    poses = take.people[0].poses[:, KNEE]
    bpy.ops.skel.check_limits()
    (row,) = view.violations
    worst = int(take.frames[poses.argmax()]) + 1
    assert (row.dof, row.frame, row.count) == (KNEE, worst, int((poses > 1.0).sum()))
    assert row.worst == pytest.approx(poses.max() - 1.0, abs=1e-4) and "Right Knee (0\N{HORIZONTAL ELLIPSIS}57" in row.text
    bpy.ops.skel.jump_limit(where="WORST", dof=KNEE)
    assert scene.frame_current == worst and row.now == pytest.approx(row.worst, abs=1e-4)
    channel = layout.channel(KNEE)
    rig.pose.bones[channel.bone].rotation_euler[channel.index] = channel.sign * 1.25
    bpy.context.view_layer.update()
    assert row.now == pytest.approx(0.25, abs=1e-4)
    scene.frame_set(scene.frame_start)
    bad = take.frames[poses > 1.0] + 1
    bpy.ops.skel.jump_limit(where="NEXT")
    assert scene.frame_current == bad[bad > scene.frame_start][0]
    shown = draw("SKEL_PT_limits")
    assert any("Right Knee" in text for text in shown.labels) and shown.operators.count("skel.jump_limit") == 3
    bpy.ops.skel.limit_dof(dof="knee_angle_r", low=0.0, up=3.0)
    with pytest.raises(RuntimeError, match="No other frame"):
        bpy.ops.skel.jump_limit(where="NEXT")


def test_versions_of_the_keys_are_made_and_chosen(rig):
    raw = rig.animation_data.action
    assert bpy.ops.skel.smooth(seconds=0.1, limbs={"HEAD"}) == {"FINISHED"}
    assert bpy.ops.skel.thin_keys() == {"FINISHED"}
    assert {action.name for action in record.versions(rig)} == {"person_1", "person_1 smoothed", "person_1 thinned"}
    assert draw("SKEL_PT_keys").operators.count("skel.use_action") == 3
    bpy.ops.skel.use_action(name=raw.name)
    assert rig.animation_data.action == raw
    with pytest.raises(RuntimeError, match="Choose at least one"):
        bpy.ops.skel.smooth(limbs=set())


def test_a_version_is_removed_by_button(rig):
    raw = rig.animation_data.action
    bpy.ops.skel.smooth(seconds=0.1, limbs={"HEAD"})
    assert "skel.remove_action" not in draw("SKEL_PT_keys").operators  # neither what is used nor what came from the engine
    bpy.ops.skel.use_action(name=raw.name)
    assert draw("SKEL_PT_keys").operators.count("skel.remove_action") == 1
    bpy.ops.skel.remove_action(name="person_1 smoothed")
    assert record.versions(rig) == [raw]
    with pytest.raises(RuntimeError, match="There is no version"):
        bpy.ops.skel.remove_action(name="person_1 smoothed")


def test_the_sliders_follow_the_active_bone(rig):
    bones, view = rig.data.bones, bpy.context.window_manager.skel
    view.limb = "ACTIVE"
    for name, slider in (("tibia_l", "knee_angle_l"), ("foot_ik_l", "knee_angle_l"), ("thorax", "thorax_twist"), ("root", None)):
        bones.active = bones[name]
        shown = {name for _, name in draw("SKEL_PT_angles").props} - {"limb", "rotation_euler"}
        assert slider in shown if slider else not shown
    bones.active, told = bones["tibia_l"], "Led by an IK control now"
    assert told not in draw("SKEL_PT_angles").labels
    bpy.ops.skel.match(to="CONTROL", limbs={"foot_ik_l"}, range="FRAME")
    assert told in draw("SKEL_PT_angles").labels


def test_an_angle_is_keyed_by_button_and_the_panel_shows_whether_it_is(rig, take, context):
    frame = int(take.frames[5]) + 1
    context.scene.frame_set(frame)
    assert motion.is_keyed(rig, KNEE, frame) and not motion.is_keyed(rig, KNEE, frame + 1)
    rig.skel.angles.knee_angle_r = 0.77
    assert not motion.is_keyed(rig, KNEE, frame)
    bpy.context.window_manager.skel.limb = "LEG_R"
    assert draw("SKEL_PT_angles").operators.count("skel.key_angles") == 8
    bpy.ops.skel.key_angles(dofs="hip_flexion_r knee_angle_r")
    assert motion.is_keyed(rig, KNEE, frame)
    poses = motion.read(rig, [frame - 1, frame])[0]
    assert poses[:, KNEE] == pytest.approx([take.people[0].poses[4, KNEE], 0.77], abs=1e-5)


def test_people_are_chosen_by_button_and_posing_goes_on(rig, take, context):
    shown = draw("SKEL_PT_people")
    assert shown.operators.count("skel.select_person") == 2 and not shown.labels
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.skel.select_person(name="person_2")
    other = context.view_layer.objects.active
    assert other.name == "person_2" and other.mode == "POSE" and rig.mode == "OBJECT"
    with pytest.raises(RuntimeError, match="There is no longer a rig"):
        bpy.ops.skel.select_person(name="nobody")
    bpy.ops.object.mode_set(mode="OBJECT")


def test_of_several_takes_one_can_be_switched_off_in_the_list(rig, take, context):
    homes = [rig.users_collection[0], build_take(context, take, collection_name="again")]
    layers = [layer_of(context.view_layer, home) for home in homes]
    shown = draw("SKEL_PT_people")
    assert [owner for owner, name in shown.props if name == "exclude"] == layers
    assert shown.buttons[:4] == ["person_1", "person_2"] * 2  # "person_1.001" is cut off in a sidebar of the usual width
    layers[1].exclude = True
    shown = draw("SKEL_PT_people")
    assert [owner for owner, name in shown.props if name == "exclude"] == layers and shown.operators.count("skel.select_person") == 2


def test_the_skin_lets_the_bones_be_seen_and_has_a_slider(rig):
    material = record.parts(rig, "skin")[0].active_material
    assert 0.0 < rig.skel.skin < 1.0
    rig.skel.skin = 1.0
    assert material.diffuse_color[3] == 1.0
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    assert shader.inputs["Alpha"].default_value == 1.0  # renders and exports know of none of that


def test_absent_people_are_hidden_by_a_tick(rig, context):
    assert "hide_absent" in {name for _, name in draw("SKEL_PT_people").props} and not rig.skel.hide_absent
    for hidden in (True, False):
        rig.skel.hide_absent = hidden
        context.scene.frame_set(1000)
        assert rig.skel.hide_absent is hidden and evaluated(rig).hide_viewport is hidden


def test_limbs_are_handed_over_by_button(rig):
    shown = draw("SKEL_PT_ik")
    assert {name for _, name in shown.props} == {f'["{limb.switch}"]' for limb in controls.LIMBS} | {"is_visible", "range"}
    bpy.ops.skel.match(to="CONTROL", limbs={"foot_ik_r"}, range="SCENE")
    assert rig["foot_ik_r_on"] == 1.0 and rig["hand_ik_r_on"] == 0.0
    bpy.ops.skel.match(to="CHANNELS", limbs={"foot_ik_r"}, range="SCENE")
    assert rig["foot_ik_r_on"] == 0.0


def test_a_person_is_removed_and_poses_are_added_by_button(rig, context):
    assert "skel.add_poses" in draw("SKEL_PT_keys").operators and "skel.remove_person" in draw("SKEL_PT_people").operators
    bpy.ops.skel.add_poses()
    assert sum(action.asset_data is not None for action in bpy.data.actions) == 4
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.skel.remove_person()
    assert [thing.name for thing in bpy.data.objects if thing.type == "ARMATURE"] == ["person_2"]


def test_nothing_is_offered_without_a_rig(rig, context):
    context.view_layer.objects.active = context.scene.camera
    assert not bpy.ops.skel.thin_keys.poll() and not bpy.types.SKEL_PT_angles.poll(context)
    context.view_layer.objects.active = record.parts(rig, "skin")[0]
    assert bpy.ops.skel.thin_keys.poll()
