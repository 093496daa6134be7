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

from skel_blender.engine.crops import between
from skel_blender.engine.detect import Expected
from skel_blender.engine.landmarker import Pose
from skel_blender.engine.poses import LIMBS, same_body
from skel_blender.engine.sides import steadiest, swap_orders
from skel_blender.engine.track import Tracker, find_people
from skel_blender.engine.tracks import Track, cut_to_image, finished
from skel_blender.engine.video import open_source
from tests import clips

PX_PER_M = 100.0
FPS = 10.0
IMAGE = np.zeros((600, 1000, 3), np.uint8)


def body(phase: float) -> np.ndarray:
    """(33,3) metres: a walking figure seen from the side and a little from the front, x right, y down, z away, mid-hip at 0."""
    points = np.zeros((33, 3))
    points[:11] = [0.1, -0.6, -0.1]
    for side, depth in ((0, 0.2), (1, -0.2)):
        swing = 0.35 * np.sin(phase + np.pi * side)
        points[[11 + side, 13 + side, 15 + side]] = [[-depth / 3, -0.5, depth], [-swing, -0.2, depth], [-1.5 * swing, 0.0, depth]]
        points[[23 + side, 25 + side, 27 + side]] = [[-depth / 3, 0.0, depth / 2], [swing, 0.4, depth / 2], [1.2 * swing, 0.8, depth / 2]]
        points[[17 + side, 19 + side, 21 + side]] = points[15 + side] + [0.05, 0.05, 0]
        points[[29 + side, 31 + side]] = points[27 + side] + [[-0.05, 0.05, 0], [0.15, 0.08, 0]]
    return points


def pose_at(x: float, phase: float, confidence: float = 0.9) -> Pose:
    """The figure in an image, its mid-hip at (x, 300) px."""
    figure = body(phase)
    flat = np.column_stack([figure[:, :2] * PX_PER_M + [x, 300], np.full(33, confidence)])
    roi = between(np.array([x, 300.0]), np.array([x, 200.0]), 1.25)
    return Pose(flat.astype(np.float32), figure.astype(np.float32), 1.0, roi)


def swapped(pose: Pose, kind: int = 1) -> Pose:
    order = swap_orders()[kind]
    return Pose(pose.keypoints_2d[order], pose.landmarks_3d[order], pose.score, pose.next_roi)


class Stage:
    """A finder that sees people who are where a script puts them: who[name](frame) -> Pose or None.

    `image[0, 0, 0]` carries the frame number. A person is found afresh only in frames of `searchable`, as if he were small.
    """

    def __init__(self, script, searchable=range(1000)):
        self.script, self.searchable = script, searchable

    def _present(self, image):
        number = int(image[0, 0, 0])
        return number, [p for p in (actor(number) for actor in self.script) if p is not None]

    def search(self, image, levels, upright, known):
        number, present = self._present(image)
        fresh = [p for p in present if not any(same_body(p.keypoints_2d, k) for k in known)]
        return fresh if number in self.searchable else []

    def follow(self, image, expected: Expected, thorough):
        _, present = self._present(image)
        near = [p for p in present if np.hypot(*(p.next_roi.center - expected.roi.center)) < 0.5 * PX_PER_M]
        return sorted(near, key=lambda p: np.hypot(*(p.next_roi.center - expected.roi.center))), False

    def confirm(self, image, pose):
        return bool(pose.keypoints_2d[:, 2].mean() > 0.5)


def track(stage: Stage, frames: int):
    tracker = Tracker(stage, FPS)
    for number in range(frames):
        image = np.full_like(IMAGE, 4 * number)  # something moves
        image[0, 0, 0] = number
        tracker.add(number, image)
    return finished(tracker.people, FPS, 0, frames - 1, (1280, 720))


def hips_x(person) -> np.ndarray:
    return person.keypoints_2d[:, [23, 24], 0].mean(1)


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


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_swapped_sides_are_put_right(kind):
    truth = [pose_at(100 + 5 * n, 0.4 * n) for n in range(40)]
    wrong = [0, 10, 11, 12, 13, 25, 39]
    readings = [[swapped(p, kind) if n in wrong else p] for n, p in enumerate(truth)]
    keypoints, landmarks = steadiest(np.arange(len(readings)), readings)
    np.testing.assert_array_equal(keypoints, [p.keypoints_2d for p in truth])
    np.testing.assert_array_equal(landmarks, [p.landmarks_3d for p in truth])


def test_of_several_readings_the_steady_one_is_taken():
    truth = [pose_at(100 + 5 * n, 0.4 * n) for n in range(20)]
    wild = pose_at(130, 2.5, confidence=0.95)
    readings = [[p] for p in truth]
    readings[8] = [wild, truth[8]]
    keypoints, _ = steadiest(np.arange(len(readings)), readings)
    np.testing.assert_array_equal(keypoints[8], truth[8].keypoints_2d)


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


def test_a_track_ends_where_the_person_leaves_the_image():
    frames = np.arange(20)
    keypoints = np.full((20, 33, 3), 0.9)
    keypoints[..., 0] = np.linspace(-20, 20, 33) + 100 + 30 * frames[:, None]
    keypoints[..., 1] = 50
    track = Track(frames, keypoints, np.zeros((20, 33, 3)), np.ones(20, dtype=bool))
    cut = cut_to_image(track, (400, 100))
    assert 8 <= cut.frames[-1] <= 11 and cut.frames[0] == 0
    outside = cut.keypoints_2d[..., 0] >= 400
    assert np.all(cut.keypoints_2d[outside, 2] == 0) and np.all(cut.keypoints_2d[~outside, 2] == 0.9)
    assert len(cut_to_image(track, (50, 100)).frames) == 0


def test_who_shows_only_the_upper_body_keeps_every_frame():
    keypoints = np.full((20, 33, 3), 0.9)
    keypoints[..., 0], keypoints[..., 1] = 50, np.where(np.arange(33) < 23, 50, 150)
    track = Track(np.arange(20), keypoints, np.zeros((20, 33, 3)), np.ones(20, dtype=bool))
    assert len(cut_to_image(track, (100, 100)).frames) == 20
