# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Take is as documented: shapes, ranges and finite numbers, field by field. Standard library and numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .anatomy import FEATURES, J, Q
from .messages import SkelError

if TYPE_CHECKING:
    from .take import Person, Take

_WHOLE = 1e-3  # a vertex' weights sum to 1, to what 16 bits hold
TRIANGLE = -1  # fourth index of a face that has three corners
CONTACT_NAMES = ("heel_r", "ball_r", "toe_r", "heel_l", "ball_l", "toe_l")


def validate(take: Take) -> None:
    """Raise SkelError naming the first field whose shape, range or finiteness is not as documented."""
    _shape("frames", take.frames, (None,))
    frames = len(take.frames)
    _require(frames > 0 and bool(np.all(np.diff(take.frames) == 1)), "frames", "one or more consecutive numbers")
    _require(take.fps > 0, "fps", "a positive fraction")
    _require(min(take.image_size) > 0, "image_size", "a width and a height")
    _shape("camera/K", take.camera.K, (3, 3))
    _require(take.camera.K[0, 0] > 0 and take.camera.K[1, 1] > 0, "camera/K", "a lens of positive focal lengths")
    _shape("camera/world_to_cam", take.camera.world_to_cam, (frames, 4, 4))
    _rotations("camera/world_to_cam", take.camera.world_to_cam[:, :3, :3])
    if take.camera.zoom is not None:
        _shape("camera/zoom", take.camera.zoom, (frames,))
        _require(bool(np.all(take.camera.zoom > 0)), "camera/zoom", "positive")
    for k, person in enumerate(take.people):
        _validate_person(f"people/{k}/", person, take.frames)


def _validate_person(prefix: str, person: Person, frames: np.ndarray) -> None:
    _shape(prefix + "frames", person.frames, (None,))
    t, body = len(person.frames), person.body
    _require(t > 0 and bool(np.all(np.diff(person.frames) == 1)), prefix + "frames", "one or more consecutive numbers")
    _require(frames[0] <= person.frames[0] and person.frames[-1] <= frames[-1], prefix + "frames", "inside the Take's frames")
    shapes = {"poses": (t, Q), "betas": (10,), "trans": (t, 3), "confidence": (t,), "keypoints_2d": (t, 33, 3),
              "landmarks_3d": (t, 33, 3), "contacts": (t, len(CONTACT_NAMES))}  # fmt: skip
    for name, shape in shapes.items():
        _shape(prefix + name, getattr(person, name), shape)
    _require(person.reprojection_error.shape == (t,) and person.reprojection_error.dtype.kind == "f", prefix + "reprojection_error",
             f"{t} numbers")  # fmt: skip
    for name in ("skin_verts", "skin_faces", "bone_verts", "bone_faces"):
        _shape(f"{prefix}body/{name}", getattr(body, name), (None, None))
    verts, faces, bones = len(body.skin_verts), len(body.skin_faces), len(body.bone_verts)
    shapes = {"skin_verts": (verts, 3), "skin_faces": (faces, 4), "skin_uv": (faces, 4, 2), "joints": (J, 3), "frames": (J, 3, 3),
              "weight_index": (verts, None), "weight_value": body.weight_index.shape, "bone_verts": (bones, 3),
              "bone_faces": (len(body.bone_faces), 3), "bone_joint": (bones,)}  # fmt: skip
    if body.posedirs is not None:
        shapes["posedirs"] = (verts, 3, FEATURES)
    for name, shape in shapes.items():
        _shape(f"{prefix}body/{name}", getattr(body, name), shape)
    _require(body.limits.shape == (Q, 2) and body.limits.dtype.kind == "f" and bool(np.all(body.limits[:, 0] <= body.limits[:, 1])),
             prefix + "body/limits", "46 rows of low <= up")  # fmt: skip
    _rotations(prefix + "body/frames", body.frames)
    _within(prefix + "body/skin_faces", body.skin_faces[:, :3], 0, verts)
    _within(prefix + "body/skin_faces", body.skin_faces[:, 3], TRIANGLE, verts)
    _require(bool(np.all(np.abs(body.weight_value.sum(axis=1) - 1.0) < _WHOLE)), prefix + "body/weight_value", "shares that sum to 1")
    _within(prefix + "body/bone_faces", body.bone_faces, 0, bones)
    _within(prefix + "body/weight_index", body.weight_index, 0, J)
    _within(prefix + "body/bone_joint", body.bone_joint, 0, J)


def _shape(name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
    _require(fits, name, f"of shape {shape}, not {array.shape}")
    _require(array.dtype.kind in "fiub" and bool(np.all(np.isfinite(array))), name, "finite numbers")


def _rotations(name: str, matrices: np.ndarray) -> None:
    error = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max()
    _require(error < 1e-4 and bool(np.all(np.linalg.det(matrices) > 0)), name, "rotations")


def _within(name: str, array: np.ndarray, low: int, end: int) -> None:
    _require(array.size == 0 or (int(array.min()) >= low and int(array.max()) < end), name, f"from {low} to {end - 1}")


def _require(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise SkelError("bad_take", f"In the Take, {name} must be {what}.", "Reconstruct the clip again.")
