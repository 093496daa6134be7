# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people who share one action, each by a slot of its own, as Blender's Merge Animation makes (from 4.4 on)."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.rig import compat, record
from skel_blender.rig.editing import motion
from tests.bpy.evaluated import curves, joint_positions

pytestmark = pytest.mark.skipif(bpy.app.version < (4, 4), reason="actions have no slots")
STEPS = {
    "match": [("match", {"to": "CONTROL", "range": "FRAME"}), ("match", {"to": "CHANNELS", "range": "FRAME"})],
    "layer": [("add_layer", {}), ("key_angles", {"dofs": "elbow_flexion_r"}), ("merge_layers", {})],
}


def seen(rig) -> np.ndarray:
    """(T,24,3) the joints' places."""
    return np.array([(bpy.context.scene.frame_set(frame), joint_positions(rig))[1] for frame in range(5, 35, 4)])


@pytest.fixture
def pair(rig):
    """Both people, who play one action."""
    other = next(thing for thing in rig.users_collection[0].objects if record.is_rig(thing) and thing != rig)
    shared, theirs = rig.animation_data.action, curves(other)
    slot = shared.slots.new(id_type="OBJECT", name="SKEL")
    bag = shared.layers[0].strips[0].channelbag(slot, ensure=True)
    for curve in theirs:
        made = bag.fcurves.new(curve.data_path, index=curve.array_index)
        for point in curve.keyframe_points:
            made.keyframe_points.insert(point.co.x, point.co.y).interpolation = point.interpolation
    other.animation_data.action = shared
    other.animation_data.action_slot = slot
    return rig, other


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("steps", STEPS)
def test_who_shares_an_action_goes_on_with_his_own_motion(pair, who, steps):
    rig, before = pair[who], [seen(person) for person in pair]
    bpy.context.view_layer.objects.active = rig
    bpy.context.scene.frame_set(17)
    for button, options in STEPS[steps]:
        assert getattr(bpy.ops.skel, button)(**options) == {"FINISHED"}
        assert max(np.abs(seen(person) - was).max() for person, was in zip(pair, before)) < 1e-4
    assert motion.action_of(rig) != motion.action_of(pair[1 - who])


def test_a_spare_action_gives_the_slot_back(pair):
    for rig in pair:
        data = rig.animation_data
        was = data.action, data.action_slot.identifier
        with compat.spare_action(rig, "spare"):
            assert data.action != was[0]
        assert (data.action, data.action_slot.identifier) == was


@pytest.mark.parametrize("stripped", [False, True])
def test_a_prop_that_shares_an_action_stays_in_its_time(rig, stripped):
    """Whether it plays its slot by itself or in a strip; keys of a slot that nobody plays go with the person whose action it is."""
    shared, prop = rig.animation_data.action, bpy.data.objects.new("ball", None)
    bpy.context.scene.collection.objects.link(prop)
    data = prop.animation_data_create()
    data.action = shared
    data.action_slot = slot = shared.slots.new(id_type="OBJECT", name="ball")
    prop.keyframe_insert("location", frame=7)
    keys = curves(prop)[0].keyframe_points
    if stripped:
        strip = data.nla_tracks.new().strips.new("ball", 7, shared)
        strip.action_slot, data.action = slot, None
    rig.skel.start = 11
    assert keys[0].co.x == 7.0
    assert motion.frames_of(rig)[0] == 15
    bpy.data.objects.remove(prop)
    rig.skel.start = 1
    assert keys[0].co.x == -3.0
    assert motion.frames_of(rig)[0] == 5
