# SPDX-License-Identifier: GPL-3.0-or-later
"""Corners of the background that are followed from frame to frame for as long as they are seen: a camera's path is found from them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .corners import CORNERS, find_corners, there_and_back

_FEW = 0.75  # of CORNERS: where fewer are followed, new ones are looked for
_APART_PX = 10  # between corners that are followed; new ones are not so near to old ones
_EVERY = 5  # frames, at least, between looks for new ones
_LOST, _PATIENCE = 0.2, 5  # where fewer of them go on, as in a flash or a blur, they are looked for in the next few frames, too
_SHORT = 4  # frames: a shorter trail tells nothing
_STAYS_PX, _TURNED_PX = 1.0, 3.0  # a corner that goes no farther stays in place, where turns would have moved it so far


@dataclass(frozen=True)
class Followed:
    """N sightings of corners: corner (N,) numbers from 0 on, frame (N,) rows counted from the first one, px (N,2) of the reduced image.

    In the order of corners, and of frames within each.
    """

    corner: np.ndarray
    frame: np.ndarray
    px: np.ndarray


def moving(followed: Followed, off: np.ndarray) -> tuple[Followed, np.ndarray]:
    """Sightings, and by how many px (N,) the camera's turns put them elsewhere, without those of corners that stay in place although it
    turns: they are laid over the footage."""
    _, begin, each = np.unique(followed.corner, return_index=True, return_inverse=True)
    if not len(begin):
        return followed, off
    extent = (np.maximum.reduceat(followed.px, begin) - np.minimum.reduceat(followed.px, begin)).max(1)
    kept = ((extent >= _STAYS_PX) | (np.maximum.reduceat(off, begin) < _TURNED_PX))[each]
    corner = np.unique(followed.corner[kept], return_inverse=True)[1]
    return Followed(corner, followed.frame[kept], followed.px[kept]), off[kept]


class Trails:
    """Follows corners through the frames of a clip, which come in order."""

    def __init__(self) -> None:
        self._grey: np.ndarray | None = None
        self._px = np.zeros((0, 2), np.float32)  # of those that are seen now
        self._corner = np.zeros(0, int)
        self._count = 0
        self._waited = 0
        self._seen: list[tuple[np.ndarray, np.ndarray]] = []  # per frame: corners and px

    def see(self, grey: np.ndarray, mask: np.ndarray) -> None:
        """Take the next frame's grey image (h,w), and the mask (h,w) of its background."""
        if self._grey is not None and len(self._px):
            there, ok = there_and_back(self._grey, grey, self._px, mask)
            self._waited = self._waited + 1 if ok.mean() < _LOST else 0
            if 0 < self._waited <= _PATIENCE:
                self._seen.append((self._corner[:0], self._px[:0]))
                return
            self._px, self._corner = there[ok], self._corner[ok]
        if len(self._seen) % _EVERY == 0 and len(self._px) < _FEW * CORNERS:
            self._begin(grey, mask)
        self._grey = grey
        self._seen.append((self._corner, self._px))

    def end(self) -> None:
        """No frame follows: the latest image is let go."""
        self._grey = None

    def _begin(self, grey: np.ndarray, mask: np.ndarray) -> None:
        """Follow more corners from here on."""
        mask = mask.copy()
        for x, y in np.rint(self._px).astype(int).tolist():
            cv2.circle(mask, (x, y), _APART_PX, 0, -1)
        new = find_corners(grey, mask)
        self._px = np.concatenate([self._px, new])
        self._corner = np.concatenate([self._corner, self._count + np.arange(len(new))])
        self._count += len(new)

    def followed(self) -> Followed:
        """Those of corners that were followed for a while."""
        corner = np.concatenate([corners for corners, _ in self._seen])
        px = np.concatenate([px for _, px in self._seen])
        frame = np.repeat(np.arange(len(self._seen)), [len(corners) for corners, _ in self._seen])
        long = np.bincount(corner, minlength=self._count)[corner] >= _SHORT
        corner, frame, px = corner[long], frame[long], px[long].astype(float)
        order = np.argsort(corner, kind="stable")
        return Followed(np.unique(corner, return_inverse=True)[1][order], frame[order], px[order])
