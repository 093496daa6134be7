# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes as files: an `.npz` without pickles, written whole or not at all, checked when it is written and when it is read."""

from __future__ import annotations

import io
import zipfile
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from ..files import whole_file
from ..messages import SkelError
from .checks import validate
from .model import Camera, Person, RestBody, Take

FORMAT, VERSION = "skel_blender take", 3
_MOST_BYTES = 4 << 30

_BODY = tuple(f.name for f in fields(RestBody) if f.name != "posedirs")
_STEPS = 32767  # of a pose blend shape's greatest number: 16 bits hold it to half a step
_PERSON_STRINGS = ("name", "body_name")
_OPTIONAL = ("expected_error", "outline")  # older Takes and imported motions have not
_PERSON_ARRAYS = tuple(f.name for f in fields(Person) if f.name not in (*_PERSON_STRINGS, "body", *_OPTIONAL))
_FLOAT32 = {"skin_verts", "skin_uv", "weight_value", "bone_verts", "keypoints_2d", "landmarks_3d", *_OPTIONAL}


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
        arrays |= {f"people/{k}/{name}": getattr(person, name) for name in _OPTIONAL if getattr(person, name) is not None}
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
        optional = {name: arrays.get(f"people/{k}/{name}") for name in _OPTIONAL}
        people.append(Person(**strings, **values, **optional, body=body))
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
