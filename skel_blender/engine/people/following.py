# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows a person who was seen in one frame, and is in no track, from there through his shot, forward and backward."""

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
from .looking import CREDIT_S, LATELY_S, LOST_S, frames_in_memory, look, show_one_body, wears_anothers
from .mirror import Mirror
from .overlaps import Body, Overlaps, Sight
from .person import Person
from .poses import quality, scale
from .tracks import Track

_MEET_S = 1.0  # around the near end of a known track: whoever is met there may be the same person
_ONE_S = 0.3  # meetings for as long as this make them the same
_SELDOM = 0.25  # whoever is seen in a smaller share of the last LOST_S is lost
_MOSTLY = 0.6  # a pose of which a larger share lies on other people is a mixture of them
_REACH = 1.25  # half side of a known person's window, by the distance from the hips to the farthest landmark


@dataclass(eq=False)
class Known:
    """A person who has a track: his number, the track, and the Person that stands for him in Overlaps."""

    number: int
    track: Track
    person: Person = field(default_factory=lambda: Person(np.full((6, 3), np.nan)))

    def pose(self, frame: int) -> Pose | None:
        """His pose in a frame; None where he was not seen."""
        row = frame - int(self.track.frames[0])
        if not (0 <= row < len(self.track.frames) and self.track.observed[row]):
            return None
        points = self.track.keypoints_2d[row]
        hips = points[HIPS, :2].mean(0)
        tip = points[np.hypot(*(points[:, :2] - hips).T).argmax(), :2]
        return Pose(points, self.track.landmarks_3d[row], 1.0, between(hips, tip, _REACH))

    def nearest(self, frame: int, step: int) -> int | None:
        """The nearest frame in which he is seen, from `frame` on in a direction (1 or -1)."""
        seen = self.track.frames[self.track.observed]
        beyond = seen[(seen - frame) * step >= 0]
        return int(beyond[np.abs(beyond - frame).argmin()]) if len(beyond) else None


@dataclass(eq=False)
class Neighbour:
    """A known person as seen in the image in which somebody else is looked for."""

    who: Known
    pose: Pose
    image: np.ndarray

    @cached_property
    def body(self) -> Body:
        return Body(self.who.person, expected_at(self.pose), True, self.image.shape[:2])

    @cached_property
    def worn(self) -> np.ndarray:
        return clothes(self.image, self.pose.keypoints_2d)

    def has_body_of(self, person: Person, sight: Sight, reading: Pose) -> bool:
        """Whether a reading of another person shows his body."""
        return show_one_body((person, sight, reading), (self.who.person, Sight(self.image), self.pose))


def follow(
    source: Source, finder: PeopleFinder, mirror: Mirror, seen: tuple[int, np.ndarray, Pose], known: list[Known], shot: tuple[int, int],
    on_frame: Callable[[], None],
) -> tuple[Person, int | None]:  # fmt: skip
    """The person as seen from the first to the last frame of a shot, and the number of the known person who he turns out to be; None:
    somebody new.

    seen: a frame's number, its image, and his pose there. source: footage that was read before; on_frame is called for every frame.
    """
    frame, image, pose = seen
    first, last = shot
    follower = _Follower(finder, mirror, float(source.fps), known, frame)
    follower.begin(image, pose)
    for step, frames in ((1, source.frames(frame + 1, last)), (-1, _backward(source, frame, first, frames_in_memory(image)))):
        for _ in follower.follow(frames, step):
            on_frame()
    person = next(part for part in parts(follower.person, float(source.fps)) if frame in part.readings)
    return person, follower.goes_on_as


def _backward(source: Source, frame: int, first: int, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """The frames before `frame`, the latest first, down to `first`; at most `most` are in memory."""
    for end in range(frame, first, -most):
        yield from reversed(list(source.frames(max(first, end - most), end - 1)))


def expected_at(pose: Pose) -> Expected:
    """Where a person is expected who was just seen in a pose."""
    return Expected(pose.next_roi, pose.keypoints_2d, scale(pose)[0])


def _share_on_others(pose: Pose, others: list[Neighbour]) -> float:
    """Share of a pose's limb joints, weighted by confidence, that lie on other people."""
    if not others:
        return 0.0
    points = pose.keypoints_2d[LIMBS]
    column, row = np.clip(np.round(points[:, :2]).astype(int), 0, np.array(others[0].image.shape[1::-1]) - 1).T
    return float(np.average(np.any([other.body.silhouette[row, column] for other in others], axis=0), weights=points[:, 2] + 1e-3))


class _Follower:
    """Follows a person from the frame `begin` among known ones. goes_on_as: the number of the known person who he turned out to be."""

    def __init__(self, finder: PeopleFinder, mirror: Mirror, fps: float, known: list[Known], begin: int) -> None:
        self._finder, self._mirror, self._fps, self._begin, self._known = finder, mirror, fps, begin, known
        self._overlaps = Overlaps(finder, fps)
        self.goes_on_as: int | None = None

    def begin(self, image: np.ndarray, pose: Pose) -> None:
        """Take the frame `begin` and his pose in it."""
        self.person = Person(clothes(image, pose.keypoints_2d), credit=CREDIT_S * self._fps)
        self._take(self._begin, Sight(image), [pose])

    def follow(self, frames: Iterator[tuple[int, np.ndarray]], step: int) -> Iterator[int]:
        """Look for him in frames of a direction (1 or -1) until he is lost or goes on as a known person; yields each frame's number."""
        seen, person, met = self._begin, self.person, Counter()
        span = max(1, round(LOST_S * self._fps))
        lately = deque([True] * span, maxlen=span)
        for number, image in frames:
            there = [Neighbour(who, pose, image) for who in self._known if (pose := who.pose(number)) is not None]
            body = Body(person, person.expect(number, step), abs(number - seen) <= max(1, LATELY_S * self._fps), image.shape[:2])
            sight = self._overlaps.sight(number, image, body, [other.body for other in there])
            readings = look(self._finder, self._fps, person, number, sight, body.expected)
            begun = [other for other in there if self._begins(other.who, number, step)]
            met.update(other.who for other in begun if readings and other.has_body_of(person, sight, readings[0]))
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

    def _is_of_others(self, reading: Pose, sight: Sight, others: list[Neighbour]) -> bool:
        """Whether a reading shows another's body, a mixture of others', or another's clothes."""
        if any(other.has_body_of(self.person, sight, reading) for other in others) or _share_on_others(reading, others) > _MOSTLY:
            return True
        return wears_anothers(reading, self.person.clothes, sight, [(other.pose, other.worn) for other in others])

    def _begins(self, who: Known, number: int, step: int) -> bool:
        """Whether the frame `number` is near the end of a known track that faces the frame from which he is followed."""
        edge = who.nearest(self._begin, step)
        return edge not in (None, self._begin) and abs(number - edge) <= _MEET_S * self._fps

    def _take(self, number: int, sight: Sight, readings: list[Pose]) -> None:
        self.person.see(number, readings, sight.clothes(readings[0], self.person.clothes))
        self.person.mirrored[number] = self._mirror.look(sight.shown, readings[0])
        if quality(readings[0]) > SURE:
            self.person.wear(self.person.worn[number])
