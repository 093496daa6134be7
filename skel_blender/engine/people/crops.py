# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotated square windows of an image, and the way back from their coordinates to the image's."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_PATCH = 32
_PAINT = 128  # grey level of what is painted over


@dataclass(frozen=True, slots=True)
class Roi:
    """A square of side `size` px around `center` (2,) px, turned so that the image direction `up(angle)` is its upward edge.

    `angle` is in radians, 0 for an upright window, positive clockwise on screen.
    """

    center: np.ndarray
    size: float
    angle: float

    def axes(self) -> np.ndarray:
        """(2,2): columns are the window's right and down directions in the image."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Window coordinates (...,2) in 0..1 to image pixels (...,2)."""
        return self.center + self.size * (points - 0.5) @ self.axes().T

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """3D points (...,3) seen upright in the window (x right, y down, z away) turned back about the view axis."""
        turned = np.array(points, float)
        turned[..., :2] = points[..., :2] @ self.axes().T
        return turned

    def scaled(self, factor: float) -> Roi:
        return Roi(self.center, self.size * factor, self.angle)

    def turned(self, radians: float) -> Roi:
        return Roi(self.center, self.size, self.angle + radians)

    def cut(self, image: np.ndarray, side: int) -> np.ndarray:
        """The window's pixels (side,side,3) uint8 of an image (H,W,3); black outside the image."""
        corners = self.to_image(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
        if self.size > 2 * side:  # bilinear sampling of a window that shrinks a lot would alias
            image, corners = _shrunk(image, corners, self.size / side / 1.5)
        target = np.array([[0, 0], [side, 0], [0, side]], np.float32) - 0.5
        matrix = cv2.getAffineTransform((corners - 0.5).astype(np.float32), target)
        return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR)


def _shrunk(image: np.ndarray, corners: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image around a square, made smaller by area averaging, and the square's corners (3,2) in it."""
    height, width = image.shape[:2]
    four = np.vstack([corners, corners[1] + corners[2] - corners[0]])
    low = np.clip(np.floor(four.min(0)).astype(int), 0, [width - 1, height - 1])
    high = np.clip(np.ceil(four.max(0)).astype(int), low + 1, [width, height])
    size = np.maximum(np.round((high - low) / factor).astype(int), 1)
    patch = image[low[1] : high[1], low[0] : high[0]]
    small = cv2.resize(patch, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    return small, (corners - low) * (size / (high - low))


def between(base: np.ndarray, tip: np.ndarray, reach: float) -> Roi:
    """The window around `base` whose upward edge points to `tip` and whose half side is `reach` times their distance."""
    d = tip - base
    return Roi(np.asarray(base, float), 2 * reach * float(np.hypot(*d)), float(np.arctan2(d[0], -d[1])))


def painted(image: np.ndarray, hidden: np.ndarray | None) -> np.ndarray:
    """An image (H,W,3) with what is `hidden` (H,W) painted over."""
    if hidden is None:
        return image
    rows, columns = (np.flatnonzero(hidden.any(axis)) for axis in (1, 0))
    if not len(rows):
        return image
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)  # to look for it in all of a large image takes longest
    copy = image.copy()
    copy[box][hidden[box]] = _PAINT
    return copy


def patch(image: np.ndarray, roi: Roi) -> np.ndarray:
    """A window's pixels (32,32,3), small, to tell by whether anything in it has changed."""
    return roi.cut(image, _PATCH).astype(np.float32)


def tiles(width: int, height: int, levels: int) -> list[Roi]:
    """Windows that cover the image: level 0 the whole image, level n squares of min(w,h)/2^(n-1) that overlap by half."""
    found = [Roi(np.array([width, height]) / 2, float(max(width, height)), 0.0)]
    for level in range(1, levels):
        side = min(width, height) / 2 ** (level - 1)
        across = _starts(width, side)
        down = _starts(height, side)
        found += [Roi(np.array([x, y]) + side / 2, side, 0.0) for y in down for x in across]
    return found


def _starts(length: float, side: float) -> np.ndarray:
    """Where squares of `side` begin so that neighbours overlap by half or more and both ends are covered."""
    if length <= side:
        return np.array([(length - side) / 2])
    return np.linspace(0, length - side, int(np.ceil((length - side) / (side / 2))) + 1)
