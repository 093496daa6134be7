# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera sees each joint where the Take's does; the scene has the Take's clock and size, the footage is in step."""

from __future__ import annotations

import json
from fractions import Fraction

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from skel_blender import take as takes
from skel_blender.messages import SkelError
from skel_blender.rig import camera, clock, record
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import timing
from skel_blender.ui import arrival
from tests import synthetic
from tests.bpy.evaluated import curves
from tests.bpy.pictures import save_picture


def pixels_seen(scene, points):
    """(N,2) where the scene's camera sees world points, px from the upper left corner."""
    seen = [world_to_camera_view(scene, scene.camera, Vector(point)) for point in points]
    width, height = scene.render.resolution_x, scene.render.resolution_y
    return np.array([(view.x * width, (1.0 - view.y) * height) for view in seen])


def pixels_projected(take, points, frame):
    cam = points @ take.camera.world_to_cam[frame, :3, :3].T + take.camera.world_to_cam[frame, :3, 3]
    image = cam @ take.camera.lenses()[frame].T
    return image[:, :2] / image[:, 2:]


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("shape", ["wide", "tall", "oblong pixels", "oblong pixels the other way"])
def test_camera_sees_joints_where_the_take_does(context, take, moving, shape):
    if moving:
        synthetic.moving_camera(take)
    if shape == "tall":
        take.image_size, take.camera.K[:2, 2] = (720, 1280), (350, 660)
    if shape.startswith("oblong"):
        take.camera.K[1, 1] *= 1.1 if shape.endswith("way") else 0.9
    build_take(context, take)
    assert bool(curves(context.scene.camera)) == moving
    for frame in (0, 13, 29):
        context.scene.frame_set(int(take.frames[frame]) + 1)
        points = take.people[0].joints()[frame]
        there = pixels_projected(take, points, frame)
        assert np.abs(pixels_seen(context.scene, points) - there).max() < 0.1
        eye = context.scene.camera
        named = [camera.pixel(eye, Vector(point) - eye.matrix_world.translation) for point in points]
        for pixel, place in zip(named, there, strict=True):
            inside = (place > 0).all() and (place < take.image_size).all()
            assert np.abs(np.add(pixel, 0.5) - place).max() < 0.6 if inside else pixel is None
        assert camera.pixel(eye, eye.matrix_world.translation - Vector(points[0])) is None


def test_a_lens_that_zooms_is_keyed_and_one_that_no_longer_does_is_not(context, take):
    take.camera.zoom = np.linspace(1.0, 1.8, len(take.frames))
    build_take(context, take)
    eye = context.scene.camera
    for frame in (0, 13, 29):
        context.scene.frame_set(int(take.frames[frame]) + 1)
        points = take.people[0].joints()[frame]
        assert np.abs(pixels_seen(context.scene, points) - pixels_projected(take, points, frame)).max() < 0.1
    wide, take.camera.zoom = eye.data.lens / 1.8, None
    camera.aim(eye, take)
    context.scene.frame_set(20)
    assert eye.data.lens == pytest.approx(wide, rel=1e-6) and not curves(eye.data)


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (Fraction(30000, 1001), (30, 1.001)),
        (Fraction(24000, 1001), (24, 1.001)),
        (Fraction(25), (25, 1.0)),
        (Fraction(60), (60, 1.0)),
        (Fraction(2997, 125), None),
        (Fraction(1, 2), None),
    ],
)
def test_scene_has_the_clips_rate_range_and_size(context, fps, expected):
    take = synthetic.random_take(frames=7, people=1, first=12, fps=fps)
    scene, render = context.scene, context.scene.render
    render.resolution_percentage = 50  # the user's
    build_take(context, take)
    assert render.fps / render.fps_base == pytest.approx(float(fps), rel=1e-7)
    if expected:
        assert (render.fps, render.fps_base) == (expected[0], pytest.approx(expected[1], rel=1e-7))
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (13, 19, 13)
    assert (render.resolution_x, render.resolution_y, render.resolution_percentage) == (1280, 720, 50)


def test_footage_stands_behind_the_camera_in_step(context, take, tmp_path):
    for number in range(40):
        save_picture(tmp_path / f"frame_{number + 7:04d}.png", (number / 40,) * 3)
    take.source = "/moved/away/frame_0007.png"
    collection = build_take(context, take, clip_path=tmp_path)
    eye = next(thing for thing in collection.objects if thing.type == "CAMERA")
    assert eye == context.scene.camera and eye.data.show_background_images
    (background,) = eye.data.background_images
    assert background.source == "MOVIE_CLIP" and background.clip.source == "SEQUENCE"
    assert background.clip.filepath.endswith("frame_0007.png")
    assert background.clip.frame_duration == 40
    assert background.clip.frame_start + background.clip.frame_offset == 1  # source frame 0 at scene frame 1


def test_footage_is_drawn_on_its_own_frames_alone(context, take, tmp_path):
    """On others Blender would fill the view with magenta."""
    def drawn(eye) -> list[int]:
        (background,) = eye.data.background_images
        return [frame for frame in range(-3, 60) if (context.scene.frame_set(frame), background.show_background_image)[1]]

    for number in range(30):
        save_picture(tmp_path / f"frame_{number + 7:04d}.png")
    collection = build_take(context, take, clip_path=tmp_path / "frame_0007.png")
    eye = context.scene.camera
    assert drawn(eye) == [*range(1, 31)]
    twin = bpy.data.collections.new("twin")
    twin[record.START] = 1
    context.scene.collection.children.link(twin)
    other = eye.copy()
    twin.objects.link(other)
    timing.move(context.scene, twin, 21)
    assert drawn(other) == [*range(21, 51)] and drawn(eye) == [*range(1, 31)]
    timing.move(context.scene, collection, 11)
    camera.aim(eye, take)
    assert drawn(other) == [*range(21, 51)] and drawn(eye) == [*range(11, 41)]
    (background,) = eye.data.background_images
    background.clip = background.clip.copy()  # as another grade of it
    bpy.data.orphans_purge(do_recursive=True)
    assert drawn(eye) == [*range(11, 41)]
    save_picture(tmp_path / "still.png")
    build_take(context, take, clip_path=tmp_path / "still.png")
    assert len(drawn(context.scene.camera)) == 63  # one image has no end


@pytest.mark.parametrize("wide", [1.0, 1.5])
def test_footage_keeps_its_shape_in_a_picture_of_another(context, take, tmp_path, wide):
    """The lens is of the width: there the footage has to fill the view, however high that is."""
    save_picture(tmp_path / "still.png")
    take.camera.K[1, 1] = take.camera.K[0, 0] / wide
    build_take(context, take, clip_path=tmp_path / "still.png")
    render, (background,) = context.scene.render, context.scene.camera.data.background_images

    def method(width: int, height: int) -> str:
        render.resolution_x, render.resolution_y = width, height
        context.view_layer.update()
        return background.frame_method

    width, height = render.resolution_x, render.resolution_y
    assert method(width, height) == method(2 * width, 2 * height) == "STRETCH"  # Blender takes its pixels for square
    assert (method(width, 2 * height), method(2 * width, height)) == ("FIT", "CROP")
    assert (method(width, height + 8), method(width, height - 8)) == ("FIT", "CROP")


@pytest.mark.parametrize("bound", [False, True])
def test_over_the_footage_stays_there_where_markers_choose_cameras(rig, context, bound):
    scene, window = context.scene, context.window_manager.windows[0]
    eye, other = scene.camera, bpy.data.objects.new("other", bpy.data.cameras.new("other"))
    scene.collection.objects.link(other)
    area = window.screen.areas[0]
    area.type = "VIEW_3D"
    space = area.spaces.active
    if bound:
        scene.timeline_markers.new("cut", frame=1).camera = other
    else:
        space.use_local_camera, space.camera = True, other  # the user's, of before
    with context.temp_override(window=window, area=area, region=next(region for region in area.regions if region.type == "WINDOW")):
        bpy.ops.skel.over_footage()
        scene.frame_set(9)
        assert space.region_3d.view_perspective == "CAMERA" and space.camera == eye and space.use_local_camera is bound
        assert scene.camera == (other if bound else eye)
        bpy.ops.skel.over_footage()
    assert space.region_3d.view_perspective == "PERSP" and not space.use_local_camera


def test_images_whose_numbers_have_gaps_are_shown_in_the_takes_order(context, tmp_path):
    take = synthetic.random_take(frames=4, people=1)
    take.source = str(tmp_path / "frame_0007.png")
    numbers = (7, 8, 12, 20)
    for number in numbers:
        save_picture(tmp_path / f"frame_{number:04d}.png")
    take.settings = json.dumps({"inputs": [str(tmp_path)]})
    clip = camera.load_footage(take, None, clock.Clock(101))

    def shown(frame: int) -> int:
        context.scene.frame_set(frame)
        return 7 + frame - clip.frame_start

    assert [shown(frame) for frame in (101, 102, 103, 104)] == [*numbers]
    take.settings = json.dumps({"inputs": [str(tmp_path / f"frame_{number:04d}.png") for number in reversed(numbers)]})
    take.source = str(tmp_path / "frame_0020.png")
    clip = camera.load_footage(take, None)
    assert [shown(frame) + 13 for frame in (1, 2, 3, 4)] == [20, 12, 8, 7]
    (background,) = (build_take(context, take), context.scene.camera)[1].data.background_images
    assert all((context.scene.frame_set(frame), background.show_background_image)[1] for frame in (1, 2, 3, 4))


def test_source_of_the_take_is_the_footage_where_it_still_lies(context, take, tmp_path):
    take.source = str(tmp_path / "still.png")
    assert camera.load_footage(take, None) is None
    save_picture(tmp_path / "still.png")
    clip = camera.load_footage(take, None)
    assert clip.filepath == take.source
    assert camera.load_footage(take, tmp_path / "still.png") == clip
    clip.frame_start = 50  # the user's now
    assert camera.load_footage(take, None) not in (None, clip)
    assert clip.frame_start == 50


@pytest.mark.parametrize(("size", "lies"), [((64, 36), True), ((36, 64), False)])
def test_footage_that_blender_does_not_turn_is_told(context, enabled, tmp_path, size, lies):
    take = synthetic.random_take(frames=1, people=1)
    take.image_size, take.source = (36, 64), str(tmp_path / "still.png")
    save_picture(tmp_path / "still.png", size=size)
    takes.save(take, tmp_path / "take.npz")
    assert ("on its side" in arrival.build(context, str(tmp_path / "take.npz"))) is lies


def test_a_clip_that_is_open_by_another_path_to_the_footage_is_it(context, take, tmp_path):
    """As through a link, or on Windows by the letter of a network drive."""
    save_picture(tmp_path / "still.png")
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    clip, take.source = bpy.data.movieclips.load(str(tmp_path / "link" / "still.png")), str((tmp_path / "still.png").resolve())
    assert camera.load_footage(take, None) == clip
    assert arrival.shows(clip, take)


@pytest.mark.parametrize("name", ["missing.mp4", "empty", "text.mp4"])
def test_footage_that_cannot_be_shown_stops_the_build_before_it_begins(context, take, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SkelError) as error:
        build_take(context, take, clip_path=tmp_path / name)
    assert name in str(error.value) and context.scene.render.fps == 24
    assert not bpy.data.collections and not bpy.data.objects and not bpy.data.movieclips
