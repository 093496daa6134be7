# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever was seen clearly, and is in nobody's track, is looked for again when a shot has been read."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("av")

from skel_blender.engine.people.again import look_again, overlooked
from skel_blender.engine.people.person import Person
from tests.engine.stage import FPS, Stage, hips_x, pose_at
from tests.engine.test_pointed import Footage, known_track, walker

UNSEEN = SimpleNamespace(look=lambda image, pose: SimpleNamespace(result=lambda: None))


def _person(seen):
    """Somebody with a reading in each frame of {frame: Pose}."""
    return Person(np.zeros((6, 3)), {frame: [pose] for frame, pose in seen.items()}, max(seen))


def _again(people, tracks, actors, frames=40):
    """The tracks after a second look, and how many frames that took."""
    looks = []
    found = overlooked(people, tracks, FPS)
    again = look_again(Footage(frames), Stage(actors, searchable=()), UNSEEN, found, tracks, (0, frames - 1), lambda: looks.append(1))
    return again, len(looks)


def test_who_came_into_the_track_of_somebody_far_behind_gets_one_of_his_own():
    """That one was lost for good as she came out before him, and is nobody; what was seen of her begins long before."""
    she, there = walker(5, 39), known_track({n: pose_at(1000, 0.3 * n) for n in range(40)})
    mistaken = _person({n: pose_at(560, 0.0, confidence=0.4) if n < 30 else she(n) for n in range(40)})
    [first, found], looks = _again([mistaken], [there], [she])
    assert first is there and (found.frames[0], found.frames[-1]) == (5, 39) and looks
    assert np.allclose(hips_x(found), 100 + 12 * found.frames, atol=1)


def test_who_has_a_track_that_begins_late_has_it_from_where_he_was_seen():
    actor = walker(5, 39)
    late = known_track({n: actor(n) for n in range(22, 40)})
    [found], _ = _again([_person({n: actor(n) for n in range(8, 20)})], [late], [actor])
    assert (found.frames[0], found.frames[-1]) == (5, 39) and found.observed.all()


def test_he_is_the_first_of_two_whom_he_meets():
    actor = walker(0, 39)
    ends = [known_track({n: actor(n) for n in range(*span)}) for span in ((28, 40), (0, 12))]
    [joined, other], _ = _again([_person({n: actor(n) for n in range(15, 26)})], ends, [actor])
    assert 9 <= joined.frames[0] <= 12 and joined.frames[-1] == 39 and joined.observed.all() and other is ends[1]


@pytest.mark.parametrize("seen", [
    {n: pose_at(1000, 0.3 * n) for n in range(40)},  # in a track
    {n: pose_at(340, 0.3 * n) for n in range(3)},  # for a moment
    {n: pose_at(340, 0.3 * n, confidence=0.6) for n in range(40)},  # not clearly
])  # fmt: skip
def test_nobody_else_is_looked_for(seen):
    there = known_track({n: pose_at(1000, 0.3 * n) for n in range(40)})
    tracks, looks = _again([_person(seen)], [there], [seen.get])
    assert tracks == [there] and not looks


def test_who_is_much_smaller_than_others_is_not_worth_the_time():
    actor = walker(5, 39)
    large = known_track({n: actor(n) for n in range(5, 40)})
    large.keypoints_2d[..., :2] *= 2.5
    _, looks = _again([_person({n: actor(n) for n in range(5, 40)})], [large], [actor])
    assert not looks


def test_what_turns_out_to_be_nobody_stays_out():
    """He is seen in few of the frames between the first and the last."""
    there = known_track({n: pose_at(1000, 0.3 * n) for n in range(40)})
    flickers = {n: pose_at(340, 0.3 * n) for n in range(0, 40, 3)}
    tracks, looks = _again([_person(flickers)], [there], [flickers.get])
    assert tracks == [there] and looks
