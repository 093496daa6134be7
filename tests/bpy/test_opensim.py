# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSim's files of a rig: what the Take would give, and after an edit what the edited rig is."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics, opensim
from skel_blender.anatomy import DOFS, JOINT_NAMES
from skel_blender.export import opensim as rig_opensim
from skel_blender.export import stage
from skel_blender.messages import SkelError
from skel_blender.opensim.model import R_MODEL_GROUND
from skel_blender.rig import controls, layout, record
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import layers, matching, motion, timing
from skel_blender.rig.editing.steps import finish
from tests.bpy import bodies
from tests.bpy.evaluated import curves, rig_of


def numbers(text: str, skip: int) -> np.ndarray:
    return np.array([[float(cell) for cell in line.split("\t")] for line in text.splitlines()[skip:]])


def dump(rig):
    """What an export could disturb: the datablocks, the scene's state, the rig's pose and keys, the meshes' points."""
    kinds = ("objects", "meshes", "armatures", "actions", "collections", "scenes", "materials")
    keys = [(curve.data_path, curve.array_index, [tuple(key.co) for key in curve.keyframe_points]) for curve in curves(rig)]
    pose = [tuple(value for row in bone.matrix_basis for value in row) for bone in rig.pose.bones]
    points = [[tuple(vertex.co) for vertex in mesh.vertices[:5]] for mesh in bpy.data.meshes]
    scene = bpy.context.scene
    state = (scene.frame_current, scene.frame_start, scene.frame_end, [thing.name for thing in bpy.context.selected_objects], rig.mode)
    return [sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds], keys, pose, points, state


def test_a_rig_gives_what_its_take_gives(context, tmp_path):
    take = bodies.random_take(bodies.open_body("open_female", "large"), 6, 3)
    take.people[0].body_name = "open female"
    take.people[0].poses *= 0.2  # so near each other that a rig keys these angles, not other triples of the same rotations
    opensim.write(take, 0, tmp_path / "take.osim")
    rig_opensim.write(rig_of(build_take(context, take)), tmp_path / "rig.osim")
    for ending, skip in ((".mot", 7), (".trc", 6)):
        given, made = (numbers((tmp_path / f"{name}{ending}").read_text(), skip) for name in ("take", "rig"))
        assert np.abs(made - given).max() < 2e-3  # degrees and mm: Blender keeps single precision
    sizes = [len((tmp_path / "Geometry" / f"{name}_femur_r.obj").read_text().splitlines()) for name in ("take", "rig")]
    assert sizes[0] == sizes[1] > 100
    texts = [(tmp_path / f"{name}.osim").read_text().splitlines() for name in ("take", "rig")]
    masses = [[float(line.split(">")[1].split("<")[0]) for line in text if "<mass>" in line] for text in texts]
    assert masses[1] == pytest.approx(masses[0], rel=1e-4)


def test_an_edit_is_written_and_the_scene_untouched(context, take, tmp_path):
    rig = rig_of(build_take(context, take))
    channel = next(c for c, dof in zip(layout.channels(), DOFS) if dof.name == "knee_angle_l")
    action = rig.animation_data.action
    before = rig_opensim.write(rig, tmp_path / "before.mot")[0].read_text()
    bone = rig.pose.bones[channel.bone]
    bone.rotation_euler[channel.index] = channel.sign * 1.0
    bone.keyframe_insert("rotation_euler", index=channel.index, frame=8)
    context.view_layer.update()  # of what is driven by it
    there = dump(rig)
    after = rig_opensim.write(rig, tmp_path / "after.mot")[0].read_text()
    assert dump(rig) == there and rig.animation_data.action == action
    column = before.splitlines()[6].split("\t").index("knee_angle_l")
    change = numbers(after, 7) - numbers(before, 7)
    assert numbers(after, 7)[8 - 5, column] == pytest.approx(np.degrees(1.0), abs=1e-4)
    assert np.abs(change[8 - 5, column]) > 1e-3 and not np.delete(change, column, axis=1).any()
    assert numbers(after, 7)[:, 0] == pytest.approx(take.frames * 1.001 / 30)


def test_a_take_that_begins_later_on_the_timeline_has_the_times_of_its_footage_and_layers_are_in_it(context, take, tmp_path):
    collection = build_take(context, take)
    rig = rig_of(collection)
    before = numbers(rig_opensim.write(rig, tmp_path / "before.mot")[0].read_text(), 7)
    timing.move(context.scene, collection, 101)
    assert np.abs(numbers(rig_opensim.write(rig, tmp_path / "moved.mot")[0].read_text(), 7) - before).max() < 1e-6
    layers.add(rig)
    column = next(dof.index for dof in DOFS if dof.name == "elbow_flexion_r")
    channel = layout.channel(column)
    rig.pose.bones[channel.bone].rotation_euler[channel.index] = 0.25 * channel.sign
    rig.pose.bones[channel.bone].keyframe_insert("rotation_euler", index=channel.index, frame=110)
    after = numbers(rig_opensim.write(rig, tmp_path / "layered.mot")[0].read_text(), 7)
    change = after - before
    assert after[110 - 101 - take.frames[0], 1 + column] == pytest.approx(np.degrees(0.25), abs=1e-3)
    assert np.ptp(change[:, 1 + column]) < 1e-3 < np.abs(change[:, 1 + column]).min()
    assert np.abs(np.delete(change, 1 + column, axis=1)).max() < 1e-3


def test_what_ik_controls_do_is_written_as_angles(source, context, tmp_path):
    frames, limbs = np.arange(20, 40), [controls.LIMBS[0], controls.LIMBS[4]]  # a hand, which reaches, and the head, which turns
    before = numbers(rig_opensim.write(source, tmp_path / "before.mot")[0].read_text(), 7)
    matching.to_control(context.scene, source, limbs, frames, lambda values: values + [0.0, -0.05, 0.3, 0.0, 0.0, 0.1, 0.0])
    there = dump(source)
    led = numbers(rig_opensim.write(source, tmp_path / "led.mot")[0].read_text(), 7)
    assert dump(source) == there
    layers.add(source)
    context.scene.frame_set(100)  # where no control leads
    layered = numbers(rig_opensim.write(source, tmp_path / "layered.mot")[0].read_text(), 7)
    layers.merge(source)
    matching.to_channels(context.scene, source, limbs, frames)
    keyed = numbers(rig_opensim.write(source, tmp_path / "keyed.mot")[0].read_text(), 7)
    assert np.abs(led - keyed).max() < 0.01 and np.abs(layered - keyed).max() < 0.01
    assert np.abs(led - before)[20:38].max() > 20.0 and np.abs(led - before)[:18].max() < 0.01


def test_arms_that_ik_controls_raise_keep_the_limits(source, context, tmp_path):
    """A rotation has several triples of angles, and the nearest to those of the frame before may be turns beyond the limits."""
    frames = motion.frames_of(source)
    matching.to_control(context.scene, source, controls.LIMBS[:2], frames, lambda values: values + [0.0, 0.2, 0.5, 0.0, 0.0, 0.0, 0.0])
    angles = numbers(rig_opensim.write(source, tmp_path / "led.mot")[0].read_text(), 7)[:, 1 : 1 + len(DOFS)]
    low, up = np.degrees(record.limits(source)).T
    assert max((low - angles).max(), (angles - up).max()) < 0.01


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.0, 0.0, np.pi / 2), (2.0, 1.0, 5.0)])
def test_a_root_that_is_turned_turns_the_joints(source, tmp_path, turn):
    """Not only by its keys: from the middle on a constraint turns and lifts it, too."""
    frames, root = motion.frames_of(source), source.pose.bones[layout.ROOT]
    root.rotation_euler = turn
    root.keyframe_insert("rotation_euler", frame=int(frames[0]))
    root.rotation_euler = np.array(turn) / 2
    root.keyframe_insert("rotation_euler", frame=int(frames[-1]))
    carrier = bpy.data.objects.new("platform", None)
    carrier.location, carrier.rotation_euler = (0.3, 0.1, 0.5), (0.1, 0.0, 1.0)
    bpy.context.scene.collection.objects.link(carrier)
    bpy.context.view_layer.update()
    carried = root.constraints.new("CHILD_OF")
    carried.target, carried.set_inverse_pending, carried.influence = carrier, False, 0.0
    carried.keyframe_insert("influence", frame=int(frames[60]))
    carried.influence = 1.0
    carried.keyframe_insert("influence", frame=int(frames[70]))
    places = finish(stage.look(source, frames, JOINT_NAMES, ""))[..., :3, 3]
    body = rig_opensim.rest_body(source)
    values = numbers(rig_opensim.write(source, tmp_path / "turned.mot")[0].read_text(), 7)
    angles, ground = np.radians(values[:, 1 : 1 + len(DOFS)]), values[:, 1 + len(DOFS) :] @ R_MODEL_GROUND.T
    joints = kinematics.forward(angles, body.joints, body.frames, ground - body.joints[0])[..., :3, 3]
    assert np.linalg.norm(kinematics.z_up(joints) - places, axis=-1).max() < 1e-5
    assert np.abs(np.diff(values[:, 1:4], axis=0)).max() < 20.0


def test_a_rig_of_another_scene_has_the_times_of_that_one(context, take, tmp_path):
    rig = rig_of(build_take(context, take))
    given = rig_opensim.write(rig, tmp_path / "own.mot")[0].read_text()
    other = bpy.data.scenes.new("other")
    other.render.fps = 60
    with context.temp_override(scene=other, view_layer=other.view_layers[0]):
        assert rig_opensim.write(rig, tmp_path / "other.mot")[0].read_text() == given


def test_what_is_no_rig_is_refused(context, tmp_path):
    with pytest.raises(SkelError):
        rig_opensim.write(bpy.data.objects.new("thing", None), tmp_path / "a.mot")
    assert not list(tmp_path.iterdir())
