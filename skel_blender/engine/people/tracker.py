# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is where over time: people followed through a clip, forward and a little backward, as one track each."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..footage.video import Source
from ..threads import Behind, Each, ahead
from .again import Overlooked, look_again, overlooked
from .clothes import clothes, unlike
from .detect import CLEAR, SURE, PeopleFinder
from .landmarker import Pose
from .looking import LATELY_S, LOST_S, OTHER_CLOTHES, frames_ahead, frames_in_memory, look, looking, show_one_body, wears_anothers
from .mirror import Mirror
from .overlaps import Body, Overlaps, Sight
from .person import Person
from .poses import quality, same_body, scale, similarity
from .tracks import Track, finished, prominence

SEARCH_S = 0.5  # between searches of the whole image
UPRIGHT_EVERY = 3  # searches of which one looks for upright people, too, which takes as long as all the rest
_BEHIND = 4  # frames by which `watch` may lag behind
_BEGUN_S = 0.3  # after the first frame, when somebody is seen as well as they will be: those before may be looked at again
_LATEST = 2  # frames before then, of which the clearest is where that look begins
_BETTER = 1.1  # by which factor a second look at somebody's first frames must be better to replace the first
_LEVELS, _QUICK_LEVELS = 3, 2  # of tiles, of a search that is due and of one in between


class Tracker:
    """Follows everybody through frames given in order, from the number `first` on. `each` maps looks over people; with a `mirror` every
    pose gets a second opinion."""

    def __init__(self, finder: PeopleFinder, fps: float, first: int = 0, each: Each = map, mirror: Mirror | None = None) -> None:
        self._finder, self._each, self._mirror = finder, each, mirror
        self._fps, self._first = fps, first
        self._overlaps = Overlaps(finder, fps)
        self._buffer: deque[tuple[int, np.ndarray]] = deque()
        self.people: list[Person] = []

    def prepare(self, number: int, image: np.ndarray) -> None:
        """Announce a frame that will be added, so that detection can begin; may be called from another thread."""
        due, upright = self._due(number, image)
        if due:
            self._finder.prepare(image, _LEVELS, upright)

    def add(self, number: int, image: np.ndarray) -> None:
        """Take the next frame, RGB (H,W,3)."""
        active = [p for p in self.people if number - p.last <= LOST_S * self._fps]
        self._follow(active, number, image)
        for person in active:
            if number - min(person.readings) == round(_BEGUN_S * self._fps) and number == person.last:
                self._begin_again(person, number)
        due, upright = self._due(number, image)
        if due or not active or any(number - p.last == 1 for p in active):
            begins = not self._buffer
            self._search(active, number, image, _LEVELS if due or begins else _QUICK_LEVELS, upright or begins)
        self._buffer.append((number, image))
        while len(self._buffer) > min(frames_in_memory(image), UPRIGHT_EVERY * self._interval(image)):
            self._buffer.popleft()

    def cut(self) -> list[Person]:
        """Begin a shot, of which nobody is known yet. Returns the people of the one that has ended."""
        people, self.people = self.people, []
        self._overlaps = Overlaps(self._finder, self._fps)
        self._buffer.clear()
        return people

    def _due(self, number: int, image: np.ndarray) -> tuple[bool, bool]:
        """Whether everybody is looked for in a frame, and whether upright people are, too."""
        searches, between = divmod(number - self._first, self._interval(image))
        return between == 0, between == 0 and searches % UPRIGHT_EVERY == 0

    def _interval(self, image: np.ndarray) -> int:
        return max(1, min(round(SEARCH_S * self._fps), frames_in_memory(image) - 1))

    def _follow(self, active: list[Person], number: int, image: np.ndarray) -> None:
        bodies = [Body(p, p.expect(number, 1), number - p.last <= max(1, LATELY_S * self._fps), image.shape[:2]) for p in active]
        sights = [self._overlaps.sight(number, image, body, [other for other in bodies if other is not body]) for body in bodies]
        looks = self._each(lambda body, sight: look(self._finder, self._fps, body.person, number, sight, body.expected), bodies, sights)
        found: list[tuple[float, Person, Sight, list[Pose]]] = []
        for body, sight, readings in zip(bodies, sights, list(looks), strict=True):
            readings = [r for r in readings if not self._is_of_another(r, body.person, active, sight)]
            if readings:
                age = min(len(body.person.readings) / self._fps, 1.0)
                likely = similarity(readings[0].keypoints_2d, body.expected.keypoints_2d) + age
                found.append((likely, body.person, sight, readings))
        # a body has one owner: who has been followed for long and expected it there
        taken: list[tuple[Person, Sight, Pose]] = []
        for _, person, sight, readings in sorted(found, key=lambda entry: -entry[0]):
            free = [r for r in readings if not any(show_one_body((person, sight, r), other) for other in taken)]
            if free:
                taken.append((person, sight, free[0]))
                self._take(person, number, sight, free)
                if quality(free[0]) > SURE:
                    person.wear(person.worn[number])

    def _take(self, person: Person, number: int, sight: Sight, readings: list[Pose]) -> None:
        person.see(number, readings, sight.clothes(readings[0], person.clothes))
        if self._mirror is not None:
            person.mirrored[number] = self._mirror.look(sight.shown, readings[0])

    def _is_of_another(self, pose: Pose, person: Person, active: list[Person], sight: Sight) -> bool:
        """Whether a pose wears what somebody else near it is known to wear, rather than what the person does."""
        others = [(p.pose(p.last), p.clothes) for p in active if p is not person]
        return wears_anothers(pose, person.clothes, sight, others)

    def _search(self, active: list[Person], number: int, image: np.ndarray, levels: int, upright: bool) -> None:
        known = [p.pose(number).keypoints_2d for p in active if number in p.readings]
        found = self._finder.search(image, levels, upright, known)
        hidden = [p for p in active if number not in p.readings]
        cost = np.array([[self._distance(p, pose, number) for p in hidden] for pose in found]).reshape(len(found), len(hidden))
        worn = [clothes(image, pose.keypoints_2d) for pose in found]
        dressed = np.array([[unlike(p.clothes, seen) for p in hidden] for seen in worn]).reshape(cost.shape) / (3 * OTHER_CLOTHES)
        matched = {int(i): hidden[j] for i, j in zip(*linear_sum_assignment(cost + dressed), strict=True) if cost[i, j] < 1}
        for index, pose in enumerate(found):
            person = matched.get(index)
            if person is None or number in person.readings:  # as one of the poses before, followed back, turned out to be his
                person = Person(worn[index], credit=0.2 * self._fps)
                self.people.append(person)
            self._take(person, number, Sight(image), [pose])
            self._backward(person, number)

    def _distance(self, person: Person, pose: Pose, number: int) -> float:
        """How far a pose is from where and how large a hidden person may be; it may be his if this is under 1."""
        expected = person.expect(number, 1)
        moved = float(np.hypot(*(pose.next_roi.center - expected.roi.center))) / expected.px_per_m
        reach = 0.6 + 1.5 * (number - person.last) / self._fps
        return moved / reach + 2 * abs(float(np.log(scale(pose)[0] / expected.px_per_m)))

    def _backward(self, person: Person, number: int) -> None:
        """Follow somebody who was just found back through the frames that are still in memory.

        Where he turns out to be somebody whom the tracker had before and then lost on something else, the two become one.
        """
        for earlier, image in reversed(self._buffer):
            if earlier in person.readings:
                return
            sight = Sight(image)
            readings = look(self._finder, self._fps, person, earlier, sight, person.expect(earlier, -1))
            if not readings:
                return
            others = [p for p in self.people if p is not person and earlier in p.readings]
            met = [p for p in others if same_body(p.pose(earlier).keypoints_2d, readings[0].keypoints_2d)]
            if met:
                self._join(person, met[0], earlier, number)
                return
            self._take(person, earlier, sight, readings)

    def _begin_again(self, person: Person, number: int) -> None:
        """Look back from this frame at the frames before it of somebody who was not clear in them: a detector's window may have shown half
        of him, and it takes some frames until he is seen whole."""
        begin = min(person.readings)
        if person.quality(begin, number) > CLEAR:
            return
        best = max((n for n in range(number - _LATEST, number + 1) if n in person.readings), key=lambda n: quality(person.pose(n)))
        fresh = person.part(best, number)
        for earlier, image in reversed(self._buffer):
            if earlier < begin:
                break
            if earlier >= best:
                continue
            sight = Sight(image)
            readings = look(self._finder, self._fps, fresh, earlier, sight, fresh.expect(earlier, -1))
            if not readings:
                return
            self._take(fresh, earlier, sight, readings)
        if fresh.quality(begin, number) > _BETTER * person.quality(begin, number):
            person.replace(fresh)

    def _join(self, person: Person, other: Person, meeting: int, number: int) -> None:
        """Make `person` the continuation of `other` from the frame where they meet, unless he has a past, or `other` did well without or
        is somebody behind: never as large, and out of sight from there on."""
        if min(person.readings) < meeting or other.quality(meeting + 1, number) > 0.8 * person.quality(meeting + 1, number):
            return
        if other.last <= meeting and not other.was_as_large(person):
            return
        other.absorb(person, meeting)
        self.people = [p for p in self.people if p is not person]


def find_people(
    source: Source, model_path: Path, max_people: int | None, on_progress: Callable[[int, int], None] = lambda done, total: None,
    memory: Path | None = None, watch: Callable[[int, np.ndarray, list[np.ndarray]], None] | None = None,
) -> list[Track]:
    """Tracks of the people of a clip's shots in turn, of each the most prominent first, at most `max_people` of them (None: all).

    on_progress(frames done, frames in all). watch(frame number, RGB (H,W,3), keypoints_2d (33,3) of each who is seen there) is called for
    every frame in order, by a thread of its own. What the networks see is remembered in the folder `memory`: a run that was stopped goes
    on where it was. Raises SkelError for a bad model file or footage.
    """
    with ExitStack() as stack:
        finder, mirror, people = stack.enter_context(looking(source, model_path, memory))
        tracker = Tracker(finder, float(source.fps), source.first, people, mirror)
        watching = watch and stack.enter_context(Behind(watch, _BEHIND))
        frames = stack.enter_context(closing(ahead(_announced(source, tracker), frames_ahead(source.size))))
        shots: list[tuple[list[Track], list[Overlooked], int, int]] = []
        begin, fps = source.first, float(source.fps)

        def end(last: int) -> None:
            people = tracker.cut()
            tracks = finished(people, fps, begin, last, source.size)
            shots.append((tracks, overlooked(people, tracks, fps), begin, last))

        for done, (number, image) in enumerate(frames):
            if number in source.cuts:
                end(number - 1)
                begin = number
            tracker.add(number, image)
            if watching is not None:
                watching(number, image, [person.pose(number).keypoints_2d for person in tracker.people if number in person.readings])
            on_progress(done + 1, source.count)
        end(source.frame_numbers[-1])
        return _looked_again(source, finder, mirror, shots, max_people, on_progress)


def _looked_again(
    source: Source, finder: PeopleFinder, mirror: Mirror, shots: list[tuple[list[Track], list[Overlooked], int, int]],
    max_people: int | None, on_progress: Callable[[int, int], None],
) -> list[Track]:  # fmt: skip
    """The tracks of all shots, each given with who may have been overlooked and its first and last frame, after a look for those."""
    count = source.count + sum(len(missing) * (last - first + 1) for _, missing, first, last in shots)
    done = itertools.count(source.count + 1)
    found: list[Track] = []
    for tracks, missing, first, last in shots:
        tracks = look_again(source, finder, mirror, missing, tracks, (first, last), lambda: on_progress(next(done), count))
        found += sorted(tracks, key=lambda track: -prominence(track))[:max_people]
    if count > source.count:
        on_progress(count, count)
    return found


def _announced(source: Source, tracker: Tracker) -> Iterator[tuple[int, np.ndarray]]:
    for number, image in source:
        tracker.prepare(number, image)
        yield number, image
