# SPDX-License-Identifier: GPL-3.0-or-later
"""Where people overlap in an image: who is in front of whom, and which parts of others are painted over while one of them is looked at.

The landmark network expects one person. Of two in a window it gives a mixture, and after a while the front one's landmarks for both. With
the front one painted over, the other is to the network a person behind an object, which it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..blazepose import EARS, SHOULDERS
from .clothes import clothes
from .crops import painted
from .detect import Expected, PeopleFinder
from .landmarker import Pose
from .person import Person

_JUDGE_S = 0.2  # between two judgements of who is in front
_COVERED = 0.05  # overlap, as a share of the smaller silhouette, from which on the order matters
_APART = 0.3  # people must once have overlapped less than this: else they may be two readings of one body
_CLEAR = 0.1  # difference of the two losses of quality that decides who is in front
_LARGE = 90.0  # px per metre: the losses of smaller people are noise
_MARGIN = 1.3  # times the thickness of a silhouette: left unpainted around a person where it is not known who is in front
_REACH = 0.75  # of a window's side: what is farther from its centre is not painted
_LIMITS = 1e4  # px: coordinates are clipped to this for drawing
# Landmarks at the ends of a part, and half of its thickness in metres.
_PARTS = ((11, 13, 0.06), (13, 15, 0.05), (12, 14, 0.06), (14, 16, 0.05), (15, 19, 0.05), (16, 20, 0.05),
          (23, 25, 0.09), (25, 27, 0.07), (24, 26, 0.09), (26, 28, 0.07), (27, 31, 0.05), (28, 32, 0.05),
          (11, 12, 0.07), (12, 24, 0.07), (24, 23, 0.07), (23, 11, 0.07))  # fmt: skip
_TRUNK = [11, 12, 24, 23]  # in order around it
_HEAD_M, _NECK_M = 0.13, 0.06


@dataclass(frozen=True, eq=False)
class Sight:
    """How a person is looked at: an image (H,W,3) of which `hidden` (H,W), if anything, is painted over, because of people in
    `front` of him and of others beside him."""

    image: np.ndarray
    hidden: np.ndarray | None = None
    front: tuple[Person, ...] = ()

    @property
    def shown(self) -> np.ndarray:
        """The image as painted; made anew each time, as those of many people would fill the memory."""
        return painted(self.image, self.hidden)

    def clothes(self, pose: Pose, known: np.ndarray) -> np.ndarray:
        """(6,3) colours of a pose's clothes, see clothes.clothes; those `known` (6,3) where they are hidden."""
        seen = clothes(self.image, pose.keypoints_2d, self.hidden)
        return np.where(np.isnan(seen), known, seen)


@dataclass(eq=False)
class Body:
    """A person where he is expected in an image of `shape` (H,W); seen: whether he was seen just before."""

    person: Person
    expected: Expected
    seen: bool
    shape: tuple[int, int]

    @cached_property
    def silhouette(self) -> np.ndarray:
        """(H,W) bool: about the pixels that he covers."""
        return _silhouette(self.shape, self.expected, 1.0)

    def silhouette_with_margin(self) -> np.ndarray:
        """(H,W) bool: the pixels that he may cover."""
        return _silhouette(self.shape, self.expected, _MARGIN)

    def near(self, other: Body) -> bool:
        """Whether the other is in his window, in part at least, and both are large enough."""
        if min(self.expected.px_per_m, other.expected.px_per_m) < _LARGE:
            return False
        off = np.abs(other.expected.keypoints_2d[:, :2] - self.expected.roi.center).max(1)
        return bool(off.min() < _REACH * self.expected.roi.size)


class Overlaps:
    """Judges every _JUDGE_S who of two people is in front, by how much a finder loses of each when the other is painted over."""

    def __init__(self, finder: PeopleFinder, fps: float) -> None:
        self._finder, self._every = finder, max(1, round(_JUDGE_S * fps))
        # of those who were seen apart: when it was judged, None for never, and how clearly the first is in front
        self._order: dict[tuple[Person, Person], tuple[int | None, float]] = {}

    def sight(self, number: int, image: np.ndarray, body: Body, others: list[Body]) -> Sight:
        """The frame `number` as painted to look at `body`: people in front of him are painted over, those behind him are not, and of others
        what can't be his own."""
        hidden, front, own = None, [], None
        for other in others:
            if not other.seen or not (body.near(other) or other.near(body)):
                continue
            ahead = self._ahead(number, image, other, body)
            if ahead < -_CLEAR:
                continue
            part = other.silhouette
            if ahead > _CLEAR:
                front.append(other.person)
            else:
                own = body.silhouette_with_margin() if own is None else own
                part = part & ~own
            hidden = part if hidden is None else hidden | part
        return Sight(image, hidden, tuple(front))

    def _ahead(self, number: int, image: np.ndarray, a: Body, b: Body) -> float:
        """How clearly `a` is in front of `b`, negative where he is behind; 0 where they hardly overlap."""
        smaller = max(1, min(np.count_nonzero(a.silhouette), np.count_nonzero(b.silhouette)))
        covered = np.count_nonzero(a.silhouette & b.silhouette) / smaller
        if covered < _APART and b.seen:
            for pair in ((a.person, b.person), (b.person, a.person)):
                self._order.setdefault(pair, (None, 0.0))
        if covered < _COVERED or (a.person, b.person) not in self._order:
            return 0.0
        when, ahead = self._order[a.person, b.person]
        if b.seen and (when is None or abs(number - when) >= self._every):
            # who is in front loses what the other covers; who is behind had lost it anyway
            lost = self._finder.losses(image, [(a.expected, b.silhouette), (b.expected, a.silhouette)])
            now = lost[0] - lost[1]
            ahead = now if when is None else (ahead + now) / 2
            self._order[a.person, b.person], self._order[b.person, a.person] = (number, ahead), (number, -ahead)
        return ahead


def _silhouette(shape: tuple[int, int], expected: Expected, times: float) -> np.ndarray:
    points = np.clip(np.round(expected.keypoints_2d[:, :2]), -_LIMITS, _LIMITS).astype(np.int32)
    thick = times * expected.px_per_m
    mask = np.zeros(shape, np.uint8)
    for a, b, half in _PARTS:
        cv2.line(mask, points[a].tolist(), points[b].tolist(), 1, max(1, round(2 * half * thick)))
    cv2.fillConvexPoly(mask, cv2.convexHull(points[_TRUNK]), 1)
    head, neck = points[EARS].mean(0).round().astype(int).tolist(), points[SHOULDERS].mean(0).round().astype(int).tolist()
    cv2.circle(mask, head, max(1, round(_HEAD_M * thick)), 1, -1)
    cv2.line(mask, head, neck, 1, max(1, round(2 * _NECK_M * thick)))
    return mask.astype(bool)
