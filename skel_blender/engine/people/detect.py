# SPDX-License-Identifier: GPL-3.0-or-later
"""People in one image: where nobody is known yet (search) and where somebody is expected (follow)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..blazepose import HIPS, KNEES, LEGS, LIMBS, SHOULDERS, TRUNK
from ..threads import Each
from .crops import Roi, painted, patch, tiles
from .landmarker import Networks, Pose
from .poses import extent, lies_on, quality, same_body, scale, similarity

DETECTED = 0.5  # the detector's and the landmark network's own thresholds in MediaPipe
NEW, KNOWN = 0.45, 0.3  # quality from which a pose starts a person, and from which it continues one
SURE = 0.55  # quality and similarity under which a followed pose is looked at again from other sides
CLEAR = 0.72  # quality that no thing has
READINGS = 5  # kept of a frame that has several
STILL = 2.0  # mean change in grey levels of a window under which nothing in it moves: the noise of compressed video stays below
_LARGER, _AS_GOOD = 2.7, 0.8  # times the extent, and the quality, of a pose that is a part of another
_REFUSED = 64  # windows that are remembered
_FOLDED, _UNSEEN = 0.25, 0.35  # of the trunk's length, the knees below the hips; and the confidence in legs: below both, they are guessed
_WIDER = 1.7  # times the window, to look for legs below it
_TURNS = [k * np.pi / 4 for k in range(1, 8)]  # rad
_WINDOW_M = (1.9, 1.55, 2.3)  # sides of windows that suit a curled, a very curled and a stretched body
_SIDES = (0.15, 3.0, 10)  # of windows around a place: the least over the shorter side of the image, the most, and how many


@dataclass(frozen=True)
class Expected:
    """Where a person should be in an image: window, keypoints (33,3) and px per metre."""

    roi: Roi
    keypoints_2d: np.ndarray
    px_per_m: float


@dataclass(frozen=True)
class _Detections:
    """What detectors find in a whole image, or will find when it is asked for: windows in each tile, with their scores, and windows where
    somebody may be upright, if these are sought."""

    image: np.ndarray
    tiles: list[Roi]
    found: Iterable[list[tuple[Roi, float]]]
    upright: Iterable[list[Roi]]
    upright_sought: bool


def acceptable(pose: Pose, size: tuple[int, int], threshold: float) -> bool:
    """Whether a pose is a person seen in an image of `size` (w, h)."""
    return pose.score >= DETECTED and _quality_inside(pose, size) >= threshold and _inside(pose, size).mean() >= 0.3


class PeopleFinder:
    """Finds and follows people with a landmarker's networks. `each` maps the networks over several windows at once, `early` over those of
    images that will be searched later."""

    def __init__(self, networks: Networks, each: Each = map, early: Each = map) -> None:
        self._net, self._each, self._early = networks, each, early
        self._begun: dict[int, _Detections] = {}  # by the image's id
        self._refused: deque[tuple[Roi, np.ndarray]] = deque(maxlen=_REFUSED)  # windows that showed nobody, and what was seen there

    def prepare(self, image: np.ndarray, levels: int, upright: bool) -> None:
        """Begin to detect in an image that will be searched; what is found does not depend on who is known by then."""
        self._begun[id(image)] = self._detections(image, levels, upright, self._early)

    def search(self, image: np.ndarray, levels: int, upright: bool, known: list[np.ndarray]) -> list[Pose]:
        """People of an RGB image (H,W,3) that are none of `known` [(33,3)], best first.

        levels: of crops.tiles, which BlazePose's detector is shown; upright: whether to run the detector of upright people, too.
        """
        found: list[Pose] = []
        for roi in self._windows(image, levels, upright, known):
            if self._was_refused(image, roi) or any(_explains(points, roi) for points in [*known, *(pose.keypoints_2d for pose in found)]):
                continue
            pose = self._settled(image, roi)
            if acceptable(pose, image.shape[1::-1], NEW):
                found.append(pose)
            else:
                self._refused.append((roi, patch(image, roi)))
        taken = list(known)
        kept = []
        whole = [pose for pose in found if not any(_part_of(pose, other, image.shape[1::-1]) for other in found)]
        for pose in sorted(whole, key=quality, reverse=True):
            points = pose.keypoints_2d
            if not any(same_body(points, other) for other in taken):
                kept.append(pose)
                taken.append(points)
        return kept

    def at(self, image: np.ndarray, place: np.ndarray) -> list[Pose]:
        """Who may be at a place (x, y) px of an RGB image (H,W,3), between the shoulders and the knees, the best first.

        For whoever an animator says is there: nobody else has to see him.
        """
        least, most, count = _SIDES
        sides = min(image.shape[:2]) * np.geomspace(least, most, count)
        found: list[Pose] = []
        for turns in ([0.0], _TURNS):
            windows = [Roi(place, side, turn) for side in sides for turn in turns]
            poses = self._each(lambda roi: self._settled(image, roi), windows)
            found += [pose for pose in poses if acceptable(pose, image.shape[1::-1], KNOWN) and _in_body(pose.keypoints_2d, place)]
            found.sort(key=quality, reverse=True)
            if found and quality(found[0]) > CLEAR:
                break
        return found

    def follow(self, image: np.ndarray, expected: Expected, thorough: bool) -> tuple[list[Pose], bool]:
        """Readings of the person expected in an image, the likeliest first, empty when he is not seen; whether a thorough look was taken.

        One reading where the network is sure. Else, if `thorough`, also those of windows turned all around, because a tumbling
        body shows up only in a window that is about upright for it.
        """
        size = image.shape[1::-1]

        def likelihood(pose: Pose) -> float:
            if not (acceptable(pose, size, KNOWN) and _near(pose, expected)):
                return 0.0
            return quality(pose) * (0.2 + similarity(pose.keypoints_2d, expected.keypoints_2d)) * _like_size(pose, expected)

        found = [self._settled(image, expected.roi)]
        sure = quality(found[0]) > SURE and likelihood(found[0]) > SURE * (0.2 + SURE)
        looked = thorough and not sure
        if looked:
            found += self._all_around(image, expected, likelihood)
        return [p for p in sorted(found, key=likelihood, reverse=True)[:READINGS] if likelihood(p) > 0], looked

    def losses(self, image: np.ndarray, covered: list[tuple[Expected, np.ndarray]]) -> list[float]:
        """How much of each expected person's quality is lost when his part (H,W) of the image is painted over."""
        images = [shown for _, hidden in covered for shown in (image, painted(image, hidden))]
        places = [expected for expected, _ in covered for _ in range(2)]
        poses = self._each(lambda shown, expected: self._net.landmarks(shown, expected.roi), images, places)
        seen = [quality(pose) * similarity(pose.keypoints_2d, expected.keypoints_2d) for pose, expected in zip(poses, places, strict=True)]
        return [plain - less for plain, less in zip(seen[::2], seen[1::2], strict=True)]

    def confirm(self, image: np.ndarray, pose: Pose) -> bool:
        """Whether the detector, which knows nothing of the track, sees a person in a pose's place."""
        window, whole = pose.next_roi.scaled(1.4), tiles(*image.shape[1::-1], 1)[0]
        if window.size > whole.size:  # most of it would be black
            window = whole.turned(window.angle)
        return any(_explains(pose.keypoints_2d, roi) for roi, _ in self._net.detect(image, window, DETECTED))

    def _all_around(self, image: np.ndarray, expected: Expected, likelihood: Callable[[Pose], float]) -> list[Pose]:
        """Poses of windows of several sides, which are mostly enough, then of turned ones, until one is likely."""
        windows, turns = _around(expected), [0.0]
        found: list[Pose] = []
        for number, window in enumerate(windows + windows):
            found += self._turned(image, window, turns, likelihood)
            best = max(found, key=likelihood)
            if likelihood(best) > SURE * (0.2 + SURE):
                break
            if number == len(windows) - 1:
                turns = _TURNS
            elif number >= len(windows) and likelihood(best) > 0:
                turns = [best.next_roi.angle - window.angle + k * np.pi / 6 for k in (-1, 0, 1)]
        return found

    def _turned(self, image: np.ndarray, window: Roi, turns: list[float], likelihood: Callable[[Pose], float]) -> list[Pose]:
        """The three likeliest poses of a window turned by each of `turns` rad, and what a second look makes of them."""
        first = self._each(lambda turn: self._net.landmarks(image, window.turned(turn)), turns)
        poses = sorted(first, key=likelihood, reverse=True)[:3]
        likely = [pose.next_roi for pose in poses if likelihood(pose) > 0]
        return poses + list(self._each(lambda roi: self._net.landmarks(image, roi), likely))

    def _detections(self, image: np.ndarray, levels: int, upright: bool, each: Each) -> _Detections:
        parts = tiles(*image.shape[1::-1], levels)
        whole = each(self._net.upright, [image] if upright else [])  # the longest look first
        return _Detections(image, parts, each(lambda tile: self._net.detect(image, tile, DETECTED), parts), whole, upright)

    def _windows(self, image: np.ndarray, levels: int, upright: bool, known: list[np.ndarray]) -> list[Roi]:
        """Where BlazePose's detector sees people, on the whole image and on tiles, best first; then where somebody may be upright."""
        detections = self._begun.pop(id(image), None) or self._detections(image, levels, upright, self._each)
        seen: list[tuple[float, Roi]] = []
        for index, (tile, found) in enumerate(zip(detections.tiles, detections.found, strict=True)):
            for roi, score in found:
                # a body larger than the tile is seen only in part: a larger tile has it whole
                if index == 0 or (roi.size < 1.2 * tile.size and np.abs(roi.center - tile.center).max() < tile.size / 2):
                    seen.append((score, roi))
        ordered = [roi for _, roi in sorted(seen, key=lambda entry: -entry[0])]
        late = [] if detections.upright_sought or not upright else [self._net.upright(image)]  # a cut came that nobody knew of
        for windows in [*detections.upright, *late]:
            ordered += [roi for roi in windows if not any(_in_body(points, roi.center) for points in known)]
        kept: list[Roi] = []
        for roi in ordered:
            if not any(_same_window(roi, other) for other in kept):
                kept.append(roi)
        return kept

    def _was_refused(self, image: np.ndarray, roi: Roi) -> bool:
        """Whether the landmark network saw nobody in about this window when it showed the same as now."""
        near = [(window, shown) for window, shown in self._refused if _same_window(window, roi)]
        return any(np.abs(patch(image, window) - shown).mean() < STILL for window, shown in near)

    def _settled(self, image: np.ndarray, roi: Roi) -> Pose:
        """The pose in a window; a second look where the first says that the window was far off."""
        pose = self._net.landmarks(image, roi)
        new = pose.next_roi
        turn = abs((new.angle - roi.angle + np.pi) % (2 * np.pi) - np.pi)
        shift = np.hypot(*(new.center - roi.center)) / max(roi.size, 1.0)
        ratio = new.size / max(roi.size, 1.0)
        if pose.score < 0.1:
            return pose
        if turn < 0.35 and shift < 0.08 and 0.8 < ratio < 1.25:
            return self._unfolded(image, pose)
        again = self._net.landmarks(image, new)
        return self._unfolded(image, again if quality(again) >= 0.9 * quality(pose) else pose)

    def _unfolded(self, image: np.ndarray, pose: Pose) -> Pose:
        """A pose, or another look at it where its legs are only folded up because window and image end below the hips."""
        if not _folded_unseen(pose.keypoints_2d):
            return pose
        wide = self._net.landmarks(image, pose.next_roi.scaled(_WIDER))
        beyond = ~_inside(wide, image.shape[1::-1], LEGS)
        better = wide.score >= DETECTED and beyond.sum() >= 3 and _same_shoulders(pose.keypoints_2d, wide.keypoints_2d)
        return wide if better else pose


def _inside(pose: Pose, size: tuple[int, int], joints: list[int] = LIMBS) -> np.ndarray:
    """Which of a pose's joints are inside an image of `size` (w, h)."""
    points = pose.keypoints_2d[joints, :2]
    return ((points >= 0) & (points < size)).all(1)


def _part_of(pose: Pose, other: Pose, size: tuple[int, int]) -> bool:
    """Whether a pose is only a part of another that is about as good inside the image: hair, legs, or the arm of somebody whose legs are
    beyond its edge can look like a person of their own."""
    larger = extent(other.keypoints_2d) > _LARGER * extent(pose.keypoints_2d)
    as_good = _quality_inside(other, size) > _AS_GOOD * _quality_inside(pose, size)
    return larger and as_good and lies_on(pose.keypoints_2d, other.keypoints_2d)


def _quality_inside(pose: Pose, size: tuple[int, int]) -> float:
    """A pose's quality by its joints inside an image of `size` (w, h)."""
    sure, inside = pose.keypoints_2d[LIMBS, 2], _inside(pose, size)
    return quality(pose) * float(sure[inside].mean() / sure.mean()) if inside.any() else 0.0


def _folded_unseen(keypoints_2d: np.ndarray) -> bool:
    """Whether a pose (33,3) has knees up beside the trunk that the network does not see."""
    shoulders, hips, knees = (keypoints_2d[pair, :2].mean(0) for pair in (SHOULDERS, HIPS, KNEES))
    trunk = hips - shoulders
    return bool((knees - hips) @ trunk < _FOLDED * trunk @ trunk and keypoints_2d[LEGS, 2].mean() < _UNSEEN)


def _same_shoulders(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two poses (33,3) have about the same shoulders."""
    trunk = a[HIPS, :2].mean(0) - a[SHOULDERS, :2].mean(0)
    moved = (b[SHOULDERS, :2] - a[SHOULDERS, :2]).mean(0)
    return float(np.hypot(*moved)) < 0.25 * float(np.hypot(*trunk))


def _around(expected: Expected) -> list[Roi]:
    """Windows of the sides _WINDOW_M around the middle of an expected pose."""
    points = expected.keypoints_2d[:, :2]
    middle = (points.min(0) + points.max(0)) / 2
    return [Roi(middle, metres * expected.px_per_m, expected.roi.angle) for metres in _WINDOW_M]


def _same_window(a: Roi, b: Roi) -> bool:
    ratio = a.size / b.size
    return float(np.hypot(*(a.center - b.center))) < 0.12 * max(a.size, b.size) and 0.6 < ratio < 1.7


def _explains(keypoints_2d: np.ndarray, roi: Roi) -> bool:
    """Whether a known pose is what the detector saw in a window: hips at its centre and of its size."""
    hips = keypoints_2d[HIPS, :2].mean(0)
    return float(np.hypot(*(hips - roi.center))) < 0.15 * roi.size and 0.3 < extent(keypoints_2d) / roi.size < 1.2


def _in_body(keypoints_2d: np.ndarray, place: np.ndarray) -> bool:
    """Whether a place in the image is between the shoulders and the knees of a pose (33,3)."""
    shoulders, hips, knees = (keypoints_2d[pair, :2].mean(0) for pair in (SHOULDERS, HIPS, KNEES))
    line = np.linspace([shoulders, hips], [hips, knees], 9).reshape(-1, 2)
    return float(np.hypot(*(line - place).T).min()) < 0.1 * extent(keypoints_2d)


def _like_size(pose: Pose, expected: Expected) -> float:
    """1 for a body of the expected size in the image, falling to 0.6 at 1.3 times more or less."""
    return float(np.exp(-0.5 * (np.log(scale(pose)[0] / expected.px_per_m) / 0.26) ** 2))


def _near(pose: Pose, expected: Expected) -> bool:
    """Whether a pose can be the expected one: trunk within 0.7 m, and a body of like size."""
    moved = np.hypot(*(pose.keypoints_2d[TRUNK, :2] - expected.keypoints_2d[TRUNK, :2]).mean(0))
    return bool(moved < 0.7 * expected.px_per_m and 0.6 < scale(pose)[0] / expected.px_per_m < 1.7)
