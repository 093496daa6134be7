# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who was seen in one frame, and is in nobody's track, followed from there through his shot, forward and backward."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..blazepose import HIPS, LIMBS
from ..footage.video import Source
from .clothes import clothes
from .crops import between
from .detect import SURE, Expected, PeopleFinder
from .identities import parts
from .landmarker import Pose
from .looking import CREDIT_S, LATELY_S, LOST_S, look, of_one, room, wears_anothers
from .mirror import Mirror
from .overlaps import Body, Overlaps, Sight
from .person import Person
from .poses import quality, scale
from .tracks import Track

_MEET_S = 1.0  # from where the track of somebody who is known begins, as seen from the first frame: who is met there may be the same
_ONE_S = 0.3  # of meeting him, from which on he is
_SELDOM = 0.25  # part of the last frames in which somebody who is seen in fewer is lost
_MOSTLY = 0.6  # part of a pose that lies on other people from which on it is a mixture of them
_REACH = 1.25  # of a window around somebody who is known


@dataclass(eq=False)
class Known:
    """Somebody who has been found: his number, his track, and who stands for him where it is judged who is in front."""

    number: int
    track: Track
    person: Person = field(default_factory=lambda: Person(np.full((6, 3), np.nan)))

    def pose(self, frame: int) -> Pose | None:
        """What was seen of him in a frame."""
        row = frame - int(self.track.frames[0])
        if not (0 <= row < len(self.track.frames) and self.track.observed[row]):
            return None
        points = self.track.keypoints_2d[row]
        hips = points[HIPS, :2].mean(0)
        tip = points[np.hypot(*(points[:, :2] - hips).T).argmax(), :2]
        return Pose(points, self.track.landmarks_3d[row], 1.0, between(hips, tip, _REACH))

    def nearest(self, frame: int, step: int) -> int | None:
        """The first frame in which he is seen from a frame on, in a direction (1 or -1)."""
        seen = self.track.frames[self.track.observed]
        beyond = seen[(seen - frame) * step >= 0]
        return int(beyond[np.abs(beyond - frame).argmin()]) if len(beyond) else None


@dataclass(eq=False)
class There:
    """Somebody who is known, as he is seen in an image."""

    who: Known
    pose: Pose
    image: np.ndarray

    @cached_property
    def body(self) -> Body:
        return Body(self.who.person, expected_at(self.pose), True, self.image.shape[:2])

    @cached_property
    def worn(self) -> np.ndarray:
        return clothes(self.image, self.pose.keypoints_2d)

    def is_(self, person: Person, sight: Sight, reading: Pose) -> bool:
        """Whether what was read of another person is his body."""
        return of_one((person, sight, reading), (self.who.person, Sight(self.image), self.pose))


def follow(
    source: Source, finder: PeopleFinder, mirror: Mirror, seen: tuple[int, np.ndarray, Pose], known: list[Known], shot: tuple[int, int],
    on_frame: Callable[[], None],
) -> tuple[Person, int | None]:  # fmt: skip
    """Somebody as he was seen from the first to the last frame of a shot, and the number of whom he turns out to be; None: somebody new.

    seen: a frame's number, what it shows, and his pose there. source: footage that was read before; on_frame is called for every frame.
    """
    frame, image, pose = seen
    first, last = shot
    follower = _Follower(finder, mirror, float(source.fps), known, frame)
    follower.begin(image, pose)
    for step, frames in ((1, source.frames(frame + 1, last)), (-1, _backward(source, frame, first, room(image)))):
        for _ in follower.follow(frames, step):
            on_frame()
    person = next(part for part in parts(follower.person, float(source.fps)) if frame in part.readings)
    return person, follower.goes_on_as


def _backward(source: Source, frame: int, first: int, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """The frames before one, the latest first, down to `first`; at most `most` are in memory."""
    for end in range(frame, first, -most):
        yield from reversed(list(source.frames(max(first, end - most), end - 1)))


def expected_at(pose: Pose) -> Expected:
    """Where somebody is expected who was seen so."""
    return Expected(pose.next_roi, pose.keypoints_2d, scale(pose)[0])


def _covered(pose: Pose, others: list[There]) -> float:
    """Part of a pose's limb joints, by their confidence, that lie on other people."""
    if not others:
        return 0.0
    points = pose.keypoints_2d[LIMBS]
    column, row = np.clip(np.round(points[:, :2]).astype(int), 0, np.array(others[0].image.shape[1::-1]) - 1).T
    return float(np.average(np.any([other.body.silhouette[row, column] for other in others], axis=0), weights=points[:, 2] + 1e-3))


class _Follower:
    """Follows somebody from the frame `begin`, among those who are known. goes_on_as: the number of whom he turned out to be."""

    def __init__(self, finder: PeopleFinder, mirror: Mirror, fps: float, known: list[Known], begin: int) -> None:
        self._finder, self._mirror, self._fps, self._begin, self._known = finder, mirror, fps, begin, known
        self._overlaps = Overlaps(finder, fps)
        self.goes_on_as: int | None = None

    def begin(self, image: np.ndarray, pose: Pose) -> None:
        """Take that frame, and his pose there."""
        self.person = Person(clothes(image, pose.keypoints_2d), credit=CREDIT_S * self._fps)
        self._take(self._begin, Sight(image), [pose])

    def follow(self, frames: Iterator[tuple[int, np.ndarray]], step: int) -> Iterator[int]:
        """Look for him in frames of a direction (1 or -1), and tell which, until he is lost or goes on as somebody who is known."""
        seen, person, met = self._begin, self.person, Counter()
        span = max(1, round(LOST_S * self._fps))
        lately = deque([True] * span, maxlen=span)
        for number, image in frames:
            there = [There(who, pose, image) for who in self._known if (pose := who.pose(number)) is not None]
            body = Body(person, person.expect(number, step), abs(number - seen) <= max(1, LATELY_S * self._fps), image.shape[:2])
            sight = self._overlaps.sight(number, image, body, [other.body for other in there])
            readings = look(self._finder, self._fps, person, number, sight, body.expected)
            begun = [other for other in there if self._begins(other.who, number, step)]
            met.update(other.who for other in begun if readings and other.is_(person, sight, readings[0]))
            same = next((who for who, count in met.items() if count >= max(2, _ONE_S * self._fps)), None)
            if same is not None:
                if self.goes_on_as is None:
                    self.goes_on_as = same.number
                return
            others = [other for other in there if other not in begun]
            free = [reading for reading in readings if not self._is_of_others(reading, sight, others)]
            if free:
                self._take(number, sight, free)
                seen = number
            lately.append(bool(free))
            yield number
            if np.mean(lately) < _SELDOM:
                return

    def _is_of_others(self, reading: Pose, sight: Sight, others: list[There]) -> bool:
        """Whether a reading is another's body, a mixture of theirs, or in another's clothes."""
        if any(other.is_(self.person, sight, reading) for other in others) or _covered(reading, others) > _MOSTLY:
            return True
        return wears_anothers(reading, self.person.clothes, sight, [(other.pose, other.worn) for other in others])

    def _begins(self, who: Known, number: int, step: int) -> bool:
        """Whether the track of somebody who is known begins about there, as seen from the first frame."""
        edge = who.nearest(self._begin, step)
        return edge not in (None, self._begin) and abs(number - edge) <= _MEET_S * self._fps

    def _take(self, number: int, sight: Sight, readings: list[Pose]) -> None:
        self.person.see(number, readings, sight.clothes(readings[0], self.person.clothes))
        self.person.mirrored[number] = self._mirror.look(sight.shown, readings[0])
        if quality(readings[0]) > SURE:
            self.person.wear(self.person.worn[number])
