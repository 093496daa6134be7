# SPDX-License-Identifier: GPL-3.0-or-later
"""A finder of people that follows a script, and a figure that walks: what trackers are tested by without a network."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("av")

from skel_blender.engine.people.crops import Roi, between
from skel_blender.engine.people.detect import Expected
from skel_blender.engine.people.landmarker import Pose
from skel_blender.engine.people.poses import same_body
from skel_blender.engine.people.tracker import Tracker
from skel_blender.engine.people.tracks import finished

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

    def at(self, image, place):
        _, present = self._present(image)
        return [p for p in present if np.hypot(*(p.next_roi.center - place)) < 0.3 * PX_PER_M]

    def follow(self, image, expected: Expected, thorough):
        _, present = self._present(image)
        near = [p for p in present if np.hypot(*(p.next_roi.center - expected.roi.center)) < 0.5 * PX_PER_M]
        return sorted(near, key=lambda p: np.hypot(*(p.next_roi.center - expected.roi.center))), False

    def losses(self, image, covered):
        return [0.0 for _ in covered]

    def confirm(self, image, pose):
        return bool(pose.keypoints_2d[:, 2].mean() > 0.5)


class Scarecrow:
    """Networks in whose images something stands that is no person; they count the looks at it."""

    looks = 0

    def detect(self, image, window, threshold):
        return []

    def upright(self, image):
        return [Roi(np.array([150.0, 100.0]), 120.0, 0.0)]

    def landmarks(self, image, roi):
        self.looks += 1
        return Pose(np.zeros((33, 3)), np.zeros((33, 3)), 0.05, roi)


def track(stage: Stage, frames: int):
    tracker = Tracker(stage, FPS)
    for number in range(frames):
        image = np.full_like(IMAGE, 4 * number)  # something moves
        image[0, 0, 0] = number
        tracker.add(number, image)
    return finished(tracker.people, FPS, 0, frames - 1, (1280, 720))


def hips_x(person) -> np.ndarray:
    return person.keypoints_2d[:, [23, 24], 0].mean(1)
