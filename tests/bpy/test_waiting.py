# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips that wait for the one that runs: each with what was set when it was asked for, whatever becomes of those before it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

import skel_blender
from skel_blender import take as takes
from skel_blender.rig import assemble
from tests import synthetic
from tests.bpy.panels import Spy, messages_shown
from tests.bpy.pictures import save_picture
from tests.bpy.test_addon import follow


@pytest.fixture
def press(addon, tmp_path, monkeypatch):
    """Press Reconstruct for a picture of this name, as in a window: it does not wait for the end."""
    from skel_blender.ui import engine, operators

    monkeypatch.setattr(operators.StartsJob, "execute", operators.SkelOperator.execute)
    monkeypatch.setattr(engine.state, "ready", True)
    monkeypatch.setenv("FAKE_ENGINE_SECONDS", "0.4")

    def press(name: str, **settings: object) -> None:
        if not (tmp_path / name).exists():
            save_picture(tmp_path / name, size=(64, 36))
        addon.path = str(tmp_path / name)
        for key, value in settings.items():
            setattr(addon, key, value)
        assert bpy.ops.skel.reconstruct() == {"FINISHED"}

    yield press
    runner().stop()


def runner():
    from skel_blender.ui.runner import runner

    return runner


def finished() -> None:
    follow(runner(), until=lambda: not runner().busy, limit_s=60.0)


def header() -> list[str]:
    from skel_blender.ui import panel

    spy = Spy()
    panel.draw_in_header(SimpleNamespace(layout=spy), bpy.context)
    return spy.labels


def sidebar() -> Spy:
    from skel_blender.ui import panel

    spy = Spy()
    panel.SKEL_PT_main._draw_run(None, spy)
    return spy


def people(name: str) -> int:
    return sum(thing.type == "ARMATURE" for thing in bpy.data.collections[name].all_objects)


def test_each_clip_is_made_with_what_was_set_when_it_was_asked_for(press, addon, tmp_path):
    press("one.png")
    assert header() == [] and "skel.forget_waiting" not in sidebar().operators
    press("two.png", everyone=False, people=1, use_range=True, frame_start=3, frame_end=9)
    press("one.png", everyone=True, use_range=False)
    assert header() == ["2 waiting"]
    drawn = sidebar()
    assert drawn.labels[:4] == ["2 waiting", "two.png 3-9", "one.png", "one.png"]  # the last is what runs, above its messages
    assert drawn.operators.count("skel.forget_waiting") == 2 and "skel.reconstruct" in drawn.operators
    addon.path = ""
    finished()
    assert sorted(path.name for path in (tmp_path / "takes").iterdir()) == ["one_001.npz", "one_002.npz", "two_001.npz"]
    assert [people(name) for name in ("one_001", "two_001", "one_002")] == [2, 1, 2]
    layers = [assemble.layer_of(bpy.context.view_layer, bpy.data.collections[name]) for name in ("one_001", "two_001", "one_002")]
    assert [layer.exclude for layer in layers] == [True, False, False]
    said = messages_shown()
    assert said.index("one.png") < said.index("2 people") < said.index("two.png 3-9") < said.index("1 person") < said.rindex("one.png")
    press("two.png")
    assert not runner().lines  # messages are of those that run or wait together
    assert header() == []


def test_how_it_is_built_is_as_it_was_set_too(press, addon, context, tmp_path):
    """For who changes it for the next clip, or chooses that, while this one runs."""
    clip = bpy.data.movieclips.load(str(tmp_path / "run 1.png"))
    clip.frame_start = 101
    context.scene.render.fps, context.scene.render.fps_base = 30, 1.001  # the take's; else a copy of the clip is played at the scene's
    addon.source, addon.clip, addon.set_scene, addon.hide = "CLIP", clip, False, False
    ends = context.scene.frame_start, context.scene.frame_end
    assert bpy.ops.skel.reconstruct() == {"FINISHED"}
    save_picture(tmp_path / "other.png", size=(64, 36))
    addon.clip, addon.set_scene, addon.again = bpy.data.movieclips.load(str(tmp_path / "other.png")), True, "UPDATE"
    finished()
    home = bpy.data.collections["run 1_001"]
    assert (context.scene.frame_start, context.scene.frame_end) == ends
    assert assemble.camera_of(home).data.background_images[0].clip == clip
    assert bpy.ops.skel.reconstruct() == {"FINISHED"}
    addon.again, addon.clip = "VERSION", None
    finished()
    assert (context.scene.frame_start, context.scene.frame_end) != ends and "other_001" in bpy.data.collections


def test_who_waits_can_be_taken_out(press):
    press("one.png")
    for name in ("two.png", "three.png"):
        press(name)
    two, three = (asked.number for asked in runner().waiting)
    bpy.ops.skel.forget_waiting(number=two)
    assert header() == ["1 waiting"]
    with pytest.raises(RuntimeError, match="That clip is no longer waiting. If it is running, cancel it."):
        bpy.ops.skel.forget_waiting(number=two)
    finished()
    assert {"one_001", "three_001"} <= set(bpy.data.collections.keys()) and "two_001" not in bpy.data.collections


@pytest.mark.parametrize("end", ["cancelled", "fail", "crash"])
def test_the_next_begins_whatever_became_of_the_one_before(press, monkeypatch, end):
    monkeypatch.setenv("FAKE_ENGINE", "done" if end == "cancelled" else end)
    if end == "cancelled":
        monkeypatch.setenv("FAKE_ENGINE_SECONDS", "60")
    press("one.png")
    process = runner().job._process
    monkeypatch.setenv("FAKE_ENGINE", "done")
    press("two.png")
    follow(runner(), until=lambda: runner().factor > 0)
    monkeypatch.setenv("FAKE_ENGINE_SECONDS", "0.4")
    if end == "cancelled":
        bpy.ops.skel.cancel()
    finished()
    assert process.poll() is not None and "two_001" in bpy.data.collections and "one_001" not in bpy.data.collections
    said = messages_shown()
    sentence = {"cancelled": "Cancelled.", "fail": "Nobody was found in clip.mp4.", "crash": "RuntimeError: the tensor is gone"}[end]
    assert said.index("one.png") < said.index(sentence) < said.index("two.png") < said.index("2 people in 20 frames")
    assert bool(runner().failure) == (end != "cancelled") and (header() != []) == (end != "cancelled")


def test_one_that_can_not_begin_says_so_and_the_next_begins(press, tmp_path):
    press("one.png")
    press("two.png")
    python = Path(bpy.context.preferences.addons["skel_blender"].preferences.engine_python)
    python.rename(tmp_path / "gone")
    with pytest.raises(RuntimeError, match="There is no Python at"):  # now, not when its turn comes
        bpy.ops.skel.reconstruct()
    assert header() == ["1 waiting"]
    finished()
    assert "one_001" in bpy.data.collections and "two_001" not in bpy.data.collections and "There is no Python at" in messages_shown()


def test_the_add_on_goes_and_nothing_runs_or_waits_any_more(press, monkeypatch):
    monkeypatch.setenv("FAKE_ENGINE_SECONDS", "60")
    for name in ("one.png", "two.png"):
        press(name)
    job = runner().job
    skel_blender.unregister()
    try:
        assert job.result.code == "cancelled" and job._process.poll() is not None
        assert not runner().busy and not runner().waiting and not bpy.app.timers.is_registered(_tick())
    finally:
        skel_blender.register()


def _tick():
    from skel_blender.ui.runner import tick

    return tick


def test_takes_that_come_after_the_file_was_closed_are_kept(press, tmp_path):
    for name in ("one.png", "two.png"):
        press(name)
    bpy.ops.wm.read_homefile(use_empty=True)
    assert header() == ["1 waiting"]
    finished()
    assert sorted(path.name for path in (tmp_path / "takes").iterdir()) == ["one_001.npz", "two_001.npz"] and not bpy.data.armatures
    assert "".join(messages_shown().split()).count("TheTakeissavedas") == 2


def test_what_can_not_wait_says_so(press):
    press("one.png")
    assert not bpy.ops.skel.install_engine.poll()
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.skel.install_engine()
    assert bpy.ops.skel.import_motion.poll() and bpy.ops.skel.reconstruct_again.poll()


@pytest.mark.parametrize("meanwhile", ["renamed", "deleted", "switched off", "another version"])
@pytest.mark.parametrize("again", ["VERSION", "UPDATE"])
def test_a_take_that_is_made_again_is_the_one_that_was_meant(addon, context, tmp_path, meanwhile, again):
    """Whatever its collection is called by then; where it is gone, as if it had never been."""
    from skel_blender.ui import arrival

    def load(name: str, **options: object) -> bpy.types.Collection:
        made = synthetic.random_take(frames=4, people=1)
        made.source = "/clip.mp4"
        takes.save(made, tmp_path / f"{name}.npz")
        arrival.build_in_scene(str(tmp_path / f"{name}.npz"), context.scene.session_uid, **options)
        return bpy.data.collections.get(name)

    other, home = load("other"), load("home")
    uid, choices = home.session_uid, arrival.choices_of(addon)
    choices = arrival.Choices(again, choices.correct, choices.hide, choices.set_scene, 0)
    if meanwhile == "renamed":
        home.name, other.name = "mine", "home"
    elif meanwhile == "deleted":
        bpy.data.batch_remove([*home.all_objects, home])
    elif meanwhile == "switched off":
        assemble.layer_of(context.view_layer, home).exclude = True
    else:
        load("third")
    arrived = load("again", home_uid=uid, choices=choices)
    shown = [layer.collection for layer in context.view_layer.layer_collection.children if not layer.exclude]
    if again == "VERSION":
        assert shown == [arrived]
    else:
        assert arrived is None and len(shown) == (2 if meanwhile == "another version" else 1)
        assert (other if meanwhile == "deleted" else home) in shown
