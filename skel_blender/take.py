# SPDX-License-Identifier: GPL-3.0-or-later
"""The Take: the one file that crosses from the engine to Blender, a documented `.npz` without pickles.

It holds everything that building and keying a person needs, and everything that a later re-fit to the footage needs.
`poses`, `trans` and the rest body are in SKEL's model frame (x left, y up, z forward; metres, radians); `joints()` and the camera
speak of the Take's world: z up, floor at z = 0 (`kinematics.z_up` takes one to the other). Frame numbers count decoded frames
of the source from 0. In the file a field of person k is named `people/k/field`, of the camera `camera/field`.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path

import numpy as np

from . import kinematics
from .anatomy import J, Q
from .messages import SkelError

FORMAT, VERSION = "skel_blender take", 1
TRIANGLE = -1  # fourth index of a face that has three corners


@dataclass
class RestBody:
    """A person's body in the T pose, model frame."""

    skin_verts: np.ndarray  # (V,3) m
    skin_faces: np.ndarray  # (F,4) int, fourth index TRIANGLE for a triangle
    skin_uv: np.ndarray  # (F,4,2) per corner
    weight_index: np.ndarray  # (V,K) joint
    weight_value: np.ndarray  # (V,K), rows sum to 1
    joints: np.ndarray  # (24,3) m
    frames: np.ndarray  # (24,3,3) R_model_joint
    bone_verts: np.ndarray  # (Vs,3) m
    bone_faces: np.ndarray  # (Fs,3) int
    bone_joint: np.ndarray  # (Vs,) the joint whose bone a vertex belongs to
    limits: np.ndarray  # (46,2) rad, infinite where free


@dataclass
class Person:
    """One person over consecutive frames."""

    name: str
    body_name: str  # which body model and sex, such as 'open male'
    frames: np.ndarray  # (T,) int, frame numbers of the source, consecutive
    poses: np.ndarray  # (T,46) rad
    betas: np.ndarray  # (10,) standard deviations, of `body_name`'s shape space
    trans: np.ndarray  # (T,3) m
    confidence: np.ndarray  # (T,) 0..1, zero where the person was not seen
    keypoints_2d: np.ndarray  # (T,33,3) px, px, confidence; BlazePose order
    landmarks_3d: np.ndarray  # (T,33,3) m, camera axes, relative to the middle of the hips
    reprojection_error: np.ndarray  # (T,) px, median over the seen limb joints; NaN where the person was not seen
    contacts: np.ndarray  # (T,6) bool, points of CONTACT_NAMES that rest on the floor
    body: RestBody

    def joints(self) -> np.ndarray:
        """(T,24,3) joint centres in the Take's world, metres, z up."""
        return kinematics.z_up(self.transforms()[..., :3, 3])

    def transforms(self) -> np.ndarray:
        """(T,24,4,4) joint transforms in the model frame (y up), see `kinematics.forward`."""
        return kinematics.forward(self.poses, self.body.joints, self.body.frames, self.trans)

    def violations(self) -> np.ndarray:
        """(T,46) how far each DoF lies beyond its limits, rad, 0 inside."""
        low, up = self.body.limits.T
        return np.maximum(0.0, np.maximum(low - self.poses, self.poses - up))


CONTACT_NAMES = ("heel_r", "ball_r", "toe_r", "heel_l", "ball_l", "toe_l")


@dataclass
class Camera:
    """A pinhole camera in OpenCV's axes (x right, y down, z away)."""

    K: np.ndarray  # (3,3) px
    world_to_cam: np.ndarray  # (T,4,4), from the Take's world, one for each of the Take's frames


@dataclass
class Take:
    """What the engine found in one clip."""

    source: str  # absolute path of the footage; of the first file where there are several
    fps: Fraction
    frames: np.ndarray  # (T,) int, all frames that were looked at, consecutive
    image_size: tuple[int, int]  # width, height in px
    camera: Camera
    people: list[Person] = field(default_factory=list)
    producer: str = ""  # who made it: program and version
    settings: str = "{}"  # JSON of the options that made it


_BODY = tuple(f.name for f in fields(RestBody))
_PERSON_STRINGS = ("name", "body_name")
_PERSON_ARRAYS = tuple(f.name for f in fields(Person) if f.name not in (*_PERSON_STRINGS, "body"))
_FLOAT32 = {"skin_verts", "skin_uv", "weight_value", "bone_verts", "keypoints_2d", "landmarks_3d"}


def save(take: Take, path: Path | str) -> None:
    """Write a Take, whole or not at all. Raises SkelError if the Take is not valid or the place can't be written."""
    validate(take)
    path = Path(path)
    arrays = {
        "format": np.array(FORMAT), "version": np.array(VERSION), "producer": np.array(take.producer),
        "source": np.array(take.source), "settings": np.array(take.settings),
        "fps": np.array([take.fps.numerator, take.fps.denominator]), "frames": take.frames,
        "image_size": np.array(take.image_size), "people": np.array(len(take.people)),
        "camera/K": take.camera.K, "camera/world_to_cam": take.camera.world_to_cam,
    }  # fmt: skip
    for k, person in enumerate(take.people):
        for name in (*_PERSON_STRINGS, *_PERSON_ARRAYS):
            arrays[f"people/{k}/{name}"] = np.asarray(getattr(person, name))
        for name in _BODY:
            arrays[f"people/{k}/body/{name}"] = np.asarray(getattr(person.body, name))
    for name, array in arrays.items():
        if name.rpartition("/")[2] in _FLOAT32:
            arrays[name] = array.astype(np.float32)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, **arrays)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # as any new file, not for its maker's eyes only
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise SkelError("unwritable", f"{path} could not be written ({error.strerror or error}).",
                        "Choose another folder or make room on the disk.") from error  # fmt: skip
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def load(path: Path | str) -> Take:
    """Read and validate a Take. Raises SkelError with one sentence if the file is missing, damaged or of another kind."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise SkelError("no_file", f"There is no file {path}.", "Check its name.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SkelError("bad_take", f"{path} is not a Take or is damaged.", "Reconstruct the clip again.") from error
    if str(arrays.get("format")) != FORMAT:
        raise SkelError("bad_take", f"{path} is not a Take.", "Choose a .npz that Reconstruct wrote.")
    if int(arrays.get("version", -1)) != VERSION:
        raise SkelError("bad_take", f"{path} is a Take of version {arrays.get('version')}, this program reads {VERSION}.",
                        "Use the matching version of skel_blender or reconstruct the clip again.")  # fmt: skip
    try:
        take = _unpack(arrays)
    except KeyError as error:
        raise SkelError("bad_take", f"{path} lacks the entry {error}.", "Reconstruct the clip again.") from error
    validate(take)
    return take


def _unpack(arrays: dict[str, np.ndarray]) -> Take:
    people = []
    for k in range(int(arrays["people"])):
        body = RestBody(**{name: arrays[f"people/{k}/body/{name}"] for name in _BODY})
        values = {name: arrays[f"people/{k}/{name}"] for name in _PERSON_ARRAYS}
        strings = {name: str(arrays[f"people/{k}/{name}"]) for name in _PERSON_STRINGS}
        people.append(Person(**strings, **values, body=body))
    width, height = (int(v) for v in arrays["image_size"])
    return Take(
        source=str(arrays["source"]), fps=Fraction(*(int(v) for v in arrays["fps"])), frames=arrays["frames"],
        image_size=(width, height), camera=Camera(arrays["camera/K"], arrays["camera/world_to_cam"]),
        people=people, producer=str(arrays["producer"]), settings=str(arrays["settings"]),
    )  # fmt: skip


def validate(take: Take) -> None:
    """Raise SkelError naming the first field whose shape, range or finiteness is not as documented."""
    frames = len(take.frames)
    _shape("frames", take.frames, (frames,))
    _require(frames > 0 and bool(np.all(np.diff(take.frames) == 1)), "frames", "one or more consecutive numbers")
    _require(take.fps > 0, "fps", "a positive fraction")
    _shape("camera/K", take.camera.K, (3, 3))
    _shape("camera/world_to_cam", take.camera.world_to_cam, (frames, 4, 4))
    _rotations("camera/world_to_cam", take.camera.world_to_cam[:, :3, :3])
    for k, person in enumerate(take.people):
        _validate_person(f"people/{k}/", person, take.frames)


def _validate_person(prefix: str, person: Person, frames: np.ndarray) -> None:
    t, body = len(person.frames), person.body
    _require(t > 0 and bool(np.all(np.diff(person.frames) == 1)), prefix + "frames", "one or more consecutive numbers")
    _require(frames[0] <= person.frames[0] and person.frames[-1] <= frames[-1], prefix + "frames", "inside the Take's frames")
    shapes = {"poses": (t, Q), "betas": (10,), "trans": (t, 3), "confidence": (t,), "keypoints_2d": (t, 33, 3),
              "landmarks_3d": (t, 33, 3), "contacts": (t, len(CONTACT_NAMES))}  # fmt: skip
    for name, shape in shapes.items():
        _shape(prefix + name, getattr(person, name), shape)
    _require(person.reprojection_error.shape == (t,), prefix + "reprojection_error", f"of shape {(t,)}")
    verts, faces, bones = len(body.skin_verts), len(body.skin_faces), len(body.bone_verts)
    shapes = {"skin_verts": (verts, 3), "skin_faces": (faces, 4), "skin_uv": (faces, 4, 2), "joints": (J, 3), "frames": (J, 3, 3),
              "weight_index": (verts, None), "weight_value": body.weight_index.shape, "bone_verts": (bones, 3),
              "bone_faces": (len(body.bone_faces), 3), "bone_joint": (bones,)}  # fmt: skip
    for name, shape in shapes.items():
        _shape(f"{prefix}body/{name}", getattr(body, name), shape)
    _require(body.limits.shape == (Q, 2) and bool(np.all(body.limits[:, 0] <= body.limits[:, 1])),
             prefix + "body/limits", "46 rows of low <= up")  # fmt: skip
    _rotations(prefix + "body/frames", body.frames)
    _within(prefix + "body/skin_faces", body.skin_faces, TRIANGLE, verts)
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
