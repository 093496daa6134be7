# SPDX-License-Identifier: GPL-3.0-or-later
"""A take that begins at another frame of the scene: all that is keyed, kept or shown by frames goes along."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest

from skel_blender import take as takes
from skel_blender.rig import assemble, compat, contacts, presence, record, update
from skel_blender.rig.editing import corrections, layers, motion, timing
from skel_blender.ui import arrival
from tests import synthetic
from tests.bpy.evaluated import joint_positions, rig_of
from tests.bpy.panels import draw

BY = 1000


def seen(rig, frames) -> np.ndarray:
    """Joints and the camera's place on the frames."""
    eye, result = bpy.context.scene.camera, []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame))
        result.append([*joint_positions(rig), eye.matrix_world.translation])
    return np.array(result)


@pytest.fixture
def taken(take):
    """Two people before a camera that moves."""
    synthetic.moving_camera(take)
    return take


@pytest.fixture
def moving(context, taken):
    """Their collection."""
    return assemble.build_take(context, taken, hide=True)


def test_people_camera_and_all_versions_are_as_much_later(context, moving):
    rig, scene = rig_of(moving), context.scene
    raw = rig.animation_data.action
    motion.smooth(rig, 0.2, 30.0, {"ARM_R"})
    frames, resting = motion.frames_of(rig), contacts.of(rig, motion.frames_of(rig))
    before, other = seen(rig, frames), seen(rig_of(moving, 1), frames)
    timing.move(scene, moving, 1 + BY)
    assert (scene.frame_start, scene.frame_end) == (5 + BY, 34 + BY) and record.start(rig) == 1 + BY
    assert np.abs(seen(rig, frames + BY) - before).max() < 1e-6 and np.abs(seen(rig_of(moving, 1), frames + BY) - other).max() < 1e-6
    compat.use_action(rig, raw)
    assert np.array_equal(motion.frames_of(rig), frames + BY) and np.array_equal(contacts.of(rig, frames + BY), resting)
    scene.frame_set(5)
    assert rig.hide_viewport
    scene.frame_set(5 + BY)
    assert not rig.hide_viewport
    scene.frame_start = 1
    timing.move(scene, moving, 1)
    assert (scene.frame_start, scene.frame_end) == (1, 34 + BY)  # a range of the user's own stays
    assert np.array_equal(motion.frames_of(rig), frames)


def test_strips_go_along_and_stay_beside_each_other(context, moving):
    rig = rig_of(moving)
    frames = motion.frames_of(rig)
    layers.add(rig)
    rig.pose.bones["ulna_r"].rotation_euler.x += 0.3
    rig.pose.bones["ulna_r"].keyframe_insert("rotation_euler", index=0, frame=20)
    strips = rig.animation_data.nla_tracks[0].strips
    strips.new("again", int(frames[-1]) + 1, strips[0].action)
    frames = motion.span_of(rig)
    before = seen(rig, frames)
    for start in (1 + BY, 11):
        timing.move(context.scene, moving, start)
        assert np.abs(seen(rig, frames + start - 1) - before).max() < 1e-5


def test_a_correction_and_an_update_find_the_footages_frames(context, taken, moving):
    rig = rig_of(moving)
    timing.move(context.scene, moving, 1 + BY)
    curve = compat.holder(rig).fcurves.find('pose.bones["ulna_r"].rotation_euler', index=0)
    curve.keyframe_points[7].co.y += 0.3
    curve.update()
    assert list(corrections.find(rig, taken.people[0]).frames) == [11]
    update.update_take(context, taken, moving)
    assert motion.frames_of(rig)[0] == 5 + BY == context.scene.frame_start
    assert (rig[presence.FIRST], rig[presence.LAST]) == (5 + BY, 34 + BY)


def still(folder) -> str:
    """A picture, as footage."""
    picture = bpy.data.images.new("still", 64, 48)
    picture.filepath_raw, picture.file_format = str(folder / "still.png"), "PNG"
    picture.save()
    return picture.filepath_raw


def test_the_footage_goes_along_and_stays_for_another_take(context, take, tmp_path):
    one, other = (assemble.build_take(context, take, still(tmp_path)) for _ in range(2))
    clips = [assemble.camera_of(home).data.background_images[0] for home in (one, other)]
    assert clips[0].clip == clips[1].clip
    timing.move(context.scene, one, 1 + BY)
    assert (clips[0].clip.frame_start, clips[1].clip.frame_start) == (1 + BY, 1)
    timing.move(context.scene, one, 1)
    assert len(bpy.data.movieclips) == 2  # a clip of its own is not copied again


def test_a_take_follows_its_footage_that_was_moved_by_hand(context, rig, take, tmp_path):
    home = assemble.build_take(context, take, still(tmp_path))
    rig = context.view_layer.objects.active = rig_of(home)
    frames, clip = motion.frames_of(rig), assemble.camera_of(home).data.background_images[0].clip
    assert "skel.follow_footage" not in draw("SKEL_PT_people").operators
    clip.frame_start, clip.frame_offset = 1 + BY, 7  # its first frame would be seen before its start
    assert "skel.follow_footage" in draw("SKEL_PT_people").operators
    assert bpy.ops.skel.follow_footage() == {"FINISHED"}
    assert np.array_equal(motion.frames_of(rig), frames + BY - 7) and rig.skel.start == 1 + BY - 7
    assert (clip.frame_start, clip.frame_offset) == (1 + BY, 7) and timing.footage_elsewhere(home) is None
    other = assemble.build_take(context, take, tmp_path / "still.png", before=home)
    assert assemble.camera_of(other).data.background_images[0].clip == clip, "in step with it"


def test_footage_whose_start_is_keyed_and_none_at_all_are_in_their_place(context, take, tmp_path):
    assemble.build_take(context, take, still(tmp_path))
    slow = assemble.build_take(context, replace(take, fps=2 * take.fps), tmp_path / "still.png")
    assert compat.action(assemble.camera_of(slow).data.background_images[0].clip) is not None
    assert timing.footage_elsewhere(slow) is None and timing.footage_elsewhere(assemble.build_take(context, take)) is None


def test_the_field_moves_the_take_and_the_next_version_begins_there(rig, take, context, tmp_path):
    assert "start" in {name for _, name in draw("SKEL_PT_people").props}
    rig.users_collection[0]["skel_source"] = "clip.mp4"
    rig.skel.start = 101
    assert motion.frames_of(rig)[0] == 105 and rig.skel.start == 101
    path = tmp_path / "take.npz"
    takes.save(replace(take, source="clip.mp4"), path)
    arrival.build(context, str(path))
    assert context.scene.frame_start == 105 and rig_of(context.scene.collection.children[-1]).skel.start == 101


def test_a_way_of_the_empty_that_carries_the_take_goes_along(context, moving):
    rig, empty = rig_of(moving), assemble.place_of(moving)
    frames = motion.frames_of(rig)
    for frame, x in ((frames[0], 0.0), (frames[-1], 2.0)):
        empty.location.x = x
        empty.keyframe_insert("location", frame=frame)
    twin = empty.copy()  # as a duplicate of the take has it
    before = seen(rig, frames)
    timing.move(context.scene, moving, 1 + BY)
    assert np.abs(seen(rig, frames + BY) - before).max() < 1e-5
    assert compat.action(twin) != compat.action(empty) and compat.action(twin).frame_range[0] == frames[0]


@pytest.mark.parametrize("linked", (False, True))
def test_a_duplicated_take_is_moved_alone(context, moving, linked):
    """As by Full Copy of the scene, and by Duplicate Linked of the collection."""
    rig, scene = rig_of(moving), context.scene
    motion.smooth(rig, 0.2, 30.0, {"ARM_R"})
    frames, eye = motion.frames_of(rig), scene.camera
    before = seen(rig, frames)
    if linked:
        bpy.ops.object.select_all(action="SELECT")
        bpy.ops.object.duplicate(linked=True)
        homes, made = {home: home.copy() for home in (moving, *moving.children)}, set(context.selected_objects)
        copy = homes[moving]
        scene.collection.children.link(copy)
        for child in moving.children:
            copy.children.unlink(child)
            copy.children.link(homes[child])
        for home, other in homes.items():
            for thing in list(other.objects):
                (home if thing in made else other).objects.unlink(thing)
    else:
        bpy.ops.scene.new(type="FULL_COPY")
        copy = next(home for home in bpy.data.collections if record.START in home and home != moving)
    twin = next(thing for thing in copy.objects if record.is_rig(thing) and thing[record.PERSON] == rig[record.PERSON])
    timing.move(context.scene, copy, 1 + BY)
    context.window.scene = scene
    scene.camera = eye
    assert np.abs(seen(rig, frames) - before).max() < 1e-6 and record.start(rig) == 1 and record.start(twin) == 1 + BY
    for who, by in ((rig, 0), (twin, BY)):
        assert len(record.versions(who)) == 2
        for version in record.versions(who):
            compat.use_action(who, version)
            assert np.array_equal(motion.frames_of(who), frames + by)
        (hides,) = {compat.action(mesh) for mesh in record.parts(who, "bone")}
        assert compat.curves(hides)[0].keyframe_points[1].co.x == frames[0] + by
        assert not record.parts(who, "bone")[0].animation_data.drivers
    presence.apply(twin, False)
    assert presence.action_of(rig) is not None


@pytest.mark.parametrize("borrows", [False, True])
@pytest.mark.parametrize("layered", [False, True])
def test_who_plays_the_motion_of_somebody_in_another_take_keeps_his_time(context, take, borrows, layered):
    """Every person's action fits every other; the take of one of them is moved, then the other's."""
    homes = [assemble.build_take(context, take) for _ in range(2)]
    rigs = [rig_of(home) for home in homes]
    lender, borrower = rigs[::-1] if borrows else rigs
    compat.use_action(borrower, lender.animation_data.action)
    if layered:
        layers.add(borrower)
    frames = motion.span_of(rigs[0])[::7]
    before = [seen(rig, frames)[:, :-1] for rig in rigs]
    for moves, by in ((0, (BY, 0)), (1, (BY, 50))):
        timing.move(context.scene, homes[moves], 1 + by[moves])
        for rig, wanted, later in zip(rigs, before, by):
            assert np.abs(seen(rig, frames + later)[:, :-1] - wanted).max() < 1e-6


def test_a_strip_of_an_action_that_is_nobodys_goes_along(context, moving):
    """What the NLA plays may come from elsewhere: such an action stays as it is."""
    rig = rig_of(moving)
    other = rig.animation_data.action.copy()
    del other[record.OWNER]
    layers.add(rig)
    strip = rig.animation_data.nla_tracks[0].strips[0]
    strip.action = other
    if hasattr(strip, "action_slot"):
        strip.action_slot = other.slots[0]
    frames = motion.span_of(rig)
    before = seen(rig, frames)
    for start in (1 + BY, 11):
        timing.move(context.scene, moving, start)
        assert np.abs(seen(rig, frames + start - 1) - before).max() < 1e-5
