# SPDX-License-Identifier: GPL-3.0-or-later
"""A stretch of a walk repeats for ever."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.export import sample
from skel_blender.rig import compat, contacts, controls, keyframes, presence, record, tracks
from skel_blender.rig.editing import following, layers, loops, matching, motion
from skel_blender.rig.editing.steps import finish
from tests.bpy.evaluated import joint_positions


def joints(rig, frames) -> np.ndarray:
    result = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame))
        result.append(joint_positions(rig))
    return np.array(result)


def test_the_best_stretch_of_a_walk_is_two_steps(source):
    first, last = loops.find(source, 30.0)
    seen = joints(source, (first, last))
    way = np.linalg.norm((seen[1] - seen[0])[0, :2])
    assert 0.8 < (last - first) / 30.0 < 1.5 and way > 0.8  # a walker's stride
    still = seen - seen[:, :1] * [1.0, 1.0, 0.0]
    assert np.linalg.norm(still[1] - still[0], axis=-1).max() < 0.08


def test_a_loop_goes_on_without_a_jump_and_the_way_too(source):
    raw = source.animation_data.action
    first, last = loops.find(source, 30.0)
    length, frames = last - first, np.arange(first, last + 1)
    before, resting = joints(source, frames), contacts.of(source, frames)
    apart, times = loops.loop(source, first, last)
    assert times == 1
    after = joints(source, frames)
    assert 0.0 < apart < 0.08 and np.abs(after - before).max() < 2.0 * apart
    step = after[-1, 0] - after[0, 0]
    step[2] = 0.0
    for times in (-2, 1, 7):
        assert np.abs(joints(source, frames + times * length) - after - times * step).max() < 1e-4
    assert np.array_equal(motion.frames_of(source), frames)
    assert np.array_equal(contacts.of(source, frames), resting)
    (person,) = finish(sample.people(bpy.context.scene, [source], "current", "keys"))
    assert np.array_equal(person.clips[0].frames, frames)
    assert raw in record.versions(source) and len(compat.curves(raw)[0].modifiers) == 0


def test_a_walk_that_turns_goes_round_in_a_circle(source):
    frames = motion.frames_of(source)
    poses, trans = motion.read(source, frames)
    turns = kinematics.axis_rotation(np.array([0.0, 1.0, 0.0]), np.radians(1.5) * np.arange(len(frames)))
    way = np.cumsum(np.einsum("tij,tj->ti", turns, np.gradient(trans, axis=0)), axis=0)
    rest = record.of(source).joints, record.of(source).frames
    turned, _ = following.moved(poses, trans, rest, turns, np.zeros(3))
    walked = tracks.sources(turned, np.where([True, False, True], way, trans))
    motion.derive(source, "turning", keyframes.every_frame(record.of(source).tracks, frames, walked))
    first, last = loops.find(source, 30.0)
    length = last - first
    assert 0.8 < length / 30.0 < 1.5
    before = joints(source, (first, last))
    apart, times = loops.loop(source, first, last)
    assert apart < 0.08 and abs(360.0 / times - 1.5 * length) < 6.0  # degrees each time
    after = joints(source, np.arange(first, first + (times + 1) * length + 1))
    assert np.linalg.norm(after[0] - before[0], axis=-1).max() < 1e-4
    assert np.linalg.norm(after[length] - before[1], axis=-1).max() < 2.0 * apart + 0.1  # its heading is off by up to 6 degrees
    assert np.abs(after[times * length :] - after[: length + 1]).max() < 1e-3  # closed, and on
    steps = np.linalg.norm(np.diff(after, axis=0), axis=-1).max(axis=1)
    seams = steps[np.arange(1, times + 1) * length - 1]
    assert seams.max() < 1.2 * steps[: length - 1].max()
    far = np.linalg.norm(after[:, 0, :2] - after[: times * length, 0, :2].mean(axis=0), axis=1)
    assert far.min() > 0.9 * far.max() > 0.9  # m, of a circle


def test_the_button_lets_a_person_be_seen_on_and_names_what_it_cannot_do(rig, context):
    presence.apply(rig, True)
    span = motion.frames_of(rig)
    with pytest.raises(RuntimeError, match=f"goes from {span[0]} to {span[-1]}"):
        bpy.ops.skel.loop(first=int(span[0]) - 1, last=int(span[-1]))
    bpy.ops.skel.match(to="CONTROL", limbs={"hand_ik_r"}, range="ACTION")
    with pytest.raises(RuntimeError, match="IK controls lead Right Hand"):
        bpy.ops.skel.loop(first=10, last=20)
    bpy.ops.skel.match(to="CHANNELS", limbs={"hand_ik_r"}, range="ACTION")
    assert bpy.ops.skel.loop(first=10, last=20) == {"FINISHED"} and not presence.is_on(rig)
    context.scene.frame_set(500)
    assert not rig.hide_viewport


def test_what_somebody_has_hidden_by_hand_stays_so(rig):
    hidden, *others = record.parts(rig, "bone")
    hidden.hide_viewport = hidden.hide_render = True
    assert bpy.ops.skel.loop(first=10, last=20) == {"FINISHED"}
    assert hidden.hide_viewport and hidden.hide_render and not any(other.hide_viewport for other in others)


def test_a_loop_goes_on_below_a_layer_and_beside_frames_that_change_hands(source, context):
    loops.loop(source, *loops.find(source, 30.0))
    cycle = motion.frames_of(source)
    context.scene.frame_start, context.scene.frame_end = int(cycle[0]) - 20, int(cycle[-1]) + 60
    frames = np.arange(context.scene.frame_start, context.scene.frame_end + 1)
    before = joints(source, frames)
    for change in (matching.to_control, matching.to_channels):
        change(context.scene, source, controls.LIMBS, cycle)
        assert np.abs(joints(source, frames) - before).max() < 5e-3  # knees that are nearly straight start a little bent
    layers.add(source)
    context.scene.frame_set(int(cycle[0]))
    source.pose.bones["tibia_r"].keyframe_insert("rotation_euler")  # as it stands: nothing is added
    assert np.abs(joints(source, frames) - before).max() < 5e-3
    layers.merge(source)
    assert np.abs(joints(source, frames) - before).max() < 5e-3
