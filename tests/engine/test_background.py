# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera's turns and zoom come out of the background, and a camera that stands still is left alone."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("scipy")

from scipy.spatial.transform import Rotation

from skel_blender.engine.background import Background, logs
from skel_blender.engine.background.bundle import Cameras, bundle
from skel_blender.engine.background.corners import between_bars
from skel_blender.engine.background.links import KEPT, Link, Links
from skel_blender.engine.background.motion import Findings, moves
from skel_blender.engine.camera import CameraMotion, intrinsics
from tests.virtual_camera import Shot, compare, distorted, panorama, shake, shot, views

SCENE = panorama(height=768)
SIZE = (480, 270)
FOCAL = 450.0
THERE_AND_BACK = 1 - np.abs(np.linspace(-1, 1, 40))


def camera(*angles: np.ndarray | float, focal: np.ndarray | float = FOCAL) -> Shot:
    return shot(*angles, focal=focal, size=SIZE)


def watched(images: Iterable[np.ndarray], people: list[np.ndarray] | None = None, first: int = 0) -> Background:
    background = Background(SIZE)
    for number, image in enumerate(images, first):
        background.see(number, image, [] if people is None else [people[number - first]])
    return background


def motion_of(images: Iterable[np.ndarray], focal: float | None = None) -> CameraMotion | None:
    """With the lens known to be `focal` px, or not known."""
    return watched(images).motion(intrinsics(SIZE, None, focal), focal is not None)


def covered(images: Iterable[np.ndarray], width: int, speed: float) -> Iterator[np.ndarray]:
    """A train that passes through the right of the image, all of its height and `width` px wide."""
    other = panorama(seed=5, height=512)
    for frame, image in enumerate(images):
        at = int(frame * speed)
        image[:, -width:] = other[: image.shape[0], at : at + width]
        yield image


def test_a_pan_tells_turns_and_lens_and_ends_where_it_began():
    truth = camera(50 * THERE_AND_BACK, 4 * THERE_AND_BACK)
    motion = motion_of(views(SCENE, truth, noise=3))
    off, ratio = compare(motion, truth)
    assert np.median(off) < 0.05 and off.max() < 0.15
    assert (motion.zoom == 1).all() and np.allclose(ratio, 1, atol=0.005)
    assert np.degrees(Rotation.from_matrix(motion.turns[0] @ motion.turns[-1].T).magnitude()) < 0.05


@pytest.mark.parametrize("k1", [-0.1, 0.05])
def test_a_lens_that_bends_is_not_taken_for_a_longer_one(k1):
    truth = camera(30 * np.linspace(0, 1, 40))
    motion = motion_of(distorted(views(SCENE, truth, noise=2), truth.K(0), k1))
    off, ratio = compare(motion, truth)
    assert off.max() < 0.3 and np.allclose(ratio, 1, atol=0.02)


def test_turns_are_about_the_middle_of_all_directions_and_count_from_the_first_frame():
    images = list(views(SCENE, camera(np.linspace(0, 20, 16), 0, 30)))
    motion = watched(images, first=7).motion(intrinsics(SIZE), False)
    assert motion.first == 7 and motion.turns.shape == (16, 3, 3)
    assert Rotation.from_matrix(motion.turns).mean().magnitude() < 1e-6
    # panning right, what is in the middle of the view is to the left in the last frame, and to the right in the first
    ahead = motion.turns @ [0, 0, 1]
    assert ahead[-1] @ [np.cos(np.radians(30)), np.sin(np.radians(30)), 0] == pytest.approx(-np.sin(np.radians(10)), abs=0.005)


def test_a_shaking_hand_is_followed_and_leaves_the_lens_as_it_was_given():
    truth = camera(*shake(40, 25, 0.2))
    motion = motion_of(views(SCENE, truth, noise=3), FOCAL)
    off, _ = compare(motion, truth)
    assert np.median(off) < 0.02 and (motion.zoom == 1).all() and motion.K[0, 0] == FOCAL
    assert motion_of(views(SCENE, truth, noise=3)).K[0, 0] == intrinsics(SIZE)[0, 0]


def test_a_zoom_is_told_from_a_turn():
    truth = camera(8 * THERE_AND_BACK, focal=FOCAL * np.linspace(1, 1.5, 40))
    motion = motion_of(views(SCENE, truth))
    off, ratio = compare(motion, truth)
    assert off.max() < 0.1
    assert np.allclose(ratio, np.median(ratio), rtol=0.003) and np.median(ratio) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("upright", [True, False])
def test_black_bars_of_a_film_do_not_lead_a_camera_away(upright):
    """Where the picture ends at a bar are corners that slide along it; they passed for a camera that leaves its place."""
    truth = camera(2.4 * THERE_AND_BACK, 2 * THERE_AND_BACK, focal=FOCAL * np.linspace(1, 1.05, 40))
    images = list(views(SCENE, truth, noise=3))
    for image in images:
        side = image if upright else image.swapaxes(0, 1)
        side[:30], side[-30:] = 2, 2
    motion = motion_of(images)
    off, _ = compare(motion, truth)
    assert motion.places is None and off.max() < 0.03 and np.ptp(motion.zoom) == pytest.approx(0.049, abs=0.003)


def test_bars_are_left_out_with_what_is_beside_them():
    image = np.full((400, 600, 3), 90, np.uint8)
    assert between_bars(image, (200, 300)) == (slice(0, 200), slice(0, 300))
    image[:40], image[:, -20:] = 0, (3, 20, 9)
    assert between_bars(image, (200, 300)) == (slice(20 + 12, 200), slice(0, 300 - 10 - 12))
    rows, columns = between_bars(np.zeros_like(image), (200, 300))
    assert not np.ones((200, 300))[rows, columns].size, "all of it is black"


@pytest.mark.parametrize("colour", [2, 250, 128])
def test_a_camera_that_was_held_upright_is_followed_between_broad_bars(colour):
    truth = camera(3 * THERE_AND_BACK, 2 * THERE_AND_BACK)
    images = list(views(SCENE, truth, noise=3))
    for image in images:
        image[:, :190], image[:, -190:] = colour, colour
    assert compare(motion_of(images), truth)[0].max() < 0.5
    images[0][:] = 90
    assert motion_of(images) is None, "what was lit before is no bar: little of the picture moves"


def test_what_is_laid_over_the_footage_does_not_lead_a_camera_away():
    """Logos, a title and lines stay in place: they hid a zoom, and passed for a camera that leaves its place."""
    truth = camera(2.4 * THERE_AND_BACK, 2 * THERE_AND_BACK, focal=FOCAL * np.linspace(1, 1.1, 40))
    images = list(views(SCENE, truth, noise=3))
    rough = np.random.default_rng(5).integers(0, 2, (30, 60, 1), np.uint8).repeat(3, axis=2) * 255
    for image in images:
        for x, y in ((15, 15), (410, 15), (170, 230), (225, 230)):
            image[y : y + 30, x : x + 60] = rough
        image[180, :], image[:, 160] = 255, 255
    motion = motion_of(images)
    off, _ = compare(motion, truth)
    assert motion.places is None and off.max() < 0.1 and np.ptp(motion.zoom) == pytest.approx(0.095, abs=0.005)


@pytest.mark.parametrize("noise", [0, 8])
def test_a_still_camera_is_still(noise):
    assert motion_of(views(SCENE, camera(np.zeros(15)), noise=noise)) is None


def test_a_still_camera_is_still_where_most_of_the_image_moves():
    assert motion_of(covered(views(SCENE, camera(np.zeros(30))), 300, 4)) is None


def test_a_still_camera_is_still_in_changing_light():
    images = (np.clip(image * (1 + 0.4 * np.sin(frame / 3)), 0, 255).astype(np.uint8)
              for frame, image in enumerate(views(SCENE, camera(np.zeros(20)), noise=2)))  # fmt: skip
    assert motion_of(images) is None


def test_nothing_to_see_is_no_motion():
    assert Background(SIZE).motion(intrinsics(SIZE), False) is None
    assert motion_of(np.full((10, *SIZE[::-1], 3), 200, np.uint8)) is None


def test_an_image_that_is_hardly_one_is_no_motion():
    background = Background((4000, 2))
    for frame in range(3):
        background.see(frame, np.random.default_rng(frame).integers(0, 256, (2, 4000, 3), np.uint8), [])
    assert background.motion(intrinsics((4000, 2)), False) is None


def test_people_are_no_background():
    truth = camera(12 * THERE_AND_BACK)
    middle = np.random.default_rng(0).uniform((250, 20), (460, 250), (40, 33, 2))
    background = watched(covered(views(SCENE, truth), 240, 6), list(middle))
    off, _ = compare(background.motion(intrinsics(SIZE, None, FOCAL), True), truth)
    assert off.max() < 0.1 and background.findings.unexplained < 0.1


def test_at_the_end_of_a_shot_its_images_are_let_go_and_all_that_tells_its_motion_is_kept():
    one, other = (watched(views(SCENE, camera(50 * THERE_AND_BACK, 4 * THERE_AND_BACK))) for _ in range(2))
    assert len(pickle.dumps(one)) > 6 * np.prod(SIZE), "keyframes, and the latest image"
    one.end()
    assert len(pickle.dumps(one)) < 2 * np.prod(SIZE), "corners, not images"
    ended, going = (background.motion(intrinsics(SIZE), False) for background in (one, other))
    assert np.array_equal(ended.turns, going.turns) and np.array_equal(ended.K, going.K) and one.findings == other.findings


def test_frames_that_show_nothing_lie_between_their_neighbours():
    truth = camera(np.linspace(0, 20, 40))
    background = watched(image * (not 18 <= frame < 22) for frame, image in enumerate(views(SCENE, truth)))
    off, _ = compare(background.motion(intrinsics(SIZE, None, FOCAL), True), truth)
    assert off.max() < 0.1
    assert background.findings.blind == 4 and background.findings.cuts == ()


def test_after_a_cut_the_camera_goes_on_as_it_stood():
    pans = [camera(np.linspace(0, 10, 20)), camera(np.linspace(90, 80, 20))]
    background = watched(image for pan in pans for image in views(SCENE, pan))
    motion = background.motion(intrinsics(SIZE, None, FOCAL), True)
    assert background.findings.cuts == (20,)
    heading = np.degrees(np.arctan2(motion.turns[:, 0, 2], motion.turns[:, 2, 2]))
    assert heading[19] - heading[0] == pytest.approx(-10, abs=0.1) and heading[39] - heading[20] == pytest.approx(10, abs=0.1)
    assert heading[20] == pytest.approx(heading[19], abs=0.1)


MOVED = {"shift": 2.0, "share": 0.8, "spread": 0.3, "still": 0.1}


def linked(frames: int, **of_links: float) -> list[Link]:
    none = np.zeros((0, 2))
    return [Link(0, frame, none, none, none[:, 0] > 0, **{**MOVED, **of_links}) for frame in range(1, frames + 1)]


def test_a_camera_moves_where_enough_frames_show_it():
    assert moves(linked(3), 100) and not moves(linked(2), 100) and not moves(linked(3) + linked(3), 200)


@pytest.mark.parametrize("why", [{"shift": 0.9}, {"share": 0.4}, {"spread": 0.1}, {"still": 0.3}], ids=str)
def test_what_shows_no_motion(why):
    assert not moves(linked(50, **why), 100)


@pytest.mark.parametrize(
    ("given", "findings", "said"),
    [
        ({}, {}, ["turns by up to 30 degrees; that"]),
        ({"turn": 0.3}, {}, ["turns by less than a degree; that"]),
        ({"turn": 1.2}, {}, ["turns by up to a degree; that"]),
        ({"zoom": np.array([1.0, 1.5])}, {}, ["turns by up to 30 degrees and zooms by 50%; that"]),
        ({"places": np.eye(2, 3)}, {"unexplained": 0.5}, ["turns by up to 30 degrees and travels; that"]),
        ({}, {"lens_told": True}, ["turns by", "The lens follows from its turns: a focal length of 450 px."]),
        ({"places": np.eye(2, 3)}, {"lens_told": True}, ["turns by", "The lens follows from its path: a focal length of 450 px."]),
        ({}, {"unexplained": 0.5}, ["turns by", "also seems to travel"]),
        ({}, {"unexplained": 0.2, "cuts": (20, 30)}, ["turns by", "At frame 27 the picture changes abruptly"]),
    ],
)
def test_what_the_user_is_told_of_a_camera(given, findings, said):
    turns = Rotation.from_rotvec([[0, 0, 0], [0, np.radians(given.get("turn", 30)), 0]]).as_matrix()
    motion = CameraMotion(7, intrinsics(SIZE, None, FOCAL), turns, given.get("zoom", np.ones(2)), given.get("places"))
    told = logs(motion, Findings(**findings))
    assert len(told) == len(said) and all(text in log.text for text, log in zip(said, told))
    assert [log.level for log in told] == ["warning" if "seems" in text or "At frame" in text else "info" for text in said]


def test_the_bundle_finds_turns_and_lens_among_corners_of_which_a_third_moves():
    random = np.random.default_rng(0)
    truth = camera(np.linspace(-25, 25, 60), *shake(60, 25, 1.0)[:2])
    i = np.concatenate([np.arange(59), np.arange(50)])
    j = np.concatenate([np.arange(1, 60), np.arange(10, 60)])
    p = random.uniform(-200, 200, (len(i), KEPT, 2))
    back = truth.turns[i] @ truth.turns[j].transpose(0, 2, 1)
    rays = np.concatenate([p / FOCAL, np.ones((*p.shape[:2], 1))], axis=-1) @ back
    q = FOCAL * rays[..., :2] / rays[..., 2:] + random.normal(0, 0.3, p.shape)
    agree = np.arange(KEPT) >= KEPT // 3
    q[:, ~agree] += (6.0, -4.0)
    links = Links(i, j, p, q, np.ones(p.shape[:2], bool), np.tile(agree, (len(i), 1)), np.zeros(len(i)))
    start = Cameras(np.tile(np.eye(3), (60, 1, 1)), 1.3 * FOCAL, np.zeros(60))
    fitted = bundle(links, start, focal=True, zoom=False)
    off, ratio = compare(CameraMotion(0, intrinsics(SIZE, None, fitted.cameras.focal), fitted.cameras.turns, np.ones(60)), truth)
    assert off.max() < 0.3 and abs(ratio[0] - 1) < 4 * fitted.deviation < 0.03
