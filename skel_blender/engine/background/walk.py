# SPDX-License-Identifier: GPL-3.0-or-later
"""The path of a camera that leaves its place, through all frames, and whether it is believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ..interpolation import interpolated
from .ground import ground
from .motion import Findings
from .structure import Structure, located, structure
from .trails import Followed

_EXPLAINED_PX = 1.5
# A path is believed that is told in such a part of the frames by such a part of the sightings, if it takes such a part of these near to
# where they are, and more of all than turns alone do.
_POSED, _TOLD, _EXPLAINED = 0.8, 0.3, 0.6


@dataclass(frozen=True)
class Walk:
    """turns (T,3,3), places (T,3): x_frame = turns (X_view - place), in axes about the middle of all directions, from the middle of all
    places; the median depth of the corners is 1. focal px. ground: as of `ground.ground`."""

    turns: np.ndarray
    places: np.ndarray
    focal: float
    ground: np.ndarray | None
    findings: Findings


def walk(followed: Followed, turned: np.ndarray, focal: float, side: float, count: int, lens_known: bool) -> Walk | None:
    """The path of the camera through `count` frames; None where the corners tell none, or turns alone explain more: they leave sightings
    `turned` (N,) px off. `side` px is the image's longer one."""
    found = structure(followed, focal, side, lens_known)
    if found is None:
        return None
    found = located(followed, found, *_between(found, count), side)
    if len(found.rows) < _POSED * count:
        return None
    turns, places = _between(found, count)
    off, depth = _off(followed, found, turns, places)
    told, explained = np.isfinite(off).mean(), (off < _EXPLAINED_PX).mean()
    if told < _TOLD or explained < max(_EXPLAINED * told, (turned < _EXPLAINED_PX).mean()):
        return None
    unit = float(np.median(depth[off < _EXPLAINED_PX]))
    findings = Findings(
        unexplained=float(1.0 - explained / told), blind=count - len(found.rows), lens_told=found.lens_told,
        place_deviation=float(np.median(found.deviations)) / unit,
    )  # fmt: skip
    middle = Rotation.from_matrix(turns).mean().as_matrix()
    there, points = ((values - places.mean(axis=0)) @ middle.T / unit for values in (places, found.points))
    return Walk(turns @ middle.T, there, found.focal, ground(points), findings)


def _between(found: Structure, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Turns and places of all frames, evenly between those that were found."""
    frames = np.clip(np.arange(count), found.rows[0], found.rows[-1])
    turns = Slerp(found.rows, Rotation.from_matrix(found.turns))(frames).as_matrix()
    return turns, interpolated(frames, found.rows, found.places)


def _off(followed: Followed, found: Structure, turns: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) px by which sightings are off, inf where the corner's place is not told, and their depths (N,)."""
    points = found.points[followed.corner]
    seen = (turns[followed.frame] @ (points - places[followed.frame])[..., None])[..., 0]
    off = np.linalg.norm(found.focal * seen[:, :2] / seen[:, 2:] - followed.px, axis=1)
    return np.where(seen[:, 2] > 0, off, np.inf), seen[:, 2]
