# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of jobs: cancelled, failed, late, and of the real engine; at the end the extension goes.

Every `test_*` is a generator that `drive` steps: it yields while it waits, so that Blender goes on living.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from pathlib import Path

import bpy

from tests.blender import rig_checks
from tests.blender.window import (
    ADDON,
    FOLDER,
    Skip,
    Steps,
    a_clip,
    choose_file,
    click_on_hips,
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
    assert runner().lines == [("INFO", "Cancelled.")] and not runner().failure
    yield from shot("4_cancelled")


def test_an_error_of_the_engine_is_one_sentence_in_the_sidebar() -> Steps:
    os.environ.update(FAKE_ENGINE="fail", FAKE_ENGINE_SECONDS="0.5")
    press("reconstruct")
    yield from wait(lambda: not runner().busy, 30)
    assert " ".join(text for _, text in runner().lines) == "Nobody was found in clip.mp4. Choose a clip that shows a person."
    assert runner().failure.startswith("Nobody was found in clip.mp4.")  # in the header too, where the sidebar is closed
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
    layers = bpy.context.view_layer.layer_collection.children
    assert layers["clip_001"].exclude and not layers["clip_002"].exclude
    with override():
        bpy.ops.ed.undo()
    yield from pause(0.3)
    layers = bpy.context.view_layer.layer_collection.children
    assert "clip_002" not in layers and not layers["clip_001"].exclude


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


def test_clips_wait_for_the_one_that_runs_whatever_the_user_does() -> Steps:
    """One is taken out, what runs is cancelled, and an undo goes back to before the next one was asked for: it arrives all the same."""
    os.environ.update(FAKE_ENGINE="done", FAKE_ENGINE_SECONDS="60")
    settings = bpy.context.scene.skel
    settings.clip = a_clip()
    with override():
        bpy.ops.ed.undo_push(message="clip")
    press("reconstruct")
    yield from wait(lambda: runner().factor > 0, 20)
    process = runner().job._process
    with override():
        bpy.ops.mesh.primitive_cube_add(location=(4, 0, 0))
        bpy.ops.ed.undo_push(message="cube")
    settings.everyone, settings.people = False, 1
    press("reconstruct")
    settings.people = 3
    press("reconstruct")
    assert [asked.label for asked in runner().waiting] == ["clip.png", "clip.png"]
    yield from shot("5_waiting")
    with override():
        bpy.ops.skel.forget_waiting(number=runner().waiting[1].number)
        bpy.ops.ed.undo()
    os.environ.update(FAKE_ENGINE_SECONDS="4")
    press("cancel")
    yield from wait(lambda: runner().job is not None and runner().job._process is not process, 20)
    assert process.poll() is not None and not runner().waiting
    yield from shot("5_next")
    yield from wait(lambda: not runner().busy, 40)
    said = " ".join(text for _, text in runner().lines)
    assert "Cancelled." in said and "1 person in 20 frames" in said, said
    assert sum(thing.type == "ARMATURE" for thing in bpy.data.objects) == 1
    with override():
        bpy.ops.ed.undo()
    yield from pause(0.3)
    assert not any(thing.type == "ARMATURE" for thing in bpy.data.objects)


def test_takes_of_clips_that_wait_are_kept_when_the_file_is_closed() -> Steps:
    os.environ.update(FAKE_ENGINE="done", FAKE_ENGINE_SECONDS="3")
    bpy.context.scene.skel.clip = a_clip()
    for _ in range(2):
        press("reconstruct")
    yield from wait(lambda: runner().factor > 0, 20)
    bpy.ops.wm.read_homefile()
    yield from wait(lambda: not runner().busy, 40)
    said = "".join("".join(text for _, text in runner().lines).split())
    assert said.count("TheTakeissavedas") == 2 and not bpy.data.armatures, said
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


def test_who_is_somebody_else_from_here_gets_a_rig_of_his_own() -> Steps:
    if not os.environ["SKEL_BLENDER_ENGINE"]:
        raise Skip("the engine is not installed")
    rig = bpy.context.view_layer.objects.active
    bpy.context.scene.frame_set(21)
    with override():
        bpy.ops.skel.who_other("EXEC_DEFAULT", True)
    yield from shot("10_somebody_else")
    shown = yield from _again(rig, "2 people in 40 frames;")
    assert shown == {"Person 1": (1, 20), "Person 2": (21, 40)}
    yield from shot("11_two_people")


def test_who_is_clicked_on_is_found_and_goes_on_as_whom_he_meets() -> Steps:
    """The second of the two, who are one: left out, and then found by a click, he is the first."""
    if not os.environ["SKEL_BLENDER_ENGINE"]:
        raise Skip("the engine is not installed")
    rig = next(thing for thing in bpy.context.view_layer.objects if thing.get("skel_person") == "Person 2")
    bpy.context.view_layer.objects.active = rig
    bpy.context.scene.frame_set(31)
    with override():
        bpy.ops.skel.who_without("EXEC_DEFAULT", True)
    press("who_missing")
    yield from pause(0.5)
    click_on_hips(rig)
    yield from pause(0.5)
    yield from shot("12_missing")
    shown = yield from _again(rig, "1 person in 40 frames;")
    assert shown == {"Person 1": (1, 40)}


def _again(rig: bpy.types.Object, told: str) -> Generator[None, None, dict[str, tuple[int, int]]]:
    """Reconstruct a rig's take with what was said, of which this is told; who is shown then, with his first and last frame."""
    with override():
        bpy.ops.skel.reconstruct_again("EXEC_DEFAULT", True, name=rig.users_collection[0].name)
    yield from wait(lambda: not runner().busy, 300)
    said = " ".join(text for _, text in runner().lines)
    assert told in said, said
    shown = [thing for thing in bpy.context.view_layer.objects if "skel_person" in thing]
    return {thing["skel_person"]: (thing["skel_first_frame"], thing["skel_last_frame"]) for thing in shown}


def test_a_rig_is_exact_in_this_blender() -> Steps:
    for body in ("open_male", "open_female"):
        joints, turns, skin = rig_checks.greatest_errors(body)
        print(f"{body}: joints within {1000 * joints:.4f} mm and {turns:.5f} degrees, skin within {1000 * skin:.4f} mm")
        assert joints < 1e-4 and turns < 0.01 and skin < 2e-4
        yield


def test_a_file_that_is_opened_ends_an_export() -> Steps:
    bpy.context.scene.frame_end, folder = 20000, FOLDER / "export that is ended"
    folder.mkdir()
    with override():
        bpy.ops.skel.export("INVOKE_DEFAULT", preset="generic", filename_ext=".glb", range="scene")
    yield from choose_file(folder / "shot.glb")
    window = sidebar()[2]
    yield from wait(lambda: "SKEL_OT_export" in [operator.bl_idname for operator in window.modal_operators], 20)
    yield from pause(1.0)
    assert len(bpy.data.scenes) == 2
    bpy.ops.wm.read_homefile()
    yield from pause(1.0)
    assert not sidebar()[2].modal_operators and len(bpy.data.scenes) == 1 and not list(folder.iterdir())


def test_disabling_ends_the_job_and_removes_everything() -> Steps:
    os.environ.update(FAKE_ENGINE="done", FAKE_ENGINE_SECONDS="60")
    prefs().engine_python = str(FOLDER / "python")
    bpy.context.scene.skel.clip = a_clip()
    press("reconstruct")
    yield from wait(lambda: runner().factor > 0, 20)
    press("reconstruct")
    there, process = runner(), runner().job._process
    bpy.ops.preferences.addon_disable(module=ADDON)
    assert process.poll() is not None and not there.waiting and not there.busy
    assert not hasattr(bpy.types.Scene, "skel")
    yield from pause(0.5)
