# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the real Blender with a window (see real_blender.sh): presses the extension's buttons and watches what happens.

Every `test_*` is a generator that a timer of Blender's steps: it yields while it waits, so that Blender goes on living.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sys
import traceback
from pathlib import Path
from xml.sax.saxutils import quoteattr

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.dont_write_bytecode = True

from tests import fake_engine  # noqa: E402
from tests.blender import rig_checks  # noqa: E402
from tests.blender.window import (  # noqa: E402
    ADDON,
    FOLDER,
    Draws,
    Steps,
    a_clip,
    look_at_result,
    override,
    pause,
    prefs,
    press,
    runner,
    shot,
    show_tab,
    sidebar,
    status,
    wait,
)
from tests.bpy import characters  # noqa: E402

STEP_S = 0.05


def test_the_extension_is_installed_and_shows_its_tab() -> Steps:
    assert ADDON in bpy.context.preferences.addons
    yield from show_tab()
    yield from shot("1_installed")
    prefs().engine_python = str(fake_engine.as_python(FOLDER, shutil.which("python3")))
    yield from pause(0.5)


def test_a_press_without_a_clip_gives_one_sentence() -> Steps:
    try:
        press("reconstruct")
    except RuntimeError as error:
        assert "No clip is chosen." in str(error), error
    else:
        raise AssertionError("no error")
    yield


def test_the_rig_arrives_while_the_user_works_on() -> Steps:
    os.environ.update(FAKE_ENGINE="done", FAKE_ENGINE_SECONDS="15")
    bpy.context.scene.skel.clip = a_clip()
    with override():
        bpy.ops.ed.undo_push(message="clip")
    draws = Draws()
    yield from pause(4.0, draws.beat)
    idle = draws.rate()
    press("reconstruct")
    yield from wait(lambda: runner().factor > 0.1, 20)
    yield from shot("2_running")
    draws = Draws()
    cubes = len(bpy.data.objects)
    with override():
        bpy.ops.mesh.primitive_cube_add(location=(4, 0, 0))
        bpy.ops.ed.undo_push(message="cube")
    assert len(bpy.data.objects) == cubes + 1 and runner().busy
    with override():
        bpy.ops.ed.undo()
    yield from wait(lambda: runner().text == "Building the scene", 60, draws.beat)
    busy = draws.rate()
    yield from wait(lambda: not runner().busy, 60)
    print(f"viewport drawn {busy:.1f} times a second while the engine ran, {idle:.1f} while it did not")
    assert busy > idle / 3  # other processes on the machine make it vary
    collection = bpy.data.collections["clip_001"]
    assert sum(thing.type == "ARMATURE" for thing in collection.all_objects) == 2
    assert Path(bpy.path.abspath(collection["skel_take"])).is_file()
    yield from look_at_result("3_arrived")


def test_undo_takes_the_rig_away_and_redo_brings_it_back() -> Steps:
    for operator, expected in ((bpy.ops.ed.undo, False), (bpy.ops.ed.redo, True)):
        with override():
            operator()
        yield from pause(0.3)
        assert ("clip_001" in bpy.data.collections) is expected, operator


def test_what_is_done_to_a_rig_can_be_undone() -> Steps:
    area, _, window = sidebar()
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    name, raw = rig.name, rig.animation_data.action.name
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    with override():
        bpy.ops.object.mode_set(mode="POSE")
        bpy.ops.ed.undo_push(message="pose mode")
    steps = (
        ("smooth", {"seconds": 0.1}), ("thin_keys", {}), ("limit_dof", {"dof": "knee_angle_r", "low": 0.0, "up": 0.5}),
        ("match", {"to": "CONTROL", "range": "SCENE"}), ("match", {"to": "CHANNELS", "range": "SCENE"}),
    )  # fmt: skip
    seen = [rig_checks.state(name)]
    for button, options in steps:
        with override():
            getattr(bpy.ops.skel, button)("EXEC_DEFAULT", True, **options)
        yield from pause(0.3)
        seen.append(rig_checks.state(name))
    assert len(set(seen)) == len(seen), seen
    yield from shot("3_rig")
    for expected in seen[-2::-1]:
        with override():
            bpy.ops.ed.undo()
        yield from pause(0.3)
        assert rig_checks.state(name) == expected, (rig_checks.state(name), expected)
    for expected in seen[1:]:
        with override():
            bpy.ops.ed.redo()
        yield from pause(0.3)
        assert rig_checks.state(name) == expected, (rig_checks.state(name), expected)
    for _ in steps:
        with override():
            bpy.ops.ed.undo()
    yield from pause(0.3)
    assert bpy.data.objects[name].animation_data.action.name == raw
    with override():
        bpy.ops.object.mode_set(mode="OBJECT")


def test_the_export_buttons_write_their_files_and_leave_the_scene_alone() -> Steps:
    name = next(thing.name for thing in bpy.data.objects if thing.type == "ARMATURE")
    before, folder = (rig_checks.state(name), len(bpy.data.objects)), FOLDER / "exports"
    for preset, ending, _ in importlib.import_module(f"{ADDON}.ui.export_operators").TARGETS:
        place = folder / preset / ending[1:]
        place.mkdir(parents=True)
        try:
            with override():
                bpy.ops.skel.export("EXEC_DEFAULT", preset=preset, filename_ext=ending, filepath=str(place / f"shot{ending}"))
        except RuntimeError as error:
            assert "This Blender was built without" in str(error), error  # as Debian's is without USD
            continue
        made = list(place.iterdir())
        assert made and all(path.stat().st_size > 100 for path in made), place  # some write a file for each person
        assert (rig_checks.state(name), len(bpy.data.objects)) == before, place
        yield


def test_the_retarget_button_moves_a_character_and_can_be_undone() -> Steps:
    target = characters.mixamo()
    name, settings = target.name, bpy.context.scene.skel_retarget
    settings.source = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE" and thing != target)
    settings.target = target
    with override():
        bpy.ops.ed.undo_push(message="character")
        bpy.ops.skel.retarget("EXEC_DEFAULT", True)
    action = target.animation_data.action
    assert tuple(action.frame_range) == tuple(settings.source.animation_data.action.frame_range)
    bpy.context.scene.frame_set(bpy.context.scene.frame_start + 10)
    yield from shot("3_retargeted")
    with override():
        bpy.ops.ed.undo()
    yield from pause(0.3)
    data = bpy.data.objects[name].animation_data
    assert data is None or data.action is None
    bpy.data.objects.remove(bpy.data.objects[name])


def test_only_the_button_cancels_and_it_leaves_no_process() -> Steps:
    """Escape is pressed for a hundred other reasons while the engine runs."""
    os.environ.update(FAKE_ENGINE="done", FAKE_ENGINE_SECONDS="60")
    before = len(bpy.data.objects)
    press("reconstruct")
    yield from wait(lambda: runner().factor > 0, 20)
    process = runner().job._process
    area, _, window = sidebar()
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="ESC", value=value, x=area.x + area.width // 3, y=area.y + area.height // 2)
    yield from pause(1.0)
    assert runner().busy and process.poll() is None
    press("cancel")
    yield from wait(lambda: not runner().busy, 15)
    assert process.poll() is not None and len(bpy.data.objects) == before
    assert runner().lines == [("INFO", "Cancelled.")]
    yield from shot("4_cancelled")


def test_an_error_of_the_engine_is_one_sentence_in_the_sidebar() -> Steps:
    os.environ.update(FAKE_ENGINE="fail", FAKE_ENGINE_SECONDS="0.5")
    press("reconstruct")
    yield from wait(lambda: not runner().busy, 30)
    assert " ".join(text for _, text in runner().lines) == "Nobody was found in clip.mp4. Choose a clip that shows a person."
    yield from shot("5_error")


def test_the_scene_is_left_alone_while_the_user_moves_an_object() -> Steps:
    os.environ.update(FAKE_ENGINE="done", FAKE_ENGINE_SECONDS="1")
    area, _, window = sidebar()
    x, y = area.x + area.width // 3, area.y + area.height // 2
    bpy.data.objects["Light"].select_set(True)
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    yield from pause(0.5)
    with override():
        bpy.ops.transform.translate("INVOKE_DEFAULT")
    press("reconstruct")
    yield from wait(lambda: runner().text == "Building the scene", 30)
    yield from pause(1.5)
    assert len(window.modal_operators) == 1 and "clip_002" not in bpy.data.collections
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="RIGHTMOUSE", value=value, x=x, y=y)
    yield from wait(lambda: not runner().busy, 30)
    assert "clip_002" in bpy.data.collections


def test_a_take_that_comes_after_the_file_was_closed_is_kept() -> Steps:
    os.environ.update(FAKE_ENGINE="done", FAKE_ENGINE_SECONDS="4")
    press("reconstruct")
    yield from wait(lambda: runner().factor > 0, 20)
    bpy.ops.wm.read_homefile()
    yield from wait(lambda: not runner().busy, 30)
    said = " ".join(text for _, text in runner().lines)
    path = re.search(r"savedas(.*?\.npz)", said.replace(" ", ""))  # long words are broken over lines
    assert path and Path(path[1]).is_file() and not bpy.data.collections.get("clip_003"), said
    yield from show_tab()


def test_the_preferences_tell_of_the_engine() -> Steps:
    prefs().engine_python = ""
    with override():
        bpy.ops.screen.userpref_show("INVOKE_DEFAULT")
    yield from pause(0.5)
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "SKEL"
    with override(bpy.context.window_manager.windows[-1]):
        bpy.ops.preferences.addon_expand(module=ADDON)
    yield from pause(1.0)
    yield from shot("6_preferences")
    with override(bpy.context.window_manager.windows[-1]):
        bpy.ops.wm.window_close()
    yield from shot("7_no_engine")
    assert status().ready is False


def test_the_real_engine_reconstructs_the_clip() -> Steps:
    if not os.environ["SKEL_BLENDER_ENGINE"]:
        raise Skip("the engine is not installed")
    bpy.ops.wm.read_homefile(use_factory_startup=False)
    yield from pause(1.0)
    prefs().engine_python = os.environ["SKEL_BLENDER_ENGINE"]
    settings = bpy.context.scene.skel
    settings.clip = bpy.data.movieclips.load(os.environ["SKEL_BLENDER_CLIP"])
    settings.use_range, settings.frame_end = True, min(40, settings.clip.frame_duration)
    yield from show_tab()
    press("reconstruct")
    yield from wait(lambda: runner().factor > 0.3, 300)
    yield from shot("8_real_running")
    yield from wait(lambda: not runner().busy, 600)
    said = " ".join(text for _, text in runner().lines)
    assert "frames;" in said, said
    yield from look_at_result("9_real_arrived")


def test_a_correction_is_fitted_again_and_can_be_undone() -> Steps:
    if not os.environ["SKEL_BLENDER_ENGINE"]:
        raise Skip("the engine is not installed")
    rig = bpy.context.view_layer.objects.active
    name, raw = rig.name, rig.animation_data.action.name
    bpy.context.scene.frame_set(20)
    rig.skel.angles.knee_angle_l += 0.3
    with override():
        bpy.ops.skel.key_angles("EXEC_DEFAULT", True, dofs="knee_angle_l")
        bpy.ops.skel.refit("EXEC_DEFAULT", True, seconds=0.2)
    yield from wait(lambda: not runner().busy, 300)
    said = " ".join(text for _, text in runner().lines)
    assert "Fitted again around 1 frame;" in said and rig.animation_data.action.name == f"{raw} refitted", said
    with override():
        bpy.ops.ed.undo()
    yield from pause(0.3)
    assert bpy.data.objects[name].animation_data.action.name == raw


def test_a_rig_is_exact_in_this_blender() -> Steps:
    for body in ("open_male", "open_female"):
        joints, turns, skin = rig_checks.greatest_errors(body)
        print(f"{body}: joints within {1000 * joints:.4f} mm and {turns:.5f} degrees, skin within {1000 * skin:.4f} mm")
        assert joints < 1e-4 and turns < 0.01 and skin < 2e-4
        yield


def test_disabling_ends_the_job_and_removes_everything() -> Steps:
    os.environ.update(FAKE_ENGINE="done", FAKE_ENGINE_SECONDS="60")
    prefs().engine_python = str(FOLDER / "python")
    bpy.context.scene.skel.clip = a_clip()
    press("reconstruct")
    yield from wait(lambda: runner().factor > 0, 20)
    process = runner().job._process
    bpy.ops.preferences.addon_disable(module=ADDON)
    assert process.poll() is not None
    assert not hasattr(bpy.types.Scene, "skel")
    yield from pause(0.5)


class Skip(Exception):
    """Raised by a test that can't run here."""


def run_all() -> Steps:
    """Run every test, write what came of it, leave Blender."""
    cases, counts = [], {"failures": 0, "skipped": 0}
    tests = {name: value for name, value in globals().items() if name.startswith("test_")}
    for name, test in tests.items():
        inner = ""
        try:
            yield from test()
            print(f"PASS {name}", flush=True)
        except Skip as reason:
            counts["skipped"] += 1
            inner = f"<skipped message={quoteattr(str(reason))}/>"
            print(f"SKIP {name}: {reason}", flush=True)
        except Exception:
            counts["failures"] += 1
            inner = f"<failure message={quoteattr(traceback.format_exc())}/>"
            print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
            yield from shot(f"failed_{name}")
        cases.append(f"<testcase name={quoteattr(name)}>{inner}</testcase>")
    title = quoteattr(f"{os.environ['SKEL_BLENDER_NAME']}, Blender {bpy.app.version_string}")
    head = f'<testsuite name={title} tests="{len(cases)}" errors="0" failures="{counts["failures"]}" skipped="{counts["skipped"]}">'
    Path(os.environ["SKEL_BLENDER_RESULT"]).write_text(f"{head}{''.join(cases)}</testsuite>\n")
    sys.stdout.flush()
    os._exit(1 if counts["failures"] else 0)


def drive(steps: Steps = run_all()) -> float:  # noqa: B008, one run only
    """The timer."""
    next(steps)
    return STEP_S


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(drive, first_interval=2.0, persistent=True)
