# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of people is sorted by person when the clip is at its end: by what they wear, where they are and how large."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.people.identities import identified  # noqa: E402
from skel_blender.engine.people.person import Person  # noqa: E402
from tests.engine.stage import FPS, pose_at  # noqa: E402

RED, BLUE, DARK = (np.full((6, 3), colour, np.float32) for colour in ((180, 20, 20), (20, 30, 150), (15, 15, 15)))


def seen(*parts) -> Person:
    """Somebody who was seen in `parts`: (frames, x px of the first, x px a frame, clothes)."""
    person = Person(parts[0][3])
    for frames, x, step, worn in parts:
        for k, n in enumerate(frames):
            person.see(n, [pose_at(x + step * k, 0.5 * n)], worn + np.float32(n % 3))
            person.checks[n], person.changes[n] = True, float(n)
    return person


def spans(people: list[Person]) -> list[tuple[int, int, int]]:
    return sorted((min(p.readings), p.last, len(p.readings)) for p in people)


def test_two_who_changed_places_as_they_met_are_put_right():
    one = seen((range(0, 20), 100, 10, RED), (range(20, 40), 300, 10, BLUE))
    other = seen((range(0, 20), 500, -10, BLUE), (range(20, 40), 300, -10, RED))
    people = identified([one, other], FPS)
    assert spans(people) == [(0, 39, 40), (0, 39, 40)]
    for person in people:
        worn = np.array([person.worn[n] for n in range(40)])
        assert np.abs(worn - worn[0]).max() < 5
        assert sorted(person.checks) == sorted(person.changes) == list(range(40))


def test_who_was_hidden_for_two_seconds_is_one_person_again_and_who_wears_something_else_is_not():
    before = seen((range(0, 20), 100, 10, DARK))
    back = seen((range(40, 60), 380, -5, DARK))
    other = seen((range(41, 60), 300, 5, BLUE))
    assert spans(identified([before, back, other], FPS)) == [(0, 59, 40), (41, 59, 19)]


@pytest.mark.parametrize("step, first, x", [(10, 50, 300), (10, 30, 900), (20, 24, 100), (10, 14, 250)],
                         ids=["much later", "far away", "where he had come from", "beside him"])  # fmt: skip
def test_who_wears_the_same_later_or_elsewhere_is_somebody_else(step, first, x):
    people = identified([seen((range(0, 20), 100, step, DARK)), seen((range(first, first + 20), x, 5, DARK))], FPS)
    assert len(people) == 2


def test_who_is_suddenly_twice_as_large_is_somebody_else():
    later = seen((range(22, 42), 300, 5, DARK))
    for readings in later.readings.values():
        readings[0] = replace(readings[0], keypoints_2d=readings[0].keypoints_2d * [2, 2, 1])
    assert len(identified([seen((range(0, 20), 100, 10, DARK)), later], FPS)) == 2


def test_two_glimpses_at_one_time_are_two_people():
    """Each could go on as the other: nobody may come before himself."""
    both = [seen((range(0, 8), x, 0, DARK)) for x in (100, 110)]
    assert spans(identified(both, 30.0)) == [(0, 7, 8), (0, 7, 8)]


def test_what_was_seen_too_briefly_to_tell_its_clothes_is_left_to_itself():
    glimpse = seen((range(22, 25), 310, 10, DARK))
    assert spans(identified([seen((range(0, 20), 100, 10, DARK)), glimpse, seen((range(27, 40), 360, 10, DARK))], FPS)) == [
        (0, 39, 33), (22, 24, 3),
    ]  # fmt: skip


def test_who_takes_off_a_coat_stays_one_person():
    whole = seen((range(0, 20), 100, 5, RED), (range(20, 40), 200, 5, BLUE))
    [person] = identified([whole], FPS)
    assert list(person.readings) == list(range(40)) and person.last == 39


def test_what_somebody_was_mistaken_for_is_left_to_itself():
    """Who walks on in black is found again after his track had jumped to a man in red, who stands."""
    jumped = seen((range(0, 20), 100, 10, DARK), (range(20, 32), 320, 0, RED))
    walks = seen((range(24, 50), 340, 10, DARK))
    assert spans(identified([jumped, walks], FPS)) == [(0, 49, 46), (20, 31, 12)]
