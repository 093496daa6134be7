# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera that sees the person where the footage shows them, the footage behind it, and the scene's clock and picture size.

Pixel coordinates have their origin at the picture's upper left corner, so the middle of a picture is (width / 2, height / 2).
"""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .. import sequence
from ..messages import SkelError
from ..take import Camera, Take
from . import compat, drivers, keyframes, paths, record
from .clock import Clock, begins

_SENSOR = 36.0  # mm, width
_LEAP, _FARTHER = 0.1, 5.0  # from one frame to the next, in m, rad or lenses, and than in the frames around: another shot's camera
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's cameras have y up and look along -z
_FOOTAGE = "skel_footage"  # custom properties of a take's camera data, with a number: the clips behind it
_PICTURE = "skel_picture"  # custom property of a take's camera: the footage's size in pixels, and a pixel's height over its width


def build(name: str, take: Take, collection: bpy.types.Collection, clock: Clock = Clock(), metres: float = 1.0) -> bpy.types.Object:
    """A new camera object: still where the Take's is, keyed on every frame where it moves or zooms. `metres` are in a unit of the scene."""
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    camera.data.clip_start, camera.data.clip_end = 0.05 / metres, 1000.0 / metres
    collection.objects.link(camera)
    aim(camera, take, clock)
    return camera


def aim(camera: bpy.types.Object, take: Take, clock: Clock = Clock()) -> None:
    """Give a camera object the Take's lens, picture, and place on each frame of the footage."""
    data = camera.data
    width, height = take.image_size
    K = take.camera.K
    data.sensor_fit, data.sensor_width = "HORIZONTAL", _SENSOR
    lens = float(K[0, 0]) * _SENSOR / width
    if data.animation_data:
        data.animation_data.action = None
    data.lens = lens
    camera[_PICTURE] = [float(width), float(height), float(K[0, 0] / K[1, 1])]
    data.shift_x = (width / 2 - float(K[0, 2])) / width
    data.shift_y = (float(K[1, 2]) - height / 2) / width * float(K[0, 0] / K[1, 1])
    camera.animation_data_clear()
    camera[record.FOLLOWS] = False
    lenses = None if take.camera.zoom is None else lens * take.camera.zoom
    key_path(camera, clock.places(take.frames), camera_to_world(take.camera), lenses)


def camera_to_world(camera: Camera) -> np.ndarray:
    """(T,4,4) world matrices of a Blender camera."""
    return np.linalg.inv(camera.world_to_cam) @ _FLIP


def key_path(camera: bpy.types.Object, frames: np.ndarray, matrices: np.ndarray, lenses: np.ndarray | None = None) -> None:
    """Put a camera object where rigid matrices (T,4,4) say, keyed on the scene frames (T,) if they are not all the same; with `lenses`
    (T,) mm it zooms."""
    camera.rotation_mode = "QUATERNION"
    camera.matrix_basis = Matrix(matrices[0])
    zoom = np.ones(len(frames)) if lenses is None else lenses / lenses[0]
    frames, rows, lasts = _shots(np.asarray(frames, dtype=float), np.c_[matrices[:, :3].reshape(-1, 12), zoom])
    if lenses is not None:
        _key(compat.new_action(camera.data, camera.name), keyframes.Curve("lens", 0, "Lens", frames, lenses[rows]), lasts)
    if np.allclose(matrices, matrices[0], rtol=0.0, atol=1e-6):
        return
    turns = np.array([Matrix(matrix).to_quaternion() for matrix in matrices])
    flips = np.where(np.sum(turns[1:] * turns[:-1], axis=1) < 0.0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips)[:, None]
    holder = compat.new_action(camera, camera.name)
    for path, values in (("location", matrices[:, :3, 3]), ("rotation_quaternion", turns)):
        for index, column in enumerate(values[rows].T):
            _key(holder, keyframes.Curve(path, index, "Object Transforms", frames, column), lasts)


def _shots(frames: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scene frames (K,) to be keyed, the rows (K,) of `values` (T,N) for them, and which of them are the last of a shot: after those
    the camera leaps, and must not glide. Between frames of the footage it shows a shot from when the footage does."""
    steps = np.linalg.norm(np.diff(values, axis=0), axis=1)
    around = np.maximum(np.append(0.0, steps[:-1]), np.append(steps[1:], 0.0))[: len(steps)]
    leaps = np.flatnonzero(steps > np.maximum(_LEAP, _FARTHER * around))
    begins = np.ceil((frames[leaps] + frames[leaps + 1]) / 2.0)
    early = begins < frames[leaps + 1]  # not where the footage has the scene's rate
    rows = np.insert(np.arange(len(frames)), leaps[early] + 1, leaps[early] + 1)
    return np.insert(frames, leaps[early] + 1, begins[early]), rows, np.searchsorted(rows, leaps)


def _key(holder: bpy.types.Action | bpy.types.ActionChannelbag, curve: keyframes.Curve, lasts: np.ndarray) -> None:
    points = keyframes.write(holder, curve).keyframe_points
    for last in lasts:
        points[int(last)].interpolation = "CONSTANT"


def set_scene(scene: bpy.types.Scene, take: Take, camera: bpy.types.Object, clock: Clock) -> None:
    """Give the scene the Take's range, picture size and camera."""
    frames = clock.shown(take.frames)
    scene.frame_start, scene.frame_end = int(frames[0]), int(frames[-1])
    look_through(scene, camera)


def look_through(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Make a take's camera the scene's, with the size of its picture; of a camera that does not know it, with the footage's."""
    scene.camera, known = camera, picture_of(camera)
    if known is not None:
        give_picture(scene, *known)


def give_picture(scene: bpy.types.Scene, width: float, height: float, wide: float) -> None:
    """Give a scene a picture of that size in pixels, each `wide` times as high as it is wide."""
    render = scene.render
    render.resolution_x, render.resolution_y = int(width), int(height)
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, 1.0 / wide), max(1.0, wide)


def picture_of(camera: bpy.types.Object) -> list[float] | None:
    """The footage's width and height in pixels, and a pixel's height over its width; None: a camera does not know it."""
    return camera.get(_PICTURE) or next(([*clip.size, 1.0] for clip in _clips(camera)), None)


def pixel(camera: bpy.types.Object, direction: Vector) -> tuple[int, int] | None:
    """The pixel of the footage in which a take's camera now sees what lies in a direction of the world; None: it is not in the picture."""
    known = picture_of(camera)
    if known is None:
        return None
    width, height, wide = known
    right, up, back = camera.matrix_world.to_3x3().normalized().transposed() @ direction
    if back >= 0.0:
        return None
    data = camera.data
    focal = data.lens * width / data.sensor_width
    x = width * (0.5 - data.shift_x) - focal * right / back
    y = height / 2 + (data.shift_y * width + focal * up / back) / wide
    return (int(x), int(y)) if 0 <= x < width and 0 <= y < height else None


def load_footage(
    take: Take, clip_path: Path | str | None, clock: Clock = Clock(), chosen: bpy.types.MovieClip | None = None
) -> bpy.types.MovieClip | None:
    """The footage as a movie clip in step with the scene; one that is already open in that way, the `chosen` one first, or a new one.

    `clip_path` is a video, an image or a folder of frames; None means the Take's source, and no footage if it can't be shown. Raises
    SkelError if a given one can't.
    """
    path = _footage_file(take, Path(clip_path or take.source))
    clip = _opened(take, path, clock, chosen) if path.is_file() else None
    if clip is None and clip_path is not None:
        raise SkelError("no_footage", f"Blender can't show {clip_path}.", "Give the clip that was reconstructed.")
    return clip


def _footage_file(take: Take, path: Path) -> Path:
    """The file itself; of a folder, the picture that the Take began with."""
    return path.resolve() / Path(take.source).name if path.is_dir() else path.resolve()


def _opened(take: Take, path: Path, clock: Clock, chosen: bpy.types.MovieClip | None) -> bpy.types.MovieClip | None:
    numbers = _image_numbers(take, path)
    plain = clock.pace == 1.0 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for clip in sorted(bpy.data.movieclips, key=lambda clip: clip != chosen) if plain else ():
        if file_of(clip) == path and begins(clip) == clock.start:
            return clip
    try:
        clip = bpy.data.movieclips.load(paths.kept(path))
    except RuntimeError:
        return None
    if clip.frame_duration > 0:
        clip.frame_start = clock.start
        if not plain:
            _key_start(clip, np.array(numbers) - numbers[0] if len(numbers) > 1 else np.arange(clip.frame_duration), clock)
        return clip
    bpy.data.movieclips.remove(clip)
    return None


def _image_numbers(take: Take, path: Path) -> list[int]:
    """The numbers in the names of the images that the Take was made from, in its order; one number of other footage."""
    given = json.loads(take.settings).get("inputs") or [str(path.parent)]
    if path.suffix.lower() not in sequence.IMAGE_ENDINGS or given == [str(path)]:
        return [0]
    images = [path.with_name(Path(name).name) for name in given] if len(given) > 1 else sequence.images_of(path.parent)
    return sequence.numbers(images)


def _key_start(clip: bpy.types.MovieClip, shown: np.ndarray, clock: Clock) -> None:
    """Let a clip show its own frames (N,), from 0, as the footage's 0 to N-1, also at another rate than the scene's: on each of its
    frames a scene shows the next of a clip, so the clip's start is keyed."""
    frames = clock.shown(np.arange(len(shown)))
    starts = frames - shown[np.rint((frames - clock.start) / clock.pace).astype(int)]
    changes = np.flatnonzero(np.diff(starts, prepend=starts[0] - 1))
    curve = keyframes.Curve("frame_start", 0, "Footage", frames[changes], starts[changes])
    keyframes.write(compat.new_action(clip, clip.name), curve, "CONSTANT")


def show_footage(camera: bpy.types.Object, clip: bpy.types.MovieClip) -> None:
    """Put the footage behind the camera."""
    background = camera.data.background_images.new()
    background.source = "MOVIE_CLIP"
    background.clip = clip
    background.display_depth, background.frame_method, background.alpha = "BACK", "STRETCH", 1.0
    background.clip_user.proxy_render_size = "FULL"
    camera.data.show_background_images = True
    _keep_shape(background, *camera[_PICTURE])
    keep_to_footage(camera)


def _keep_shape(background: bpy.types.CameraBackgroundImage, width: float, height: float, wide: float) -> None:
    """Let the footage fill the view's width as the lens does, also where the scene has a picture of another shape: not stretched, but with
    the view above it or cut there. Its own shape is stretched, since Blender knows no pixels of footage that are not square."""
    stretch, fit, crop = (background.bl_rna.properties["frame_method"].enum_items[name].value for name in ("STRETCH", "FIT", "CROP"))
    seen, own = f"x * a * {height * wide:.6g}", f"y * b * {width:.6g}"
    drivers.add(background, "frame_method", -1, f"{stretch} if abs({seen} - {own}) < 1e-3 * {own} else {fit} if {seen} < {own} else {crop}",
                x=drivers.scene("render.resolution_x"), y=drivers.scene("render.resolution_y"),
                a=drivers.scene("render.pixel_aspect_x"), b=drivers.scene("render.pixel_aspect_y"))  # fmt: skip


def keep_to_footage(camera: bpy.types.Object) -> None:
    """Draw the footage behind a camera on its own frames alone: on others, Blender fills the view with magenta. Not of images whose clip's
    start is keyed, for numbers that are missing: Blender takes the first gap for the end."""
    data = camera.data
    for number, background in enumerate(data.background_images):
        clip = background.clip
        if clip is None or clip.source == "SEQUENCE" and compat.action(clip) is not None:
            continue
        first, offset, count = (f"background_images[{number}].clip.frame_{name}" for name in ("start", "offset", "duration"))
        data[f"{_FOOTAGE}_{number}"] = clip  # so that it stays in the file if another one takes its place
        drivers.add(background, "show_background_image", -1, "n < 2 or s - o <= frame < s - o + n",  # one image, or a file that is gone
                    s=drivers.prop(data, first), o=drivers.prop(data, offset), n=drivers.prop(data, count),
                    known=drivers.prop(clip, "frame_start"))  # or a render finds no clip, and says so on the console  # fmt: skip


def lies(camera: bpy.types.Object) -> bool:
    """Whether Blender shows the footage lying on its side: before 4.4 it does not turn a video as its file says."""
    width, height, _ = camera[_PICTURE]
    return width != height and any(tuple(clip.size) == (height, width) for clip in _clips(camera))


def footage_of(camera: bpy.types.Object) -> Path | None:
    """The file of the footage behind a camera."""
    clip = next(iter(_clips(camera)), None)
    return None if clip is None else file_of(clip)


def file_of(clip: bpy.types.MovieClip) -> Path:
    """The file of a movie clip, of a sequence its first image."""
    return paths.absolute(clip.filepath, clip.library)


def footage_start(camera: bpy.types.Object) -> int | None:
    """The scene frame with which the footage behind a camera begins; None without footage, or where its start is keyed."""
    return next((start for clip in _clips(camera) if (start := begins(clip)) is not None), None)


def _clips(camera: bpy.types.Object) -> list[bpy.types.MovieClip]:
    return [background.clip for background in camera.data.background_images if background.clip is not None]
