# SPDX-License-Identifier: GPL-3.0-or-later
"""Place a take where a camera that Blender has solved sees it; floor and scale stay.

Where both cameras do the same, the take is turned and shifted as a whole. Where the solved one leaves its place and the take's does not, or
the solved one turns and the take's stands still, the take's people were fitted as if it did not: they are carried along with it frame by
frame (`following`).
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass

import bpy
import numpy as np

from ...anatomy import Q
from ...messages import SkelError
from .. import assemble, camera, clock, compat, contacts, keyframes, record, tracks
from . import evaluation, following, motion, timing

KIND = "placed"
_SAME = 1e-4
_STEEP = 0.2  # of a camera's view along the floor; one that looks straight down has no heading


@dataclass(frozen=True)
class Placement:
    """How well the take's camera lies on the solved one, over the frames that both have."""

    turn: float  # rad about z
    shift: tuple[float, float]  # m
    off: float  # m, mean distance of the cameras' places on the floor
    height: float  # the solved camera's height over the take's camera's
    tilt: float  # rad, mean difference of how far they look up

    def sentence(self) -> str:
        return f"Cameras {100 * self.off:.0f} cm apart on the floor; the solved one is {self.height:.2f} times as high."


@dataclass(frozen=True)
class Followed:
    """How a take's camera and people follow the solved one."""

    size: float  # of the take's world over the solved one's, which stays as it is
    slide: float  # m a frame, how much feet that rest move, median of everybody

    def sentence(self) -> str:
        scale = "" if abs(self.size - 1.0) < 0.02 else f" Scale the solved scene by {self.size:.3f} to put both cameras in one place."
        return f"Everybody moves with the solved camera; resting feet slide {1000 * self.slide:.0f} mm a frame.{scale}"


def solved_matrices(scene: bpy.types.Scene, clip: bpy.types.MovieClip) -> dict[int, np.ndarray]:
    """Scene frame -> (4,4) world matrix of the clip's solved camera: as the scene's object is seen that follows it, by which a solved scene
    is oriented; without one, as it is solved. Raises SkelError if keys seem to have taken that one's place."""
    tracking = clip.tracking
    if not tracking.reconstruction.is_valid:
        raise SkelError("not_solved", f"The camera of {clip.name} is not solved.", "Solve it in the Movie Clip Editor.")
    cameras = tracking.reconstruction.cameras
    first = clip.frame_start - 1
    holders = [thing for thing in scene.objects if any(_follows(constraint, scene, clip) for constraint in thing.constraints)]
    keyed = next((thing.name for thing in scene.objects if _is_keyed(thing)), None)
    if not holders and keyed:
        raise SkelError("no_holder", f"No camera has a Camera Solver constraint of {clip.name}, and {keyed} has keys of its own.",
                        "Undo Constraint to F-Curve, or give a camera without keys the constraint and set its floor.")  # fmt: skip
    frame = _oriented(min(holders, key=lambda thing: thing != scene.camera)) if holders else np.eye(4)
    return {camera.frame + first: frame @ np.array(camera.matrix) for camera in cameras}


def _follows(constraint: bpy.types.Constraint, scene: bpy.types.Scene, clip: bpy.types.MovieClip) -> bool:
    """Whether a constraint lets an object follow the clip's solved camera."""
    if constraint.type != "CAMERA_SOLVER" or constraint.mute:
        return False
    return clip == (scene.active_clip if constraint.use_active_clip else constraint.clip)


def _is_keyed(thing: bpy.types.Object) -> bool:
    """Whether a camera that is no take's has keys of its place."""
    holder = compat.holder(thing) if thing.type == "CAMERA" and record.FOLLOWS not in thing else None
    return holder is not None and any(curve.data_path == tracks.LOCATION for curve in holder.fcurves)


def _oriented(holder: bpy.types.Object) -> np.ndarray:
    """(4,4) world matrix of what a camera solver's constraint is added to: its object as it stands without it, parents included."""
    if holder.parent is None:
        return np.array(holder.matrix_basis)
    above = holder.parent.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array(above.matrix_world @ holder.matrix_parent_inverse @ holder.matrix_basis)


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


def place(scene: bpy.types.Scene, collection: bpy.types.Collection, clip: bpy.types.MovieClip) -> Placement | Followed:
    """Move a take's empty so that its camera lies on the clip's solved one as well as heading and floor allow; where only that one
    moves or only that one leaves its place, give people and camera new actions instead. Raises SkelError if there is nothing to go by."""
    empty, eye = assemble.place_of(collection), assemble.camera_of(collection)
    if empty is None or eye is None:
        raise SkelError("no_take", f"{collection.name} is not a take with a camera.", "Choose another rig.")
    if clock.of(collection).pace != 1.0:
        raise SkelError("other_rate", f"The frame rate of {collection.name} differs from the scene's.", "Place it in a scene of its own.")
    ours, theirs, unit = _matrices(collection, eye), solved_matrices(scene, clip), 1.0 / assemble.metres(scene)
    theirs = {frame: _scaled(matrix, 1.0 / unit) for frame, matrix in theirs.items()}
    empty.rotation_mode = "XYZ"
    fitted, solved = (np.array(list(matrices.values())) for matrices in (ours, theirs))
    carried = following.keeps_place(fitted) and not following.keeps_place(solved)
    turned = following.is_still(fitted) and not following.is_still(solved)
    if carried or turned or eye.get(record.FOLLOWS):
        empty.rotation_euler, empty.scale, empty.location = (0.0, 0.0, 0.0), (unit,) * 3, (0.0, 0.0, 0.0)
        return _follow([thing for thing in collection.objects if record.is_rig(thing)], eye, ours, theirs)
    result = place_by(ours, theirs)
    empty.rotation_euler, empty.scale = (0.0, 0.0, result.turn), (unit,) * 3
    empty.location = (unit * result.shift[0], unit * result.shift[1], 0.0)
    return result


def _scaled(matrix: np.ndarray, size: float) -> np.ndarray:
    """A (4,4) matrix whose place is `size` times as far from the origin."""
    grown = np.ones((4, 4))
    grown[:3, 3] = size
    return grown * matrix


def _matrices(collection: bpy.types.Collection, eye: bpy.types.Object) -> dict[int, np.ndarray]:
    """Scene frame of the take -> (4,4) of its camera before its empty moved it."""
    first, last = timing.span(collection)
    frames = range(first, last + 1)
    with closing(evaluation.on_frames(eye, frames)) as shown:
        return {frame: np.array(seen.matrix_basis) for frame, seen in zip(frames, shown)}


def _follow(
    rigs: list[bpy.types.Object], eye: bpy.types.Object, ours: dict[int, np.ndarray], theirs: dict[int, np.ndarray]
) -> Followed:
    if not set(ours) & set(theirs):
        raise SkelError("no_frames", "The solved camera and the take have no frame in common.", "Solve the frames of the take.")
    walkers = [_walker(rig) for rig in rigs]
    size = following.world_size(walkers, ours, theirs)
    theirs = {frame: _scaled(matrix, size) for frame, matrix in theirs.items()}
    frames, slides = np.array(sorted(ours)), []
    before, after = (following.at_frames(matrices, frames) for matrices in (ours, theirs))
    there = np.allclose(before, after, rtol=0.0, atol=_SAME)  # already
    for rig, walker in zip(rigs, walkers):
        poses, trans = following.carry(walker, ours, theirs)
        slides.append(following.slide(walker, poses, trans))
        if there:
            continue
        table = [track for track in record.of(rig).tracks if track.source < 3 or track.source >= Q]
        curves = keyframes.every_frame(table, walker.frames, tracks.sources(poses, trans))
        motion.derive(rig, KIND, [*curves, *motion.settled(rig, int(walker.frames[0]), turned=True)])
    if not there:
        camera.key_path(eye, frames, after)
        eye[record.FOLLOWS] = True
    return Followed(size, float(np.median(slides)) if slides else 0.0)


def _walker(rig: bpy.types.Object) -> following.Walker:
    kept, frames = record.of(rig), motion.frames_of(rig)
    resting = contacts.of(rig, frames)
    return following.Walker(frames, *motion.read(rig, frames, turned=True), kept.joints, kept.frames, kept.ground, resting)
