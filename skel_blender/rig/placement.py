# SPDX-License-Identifier: GPL-3.0-or-later
"""Place a take where a camera that Blender has solved sees it: heading and place on the floor; floor and scale stay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np

from ..messages import SkelError
from . import assemble

_STEEP = 0.2  # of a camera's view along the floor; one that looks straight down has no heading


@dataclass(frozen=True)
class Placement:
    """How well the take's camera lies on the solved one, over the frames that both have."""

    turn: float  # rad about z
    shift: tuple[float, float]  # m
    off: float  # m, mean distance of the cameras' places on the floor
    height: float  # the solved camera's height over the take's camera's
    tilt: float  # rad, mean difference of how far they look up


def solved_matrices(scene: bpy.types.Scene, clip: bpy.types.MovieClip) -> dict[int, np.ndarray]:
    """Scene frame -> (4,4) world matrix of the clip's solved camera: as the scene's solver camera sees it, if there is one."""
    tracking = clip.tracking
    if not tracking.reconstruction.is_valid:
        raise SkelError("not_solved", f"The camera of {clip.name} is not solved.", "Solve it in the Movie Clip Editor.")
    cameras = tracking.reconstruction.cameras
    first = clip.frame_start - 1
    holder = next((thing for thing in scene.objects if any(c.type == "CAMERA_SOLVER" for c in thing.constraints)), None)
    frame = np.eye(4) if holder is None else np.array(holder.matrix_basis)
    return {camera.frame + first: frame @ np.array(camera.matrix) for camera in cameras}


def place_by(take_matrices: dict[int, np.ndarray], solved: dict[int, np.ndarray]) -> Placement:
    """The turn about z and shift on the floor that bring the take's camera (frame -> (4,4) world matrix) onto the solved one.

    Raises SkelError if they have no frame in common or a camera looks straight down.
    """
    frames = sorted(set(take_matrices) & set(solved))
    if not frames:
        raise SkelError("no_frames", "The solved camera and the take have no frame in common.", "Solve the frames of the take.")
    ours, theirs = (np.array([matrices[frame] for frame in frames]) for matrices in (take_matrices, solved))
    looks = [-matrices[:, :3, 2] / np.linalg.norm(matrices[:, :3, 2], axis=1, keepdims=True) for matrices in (ours, theirs)]
    if min(np.linalg.norm(look[:, :2], axis=1).min() for look in looks) < _STEEP:
        raise SkelError("no_heading", "A camera that looks straight down has no heading.", "Move the take's empty by hand.")
    one, other = (look[:, 0] + 1j * look[:, 1] for look in looks)
    turn = float(np.angle(np.sum(other * np.conj(one) / np.abs(other * one))))
    spots = [matrices[:, 0, 3] + 1j * matrices[:, 1, 3] for matrices in (ours, theirs)]
    rotated = spots[0] * np.exp(1j * turn)
    shift = complex(np.mean(spots[1] - rotated))
    tilts = [np.arcsin(np.clip(look[:, 2], -1.0, 1.0)) for look in looks]
    heights = [float(np.mean(matrices[:, 2, 3])) for matrices in (ours, theirs)]
    return Placement(
        turn, (shift.real, shift.imag), float(np.abs(rotated + shift - spots[1]).mean()),
        heights[1] / heights[0] if heights[0] > 0.0 else math.inf, float(np.abs(tilts[1] - tilts[0]).mean()),
    )  # fmt: skip


def place(scene: bpy.types.Scene, collection: bpy.types.Collection, clip: bpy.types.MovieClip) -> Placement:
    """Move a take's empty so that its camera lies on the clip's solved one as well as heading and floor allow."""
    empty = assemble.place_of(collection)
    eye = next((thing for thing in collection.objects if thing.type == "CAMERA"), None)
    if empty is None or eye is None:
        raise SkelError("no_take", f"{collection.name} is no take with a camera.", "Choose another rig.")
    result = place_by(_matrices(scene, eye), solved_matrices(scene, clip))
    empty.rotation_mode = "XYZ"
    empty.rotation_euler, empty.scale, empty.location = (0.0, 0.0, result.turn), (1.0, 1.0, 1.0), (*result.shift, 0.0)
    return result


def _matrices(scene: bpy.types.Scene, eye: bpy.types.Object) -> dict[int, np.ndarray]:
    """Scene frame -> (4,4) of the take's camera before its empty moved it."""
    now, result = scene.frame_current, {}
    layer = scene.view_layers[0]
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        result[frame] = np.array(eye.evaluated_get(layer.depsgraph).matrix_basis)
    scene.frame_set(now)
    return result
