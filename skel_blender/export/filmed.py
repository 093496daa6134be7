# SPDX-License-Identifier: GPL-3.0-or-later
"""The take's camera as it is delivered: what it sees on every frame, and a camera of the file's own that sees the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import bpy
import numpy as np

from ..messages import SkelError
from ..rig import assemble, camera, record
from ..rig.editing import evaluation
from ..rig.editing.steps import Step, Steps
from . import rotations
from .delivery import Space
from .sample import unnumbered

_STILL = 1e-6  # shifts, and shares of a zoom, that differ by less are the same
_SKEWED = 1e-3  # cosines between a camera's axes; less is rounding


@dataclass(frozen=True)
class Film:
    """A camera on frames (T,). Its sensor has the shape of the footage, and the whole width counts."""

    name: str
    matrices: np.ndarray  # (T,4,4) of a Blender camera, z up, m, without scale
    lenses: np.ndarray  # (T,) mm
    sensor: tuple[float, float]  # mm, width and height
    shift: tuple[float, float]  # in widths of the sensor
    picture: tuple[float, float, float]  # the footage's width and height in pixels, and a pixel's height over its width
    clip: tuple[float, float]  # m, nearest and farthest that is seen


def camera_of(rigs: Sequence[bpy.types.Object]) -> bpy.types.Object:
    """The camera of the one take that rigs are of. Raises SkelError if they are of several, or if it is gone."""
    homes = {record.home_of(rig): rig for rig in rigs}
    if len(homes) > 1:
        one, other = list(homes.values())[:2]
        raise SkelError("takes", f"{one.name} and {other.name} belong to different takes, each with its own camera.",
                        "Export one take, a file for each person, or leave the camera out.")  # fmt: skip
    ((home, rig),) = homes.items()
    eye = None if home is None else assemble.camera_of(home)
    if eye is None:
        raise SkelError("no_camera", f"The take of {rig.name} no longer has a camera.", "Undo, or leave the camera out.")
    if eye.data.type != "PERSP":
        raise SkelError("no_lens", f"{eye.name} is not a perspective camera.", "Set its type to Perspective.")
    return eye


def sample(scene: bpy.types.Scene, eye: bpy.types.Object, frames: np.ndarray) -> Steps[Film]:
    """What a take's camera does on the scene frames (T,). Raises SkelError if no file could hold it: it is skewed, or its shift moves."""
    known = camera.picture_of(eye)
    render, unit = scene.render, assemble.scene_of(eye)
    width, height, wide = known or (render.resolution_x, render.resolution_y, render.pixel_aspect_y / render.pixel_aspect_x)
    matrices, views = np.empty((len(frames), 4, 4)), np.empty((len(frames), 6))
    with closing(evaluation.on_frames(eye, frames)) as shown:
        for row, seen in enumerate(shown):
            matrices[row] = assemble.in_metres(seen.matrix_world, unit)
            views[row] = _view(seen.data, width, height * wide)
            yield Step("Reading the camera", (row + 1) / len(frames))
    lenses, sensors, across, up, near, far = views.T
    if max(np.ptp(across), np.ptp(up)) > _STILL:
        raise SkelError("shift", f"The shift of {eye.name} is animated, but files hold only one value.", "Delete its keys.")
    sensor, metres = sensors[0], assemble.metres(unit)
    return Film(
        unnumbered(eye.name), _rigid(matrices, eye.name), lenses * sensor / sensors, (sensor, sensor * height * wide / width),
        (across[0], up[0]), (width, height, wide), (near[0] * metres, far[0] * metres),
    )  # fmt: skip


def _view(data: bpy.types.Camera, width: float, height: float) -> tuple[float, ...]:
    """Lens and sensor's width (mm), shift in that, and clipping of camera data that see a picture of this shape."""
    upright = data.sensor_fit == "VERTICAL" or data.sensor_fit == "AUTO" and height > width  # to which side Blender fits the sensor
    size = data.sensor_height if data.sensor_fit == "VERTICAL" else data.sensor_width
    share = height / width if upright else 1.0
    return data.lens, size / share, data.shift_x * share, data.shift_y * share, data.clip_start, data.clip_end


def _rigid(matrices: np.ndarray, name: str) -> np.ndarray:
    """(T,4,4) without the scale, which means nothing to a camera."""
    result = matrices.copy()
    axes = result[:, :3, :3]
    axes /= np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-12)
    if np.abs(np.swapaxes(axes, 1, 2) @ axes - np.eye(3)).max() > _SKEWED or (np.linalg.det(axes) < 0.0).any():
        raise SkelError("skewed", f"{name} is mirrored, or scaled along one axis only.", "Clear its scale, and that of the take's empty.")
    result[:, :3, :3] = rotations.orthonormal(axes)
    return result


def shifted(rigs: Sequence[bpy.types.Object]) -> set[str]:
    """Names of the cameras whose lens is shifted, among those of the rigs' takes."""
    eyes = [camera_of([rig]) for rig in rigs]
    return {eye.name for eye in eyes if max(abs(eye.data.shift_x), abs(eye.data.shift_y)) > _STILL}


def names(film: Film | None) -> dict[str, set[str]]:
    """The names of datablocks that `build` takes."""
    return {} if film is None else {"objects": {film.name}, "cameras": {film.name}}


def build(scene: bpy.types.Scene, film: Film, space: Space, first: int, turned: np.ndarray) -> bpy.types.Object:
    """A camera object in a scene, which gets the footage's picture: keyed from the scene frame `first` on, there with `turned` (4,4)
    behind its matrices; and on the frame before, where it begins."""
    made = bpy.data.objects.new(film.name, bpy.data.cameras.new(film.name))
    scene.collection.objects.link(made)
    data = made.data
    data.sensor_fit, data.lens = "HORIZONTAL", film.lenses[0]
    data.sensor_width, data.sensor_height = film.sensor
    data.shift_x, data.shift_y = film.shift
    data.clip_start, data.clip_end = (distance / space.unit for distance in film.clip)
    camera.give_picture(scene, *film.picture)
    places = space.matrices(film.matrices)
    lenses = np.append(film.lenses[0], film.lenses) if np.ptp(film.lenses) > _STILL * film.lenses[0] else None
    frames = np.arange(first - 1, first + len(places))
    camera.key_path(made, frames, np.concatenate([places[:1], places @ turned]), lenses)
    return made
