# SPDX-License-Identifier: GPL-3.0-or-later
"""Links between two frames: corners of the background that both show."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .corners import Matches

KEPT = 48  # corners of a link: they bound the memory of a long clip
STILL_PX = 0.4  # of the reduced image: smaller shifts are the noise of compressed footage
MOVED_PX = 1.0  # larger shifts are motion
_AREA_PX = 80  # side of the squares by which the still part of an image is counted


@dataclass(frozen=True)
class Link:
    """Corners p (n,2) px in frame i and q (n,2) in frame j, of the reduced image, without those that stay while the others move.

    agree (n,): inliers of the motion that most corners follow; still: share of the squares with corners in which most stay in place;
    shift: median px by which inliers moved; share: of inliers among all corners; spread: share of the image inside their convex hull.
    """

    i: int
    j: int
    p: np.ndarray
    q: np.ndarray
    agree: np.ndarray
    still: float
    shift: float
    share: float
    spread: float


def link(i: int, j: int, matches: Matches, area: float) -> Link:
    """The link of frames i and j by their matches. area: px of the picture without black bars."""
    p, q, agree = matches.before, matches.after, matches.agree
    moved = np.linalg.norm(q - p, axis=1)
    spread = cv2.contourArea(cv2.convexHull(q[agree])) / area
    still, shift = _still(p, moved < STILL_PX), float(np.median(moved[agree]))
    shown = np.flatnonzero(agree | (moved >= STILL_PX) | (shift < MOVED_PX))  # what is laid over the footage stays in place
    few = shown[np.unique(np.linspace(0, len(shown) - 1, KEPT).round().astype(int))]
    return Link(i, j, p[few], q[few], agree[few], still, shift, float(agree.mean()), spread)


def _still(p: np.ndarray, stay: np.ndarray) -> float:
    """Share of the squares in which most corners stay. Not of the corners: captions laid over the footage have many."""
    _, area = np.unique((p // _AREA_PX) @ (1, 1000), return_inverse=True)
    return float((np.bincount(area, stay) > 0.5 * np.bincount(area)).mean())


@dataclass(frozen=True)
class Links:
    """P links as arrays: i, j (P,) rows of frames, p, q (P,KEPT,2) px from the principal point, known (P,KEPT) False where there is no
    corner, agree (P,KEPT), still (P,)."""

    i: np.ndarray
    j: np.ndarray
    p: np.ndarray
    q: np.ndarray
    known: np.ndarray
    agree: np.ndarray
    still: np.ndarray

    def part(self, rows: slice) -> Links:
        """The links of some rows."""
        return Links(self.i[rows], self.j[rows], self.p[rows], self.q[rows], self.known[rows], self.agree[rows], self.still[rows])


def gather(links: list[Link], first: int, stretch: np.ndarray, principal: np.ndarray) -> Links:
    """Links as arrays; frames count from `first`. Pixels are scaled by `stretch` (2,) to be square, and count from `principal` (2,)."""
    p, q = np.zeros((2, len(links), KEPT, 2))
    known, agree = np.zeros((2, len(links), KEPT), bool)
    for row, one in enumerate(links):
        n = len(one.p)
        p[row, :n], q[row, :n] = (one.p + 0.5) * stretch - principal, (one.q + 0.5) * stretch - principal
        known[row, :n], agree[row, :n] = True, one.agree
    i, j, still = (np.array([getattr(one, name) for one in links]) for name in ("i", "j", "still"))
    return Links(i - first, j - first, p, q, known, agree, still)
