# SPDX-License-Identifier: GPL-3.0-or-later
"""A take finds its place by the camera that Blender has solved for the footage; floor and scale stay."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from mathutils import Matrix

import skel_blender
from skel_blender import kinematics
from skel_blender import take as takes
from skel_blender.messages import SkelError
from skel_blender.rig import assemble, layout, record
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import following, placement
from tests import clips, synthetic
from tests.bpy.evaluated import evaluated, joint_positions, rig_of
from tests.synthetic import carried_camera

FRAMES, TURN, SHIFT, SIZE = 40, 0.7, np.array([1.5, -2.0]), 1.6


def moved(matrix: np.ndarray, sign: int = 1) -> np.ndarray:
    """A world matrix taken along by TURN and SHIFT, or back."""
    step = np.eye(4)
    step[:3, :3], step[:2, 3] = kinematics.axis_rotation(np.array([0.0, 0, 1]), np.array(TURN)), SHIFT
    return (step if sign > 0 else np.linalg.inv(step)) @ matrix


def solved_clip() -> bpy.types.MovieClip:
    """A clip with tracks of points that `camera` sees, solved by Blender."""
    clip = bpy.data.movieclips.load(str(clips.WALKER))
    width, height = clip.size
    focal = 1.2 * width
    tracking = clip.tracking
    tracking.camera.focal_length_pixels = focal
    for number, point in enumerate(np.random.default_rng(0).uniform([-2, -2, 0], [2, 2, 2], (30, 3))):
        track = tracking.tracks.new(name=f"point {number}", frame=1)
        for frame in range(FRAMES):
            x, y, z = (np.linalg.inv(carried_camera(frame)) @ [*point, 1.0])[:3]
            track.markers.insert_frame(frame + 1, co=(0.5 - focal * x / z / width, 0.5 - focal * y / z / height))
    tracking.objects[0].keyframe_b = 30
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "CLIP_EDITOR"
    area.spaces.active.clip = clip
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        bpy.ops.clip.solve_camera()
    return clip


def test_a_take_is_placed_by_a_camera_that_blender_solved(tmp_path):
    bpy.ops.wm.read_factory_settings(use_empty=False)
    context = bpy.context
    clip = solved_clip()
    raw = {solved.frame: np.array(solved.matrix) for solved in clip.tracking.reconstruction.cameras}
    holder = bpy.data.objects["Camera"]
    holder.constraints.new("CAMERA_SOLVER").clip = clip
    size = np.linalg.norm(carried_camera(39)[:3, 3] - carried_camera(0)[:3, 3]) / np.linalg.norm(raw[40][:3, 3] - raw[1][:3, 3])
    holder.matrix_basis = Matrix(carried_camera(0) @ np.diag([size, size, size, 1.0]) @ np.linalg.inv(raw[1]))
    take = synthetic.random_take(frames=FRAMES, people=1)
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    take.camera.world_to_cam = np.array([flip @ np.linalg.inv(moved(carried_camera(frame), -1)) for frame in range(FRAMES)])
    collection = build_take(context, take)
    context.scene.frame_set(5)
    before = joint_positions(rig_of(collection))
    found = placement.place(context.scene, collection, clip)
    assert found.turn == pytest.approx(TURN, abs=0.06) and found.shift == pytest.approx(SHIFT, abs=0.3)  # as well as Blender solves
    assert found.off < 0.2 and found.height == pytest.approx(1.0, abs=0.05) and found.tilt < 0.05
    context.scene.frame_set(5)
    assert np.abs(joint_positions(rig_of(collection))[:, 2] - before[:, 2]).max() < 1e-5
    aside, turned = [], []
    for frame in range(1, FRAMES + 1):
        context.scene.frame_set(frame)
        ours, theirs = (np.array(evaluated(thing).matrix_world) for thing in (context.scene.camera, holder))
        aside.append(np.linalg.norm(ours[:2, 3] - theirs[:2, 3]))
        turned.append(np.arctan2(*ours[1::-1, 2]) - np.arctan2(*theirs[1::-1, 2]))
    assert np.mean(aside) == pytest.approx(found.off, abs=1e-3) and abs(np.mean(turned)) < 2e-3


def seen_by(clip, holder):
    """How far the solved camera is at most from what the object that follows it shows, over some frames."""
    found, off = placement.solved_matrices(bpy.context.scene, clip), []
    for frame in (5, 20, 35):
        bpy.context.scene.frame_set(frame)
        off.append(np.abs(np.array(evaluated(holder).matrix_world) - found[frame]).max())
    return max(off)


def test_the_solved_camera_is_that_of_the_clip_and_turned_as_it_is_seen():
    """Parented to an empty, beside another shot's, and by the scene's clip or its own; one that is keyed instead is not overlooked."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene, clip = bpy.context.scene, solved_clip()
    holder, other = bpy.data.objects["Camera"], bpy.data.objects.new("A", bpy.data.cameras.new("other shot's"))
    scene.collection.objects.link(other)
    assert scene.objects[0] == other
    other.location, theirs = (9.0, 9.0, 9.0), other.constraints.new("CAMERA_SOLVER")
    theirs.use_active_clip, theirs.clip = False, bpy.data.movieclips.load(str(clips.WALKERS))
    raw = placement.solved_matrices(scene, clip)  # nothing of this clip is set up
    assert np.array_equal(raw[5], [solved for solved in clip.tracking.reconstruction.cameras if solved.frame == 5][0].matrix)
    follow = holder.constraints.new("CAMERA_SOLVER")
    holder.matrix_basis = Matrix(carried_camera(0))
    above = bpy.data.objects.new("orientation", None)
    scene.collection.objects.link(above)
    above.location, above.rotation_euler, turned = (5.0, 0.0, 0.0), (0.0, 0.0, 1.0), Matrix.Rotation(0.2, 4, "X")
    for scene.active_clip, own in ((clip, False), (clip, True), (theirs.clip, True)):
        follow.use_active_clip, follow.clip = not own, clip if own else None
        for holder.parent in (None, above):
            holder.matrix_parent_inverse = turned
            assert seen_by(clip, holder) < 1e-4
    follow.mute = True
    assert np.array_equal(placement.solved_matrices(scene, clip)[5], raw[5])
    holder.keyframe_insert("location", frame=1)
    with pytest.raises(SkelError, match="No camera has a Camera Solver constraint of .*, and Camera has keys of its own. Undo Con"):
        placement.solved_matrices(scene, clip)


def test_heading_and_place_are_found_exactly():
    ours = {frame: carried_camera(frame) for frame in range(10)}
    found = placement.place_by(ours, {frame: moved(carried_camera(frame)) for frame in range(5, 20)})
    assert found.turn == pytest.approx(TURN) and found.shift == pytest.approx(SHIFT)
    assert found.off < 1e-9 and found.height == pytest.approx(1.0) and found.tilt < 1e-9


def test_what_cannot_be_placed_is_said(context, take):
    collection = build_take(context, take)
    clip = bpy.data.movieclips.load(str(clips.WALKER))
    with pytest.raises(SkelError, match="is not solved"):
        placement.place(context.scene, collection, clip)
    with pytest.raises(SkelError, match="no frame in common"):
        placement.place_by({1: np.eye(4)}, {2: np.eye(4)})
    with pytest.raises(SkelError, match="straight down"):
        placement.place_by({1: np.eye(4)}, {1: np.eye(4)})
    assert tuple(assemble.place_of(collection).location) == (0, 0, 0)


def walker_seen_by(cameras):
    """A Take of somebody who walks before the carried camera, fitted as if `cameras` (world matrices) had seen him, and where his joints
    really are, (T,24,3) z up."""
    take = synthetic.random_take(frames=FRAMES, people=1)
    person, frames = take.people[0], np.arange(1, FRAMES + 1)
    person.poses[:, :17] = 0.0
    ground = layout.ground(person.body)
    person.trans = np.stack([np.linspace(-0.5, 0.5, FRAMES), np.full(FRAMES, ground), np.zeros(FRAMES)], axis=1)
    person.contacts[:] = True
    true = following.Walker(frames, person.poses, person.trans, person.body.joints, person.body.frames, ground, person.contacts)
    joints = person.joints()
    carried = {frame: carried_camera(frame - 1) for frame in frames}
    person.poses, person.trans = following.carry(true, carried, dict(zip(frames, cameras)))
    take.camera.world_to_cam[:] = np.diag([1.0, -1.0, -1.0, 1.0]) @ np.linalg.inv(cameras)
    return take, joints


def test_a_take_that_cannot_be_placed_is_there_all_the_same(tmp_path):
    """The chosen clip is solved, but not where the take is."""
    from skel_blender.ui import arrival

    bpy.ops.wm.read_factory_settings(use_empty=False)
    skel_blender.register()
    try:
        bpy.context.scene.skel.clip = solved_clip()
        take = synthetic.random_take(frames=3, people=1, first=500)
        takes.save(replace(take, source=str(clips.WALKER.resolve())), tmp_path / "late.npz")
        said = arrival.build(bpy.context, str(tmp_path / "late.npz"))
        assert said.startswith("1 person in 3 frames")
        assert "The solved camera could not place it: The solved camera and the take have no frame in common." in said
        assert arrival.PROPERTY in bpy.data.collections["late"]
    finally:
        skel_blender.unregister()


def test_a_take_that_arrives_is_placed_wherever_its_clip_begins(tmp_path):
    from skel_blender.ui import arrival

    bpy.ops.wm.read_factory_settings(use_empty=False)
    skel_blender.register()
    try:
        clip = bpy.context.scene.skel.clip = solved_clip()
        clip.frame_start = 1001
        takes.save(replace(walker_seen_by([carried_camera(0)] * FRAMES)[0], source=str(clips.WALKER.resolve())), tmp_path / "shot.npz")
        assert "could not place" not in arrival.build(bpy.context, str(tmp_path / "shot.npz"))
        eye = assemble.camera_of(bpy.data.collections["shot"])
        assert eye[record.FOLLOWS] and list(bpy.data.movieclips) == [clip] and eye.data.background_images[0].clip == clip
        assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1001, 1000 + FRAMES)
    finally:
        skel_blender.unregister()


def test_people_follow_a_solved_camera_that_moved(tmp_path):
    """Fitted as if the camera stood still, then placed by the camera that Blender has solved: the people's ways come right."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    context, clip = bpy.context, solved_clip()
    raw = {solved.frame: np.array(solved.matrix) for solved in clip.tracking.reconstruction.cameras}
    holder = bpy.data.objects["Camera"]
    holder.constraints.new("CAMERA_SOLVER").clip = clip
    size = np.linalg.norm(carried_camera(39)[:3, 3] - carried_camera(0)[:3, 3]) / np.linalg.norm(raw[40][:3, 3] - raw[1][:3, 3]) / SIZE
    start = carried_camera(0)
    start[:3, 3] /= SIZE
    holder.matrix_basis = Matrix(start @ np.diag([size, size, size, 1.0]) @ np.linalg.inv(raw[1]))
    still = [carried_camera(0)] * FRAMES
    take, joints = walker_seen_by(still)
    person, frames = take.people[0], np.arange(1, FRAMES + 1)
    collection = build_take(context, take)
    rig, eye = rig_of(collection), context.scene.camera
    before = rig.animation_data.action
    found = placement.place(context.scene, collection, clip)
    assert found.size == pytest.approx(SIZE, rel=0.03), found
    assert rig.animation_data.action != before and before in record.versions(rig) and found.sentence()
    soles, view, apart = [], [], []
    for frame in frames:
        context.scene.frame_set(int(frame))
        ours, theirs = (np.array(evaluated(thing).matrix_world) for thing in (eye, holder))
        places, fitted = joint_positions(rig), kinematics.z_up(person.transforms()[frame - 1, :, :3, 3])
        soles.append(places[4, 2] - joints[frame - 1, 4, 2])
        seen, wanted = ((points - matrix[:3, 3]) @ matrix[:3, :3] for points, matrix in ((places, ours), (fitted, carried_camera(0))))
        view.append(np.abs(seen - wanted).max())
        apart.append(np.linalg.norm(ours[:3, 3] - found.size * theirs[:3, 3]))
    print(f"\na heel {100 * np.ptp(soles):.0f} cm up and down, as well as Blender solves; size {found.size:.3f} of {SIZE}")
    assert max(view) < 1e-4 and max(apart) < 1e-3  # what the footage shows stays, in the solved camera
    assert abs(np.median(soles)) < 0.03  # the floor stays
    versions = record.versions(rig)
    assert placement.place(context.scene, collection, clip).size == pytest.approx(found.size, rel=1e-4)
    assert record.versions(rig) == versions and tuple(assemble.place_of(collection).location) == (0, 0, 0)


def test_people_follow_too_where_the_takes_camera_turned_in_place(context, monkeypatch):
    """A fit that was told of the turns but not of the way: what each frame shows stays, the people's ways come right."""
    cameras = [carried_camera(0) @ np.array(Matrix.Rotation(0.01 * frame, 4, "Y")) for frame in range(FRAMES)]
    take, joints = walker_seen_by(cameras)
    collection = build_take(context, take)
    rig, eye = rig_of(collection), context.scene.camera
    context.scene.frame_start, context.scene.frame_end = 10, 20  # what is being animated now: the whole take is placed all the same
    solved = {frame: carried_camera(frame - 1) for frame in range(1, FRAMES + 1)}
    monkeypatch.setattr(placement, "solved_matrices", lambda scene, clip: solved)
    assert placement.place(context.scene, collection, None).size == pytest.approx(1.0, abs=1e-3)
    for frame in (1, FRAMES // 2, FRAMES):
        context.scene.frame_set(frame)
        assert np.abs(joint_positions(rig) - joints[frame - 1]).max() < 1e-3
        assert np.abs(np.array(evaluated(eye).matrix_world) - solved[frame]).max() < 1e-4


def test_a_pose_that_is_not_keyed_yet_stays_while_the_take_is_placed(context, take, monkeypatch):
    collection = build_take(context, take)
    head, cameras = rig_of(collection).pose.bones["head"], assemble.camera_of(collection).matrix_basis
    monkeypatch.setattr(placement, "solved_matrices", lambda scene, clip: {frame: moved(np.array(cameras)) for frame in range(5, 35)})
    head.rotation_euler.x = 0.5
    assert placement.place(context.scene, collection, None).turn == pytest.approx(TURN)
    assert head.rotation_euler.x == 0.5


def test_the_button_waits_for_a_clip_that_is_solved(rig, context):
    context.scene.skel.clip = bpy.data.movieclips.load(str(clips.WALKER))
    assert not bpy.ops.skel.place.poll()
