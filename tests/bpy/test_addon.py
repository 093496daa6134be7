# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in Blender without a window: it comes and goes without a trace, its operators gather, start, build and explain."""

import functools
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

import skel_blender
from skel_blender import take
from skel_blender.rig import assemble
from tests import synthetic
from tests.bpy.evaluated import curves
from tests.bpy.panels import Spy, messages_shown


def test_register_and_unregister_leave_nothing_behind_twice():
    for _ in range(2):
        before = set(dir(bpy.types)), set(dir(bpy.ops.skel))
        skel_blender.register()
        assert hasattr(bpy.types.Scene, "skel") and "reconstruct" in dir(bpy.ops.skel)
        skel_blender.unregister()
        assert (set(dir(bpy.types)), set(dir(bpy.ops.skel))) == before
        assert not hasattr(bpy.types.Scene, "skel")


def test_whatever_can_be_pressed_or_set_has_a_tooltip(enabled):
    from skel_blender import ui

    for kind in ui._CLASSES:
        if issubclass(kind, bpy.types.Operator):
            rna = getattr(bpy.ops.skel, kind.bl_idname.removeprefix("skel.")).get_rna_type()
            assert rna.description, kind
        elif issubclass(kind, bpy.types.PropertyGroup):
            rna = kind.bl_rna
        else:
            continue
        own = [rna.properties[name] for name in kind.__annotations__]
        shown = [prop for prop in own if not prop.is_hidden and prop.type not in ("POINTER", "COLLECTION")]
        assert all(prop.description for prop in shown), (kind, [prop.identifier for prop in shown])


def test_the_engine_is_looked_for_although_a_file_is_opened_first(context, tmp_path):
    """As by a double click on a .blend: Blender starts, registers, and opens the file before any timer runs."""
    from skel_blender.ui import engine

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    skel_blender.register()
    try:
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
        assert bpy.app.timers.is_registered(engine.refresh)
    finally:
        skel_blender.unregister()


def test_messages_stay_with_the_file_that_they_are_of(context, tmp_path):
    """But for those of a job that goes on while another file is opened."""
    from skel_blender.ui.runner import runner

    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    skel_blender.register()
    try:
        runner.show("1 person in 100 frames.")
        runner._finish = str
        bpy.ops.wm.open_mainfile(filepath=path)
        assert runner.lines
        runner._finish = None
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
        assert runner.lines
        bpy.ops.wm.open_mainfile(filepath=path)
        assert not runner.lines and not runner.failure
    finally:
        skel_blender.unregister()
    assert not any(handler.__name__ == "on_load" for handler in bpy.app.handlers.load_post)


def test_reconstruct_builds_the_rigs_and_keeps_the_take_beside_the_file(addon, tmp_path):
    bpy.context.scene.camera = bpy.data.objects.new("shot", bpy.data.cameras.new("shot"))
    assert bpy.ops.skel.reconstruct() == {"FINISHED"}
    collection = bpy.data.collections["run 1_001"]
    assert collection["skel_take"] == "//takes/run 1_001.npz"
    assert len(take.load(tmp_path / "takes" / "run 1_001.npz").people) == 2
    assert sum(thing.type == "ARMATURE" for thing in collection.all_objects) == 2
    assert "The scene now plays 29.97 frames a second, not 24." in messages_shown()
    assert "The take has set the scene's range, picture size, camera." in messages_shown()
    assert "2 people in 20 frames" in messages_shown() and "Two frames could not be decoded." in messages_shown()
    assert "Found:" not in messages_shown()


def test_a_second_run_overwrites_nothing(addon, tmp_path):
    bpy.ops.skel.reconstruct()
    assert "switched off" not in messages_shown() and "The take has set the scene's range, picture size." in messages_shown()
    bpy.ops.skel.reconstruct()
    assert sorted(path.name for path in (tmp_path / "takes").iterdir()) == ["run 1_001.npz", "run 1_002.npz"]
    assert "run 1_002" in bpy.data.collections and "run 1_001 is switched off, in People" in messages_shown()
    assert "has set" not in messages_shown()
    layers = [assemble.layer_of(bpy.context.view_layer, bpy.data.collections[f"run 1_00{number}"]) for number in (1, 2)]
    assert [layer.exclude for layer in layers] == [True, False]
    layers[0].exclude, layers[1].exclude = False, True
    addon.again = "UPDATE"
    bpy.ops.skel.reconstruct()  # of what is switched on, the newest
    assert [layer.exclude for layer in layers] == [False, True]
    assert bpy.data.collections["run 1_001"]["skel_take"].endswith("_003.npz")


def test_who_is_posing_keeps_the_earlier_version_when_another_arrives(addon):
    bpy.ops.skel.reconstruct()
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.skel.reconstruct()
    assert "run 1_001 is still there" in messages_shown() and bpy.context.mode == "POSE"
    assert not assemble.layer_of(bpy.context.view_layer, bpy.data.collections["run 1_001"]).exclude


def test_footage_whose_name_has_brackets_keeps_its_earlier_takes(addon, tmp_path):
    clip = tmp_path / "dance [x1].png"
    clip.write_bytes((tmp_path / "run 1.png").read_bytes())
    addon.path = str(clip)
    bpy.ops.skel.reconstruct()
    bpy.ops.skel.reconstruct()
    assert sorted(path.name for path in (tmp_path / "takes").iterdir()) == ["dance [x1]_001.npz", "dance [x1]_002.npz"]


def test_the_first_person_that_arrives_is_the_active_one_unless_the_user_is_in_another_mode(addon):
    view = bpy.context.view_layer.objects
    bpy.ops.skel.reconstruct()
    first = view.active
    assert first.name == "person_1" and list(view.selected) == [first]
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.skel.reconstruct()
    assert "run 1_002" in bpy.data.collections and view.active == first and first.mode == "POSE"


def test_a_second_run_updates_the_rigs_if_asked_to_and_keeps_their_actions(addon):
    addon.again = "UPDATE"
    bpy.ops.skel.reconstruct()
    (collection,) = bpy.context.scene.collection.children
    objects, collections = set(collection.all_objects), list(bpy.data.collections)
    rig = next(thing for thing in objects if thing.type == "ARMATURE")
    first = rig.animation_data.action
    bpy.ops.skel.reconstruct()
    assert list(bpy.data.collections) == collections and set(collection.all_objects) == objects
    assert rig.animation_data.action != first and first.use_fake_user
    for action in (first, rig.animation_data.action):
        rig.animation_data.action = action
        heights = [curve for curve in curves(rig) if curve.data_path.endswith('"].location') and "root" not in curve.data_path]
        assert [curve.data_path for curve in heights] == ['pose.bones["pelvis"].location']
    assert collection["skel_take"].endswith("run 1_002.npz")


@pytest.mark.parametrize(
    ("end", "sentence"),
    [("fail", "Nobody was found in clip.mp4. Choose a clip that shows a person."), ("crash", "RuntimeError: the tensor is gone")],
)
def test_an_engine_that_fails_says_why_and_builds_nothing(addon, monkeypatch, end, sentence):
    monkeypatch.setenv("FAKE_ENGINE", end)
    bpy.ops.skel.reconstruct()
    assert sentence in messages_shown()
    assert not bpy.data.collections


def test_what_went_wrong_is_seen_without_the_sidebar_and_in_the_preferences(addon, monkeypatch):
    from skel_blender.ui import panel, preferences
    from skel_blender.ui.runner import runner

    def header():
        spy = Spy()
        panel.draw_in_header(SimpleNamespace(layout=spy), bpy.context)
        return spy

    assert not header().labels
    monkeypatch.setenv("FAKE_ENGINE", "fail")
    bpy.ops.skel.reconstruct()
    assert header().labels == ["Nobody was found in clip.mp4. Choose a clip that shows a\N{HORIZONTAL ELLIPSIS}"]
    spy = Spy()
    preferences.SKEL_AddonPreferences.draw(SimpleNamespace(layout=spy, bl_rna=preferences.SKEL_AddonPreferences.bl_rna), bpy.context)
    assert " ".join(spy.labels[1:]) == messages_shown()
    bpy.ops.skel.clear_messages()
    assert not header().labels and not runner.lines


def test_cancel_ends_even_a_deaf_engine(addon, monkeypatch):
    from skel_blender import job
    from skel_blender.ui import engine, gather
    from skel_blender.ui.runner import runner

    monkeypatch.setattr(job, "GRACE_S", 0.3)
    monkeypatch.setenv("FAKE_ENGINE", "deaf")
    assert not bpy.ops.skel.cancel.poll()
    runner.start("Run", engine.start(gather.request(bpy.context.scene)), lambda path: "never")
    assert not bpy.ops.skel.install_engine.poll()
    follow(runner, until=lambda: runner.factor > 0)
    bpy.ops.skel.cancel()
    follow(runner, until=lambda: not runner.busy)
    assert messages_shown() == "Cancelled."


def test_a_take_that_arrives_while_blender_renders_waits_for_its_end(addon, monkeypatch):
    """Building sets the scene's range, size and camera, of which the next frames would be rendered."""
    from skel_blender.ui import arrival, engine, gather
    from skel_blender.ui.runner import interrupted, runner

    running = {"RENDER"}
    fake = SimpleNamespace(context=bpy.context, app=SimpleNamespace(timers=bpy.app.timers, is_job_running=running.__contains__))
    assert not interrupted()
    monkeypatch.setattr(sys.modules[interrupted.__module__], "bpy", fake)
    finish = functools.partial(arrival.build_in_scene, scene_uid=bpy.context.scene.session_uid)
    runner.start("Run", engine.start(gather.request(bpy.context.scene)), finish)
    follow(runner, until=lambda: runner.job is None)
    assert runner.step() and runner.step() and runner.busy and runner.text == "Waiting until Blender is free"
    assert not bpy.data.armatures
    running.clear()
    follow(runner, until=lambda: not runner.busy)
    assert bpy.data.armatures


def test_unregister_ends_a_running_engine(addon, monkeypatch):
    from skel_blender.ui import engine, gather
    from skel_blender.ui.runner import runner

    monkeypatch.setenv("FAKE_ENGINE_SECONDS", "60")
    job = engine.start(gather.request(bpy.context.scene))
    runner.start("Run", job, lambda path: "never")
    skel_blender.unregister()
    assert job.result.code == "cancelled" and not runner.busy
    skel_blender.register()


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_take_that_can_not_be_built_is_not_lost(addon, foreseen):
    from skel_blender.ui import arrival, engine, gather
    from skel_blender.ui.runner import runner

    finish = functools.partial(arrival.build_in_scene, scene_uid=-1) if foreseen else len  # for which the runner has no sentence
    request = gather.request(bpy.context.scene)
    runner.start("Run", engine.start(request), finish)
    follow(runner, until=lambda: not runner.busy)
    told = "".join(text.replace(" ", "") for _, text in runner.lines)
    assert ("nolongeropen." in told) is foreseen and runner.failure
    assert f"TheTakeissavedas{request.out}.".replace(" ", "") in told and Path(request.out).is_file()


def test_load_take_needs_no_engine(addon, tmp_path):
    bpy.context.preferences.addons["skel_blender"].preferences.engine_python = ""
    take.save(synthetic.random_take(frames=3, people=1), tmp_path / "saved.npz")
    assert bpy.ops.skel.load_take(filepath=str(tmp_path / "saved.npz")) == {"FINISHED"}
    assert bpy.data.collections["saved"]["skel_take"] == "//saved.npz"


def test_a_motion_file_becomes_rigs(addon, tmp_path):
    (tmp_path / "dance.npz").write_bytes(b"")
    choices = {"up": "z", "fps": 60.0, "people": 1, "limits": True, "body": "female"}
    assert bpy.ops.skel.import_motion(filepath=str(tmp_path / "dance.npz"), **choices) == {"FINISHED"}
    assert sum(thing.type == "ARMATURE" for thing in bpy.data.collections["dance_001"].all_objects) == 1
    with pytest.raises(RuntimeError, match="There is no file"):
        bpy.ops.skel.import_motion(filepath=str(tmp_path / "none.npz"))


def test_the_take_in_the_file_is_saved_again(addon, tmp_path):
    made = synthetic.random_take(frames=3, people=1)
    take.save(made, tmp_path / "saved.npz")
    bpy.ops.skel.load_take(filepath=str(tmp_path / "saved.npz"))
    (tmp_path / "saved.npz").unlink()
    bpy.context.view_layer.objects.active = None
    assert not bpy.ops.skel.save_take.poll()
    bpy.context.view_layer.objects.active = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    bpy.ops.skel.save_take(filepath=str(tmp_path / "again.npz"))
    assert (take.load(tmp_path / "again.npz").people[0].poses == made.people[0].poses).all()


def test_without_an_engine_the_user_is_told_to_install_it(addon):
    bpy.context.preferences.addons["skel_blender"].preferences.engine_python = ""
    with pytest.raises(RuntimeError, match="not installed yet. Press Install Engine first"):
        bpy.ops.skel.reconstruct()


def test_on_windows_the_engine_lies_where_paths_stay_short(addon, monkeypatch, tmp_path):
    from skel_blender.ui import engine

    monkeypatch.setenv("SKEL_BLENDER_HOME", str(tmp_path))
    assert engine.root() != tmp_path  # the extension's own folder, far down in Blender's
    monkeypatch.setattr(engine, "os", SimpleNamespace(name="nt"))
    assert engine.root() == tmp_path


def test_after_an_update_that_needs_another_engine_the_user_is_told_so(addon):
    from skel_blender.ui import engine

    bpy.context.preferences.addons["skel_blender"].preferences.engine_python = ""
    older = engine.root() / "engine-00000000"
    older.mkdir(parents=True)
    (older / ".ready").touch()
    try:
        with pytest.raises(RuntimeError, match="needs a newer engine. Press Install Engine first"):
            bpy.ops.skel.reconstruct()
    finally:
        (older / ".ready").unlink()
        older.rmdir()


def test_install_needs_blenders_permission_to_go_online(addon, monkeypatch):
    from skel_blender.ui import engine

    monkeypatch.setattr(engine, "Job", lambda command: None)  # whoever forgets to ask shall not install an engine here
    assert not bpy.app.online_access
    with pytest.raises(RuntimeError, match="Blender is not allowed to go online"):
        bpy.ops.skel.install_engine()


def follow(runner, until, limit_s: float = 20.0) -> None:
    """Step the runner as the timer does, until something holds."""
    end = time.monotonic() + limit_s
    while not until():
        assert time.monotonic() < end
        runner.step()
        time.sleep(0.02)
