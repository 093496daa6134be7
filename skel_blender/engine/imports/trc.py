# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in space over time, as motion capture programs write them: `.trc`, tab-separated text (Motion Analysis' Track Row Column).

Pose2Sim, OpenCap and OpenSim write one file a person. Three lines of header, a line of names (each over its three columns), a line of
X1 Y1 Z1, then a row a frame: number, time, and the places, in the unit that the header names. What was not seen is empty, NaN, or all zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...messages import SkelError
from ...requests import rate

_METRES = {"m": 1.0, "meters": 1.0, "metres": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001}
_HEAD = 4  # lines before that of X1 Y1 Z1, of which the fourth has the names
_LARGEST = 200 << 20  # bytes
_FIRST = 2  # columns before the places: frame number and time


@dataclass(frozen=True)
class Markers:
    """Named points over consecutive frames, in the file's axes; without those that no frame has."""

    names: tuple[str, ...]
    fps: Fraction
    places: np.ndarray  # (T,M,3) m, NaN where a point was not seen


def is_trc(path: Path) -> bool:
    """Whether a file begins as such a file does, whatever its name. False for one that can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(16).lstrip(b"\xef\xbb\xbf").startswith(b"PathFileType")
    except OSError:
        return False


def read_trc(path: Path, fps: float | None = None) -> Markers:
    """A file's points; `fps` overrules what it says. Raises SkelError with one sentence that names the file."""
    if path.stat().st_size > _LARGEST:
        raise SkelError("bad_motion", f"{path.name} is larger than {_LARGEST >> 20} MB.", "Cut it into shorter files.")
    lines = path.read_bytes().decode("utf-8-sig", "replace").splitlines()
    if len(lines) <= _HEAD:
        raise SkelError("bad_motion", f"{path.name} ends within its header.", "Export it again.")
    said = dict(zip(lines[1].split(), lines[2].split()))
    unit = _METRES.get(said.get("Units", "").lower())
    if unit is None:
        raise SkelError("bad_motion", f"{path.name} has no unit of length that is known ({said.get('Units', 'none')}).",
                        "Its third line must say m, cm or mm under Units.")  # fmt: skip
    names = tuple(cell.strip() for cell in lines[3].split("\t")[_FIRST:] if cell.strip())
    rows = [row for row in (_row(line, len(names)) for line in lines[_HEAD:]) if row is not None]
    if not names or not rows:
        raise SkelError("bad_motion", f"{path.name} has no {'frames' if names else 'points'}.", "Export it again.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SkelError("bad_motion", f"{path.name} has two points by the name of {twice}.", "Rename one of them.")
    fps = _number(said.get("DataRate", "")) if fps is None else fps
    if not fps > 0:
        raise SkelError("bad_motion", f"{path.name} does not say its frame rate.", "Give the rate (--fps).")
    places = np.array(rows).reshape(len(rows), -1, 3) * unit
    places[~places.any(-1)] = np.nan
    ever = np.isfinite(places).all(-1).any(0)
    return Markers(tuple(name for name, seen in zip(names, ever) if seen), rate(fps), places[:, ever])


def _row(line: str, points: int) -> list[float] | None:
    """A frame's places, end to end; None of a line that is none."""
    cells = line.rstrip("\r\n").split("\t")
    if not math.isfinite(_number(cells[0])):
        return None
    values = [_number(cell) for cell in cells[_FIRST : _FIRST + 3 * points]]
    return values + [math.nan] * (3 * points - len(values))


def _number(text: str) -> float:
    """NaN for what is no number."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
