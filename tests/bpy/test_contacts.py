# SPDX-License-Identifier: GPL-3.0-or-later
"""Which feet rest goes with the keys, whatever is done to those."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.anatomy import JOINT_INDEX
from skel_blender.rig import compat, contacts, keyframes, limbs, record
from skel_blender.rig.editing import layers, motion, thinning, timing
from skel_blender.rig.editing.steps import finish
from tests import walk
from tests.bpy.evaluated import curves, joint_positions

REST = np.zeros((120, 6), dtype=bool)
REST[10:30, 0] = REST[14:41, 4] = REST[100:, 2] = True


@pytest.fixture
def walker(source):
    """The rig that walks, with those contacts, in Pose Mode."""
    contacts.keep(source, 1, REST)
    bpy.context.view_layer.objects.active = source
    source.select_set(True)
    bpy.ops.object.mode_set(mode="POSE")
    return source


def retimed(rig, times: float, by: float) -> None:
    """What G and S in the Dope Sheet do to all keys."""
    for curve in curves(rig):
        for key in curve.keyframe_points:
            for place in (key.handle_left, key.co, key.handle_right):
                place.x = times * place.x + by
        curve.update()


def test_contacts_are_keys_in_a_thinned_motion_where_they_change(walker):
    frames = np.arange(1, 121)
    for keys in (np.arange(1, 121), [1, 11, 31, 120]):
        assert np.array_equal(contacts.of(walker, frames), REST)
        assert not contacts.of(walker, np.array([0, 121])).any()
        (heel,) = (curve for curve in curves(walker) if curve.data_path == contacts.paths()[0])
        assert [key.co.x for key in heel.keyframe_points] == list(keys) and heel.group.name == "calcn_r"
        finish(motion.thin(walker, thinning.Bounds()))


def test_nobody_who_never_rests_gets_such_curves(walker):
    walker.animation_data.action = None
    keyframes.key_person(walker, walk.take().people[0])
    contacts.keep(walker, 1, np.zeros((120, 6), dtype=bool))
    assert len(curves(walker)) == 49


def test_curves_that_are_smoothed_and_cleaned_by_hand_tell_the_same(walker):
    """A mean over neighbours, as the Graph Editor's smoothing makes, and keys that change nothing taken out."""
    for curve in [curve for curve in curves(walker) if "Rests" in curve.data_path]:
        points = curve.keyframe_points
        values = np.convolve(np.pad([key.co.y for key in points], 3, mode="edge"), np.full(7, 1 / 7), "valid")
        for key, value in zip(points, values):
            key.co.y = value
        for number in range(len(points) - 1, 0, -1):
            if values[number] == values[number - 1]:
                points.remove(points[number])
        curve.update()
    assert np.array_equal(contacts.of(walker, np.arange(1, 121)), REST)


def test_keys_that_are_moved_and_scaled_take_them_along(walker):
    retimed(walker, 2.0, 9.0)
    frames = 2 * np.arange(1, 121) + 9
    assert np.array_equal(contacts.of(walker, frames), REST) and np.array_equal(motion.frames_of(walker)[[0, -1]], frames[[0, -1]])


def test_a_stretch_that_is_slowed_down_takes_its_own_along(walker):
    for curve in curves(walker):
        for key in curve.keyframe_points:
            if key.co.x > 20.5:
                key.co.x = 20.0 + 2.0 * (key.co.x - 20.0)
        curve.update()
    assert np.array_equal(contacts.of(walker, np.arange(1, 21)), REST[:20])
    assert np.array_equal(contacts.of(walker, 20 + 2 * np.arange(1, 101)), REST[20:])


def test_feet_stay_through_smooth_after_keys_were_moved(walker):
    frames = motion.frames_of(walker)
    retimed(walker, 1.0, 10.0)
    before = heels(walker, frames + 10)
    _, slid = motion.smooth(walker, 0.2, 30.0, set(limbs.TITLES))
    moved = np.linalg.norm(heels(walker, frames + 10) - before, axis=1)
    assert slid < 1e-3 and moved[REST[:, 0]].max() < 1e-3 < 3e-3 < moved[~REST[:, 0]].max()


def test_blenders_own_bake_keeps_them(walker):
    frames = motion.frames_of(walker)
    bpy.ops.nla.bake(frame_start=1, frame_end=120, only_selected=False, visual_keying=True, use_current_action=False, bake_types={"POSE"})
    assert record.OWNER not in walker.animation_data.action and np.array_equal(contacts.of(walker, frames), REST)


def test_below_layers_they_are_known_at_any_pace(walker):
    layers.add(walker)
    walker.pose.bones["ulna_r"].keyframe_insert("rotation_euler", frame=50)
    strip = walker.animation_data.nla_tracks[0].strips[0]
    strip.scale, strip.frame_start_ui = 2.0, 11.0
    frames = np.arange(120)
    assert np.array_equal(layers.resting(walker, 2 * frames + 11), REST)
    layers.merge(walker)
    assert np.array_equal(contacts.of(walker, 2 * frames + 11), REST)


def test_what_a_rig_of_before_remembers_is_read_and_moved(walker):
    for curve in [curve for curve in curves(walker) if "Rests" in curve.data_path]:
        compat.holder(walker).fcurves.remove(curve)
    frames, action = motion.frames_of(walker), walker.animation_data.action
    assert contacts.of(walker, frames) is None and motion.smooth(walker, 0.1, 30.0, {"TRUNK"})[1] is None
    compat.use_action(walker, action)
    action["skel_first"], action["skel_contacts"] = 1, (REST @ (1 << np.arange(6))).tolist()
    assert np.array_equal(contacts.of(walker, frames), REST)
    timing.move(bpy.context.scene, record.home_of(walker), 8)
    assert np.array_equal(contacts.of(walker, frames + 7), REST)
    layers.add(walker)
    walker.pose.bones["ulna_r"].keyframe_insert("rotation_euler", frame=50)
    layers.merge(walker)
    assert np.array_equal(contacts.of(walker, frames + 7), REST)
    compat.use_action(walker, action)
    assert np.array_equal(contacts.of(walker, frames + 7), REST)


def heels(rig, frames) -> np.ndarray:
    """(T,3) m the places of the right heel's joint."""
    return np.array([(bpy.context.scene.frame_set(int(frame)), joint_positions(rig)[JOINT_INDEX["calcn_r"]])[1] for frame in frames])
