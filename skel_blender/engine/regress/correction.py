# SPDX-License-Identifier: GPL-3.0-or-later
"""What BlazePose's metric landmarks get wrong always, taken out by a linear map.

The map was learned on pictures of the open body whose landmarks are known (`bin/benchmark landmark_correction`); no real footage took
part. It also moves the landmarks from where BlazePose puts them to where the body models have them.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np

from ..blazepose import HIPS, SHOULDERS


@cache
def _weights() -> np.ndarray:
    """(100,99) float64."""
    path = resources.files(__package__).joinpath("data", "landmark_correction.npz")
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return file["weights"].astype(float)


def corrected(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T,33,3) m in the axes of a camera that points at the person, relative to mid-hip: what they should have been."""
    centred = landmarks - landmarks[:, HIPS].mean(1, keepdims=True)
    roll = upright(centred)
    rolled = centred @ np.swapaxes(roll, 1, 2)
    known = np.concatenate([rolled.reshape(len(rolled), -1), np.ones((len(rolled), 1))], 1)
    result = (rolled + (known @ _weights()).reshape(rolled.shape)) @ roll
    return result - result[:, HIPS].mean(1, keepdims=True)


def upright(landmarks: np.ndarray) -> np.ndarray:
    """(T,3,3) rolls about the view axis that turn the trunk of landmarks (T,33,3) straight up in the image."""
    trunk = (landmarks[:, SHOULDERS].mean(1) - landmarks[:, HIPS].mean(1))[:, :2]
    c, s = (-trunk[:, 1], trunk[:, 0]) / np.linalg.norm(trunk, axis=1).clip(1e-6)
    none, one = np.zeros_like(c), np.ones_like(c)
    return np.stack([c, s, none, -s, c, none, none, none, one], -1).reshape(-1, 3, 3)
