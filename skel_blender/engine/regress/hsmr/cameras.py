# SPDX-License-Identifier: GPL-3.0-or-later
"""From the camera of a patch to that of the whole image, and to the footage's own.

HSMR sees each patch through a lens of 5000 px, which makes people far and flat. Where a person is in the footage's camera follows from
its focal length: as large as in the patch, on the patch's line of sight, and turned with that line, since the patch shows the person
from there. Camera axes: x right, y down, z away. Source of the patch's and the full image's camera: HSMR (Xia et al., CVPR 2025; MIT).
"""

from __future__ import annotations

import numpy as np
import torch

from ... import camera
from .patches import SIDE

FOCAL = 5000.0  # px, of the patch and of HSMR's full image
_NEAREST = 0.3  # m, a person's least distance


def patch_camera(cam: np.ndarray) -> np.ndarray:
    """cam (...,3) scale and shift -> cam_t (...,3) m, in the patch's camera."""
    cam = np.asarray(cam, float)
    return np.concatenate([cam[..., 1:], 2 * FOCAL / (SIDE * cam[..., :1] + 1e-9)], -1)


def full_camera(cam_t: np.ndarray, squares: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """cam_t (...,3) m of patches cut at squares (...,3) -> (...,3) m in HSMR's camera of the whole image of `size` px: 5000 px, centred."""
    away = cam_t[..., 2:] * SIDE / squares[..., 2:]
    across = cam_t[..., :2] + (squares[..., :2] - 0.5 * np.asarray(size)) / FOCAL * away
    return np.concatenate([across, away], -1)


def pixels(points: np.ndarray, cam_t: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """(...,K,2) px of the image where points (...,K,3) m, model axes of HSMR's poses, are seen through the patches' cameras."""
    seen = points + cam_t[..., None, :]
    return squares[..., None, :2] + squares[..., None, 2:] / SIDE * FOCAL * seen[..., :2] / seen[..., 2:]


def toward(squares: np.ndarray, K: np.ndarray) -> np.ndarray:
    """(...,3,3) the smallest rotations that turn the optical axis of a camera K (...,3,3) px to the lines of sight of squares (...,3)."""
    ray = np.concatenate([(squares[..., :2] - K[..., :2, 2]) / _focal(K), np.ones_like(squares[..., :1])], -1)
    return camera.toward(torch.from_numpy(ray)).numpy()


def placed(points: np.ndarray, seen: np.ndarray, K: np.ndarray) -> np.ndarray:
    """(...,3) m by which to move points (...,N,3) m, camera axes, so that a camera K (...,3,3) px sees them at `seen` (...,N,2) px.

    Least squares of u (Z + z) = X + x, as many points as there are; exact where they can be seen so.
    """
    u = (seen - K[..., None, :2, 2]) / _focal(K)[..., None, :]
    rows = np.zeros((*u.shape, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1.0
    rows[..., 2] = -u
    sides = u * points[..., 2:] - points[..., :2]
    normal, right = np.einsum("...nri,...nrj->...ij", rows, rows), np.einsum("...nri,...nr->...i", rows, sides)
    found = np.linalg.solve(normal, right[..., None])[..., 0]
    found[..., 2] = np.maximum(found[..., 2], _NEAREST)
    return found


def _focal(K: np.ndarray) -> np.ndarray:
    """(...,2) px, across and down."""
    return np.stack([K[..., 0, 0], K[..., 1, 1]], -1)
