# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of people in a mirror is asked for while the clip is read, and averaged with what is seen without."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert.interpreter")

from skel_blender.engine.blazepose import PARTNERS  # noqa: E402
from skel_blender.engine.people.crops import Roi  # noqa: E402
from skel_blender.engine.people.landmarker import Landmarker  # noqa: E402
from skel_blender.engine.people.mirror import Mirror, averaged  # noqa: E402
from skel_blender.engine.people.sides import SWAP_ORDERS  # noqa: E402
from skel_blender.engine.people.tracker import Tracker  # noqa: E402
from skel_blender.engine.people.tracks import finished  # noqa: E402
from tests import clips  # noqa: E402
from tests.engine.stage import FPS, IMAGE, PX_PER_M, Stage, pose_at  # noqa: E402

SHIFT = np.array([3.0, -2.0, 0.0], np.float32)  # px, px, confidence by which a mirror's pose is off here


def test_a_mirrored_window_is_what_the_network_says_of_the_mirrored_image(landmark_model):
    """An odd window, so that its turn has to be mirrored too."""
    image = cv2.cvtColor(cv2.imread(str(clips.WALKERS)), cv2.COLOR_BGR2RGB)
    window, width = Roi(np.array([272.0, 211.0]), 120.0, 0.2), image.shape[1]
    networks = Landmarker(landmark_model)
    seen = networks.landmarks(image, window, mirrored=True)
    other = networks.landmarks(np.ascontiguousarray(image[:, ::-1]), Roi(np.array([width - 272.0, 211.0]), 120.0, -0.2))
    wanted = other.keypoints_2d[PARTNERS] * [-1, 1, 1] + [width, 0, 0]
    off = np.abs(seen.keypoints_2d - wanted)
    # a heat map that is barely sure may be so once only
    assert np.quantile(off[:, :2], 0.9) < 0.05 and off[:, :2].max() < 2.0 and off[:, 2].max() < 0.02
    assert np.abs(seen.landmarks_3d - other.landmarks_3d[PARTNERS] * [-1, 1, 1]).max() < 0.01
    np.testing.assert_allclose(seen.next_roi.center, [width, 0] + other.next_roi.center * [-1, 1], atol=0.5)
    assert seen.next_roi.angle == pytest.approx(-other.next_roi.angle, abs=0.01)
    plain = networks.landmarks(image, window)
    apart = np.abs(plain.landmarks_3d - seen.landmarks_3d)
    assert 0.002 < apart.mean() < 0.06  # the same person, seen a little otherwise


@pytest.mark.parametrize("kind", range(4))
def test_both_are_averaged_whichever_side_the_mirror_took_for_left(kind):
    pose = pose_at(300, 0.9)
    order = SWAP_ORDERS[kind]
    other = replace(pose, keypoints_2d=(pose.keypoints_2d + SHIFT)[order], landmarks_3d=(pose.landmarks_3d + 0.04)[order])
    keypoints, landmarks = averaged(pose.keypoints_2d[None], pose.landmarks_3d[None], [other], PX_PER_M)
    np.testing.assert_allclose(keypoints[0], pose.keypoints_2d + SHIFT / 2, atol=1e-4)
    np.testing.assert_allclose(landmarks[0], pose.landmarks_3d + 0.02, atol=1e-6)


@pytest.mark.parametrize("other", [None, pose_at(340, 0.9), pose_at(300, 3.5)], ids=["nobody", "somebody beside", "another posture"])
def test_what_is_not_the_same_person_is_left_out(other):
    pose = pose_at(300, 0.9)
    keypoints, landmarks = averaged(pose.keypoints_2d[None], pose.landmarks_3d[None], [other], PX_PER_M)
    np.testing.assert_array_equal(keypoints[0], pose.keypoints_2d)
    np.testing.assert_array_equal(landmarks[0], pose.landmarks_3d)


class Shifted:
    """A mirror in whose image the walker of `walk` is a little aside; it notes how many are looked at at once."""

    def __init__(self, hold=None):
        self.hold, self.asked = hold, 0

    def landmarks(self, image, roi, mirrored):
        assert mirrored
        self.asked += 1
        if self.hold is not None:
            self.hold.wait(10)
        pose = walk(int(image[0, 0, 0]))
        assert np.array_equal(roi.center, pose.next_roi.center)
        return replace(pose, keypoints_2d=pose.keypoints_2d + SHIFT)


def walk(number):
    return pose_at(100 + 5 * number, 0.4 * number)


def _images(count):
    for number in range(count):
        image = np.full_like(IMAGE, 4 * number)
        image[0, 0, 0] = number
        yield number, image


def test_a_track_is_the_mean_of_both_and_all_else_is_as_without_a_mirror():
    """Somebody is seen again who was found a while after he came in."""
    tracks = []
    with ThreadPoolExecutor(2) as threads:
        for mirror in (None, Mirror(Shifted(), threads.submit, 3)):
            tracker = Tracker(Stage([lambda n: walk(n) if n > 2 else None], searchable=(8,)), FPS, mirror=mirror)
            for number, image in _images(30):
                tracker.add(number, image)
            tracks += finished(tracker.people, FPS, 0, 29, (1280, 720))
    plain, mean = tracks
    assert plain.frames[0] <= 3
    np.testing.assert_array_equal(mean.frames, plain.frames)
    np.testing.assert_allclose(mean.keypoints_2d, plain.keypoints_2d + SHIFT / 2, atol=1e-3)
    np.testing.assert_array_equal(mean.landmarks_3d, plain.landmarks_3d)


def test_no_more_answers_are_due_than_it_may():
    hold = threading.Event()
    networks = Shifted(hold)
    with ThreadPoolExecutor(1) as threads:
        mirror = Mirror(networks, threads.submit, 3)
        for number, image in _images(3):
            mirror.look(image, walk(number))
        late = threading.Thread(target=lambda: [mirror.look(image, walk(number)) for number, image in _images(2)])
        late.start()
        late.join(0.2)
        assert late.is_alive() and networks.asked == 1
        hold.set()
        late.join(10)
        assert not late.is_alive()


def test_what_goes_wrong_in_the_mirror_is_heard():
    def submit(*_):
        broken = Future()
        broken.set_exception(ValueError("out of memory"))
        return broken

    mirror = Mirror(Shifted(), submit, 0)
    with pytest.raises(ValueError, match="out of memory"):
        mirror.look(IMAGE, walk(0))


def test_what_was_said_is_kept_without_the_future_that_brought_it():
    """A long clip has one for every frame of everybody."""
    futures, said = [], []

    def submit(ask, *question):
        said.append(ask(*question))
        future = Future()
        future.set_result(said[-1])
        futures.append(weakref.ref(future))
        return future

    mirror = Mirror(Shifted(), submit, 3)
    answers = [mirror.look(image, walk(number)) for number, image in _images(10)]
    assert sum(future() is not None for future in futures) == 3
    assert all(answer.result() is pose and answer.result() is pose for answer, pose in zip(answers, said, strict=True))
    assert not any(future() for future in futures)
