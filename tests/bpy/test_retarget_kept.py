# SPDX-License-Identifier: GPL-3.0-or-later
"""What a retarget leaves as it was, and what it refuses to do."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.export.retarget import Options, retarget, sample, skeleton, steps
from skel_blender.export.retarget.guess import guess
from skel_blender.messages import SkelError
from skel_blender.rig.armature import set_mode
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing.steps import finish
from tests import walk
from tests.bpy import characters
from tests.bpy.evaluated import curves, rig_of
from tests.bpy.walking import look, put


def keys(thing):
    return [(curve.data_path, curve.array_index, [tuple(point.co) for point in curve.keyframe_points]) for curve in curves(thing)]


def test_angles_do_not_jump_and_other_actions_stay(source):
    target = characters.nameless()
    target.pose.bones[0].keyframe_insert("location", frame=3)
    old = target.animation_data.action
    before = keys(target)
    theirs = source.animation_data.action
    bpy.context.scene.frame_set(37)
    scenes, mapping = list(bpy.data.scenes), guess(skeleton.read(target))
    result = retarget(bpy.context.scene, source, target, mapping)
    assert target.animation_data.action == result.action != old and old.use_fake_user and source.animation_data.action == theirs
    assert list(bpy.data.scenes) == scenes and bpy.context.scene.frame_current == 37
    keyed = curves(target)
    moved = {curve.data_path.split('"')[1] for curve in keyed}
    assert moved == set(mapping.values())
    for curve in keyed:
        values = np.empty(len(curve.keyframe_points) * 2, dtype=np.float32)
        curve.keyframe_points.foreach_get("co", values)
        assert len(values) == 240 and (values[::2] == np.arange(1, 121)).all()
        most = 0.1 if "location" in curve.data_path else 0.5
        if "axis_angle" in curve.data_path and curve.array_index > 0:
            most = 2.0  # near no angle the axis is anybody's guess
        assert np.abs(np.diff(values[1::2])).max() < most, curve.data_path
    target.animation_data.action = old
    if hasattr(old, "slots"):
        target.animation_data.action_slot = old.slots[0]
    assert before == keys(target)
    again, _, _ = put(source, target)
    assert again.action != result.action


def test_a_source_that_hides_on_this_frame_is_seen(context):
    results = []
    for hide in (False, True):
        take = walk.take()
        person, part = take.people[0], slice(20, 60)
        for name in ("frames", "poses", "trans", "confidence", "keypoints_2d", "landmarks_3d", "reprojection_error", "contacts"):
            setattr(person, name, getattr(person, name)[part])
        rig = rig_of(build_take(context, take, hide=hide))
        context.scene.frame_set(3)
        assert rig.hide_viewport is hide
        results.append(finish(sample.sample(context.scene, rig))[0])
        assert rig.hide_viewport is hide
    assert (results[0].frames == np.arange(21, 61)).all()
    assert (results[0].places == results[1].places).all() and np.ptp(results[0].places[:, 0, 1]) > 0.5


def refused(source, target, mapping=None, **options):
    """The code of the error, and that the target has no action."""
    with pytest.raises(SkelError) as caught:
        retarget(bpy.context.scene, source, target, guess(skeleton.read(target)) if mapping is None else mapping, Options(**options))
    assert target is None or target.animation_data is None
    return caught.value.code


def test_what_cannot_be_done_is_said_before_anything_is_changed(source):
    target = characters.mixamo()
    mapping = guess(skeleton.read(target))
    assert refused(source, None, {}) == "no_target"
    assert refused(source, target, {**mapping, "hips": ""}) == "unmapped"
    assert refused(source, target, {**mapping, "hips": "Hüfte"}) == "no_bone"
    assert refused(source, target, {**mapping, "head": mapping["neck_1"]}) == "twice"
    assert refused(source, target, root_travels=True) == "unmapped"
    target.pose.bones["mixamorig:Hips"].scale.y = 1.2
    assert refused(source, target, mapping) == "scaled"
    target.pose.bones["mixamorig:Hips"].scale.y = 1.0
    target.scale = (0.01, 0.01, 0.02)
    bpy.context.view_layer.update()
    assert refused(source, target, mapping) == "skewed"
    target.scale = (-0.01, 0.01, 0.01)
    bpy.context.view_layer.update()
    assert refused(source, target, mapping) == "mirrored"
    target.scale = (0.01, 0.01, 0.01)
    bpy.context.view_layer.update()
    theirs = source.animation_data.action
    source.animation_data.action = None
    assert refused(source, target, mapping) == "no_action"
    source.animation_data.action = theirs
    assert refused(target, target, mapping) == "no_rig"


def connected(parent, child):
    """A T-posed character whose bone `child` hangs on the tip of `parent`, which a root under the hips may be."""
    target = characters.mixamo()
    bpy.context.view_layer.objects.active = target
    set_mode(bpy.context, "EDIT")
    bones = target.data.edit_bones
    root = bones.new("root")
    root.tail = bones["mixamorig:Hips"].head
    bones["mixamorig:Hips"].parent = root
    bones[parent].tail = bones[child].head
    bones[child].parent, bones[child].use_connect = bones[parent], True
    set_mode(bpy.context, "OBJECT")
    return target


def test_hips_that_cannot_travel_are_refused_and_other_connected_bones_are_not(source):
    """Blender pays no heed to the location of a bone that is connected: the character would walk on the spot."""
    assert refused(source, connected("root", "mixamorig:Hips")) == "connected"
    _, _, seen = put(source, connected("mixamorig:LeftUpLeg", "mixamorig:LeftLeg"))
    assert np.ptp(seen.heads["hips"][:, 1]) > 2.0


def test_armatures_in_rest_position_or_edit_mode(source):
    """In Rest Position they are retargeted all the same, also where constraints must be looked at; in Edit Mode they have no pose."""
    seen = []
    for position in ("POSE", "REST"):
        target = characters.mixamo()
        held = target.pose.bones["mixamorig:Head"].constraints.new("COPY_ROTATION")
        held.target, held.subtarget, held.influence = target, "mixamorig:Neck", 0.5
        source.data.pose_position = target.data.pose_position = position
        result = retarget(bpy.context.scene, source, target, guess(skeleton.read(target)))
        assert source.data.pose_position == target.data.pose_position == position and result.off_rad < 0.01
        target.data.pose_position = "POSE"
        seen.append(look(target, {"hips": "mixamorig:Hips", "head": "mixamorig:Head"}))
    assert np.abs(seen[1].turns["head"] - seen[0].turns["head"]).max() < 1e-4
    assert np.abs(seen[1].heads["hips"] - seen[0].heads["hips"]).max() < 1e-5
    source.data.pose_position = "POSE"
    target, mapping = characters.mixamo(), guess(skeleton.read(target))
    for thing in (target, source):
        bpy.context.view_layer.objects.active = thing
        set_mode(bpy.context, "EDIT")
        assert refused(source, target, mapping) == "edit_mode"
        set_mode(bpy.context, "OBJECT")


def test_the_motion_is_not_added_to_what_the_nla_plays(source):
    _, _, alone = put(source, characters.mixamo())
    target = characters.mixamo()
    hips = target.pose.bones["mixamorig:Hips"]
    hips.location = (0.0, 30.0, 0.0)
    hips.keyframe_insert("location", frame=1)
    data = target.animation_data
    data.nla_tracks.new().strips.new("base", 1, data.action)
    data.action = None
    data.action_blend_type, data.action_influence = "ADD", 0.5
    work = steps(bpy.context.scene, source, target, guess(skeleton.read(target)))
    next(work)
    work.close()
    assert (data.action_blend_type, data.action_influence) == ("ADD", 0.5)
    _, _, seen = put(source, target)
    assert np.abs(seen.heads["hips"] - alone.heads["hips"]).max() < 1e-4


def test_a_linked_target_is_refused_and_a_linked_source_is_not(source, context, tmp_path):
    target = characters.mixamo()
    path = tmp_path / "character.blend"
    bpy.data.libraries.write(str(path), {target, source})
    names = target.name, source.name
    for thing in (target, source):
        bpy.data.objects.remove(thing)
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.objects = list(names)
    target, source = wanted.objects
    for thing in wanted.objects:
        context.scene.collection.objects.link(thing)
    context.view_layer.update()
    assert target.library is not None
    assert refused(source, target) == "linked"
    own = characters.manny()
    result, _, _ = put(source, own)
    assert result.frames == 120


def state(*things):
    """What a retarget could disturb: the blocks of the file, and each armature's pose, as keyed and as seen, and what it plays."""
    bpy.context.view_layer.update()
    blocks = [sorted(block.name for block in getattr(bpy.data, kind)) for kind in ("objects", "actions", "scenes", "collections")]
    channels = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "scale", "matrix")
    poses = [[np.array(getattr(bone, channel)).round(6).tolist() for bone in thing.pose.bones for channel in channels] for thing in things]
    played = [(data and data.action, data and getattr(data, "action_slot", None), data and data.action and data.action.use_fake_user)
              for data in (thing.animation_data for thing in things)]  # fmt: skip
    return blocks, poses, played, [thing.hide_viewport for thing in things], bpy.context.scene.frame_current


@pytest.mark.parametrize(("after", "animated"), [(60, True), (150, False), (300, True)])
def test_a_retarget_that_is_broken_off_leaves_no_trace(source, after, animated):
    """While the source is read, and while a constraint's doing is put right, when the target has its new action already."""
    target = characters.manny()
    held = target.pose.bones["head"].constraints.new("COPY_ROTATION")
    held.target, held.subtarget, held.influence = target, "neck_02", 0.5
    if animated:
        target.pose.bones["thigh_l"].keyframe_insert("rotation_quaternion", frame=3)
    target.pose.bones["hand_l"].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    source.pose.bones["humerus_l"].rotation_euler.x += 0.3  # a pose that is not keyed
    before = state(source, target)
    work = steps(bpy.context.scene, source, target, guess(skeleton.read(target)))
    seen = [next(work) for _ in range(after)]
    assert all(0.0 < step.done <= 1.0 for step in seen) and (seen[-1].what == "Reading the motion") == (after < 121)
    bpy.context.view_layer.update()
    work.close()
    assert state(source, target) == before


@pytest.mark.parametrize("finished", [False, True])
def test_what_is_made_in_a_second_window_meanwhile_stays(source, context, finished):
    """And what is deleted there stays deleted, animated or not."""
    gone = bpy.data.objects.new("gone", None)
    context.scene.collection.objects.link(gone)
    gone.keyframe_insert("location", frame=1)
    target, scenes = characters.manny(), list(bpy.data.scenes)
    held = target.pose.bones["head"].constraints.new("COPY_ROTATION")
    held.target, held.subtarget, held.influence = target, "neck_02", 0.5
    work, made = steps(context.scene, source, target, guess(skeleton.read(target))), []
    for number in (60, 90):  # while the source is read, and while a constraint's doing is put right
        for _ in range(number):
            next(work)
        mesh, home = bpy.data.meshes.new("prop"), bpy.data.collections.new("props")
        prop = bpy.data.objects.new("prop", mesh)
        home.objects.link(prop)
        context.scene.collection.children.link(home)
        made += [prop, home, bpy.data.actions.new("prop"), bpy.data.scenes.new("another"), mesh]
    bpy.data.objects.remove(gone)
    if finished:
        assert finish(work).frames == 120
    else:
        work.close()
    kinds = bpy.data.objects, bpy.data.collections, bpy.data.actions, bpy.data.scenes, bpy.data.meshes
    assert [block in list(kinds[number % 5]) for number, block in enumerate(made)] == [True] * 10
    assert len(bpy.data.scenes) == len(scenes) + 2 and "gone" not in bpy.data.objects
