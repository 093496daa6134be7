# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody whom nobody found is pointed at in one frame, and followed from there, both ways."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("av")

from skel_blender import who
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.people import following, pointed
from skel_blender.engine.people.detect import CLEAR, PeopleFinder
from skel_blender.engine.people.landmarker import Landmarker
from skel_blender.engine.people.looking import LOST_S
from skel_blender.engine.people.pointed import find_pointed
from skel_blender.engine.people.poses import extent, quality
from skel_blender.engine.people.tracker import find_people
from skel_blender.engine.people.tracks import without_holes
from skel_blender.engine.people.who import sorted_out
from skel_blender.messages import SkelError
from tests import clips
from tests.engine.stage import FPS, Stage, hips_x, pose_at

SIZE = (1280, 720)


class Footage:
    """Frames of one colour that changes, 0 to `count` - 1, their number in the first pixel; they were read before."""

    fps, size, first = Fraction(int(FPS)), SIZE, 0

    def __init__(self, count, cuts=()):
        self.frame_numbers, self.cuts, self.asked = list(range(count)), list(cuts), []

    def frames(self, first, last):
        for number in range(first, min(last, self.frame_numbers[-1]) + 1):
            self.asked.append(number)
            image = np.full((SIZE[1], SIZE[0], 3), 2 * number, np.uint8)
            image[0, 0, 0] = number
            yield number, image


@pytest.fixture
def point(monkeypatch):
    """Points at somebody on a stage: (stage, footage, what is said, known tracks) -> find_pointed's answer."""

    def ask(stage, footage, text, known=None):
        unseen = SimpleNamespace(look=lambda image, pose: SimpleNamespace(result=lambda: None))

        @contextmanager
        def looking(*_):
            yield stage, unseen, map

        monkeypatch.setattr(pointed, "looking", looking)
        [one] = who.read(text)
        return find_pointed(footage, Path("model"), None, lambda done, total: None, one, known or {})

    return ask


def known_track(seen):
    """The track of who is read in frames: {frame: Pose}."""
    return without_holes(np.array(list(seen)), np.array([p.keypoints_2d for p in seen.values()]),
                         np.array([p.landmarks_3d for p in seen.values()]), None)  # fmt: skip


def walker(first, last, begin=100.0, step=12.0):
    """Somebody who walks to the right in frames first to last."""
    return lambda n: pose_at(begin + step * n, 0.7 * n) if first <= n <= last else None


def test_who_is_pointed_at_is_followed_both_ways_to_where_he_comes_in_and_goes_out(point, monkeypatch):
    monkeypatch.setattr(following, "frames_in_memory", lambda image: 4)  # he goes back through more frames than are in memory at once
    actor, footage = walker(5, 33), Footage(40)
    track, goes_on = point(Stage([actor], searchable=()), footage, "+340:300@20")
    assert goes_on is None and (track.frames[0], track.frames[-1]) == (5, 33) and track.observed.all()
    assert np.allclose(hips_x(track), 100 + 12 * track.frames, atol=1)
    assert set(footage.asked) == set(range(40))


def test_the_end_of_his_shot_ends_him(point):
    track, _ = point(Stage([walker(0, 39)], searchable=()), Footage(40, cuts=(10, 30)), "+340:300@20")
    assert (track.frames[0], track.frames[-1]) == (10, 29)


def test_who_is_lost_for_long_is_not_waited_for(point):
    footage = Footage(200)
    track, _ = point(Stage([walker(5, 33)], searchable=()), footage, "+340:300@20")
    assert track.frames[-1] == 33 and max(footage.asked) < 33 + 2 * LOST_S * FPS


def test_he_goes_on_as_somebody_who_was_found_where_that_one_begins(point):
    """And who that is keeps his number; later people keep theirs."""
    actor = walker(5, 39)
    found = known_track({n: actor(n) for n in range(22, 40)})
    other = known_track({n: pose_at(1000, 0.3 * n) for n in range(40)})
    footage, stage = Footage(40), Stage([actor], searchable=())
    track, goes_on = point(stage, footage, "+160:300@5", {1: other, 2: found})
    assert goes_on == 2 and track.frames[0] == 5 and 22 <= track.frames[-1] < 22 + LOST_S * FPS
    people = sorted_out([other, found], who.read("+160:300@5"), (), lambda one, known: point(stage, footage, str(one), known))
    assert [person.number for person in people] == [1, 2]
    assert (people[1].frames[0], people[1].frames[-1]) == (5, 39) and people[1].observed.all()
    assert np.array_equal(people[1].keypoints_2d[17:], found.keypoints_2d)


def test_somebody_new_gets_the_next_number_in_the_order_of_what_is_said(point):
    actor = walker(5, 39)
    other = known_track({n: pose_at(1000, 0.3 * n) for n in range(40)})
    footage, stage = Footage(40), Stage([actor], searchable=())
    people = sorted_out([other], who.read("1@20,+160:300@5,2-"), (), lambda one, known: point(stage, footage, str(one), known))
    assert [person.number for person in people] == [1, 3]
    assert (people[0].frames[-1], people[1].frames[0], people[1].frames[-1]) == (19, 5, 39)


def test_whose_track_slips_onto_him_at_its_end_is_somebody_else(point):
    """As of people far behind, whom nobody sees any more: for two frames the track of one lies on him."""
    actor = walker(5, 39)
    slipped = known_track({n: pose_at(900 - 20 * n, 0.3 * n) if n < 22 else actor(n) for n in range(24)})
    track, goes_on = point(Stage([actor], searchable=()), Footage(40), "+520:300@35", {1: slipped})
    assert goes_on is None and (track.frames[0], track.frames[-1]) == (5, 39)


def test_who_passes_somebody_known_stays_who_he_is(point):
    def known(n):
        return pose_at(700 - 15 * n, 0.9 * n)

    actor = walker(0, 39, step=15.0)
    other = known_track({n: known(n) for n in range(40)})
    track, goes_on = point(Stage([actor, known], searchable=()), Footage(40), "+175:300@5", {1: other})
    assert goes_on is None and (track.frames[0], track.frames[-1]) == (0, 39)
    assert np.allclose(hips_x(track)[track.observed], 100 + 15 * track.frames[track.observed], atol=1)


def test_a_mixture_of_other_people_is_not_him(point):
    """He goes behind three others, and the network reads the arms of one, the hands of the next and the legs of the third."""
    actor, places = walker(0, 15, step=40.0), (700, 770, 840)
    abreast = [known_track({n: pose_at(x, 0.0) for n in range(40)}) for x in places]

    def mixture(n):
        parts = [pose_at(x, 0.0).keypoints_2d for x in places]
        read = np.concatenate([parts[0][:15], parts[1][15:25], parts[2][25:]])
        return replace(pose_at(700, 0.0), keypoints_2d=read) if n > 15 else None

    known = dict(enumerate(abreast, 1))
    assert not point(Stage([actor, mixture], searchable=()), Footage(40), "+100:300@0", known)[0].frames[-1] > 15
    assert point(Stage([actor, mixture], searchable=()), Footage(40), "+100:300@0")[0].frames[-1] > 15


@pytest.mark.parametrize("text, sentence", [
    ("+340:300@60", "Frame 60 is not in the part that is reconstructed.*frames 0 to 39"),
    ("+1280:300@20", "image ends before 1280:300.*1280 x 720 px"),
    ("+340:300@2", "Nobody can be made out at 340:300 in frame 2.*hips"),
    ("+1000:300@20", "The person at 1000:300 in frame 20 is Person 3"),
    ("+700:300@20", "The person at 700:300 in frame 20 can't be tracked"),
])  # fmt: skip
def test_what_can_not_be_done_is_said_in_a_sentence(point, text, sentence):
    known = known_track({n: pose_at(1000, 0.3 * n) for n in range(40)})
    actors = [walker(5, 33), lambda n: pose_at(1000, 0.3 * n), lambda n: pose_at(700, 0.0) if 19 <= n <= 21 else None]
    with pytest.raises(SkelError, match=sentence):
        point(Stage(actors, searchable=()), Footage(40), text, {3: known})


@pytest.mark.parametrize("height", [0, 40], ids=["hips", "trunk"])
def test_a_real_person_is_found_and_followed_as_if_nobody_had_pointed(landmark_model, height):
    source = open_source([clips.WALKER], (0, 59))
    [found] = find_people(source, landmark_model, None)
    row = 30 - int(found.frames[0])
    x, y = found.keypoints_2d[row, [23, 24], :2].mean(0).round().astype(int)
    [one] = who.read(f"+{x}:{y - height}@30")
    progress = []
    track, goes_on = find_pointed(source, landmark_model, None, lambda *done: progress.append(done), one, {})
    assert goes_on is None and abs(len(track.frames) - len(found.frames)) <= 2
    both = np.intersect1d(track.frames, found.frames)
    there, here = (part.keypoints_2d[both - part.frames[0]] for part in (found, track))
    px_per_m = np.linalg.norm(found.keypoints_2d[row, 11, :2] - found.keypoints_2d[row, 23, :2]) / 0.5
    assert np.median(np.linalg.norm(there[..., :2] - here[..., :2], axis=-1)) / px_per_m < 0.01
    assert progress[-1] == (60, 60) and [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert source.frame_numbers == list(range(60))


@pytest.mark.parametrize("turns", range(4))
def test_who_is_pointed_at_may_lie_or_be_upside_down(landmark_model, turns):
    source = open_source([clips.WALKER], (30, 30))
    [found] = find_people(source, landmark_model, None)
    _, image = next(source.frames(30, 30))
    place = found.keypoints_2d[0, [23, 24], :2].mean(0)
    for _ in range(turns):
        place = np.array([place[1], image.shape[1] - 1 - place[0]])
        image = np.ascontiguousarray(np.rot90(image))
    best = PeopleFinder(Landmarker(landmark_model)).at(image, place)[0]
    assert quality(best) > CLEAR and np.hypot(*(best.keypoints_2d[[23, 24], :2].mean(0) - place)) < 0.1 * extent(best.keypoints_2d)
