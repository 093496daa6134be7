# SPDX-License-Identifier: GPL-3.0-or-later
"""The built rig is the model: joints, joint frames, skin and bones, keyed and edited."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import JOINT_NAMES
from skel_blender.rig import layout
from skel_blender.rig.build import build_take
from tests import synthetic
from tests.bpy.evaluated import (
    TO_ZUP,
    degrees_apart,
    evaluated,
    joint_positions,
    joint_turns,
    mesh_points,
    model_bone,
    model_skin,
    model_turns,
    pose,
    rig_of,
)

DATA = Path(__file__).resolve().parents[2] / "skel_blender" / "engine" / "body" / "data"


@pytest.mark.parametrize("name", ["tubes", "open_male", "open_female"])
def test_rig_is_the_model(context, name):
    take = synthetic.random_take(frames=20, people=1, seed=7)
    person = take.people[0]
    if name != "tubes":
        person.body = synthetic.open_body(DATA / f"{name}.npz")
        person.poses = synthetic.random_poses(20, person.body.limits, np.random.default_rng(8))
    collection = build_take(context, take)
    rig = rig_of(collection)
    skin = collection.objects["person_1_skin"]
    bones = {j: collection.objects.get(f"person_1_{n}_bone") for j, n in enumerate(JOINT_NAMES)}
    joints, turns = person.joints(), model_turns(person)
    for frame in range(20):
        context.scene.frame_set(frame + 1)
        assert np.linalg.norm(joint_positions(rig) - joints[frame], axis=1).max() < 1e-4
        assert degrees_apart(joint_turns(rig), turns[frame]) < 0.01
        if frame % 5 == 0:
            assert np.linalg.norm(mesh_points(skin) - model_skin(person, frame), axis=1).max() < 2e-4
            for joint, bone in bones.items():
                expected = model_bone(person, frame, joint)
                assert (bone is not None) == bool(len(expected))
                if bone is not None:
                    assert np.linalg.norm(mesh_points(bone) - expected, axis=1).max() < 1e-4


def test_rest_bones_lie_as_laid_out(context, take):
    rig = rig_of(build_take(context, take))
    for bone in layout.rest_bones(take.people[0].body):
        built = rig.data.bones[bone.name]
        assert (built.parent.name if built.parent else None) == bone.parent
        assert np.abs(np.array(built.head_local) - bone.head).max() < 1e-6
        assert np.abs(np.array(built.matrix_local)[:3, :3] - bone.basis).max() < 1e-5
        assert built.length == pytest.approx(bone.length, abs=1e-6)
        assert built.use_deform == (bone.name in JOINT_NAMES)


def test_person_stands_on_the_floor_at_rest(context, take):
    collection = build_take(context, take)
    rig_of(collection).data.pose_position = "REST"
    points = mesh_points(collection.objects["person_1_skin"])
    assert abs(points[:, 2].min()) < 1e-6
    assert points[:, 2].max() > 1.5
    head = collection.objects["person_1_toes_r_bone"]
    assert mesh_points(head)[:, 1].min() < -0.05  # faces -y


def test_edited_angle_moves_the_coupled_joints(context, take):
    """Helper bones follow the hand, with Python scripts off."""
    assert not context.preferences.filepaths.use_scripts_auto_execute
    rig = rig_of(build_take(context, take))
    person = take.people[0]
    for seed in range(5):
        angles = synthetic.random_poses(1, person.body.limits, np.random.default_rng(seed))[0]
        pose(rig, angles)
        expected = kinematics.forward(angles, person.body.joints, person.body.frames, person.trans[0])[:, :3, 3] @ TO_ZUP.T
        assert np.linalg.norm(joint_positions(rig) - expected, axis=1).max() < 1e-4


def test_zero_angles_leave_the_couplings_at_zero(context, take):
    rig = rig_of(build_take(context, take))
    pose(rig, np.zeros(46))
    for helper in layout.SHIFTS.values():
        assert np.abs(np.array(evaluated(rig).pose.bones[helper].location)).max() < 1e-7


def test_drivers_are_simple_expressions(context, take):
    drivers = [curve.driver for curve in rig_of(build_take(context, take)).animation_data.drivers]
    assert len(drivers) == 3 * len(layout.HELPERS)
    assert all(driver.is_valid and driver.is_simple_expression for driver in drivers)


def test_rig_has_no_dependency_cycle(context, take, capfd):
    rig = rig_of(build_take(context, take))
    context.view_layer.update()
    assert "cycle" not in "".join(capfd.readouterr()).lower()
    bone = rig.pose.bones["lumbar_body"]  # what Blender says of a rig that has one
    driver = bone.driver_add("location", 0).driver
    variable = driver.variables.new()
    variable.targets[0].id = rig
    variable.targets[0].data_path = 'pose.bones["lumbar_body"].rotation_euler[0]'
    driver.expression = variable.name
    context.view_layer.update()
    bpy.context.evaluated_depsgraph_get()
    assert "cycle" in "".join(capfd.readouterr()).lower()
