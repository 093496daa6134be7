# SPDX-License-Identifier: GPL-3.0-or-later
"""One person while a clip is read: his readings, where he is expected next, and whether he is a person at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from .crops import Roi, patch
from .detect import CLEAR, STILL, Expected, PeopleFinder
from .landmarker import Pose
from .mirror import Answer
from .poses import quality, scale

_CERTAIN = 0.85  # mean quality above which somebody may stand as still as a thing, for however long
_SOON = 15  # checks, 3 s: for as long as this somebody clear may sit or stand as still as a thing
_LARGER = 2.0  # ratio of sizes in the image: nobody changes by so much while he is lost for a moment
_NEW_LOOK = 0.15  # weight of one frame's clothes in what he is known to wear
_SEEN = 0.6  # least share of the frames in which a person is seen
_VELOCITY_FRAMES = 5  # for which he is expected to move on
_WINDOW_FRAMES = 15  # over which the median of his size is taken
_MEMORY_FRAMES = 1000  # in which these are looked for


@dataclass(eq=False)
class Person:
    """A person's readings by frame number, the chosen one of a frame first."""

    clothes: np.ndarray  # (6,3) as he is known to wear them, see clothes.clothes
    readings: dict[int, list[Pose]] = field(default_factory=dict)
    last: int = -1  # the latest frame in which he was seen
    credit: float = 0.0  # thorough looks that are left; earned by being seen well, so that a blurred figure far off costs little
    worn: dict[int, np.ndarray] = field(default_factory=dict)  # clothes (6,3) by frame number
    mirrored: dict[int, Answer] = field(default_factory=dict)  # what is said of the first reading in a mirror, by frame number
    checks: dict[int, bool] = field(default_factory=dict)  # outcomes of `check` by frame number
    changes: dict[int, float] = field(default_factory=dict)  # mean change of his first window since then, grey levels, at each check
    _window: Roi | None = None
    _patch: np.ndarray | None = None

    def see(self, frame: int, readings: list[Pose], seen: np.ndarray) -> None:
        """Take a frame's readings, and the clothes (6,3) that the first of them shows."""
        self.readings[frame] = readings
        self.last = max(self.last, frame)
        self.worn[frame] = seen

    def wear(self, seen: np.ndarray) -> None:
        """Update what he is known to wear by clothes (6,3) that were just seen."""
        self.clothes = self.clothes + _NEW_LOOK * (seen - self.clothes)

    def pose(self, frame: int) -> Pose:
        return self.readings[frame][0]

    def quality(self, first: int, last: int) -> float:
        """Mean quality of the frames first to last, a missing one counting 0."""
        return sum(quality(self.pose(n)) for n in range(first, last + 1) if n in self.readings) / max(last - first + 1, 1)

    def expect(self, frame: int, step: int) -> Expected:
        """Where to look at `frame`, reached in direction `step` (1 or -1): constant velocity for a few frames, then rest."""
        # of a thousand frames a second he may be hidden for long
        nearest = min(frame - 1, self.last) if step > 0 else max(frame + 1, min(self.readings))
        around = range(nearest, nearest - step * _MEMORY_FRAMES, -step)
        seen = list(islice((n for n in around if n in self.readings), _WINDOW_FRAMES))
        pose = self.pose(seen[0])
        roi, points = pose.next_roi, pose.keypoints_2d.copy()
        px_per_m = float(np.median([scale(self.pose(n))[0] for n in seen]))
        if len(seen) > 1 and abs(seen[0] - seen[1]) <= 3:
            before = self.pose(seen[1]).next_roi
            ahead = min(abs(frame - seen[0]), _VELOCITY_FRAMES) / abs(seen[0] - seen[1])
            move = ahead * (roi.center - before.center)
            move *= min(1.0, 0.4 * px_per_m / max(float(np.hypot(*move)), 1e-6))
            turn = ahead * ((roi.angle - before.angle + np.pi) % (2 * np.pi) - np.pi)
            points[:, :2] += move
            roi = Roi(roi.center + move, roi.size, roi.angle + float(np.clip(turn, -0.6, 0.6)))
        return Expected(roi, points, px_per_m)

    def check(self, frame: int, image: np.ndarray, pose: Pose, finder: PeopleFinder) -> None:
        """Gather evidence for `is_real` from an image (H,W,3) with his pose: is it clear or confirmed, and does anything move?"""
        self.checks[frame] = quality(pose) > CLEAR or finder.confirm(image, pose)
        if self._window is None:
            self._window = pose.next_roi
        shown = patch(image, self._window)
        if self._patch is None:
            self._patch = shown
        self.changes[frame] = float(np.abs(shown - self._patch).mean())

    def is_real(self) -> bool:
        """Whether this is a person, not a thing: clear in a fifth of the frames or mostly confirmed; and alive or beyond doubt, or, if that
        can't be judged in so short a time, clear on average and always confirmed."""
        belief = [quality(poses[0]) for poses in self.readings.values()]
        span = self.last - min(self.readings) + 1
        seen = len(belief) >= _SEEN * span and (np.quantile(belief, 0.8) >= CLEAR or sum(self.checks.values()) >= len(self.checks) / 2)
        quiet = np.mean(belief) > CLEAR and len(self.checks) <= _SOON and all(self.checks.values())
        alive = len(self.changes) < 2 or np.quantile([*self.changes.values()], 0.9) > STILL or np.mean(belief) > _CERTAIN
        return bool(seen and (alive or quiet))

    def was_as_large(self, other: Person) -> bool:
        """Whether he was ever seen about as large as another usually is."""
        own, others = ([scale(poses[0])[0] for poses in one.readings.values()] for one in (self, other))
        usual = np.median(others)
        return any(1 / _LARGER < size / usual < _LARGER for size in own)

    def absorb(self, later: Person, meeting: int) -> None:
        """Continue as `later` after the frame where both meet; own readings after that are dropped."""
        for own, other in zip(self._by_frame(), later._by_frame(), strict=True):
            kept = {frame: value for frame, value in own.items() if frame <= meeting} | other
            own.clear()
            own.update(kept)
        self.last, self.clothes = later.last, later.clothes

    def replace(self, part: Person) -> None:
        """Take what a part says of its frames for what was seen in them."""
        for own, other in zip(self._by_frame(), part._by_frame(), strict=True):
            own.update(other)

    def part(self, first: int, last: int) -> Person:
        """A Person with his readings of the frames first to last."""
        part = Person(self.clothes)
        for own, whole in zip(part._by_frame(), self._by_frame(), strict=True):
            own.update({frame: value for frame, value in whole.items() if first <= frame <= last})
        part.last = max(part.readings)
        return part

    def _by_frame(self) -> tuple[dict, ...]:
        return self.readings, self.worn, self.mirrored, self.checks, self.changes
