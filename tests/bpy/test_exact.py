# SPDX-License-Identifier: GPL-3.0-or-later
"""The built rig is the model: joints, joint frames, skin and bones, keyed and edited."""

from __future__ import annotations

import ctypes
import os

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import JOINT_NAMES
from skel_blender.rig import layout
from skel_blender.rig.assemble import build_take
from tests import synthetic
from tests.bpy import bodies
from tests.bpy.evaluated import (
    TO_ZUP,
    degrees_apart,
    evaluated,
    joint_positions,
    joint_turns,
    mesh_points,
    model_bone,
    model_skin,
    pose,
    put,
    rig_of,
)

EVERYTHING = bool(os.environ.get("SKEL_BLENDER_ALL"))
POSES = 500
SKIN_STEP = 1 if EVERYTHING else 50  # the model's own skinning in numpy takes the time


def test_rig_of_tubes_is_the_model(context):
    assert_is_the_model(context, synthetic.random_take(frames=40, people=1, seed=7), 5)


@pytest.mark.parametrize("shape", sorted(bodies.SHAPES))
@pytest.mark.parametrize("name", ["open_male", "open_female"])
def test_rig_is_the_model_in_500_poses(context, name, shape):
    body = bodies.open_body(name, shape)
    assert_is_the_model(context, bodies.random_take(body, POSES, seed=len(shape)), SKIN_STEP)


def assert_is_the_model(context, take, step):
    """Joints within 0.01 mm and 0.001 degrees on all frames; skin within 0.2 mm, bone meshes within 0.1 mm on every `step`-th."""
    person = take.people[0]
    collection = build_take(context, take)
    rig = rig_of(collection)
    skin = collection.all_objects["person_1_skin"]
    bones = {joint: collection.all_objects.get(f"person_1_{name}_bone") for joint, name in enumerate(JOINT_NAMES)}
    transforms = person.transforms()
    joints, turns = kinematics.z_up(transforms[..., :3, 3]), TO_ZUP @ transforms[..., :3, :3] @ TO_ZUP.T
    for mesh in rig.children:
        mesh.hide_viewport = True  # Blender need not deform what is not looked at
    for frame in range(len(take.frames)):
        context.scene.frame_set(frame + 1)
        assert np.linalg.norm(joint_positions(rig) - joints[frame], axis=1).max() < 1e-5
        assert degrees_apart(joint_turns(rig), turns[frame]) < 1e-3
    for mesh in rig.children:
        mesh.hide_viewport = False
    for frame in range(0, len(take.frames), step):
        context.scene.frame_set(frame + 1)
        assert np.linalg.norm(mesh_points(skin) - model_skin(person.body, transforms[frame]), axis=1).max() < 2e-4
        for joint, bone in bones.items():
            expected = model_bone(person.body, transforms[frame], joint)
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
    points = mesh_points(collection.all_objects["person_1_skin"])
    assert abs(points[:, 2].min()) < 1e-6
    assert points[:, 2].max() > 1.5
    head = collection.all_objects["person_1_toes_r_bone"]
    assert mesh_points(head)[:, 1].min() < -0.05  # faces -y


@pytest.mark.parametrize("shape", sorted(bodies.SHAPES))
def test_edited_angles_move_the_coupled_joints(context, shape):
    """Helper bones follow the hand, with Python scripts off."""
    assert not context.preferences.filepaths.use_scripts_auto_execute
    body = bodies.open_body("open_male", shape)
    rig = rig_of(build_take(context, bodies.random_take(body, 1, seed=0)))
    put(rig, body, np.zeros(3))
    for angles in synthetic.random_poses(50, body.limits, np.random.default_rng(3)):
        pose(rig, angles)
        expected = kinematics.z_up(kinematics.forward(angles, body.joints, body.frames)[:, :3, 3])
        assert np.linalg.norm(joint_positions(rig) - expected, axis=1).max() < 1e-4


def test_zero_angles_leave_the_couplings_at_zero(context, take):
    rig = rig_of(build_take(context, take))
    pose(rig, np.zeros(46))
    for helper in layout.SHIFTS.values():
        assert np.abs(np.array(evaluated(rig).pose.bones[helper].location)).max() < 1e-7


def test_drivers_are_simple_expressions(context, take):
    curves = rig_of(build_take(context, take)).animation_data.drivers
    for helper in layout.HELPERS:
        assert sum(f'"{helper}"' in curve.data_path for curve in curves) >= 3
    drivers = [curve.driver for curve in curves]
    assert all(driver.is_valid and driver.is_simple_expression for driver in drivers)


def test_rig_has_no_dependency_cycle(context, take, capfd):
    rig = rig_of(build_take(context, take))
    context.view_layer.update()
    assert "cycle" not in said(capfd)
    bone = rig.pose.bones["lumbar_body"]  # what Blender says of a rig that has one
    driver = bone.driver_add("location", 0).driver
    variable = driver.variables.new()
    variable.targets[0].id = rig
    variable.targets[0].data_path = 'pose.bones["lumbar_body"].rotation_euler[0]'
    driver.expression = variable.name
    context.view_layer.update()
    bpy.context.evaluated_depsgraph_get()
    assert "cycle" in said(capfd)


def said(capfd) -> str:
    """What Blender has printed, out of C's own buffer too."""
    ctypes.CDLL(None).fflush(None)
    return "".join(capfd.readouterr()).lower()
