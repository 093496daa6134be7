# SPDX-License-Identifier: GPL-3.0-or-later
"""What every regressor answers: a first pose of a track's frames, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...anatomy import Q
from ..body import BodyModel
from ..footage.source import Source
from ..people.tracks import Track

N_BETAS = 10


@dataclass(frozen=True)
class Guess:
    """A first pose of T frames of one person: numpy float64, in model axes (x left, y up, z forward) as the level camera of
    `fit.people` sees them: a point X is at R_CAM_LEVEL X in camera axes, in those of each frame where the camera turns."""

    poses: np.ndarray  # (T,46) rad, of the body that the guess is for
    betas: np.ndarray  # (10,)
    trans: np.ndarray  # (T,3) m
    sigma: np.ndarray  # (T,46) rad, expected deviation of poses; inf knows nothing

    def __post_init__(self) -> None:
        count = len(self.poses)
        shapes = {"poses": (count, Q), "betas": (N_BETAS,), "trans": (count, 3), "sigma": (count, Q)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must be {shape}, not {getattr(self, name).shape}")


Guesser = Callable[[BodyModel], Guess]
"""What a regressor saw of a track, as poses and betas of the body that is asked for."""


class Regressor(Protocol):
    """First poses of everybody in a clip.

    `tracks` are people of `source`, their metric landmarks corrected (correction.py); `lenses` the camera's K (T,3,3) px in each frame of
    each track. `on_frame(done, total)` hears of the frames that were read, if the footage is read again. One Guesser for each track.
    """

    def __call__(
        self, source: Source, tracks: list[Track], lenses: list[np.ndarray], on_frame: Callable[[int, int], None]
    ) -> list[Guesser]: ...
