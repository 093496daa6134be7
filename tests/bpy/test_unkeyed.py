# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has another version of a motion has that one: nothing stays of what another one keys."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.export import sample
from skel_blender.rig import compat, controls, record, update
from skel_blender.rig.editing import layers, matching, motion, timing
from skel_blender.rig.editing.steps import finish
from tests.bpy.evaluated import joint_positions

LATER = 200


def seen(rig) -> np.ndarray:
    """(T,24,3) the joints' places on all frames of the motion."""
    frames = motion.span_of(rig)
    return np.array([(bpy.context.scene.frame_set(int(frame)), joint_positions(rig))[1] for frame in frames])


def key(thing, prop: str, *values: float) -> None:
    """Key a property of an object or a bone, with one value after the other."""
    first = bpy.context.scene.frame_start
    for number, value in enumerate(values):
        setattr(thing, prop, value)
        thing.keyframe_insert(prop, frame=first + 10 * number)


def edit(rig) -> None:
    """A version with all that others do not key."""
    matching.to_control(bpy.context.scene, rig, controls.LIMBS[:4], motion.frames_of(rig))
    bones = rig.pose.bones
    key(bones["root"], "rotation_euler", (0.0, 0.0, 0.4), (0.0, 0.0, 0.9))
    key(bones["pelvis"], "location", (0.1, 0.9, 0.1), (0.2, 0.9, 0.3))
    key(bones["tibia_r"], "location", (0.05, 0.0, 0.0))
    key(rig, "location", (1.0, 0.0, 0.0), (0.0, 2.0, 0.0))
    key(bones["root"], "location", (0.0, 0.0, 0.3), (1.0, 0.0, 0.3))


@pytest.fixture
def both(rig):
    """The rig, which plays an edited version, its raw one, and what is seen of the two."""
    raw, before = rig.animation_data.action, seen(rig)
    edit(rig)
    return rig, raw, {"raw": before, "edited": seen(rig)}


@pytest.mark.parametrize("moved", [False, True])
def test_a_version_that_is_chosen_is_what_it_was(both, context, moved):
    rig, raw, wanted = both
    edited = rig.animation_data.action
    if moved:
        timing.move(context.scene, rig.users_collection[0], 1 + LATER)
    for action, name in ((raw, "raw"), (edited, "edited"), (raw, "raw")):
        assert bpy.ops.skel.use_action(name=action.name) == {"FINISHED"}
        assert np.abs(seen(rig) - wanted[name]).max() < 1e-3, name


def test_what_no_version_keys_stays_in_all(rig):
    """A person who was put elsewhere by hand."""
    raw, before = rig.animation_data.action, seen(rig)
    motion.derive(rig, motion.EDITED, [])
    rig.location.x = 3.0
    rig.pose.bones["root"].location.z = 0.5
    bpy.ops.skel.use_action(name=raw.name)
    assert np.abs(seen(rig) - before - [3.0, 0.0, 0.5]).max() < 1e-4


def test_a_place_of_the_object_that_another_version_keys_stays_where_that_was_not_played(both):
    rig, raw, wanted = both
    bpy.ops.skel.use_action(name=raw.name)
    motion.derive(rig, motion.EDITED, [])
    rig.location.x = 3.0
    bpy.ops.skel.use_action(name=raw.name)
    assert np.abs(seen(rig) - wanted["raw"] - [3.0, 0.0, 0.0]).max() < 1e-4


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("current", ["raw", "edited"])
def test_all_versions_are_exported_as_they_are(both, context, current, moved):
    rig, raw, wanted = both
    edited = rig.animation_data.action
    if current == "raw":
        bpy.ops.skel.use_action(name=raw.name)
    if moved:
        timing.move(context.scene, rig.users_collection[0], 1 + LATER)
    context.scene.frame_set(context.scene.frame_start + 7)
    rig.pose.bones["pelvis"].location.z += 0.25  # not keyed yet
    context.view_layer.update()
    stands = [tuple(rig.matrix_basis.translation), *(tuple(value) for bone in rig.pose.bones for value in bone.matrix_basis)]
    switches = [rig[limb.switch] for limb in controls.LIMBS]
    (person,) = finish(sample.people(context.scene, [rig], "all", "keys"))
    clips = {clip.name: clip.world[:, :, :3, 3] for clip in person.clips}
    if current == "edited":
        assert np.abs(clips["raw"] - wanted["raw"]).max() < 1e-4  # of the present one a key is not written yet
    assert np.abs(clips["edited"] - wanted["edited"]).max() < 1e-3
    assert rig.animation_data.action == (raw if current == "raw" else edited)
    assert [rig[limb.switch] for limb in controls.LIMBS] == switches
    after = [tuple(rig.matrix_basis.translation), *(tuple(value) for bone in rig.pose.bones for value in bone.matrix_basis)]
    assert np.abs(np.concatenate(after) - np.concatenate(stands)).max() < 1e-6


@pytest.mark.parametrize("by", ["", "layer", "dope sheet"])
def test_an_update_brings_the_motion_alone(both, take, by):
    rig, raw, wanted = both
    if by == "layer":
        layers.add(rig)
        key(rig.pose.bones["root"], "location", (0.0, 0.0, 0.2))
        key(rig.pose.bones["root"], "rotation_euler", (0.0, 0.0, 0.2))
    elif by:
        key(rig, "location", (0.0, 0.0, 0.0))  # Blender's chooser leaves the object where it is
        compat.use_action(rig, raw)
    update.update_take(bpy.context, take, rig.users_collection[0])
    assert rig.animation_data.action.get(record.KIND) == record.RAW != raw
    assert np.abs(seen(rig) - wanted["raw"]).max() < 1e-4


def test_an_action_of_blenders_own_leaves_nothing_either(rig):
    """As Bake Action makes them, with keys for every channel of every bone."""
    raw, before = rig.animation_data.action, seen(rig)
    baked = raw.copy()
    for mark in (record.KIND, record.OWNER):
        del baked[mark]
    compat.use_action(rig, baked)
    key(rig.pose.bones["root"], "location", (0.0, 0.0, 0.3))
    key(rig.pose.bones["root"], "scale", (1.5, 1.5, 1.5))
    assert np.abs(seen(rig) - before).max() > 0.2
    bpy.ops.skel.use_action(name=raw.name)
    assert np.abs(seen(rig) - before).max() < 1e-4
