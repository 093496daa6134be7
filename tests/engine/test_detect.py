# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows map to the image and back; people are found whole, small, far off and upside down, once each, and things are not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert")

from skel_blender.engine.blazepose import LIMBS  # noqa: E402
from skel_blender.engine.people.crops import Roi, between, tiles  # noqa: E402
from skel_blender.engine.people.detect import Expected, PeopleFinder  # noqa: E402
from skel_blender.engine.people.landmarker import Landmarker, Pose  # noqa: E402
from skel_blender.engine.people.poses import extent, same_body, scale, similarity  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests import clips  # noqa: E402
from tests.engine.stage import PX_PER_M, Scarecrow, pose_at  # noqa: E402

NOSE, HIPS, FEET = 0, [23, 24], [27, 28]


@pytest.fixture(scope="module")
def finder(landmark_model) -> PeopleFinder:
    return PeopleFinder(Landmarker(landmark_model))


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(clips.PORTRAIT)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def pose(finder, portrait) -> Pose:
    found = finder.search(portrait, 1, False, [])
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("side", [64, 20])  # 20: small enough to go through area averaging
@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, -2.5])
@pytest.mark.parametrize("x, y", [(160, 100), (10, 190), (285, 20)], ids=["inside", "beyond a corner", "beyond another"])
def test_a_window_shows_what_its_coordinates_say(side, angle, x, y):
    image = np.zeros((200, 300, 3), np.uint8)
    spot = [min(x + 10, 290), max(y - 10, 10)]
    cv2.circle(image, spot, 8, (255, 255, 255), -1)
    roi = Roi(np.array([x, y], float), 120.0, angle)
    window = roi.cut(image, side)[..., 0].astype(float)
    y, x = np.mgrid[:side, :side]
    center = np.array([(window * x).sum(), (window * y).sum()]) / window.sum()
    np.testing.assert_allclose(roi.to_image((center + 0.5) / side), np.add(spot, 0.5), atol=0.7)


def test_a_window_between_points_has_its_tip_up():
    roi = between(np.array([50.0, 50.0]), np.array([90.0, 50.0]), 1.25)
    np.testing.assert_allclose(roi.to_image(np.array([0.5, 0.1])), [90, 50], atol=1e-9)
    np.testing.assert_allclose(roi.to_camera(np.array([0.0, -1.0, 0.3])), [1, 0, 0.3], atol=1e-9)


@pytest.mark.parametrize("size", [(640, 480), (1080, 1920), (333, 333), (2000, 300)])
def test_tiles_cover_the_image_and_overlap(size):
    for level in (2, 3):
        covered = np.zeros(size[::-1], int)
        for tile in tiles(*size, level):
            low = np.maximum(np.round(tile.center - tile.size / 2).astype(int), 0)
            high = np.round(tile.center + tile.size / 2).astype(int)
            covered[low[1] : high[1], low[0] : high[0]] += 1
        assert covered.min() >= 2
        assert {tile.size for tile in tiles(*size, level)[1:]} == {min(size) / 2**k for k in range(level - 1)}
    assert len(tiles(*size, 1)) == 1


def test_similarity_tells_one_person_from_two(pose):
    here = pose.keypoints_2d
    beside = here + np.array([200, 0, 0], np.float32)
    jittered = here + np.array([3, -3, 0], np.float32)
    assert similarity(here, jittered) > 0.95 and same_body(here, jittered)
    assert similarity(here, beside) < 0.1 and not same_body(here, beside)
    assert similarity(here, here + np.array([0.1 * extent(here), 0, 0])) == pytest.approx(np.exp(-0.5), rel=1e-3)


def test_a_standing_person_is_read_upright(pose, portrait):
    points, body = pose.keypoints_2d, pose.landmarks_3d
    assert points[NOSE, 1] < points[HIPS, 1].mean() < points[FEET, 1].mean()
    assert (points[LIMBS, 2] > 0.5).all()
    assert -0.8 < body[NOSE, 1] < -0.4 < 0.3 < body[FEET, 1].mean() < 1.0
    np.testing.assert_allclose(body[HIPS].mean(0), 0, atol=0.02)
    px_per_m, mismatch = scale(pose)
    assert px_per_m < np.ptp(points[:, 1]) < 2 * px_per_m and mismatch < 0.05


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_image_gives_the_turned_pose(finder, pose, portrait, turns):
    turned = np.ascontiguousarray(np.rot90(portrait, -turns))  # clockwise
    h, w = portrait.shape[:2]
    points, body = pose.keypoints_2d.copy(), pose.landmarks_3d.copy()
    for _ in range(turns):
        points[:, 0], points[:, 1] = h - points[:, 1].copy(), points[:, 0].copy()
        body[:, 0], body[:, 1] = -body[:, 1].copy(), body[:, 0].copy()
        h, w = w, h
    roi = Roi(points[HIPS, :2].mean(0).astype(float), pose.next_roi.size, turns * np.pi / 2)
    readings, _ = finder.follow(turned, Expected(roi, points, scale(pose)[0]), thorough=False)
    size = np.ptp(points[:, :2], axis=0).max()
    assert np.abs(readings[0].keypoints_2d[LIMBS, :2] - points[LIMBS, :2]).max() < 0.04 * size
    assert np.abs(readings[0].landmarks_3d[LIMBS] - body[LIMBS]).max() < 0.12


def test_a_thorough_look_finds_whoever_turned_over(finder, pose, portrait):
    turned = np.ascontiguousarray(portrait[::-1, ::-1])
    h, w = portrait.shape[:2]
    points = pose.keypoints_2d.copy()
    points[:, :2] = [w, h] - points[:, :2]
    upright = Roi(points[HIPS, :2].mean(0).astype(float), pose.next_roi.size, 0.0)
    readings, looked = finder.follow(turned, Expected(upright, points, scale(pose)[0]), thorough=True)
    assert looked
    assert similarity(readings[0].keypoints_2d, points) > 0.9


def test_a_small_person_is_found_on_tiles(finder, portrait):
    canvas = np.full((1080, 1920, 3), portrait[:20].mean((0, 1)).astype(np.uint8))
    height = 170
    small = cv2.resize(portrait, (round(height * portrait.shape[1] / portrait.shape[0]), height), interpolation=cv2.INTER_AREA)
    canvas[700 : 700 + height, 1300 : 1300 + small.shape[1]] = small
    found = finder.search(canvas, 3, False, [])
    assert len(found) == 1
    middle = found[0].keypoints_2d[LIMBS, :2].mean(0)
    assert np.abs(middle - [1300 + small.shape[1] / 2, 700 + height / 2]).max() < 40


def test_everybody_is_found_in_a_picture_of_small_people_and_nobody_else(finder):
    image = cv2.cvtColor(cv2.imread(str(clips.WALKERS)), cv2.COLOR_BGR2RGB)
    middles = [(158, 189), (272, 211), (313, 192), (372, 266), (605, 185), (631, 188)]
    found = np.array([pose.keypoints_2d[LIMBS, :2].mean(0) for pose in finder.search(image, 2, True, [])])
    assert len(found) == len(middles)
    assert np.abs(np.subtract(sorted(found.tolist()), middles)).max() < 8


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_search_that_was_prepared_finds_what_one_that_was_not_does(foreseen):
    """Also where it was not foreseen that somebody upright is looked for, as where the footage is cut."""

    class Seen(Scarecrow):
        """Sees somebody in every part of an image, and keeps what it was asked by whom."""

        def __init__(self):
            self.asked = []

        def detect(self, image, window, threshold):
            self.asked.append((*window.center, window.size))
            return [(window, 0.6)]

        def upright(self, image):
            self.asked.append("upright")
            return super().upright(image)

    image = np.full((200, 300, 3), 100, np.uint8)
    plain, early = Seen(), Seen()
    PeopleFinder(plain).search(image, 3, True, [])
    with ThreadPoolExecutor(4) as threads:
        finder = PeopleFinder(early, threads.map, threads.map)
        finder.prepare(image, 3, foreseen)
    if foreseen:
        assert sorted(map(str, early.asked)) == sorted(map(str, plain.asked))  # all is asked before the search begins
    finder.search(image, 3, True, [])
    assert sorted(map(str, early.asked)) == sorted(map(str, plain.asked)) and early.looks == plain.looks > 1


def test_a_thing_that_was_refused_is_looked_at_again_only_when_it_changes():
    networks = Scarecrow()
    finder = PeopleFinder(networks)
    image = np.full((200, 300, 3), 100, np.uint8)
    noisy = image + (np.indices((200, 300)).sum(0) % 2).astype(np.uint8)[..., None]
    looks = []
    for picture in (image, image, noisy, image + 9):
        assert finder.search(picture, 1, True, []) == []
        looks.append(networks.looks)
    assert looks == [1, 1, 1, 2]


def test_nobody_is_found_twice_and_known_people_are_confirmed(finder, pose, portrait):
    wide = np.hstack([portrait, portrait])
    found = finder.search(wide, 3, True, [])
    assert len(found) == 2
    assert not same_body(found[0].keypoints_2d, found[1].keypoints_2d)
    assert finder.search(portrait, 3, True, [pose.keypoints_2d]) == []
    assert finder.confirm(portrait, pose)
    assert not finder.confirm(np.full_like(portrait, 128), pose)


@pytest.mark.parametrize("aside, belief, kept", [(0, 0.95, "whole"), (0, 0.7, "part"), (400, 0.95, "part whole")])
def test_a_part_of_somebody_that_looks_like_a_person_is_none(pose, aside, belief, kept):
    """Something on a knee looks a little better than the whole body, or much better; or it is beside the body."""
    points = pose.keypoints_2d.copy()
    points[:, :2] = points[25, :2] + 0.15 * (points[:, :2] - points[LIMBS, :2].mean(0)) + [aside, 0]
    windows = [Roi(np.array([100.0, 100.0]), 90.0, 0.0), Roi(np.array([1500.0, 300.0]), 400.0, 0.0)]
    small = replace(pose, keypoints_2d=points, next_roi=windows[0])
    whole = replace(pose, score=belief * pose.score, next_roi=windows[1])

    class Both(Scarecrow):
        def detect(self, image, window, threshold):
            return [(roi, 0.7) for roi in windows]

        def landmarks(self, image, roi):
            return small if roi is windows[0] else whole

    found = PeopleFinder(Both()).search(np.zeros((2000, 2000, 3), np.uint8), 1, False, [])
    assert sorted("whole" if one is whole else "part" for one in found) == kept.split()


@pytest.mark.parametrize("height, kept", [(600, ["whole"]), (2000, ["part"])], ids=["legs beyond the edge", "legs hidden"])
def test_an_arm_of_somebody_whose_legs_are_beyond_the_edge_is_none(pose, height, kept):
    """What is beyond the image can't be seen, and does not count against who is there; what is hidden inside it does."""
    points = pose.keypoints_2d.copy()
    points[:, 1] += 580 - points[HIPS, 1].mean()
    points[25:, 2] = 0.02
    windows = [Roi(np.array([100.0, 100.0]), 90.0, 0.0), Roi(np.array([1500.0, 300.0]), 400.0, 0.0)]
    arm = pose.keypoints_2d.copy()
    arm[:, :2] = points[13, :2] + 0.1 * (arm[:, :2] - arm[LIMBS, :2].mean(0))
    shown = {id(windows[0]): replace(pose, keypoints_2d=arm, next_roi=windows[0]),
             id(windows[1]): replace(pose, keypoints_2d=points, next_roi=windows[1])}  # fmt: skip

    class Both(Scarecrow):
        def detect(self, image, window, threshold):
            return [(roi, 0.7) for roi in windows]

        def landmarks(self, image, roi):
            return shown[id(roi)]

    found = PeopleFinder(Both()).search(np.zeros((height, 2000, 3), np.uint8), 1, False, [])
    assert ["part" if one is shown[id(windows[0])] else "whole" for one in found] == kept


@pytest.mark.parametrize("seen, height, looks, legs", [(0.05, 320, 2, "straight"), (0.05, 600, 2, "folded"), (0.9, 320, 1, "folded")],
                         ids=["beyond the edge", "inside the image", "seen"])  # fmt: skip
def test_legs_that_are_only_guessed_are_looked_at_with_more_around(seen, height, looks, legs):
    """A narrow window shows somebody with folded legs, a wide one with straight ones, which can't be where the image would show them."""
    straight = pose_at(400.0, 0.0)
    tucked = straight.landmarks_3d.copy()
    tucked[25:, 1] *= -0.5
    points = np.column_stack([tucked[:, :2] * PX_PER_M + [400, 300], np.full(33, 0.9)])
    points[25:, 2] = seen
    folded = replace(straight, keypoints_2d=points, landmarks_3d=tucked)

    class Guessing(Scarecrow):
        def detect(self, image, window, threshold):
            return [(straight.next_roi, 0.7)]

        def landmarks(self, image, roi):
            self.looks += 1
            return straight if roi.size > 1.5 * straight.next_roi.size else folded

    networks = Guessing()
    [found] = PeopleFinder(networks).search(np.zeros((height, 800, 3), np.uint8), 1, False, [])
    assert found is {"straight": straight, "folded": folded}[legs] and networks.looks == looks


def test_the_detector_is_shown_no_more_than_the_image(pose):
    """Of somebody as large as the image the window is larger, and in it he would be too small to be found."""
    asked = []

    class Asked(Scarecrow):
        def detect(self, image, window, threshold):
            asked.append(window)
            return []

    image = np.zeros((240, 320, 3), np.uint8)
    for size in (100.0, 600.0):
        PeopleFinder(Asked()).confirm(image, replace(pose, next_roi=Roi(np.array([150.0, 200.0]), size, 0.3)))
    small, large = asked
    assert (small.size, large.size, large.angle) == (140, 320, 0.3)
    np.testing.assert_array_equal(large.center, [160, 120])


@pytest.mark.parametrize("seed", [0, 1])
def test_an_image_of_nobody_has_nobody(finder, seed):
    rng = np.random.default_rng(seed)
    blobs = cv2.GaussianBlur(rng.integers(0, 255, (480, 640, 3)).astype(np.float32), (0, 0), 9)
    blobs = ((blobs - blobs.min()) / np.ptp(blobs) * 255).astype(np.uint8)
    assert finder.search(blobs, 3, True, []) == []


def test_a_bad_model_file_gets_a_sentence(tmp_path):
    fake = tmp_path / "pose.task"
    fake.write_bytes(b"no zip")
    for path in (fake, tmp_path / "absent.task"):
        with pytest.raises(SkelError) as error:
            Landmarker(path)
        assert error.value.code == "no_landmark_model"
