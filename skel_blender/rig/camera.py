# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera that sees the person where the footage shows them, the footage behind it, and the scene's clock and picture size.

Pixel coordinates have their origin at the picture's upper left corner, so the middle of a picture is (width / 2, height / 2).
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..messages import SkelError
from ..take import Camera, Take
from . import compat, keyframes, record

_SENSOR = 36.0  # mm, width
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's cameras have y up and look along -z
_GREATEST_FPS = 32767


def build(name: str, take: Take, collection: bpy.types.Collection, start: int = record.FIRST_FRAME) -> bpy.types.Object:
    """A new camera object: still where the Take's is, keyed on every frame where it moves or zooms."""
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    collection.objects.link(camera)
    aim(camera, take, start)
    return camera


def aim(camera: bpy.types.Object, take: Take, start: int = record.FIRST_FRAME) -> None:
    """Give a camera object the Take's lens and place; the scene frame `start` shows the footage's first."""
    data = camera.data
    width, height = take.image_size
    K = take.camera.K
    data.sensor_fit, data.sensor_width = "HORIZONTAL", _SENSOR
    lens = float(K[0, 0]) * _SENSOR / width
    data.animation_data_clear()
    data.lens = lens
    data.shift_x = (width / 2 - float(K[0, 2])) / width
    data.shift_y = (float(K[1, 2]) - height / 2) / width * float(K[0, 0] / K[1, 1])
    data.clip_start, data.clip_end = 0.05, 1000.0
    camera.animation_data_clear()
    camera[record.FOLLOWS] = False
    frames = keyframes.scene_frames(take.frames, start)
    key_path(camera, frames, camera_to_world(take.camera))
    if take.camera.zoom is not None:
        keyframes.write(compat.new_action(data, camera.name), keyframes.Curve("lens", 0, "Lens", frames, lens * take.camera.zoom))


def camera_to_world(camera: Camera) -> np.ndarray:
    """(T,4,4) world matrices of a Blender camera."""
    return np.linalg.inv(camera.world_to_cam) @ _FLIP


def key_path(camera: bpy.types.Object, frames: np.ndarray, matrices: np.ndarray) -> None:
    """Put a camera object where rigid matrices (T,4,4) say, keyed on the scene frames (T,) if they are not all the same."""
    camera.rotation_mode = "QUATERNION"
    camera.matrix_basis = Matrix(matrices[0])
    if np.allclose(matrices, matrices[0], rtol=0.0, atol=1e-6):
        return
    turns = np.array([Matrix(matrix).to_quaternion() for matrix in matrices])
    flips = np.where(np.sum(turns[1:] * turns[:-1], axis=1) < 0.0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips)[:, None]
    holder = compat.new_action(camera, camera.name)
    for path, values in (("location", matrices[:, :3, 3]), ("rotation_quaternion", turns)):
        for index, column in enumerate(values.T):
            keyframes.write(holder, keyframes.Curve(path, index, "Object Transforms", frames, column))


def set_scene(scene: bpy.types.Scene, take: Take, camera: bpy.types.Object, start: int) -> None:
    """Give the scene the Take's clock, range, picture size and camera."""
    render = scene.render
    render.fps, render.fps_base = frame_rate(take.fps)
    frames = keyframes.scene_frames(take.frames, start)
    scene.frame_start, scene.frame_end = int(frames[0]), int(frames[-1])
    scene.frame_set(scene.frame_start)
    render.resolution_x, render.resolution_y = take.image_size
    render.resolution_percentage = 100
    wide = float(take.camera.K[0, 0] / take.camera.K[1, 1])  # a pixel's height over its width
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, 1.0 / wide), max(1.0, wide)
    scene.camera = camera
    scene.unit_settings.system, scene.unit_settings.length_unit = "METRIC", "METERS"


def frame_rate(fps: Fraction) -> tuple[int, float]:
    """Blender's `fps` and `fps_base`, whose quotient is the rate: 30 and 1.001 for 30000/1001, as Blender itself writes it."""
    whole = min(_GREATEST_FPS, max(1, round(fps)))
    return whole, float(whole / fps)


def load_footage(take: Take, clip_path: Path | str | None, start: int = record.FIRST_FRAME) -> bpy.types.MovieClip | None:
    """The footage as a movie clip that shows source frame 0 at the scene frame `start`; one that is already open in that way, or a new one.

    `clip_path` is a video, an image or a folder of frames; None means the Take's source, and no footage if it can't be shown. Images are
    shown by the numbers in their names; where that is another order than the engine's, it has warned of it (engine/footage/images.py).
    Raises SkelError if a given one can't.
    """
    path = _footage_file(take, Path(clip_path or take.source))
    clip = _opened(path, start) if path.is_file() else None
    if clip is None and clip_path is not None:
        raise SkelError("no_footage", f"Blender can't show {clip_path}.", "Give the clip that was reconstructed.")
    return clip


def _footage_file(take: Take, path: Path) -> Path:
    """The file itself; of a folder, the picture that the Take began with."""
    return path.resolve() / Path(take.source).name if path.is_dir() else path.resolve()


def _opened(path: Path, start: int) -> bpy.types.MovieClip | None:
    for clip in bpy.data.movieclips:
        if Path(bpy.path.abspath(clip.filepath)).resolve() == path and clip.frame_start + clip.frame_offset == start:
            return clip
    try:
        clip = bpy.data.movieclips.load(str(path))
    except RuntimeError:
        return None
    if clip.frame_duration > 0:
        clip.frame_start = start
        return clip
    bpy.data.movieclips.remove(clip)
    return None


def show_footage(camera: bpy.types.Object, clip: bpy.types.MovieClip) -> None:
    """Put the footage behind the camera."""
    background = camera.data.background_images.new()
    background.source = "MOVIE_CLIP"
    background.clip = clip
    background.display_depth, background.frame_method, background.alpha = "BACK", "STRETCH", 1.0
    background.clip_user.proxy_render_size = "FULL"
    camera.data.show_background_images = True
