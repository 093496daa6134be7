# SPDX-License-Identifier: GPL-3.0-or-later
"""People keep their identity and their sides, from the first frame that shows them to the last."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("av")

from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.people.poses import scale
from skel_blender.engine.people.tracker import Tracker, find_people
from skel_blender.engine.people.tracks import finished
from tests import clips
from tests.engine.stage import FPS, IMAGE, PX_PER_M, Stage, hips_x, pose_at, track


def test_two_people_who_pass_each_other_keep_their_identity():
    def rightward(n):
        return pose_at(100 + 15 * n, 0.7 * n)

    def leftward(n):  # hidden behind the other for half a second
        return None if 18 <= n < 23 else pose_at(700 - 15 * n, 0.9 * n)

    tracks = track(Stage([rightward, leftward]), 40)
    assert len(tracks) == 2
    for person in tracks:
        assert (person.frames[0], person.frames[-1]) == (0, 39)
        steps = np.diff(hips_x(person))
        assert np.allclose(np.abs(steps), 15, atol=1) and len(set(np.sign(steps))) == 1
    hidden = next(t for t in tracks if hips_x(t)[0] > 400)
    assert not hidden.observed[18:23].any() and hidden.observed[[17, 23]].all()
    assert (hidden.keypoints_2d[18:23, :, 2] == 0).all()


def test_two_people_side_by_side_are_told_apart_by_what_they_wear():
    def ahead(n):
        return pose_at(160 + 15 * n, 0.7 * n)

    def behind(n):
        return None if 20 <= n < 23 else pose_at(120 + 15 * n, 0.9 * n)

    class Close(Stage):
        """While the one behind is hidden, who looks for either sees the one ahead in the other's window alone."""

        def follow(self, image, expected, thorough):
            number = int(image[0, 0, 0])
            if not 20 <= number < 23:
                return super().follow(image, expected, thorough)
            follows_behind = abs(expected.roi.center[0] - 120 - 15 * number) < 20
            return ([ahead(number)] if follows_behind else []), False

    tracker = Tracker(Close([ahead, behind], searchable=[0, *range(23, 60)]), FPS)
    for number in range(40):
        image = np.full_like(IMAGE, 4 * number)
        image[:, 105 + 15 * number : 140 + 15 * number] = (200, 30, 30)
        image[:, 140 + 15 * number : 190 + 15 * number] = (20, 30, 120)
        image[0, 0, 0] = number
        tracker.add(number, image)
    tracks = finished(tracker.people, FPS, 0, 39, (1280, 720))
    starts_ends = sorted((round(float(hips_x(t)[0])), round(float(hips_x(t)[-1]))) for t in tracks)
    assert starts_ends == [(120, 120 + 15 * 39), (160, 160 + 15 * 39)]


def test_somebody_found_late_is_followed_back_to_where_he_came_in():
    def late(n):
        return pose_at(50 + 20 * n, 0.5 * n) if n >= 7 else None

    [person] = track(Stage([late], searchable=range(10, 100)), 30)
    assert (person.frames[0], person.frames[-1]) == (7, 29)
    assert person.observed.all()


def test_whoever_was_seen_only_in_part_at_first_is_looked_at_again_from_when_he_was_seen_whole():
    """A detector's window shows half of him, which the next frames' windows, made from that, only slowly outgrow."""

    class Narrow(Stage):
        """Sees half of him in a window that comes from half of him, but for the last of those frames."""

        def search(self, image, levels, upright, known):
            return [half(int(image[0, 0, 0])) for pose in super().search(image, levels, upright, known)]

        def follow(self, image, expected, thorough):
            number = int(image[0, 0, 0])
            of_half = float(np.ptp(expected.keypoints_2d[:, 1])) < PX_PER_M
            return ([half(number)] if of_half and number < 2 else super().follow(image, expected, thorough)[0]), False

    def whole(n):
        return pose_at(300 + 5 * n, 0.4 * n)

    def half(n):
        pose = whole(n)
        points = pose.keypoints_2d.copy()
        points[:, 1] = 0.3 * points[:, 1] + 0.7 * 280
        points[:, 2] = 0.5
        return replace(pose, keypoints_2d=points)

    [person] = track(Narrow([whole]), 40)
    np.testing.assert_array_equal(person.frames, np.arange(40))
    for n in person.frames:
        np.testing.assert_allclose(np.ptp(person.keypoints_2d[n, :, 1]), np.ptp(whole(n).keypoints_2d[:, 1]), atol=20)


def test_somebody_who_leaves_for_long_and_another_who_comes_are_two():
    def first(n):
        return pose_at(500 + 20 * n, 0.5 * n) if n < 12 else None

    def second(n):
        return pose_at(200 + 5 * n, 0.8 * n) if n >= 32 else None

    tracks = track(Stage([first, second]), 60)
    assert [(t.frames[0], t.frames[-1]) for t in sorted(tracks, key=lambda t: t.frames[0])] == [(0, 11), (32, 59)]


def test_somebody_lost_on_a_thing_beside_him_is_one_person_again():
    def jumper(n):
        return pose_at(300 + (25 * max(0, n - 15)), 0.4 * n)

    class Misled(Stage):
        """Loses the jumper to a thing in his old place, which looks much less like a person."""

        def follow(self, image, expected, thorough):
            readings, _ = super().follow(image, expected, thorough)
            number = int(image[0, 0, 0])
            if 16 <= number <= 24 and abs(expected.roi.center[0] - 300) < 45:
                return [pose_at(300, 0.0, confidence=0.35)], False
            return readings, False

    tracks = track(Misled([jumper]), 45)
    [person] = [t for t in tracks if t.frames[-1] == 44]
    assert person.frames[0] == 0
    moving = person.frames >= 18
    np.testing.assert_allclose(hips_x(person)[moving], 300 + 25 * (person.frames[moving] - 15), atol=30)


def test_of_two_who_are_found_where_one_was_lost_one_is_him_and_the_other_somebody_new():
    """The first, followed back, turns out to be who was lost; the second is found where that one was expected."""
    def runner(n):
        return pose_at(300 + 40 * max(0, n - 10), 0.4 * n)

    def newcomer(n):
        return pose_at(310 + 5 * (n - 15), 0.6 * n) if n >= 15 else None

    class Loses(Stage):
        def follow(self, image, expected, thorough):
            if 11 <= int(image[0, 0, 0]) <= 15 and abs(expected.roi.center[0] - 300) < 25:
                return [], False
            return super().follow(image, expected, thorough)

    tracks = track(Loses([runner, newcomer], searchable=[0, 15]), 28)
    assert [(t.frames[0], t.frames[-1], t.observed.all()) for t in tracks] == [(0, 27, True), (15, 27, True)]
    assert hips_x(tracks[0])[15] == pytest.approx(500, abs=1) and hips_x(tracks[1])[0] == pytest.approx(310, abs=1)


def test_who_comes_in_before_somebody_far_off_is_not_taken_for_him():
    """The one far off lies on the one near when he is met, and is hidden from there on."""
    def near(n):
        return pose_at(280 + 20 * n, 0.5 * n) if n >= 7 else None

    def far(n):
        if n > 7:
            return None
        pose = pose_at(420, 0.5 * n)
        small = pose.keypoints_2d.copy()
        small[:, :2] = (420, 300) + (small[:, :2] - (420, 300)) / 6
        return replace(pose, keypoints_2d=small, next_roi=replace(pose.next_roi, size=pose.next_roi.size / 6))

    class OfLikeSize(Stage):
        def follow(self, image, expected, thorough):
            return [p for p in super().follow(image, expected, thorough)[0] if 0.6 < scale(p)[0] / expected.px_per_m < 1.7], False

    tracks = track(OfLikeSize([near, far], searchable=[0, *range(10, 100)]), 30)
    assert sorted((t.frames[0], t.frames[-1]) for t in tracks) == [(0, 7), (8, 29)]


def test_a_glimpse_and_an_unsure_thing_are_no_people():
    def walker(n):
        return pose_at(100 + 10 * n, 0.7 * n)

    def glimpse(n):
        return pose_at(800, 0.0) if 20 <= n < 23 else None

    def thing(n):
        return pose_at(600, 2.1 * n, confidence=0.48)

    tracks = track(Stage([walker, glimpse, thing]), 40)
    assert len(tracks) == 1
    assert np.allclose(np.diff(hips_x(tracks[0])), 10, atol=1)


def test_a_thing_that_looks_like_a_person_is_none_while_nothing_moves():
    tracks = {}
    for alive in (False, True):
        stage = Stage([lambda n: pose_at(600, 0.0, confidence=0.7)])
        tracker = Tracker(stage, FPS)
        for number in range(30):
            image = IMAGE.copy()
            image[200:400, 550:650] = 100 + (3 * number if alive else number % 2)
            image[0, 0, 0] = number
            tracker.add(number, image)
        tracks[alive] = len(finished(tracker.people, FPS, 0, 29, (1280, 720)))
    assert tracks == {False: 0, True: 1}


def test_a_wild_guess_as_somebody_leaves_is_cut_off_and_one_in_between_is_bridged():
    def walker(n):
        right = pose_at(100 + 5 * n, 0.4 * n)
        return replace(right, landmarks_3d=-2 * right.landmarks_3d) if n in (12, 29) else right

    [person] = track(Stage([walker]), 30)
    assert (person.frames[0], person.frames[-1]) == (0, 28)
    assert np.flatnonzero(~person.observed).tolist() == [12]
    np.testing.assert_allclose(person.landmarks_3d[12], (person.landmarks_3d[11] + person.landmarks_3d[13]) / 2, atol=1e-6)


def test_who_appears_from_nowhere_stays_in_place_and_is_gone_is_none():
    def walker(n):
        return pose_at(100 + 10 * n, 0.7 * n)

    def brief(speed):
        return lambda n: pose_at(700 + speed * n, 0.3 * n) if 15 <= n < 25 else None

    assert len(track(Stage([walker, brief(0)]), 40)) == 1
    assert len(track(Stage([walker, brief(10)]), 40)) == 2


def test_people_come_in_order_of_prominence():
    def small(n):
        return pose_at(800, 0.7 * n) if n > 25 else None

    tracks = track(Stage([small, lambda n: pose_at(200, 0.5 * n)]), 40)
    assert [round(float(hips_x(t).mean())) for t in tracks] == [200, 800]


def test_a_real_clip_of_one_person_gives_one_whole_track(landmark_model):
    source = open_source([clips.WALKER], (0, 59))
    progress = []
    [person] = find_people(source, landmark_model, None, lambda done, total: progress.append((done, total)))
    assert person.frames.tolist() == list(range(60)) and person.observed.all()
    assert progress[-1] == (60, 60) and source.fps == Fraction(30)
    assert (person.keypoints_2d[:, LIMBS, 2].mean(1) > 0.6).all()
    left, right = person.keypoints_2d[:, LIMBS[0::2], 0], person.keypoints_2d[:, LIMBS[1::2], 0]
    assert (left[:, [0, 3]] > right[:, [0, 3]]).all()  # she faces the camera: shoulders and hips
    steps = np.linalg.norm(np.diff(person.landmarks_3d[:, LIMBS], axis=0), axis=2)
    assert np.median(steps) < 0.04 and steps[:, [0, 1, 6, 7]].max() < 0.25  # the trunk never turns over between two frames


def test_a_somersault_is_followed_through(landmark_model):
    source = open_source([clips.sports2d_demo()], (156, 188))
    jumper, walker = find_people(source, landmark_model, 2)
    if jumper.keypoints_2d[0, 0, 1] > walker.keypoints_2d[0, 0, 1]:
        jumper, walker = walker, jumper
    for person in (jumper, walker):
        assert person.observed.sum() >= 32
    trunk = jumper.keypoints_2d[:, [11, 12], :2].mean(1) - jumper.keypoints_2d[:, [23, 24], :2].mean(1)
    turned = np.degrees(np.unwrap(np.arctan2(trunk[:, 0], -trunk[:, 1])))
    assert turned[-1] - turned[0] > 250  # forward, over the head
    hips = jumper.keypoints_2d[:, [23, 24], :2].mean(1)
    assert np.hypot(*np.diff(hips, axis=0).T).max() < 60
