# SPDX-License-Identifier: GPL-3.0-or-later
"""People are out of sight on frames in which they are not in the footage, if so asked."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender import take as takes
from skel_blender.rig import assemble, controls, presence, record, update
from skel_blender.rig.assemble import Options, build_take
from skel_blender.rig.editing import matching, motion, timing
from skel_blender.ui import arrival
from tests import synthetic
from tests.bpy.evaluated import curves, evaluated, mesh_points, rig_of
from tests.bpy.panels import draw


@pytest.fixture
def shot(context):
    """Frames 1 to 40, of which the second person is there on 11 to 20."""
    take = synthetic.random_take(frames=40)
    person = take.people[1]
    for name in ("frames", "poses", "trans", "confidence", "keypoints_2d", "landmarks_3d", "reprojection_error", "contacts"):
        setattr(person, name, getattr(person, name)[10:20])
    return take


def seen(scene, rig, frames=(1, 10, 11, 15, 20, 21, 40)) -> list[int]:
    """The frames on which rig, skin and bones are visible, all or none of them."""
    things, result = [rig, *record.parts(rig, "skin"), *record.parts(rig, "bone")], []
    for frame in frames:
        scene.frame_set(frame)
        states = {(evaluated(thing).hide_viewport, evaluated(thing).hide_render) for thing in things}
        assert len(states) == 1 and states <= {(False, False), (True, True)}
        if states == {(False, False)}:
            assert all(thing.visible_get() for thing in things)
            result.append(frame)
    return result


def test_hidden_before_and_after(context, shot, capfd):
    collection = build_take(context, shot, hide=True)
    first, second = rig_of(collection, 0), rig_of(collection, 1)
    assert seen(context.scene, second) == [11, 15, 20]
    assert seen(context.scene, first) == [1, 10, 11, 15, 20, 21, 40]
    assert all(curve.driver.is_simple_expression for curve in second.animation_data.drivers)
    context.scene.frame_set(15)
    joints = shot.people[1].joints()[4]
    assert np.linalg.norm(mesh_points(record.parts(second, "skin")[0]).mean(axis=0) - joints.mean(axis=0)) < 0.5
    assert "cycle" not in "".join(capfd.readouterr()).lower()


def test_hidden_while_away_for_long(context, enabled):
    """More than three seconds unseen, as who comes back and was said to be the same: not for less, and wherever the take begins."""
    take = synthetic.random_take(frames=400, people=1)
    take.people[0].confidence[:] = 1.0
    for first, end in ((20, 120), (150, 230), (300, 399)):
        take.people[0].confidence[first:end] = 0.0
    collection = build_take(context, take, hide=True)
    rig, ends = rig_of(collection), (1, 20, 21, 120, 121, 150, 151, 200, 300, 301, 399, 400)
    assert seen(context.scene, rig, ends) == [1, 20, 121, 150, 151, 200, 300, 400]
    assert all(curve.driver.is_simple_expression for curve in rig.animation_data.drivers)
    timing.move(context.scene, collection, 11)
    assert seen(context.scene, rig, [end + 10 for end in ends]) == [11, 30, 131, 160, 161, 210, 310, 410]
    assert [presence.nearest(rig, frame) for frame in (1, 20, 40, 100, 311, 420)] == [11, 20, 30, 131, 310, 410]
    take.people[0].confidence[:] = 1.0
    update.update_take(context, take, collection, Options())
    assert len(seen(context.scene, rig, [end + 10 for end in ends])) == len(ends) and presence.GAPS not in rig


def test_more_absences_than_a_driver_has_room_for_are_not_all_hidden(context):
    take = synthetic.random_take(frames=1000, people=1)
    take.people[0].confidence[:] = np.arange(1000) % 100 == 0
    rig = rig_of(build_take(context, take, hide=True))
    assert seen(context.scene, rig, (1, 50, 101, 150, 701, 750, 801, 850)) == [1, 101, 701, 801, 850]
    assert all(curve.driver.is_simple_expression for curve in rig.animation_data.drivers)


def test_limbs_change_hands_also_on_frames_on_which_the_person_is_out_of_sight(context, shot):
    """As where keys were moved or scaled beyond the footage: Blender does not pose who is hidden."""
    shot.people[1].poses[:, 6:] *= 0.3  # far from any limit
    rig = rig_of(build_take(context, shot, hide=True), 1)
    for curve in curves(rig):
        for key in curve.keyframe_points:
            key.co.x = 2.0 * key.co.x
        curve.update()
    frames = motion.frames_of(rig)
    before = kinematics.joint_rotations(motion.read(rig, frames)[0])
    assert frames[-1] == 40 and np.abs(before[-1] - before[0]).max() > 0.1
    for change in (matching.to_control, matching.to_channels):
        change(context.scene, rig, controls.LIMBS, frames)
    assert np.abs(kinematics.joint_rotations(motion.read(rig, frames)[0]) - before).max() < 2e-3
    assert seen(context.scene, rig, (10, 11, 20, 21)) == [11, 20]


def test_who_is_to_be_seen_beyond_the_footage_is_shown_by_one_click(rig, context):
    """An animator who prolongs a motion: the rig vanishes on the frame after the last."""
    presence.apply(rig, True)
    first, last = rig[presence.FIRST], rig[presence.LAST]
    context.scene.frame_set(last)
    assert "skel.show_here" not in draw("SKEL_PT_people").operators
    for frame in (last + 5, first - 3):
        context.scene.frame_set(frame)
        assert "skel.show_here" in draw("SKEL_PT_people").operators and seen(context.scene, rig, [frame]) == []
        assert bpy.ops.skel.show_here() == {"FINISHED"}
        assert "skel.show_here" not in draw("SKEL_PT_people").operators
    assert seen(context.scene, rig, (first - 4, first - 3, last + 5, last + 6)) == [first - 3, last + 5]
    rig.pose.bones["ulna_r"].keyframe_insert("rotation_euler", index=0, frame=last + 20)
    presence.reach(rig, last + 6)
    assert seen(context.scene, rig, (first - 4, last + 20, last + 21)) == [last + 20]
    rig.pose.bones["ulna_r"].keyframe_insert("rotation_euler", index=0, frame=last + 30)
    bpy.ops.skel.add_layer()  # the keys lie in a strip below it now
    presence.reach(rig, last + 21)
    assert seen(context.scene, rig, (last + 30, last + 31)) == [last + 30]


def test_it_can_be_switched_and_follows_an_update(context, shot):
    collection = build_take(context, shot, hide=False)
    rig = rig_of(collection, 1)
    assert not presence.is_on(rig) and len(seen(context.scene, rig)) == 7
    presence.apply(rig, True)
    assert presence.is_on(rig) and seen(context.scene, rig) == [11, 15, 20]
    shot.people[1].frames = shot.people[1].frames + 1
    update.update_take(context, shot, collection, Options())
    assert seen(context.scene, rig) == [15, 20, 21]
    context.scene.frame_set(1)
    presence.apply(rig, False)
    assert not presence.is_on(rig) and len(seen(context.scene, rig)) == 7
    assert not bpy.data.objects[rig.name].hide_viewport


def test_choosing_somebody_out_of_sight_goes_to_where_he_is(rig, context):
    presence.apply(rig, True)
    first, last = rig[presence.FIRST], rig[presence.LAST]
    for frame, shown in ((first - 3, first), (first + 2, first + 2), (last + 9, last)):
        context.scene.frame_set(frame)
        bpy.ops.skel.select_person(name=rig.name)
        assert context.scene.frame_current == shown and rig.select_get()
    presence.apply(rig, False)
    context.scene.frame_set(last + 9)
    bpy.ops.skel.select_person(name=rig.name)
    assert context.scene.frame_current == last + 9


@pytest.mark.parametrize("part", ["rig", "skin"])
def test_who_is_out_of_sight_in_another_mode_is_in_nobodys_way(context, enabled, shot, part):
    """Blender changes no mode of what is hidden: a rig in Pose Mode or a skin in Weight Paint whose person has left the footage."""
    collection = build_take(context, shot, hide=True)
    first, second = rig_of(collection, 0), rig_of(collection, 1)
    active, mode = (second, "POSE") if part == "rig" else (record.parts(second, "skin")[0], "WEIGHT_PAINT")
    context.scene.frame_set(15)
    context.view_layer.objects.active = active
    bpy.ops.object.mode_set(mode=mode)
    context.scene.frame_set(30)
    assert active.hide_viewport and active.mode == mode
    build_take(context, synthetic.random_take(frames=3, people=1))
    assert context.view_layer.objects.active == active and active.mode == mode
    context.scene.frame_set(30)
    bpy.ops.skel.select_person(name=first.name)
    assert context.view_layer.objects.active == first and active.mode == "OBJECT" and first.mode == ("POSE" if part == "rig" else "OBJECT")
    assert seen(context.scene, second) == [11, 15, 20]


def test_meshes_share_one_action_and_one_that_the_user_animates_keeps_his(context, shot):
    rig = rig_of(build_take(context, shot, hide=True), 1)
    meshes = [*record.parts(rig, "skin"), *record.parts(rig, "bone")]
    assert len({thing.animation_data.action for thing in meshes}) == 1
    presence.apply(rig, False)
    assert not any(action.name.endswith("presence") and action.users for action in bpy.data.actions if rig.name in action.name)
    meshes[0].keyframe_insert("location", frame=1)
    own = meshes[0].animation_data.action
    presence.apply(rig, True)
    assert meshes[0].animation_data.action == own and seen(context.scene, rig) == [11, 15, 20]
    presence.apply(rig, False)
    assert meshes[0].animation_data.action == own and len(seen(context.scene, rig)) == 7


def test_rigs_that_hid_by_drivers_alone_are_changed_over(context, shot):
    rig = rig_of(build_take(context, shot), 1)
    for thing in (rig, *record.parts(rig, "skin"), *record.parts(rig, "bone")):
        for path in ("hide_viewport", "hide_render"):
            curve = thing.driver_add(path)
            curve.keyframe_points.clear()
            curve.driver.expression = "frame < 3"
    assert presence.is_on(rig)
    presence.apply(rig, True)
    assert seen(context.scene, rig) == [11, 15, 20]
    assert not any(thing.animation_data.drivers for thing in record.parts(rig, "bone"))


def count_shown(kind):
    """How many skins or bone meshes are seen."""
    return sum(thing.visible_get() for thing in bpy.data.objects if thing.get(record.PART) == kind)


@pytest.mark.parametrize("how", ["exclude", "hide_viewport"])
def test_skins_or_bones_are_switched_off_by_their_collection_and_that_lasts(context, enabled, take, tmp_path, how):
    """Also over frames, an update, and a take that is switched off and on again."""
    takes.save(replace(take, source="/clip.mp4"), tmp_path / "shot.npz")
    enabled.hide, enabled.again = True, "UPDATE"
    arrival.build(context, str(tmp_path / "shot.npz"))
    home = bpy.data.collections["shot"]
    assert count_shown("skin") == 2 and count_shown("bone") == 48 and len(home.children) == 2
    off = assemble.shelf(home, "bone")
    off.hide_render = True
    setattr(assemble.layer_of(context.view_layer, off) if how == "exclude" else off, how, True)
    for frame in (6, 7):
        context.scene.frame_set(frame)
        assert count_shown("skin") == 2 and count_shown("bone") == 0
    for _ in range(2):
        arrival.build(context, str(tmp_path / "shot.npz"))
        context.scene.frame_set(8)
        assert count_shown("skin") == 2 and count_shown("bone") == 0 and len(home.children) == 2 and off.hide_render
    enabled.again, layer = "VERSION", assemble.layer_of(context.view_layer, home)
    layer.exclude = True
    arrival.build(context, str(tmp_path / "shot.npz"))  # beside it
    layer.exclude = False
    context.scene.frame_set(9)
    assert [thing.visible_get() for thing in (*assemble.shelf(home, "skin").objects, *off.objects)] == [True] * 2 + [False] * 48
    bones = assemble.shelf(bpy.data.collections["shot.001"], "bone")
    assert len(bones.objects) == 48 and all(thing.visible_get() for thing in bones.objects)


def test_a_take_of_an_older_version_is_sorted_when_it_is_updated(context, take):
    """Its meshes lie in its collection itself; those that the animator has put elsewhere stay there."""
    home = build_take(context, take)
    own = bpy.data.collections.new("mine")
    context.scene.collection.children.link(own)
    for child in list(home.children):
        for thing in child.objects:
            (own if thing.name == "person_2_skin" else home).objects.link(thing)
        bpy.data.collections.remove(child)
    material = rig_of(home).children[-1].data.materials[0]
    skin = record.parts(rig_of(home), "skin")[0]
    skin.select_set(True)
    take.people.append(replace(take.people[0], name="somebody"))
    update.update_take(context, take, home)
    assert [thing.name for thing in own.objects] == ["person_2_skin"] and skin.select_get()
    assert [len(assemble.shelf(home, kind).objects) for kind in ("skin", "bone")] == [2, 72] and len(home.children) == 2
    assert not any(thing.get(record.PART) in ("skin", "bone") for thing in home.objects)
    assert {thing.data.materials[0] for thing in assemble.shelf(home, "bone").objects} == {material}
