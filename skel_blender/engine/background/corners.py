# SPDX-License-Identifier: GPL-3.0-or-later
"""Corners of the background: found beside the people, spread over the image, and followed from one image to another."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 640  # px, the longer side of the reduced image: enough for a tenth of a pixel in a thousand
CORNERS = 160
_CELLS = (8, 6)  # over the longer and the shorter side
_STRONGEST, _QUALITY, _APART = 600, 1e-5, 8  # how many corners compete, the least against the best one, px between them
_WINDOW, _LEVELS, _LEVELS_GUESSED = (15, 15), 4, 2
_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 0.02)
_BACK_PX = 0.5  # a corner that is followed there and back ends this near to where it began
_AGREE_PX = 1.5
_LEAST, _LEAST_SHARE = 15, 0.3  # corners that agree on one motion, of those that were followed
_MIDDLE, _CONTRAST, _GAIN = 128.0, 50.0, 8.0  # mean and deviation of a reduced image, and what noise is raised by at most
# The lightest channel of what is a black bar, and by which one of another colour may vary; where pictures end at one are corners that no
# camera moves.
_BLACK, _PLAIN, _BESIDE_PX = 32, 12, 12
_MARGIN = 0.1  # of a person's size, around his landmarks


@dataclass(frozen=True)
class Matches:
    """Corners in one image and in another: before, after (N,2) px of the reduced image; agree (N,) bool: on the homography H (3,3)."""

    before: np.ndarray
    after: np.ndarray
    agree: np.ndarray
    H: np.ndarray


def reduced(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Grey (h,w) uint8 of an RGB image (H,W,3), `size` (w,h) px, in the same light whatever the exposure: corners are followed by their
    brightness."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if image.shape[1::-1] != size:
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
    gain = min(_CONTRAST / max(deviation, 1.0), _GAIN)
    return cv2.convertScaleAbs(grey, alpha=gain, beta=_MIDDLE - gain * mean)


def beside(people: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Mask (h,w) uint8 of a reduced image: 255 in the background, 0 where people are; their landmarks (33,2) in its px."""
    mask = np.full(shape, 255, np.uint8)
    for points in people:
        margin = max(2, round(_MARGIN * float(np.ptp(points, axis=0).max())))
        hull = cv2.convexHull(np.clip(points, -2 * SIDE, 2 * SIDE).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 0)
        cv2.polylines(mask, [hull], True, 0, 2 * margin)
    return mask


def between_bars(image: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the reduced image of `shape` (h,w) that are of the picture, and not of bars at the sides of an RGB image (H,W,3),
    black or of the corner's colour, nor beside them; all where there are no bars."""
    step = max(1, max(image.shape) // SIDE)
    corner = image[0, 0].astype(int)
    part = []
    for size, pixels in zip(shape, (image, image.swapaxes(0, 1))):
        lines = pixels[::step, :: 8 * step]  # rows, columns
        plain = np.abs(lines - corner).max(axis=(1, 2)) <= _PLAIN
        lit = np.flatnonzero((lines.max(axis=(1, 2)) > _BLACK) & ~(plain & ~plain.all()))
        bars = (lit[0], len(lines) - 1 - lit[-1]) if len(lit) else (len(lines), 0)
        above, below = (bar and round(bar * size / len(lines)) + _BESIDE_PX for bar in bars)
        part.append(slice(min(above, size), max(size - below, 0)))
    return tuple(part)


def find_corners(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """At most CORNERS corners (N,2) px float32 where the mask is not 0, as many from each part of the image."""
    found = cv2.goodFeaturesToTrack(grey, _STRONGEST, _QUALITY, _APART, mask=mask, useHarrisDetector=True, k=0.04)
    if found is None:
        return np.zeros((0, 2), np.float32)
    found = found.reshape(-1, 2)
    h, w = grey.shape
    cells = _CELLS if w >= h else _CELLS[::-1]
    cell = (found * cells / (w, h)).astype(int) @ (1, cells[0])
    order = np.argsort(cell, kind="stable")  # keeps the strongest of a cell first
    rank = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])
    best = order[np.argsort(rank, kind="stable")][:CORNERS]
    return found[best[np.argsort(cell[best], kind="stable")]]


def match(before: np.ndarray, after: np.ndarray, corners: np.ndarray, mask: np.ndarray, guess: np.ndarray | None = None) -> Matches | None:
    """Corners (N,2) px of the grey image `before` in `after`, where its mask is not 0; None where too few agree on a motion.

    guess (N,2) px: about where they are in `after`.
    """
    if len(corners) < _LEAST:
        return None
    there, ok = there_and_back(before, after, corners, mask, guess)
    if guess is not None and not ok.all():
        # what stays in place while most moves tells that the camera does not
        lost = np.flatnonzero(~ok)
        there[lost], ok[lost] = there_and_back(before, after, corners[lost], mask, corners[lost])
    if ok.sum() < _LEAST:
        return None
    p, q = corners[ok], there[ok]
    H, agree = cv2.findHomography(p, q, cv2.USAC_MAGSAC, _AGREE_PX, maxIters=500)
    if H is None or agree.sum() < max(_LEAST, _LEAST_SHARE * len(p)) or np.linalg.det(H) <= 0:
        return None
    return Matches(p, q, agree.reshape(-1) > 0, H)


def there_and_back(before: np.ndarray, after: np.ndarray, corners: np.ndarray, mask: np.ndarray,
                   guess: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Where corners (N,2) are in `after`, and (N,) whether they were found there, and from there again in `before`."""
    there, ok = _follow(before, after, corners, guess)
    back, ok_back = _follow(after, before, there, None if guess is None else corners + there - guess)
    h, w = after.shape
    x, y = np.clip(np.rint(np.nan_to_num(there)), 0, (w - 1, h - 1)).astype(int).T
    inside = ((there >= 0) & (there <= (w - 1, h - 1))).all(1)
    return there, ok & ok_back & inside & (mask[y, x] > 0) & (np.linalg.norm(back - corners, axis=1) < _BACK_PX)


def _follow(before: np.ndarray, after: np.ndarray, points: np.ndarray, guess: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Where points (N,2) are in `after`, and (N,) whether they were found there."""
    start = None if guess is None else np.ascontiguousarray(guess, np.float32)
    levels, flags = (_LEVELS, 0) if guess is None else (_LEVELS_GUESSED, cv2.OPTFLOW_USE_INITIAL_FLOW)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, start, winSize=_WINDOW, maxLevel=levels, criteria=_STOP, flags=flags)
    return there.reshape(-1, 2), found.reshape(-1) > 0


def moved(H: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N,2) through a homography; (N,2) float32."""
    return cv2.perspectiveTransform(points.reshape(-1, 1, 2).astype(np.float64), H).reshape(-1, 2).astype(np.float32)
