# SPDX-License-Identifier: GPL-3.0-or-later
"""A hand or foot is held for a while."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.rig import contacts, controls, ik, record
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import motion, pins
from tests import walk
from tests.bpy.evaluated import evaluated, rig_of
from tests.bpy.panels import draw

AT, FIRST, LAST, EASE = 40, 37, 43, 6
HAND, FOOT = (next(limb for limb in controls.LIMBS if limb.control == name) for name in ("hand_ik_r", "foot_ik_l"))


@pytest.fixture
def walker(context):
    """A rig that walks, as a user with the add-on has it."""
    import skel_blender

    skel_blender.register()
    rig = rig_of(build_take(context, walk.take()))
    context.view_layer.objects.active = rig
    yield rig
    skel_blender.unregister()


def heads(rig, name: str) -> np.ndarray:
    """(T,3) where a bone is on all frames of the walk."""
    result = []
    for frame in range(1, 121):
        bpy.context.scene.frame_set(frame)
        result.append(evaluated(rig).pose.bones[name].head[:])
    return np.array(result)


def test_a_hand_is_where_it_was_at_the_chosen_frame_and_nothing_else_moves(walker, context):
    before, elbow = heads(walker, "hand_r"), heads(walker, "ulna_l")
    context.scene.frame_set(AT)
    ease = EASE / context.scene.render.fps * context.scene.render.fps_base
    assert bpy.ops.skel.pin(limb=HAND.control, first=FIRST, last=LAST, ease=ease) == {"FINISHED"}
    after = heads(walker, "hand_r")
    assert np.ptp(before[FIRST - 1 : LAST], axis=0).max() > 0.1
    assert np.abs(after[FIRST - 1 : LAST] - before[AT - 1]).max() < 2e-3  # as near as the arm's limits and the solver come
    outside = np.r_[0 : FIRST - EASE - 1, LAST + EASE : 120]
    assert np.abs(after - before)[outside].max() < 1e-3
    assert np.linalg.norm(np.diff(after, axis=0), axis=1).max() < 1.6 * np.linalg.norm(np.diff(before, axis=0), axis=1).max()
    assert np.abs(heads(walker, "ulna_l") - elbow).max() < 1e-6
    assert walker.animation_data.action.get(record.KIND) == motion.EDITED and ik.led(walker) == [HAND]


@pytest.mark.parametrize("moved", ["object", "parent"])
def test_a_hand_stays_where_it_is_while_the_object_moves_and_goes_along_with_its_parent(walker, context, moved):
    thing = walker if moved == "object" else walker.parent
    for frame, x in ((AT - 20, 0.0), (AT + 20, 0.4)):
        thing.location.x, thing.rotation_euler.z = x, 0.5 * x
        thing.keyframe_insert("location", frame=frame)
        thing.keyframe_insert("rotation_euler", frame=frame)
    pins.pin(context.scene, walker, HAND, pins.Pin(FIRST, LAST, AT, EASE))

    def hand(frame: int) -> np.ndarray:
        context.scene.frame_set(frame)
        return np.array(evaluated(walker).matrix_local @ evaluated(walker).pose.bones["hand_r"].head)

    places = np.array([hand(frame) for frame in range(FIRST, LAST + 1)])
    assert np.abs(places - places[AT - FIRST]).max() < 2e-3


def test_a_pose_that_is_not_keyed_is_what_is_held(walker, context):
    context.scene.frame_set(AT)
    walker.pose.bones["ulna_r"].rotation_euler.x += 0.4
    context.view_layer.update()
    wanted = np.array(evaluated(walker).pose.bones["hand_r"].head)
    pins.pin(context.scene, walker, HAND, pins.Pin(AT, AT, AT, EASE))
    assert np.abs(heads(walker, "hand_r")[AT - 1] - wanted).max() < 2e-3


def test_a_rig_in_rest_position_is_pinned_where_its_motion_is_and_one_in_edit_mode_is_not(walker, context):
    context.scene.frame_set(AT)
    before = heads(walker, "hand_r")
    walker.data.pose_position = "REST"
    pins.pin(context.scene, walker, HAND, pins.Pin(FIRST, LAST, AT, EASE))
    walker.data.pose_position = "POSE"
    assert np.abs(heads(walker, "hand_r")[FIRST - 1 : LAST] - before[AT - 1]).max() < 2e-3
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(RuntimeError, match="is in Edit Mode, where it has no pose. Leave Edit Mode."):
        bpy.ops.skel.pin(limb=HAND.control, first=FIRST, last=LAST)


def test_a_resting_foot_is_offered_its_rest(walker, context):
    frames = motion.frames_of(walker)
    resting = contacts.of(walker, frames)
    if resting is None or not resting[:, 3:].any():
        resting = np.zeros((len(frames), 6), dtype=bool)
        resting[20:31, 3] = resting[28:35, 4] = True
        contacts.keep(walker, int(frames[0]), resting)
    left = resting[:, 3:].any(axis=1)
    place = int(np.flatnonzero(left)[0])
    first, last = pins.resting(walker, FOOT, int(frames[place]))
    assert left[first - frames[0] : last - frames[0] + 1].all() and first <= frames[place] <= last
    assert last == frames[-1] or not left[last + 1 - frames[0]]
    assert pins.resting(walker, FOOT, int(frames[np.flatnonzero(~left)[0]])) is None
    assert pins.resting(walker, HAND, int(frames[place])) is None
    assert draw("SKEL_PT_ik").operators.count("skel.pin") == len(controls.LIMBS)


def test_frames_without_motion_are_a_sentence(walker):
    with pytest.raises(RuntimeError, match="There is no motion between these frames"):
        bpy.ops.skel.pin(limb=HAND.control, first=500, last=510, ease=0.0)
    with pytest.raises(RuntimeError, match="lies before the first"):
        bpy.ops.skel.pin(limb=HAND.control, first=50, last=40)
