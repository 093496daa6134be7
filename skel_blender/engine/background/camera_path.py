# SPDX-License-Identifier: GPL-3.0-or-later
"""The path of a camera that moves from its place, through all frames, if it is reliable."""

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
# A path is reliable if it is found in this share of the frames from this share of the sightings, and reprojects this share of those within
# _EXPLAINED_PX, and more of all sightings than turns alone do.
_POSED, _TOLD, _EXPLAINED = 0.8, 0.3, 0.6


@dataclass(frozen=True)
class CameraPath:
    """turns (T,3,3), places (T,3): x_frame = turns (X_view - place), in axes about the middle of all directions, from the middle of all
    places; the median depth of the corners is 1. focal px. ground: as of `ground.ground`."""

    turns: np.ndarray
    places: np.ndarray
    focal: float
    ground: np.ndarray | None
    findings: Findings


def camera_path(followed: Followed, turned: np.ndarray, focal: float, side: float, count: int, lens_known: bool) -> CameraPath | None:
    """The path of the camera through `count` frames; None where none is found, or where turns alone explain more of the sightings.

    turned (N,) px: the sightings' errors by turns alone; focal px; side px: the image's longer one.
    """
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
    return CameraPath(turns @ middle.T, there, found.focal, ground(points), findings)


def _between(found: Structure, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Turns and places of all frames, interpolated between those that were found."""
    frames = np.clip(np.arange(count), found.rows[0], found.rows[-1])
    turns = Slerp(found.rows, Rotation.from_matrix(found.turns))(frames).as_matrix()
    return turns, interpolated(frames, found.rows, found.places)


def _off(followed: Followed, found: Structure, turns: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) px reprojection errors of the sightings, inf where a corner has no place or is behind the camera; (N,) their depths."""
    points = found.points[followed.corner]
    seen = (turns[followed.frame] @ (points - places[followed.frame])[..., None])[..., 0]
    off = np.linalg.norm(found.focal * seen[:, :2] / seen[:, 2:] - followed.px, axis=1)
    return np.where(seen[:, 2] > 0, off, np.inf), seen[:, 2]
