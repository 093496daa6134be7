# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's hands and eyes in the real Blender: the viewport and its sidebar, buttons, waiting, pictures."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
from bpy_extras import view3d_utils

from tests.bpy.pictures import save_picture

ADDON = "bl_ext.user_default.skel_blender"
SHOTS = Path(os.environ["SKEL_BLENDER_SHOTS"])
FOLDER = Path(os.environ["BLENDER_USER_RESOURCES"])
Steps = Iterator[None]


class Skip(Exception):
    """Raised by a test that can't run here."""


class Draws:
    """Counts how often the 3D viewport is drawn while it is asked to draw as often as it can."""

    def __init__(self) -> None:
        self.count, self._start = 0, time.monotonic()
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._drawn, (), "WINDOW", "POST_PIXEL")

    def _drawn(self) -> None:
        self.count += 1

    def beat(self) -> None:
        sidebar()[0].tag_redraw()

    def rate(self) -> float:
        """Draws a second; ends the counting."""
        bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
        return self.count / (time.monotonic() - self._start)


def show_tab() -> Steps:
    """The default scene without its cube, with the sidebar open at our tab."""
    yield from pause(1.0)
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    area, region, _ = sidebar()
    area.spaces.active.show_region_ui = True
    yield from pause(2.0)  # a region has its tabs only once it was drawn
    region.active_panel_category = "SKEL"
    yield from pause(0.5)


def look_at_result(name: str) -> Steps:
    """Pictures of the scene through its camera and from the side."""
    area = sidebar()[0]
    area.spaces.active.region_3d.view_perspective = "CAMERA"
    bpy.context.scene.frame_set(bpy.context.scene.frame_start + 10)
    with override():
        bpy.ops.view3d.view_center_camera()
    yield from shot(name)
    with override():
        bpy.ops.object.select_all(action="DESELECT")
        for thing in bpy.data.objects:
            thing.select_set(thing.type == "ARMATURE")
        bpy.ops.view3d.view_axis(type="RIGHT")
        bpy.ops.view3d.view_selected()
    yield from shot(name + "_side")


def a_clip() -> bpy.types.MovieClip:
    """A picture, as footage: the fake engine does not look at it."""
    path = FOLDER / "clip.png"
    if not path.exists():
        save_picture(path, size=(1280, 720))
    return bpy.data.movieclips.load(str(path), check_existing=True)


def sidebar() -> tuple[bpy.types.Area, bpy.types.Region, bpy.types.Window]:
    """The largest 3D viewport of the main window and its sidebar."""
    window = bpy.context.window_manager.windows[0]
    area = max((a for a in window.screen.areas if a.type == "VIEW_3D"), key=lambda a: a.width * a.height)
    return area, next(region for region in area.regions if region.type == "UI"), window


def override(window: bpy.types.Window | None = None):
    """The context of a user whose mouse is in the viewport."""
    if window is not None:
        area = window.screen.areas[0]
        return bpy.context.temp_override(window=window, area=area, region=area.regions[-1])
    area, _, window = sidebar()
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window, area=area, region=region)


def press(button: str) -> None:
    """Call an operator as its button in the sidebar does."""
    area, region, window = sidebar()
    with bpy.context.temp_override(window=window, area=area, region=region):
        getattr(bpy.ops.skel, button)("INVOKE_DEFAULT")


def choose_file(path: Path) -> Steps:
    """Give a file's name in the file browser that is open, or opens now, and press its button."""
    def browsers() -> list[tuple[bpy.types.Window, bpy.types.Area]]:
        areas = [(window, area) for window in bpy.context.window_manager.windows for area in window.screen.areas]
        return [(window, area) for window, area in areas if area.type == "FILE_BROWSER" and area.spaces.active.params]

    yield from wait(lambda: bool(browsers()), 20)
    yield from pause(0.5)
    window, area = browsers()[0]
    params = area.spaces.active.params
    params.directory, params.filename = str(path.parent).encode(), path.name
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        bpy.ops.file.execute()
    yield


def click(button: str, x: float, y: float) -> None:
    """Press and let go of a mouse button at a place of the window."""
    for value in ("PRESS", "RELEASE"):
        sidebar()[2].event_simulate(button, value, x=round(x), y=round(y))


def click_on_hips(rig: bpy.types.Object) -> None:
    """Click in the viewport where the hips of a rig are."""
    area = sidebar()[0]
    region = next(region for region in area.regions if region.type == "WINDOW")
    hips = rig.matrix_world @ rig.pose.bones["pelvis"].head
    place = view3d_utils.location_3d_to_region_2d(region, area.spaces.active.region_3d, hips)
    click("LEFTMOUSE", region.x + place.x, region.y + place.y)


def runner():
    return importlib.import_module(f"{ADDON}.ui.runner").runner


def status():
    return importlib.import_module(f"{ADDON}.ui.engine").state


def prefs() -> bpy.types.AddonPreferences:
    return bpy.context.preferences.addons[ADDON].preferences


def shot(name: str) -> Steps:
    """A picture of the screen when it has been drawn; by Blender only where `import` is not there: on virtual screens it can be black."""
    sidebar()[0].tag_redraw()
    yield from pause(2.0)
    if shutil.which("import"):
        subprocess.run(["import", "-window", "root", f"{SHOTS}_{name}.png"], check=True)
    else:
        with override():
            bpy.ops.screen.screenshot(filepath=f"{SHOTS}_{name}.png")


def pause(seconds: float, beat: Callable[[], None] = lambda: None) -> Steps:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        beat()
        yield


def wait(until: Callable[[], bool], limit_s: float, beat: Callable[[], None] = lambda: None) -> Steps:
    end = time.monotonic() + limit_s
    while not until():
        assert time.monotonic() < end, f"waited {limit_s} s; {runner().text}; {runner().lines}"
        beat()
        yield
