# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSim's files of one person: a scaled skeleton (`.osim`), its motion (`.mot`) and its markers (`.trc`). NumPy and the standard library.

The angles are SKEL's, unchanged; the world is OpenSim's, see model.py. docs/opensim.md says what is exact and what is approximate.
"""

from __future__ import annotations

import os
import re
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np

from .. import kinematics
from ..files import put_in_place, workfolder
from ..messages import SkelError
from ..take import RestBody, Take
from .document import document
from .markers import Marker, markers_of, places
from .model import COORDINATES, TRANSLATIONS, coordinates, ground, joints_of
from .segments import inertias
from .texts import meshes_of, mot, trc

ENDINGS = (".osim", ".mot", ".trc")
GEOMETRY = "Geometry"  # the folder beside a model in which OpenSim looks for its meshes
_CREDITS = "Kinematics: SKEL (Keller et al. 2023). Written by skel_blender."


def write(take: Take, person: int, out: Path | str, *, mass: float | None = None) -> list[Path]:
    """Write one person (counted from 0) of a Take; see `texts`. Raises SkelError if there is no such person."""
    if not 0 <= person < len(take.people):
        raise SkelError("no_person", f"There is no person {person + 1}; the Take has {len(take.people)}.", "Choose another.")
    one = take.people[person]
    return write_motion(one.body, one.poses, one.trans, one.frames, take.fps, out, name=one.name, body_name=one.body_name, mass=mass)


def write_motion(*motion: RestBody | np.ndarray | Fraction | Path | str, **options: object) -> list[Path]:
    """Make the files of `texts` and put them in their places."""
    return put(texts(*motion, **options))


def texts(
    body: RestBody,
    poses: np.ndarray,
    trans: np.ndarray,
    frames: np.ndarray,
    fps: Fraction,
    out: Path | str,
    *,
    name: str = "person",
    body_name: str = "",
    mass: float | None = None,
) -> dict[Path, bytes]:
    """The files of a motion of a body: poses (T,46) rad, trans (T,3) m (model frame), frames (T,) of the source counted from 0, its `fps`.

    `out` says by its ending what: `.mot` the coordinates in degrees, `.trc` the markers in millimetres, `.osim` the model with both
    beside it under the same name and its bones under Geometry/; an `out` without ending is taken for a model's. `body_name` tells the
    sex for the segments' masses; `mass` is the person's in kg (None: from the volume of the skin). `out` comes first. Raises SkelError
    if there can be no such files.
    """
    out = _with_ending(out)
    if out.suffix not in ENDINGS:
        raise SkelError("ending", f"{out.name} is not an OpenSim file.", f"Choose one of {', '.join(ENDINGS)}.")
    if out.suffix != ".mot" and not len(body.skin_verts):
        raise SkelError("no_skin", f"{name} has no skin, which markers and masses need.", "Build the person again.")
    frames, label = np.asarray(frames), _word(name)
    times = frames / float(fps)
    made: dict[Path, bytes] = {}
    points = markers_of(body) if out.suffix != ".mot" else []
    if out.suffix == ".osim":
        made |= _model(body, points, out, label, _sex(body_name), mass)
    if out.suffix != ".trc":
        values = coordinates(body, poses, trans)
        values[:, : -len(TRANSLATIONS)] = np.degrees(values[:, : -len(TRANSLATIONS)])
        made[out.with_suffix(".mot")] = mot(label, times, COORDINATES, values).encode()
    if out.suffix != ".mot":
        at = ground(places(points, body, kinematics.forward(poses, body.joints, body.frames, trans)))
        named = [point.name for point in points]
        made[out.with_suffix(".trc")] = trc(f"{out.stem}.trc", fps, frames + 1, times, named, at).encode(errors="replace")
    return made


def numbered(out: Path, count: int) -> list[Path]:
    """What the models of several people are called: the first OUT, the others OUT_2, OUT_3 and so on."""
    return [out.with_stem(f"{out.stem}_{number}") if number > 1 else out for number in range(1, count + 1)]


def targets(out: Path | str) -> list[Path]:
    """The files beside each other that a call with `out` writes, its meshes apart."""
    out = _with_ending(out)
    return [out.with_suffix(ending) for ending in ENDINGS] if out.suffix == ".osim" else [out]


def _with_ending(out: Path | str) -> Path:
    out = Path(out)
    return out.with_suffix(out.suffix.lower() or ENDINGS[0])


def _model(body: RestBody, points: list[Marker], out: Path, label: str, sex: str, mass: float | None) -> dict[Path, bytes]:
    stem = _word(out.stem)
    stem = stem if stem == out.stem else f"{stem}_{zlib.crc32(os.fsencode(out.stem)):08x}"  # else models of other names had the same meshes
    meshes = {part: (f"{stem}_{part}.obj", text) for part, text in meshes_of(body).items()}
    files = {part: file for part, (file, _) in meshes.items()}
    text = document(label, joints_of(body), inertias(body, sex, mass), points, files, _CREDITS)
    return {out: text} | {out.parent / GEOMETRY / file: text.encode() for file, text in meshes.values()}


def put(texts: dict[Path, bytes]) -> list[Path]:
    """Write all files to a hidden folder beside the first, then put each in its place, so that none is ever half there: it replaces what
    is there. Returns the paths. Raises SkelError if they can't be written."""
    paths = list(texts)
    try:
        with workfolder(paths[0]) as work:
            for number, text in enumerate(texts.values()):
                (work / str(number)).write_bytes(text)
            for number, path in reversed(list(enumerate(paths))):
                path.parent.mkdir(exist_ok=True)
                put_in_place(work / str(number), path)
    except OSError as error:
        raise SkelError("unwritable", f"{paths[0]} could not be written ({error.strerror or error}).",
                        "Choose another folder or make room on the disk.") from error  # fmt: skip
    return paths


def _sex(body_name: str) -> str:
    lowered = body_name.lower()
    return next((sex for sex in ("female", "male") if sex in lowered), "")


def _word(text: str) -> str:
    """A name without blanks or slashes, which OpenSim's paths do not bear."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_") or "person"
