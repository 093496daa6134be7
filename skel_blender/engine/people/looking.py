# SPDX-License-Identifier: GPL-3.0-or-later
"""How the people of footage are looked at: by networks that remember, in threads, with an effort that each has earned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from ..footage.video import Source
from ..threads import Each, cores, pool
from .clothes import unlike
from .detect import SURE, Expected, PeopleFinder
from .landmarker import Landmarker, Pose
from .mirror import Mirror
from .overlaps import Sight
from .person import Person
from .poses import SAME_PERSON, extent, lies_on, quality, scale, similarity
from .remember import Remembering, memory_of

CREDIT_S = 2.0  # seconds of thorough looks that somebody can save up
LOST_S = 1.5  # seconds that somebody may be hidden and still be the same person
LATELY_S = 0.2  # since somebody was seen where he is expected
OTHER_CLOTHES = 20.0  # grey levels: clothes that differ by more are not the same
_BUFFER_BYTES = 400e6
_NEAR_M = 1.2  # people nearer to each other than this may be mistaken for each other,
_AS_LARGE = 2.0  # unless one is larger by more than this factor: then the other is far behind
_CONFIRM_S = 0.2  # seconds between checks that a track is a person
_AHEAD, _AHEAD_BYTES = 8, 100e6  # frames that are read, and searched, before people are followed there


@contextmanager
def looking(source: Source, model_path: Path, memory: Path | None) -> Iterator[tuple[PeopleFinder, Mirror, Each]]:
    """The finder of people, the mirror, and the `map` by which several people are looked at in parallel. Raises SkelError for a bad model
    file."""
    networks = Landmarker(model_path)
    with ExitStack() as stack:
        if memory is not None:
            networks = stack.enter_context(Remembering(networks, memory_of(memory, source.files, model_path)))
        # a pool for those who wait for others, one for these, and two for what is not urgent
        people, windows, early = (stack.enter_context(pool(cores())).map for _ in range(3))
        mirror = Mirror(networks, stack.enter_context(pool(_mirror_threads(cores()))).submit, frames_ahead(source.size))
        yield PeopleFinder(networks, windows, early), mirror, people


def look(finder: PeopleFinder, fps: float, person: Person, number: int, sight: Sight, expected: Expected) -> list[Pose]:
    """Readings of a person in frame `number`, with as much effort as he has credit for. Every _CONFIRM_S he is checked for being one."""
    readings, thorough = finder.follow(sight.shown, expected, thorough=person.credit >= 1)
    sure = bool(readings) and quality(readings[0]) > SURE
    person.credit = min(person.credit + (-1.0 if thorough else 0.1 if sure else 0.0), CREDIT_S * fps)
    if readings and number % max(1, round(_CONFIRM_S * fps)) == 0:
        person.check(number, sight.image, readings[0], finder)
    return readings


def wears_anothers(pose: Pose, own: np.ndarray, sight: Sight, others: Iterable[tuple[Pose, np.ndarray]]) -> bool:
    """Whether a pose, taken for a person in clothes `own` (6,3), shows rather the clothes of one of the `others` near it and about as
    large, given by their poses and clothes."""
    size = scale(pose)[0]
    as_large = [(other, worn) for other, worn in others if 1 / _AS_LARGE < scale(other)[0] / size < _AS_LARGE]
    near = [worn for other, worn in as_large if np.hypot(*(other.next_roi.center - pose.next_roi.center)) < _NEAR_M * size]
    seen = sight.clothes(pose, own)
    off = unlike(own, seen)
    return off > OTHER_CLOTHES and any(unlike(worn, seen) < 0.6 * off for worn in near)


def show_one_body(a: tuple[Person, Sight, Pose], b: tuple[Person, Sight, Pose]) -> bool:
    """Whether the reading of one person, `a`, shows the body that was read as another's, `b`.

    Of two people who overlap, one pose may lie on the other. Where one of them was painted over while the other was looked at, both lying
    on each other means one body, of which either saw what the paint left. Elsewhere a pose that lies on another is a part of it, but `b`
    may lie on an `a` who is much larger: that is somebody far behind.
    """
    one, other = a[2].keypoints_2d, b[2].keypoints_2d
    on_other, other_on = lies_on(one, other), lies_on(other, one)
    if a[0] in b[1].front or b[0] in a[1].front:
        shared = on_other and other_on
    else:
        shared = on_other or (other_on and extent(one) < _AS_LARGE * extent(other))
    return shared or similarity(one, other) > SAME_PERSON


def frames_in_memory(image: np.ndarray) -> int:
    """How many frames of this size the buffer may hold."""
    return max(2, int(_BUFFER_BYTES / image.nbytes))


def frames_ahead(size: tuple[int, int]) -> int:
    """How many frames of `size` px are read before they are needed."""
    return max(2, min(_AHEAD, int(_AHEAD_BYTES / (3 * size[0] * size[1]))))


def _mirror_threads(cores: int) -> int:
    """Threads that look at mirrored people: enough to keep up, and few enough to leave the landmark network to those who wait for it."""
    return max(1, min(cores // 2, 4))
