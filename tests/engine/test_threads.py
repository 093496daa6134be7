# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in several threads: the same in the same order, no more of it than was allowed, and none after its end."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.people.tracker import Tracker  # noqa: E402
from skel_blender.engine.people.tracks import finished  # noqa: E402
from skel_blender.engine.threads import Behind, ahead, pool  # noqa: E402
from tests.engine.stage import FPS, IMAGE, Stage, pose_at  # noqa: E402


def test_items_come_in_order_and_only_so_many_ahead():
    made = []

    def items():
        for number in range(20):
            time.sleep(0.001)  # in which a second thread would ask for the next one
            made.append((number, threading.get_ident()))
            yield number

    coming = ahead(items(), 3)
    taken = []
    for number in coming:
        time.sleep(0.002)
        assert len(made) <= number + 1 + 3
        taken.append(number)
    assert taken == list(range(20))
    assert {thread for _, thread in made} != {threading.get_ident()}


def test_what_making_an_item_raises_comes_after_those_before_it():
    def items():
        yield 1
        raise KeyError("broken")

    coming = ahead(items(), 4)
    assert next(coming) == 1
    with pytest.raises(KeyError, match="broken"):
        next(coming)


def test_closing_ends_the_making():
    made = []

    def items():
        for number in range(1000):
            made.append(number)
            yield number

    before = threading.active_count()
    with closing(ahead(items(), 2)) as coming:
        next(coming)
    assert threading.active_count() == before and len(made) <= 4


def test_calls_are_made_in_order_by_one_thread_and_all_of_them():
    calls, open_gate = [], threading.Event()

    def call(number):
        open_gate.wait()
        calls.append((number, threading.get_ident()))

    before = threading.active_count()
    with Behind(call, 3) as behind:
        for number in range(3):
            behind(number)
        assert not calls  # the caller goes on
        open_gate.set()
        for number in range(3, 30):
            behind(number)
            assert len(calls) >= number - 2
    assert [number for number, _ in calls] == list(range(30)) and len({thread for _, thread in calls}) == 1
    assert threading.active_count() == before


def test_what_a_call_raises_reaches_the_caller_at_last():
    def call(number):
        if number == 2:
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"), Behind(call, 50) as behind:
        for number in range(3):
            behind(number)


def test_who_fails_waits_only_for_the_call_that_was_begun():
    made = []
    with pytest.raises(KeyError), Behind(lambda number: (time.sleep(0.05), made.append(number)), 50) as behind:
        for number in range(50):
            behind(number)
        raise KeyError
    assert len(made) <= 2


def test_who_stops_waits_only_for_what_was_begun():
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(0.05)

    with pytest.raises(KeyboardInterrupt), pool(2) as threads:
        threads.map(work, range(200))
        raise KeyboardInterrupt
    assert len(begun) < 20


def test_exactly_the_searches_that_are_prepared_are_made_later_in_the_same_frames():
    class Noted(Stage):
        def __init__(self):
            super().__init__([lambda n: pose_at(100 + 5 * n, 0.4 * n) if n < 40 else None])
            self.prepared, self.searched = [], []

        def prepare(self, image, levels, upright):
            self.prepared.append((int(image[0, 0, 0]), levels, upright))

        def search(self, image, levels, upright, known):
            self.searched.append((int(image[0, 0, 0]), levels, upright))
            return super().search(image, levels, upright, known)

    stage = Noted()
    tracker = Tracker(stage, FPS, first=7)
    images = [np.full_like(IMAGE, number) for number in range(60)]
    for number in range(7, 60):
        if number + 4 < 60:
            tracker.prepare(number + 4, images[number + 4])
        tracker.add(number, images[number])
    due = [search for search in stage.searched if search[0] % 5 == 2]
    assert stage.prepared == [search for search in due if search[0] >= 11] and [search[0] for search in due] == list(range(7, 60, 5))
    assert [upright for _, _, upright in due] == [True, False, False] * 3 + [True, False]
    assert len(stage.searched) > len(due) and not any(upright for n, _, upright in stage.searched if n % 5 != 2)


def test_people_who_are_looked_for_by_threads_are_followed_as_by_one():
    def walkers(n):
        return [pose_at(100 + 5 * n, 0.4 * n), pose_at(500 + 3 * n, 0.3 * n), pose_at(900 - 4 * n, 0.5 * n)]

    tracks = []
    with ThreadPoolExecutor(3) as threads:
        for each in (map, threads.map):
            tracker = Tracker(Stage([lambda n, k=k: walkers(n)[k] for k in range(3)]), FPS, each=each)
            for number in range(30):
                image = np.full_like(IMAGE, 4 * number)
                image[0, 0, 0] = number
                tracker.add(number, image)
            tracks.append(finished(tracker.people, FPS, 0, 29, (1280, 720)))
    assert len(tracks[0]) == len(tracks[1]) == 3
    for alone, together in zip(*tracks, strict=True):
        np.testing.assert_array_equal(alone.keypoints_2d, together.keypoints_2d)
