# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is followed, confirmed and worth how much, by networks that are played: nobody else, and nothing that only lies there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert")

from skel_blender.engine.people.crops import Roi  # noqa: E402
from skel_blender.engine.people.detect import Expected, PeopleFinder  # noqa: E402
from skel_blender.engine.people.landmarker import Pose  # noqa: E402
from skel_blender.engine.people.poses import lies_on, quality, scale  # noqa: E402
from tests.engine.stage import Scarecrow, pose_at  # noqa: E402

HIPS = [23, 24]
LIMB_ENDS = [(11, 13), (12, 14), (13, 15), (14, 16), (23, 25), (24, 26), (25, 27), (26, 28), (11, 23), (12, 24)]


@pytest.mark.parametrize("ends", LIMB_ENDS)
def test_what_is_on_the_middle_of_a_limb_lies_on_the_body(ends):
    large = np.zeros((33, 3))
    large[ends[0], :2], large[ends[1], :2] = (1000, 0), (0, 1000)
    assert lies_on(np.full((33, 3), 500.0), large) and not lies_on(np.full((33, 3), 800.0), large)


def test_a_pose_is_worth_less_where_body_and_image_do_not_agree():
    whole = pose_at(300, 0.9)
    bent, odd = (replace(whole, landmarks_3d=(1 - part) * whole.landmarks_3d + part * pose_at(300, 0.9 + np.pi).landmarks_3d)
                 for part in (0.2, 0.5))  # fmt: skip
    assert quality(whole) == pytest.approx(0.9, abs=0.001) and quality(replace(whole, score=0.5)) == pytest.approx(0.45, abs=0.001)
    for pose in (bent, odd):
        assert quality(pose) == pytest.approx(0.9 * np.exp(-((scale(pose)[1] / 0.12) ** 2)), rel=1e-3)
    assert 0.9 > quality(bent) > quality(odd) and quality(replace(whole, landmarks_3d=-whole.landmarks_3d)) == 0.0


class Sees(Scarecrow):
    """Networks that see a pose wherever they look, and whose detector sees somebody in a window."""

    def __init__(self, pose: Pose, window: Roi | None = None) -> None:
        self.pose, self.window = pose, window

    def detect(self, image, window, threshold):
        return [(self.window, 0.9)]

    def landmarks(self, image, roi):
        self.looks += 1
        return self.pose


PICTURE = np.zeros((600, 1000, 3), np.uint8)


@pytest.mark.parametrize(("x", "confidence", "size", "seen"), [
    (500, 0.9, 1.0, True), (550, 0.9, 1.0, True), (580, 0.9, 1.0, False), (500, 0.25, 1.0, False), (500, 0.9, 0.5, False),
    (500, 0.9, 2.0, False), (-40, 0.9, 1.0, False),
], ids=["there", "half a metre on", "too far off", "unsure", "a smaller one", "a larger one", "beyond the border"])  # fmt: skip
def test_who_is_followed_is_near_and_of_like_size(x, confidence, size, seen):
    pose = pose_at(x, 0.9, confidence)
    expected = pose_at(x if x < 0 else 500, 0.9)
    window = Expected(pose.next_roi, expected.keypoints_2d, size * 100.0)
    readings, looked = PeopleFinder(Sees(pose)).follow(PICTURE, window, thorough=False)
    assert len(readings) == seen and not looked


@pytest.mark.parametrize(("aside", "size", "confirmed"), [((0, 0), 250, True), ((30, 0), 250, True), ((0, 50), 250, False),
                                                          ((0, 0), 120, False), ((0, 0), 700, False)])  # fmt: skip
def test_a_person_is_confirmed_by_a_window_around_his_hips_that_is_as_large_as_he_is(aside, size, confirmed):
    pose = pose_at(500, 0.9)
    window = Roi(pose.keypoints_2d[HIPS, :2].mean(0) + aside, float(size), 0.0)
    assert PeopleFinder(Sees(pose, window)).confirm(PICTURE, pose) == confirmed


@pytest.mark.parametrize("place", ["shoulders", "hips", "knees", "beside"])
def test_where_a_known_body_is_nobody_is_looked_for_upright(place):
    known = pose_at(500, 0.0).keypoints_2d
    known[[25, 26], :2] += [120, 0]  # he sits
    middle = {"shoulders": known[[11, 12], :2].mean(0), "hips": known[HIPS, :2].mean(0), "knees": known[[25, 26], :2].mean(0),
              "beside": known[HIPS, :2].mean(0) + [-60, 0]}[place]  # fmt: skip
    networks = Scarecrow()
    networks.upright = lambda image: [Roi(middle, 400.0, 0.0)]
    assert PeopleFinder(networks).search(PICTURE, 1, True, [known]) == []
    assert networks.looks == (place == "beside")
