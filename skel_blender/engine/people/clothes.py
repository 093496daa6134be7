# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody wears, as colours from the shoulders to the knees: it tells people apart who are close together."""

from __future__ import annotations

import numpy as np

from ..blazepose import HIPS, KNEES, SHOULDERS

_TRUNK = (0.15, 0.4, 0.65, 0.9)  # of the way from the shoulders to the hips
_THIGHS = (0.35, 0.7)  # of the way from the hips to the knees
_ACROSS = np.linspace(0.2, 0.8, 5)  # of the way from the right to the left
_FAR = 90.0  # grey levels between two colours from which more tells no more


def clothes(image: np.ndarray, keypoints_2d: np.ndarray, hidden: np.ndarray | None = None) -> np.ndarray:
    """(6,3) mean colours of an RGB image (H,W,3) across the body of a pose (33,3), from the top down, without what is `hidden` (H,W); NaN
    where nothing else is there."""
    points = keypoints_2d[:, :2]
    left, right = (points[list(side)] for side in zip(SHOULDERS, HIPS, KNEES))
    ends = [(0, 1, part) for part in _TRUNK] + [(1, 2, part) for part in _THIGHS]
    sides = np.array([[side[a] + part * (side[b] - side[a]) for a, b, part in ends] for side in (left, right)])  # (2,6,2)
    places = sides[1][:, None] + _ACROSS[:, None] * (sides[0] - sides[1])[:, None]
    places[len(_TRUNK) :, len(_ACROSS) // 2] = sides[0][len(_TRUNK) :]  # there is air between the thighs
    column, row = np.clip(np.round(places).astype(int), 0, np.array(image.shape[1::-1]) - 1).transpose(2, 0, 1)
    colours = image[row, column].astype(np.float32)
    if hidden is None:
        return colours.mean(1)
    shown = ~hidden[row, column]
    with np.errstate(invalid="ignore"):
        return (colours * shown[..., None]).sum(1) / shown.sum(1, dtype=np.float32)[:, None]


def unlike(a: np.ndarray, b: np.ndarray) -> float:
    """Grey levels between two people's clothes (6,3), the mean of their parts."""
    return float(np.minimum(np.abs(a - b).mean(1), _FAR).mean())
