# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera: its lens, and how it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ..take import zoomed

DEFAULT_FOV_DEGREES = 60.0  # across the longer side, where nothing is known: a phone's or a camcorder's middle setting
_NEARLY_STILL = math.radians(4)
R_CAM_LEVEL = np.diag([1.0, -1.0, -1.0])  # a level camera looking along -z of a y-up world


def intrinsics(size: tuple[int, int], fov_degrees: float | None = None, focal_length: float | None = None) -> np.ndarray:
    """K (3,3) px of a centred pinhole camera: `focal_length` px, or else `fov_degrees` across the image's width, or else the default."""
    if focal_length is None:
        across = max(size) if fov_degrees is None else size[0]
        focal_length = 0.5 * across / math.tan(0.5 * math.radians(fov_degrees or DEFAULT_FOV_DEGREES))
    return np.array([[focal_length, 0.0, size[0] / 2], [0.0, focal_length, size[1] / 2], [0.0, 0.0, 1.0]])


def toward(rays: torch.Tensor) -> torch.Tensor:
    """(...,3,3) the smallest rotations that take the optical axis to rays (...,3)."""
    x, y, z = torch.nn.functional.normalize(rays, dim=-1).unbind(-1)
    share = 1.0 / (1.0 + z)
    rows = [1 - x * x * share, -x * y * share, x, -x * y * share, 1 - y * y * share, y, -x, -y, z]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


@dataclass(frozen=True)
class CameraMotion:
    """How a camera turns, zooms and goes, over T consecutive frames of a clip from frame `first` on.

    turns (T,3,3) and places (T,3): x_frame = turns (x_view - places) takes axes of the view, about the middle of all directions and places,
    to those of a frame's camera; both OpenCV's. The places' unit is not known; None: the camera stays in its place. zoom (T,): a frame's
    focal length over that of K (3,3) px, the view's lens. ground (4,): unit normal (up) and height, normal . x_view + height = 0, of the
    floor in the places' unit, seen from the middle of all places; None where it is not known.
    """

    first: int
    K: np.ndarray
    turns: np.ndarray
    zoom: np.ndarray
    places: np.ndarray | None = None
    ground: np.ndarray | None = None

    @property
    def nearly_still(self) -> bool:
        """Whether it turns so little that neither its turns tell the lens nor people lie elsewhere in the picture for them."""
        angles = Rotation.from_matrix(self.turns).magnitude()
        return self.places is None and bool((self.zoom == 1.0).all()) and float(angles.max()) < _NEARLY_STILL

    def refocused(self, longer: float) -> CameraMotion:
        """Of one that is nearly still, the motion through a lens e^longer times as long: the picture moves as much by smaller turns."""
        vectors = Rotation.from_matrix(self.turns).as_rotvec()
        vectors[:, :2] *= math.exp(-longer)
        return replace(self, K=zoomed(self.K, np.exp([longer]))[0], turns=Rotation.from_rotvec(vectors).as_matrix())

    def lenses(self, frames: np.ndarray) -> np.ndarray:
        """(n,3,3) px, K of the clip's frames (n,)."""
        return zoomed(self.K, self.zoom[np.asarray(frames) - self.first])

    def turned(self, frames: np.ndarray) -> np.ndarray:
        """(n,3,3) turns of the clip's frames (n,)."""
        return self.turns[np.asarray(frames) - self.first]

    def placed(self, frames: np.ndarray) -> np.ndarray:
        """(n,3) places in the clip's frames (n,), about the middle of all; zero where the camera stays."""
        if self.places is None:
            return np.zeros((len(frames), 3))
        return (self.places - self.places.mean(axis=0))[np.asarray(frames) - self.first]
