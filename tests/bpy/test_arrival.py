# SPDX-License-Identifier: GPL-3.0-or-later
"""A Take arrives in a scene that somebody is at work in: what he has not keyed stays, and so does the frame that he is on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import bpy
import pytest

from skel_blender import take as takes
from skel_blender.rig import assemble, camera, compat, record
from skel_blender.rig.editing import layers, motion, timing
from skel_blender.ui import arrival
from tests import clips, synthetic
from tests.bpy.characters import of_one_bone
from tests.bpy.evaluated import rig_of
from tests.bpy.pictures import save_picture

NOW = 57


@pytest.fixture
def path(tmp_path):
    """A saved Take of one person."""
    takes.save(synthetic.random_take(people=1), tmp_path / "shot.npz")
    return str(tmp_path / "shot.npz")


@pytest.fixture
def arm(enabled, context):
    """A bone of a character that is in Pose Mode, keyed at rest on two frames, and turned on another one without a key."""
    hero = of_one_bone(context, "arm")
    bpy.ops.object.mode_set(mode="POSE")
    bone = hero.pose.bones["arm"]
    bone.rotation_mode = "XYZ"
    for frame in (1, 100):
        bone.keyframe_insert("rotation_euler", frame=frame)
    context.scene.frame_set(NOW)
    bone.rotation_euler.x = 0.7
    context.view_layer.update()
    return bone


@pytest.mark.parametrize("way", ["job", "load", "other scene"])
def test_who_poses_somebody_else_meanwhile_goes_on_where_he_was(arm, context, path, way):
    scene = context.scene if way != "other scene" else bpy.data.scenes.new("other")
    if way == "load":
        assert bpy.ops.skel.load_take(filepath=path) == {"FINISHED"}
    else:
        arrival.build_in_scene(path, scene.session_uid)
    assert "shot" in scene.collection.children and context.mode == "POSE"
    assert context.scene.frame_current == NOW and arm.rotation_euler.x == pytest.approx(0.7)
    context.view_layer.update()
    assert arm.rotation_euler.x == pytest.approx(0.7)


@pytest.mark.parametrize("again", ["VERSION", "UPDATE"])
def test_another_take_leaves_poses_alone_and_who_is_updated_has_the_new_one(enabled, context, tmp_path, again):
    """Also where he has a layer, which keys but a few of his channels."""
    for seed, (name, source) in enumerate((("walk", "/clip.mp4"), ("other", ""), ("later", "/clip.mp4"))):
        takes.save(replace(synthetic.random_take(people=1, seed=seed), source=source), tmp_path / f"{name}.npz")
    for name in ("walk", "other"):
        arrival.build(context, str(tmp_path / f"{name}.npz"))
    walker, other = (rig_of(bpy.data.collections[name]) for name in ("walk", "other"))
    layers.add(other)
    context.scene.frame_set(9)
    elbows = [rig.pose.bones["ulna_r"].rotation_euler for rig in (walker, other)]
    before = [elbow.x for elbow in elbows]
    for elbow in elbows:
        elbow.x += 0.3
    enabled.again = again
    arrival.build(context, str(tmp_path / "later.npz"))
    assert context.scene.frame_current == 9 and elbows[1].x == pytest.approx(before[1] + 0.3)
    if again == "UPDATE":
        shown = elbows[0].x
        context.scene.frame_set(9)
        assert elbows[0].x == shown != pytest.approx(before[0], abs=0.01)
    else:
        assert elbows[0].x == pytest.approx(before[0] + 0.3)


def test_footage_that_fills_the_view_by_the_picture_size_goes_by_the_new_one(enabled, context, tmp_path):
    """It is driven, and no pose."""
    for name, size in (("wide", (1280, 720)), ("square", (640, 640))):
        save_picture(tmp_path / f"{name}.png")
        take = replace(synthetic.random_take(people=1), source=str(tmp_path / f"{name}.png"), image_size=size)
        takes.save(take, tmp_path / f"{name}.npz")
        arrival.build(context, str(tmp_path / f"{name}.npz"))
    shown = [assemble.camera_of(bpy.data.collections[name]).data.background_images[0] for name in ("wide", "square")]
    assert [background.frame_method for background in shown] == ["FIT", "STRETCH"]


@pytest.mark.parametrize("seen", [True, False])
def test_what_arrived_can_be_undone_whether_or_not_a_window_shows_its_scene(enabled, context, path, monkeypatch, seen):
    pushed = []

    def undo_push(message):
        pushed.append((message, bpy.context.window, "shot" in bpy.data.collections))

    ops = SimpleNamespace(ed=SimpleNamespace(undo_push=undo_push))
    monkeypatch.setattr(arrival, "bpy", SimpleNamespace(ops=ops, data=bpy.data, context=bpy.context, path=bpy.path, types=bpy.types))
    scene = context.scene if seen else bpy.data.scenes.new("other")
    arrival.build_in_scene(path, scene.session_uid)
    assert pushed == [("Reconstruct", context.window_manager.windows[0], True)]


@pytest.fixture
def chosen(enabled):
    """The chosen movie clip, which begins at frame 1001, the seventh of its file; a second one of the same file stands before it."""
    bpy.data.movieclips.load(str(clips.WALKER)).frame_start = 995
    enabled.clip = bpy.data.movieclips.load(str(clips.WALKER))
    enabled.clip.frame_start, enabled.clip.frame_offset = 1001, 6
    return enabled.clip


def arrived(context, take, folder, name="shot"):
    """The collection of a Take that arrives, and the clip behind its camera."""
    takes.save(take, folder / f"{name}.npz")
    arrival.build(context, str(folder / f"{name}.npz"))
    home = bpy.data.collections[name]
    return home, assemble.camera_of(home).data.background_images[0].clip


@pytest.mark.parametrize("first", [0, 9])
def test_a_take_begins_where_its_chosen_clip_does_and_is_shown_by_that(chosen, context, tmp_path, first):
    """Also a part of the footage, which lies where the clip shows it."""
    take = replace(synthetic.random_take(people=1, first=first), source=str(clips.WALKER.resolve()))
    home, shown = arrived(context, take, tmp_path)
    scene, begin = context.scene, 995 + first
    assert shown == chosen and len(bpy.data.movieclips) == 2 and (chosen.frame_start, chosen.frame_offset) == (1001, 6)
    assert record.start_of(home) == 995 and (scene.frame_start, scene.frame_end, scene.frame_current) == (begin, begin + 29, begin)
    assert motion.frames_of(rig_of(home))[0] == begin and timing.footage_elsewhere(home) is None
    chosen.frame_start = 1  # the next version is in step with the one before
    assert record.start_of(arrived(context, take, tmp_path, "again")[0]) == 995


def test_a_take_of_another_rate_begins_with_its_clip_too_which_stays_as_it_is(chosen, context, tmp_path):
    assemble.build_take(context, synthetic.random_take(people=1, fps=Fraction(30)))
    home, shown = arrived(context, replace(synthetic.random_take(people=1, fps=Fraction(15)), source=str(clips.WALKER.resolve())), tmp_path)
    assert motion.frames_of(rig_of(home))[[0, -1]].tolist() == [995, 995 + 2 * 29]
    assert shown != chosen and compat.action(chosen) is None and compat.action(shown) is not None


@pytest.mark.parametrize("why", ["other footage", "file", "keyed"])
def test_a_take_whose_footage_the_chosen_clip_does_not_show_begins_at_frame_1(chosen, enabled, context, tmp_path, why):
    source = clips.WALKER if why != "other footage" else clips.PORTRAIT
    if why == "file":
        enabled.source = "FILE"
    elif why == "keyed":
        chosen.keyframe_insert("frame_start", frame=1)
    home, shown = arrived(context, replace(synthetic.random_take(people=1), source=str(source.resolve())), tmp_path)
    assert record.start_of(home) == context.scene.frame_start == 1 and shown != chosen and timing.footage_elsewhere(home) is None


@pytest.mark.parametrize("again", ["VERSION", "UPDATE"])
def test_a_scene_that_is_not_to_be_set_up_stays_as_it_is(enabled, context, tmp_path, again):
    """A shot with a rate of its own, in which the take is shown in real time."""
    def state():
        return (scene.render.fps, scene.frame_start, scene.frame_end, scene.frame_current, scene.render.resolution_x, scene.camera)

    scene, enabled.set_scene, enabled.again = context.scene, False, again
    scene.camera = bpy.data.objects.new("own", bpy.data.cameras.new("own"))
    scene.render.fps, scene.frame_start, scene.frame_end, scene.render.resolution_x = 24, 1001, 1100, 2048
    scene.frame_set(1007)
    before, take = state(), replace(synthetic.random_take(people=1, fps=Fraction(12)), source="/clip.mp4")
    takes.save(take, tmp_path / "shot.npz")
    for _ in range(2):
        said = arrival.build(context, str(tmp_path / "shot.npz"))
        assert state() == before and said.endswith("The footage has 12 frames a second; it plays in real time at the scene's 24.")
    homes = [home for home in bpy.data.collections if record.START in home]
    assert len(homes) == (2 if again == "VERSION" else 1)
    for home in homes:
        assert motion.frames_of(rig_of(home)).tolist() == list(range(1, 60))
    camera.look_through(scene, assemble.camera_of(homes[0]))
    assert scene.render.resolution_x == 1280
