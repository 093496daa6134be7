# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Take is as documented: shapes, types and ranges, field by field. Standard library and numpy only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ..anatomy import FEATURES, J, Q
from ..messages import SkelError
from .model import CONTACT_NAMES, DOUBTED, OUTLINED, TRIANGLE, Person, RestBody, Take

_WHOLE = 1e-3  # a vertex' weights sum to 1, to what 16 bits hold
_WIDEST = 65536  # px, of a picture
_LAST = 1_000_000  # frame, about the last that Blender knows
_LONGEST = 4096, 256  # bytes, of a path and of a name in it
_LARGEST = 100.0  # m, of a body
_NUMBER, _INDEX, _FLAG = "f", "iu", "b"  # kinds of an array's elements
# Of a Take's settings, those that are lists, and of what: they are asked for once more where a Take is made again.
_LISTS = {"inputs": (str,), "frames": (int, type(None)), "stature": (int, float, type(None)), "body": (str,)}


def validate(take: Take) -> None:
    """Raise SkelError naming the first field whose shape, type, range or finiteness is not as documented."""
    _frames("frames", take.frames)
    frames = len(take.frames)
    _require("\0" not in take.source and len(os.fsencode(take.source)) < _LONGEST[0]
             and all(len(os.fsencode(part)) < _LONGEST[1] for part in Path(take.source).parts), "source", "a path")  # fmt: skip
    _text("producer", take.producer)
    _text("settings", take.settings)
    _require(_are_options(take.settings), "settings", "JSON of the options that made it")
    _require(take.fps > 0, "fps", "a positive fraction")
    _require(0 < min(take.image_size) and max(take.image_size) <= _WIDEST, "image_size", "a width and a height")
    _shape("camera/K", take.camera.K, (3, 3))
    _require(take.camera.K[0, 0] > 0 and take.camera.K[1, 1] > 0, "camera/K", "a lens of positive focal lengths")
    _shape("camera/world_to_cam", take.camera.world_to_cam, (frames, 4, 4))
    _rotations("camera/world_to_cam", take.camera.world_to_cam[:, :3, :3])
    if take.camera.zoom is not None:
        _shape("camera/zoom", take.camera.zoom, (frames,))
        _require(bool(np.all(take.camera.zoom > 0)), "camera/zoom", "positive")
    for k, person in enumerate(take.people):
        _text(f"people/{k}/name", person.name)
        _text(f"people/{k}/body_name", person.body_name)
        _person(f"people/{k}/", person, take.frames)
        _body(f"people/{k}/body/", person.body)


def _are_options(settings: str) -> bool:
    try:
        options = json.loads(settings)
    except (ValueError, RecursionError):
        return False
    if not isinstance(options, dict):
        return False
    given = {name: options[name] for name in _LISTS if options.get(name) is not None}
    if isinstance(given.get("body"), str):  # of a Take made when there was one for everybody
        del given["body"]
    lists = all(isinstance(one, list) and all(isinstance(part, _LISTS[name]) for part in one) for name, one in given.items())
    return lists and len(given.get("frames", (None, None))) == 2


def _text(name: str, text: str) -> None:
    """What Blender can name something by: halves of UTF-16's pairs are no letters."""
    _require("\0" not in text and not any("\ud800" <= letter < "\ue000" for letter in text), name, "text")


def _person(prefix: str, person: Person, frames: np.ndarray) -> None:
    _frames(prefix + "frames", person.frames)
    t = len(person.frames)
    _require(frames[0] <= person.frames[0] and person.frames[-1] <= frames[-1], prefix + "frames", "inside the Take's frames")
    shapes = {"poses": (t, Q), "betas": (10,), "trans": (t, 3), "confidence": (t,), "keypoints_2d": (t, 33, 3),
              "landmarks_3d": (t, 33, 3)}  # fmt: skip
    for name, shape in shapes.items():
        _shape(prefix + name, getattr(person, name), shape)
    _shape(prefix + "reprojection_error", person.reprojection_error, (t,), finite=False)
    if person.expected_error is not None:
        _shape(prefix + "expected_error", person.expected_error, (t, len(DOUBTED)))
    if person.outline is not None:
        _shape(prefix + "outline", person.outline, (t, len(OUTLINED), 4), finite=False)
    _shape(prefix + "contacts", person.contacts, (t, len(CONTACT_NAMES)), _FLAG)


def _body(prefix: str, body: RestBody) -> None:
    for name, kind in (("skin_verts", _NUMBER), ("skin_faces", _INDEX), ("bone_verts", _NUMBER), ("bone_faces", _INDEX)):
        _shape(prefix + name, getattr(body, name), (None, None), kind)
    verts, faces, bones = len(body.skin_verts), len(body.skin_faces), len(body.bone_verts)
    shapes = {"skin_verts": (verts, 3), "skin_uv": (faces, 4, 2), "joints": (J, 3), "frames": (J, 3, 3), "bone_verts": (bones, 3)}
    if body.posedirs is not None:
        shapes["posedirs"] = (verts, 3, FEATURES)
    for name, shape in shapes.items():
        _shape(prefix + name, getattr(body, name), shape)
    for name in ("skin_verts", "joints", "bone_verts"):
        _require(bool(np.all(np.abs(getattr(body, name)) < _LARGEST)), prefix + name, "those of a person, in metres")
    _rotations(prefix + "frames", body.frames)
    _shape(prefix + "limits", body.limits, (Q, 2), finite=False)
    _require(bool(np.all(body.limits[:, 0] <= body.limits[:, 1])), prefix + "limits", f"{Q} rows of low <= up")
    _index(prefix + "weight_index", body.weight_index, (verts, None), J)
    _shape(prefix + "weight_value", body.weight_value, body.weight_index.shape)
    _require(bool(np.all(np.abs(body.weight_value.sum(axis=1) - 1.0) < _WHOLE)), prefix + "weight_value", "shares that sum to 1")
    _index(prefix + "skin_faces", body.skin_faces, (faces, 4), verts, TRIANGLE)
    _require(bool(np.all(body.skin_faces[:, :3] != TRIANGLE)), prefix + "skin_faces", f"from 0 to {verts - 1}, but for the fourth index")
    _index(prefix + "bone_faces", body.bone_faces, (len(body.bone_faces), 3), bones)
    _index(prefix + "bone_joint", body.bone_joint, (bones,), J)


def _frames(name: str, numbers: np.ndarray) -> None:
    _index(name, numbers, (None,), _LAST, -_LAST)
    _require(len(numbers) > 0 and bool(np.all(np.diff(numbers) == 1)), name, "one or more consecutive numbers")


def _shape(name: str, array: np.ndarray, shape: tuple[int | None, ...], kind: str = _NUMBER, finite: bool = True) -> None:
    """An array of that shape (None: any) and kind, whose numbers numpy and Blender can reckon with."""
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
    _require(fits, name, f"of shape {shape}, not {array.shape}")
    _require(array.dtype.kind in kind and np.can_cast(array.dtype, np.int64 if kind == _INDEX else np.float64), name,
             {_NUMBER: "numbers", _INDEX: "whole numbers", _FLAG: "true or false"}[kind])  # fmt: skip
    _require(not finite or bool(np.all(np.isfinite(array))), name, "finite numbers")


def _index(name: str, array: np.ndarray, shape: tuple[int | None, ...], end: int, low: int = 0) -> None:
    """Whole numbers from `low` to `end` - 1."""
    _shape(name, array, shape, _INDEX)
    _require(array.size == 0 or (int(array.min()) >= low and int(array.max()) < end), name, f"from {low} to {end - 1}")


def _rotations(name: str, matrices: np.ndarray) -> None:
    error = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max()
    _require(error < 1e-4 and bool(np.all(np.linalg.det(matrices) > 0)), name, "rotations")


def _require(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise SkelError("bad_take", f"In the Take, {name} must be {what}.", "Reconstruct the clip again.")
