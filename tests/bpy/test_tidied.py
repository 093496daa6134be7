# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs that somebody has tidied up or refined with Blender's own tools: constraints cleared, bones deleted, modifiers on curves."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.rig import ik, record
from skel_blender.rig.editing import motion
from tests.bpy.evaluated import curves, evaluated
from tests.bpy.panels import draw

FRAME = 12


def delete_bones(rig, *names):
    bpy.ops.object.mode_set(mode="EDIT")
    for name in names:
        rig.data.edit_bones.remove(rig.data.edit_bones[name])
    bpy.ops.object.mode_set(mode="OBJECT")


def noisy(rig):
    """Noise on the right knee, as the Graph Editor adds it; the angles with it on all frames."""
    curve = next(curve for curve in curves(rig) if "tibia_r" in curve.data_path)
    noise = curve.modifiers.new("NOISE")
    noise.strength, noise.scale, noise.use_restricted_range = 0.3, 3.0, False
    return motion.read(rig, motion.frames_of(rig))[0]


def hand(rig, frame=FRAME):
    bpy.context.scene.frame_set(frame)
    return np.array(evaluated(rig).pose.bones["hand_r"].matrix)


def test_noise_on_a_curve_is_not_there_twice_after_a_hand_over(rig):
    plain = motion.read(rig, motion.frames_of(rig))[0]
    before = noisy(rig)
    assert 0.01 < np.abs(before - plain).max()
    bpy.context.scene.frame_set(FRAME)
    bpy.ops.skel.match(to="CHANNELS", limbs={"foot_ik_r"}, range="FRAME")
    within = record.limits(rig)
    after = motion.read(rig, motion.frames_of(rig))[0]
    frames = motion.frames_of(rig) != FRAME
    assert np.abs(after - before)[frames].max() < 1e-5
    assert np.abs(after - np.clip(before, *within.T))[~frames].max() < 1e-3


@pytest.mark.parametrize("button, most", (("smooth", 0.2), ("thin_keys", 0.1)))
def test_noise_on_a_curve_is_not_there_twice_in_a_new_version(rig, button, most):
    before = noisy(rig)
    getattr(bpy.ops.skel, button)()
    after = motion.read(rig, motion.frames_of(rig))[0]
    written = next(curve for curve in curves(rig) if "tibia_r" in curve.data_path)
    assert not len(written.modifiers) and np.abs(after - before).mean() < most


def test_a_motion_with_noise_is_looped(rig):
    noisy(rig)
    frames = motion.frames_of(rig)
    assert bpy.ops.skel.loop(first=int(frames[2]), last=int(frames[-2])) == {"FINISHED"}
    assert all([modifier.type for modifier in curve.modifiers] == ["CYCLES"] for curve in curves(rig) if "tibia_r" in curve.data_path)


def test_a_control_that_was_deleted_is_not_offered_any_more(rig):
    bpy.ops.skel.match(to="CONTROL", limbs={"hand_ik_r"}, range="ACTION")
    delete_bones(rig, "hand_ik_r")
    assert (rig, '["hand_ik_r_on"]') not in draw("SKEL_PT_ik").props and (rig, '["hand_ik_l_on"]') in draw("SKEL_PT_ik").props
    assert bpy.ops.skel.match(to="CONTROL", range="FRAME") == {"FINISHED"}
    for button, options in (("match", {"limbs": {"hand_ik_r"}}), ("pin", {"limb": "hand_ik_r", "first": 5, "last": 9})):
        with pytest.raises(RuntimeError, match="of person_1 (no longer follows an|follow no) IK control"):
            getattr(bpy.ops.skel, button)(**options)
    bpy.ops.skel.add_layer()
    bpy.ops.skel.key_angles(dofs="knee_angle_r")
    assert bpy.ops.skel.merge_layers() == {"FINISHED"}


def test_a_rig_whose_constraints_were_cleared_has_limits_again_but_no_controls(rig, capfd):
    for bone in rig.pose.bones:
        for constraint in list(bone.constraints):
            bone.constraints.remove(constraint)
    assert not ik.limbs(rig) and not rig.skel.limits_on
    assert draw("SKEL_PT_ik").labels == ["No IK control leads a limb"]
    rig.skel.limits_on = True
    assert "Traceback" not in capfd.readouterr().err and rig.skel.limits_on
    with pytest.raises(RuntimeError, match="The limbs chosen of person_1 follow no IK control"):
        bpy.ops.skel.match(to="CONTROL", range="FRAME")
    before = hand(rig)
    bpy.ops.skel.smooth(seconds=0.01)
    assert np.abs(hand(rig) - before).max() < 1e-3


def test_limits_are_set_without_the_helpers_that_were_deleted(rig):
    delete_bones(rig, "humerus_limit_r", "ik_hand_2_r")
    assert bpy.ops.skel.limit_dof(dof="knee_angle_r", low=0.0, up=1.0) == {"FINISHED"}
    assert rig.pose.bones["tibia_r"].constraints["Limit Rotation"].max_x == pytest.approx(1.0)


def test_who_was_scaled_to_nothing_is_refused(rig, tmp_path):
    rig.scale = (0.0, 0.0, 0.0)
    with pytest.raises(RuntimeError, match="scaled along one axis, to nothing, or mirrored"):
        bpy.ops.skel.export(preset="generic", filename_ext=".bvh", people="ACTIVE", filepath=str(tmp_path / "x.bvh"))
    assert not list(tmp_path.iterdir())


def test_what_added_constraints_do_is_told_when_it_is_keyed(rig, capfd):
    turn = rig.pose.bones["humerus_r"].constraints.new("COPY_ROTATION")
    turn.name, turn.target, turn.mix_mode = "Twist", rig.parent, "AFTER"
    rig.parent.rotation_euler.x = 0.3
    bpy.ops.skel.match(to="CHANNELS", limbs={"foot_ik_l"}, range="FRAME")
    bpy.ops.skel.match(to="CONTROL", limbs={"hand_ik_r"}, range="FRAME")
    assert "may act twice" not in capfd.readouterr().out
    bpy.ops.skel.match(to="CHANNELS", limbs={"hand_ik_r"}, range="FRAME")
    assert "may act twice: Twist." in capfd.readouterr().out
    turn.mute = True
    bpy.ops.skel.match(to="CHANNELS", limbs={"hand_ik_r"}, range="FRAME")
    assert "may act twice" not in capfd.readouterr().out
