# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint limits: every DoF stops at its limit, nothing inside the limits is touched, channels that are no DoF are locked."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest

from skel_blender import take as takes
from skel_blender.anatomy import DOF_INDEX, DOFS, DOFS_OF_JOINT, JOINT_NAMES, LIMIT_TABLES, LIMITS_ANATOMICAL
from skel_blender.rig import layout, limits
from skel_blender.rig.assemble import build_take
from skel_blender.rig.update import update_take
from skel_blender.ui import arrival
from tests.bpy.evaluated import degrees_apart, joint_turns, pose, rig_of


def limited_dofs():
    return [dof for dof in DOFS if math.isfinite(LIMITS_ANATOMICAL[dof.index][0])]


def test_constraints_hold_the_bodys_limits(context, take):
    rig = rig_of(build_take(context, take))
    for dof in DOFS:
        channel = layout.channel(dof.index)
        bone = rig.pose.bones[channel.bone]
        constraint = bone.constraints[limits.CONSTRAINT]
        assert (constraint.type, constraint.owner_space) == ("LIMIT_ROTATION", "LOCAL")
        assert constraint.euler_order == bone.rotation_mode
        axis = "xyz"[channel.index]
        low, up = LIMITS_ANATOMICAL[dof.index]
        assert getattr(constraint, f"use_limit_{axis}") == math.isfinite(low)
        if math.isfinite(low):
            found = sorted(channel.sign * getattr(constraint, f"{end}_{axis}") for end in ("min", "max"))
            assert found == pytest.approx([low, up], abs=1e-6)
        assert not getattr(bone, f"use_ik_limit_{axis}") and not getattr(bone, f"lock_ik_{axis}")  # Blender draws a disc for each range


def test_a_deleted_limit_is_there_again_once_limits_are_set(context, take):
    rig = rig_of(build_take(context, take))
    for name in ("pelvis", "tibia_r", "humerus_l"):
        before = [constraint.name for constraint in rig.pose.bones[name].constraints]
        for constraint in list(rig.pose.bones[name].constraints)[: 2 if name == "humerus_l" else 1]:
            rig.pose.bones[name].constraints.remove(constraint)
        assert limits.are_on(rig)
        limits.apply(rig, LIMITS_ANATOMICAL)
        assert [constraint.name for constraint in rig.pose.bones[name].constraints] == before
    context.view_layer.update()
    at_limit = np.zeros(46)
    at_limit[DOF_INDEX["knee_angle_r"]] = LIMITS_ANATOMICAL[DOF_INDEX["knee_angle_r"]][1]
    pose(rig, at_limit)
    expected = joint_turns(rig)
    pose(rig, at_limit + 0.2 * (at_limit > 0.0))
    assert degrees_apart(joint_turns(rig), expected) < 0.01


def test_each_dof_stops_at_its_limits(context, take):
    take.people[0].trans[:] = 0.0
    rig = rig_of(build_take(context, take))
    for dof in limited_dofs():
        for end in (0, 1):
            sign = (-1, 1)[end]
            at_limit = np.zeros(46)
            at_limit[dof.index] = LIMITS_ANATOMICAL[dof.index][end]
            step = 0.15 * sign * np.eye(46)[dof.index]
            pose(rig, at_limit)
            expected = joint_turns(rig)[dof.joint]
            pose(rig, at_limit + step)
            assert degrees_apart(joint_turns(rig)[dof.joint], expected) < 0.01, dof.name
            pose(rig, at_limit - step)
            assert degrees_apart(joint_turns(rig)[dof.joint], expected) == pytest.approx(np.degrees(0.15), rel=0.01)


def test_rotating_by_hand_stops_at_the_limit(context, take):
    """Blender's own rotate operator: what the animator keys is inside the limits."""
    rig = rig_of(build_take(context, take))
    rig.animation_data.action = None
    rig.select_set(True)
    context.view_layer.objects.active = rig
    pose(rig, np.zeros(46))
    bpy.ops.object.mode_set(mode="POSE")
    for bone in rig.pose.bones:
        (bone if hasattr(bone, "select") else bone.bone).select = bone.name == "tibia_r"
    for start, expected in ((0.5, [0.0, 1.5]), (2.0, [1.0, np.radians(155)])):
        reached = []
        for turn in (1.0, -1.0):  # which way is positive changed between versions
            rig.pose.bones["tibia_r"].rotation_euler[0] = start
            bpy.ops.transform.rotate(value=turn, orient_axis="X", orient_type="LOCAL")
            reached.append(rig.pose.bones["tibia_r"].rotation_euler[0])
        assert sorted(reached) == pytest.approx(expected, abs=1e-4)
    assert tuple(rig.pose.bones["tibia_r"].rotation_euler)[1:] == pytest.approx((0, 0), abs=1e-6)


def test_shoulder_stops_channel_by_channel(context, take):
    """Beyond several limits at once, and where Euler angles of a smaller sum exist."""
    rig = rig_of(build_take(context, take))
    box = np.array(LIMITS_ANATOMICAL)
    first = [dof.index for dof in DOFS_OF_JOINT[JOINT_NAMES.index("humerus_r")]]
    for angles in ((1.0, -2.1, 2.1), (1.0, -3.2, 2.6), (-2.2, 2.0, -2.5), (3.0, 1.0, 3.0)):
        raw, cut = np.zeros(46), np.zeros(46)
        raw[first] = angles
        cut[first] = np.clip(angles, box[first, 0], box[first, 1])
        pose(rig, cut)
        expected = joint_turns(rig)
        pose(rig, raw)
        assert degrees_apart(joint_turns(rig), expected) < 0.01


def test_channels_that_are_no_dof_are_locked(context, take):
    rig = rig_of(build_take(context, take))
    for joint, name in enumerate(JOINT_NAMES):
        bone = rig.pose.bones[name]
        free = {layout.channel(dof.index).index for dof in DOFS_OF_JOINT[joint]}
        assert {index for index in range(3) if not bone.lock_rotation[index]} == free
        assert {index for index, axis in enumerate("xyz") if not getattr(bone, f"lock_ik_{axis}")} == free
        assert all(bone.lock_scale) and all(bone.lock_location) == (name != "pelvis")
    assert not any(rig.pose.bones[layout.ROOT].lock_location)


def is_ambiguous(joint, ranges):
    """Whether a pose inside the ranges can have Euler angles of a smaller sum on the other branch, (180, 180 - middle, 180) away."""
    if len(DOFS_OF_JOINT[joint]) < 3 or not ranges:
        return False
    widest = {index: max(abs(low), abs(up)) for index, (low, up) in ranges.items()}
    middle = "XYZ".index(layout.euler_order(joint)[1])
    return widest.get(middle, math.pi) >= math.pi / 2 or sum(widest.values()) >= 1.5 * math.pi


@pytest.mark.parametrize("table", sorted(LIMIT_TABLES))
def test_only_the_shoulders_are_ambiguous_to_blender(table):
    box = limits.ordered(LIMIT_TABLES[table])
    ambiguous = {joint for joint in range(24) if is_ambiguous(joint, limits.channel_limits(box, joint))}
    assert ambiguous <= set(layout.CLAMPS) and (table != "anatomical" or ambiguous)


def test_captured_motion_beyond_limits_is_not_clipped_and_that_is_told(enabled, take, tmp_path):
    context = bpy.context
    assert all(limits.are_on(thing) for thing in build_take(context, take).objects if thing.type == "ARMATURE")
    knee = DOF_INDEX["knee_angle_r"]
    take.people[0].poses[:, knee] = LIMITS_ANATOMICAL[knee][0] - 0.3
    first, second = (thing for thing in build_take(context, take).objects if thing.type == "ARMATURE")
    assert not limits.are_on(first) and limits.are_on(second)
    context.scene.frame_set(context.scene.frame_start)
    where = np.array([first.evaluated_get(context.evaluated_depsgraph_get()).pose.bones[name].head for name in JOINT_NAMES])
    assert np.abs(where - take.people[0].joints()[0]).max() < 1e-4
    takes.save(take, tmp_path / "captured.npz")
    for again in ("VERSION", "UPDATE"):
        enabled.again = again
        assert f"Joint Limits are off for {first.name.split('.')[0]}" in arrival.build(context, str(tmp_path / "captured.npz"))
    limits.apply(first, LIMITS_ANATOMICAL)
    update_take(context, take, first.users_collection[0])
    assert not limits.are_on(first)
