# SPDX-License-Identifier: GPL-3.0-or-later
"""Of two who overlap in the image, the one behind is told as he is, not as a mixture with the one in front."""

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert.interpreter")

from skel_blender.engine.blazepose import LIMBS  # noqa: E402
from skel_blender.engine.people.clothes import clothes  # noqa: E402
from skel_blender.engine.people.crops import painted  # noqa: E402
from skel_blender.engine.people.detect import Expected, PeopleFinder  # noqa: E402
from skel_blender.engine.people.landmarker import Landmarker  # noqa: E402
from skel_blender.engine.people.looking import show_one_body, wears_anothers  # noqa: E402
from skel_blender.engine.people.overlaps import Body, Overlaps, Sight  # noqa: E402
from skel_blender.engine.people.person import Person  # noqa: E402
from skel_blender.engine.people.poses import lies_on, scale, similarity  # noqa: E402
from skel_blender.engine.people.tracker import Tracker  # noqa: E402
from tests import clips  # noqa: E402
from tests.engine.stage import FPS, IMAGE, Stage, hips_x, pose_at, track  # noqa: E402

SHAPE = IMAGE.shape[:2]


class Scripted:
    """A finder that says who loses how much by the place of his hips."""

    def __init__(self, losses):
        self.losses_at, self.asked = losses, 0

    def losses(self, image, covered):
        self.asked += 1
        return [self.losses_at[round(float(expected.roi.center[0]))] for expected, _ in covered]


def at(x: float, person: Person, seen: bool = True) -> Body:
    pose = pose_at(x, 0.5)
    return Body(person, Expected(pose.next_roi, pose.keypoints_2d, scale(pose)[0]), seen, SHAPE)


def somebody() -> Person:
    return Person(np.zeros((6, 3), np.float32))


def test_who_is_in_front_is_painted_over_and_who_is_behind_is_not():
    front, behind = somebody(), somebody()
    overlaps = Overlaps(Scripted({400: 0.4, 430: 0.0}), FPS)
    apart = at(700, behind)
    assert overlaps.sight(0, IMAGE, apart, [at(400, front)]).hidden is None
    close = at(480, behind), at(400, front)  # beside each other: both are two from now on
    assert overlaps.sight(1, IMAGE, close[0], [close[1]]).front == ()
    a, b = at(400, front), at(430, behind)
    seen = overlaps.sight(2, IMAGE, b, [a])
    np.testing.assert_array_equal(seen.hidden, a.silhouette)
    assert seen.front == (front,) and overlaps.sight(2, IMAGE, a, [b]).hidden is None


def test_of_whom_nobody_knows_whether_he_is_in_front_what_is_beside_is_painted_over():
    one, other = somebody(), somebody()
    overlaps = Overlaps(Scripted({400: 0.2, 430: 0.2}), FPS)
    overlaps.sight(0, IMAGE, at(480, other), [at(400, one)])
    a, b = at(400, one), at(430, other)
    for body, beside in ((a, b), (b, a)):
        seen = overlaps.sight(1, IMAGE, body, [beside])
        hidden = seen.hidden
        assert seen.front == () and hidden.any() and not (hidden & body.silhouette).any() and not (hidden & ~beside.silhouette).any()
    assert overlaps.sight(1, IMAGE, a, [at(430, other, seen=False)]).hidden is None


def test_two_who_were_never_apart_are_not_told_apart():
    """Hair or a bag that is taken for somebody lies on a body from the first frame on."""
    finder = Scripted({400: 0.4, 410: 0.0})
    overlaps, one, other = Overlaps(finder, FPS), somebody(), somebody()
    for number in range(5):
        assert overlaps.sight(number, IMAGE, at(410, other), [at(400, one)]).front == ()
    assert finder.asked == 0


def test_small_people_are_left_as_they_are():
    finder = Scripted({400: 0.4, 480: 0.0})
    overlaps = Overlaps(finder, FPS)
    for small in (0, 1):
        bodies = [at(480, somebody()), at(400, somebody())]
        bodies[small].expected = replace(bodies[small].expected, px_per_m=60.0)
        assert overlaps.sight(0, IMAGE, bodies[0], bodies[1:]).hidden is None
    assert overlaps.sight(0, IMAGE, at(480, somebody()), [at(400, somebody())]).hidden is not None


def test_who_is_in_front_is_judged_five_times_a_second():
    finder = Scripted({400: 0.4, 430: 0.0})
    overlaps, front, behind = Overlaps(finder, 30.0), somebody(), somebody()
    overlaps.sight(0, IMAGE, at(480, behind), [at(400, front)])
    asked = finder.asked
    for number in range(1, 31):
        for body, other in ((at(430, behind), at(400, front)), (at(400, front), at(430, behind))):
            overlaps.sight(number, IMAGE, body, [other])
    assert finder.asked - asked == 5


def test_clothes_that_are_hidden_are_taken_for_those_that_are_known():
    pose, known = pose_at(400, 0.5), np.full((6, 3), 7.0, np.float32)
    image = np.full_like(IMAGE, 90)
    hidden = np.zeros(SHAPE, bool)
    hidden[:285] = True  # the upper part of the trunk
    image[:285] = 200
    worn = Sight(image, hidden).clothes(pose, known)
    assert (worn[:3] == 7).all() and (worn[3:] == 90).all()
    assert (clothes(image, pose.keypoints_2d)[:3] > 150).all()
    np.testing.assert_array_equal(Sight(image).clothes(pose, known), clothes(image, pose.keypoints_2d))


def ahead(n):
    return pose_at(300 + 8 * n, 0.7 * n, confidence=0.7)


def passing(n):
    return pose_at(300 + 8 * n + np.clip(90 - 5 * n, 20, 90), 0.9 * n + 1, confidence=0.7)


class Behind(Stage):
    """Who is further to the left is in front. It notes which images it is shown, by whether something is painted there."""

    def __init__(self, script):
        super().__init__(script)
        self.shown = {"follow": [], "confirm": [], "mirror": []}

    def losses(self, image, covered):
        return [0.4 if expected.roi.center[0] < 310 + 8 * int(image[0, 0, 0]) else 0.0 for expected, _ in covered]

    def follow(self, image, expected, thorough):
        self.shown["follow"].append((image == 128).any())
        return super().follow(image, expected, thorough)

    def confirm(self, image, pose):
        self.shown["confirm"].append((image == 128).any())
        return super().confirm(image, pose)

    def look(self, image, pose):
        self.shown["mirror"].append((image == 128).any())
        return SimpleNamespace(result=lambda: pose)


def test_somebody_who_walks_along_behind_another_is_followed_all_the_way():
    """Their bodies lie on each other for a second, which is one body to whoever does not know that they were two."""
    tracks = track(Behind([ahead, passing]), 30)
    assert len(tracks) == 2
    for person in tracks:
        assert person.observed.all() and (person.frames[0], person.frames[-1]) == (0, 29)
    one, other = sorted(tracks, key=lambda person: hips_x(person)[0])
    np.testing.assert_allclose(hips_x(other) - hips_x(one), np.clip(90 - 5 * np.arange(30), 20, 90), atol=1)


def test_he_is_looked_at_in_the_mirror_too_with_the_other_painted_over_and_confirmed_without():
    stage = Behind([ahead, passing])
    tracker = Tracker(stage, FPS, mirror=stage)
    for number in range(30):
        image = np.full_like(IMAGE, 4 * number)
        image[0, 0, 0] = number
        tracker.add(number, image)
    hidden = {what: sum(seen) for what, seen in stage.shown.items()}
    assert hidden["follow"] >= 25 and hidden["mirror"] >= 25 and hidden["confirm"] == 0 and stage.shown["confirm"]


@pytest.fixture(scope="module")
def portrait(landmark_model):
    """A photograph of a man, and he as he is seen in it."""
    image = cv2.cvtColor(cv2.imread(str(clips.PORTRAIT)), cv2.COLOR_BGR2RGB)
    networks = Landmarker(landmark_model)
    finder = PeopleFinder(networks)
    [pose, *_] = finder.search(image, 2, False, [])
    expected = Expected(pose.next_roi, pose.keypoints_2d, scale(pose)[0])
    return image, finder, pose, expected


def test_what_the_paint_leaves_of_one_body_is_nobody_behind_it():
    """Somebody read again, left for right, beside the paint over him; and half of a body behind him."""
    front, behind = Person(np.zeros((6, 3))), Person(np.zeros((6, 3)))
    own = pose_at(300.0, 1.0)
    swapped, half = own.keypoints_2d.copy(), own.keypoints_2d.copy()
    swapped[11:] = swapped[11:].reshape(-1, 2, 3)[:, ::-1].reshape(-1, 3)
    half[:, 0] += 25.0
    assert similarity(own.keypoints_2d, swapped) < 0.5
    seen, painted_over = (front, Sight(IMAGE), own), Sight(IMAGE, front=(front,))
    assert show_one_body(seen, (behind, painted_over, replace(own, keypoints_2d=swapped)))
    assert not show_one_body(seen, (behind, painted_over, replace(own, keypoints_2d=half)))


def test_the_real_network_tells_who_is_in_front_and_sees_who_is_behind(portrait):
    """In front is the same man, cut out and put beside himself."""
    image, finder, pose, expected = portrait
    behind = Body(somebody(), expected, True, image.shape[:2])
    shift = round(0.35 * np.hypot(*np.ptp(pose.keypoints_2d[LIMBS, :2], axis=0)))
    points = pose.keypoints_2d + np.array([shift, 0, 0], np.float32)
    moved = Expected(type(expected.roi)(expected.roi.center + [shift, 0], expected.roi.size, expected.roi.angle), points, expected.px_per_m)
    front = Body(somebody(), moved, True, image.shape[:2])
    both = image.copy()
    both[front.silhouette] = np.roll(image, shift, axis=1)[front.silhouette]
    overlaps = Overlaps(finder, FPS)
    sight = overlaps.sight(0, both, behind, [front])
    np.testing.assert_array_equal(sight.hidden, front.silhouette)
    assert overlaps.sight(0, both, front, [behind]).hidden is None

    def off(shown):
        seen = finder.follow(shown, expected, thorough=False)[0][0]
        return np.hypot(*(seen.keypoints_2d - pose.keypoints_2d)[LIMBS, :2].T).mean()

    assert off(sight.shown) < 0.5 * off(both)


def test_many_people_side_by_side_do_not_fill_the_memory():
    """Of each a silhouette and what is hidden from him, bits as many as the image has pixels, and for one at a time the painted image."""
    stage = Stage([lambda n, x=x: pose_at(x, 0.3 * n) for x in range(80, 1000, 84)])
    tracker = Tracker(stage, FPS, mirror=SimpleNamespace(look=lambda image, pose: None))
    for number in range(3):
        image = IMAGE.copy()
        image[0, 0, 0] = number
        tracemalloc.start()
        tracker.add(number, image)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(tracker.people) == 11 and all(2 in person.readings for person in tracker.people)
    assert peak < (11 * 2 / 3 + 3) * IMAGE.nbytes


@pytest.mark.parametrize("part", [(slice(0), slice(0)), (slice(3, 9), slice(2, 40)), (slice(None), slice(None))])
def test_all_that_is_hidden_is_painted_over_and_nothing_else(part):
    rng = np.random.default_rng(0)
    image, hidden = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8), np.zeros((60, 80), bool)
    hidden[part] = rng.random(hidden[part].shape) < 0.5
    shown = painted(image, hidden)
    assert (shown[hidden] == 128).all() and np.array_equal(shown[~hidden], image[~hidden]) and painted(image, None) is image


def test_who_is_far_behind_is_not_who_is_in_front_of_him():
    """Small, he lies on the limbs of the large one; the small reading would be refused as a part of the large one."""
    near, far = Person(np.zeros((6, 3))), Person(np.zeros((6, 3)))
    large = pose_at(300.0, 1.0)
    points = large.keypoints_2d.copy()
    points[:, :2] = 0.2 * points[:, :2] + 0.8 * points[25, :2]
    small = replace(large, keypoints_2d=points)
    assert not show_one_body((near, Sight(IMAGE), large), (far, Sight(IMAGE), small))
    assert show_one_body((far, Sight(IMAGE), small), (near, Sight(IMAGE), large))
    points = large.keypoints_2d.copy()
    points[:, :2] = 0.6 * points[:, :2] + 0.4 * points[25, :2]
    half = replace(large, keypoints_2d=points)
    assert lies_on(half.keypoints_2d, large.keypoints_2d)
    assert show_one_body((near, Sight(IMAGE), large), (far, Sight(IMAGE), half)), "who is so large is not far behind"


@pytest.mark.parametrize(("size", "taken"), [(1.0, True), (0.7, True), (0.3, False)])
def test_clothes_tell_two_people_apart_who_are_about_as_large(size, taken):
    """Somebody's own clothes look otherwise for a while, like those of somebody beside him; who is far behind can't be meant."""
    red, blue = np.tile(np.float32([200, 30, 30]), (6, 1)), np.tile(np.float32([30, 30, 200]), (6, 1))
    pose, beside = pose_at(300.0, 1.0), pose_at(330.0, 1.0)
    points = beside.keypoints_2d.copy()
    points[:, :2] = size * points[:, :2] + (1 - size) * points[23, :2]
    image = np.full_like(IMAGE, 0)
    image[:] = blue[0]
    assert wears_anothers(pose, red, Sight(image), [(replace(beside, keypoints_2d=points), blue)]) == taken
