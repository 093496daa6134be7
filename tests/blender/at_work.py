# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension installed, rigs that arrive, and what a user does with them.

Every `test_*` is a generator that `drive` steps: it yields while it waits, so that Blender goes on living.
"""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path

import bpy
from bpy_extras import view3d_utils
from bpy_extras.object_utils import world_to_camera_view

from tests import fake_engine
from tests.blender import rig_checks
from tests.blender.window import (
    ADDON,
    FOLDER,
    Draws,
    Steps,
    a_clip,
    choose_file,
    click,
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
    wait,
)
from tests.bpy import characters


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


def test_over_the_footage_the_whole_picture_is_in_view() -> Steps:
    area, _, _ = sidebar()
    view, region = area.spaces.active.region_3d, next(region for region in area.regions if region.type == "WINDOW")
    view.view_perspective, view.view_camera_zoom = "PERSP", 30.0
    press("over_footage")
    yield from pause(0.5)
    scene = bpy.context.scene
    corners = [scene.camera.matrix_world @ corner for corner in scene.camera.data.view_frame(scene=scene)]
    seen = [view3d_utils.location_3d_to_region_2d(region, view, corner) for corner in corners]
    assert view.view_perspective == "CAMERA"
    assert all(0 <= point.x <= region.width and 0 <= point.y <= region.height for point in seen), seen
    press("over_footage")
    assert view.view_perspective == "PERSP"


def test_a_click_in_the_footage_says_who_is_missing() -> Steps:
    """Where the hips of somebody are; a click on the sidebar meanwhile says nothing, the right button ends it."""
    area, _, _ = sidebar()
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    bpy.context.view_layer.objects.active = rig
    home = bpy.data.collections["clip_001"]
    view, region = area.spaces.active.region_3d, next(region for region in area.regions if region.type == "WINDOW")
    press("who_missing")
    press("who_missing")  # once more, and it still waits once
    yield from pause(0.5)
    assert [operator.bl_idname for operator in sidebar()[2].modal_operators].count("SKEL_OT_who_missing") == 1
    assert view.view_perspective == "CAMERA"
    side = sidebar()[1]
    click("LEFTMOUSE", side.x + side.width - 4, side.y + 4)
    yield from pause(0.3)
    click("RIGHTMOUSE", region.x + region.width / 2, region.y + region.height / 2)
    yield from pause(0.3)
    assert "skel_who" not in home
    press("who_missing")
    yield from pause(0.5)
    scene = bpy.context.scene
    seen = world_to_camera_view(scene, scene.camera, rig.matrix_world @ rig.pose.bones["pelvis"].head)
    click_on_hips(rig)
    yield from pause(0.5)
    x, y = map(int, home["skel_who"][1:].split("@")[0].split(":"))
    width, height = scene.render.resolution_x, scene.render.resolution_y
    assert abs(x - seen.x * width) < 5 and abs(y - (1 - seen.y) * height) < 5, (x, y, seen)
    yield from shot("3_missing")
    press("over_footage")
    with override():
        bpy.ops.ed.undo()
    yield from pause(0.3)
    assert "skel_who" not in bpy.data.collections["clip_001"]


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


def test_a_long_export_shows_how_far_it_is_and_esc_ends_it() -> Steps:
    """From the file browser, as a user's; what is ended leaves no file, and another one is written to its end."""
    name = next(thing.name for thing in bpy.data.objects if thing.type == "ARMATURE")
    scene, folder = bpy.context.scene, FOLDER / "long export"
    folder.mkdir()
    end, before = scene.frame_end, (rig_checks.state(name), len(bpy.data.objects), len(bpy.data.scenes))
    area, _, window = sidebar()
    for last, ended in ((20000, True), (end, False)):
        scene.frame_end = last
        with override():
            bpy.ops.skel.export("INVOKE_DEFAULT", preset="generic", filename_ext=".glb", range="scene")
        yield from choose_file(folder / "shot.glb")
        if ended:
            yield from wait(lambda: "SKEL_OT_export" in [operator.bl_idname for operator in window.modal_operators], 20)
            yield from pause(1.0)
            yield from shot("3_exporting")
            assert not (folder / "shot.glb").exists() and len(bpy.data.scenes) > before[2]
            window.event_simulate(type="ESC", value="PRESS", x=area.x + area.width // 3, y=area.y + area.height // 2)
            window.event_simulate(type="ESC", value="RELEASE", x=area.x + area.width // 3, y=area.y + area.height // 2)
            yield from wait(lambda: not window.modal_operators, 30)
        else:
            yield from wait((folder / "shot.glb").exists, 30)
        yield from pause(0.3)
        assert list(folder.iterdir()) == ([] if ended else [folder / "shot.glb"]) and not window.modal_operators
        scene.frame_end = end
        assert (rig_checks.state(name), len(bpy.data.objects), len(bpy.data.scenes)) == before


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
