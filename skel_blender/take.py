# SPDX-License-Identifier: GPL-3.0-or-later
"""The Take: the one file that crosses from the engine to Blender, a documented `.npz` without pickles.

It holds everything that building and keying a person needs, and everything that a later re-fit to the footage needs.
`poses`, `trans` and the rest body are in SKEL's model frame (x left, y up, z forward; metres, radians); `joints()` and the camera
speak of the Take's world: z up, floor at z = 0 (`kinematics.z_up` takes one to the other). Frame numbers count decoded frames
of the source from 0. In the file a field of person k is named `people/k/field`, of the camera `camera/field`.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from . import kinematics
from .files import whole_file
from .messages import SkelError
from .take_checks import CONTACT_NAMES as CONTACT_NAMES
from .take_checks import TRIANGLE as TRIANGLE
from .take_checks import validate

FORMAT, VERSION = "skel_blender take", 3
_MOST_BYTES = 4 << 30


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
    posedirs: np.ndarray | None = None  # (V,3,171) m, the skin's pose blend shapes, for `kinematics.pose_features`; None: it has none

    def owners(self) -> np.ndarray:
        """(V,) the joint that moves a skin vertex most."""
        return self.weight_index[np.arange(len(self.weight_index)), self.weight_value.argmax(axis=1)]


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


@dataclass
class Camera:
    """A pinhole camera in OpenCV's axes (x right, y down, z away)."""

    K: np.ndarray  # (3,3) px
    world_to_cam: np.ndarray  # (T,4,4), from the Take's world, one for each of the Take's frames
    zoom: np.ndarray | None = None  # (T,) focal length of each frame over K's; None: the lens stays as it is

    def lenses(self) -> np.ndarray:
        """(T,3,3) px, K of each frame."""
        return zoomed(self.K, np.ones(len(self.world_to_cam)) if self.zoom is None else self.zoom)


def zoomed(K: np.ndarray, zoom: np.ndarray) -> np.ndarray:
    """(T,3,3) px: lens K (3,3) with its focal length times each zoom (T,)."""
    lenses = np.tile(K, (len(zoom), 1, 1))
    lenses[:, [0, 1], [0, 1]] *= zoom[:, None]
    return lenses


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


_BODY = tuple(f.name for f in fields(RestBody) if f.name != "posedirs")
_STEPS = 32767  # of a pose blend shape's greatest number: 16 bits hold it to half a step
_PERSON_STRINGS = ("name", "body_name")
_PERSON_ARRAYS = tuple(f.name for f in fields(Person) if f.name not in (*_PERSON_STRINGS, "body"))
_FLOAT32 = {"skin_verts", "skin_uv", "weight_value", "bone_verts", "keypoints_2d", "landmarks_3d"}


def save(take: Take, path: Path | str) -> None:
    """Write a Take, whole or not at all. Raises SkelError if the Take is not valid or the place can't be written."""
    arrays = _pack(take)
    with whole_file(Path(path)) as part, open(part, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def dumps(take: Take) -> bytes:
    """What `save` writes to a file. Raises SkelError if the Take is not valid."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **_pack(take))
    return stream.getvalue()


def _pack(take: Take) -> dict[str, np.ndarray]:
    validate(take)
    arrays = {
        "format": np.array(FORMAT), "version": np.array(_version(take)), "producer": np.array(take.producer),
        "source": np.array(take.source), "settings": np.array(take.settings),
        "fps": np.array([take.fps.numerator, take.fps.denominator]), "frames": take.frames,
        "image_size": np.array(take.image_size), "people": np.array(len(take.people)),
        "camera/K": take.camera.K, "camera/world_to_cam": take.camera.world_to_cam,
    }  # fmt: skip
    if take.camera.zoom is not None:
        arrays["camera/zoom"] = take.camera.zoom
    for k, person in enumerate(take.people):
        for name in (*_PERSON_STRINGS, *_PERSON_ARRAYS):
            arrays[f"people/{k}/{name}"] = np.asarray(getattr(person, name))
        for name in _BODY:
            arrays[f"people/{k}/body/{name}"] = np.asarray(getattr(person.body, name))
        if person.body.posedirs is not None:
            scale = np.abs(person.body.posedirs).max(axis=(0, 1)).astype(np.float32) / _STEPS
            steps = np.round(person.body.posedirs / np.where(scale > 0.0, scale, 1.0)).clip(-_STEPS, _STEPS)
            arrays[f"people/{k}/body/posedirs"], arrays[f"people/{k}/body/posedirs_scale"] = steps.astype(np.int16), scale
    for name, array in arrays.items():
        if name.rpartition("/")[2] in _FLOAT32:
            arrays[name] = array.astype(np.float32)
    return arrays


def _version(take: Take) -> int:
    """The least that a reader must know of."""
    if take.camera.zoom is not None:
        return 3
    return 2 if any(person.body.posedirs is not None for person in take.people) else 1


def load(path: Path | str) -> Take:
    """Read and validate a Take. Raises SkelError with one sentence if the file is missing, damaged or of another kind."""
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            return _read(stream, str(path))
    except FileNotFoundError as error:
        raise SkelError("no_file", f"There is no file {path}.", "Check its name.") from error
    except OSError as error:
        raise SkelError("bad_take", f"{path} is not a Take or is damaged.", "Reconstruct the clip again.") from error


def loads(data: bytes, name: str) -> Take:
    """A Take from what `dumps` gave, or a file's bytes; `name` is for errors, as of `load`."""
    return _read(io.BytesIO(data), name)


def _read(stream: IO[bytes], name: str) -> Take:
    try:
        take = _unpack(_arrays(stream), name)
        validate(take)
    except SkelError:
        raise
    except KeyError as error:
        raise SkelError("bad_take", f"{name} lacks the entry {error}.", "Reconstruct the clip again.") from error
    except Exception as error:  # zip, deflate, headers and numbers of a damaged file can fail in any way
        raise SkelError("bad_take", f"{name} is not a Take or is damaged.", "Reconstruct the clip again.") from error
    return take


def _arrays(stream: IO[bytes]) -> dict[str, np.ndarray]:
    """What is in the zip. Raises ValueError where it would unpack to more than any Take holds."""
    with zipfile.ZipFile(stream) as packed:
        if sum(entry.file_size for entry in packed.infolist()) > _MOST_BYTES:
            raise ValueError("too large")
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as file:
        return {entry: file[entry] for entry in file.files}


def _unpack(arrays: dict[str, np.ndarray], name: str) -> Take:
    if str(arrays.get("format")) != FORMAT:
        raise SkelError("bad_take", f"{name} is not a Take.", "Choose a .npz that Reconstruct wrote.")
    if not 1 <= int(arrays["version"]) <= VERSION:
        raise SkelError("bad_take", f"{name} is a Take of version {arrays['version']}, this program reads up to {VERSION}.",
                        "Use the matching version of skel_blender or reconstruct the clip again.")  # fmt: skip
    people = []
    for k in range(int(arrays["people"])):
        body = RestBody(**{name: arrays[f"people/{k}/body/{name}"] for name in _BODY}, posedirs=_posedirs(arrays, f"people/{k}/body/"))
        values = {name: arrays[f"people/{k}/{name}"] for name in _PERSON_ARRAYS}
        strings = {name: str(arrays[f"people/{k}/{name}"]) for name in _PERSON_STRINGS}
        people.append(Person(**strings, **values, body=body))
    width, height = (int(v) for v in arrays["image_size"])
    return Take(
        source=str(arrays["source"]), fps=Fraction(*(int(v) for v in arrays["fps"])), frames=arrays["frames"],
        image_size=(width, height), camera=Camera(arrays["camera/K"], arrays["camera/world_to_cam"], arrays.get("camera/zoom")),
        people=people, producer=str(arrays["producer"]), settings=str(arrays["settings"]),
    )  # fmt: skip


def _posedirs(arrays: dict[str, np.ndarray], prefix: str) -> np.ndarray | None:
    if f"{prefix}posedirs" not in arrays:
        return None
    steps, scale = arrays[f"{prefix}posedirs"], arrays[f"{prefix}posedirs_scale"]
    if steps.ndim != 3 or scale.shape != steps.shape[2:]:
        raise SkelError("bad_take", f"In the Take, {prefix}posedirs_scale must be one number a direction.", "Reconstruct the clip again.")
    return steps.astype(np.float32) * scale
