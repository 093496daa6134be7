# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections as layers on top of the motion, and the merge of all into one version."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.anatomy import DOF_INDEX
from skel_blender.export import sample
from skel_blender.messages import SkelError
from skel_blender.rig import compat, contacts, controls, ik, record, update
from skel_blender.rig.editing import corrections, layers, motion, timing
from skel_blender.rig.editing.steps import finish
from tests.bpy.evaluated import joint_positions
from tests.bpy.panels import draw

ELBOW = DOF_INDEX["elbow_flexion_r"]


def angle(rig, frame: int) -> float:
    """The elbow's channel on a frame."""
    bpy.context.scene.frame_set(frame)
    return rig.pose.bones["ulna_r"].rotation_euler.x


def seen(rig, frames) -> np.ndarray:
    """(T,24,3) the joints' places."""
    return np.array([(bpy.context.scene.frame_set(int(frame)), joint_positions(rig))[1] for frame in frames])


def correct(rig, frame: int, by: float) -> None:
    """Turn the elbow and key it, as the panel's button does."""
    bpy.context.scene.frame_set(frame)
    rig.pose.bones["ulna_r"].rotation_euler.x += by
    bpy.ops.skel.key_angles(dofs="elbow_flexion_r")


def test_keys_of_a_layer_add_to_the_motion_which_stays(rig):
    raw, frames = rig.animation_data.action, range(10, 21)
    before = [angle(rig, frame) for frame in frames]
    assert bpy.ops.skel.add_layer() == {"FINISHED"}
    for frame, by in ((10, 0.0), (15, 0.2), (20, -0.2)):  # an additive layer holds its last key, so the last one takes it back
        correct(rig, frame, by)
    added = np.interp(frames, (10, 15, 20), (0.0, 0.2, 0.0))
    after = np.array([angle(rig, frame) for frame in frames])
    assert np.abs(after - before)[[0, 5, 10]] == pytest.approx([0.0, 0.2, 0.0], abs=1e-5)
    assert np.abs(after - before - added).max() < 0.05  # eased in and out
    assert motion.is_keyed(rig, ELBOW, 15) and not motion.is_keyed(rig, ELBOW, 16)
    rig.animation_data.action = None
    rig.animation_data.nla_tracks[0].mute = True
    rig.animation_data.action_blend_type = "REPLACE"
    rig.animation_data.action = raw
    assert [angle(rig, frame) for frame in frames] == before


def test_a_correction_is_taken_back_where_nothing_else_tells_the_motion_below(rig, context):
    """A layer holds its last key, and what is seen then is the corrected motion."""
    frames, key = range(10, 26), {"dofs": "elbow_flexion_r elbow_flexion_l", "back": True}
    with pytest.raises(RuntimeError, match="no layer"):
        bpy.ops.skel.key_angles(**key)
    before = np.array([angle(rig, frame) for frame in frames])
    bpy.ops.skel.add_layer()
    correct(rig, 15, 0.3)
    for frame in (20, 12):  # afterwards, in any order
        assert abs(angle(rig, frame) - before[frame - 10]) > 0.2
        bpy.ops.skel.key_angles(**key)
        context.view_layer.update()
        assert rig.pose.bones["ulna_r"].rotation_euler.x == pytest.approx(before[frame - 10], abs=1e-6)  # at once
    added = np.array([angle(rig, frame) for frame in frames]) - before
    assert added[[0, 1, 2, 10, 12, 15]] == pytest.approx(0.0, abs=1e-6) and added[5] == pytest.approx(0.3, abs=1e-5)
    context.window_manager.skel.limb = "ARM_R"
    assert "Key No Correction" in draw("SKEL_PT_angles").buttons


def test_merged_layers_are_one_version_of_the_same_motion(rig):
    resting = np.zeros((30, 6), dtype=bool)
    resting[4:12, 0] = resting[20:, 4] = True
    contacts.keep(rig, 5, resting)
    bpy.ops.skel.add_layer()
    for frame, by in ((10, 0.0), (15, 0.3)):
        correct(rig, frame, by)
    frames = motion.span_of(rig)
    before = seen(rig, frames)
    assert bpy.ops.skel.merge_layers() == {"FINISHED"}
    merged = rig.animation_data.action
    assert np.abs(seen(rig, frames) - before).max() < 1e-5 and not motion.is_layered(rig)
    assert merged in record.versions(rig) and all(track.mute for track in rig.animation_data.nla_tracks)
    assert np.array_equal(contacts.of(rig, frames), resting)
    assert bpy.ops.skel.smooth() == {"FINISHED"}
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.skel.merge_layers()


def test_a_limb_led_by_its_control_is_merged_with_its_switch(rig):
    bpy.ops.skel.match(to="CONTROL", limbs={"hand_ik_r"}, range="ACTION")
    bpy.ops.skel.add_layer()
    bpy.context.scene.frame_set(12)
    before = joint_positions(rig)
    hand = rig.pose.bones["hand_ik_r"]
    hand.location.z += 0.05
    hand.keyframe_insert("location", frame=12)
    bpy.context.scene.frame_set(12)
    lifted = joint_positions(rig)
    assert np.abs(lifted - before).max() > 0.01
    bpy.ops.skel.merge_layers()
    bpy.context.scene.frame_set(12)
    assert np.abs(joint_positions(rig) - lifted).max() < 1e-4 and rig["hand_ik_r_on"] == 1.0


@pytest.mark.parametrize("meta", [False, True])
def test_who_leads_on_other_frames_below_a_layer_is_known(rig, meta):
    bpy.context.scene.frame_set(12)
    bpy.ops.skel.match(to="CONTROL", limbs={"hand_ik_r"}, range="FRAME")
    bpy.ops.skel.add_layer()
    correct(rig, 15, 0.0)
    if meta:
        put_into_meta_strips(rig)
    bpy.context.scene.frame_set(20)
    assert not ik.is_on(rig, controls.LIMBS[0]) and ik.led(rig) == [controls.LIMBS[0]]
    rig.animation_data.use_nla = False
    assert ik.led(rig) == []


@pytest.mark.parametrize("meta", [False, True])
def test_what_else_is_animated_is_merged_and_kept_by_a_refit(rig, take, meta):
    hold = rig.pose.bones["hand_r"].constraints.new("COPY_LOCATION")
    hold.target = rig.parent
    for frame, value in ((5, 0.0), (30, 1.0)):
        rig.location.x, hold.influence = value, value
        rig.keyframe_insert("location", index=0, frame=frame)
        hold.keyframe_insert("influence", frame=frame)
        rig.pose.bones["tibia_r"].rotation_mode = rig.pose.bones["tibia_r"].rotation_mode
        rig.pose.bones["tibia_r"].keyframe_insert("rotation_mode", frame=frame)  # no number
    frames = motion.span_of(rig)
    before = seen(rig, frames)
    bpy.ops.skel.add_layer()
    correct(rig, 15, 0.0)
    if meta:
        put_into_meta_strips(rig)
    assert bpy.ops.skel.merge_layers() == {"FINISHED"}
    assert np.abs(seen(rig, frames) - before).max() < 1e-5
    bpy.ops.skel.add_layer()
    correct(rig, 15, 0.2)
    corrections.bring(rig, take.people[0], corrections.sent(rig, take.people[0], *take.people[0].frames[[0, -1]]))
    assert np.abs(seen(rig, frames) - before).max() < 1e-4


def test_a_range_set_by_hand_cuts_nothing_off_below_a_layer(rig):
    action = rig.animation_data.action
    action.use_frame_range, action.frame_start, action.frame_end = True, 10, 20
    frames = motion.span_of(rig)
    before = seen(rig, frames)
    bpy.ops.skel.add_layer()
    correct(rig, 15, 0.0)
    assert np.abs(seen(rig, frames) - before).max() < 1e-5


def test_an_update_plays_alone_and_does_nothing_to_a_rig_in_tweak_mode(rig, take):
    frames, home = motion.span_of(rig), rig.users_collection[0]
    before, data = seen(rig, frames), rig.animation_data
    bpy.ops.skel.add_layer()
    correct(rig, 15, 0.3)
    layer, actions = data.action, set(bpy.data.actions)
    other = next(thing for thing in home.objects if record.is_rig(thing) and thing != rig)
    data.action, data.nla_tracks.active = None, data.nla_tracks[0]
    data.nla_tracks[0].strips[0].select = True
    data.use_tweak_mode = True
    for name in ("person_1", "person_2"):  # whoever comes first
        rig[record.PERSON], other[record.PERSON] = name, "person_2" if name == "person_1" else "person_1"
        with pytest.raises(SkelError, match="in tweak mode"):
            update.update_take(bpy.context, take, home)
        assert set(bpy.data.actions) == actions
    rig[record.PERSON], other[record.PERSON] = "person_1", "person_2"
    data.use_tweak_mode = False
    compat.use_action(rig, layer)
    data.action_blend_type = "COMBINE"
    update.update_take(bpy.context, take, home)
    assert not motion.is_layered(rig) and np.abs(seen(rig, frames) - before).max() < 1e-5
    assert layer in [strip.action for track in data.nla_tracks for strip in track.strips]


def test_what_needs_one_action_asks_for_the_merge(rig):
    bpy.ops.skel.add_layer()
    with pytest.raises(RuntimeError, match="has no keys yet"):
        bpy.ops.skel.add_layer()
    correct(rig, 15, 0.2)
    before = set(bpy.data.actions)
    for button in (bpy.ops.skel.smooth, bpy.ops.skel.thin_keys, bpy.ops.skel.match, bpy.ops.skel.check_limits):
        with pytest.raises(RuntimeError, match="on top of the NLA. Press Merge Layers"):
            button()
    assert set(bpy.data.actions) == before


def test_refit_reads_what_layers_make_and_its_answer_plays_alone(rig, take):
    raw = rig.animation_data.action
    bpy.ops.skel.add_layer()
    for frame, by in ((14, 0.0), (15, 0.2), (16, -0.2)):
        correct(rig, frame, by)
    layer, seen = rig.animation_data.action, angle(rig, 15)
    found = corrections.find(rig, take.people[0])
    assert found.frames.tolist() == [14] and found.poses[0, ELBOW] == pytest.approx(abs(seen), abs=1e-5)
    take.people[0].contacts[3:9, 1] = True
    sent, elsewhere = corrections.sent(rig, take.people[0], 10, 20), angle(rig, 25)
    for frame, by in ((24, 0.0), (25, 0.3), (26, -0.3)):
        correct(rig, frame, by)
    brought = corrections.bring(rig, take.people[0], sent)
    assert rig.animation_data.action == brought.action and not motion.is_layered(rig) and not brought.sentence()
    assert angle(rig, 25) == pytest.approx(elsewhere + 0.3, abs=1e-5) and abs(angle(rig, 15) - seen) > 0.1
    assert [track.strips[0].action for track in rig.animation_data.nla_tracks] == [raw, layer]
    assert np.array_equal(contacts.of(rig, motion.frames_of(rig)), take.people[0].contacts)


def test_a_version_that_is_chosen_plays_alone_and_the_layers_are_kept(rig):
    raw = rig.animation_data.action
    before = angle(rig, 20)
    bpy.ops.skel.add_layer()
    correct(rig, 15, 0.2)
    layer = rig.animation_data.action
    assert any("layer" in text for text in draw("SKEL_PT_keys").labels)
    bpy.ops.skel.use_action(name=raw.name)
    assert angle(rig, 20) == before
    assert [track.strips[0].action for track in rig.animation_data.nla_tracks] == [raw, layer]
    assert layer not in record.versions(rig) and layer in record.actions(rig)
    owner = rig[record.ID]
    bpy.ops.skel.remove_person()
    assert not [action for action in bpy.data.actions if action.get(record.OWNER) == owner]


def test_layers_are_exported_as_they_are_seen_and_versions_as_they_are(rig, context):
    raw = rig.animation_data.action
    (before,) = finish(sample.people(context.scene, [rig], "current", "keys"))
    layers.add(rig)
    correct(rig, 15, 0.3)
    (after,) = finish(sample.people(context.scene, [rig], "all", "keys"))
    assert len(after.clips) == 2 and rig.animation_data.action_blend_type == "COMBINE"
    one, other = (np.abs(clip.world - before.clips[0].world).max() for clip in after.clips)
    assert one > 0.01 and other < 1e-6 and raw.name not in (clip.name for clip in after.clips)


def test_a_version_that_lies_below_a_layer_is_not_removed(rig):
    bpy.ops.skel.smooth()
    below = rig.animation_data.action
    bpy.ops.skel.add_layer()
    correct(rig, 15, 0.2)
    before = angle(rig, 20)
    for merged in (False, True):
        with pytest.raises(RuntimeError, match="person_1 plays person_1 smoothed or has it in the NLA. .* delete its strip"):
            bpy.ops.skel.remove_action(name=below.name)
        assert angle(rig, 20) == pytest.approx(before, abs=1e-6)
        if not merged:
            bpy.ops.skel.merge_layers()
    rig.animation_data.nla_tracks.remove(next(track for track in rig.animation_data.nla_tracks if track.strips[0].action == below))
    assert bpy.ops.skel.remove_action(name=below.name) == {"FINISHED"}


def put_into_meta_strips(rig) -> None:
    """As Add Meta-Strips in the NLA editor."""
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "NLA_EDITOR"
    for track in rig.animation_data.nla_tracks:
        track.select = True
        for strip in track.strips:
            strip.select = True
    rig.select_set(True)
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        bpy.ops.nla.meta_add()
    assert all(strip.type == "META" for track in rig.animation_data.nla_tracks for strip in track.strips)


@pytest.mark.parametrize("start", [31, 2])
def test_layers_in_meta_strips_are_moved_in_time_and_merged(rig, start):
    timing.move(bpy.context.scene, rig.users_collection[0], 11)
    bpy.ops.skel.add_layer()
    correct(rig, 25, 0.2)
    put_into_meta_strips(rig)
    frames = range(15, 40)
    before = [angle(rig, frame) for frame in frames]
    timing.move(bpy.context.scene, rig.users_collection[0], start)
    assert [angle(rig, frame + start - 11) for frame in frames] == pytest.approx(before, abs=1e-5)
    assert bpy.ops.skel.merge_layers() == {"FINISHED"}
    assert [angle(rig, frame + start - 11) for frame in frames] == pytest.approx(before, abs=1e-5)
