# SPDX-License-Identifier: GPL-3.0-or-later
"""A second take of another rate: the scene's stays, and the take is shown in it, in real time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender import take as takes
from skel_blender.messages import SkelError
from skel_blender.rig import assemble, camera, clock, compat, contacts, presence
from skel_blender.rig.editing import corrections, motion, placement, timing
from skel_blender.ui import arrival
from tests import synthetic
from tests.bpy.evaluated import joint_positions, rig_of

SLOW, PACE = Fraction(12), 30.0 / 12
CLIP = Path(__file__).resolve().parents[1] / "data" / "tfjs_pose1.mp4"


@pytest.fixture
def later():
    """A take of 12 frames a second, before a camera that moves."""
    take = synthetic.random_take(frames=9, people=1, seed=1, first=2, fps=SLOW)
    person = take.people[0]
    person.poses[:] = np.clip(person.body.limits, -1.0, 1.0).mean(axis=1) + 0.005 * np.arange(9)[:, None]
    person.contacts[4:, 0] = True
    synthetic.moving_camera(take)
    return take


@pytest.fixture
def second(context, later):
    """Its collection, in a scene that plays 30 frames a second."""
    assemble.build_take(context, synthetic.random_take(people=1, fps=Fraction(30)))
    return assemble.build_take(context, later, CLIP)


def test_it_is_seen_in_real_time_and_the_scene_keeps_its_rate(context, second, later):
    rig, scene, person = rig_of(second), context.scene, later.people[0]
    assert scene.render.fps / scene.render.fps_base == 30.0
    assert (scene.frame_start, scene.frame_end) == (6, 26) == timing.span(second)  # source frames 2 to 10 at 1 + 2.5 f
    assert np.array_equal(motion.frames_of(rig), np.arange(6, 27)) and (rig[presence.FIRST], rig[presence.LAST]) == (6, 26)
    expected = kinematics.z_up(person.transforms()[..., :3, 3])
    eye = camera.camera_to_world(later.camera)[:, :3, 3]
    for row in (0, 2, 8):
        scene.frame_set(int(6 + PACE * row))
        assert np.abs(joint_positions(rig) - expected[row]).max() < 1e-4
        assert np.abs(np.array(scene.camera.matrix_world.translation) - eye[row]).max() < 1e-5
    resting = contacts.of(rig, np.arange(6, 27))
    assert not resting[:9, 0].any() and resting[9:, 0].all()


def test_the_next_version_is_in_step_with_the_one_before_whatever_the_scene_plays_by_now(context, second, later):
    frames = motion.frames_of(rig_of(second))
    for fps in (30, 24):
        context.scene.render.fps = fps
        again = assemble.build_take(context, later, CLIP, before=second)
        assert np.array_equal(motion.frames_of(rig_of(again)), frames)
        assert clock.of(assemble.build_take(context, replace(later, fps=2 * SLOW), before=again)).pace == pytest.approx(PACE / 2)
    del second["skel_rate"]  # a take of before that was kept
    assert clock.for_take(context.scene, later, second).pace == pytest.approx(24.0 / float(SLOW))


def test_its_footage_is_in_step_and_moves_along(context, second):
    clip = assemble.camera_of(second).data.background_images[0].clip

    def shown(frame: int) -> int:
        context.scene.frame_set(frame)
        return frame - clip.frame_start

    assert [shown(frame) for frame in (1, 2, 3, 6, 11, 26)] == [0, 0, 1, 2, 4, 10]
    timing.move(context.scene, second, 101)
    assert [shown(100 + frame) for frame in (1, 2, 3, 6, 11, 26)] == [0, 0, 1, 2, 4, 10]
    other = assemble.build_take(context, synthetic.random_take(people=1, fps=Fraction(30)), CLIP)
    assert assemble.camera_of(other).data.background_images[0].clip != clip


@pytest.mark.parametrize("what", ["place", "lens"])
def test_at_a_cut_the_camera_steps_when_the_footage_does(context, later, what):
    """Between frames of the footage it glides, but not from one shot to the next."""
    assemble.build_take(context, synthetic.random_take(people=1, fps=Fraction(30)))
    later.camera.world_to_cam[:] = later.camera.world_to_cam[0]
    slow = 0.02 * np.arange(9.0)
    if what == "place":
        later.camera.world_to_cam[:, 0, 3] += slow + 3.0 * (slow > 0.07)  # another shot from the fifth frame on
    else:
        later.camera.zoom = 1.0 + slow + (slow > 0.07)
    eye = assemble.camera_of(assemble.build_take(context, later, CLIP))
    clip, wide, seen = eye.data.background_images[0].clip, 36.0 * later.camera.K[0, 0] / later.image_size[0], []
    for frame in range(6, 27):
        context.scene.frame_set(frame)
        now = np.array(eye.matrix_world.inverted().translation)[0] - later.camera.world_to_cam[0, 0, 3]
        seen.append((frame - clip.frame_start >= 6, now if what == "place" else eye.data.lens / wide - 1.0))
    footage, camera_at = np.array(seen).T
    straight = 0.02 * np.arange(21) / PACE
    step = np.where(footage, 3.0 if what == "place" else 1.0, 0.0)
    assert np.flatnonzero(np.diff(footage)).tolist() == [8]
    straight[[8, 9]] = 0.06, 0.08  # held before the cut and after it
    assert np.abs(camera_at - step - straight).max() < 1e-4


def test_a_correction_belongs_to_the_nearest_frame_of_the_footage(second, later):
    rig, person = rig_of(second), later.people[0]
    with pytest.raises(SkelError, match="No frame differs"):
        corrections.find(rig, person)
    curve = compat.holder(rig).fcurves.find('pose.bones["ulna_r"].rotation_euler', index=0)
    for key in (7, 8):  # frames 13 and 14 show the footage's fifth
        curve.keyframe_points[key].co.y += 0.3
    curve.update()
    assert corrections.find(rig, person).frames.tolist() == [5]
    corrections.bring(rig, person, corrections.sent(rig, person, 0, 10))
    assert np.array_equal(motion.frames_of(rig), np.arange(6, 27)) and contacts.of(rig, np.array([26]))[0, 0]


def test_it_is_told_and_an_update_keeps_its_time(context, enabled, later, tmp_path):
    for name, take in (("one", synthetic.random_take(people=1, fps=Fraction(30))), ("two", replace(later, source="two.mp4"))):
        takes.save(take, tmp_path / f"{name}.npz")
        said = arrival.build(context, str(tmp_path / f"{name}.npz"))
    assert said.endswith("The footage has 12 frames a second; it plays in real time at the scene's 30. The take has set the scene's range.")
    enabled.again = "UPDATE"
    arrival.build(context, str(tmp_path / "two.npz"))
    home = bpy.data.collections["two"]
    assert context.scene.render.fps == 30 and motion.frames_of(rig_of(home))[-1] == 26
    clip = bpy.data.movieclips.load(str(CLIP))
    with pytest.raises(SkelError, match="frame rate of two differs"):
        placement.place(context.scene, home, clip)


def test_a_rate_that_is_off_by_less_than_half_a_frame_is_the_same(context):
    assemble.build_take(context, synthetic.random_take(people=1, fps=Fraction(30)))
    near = assemble.build_take(context, synthetic.random_take(people=1, fps=Fraction(30000, 1001)))
    assert clock.of(near).pace == 1.0 and context.scene.render.fps_base == 1.0


def test_looking_through_a_takes_camera_brings_its_picture_size(context):
    small = synthetic.random_take(people=1)
    small.image_size = (640, 480)
    home = assemble.build_take(context, small)
    assemble.build_take(context, synthetic.random_take(people=1))
    assert context.scene.render.resolution_x == 1280
    camera.look_through(context.scene, assemble.camera_of(home))
    assert (context.scene.render.resolution_x, context.scene.render.resolution_y) == (640, 480)


@pytest.mark.parametrize(
    ("pace", "frames", "shown"),
    [(1.0, range(3, 6), [4, 5, 6]), (2.5, range(1, 4), [4, 5, 6, 7, 8]), (1.1, [10, 20], list(range(12, 24))), (0.1, [11, 12], [3])],
)
def test_whole_frames_are_shown_between_the_first_and_the_last_and_at_least_one(pace, frames, shown):
    """Also where a place that is whole is off by the last digit, as 1.1 times 10 is."""
    assert clock.Clock(1, pace).shown(np.array(frames)).tolist() == shown


def test_between_frames_an_angle_does_not_go_back_by_a_full_turn(later):
    person = later.people[0]
    turning = np.linspace(3.0, 3.4, 9)
    person.poses[:, 2] = (turning + np.pi) % (2 * np.pi) - np.pi
    played = clock.Clock(1, PACE).play(person)
    assert np.abs(np.diff(played.poses[:, 2])).max() < 0.1 and played.rows[[0, -1]].tolist() == [0, 8]


def test_a_long_take_of_nearly_the_same_rate_is_put_into_the_scenes(context):
    assemble.build_take(context, synthetic.random_take(people=1, fps=Fraction(30)))
    long = synthetic.random_take(frames=3, people=1, fps=Fraction(30000, 1001))
    long = replace(long, frames=np.arange(1000))
    assert clock.for_take(context.scene, long).pace == pytest.approx(1.001, abs=1e-7)
