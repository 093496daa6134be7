# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyframes, to which other frames are linked. From rough estimates of the camera the ones that show the present view again are found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

_KEPT = 64
_NEAR = 0.6  # of the image's width: how far a keyframe's centre may lie from the present one's
_ALIKE = 1.4  # ratio of zooms up to which corners look alike


@dataclass(frozen=True)
class RoughCamera:
    """A rough estimate of the camera: turn (3,3) from the first frame's axes, zoom relative to the assumed focal length."""

    turn: np.ndarray
    zoom: float


@dataclass(eq=False)
class Keyframe:
    """A frame's number, grey image, corners (N,2) px and rough camera. most: the most corners that were found again in another frame; uses:
    how many frames were linked to it."""

    number: int
    grey: np.ndarray
    corners: np.ndarray
    camera: RoughCamera
    most: int = 0
    uses: int = 0


class Keyframes:
    """At most _KEPT keyframes of a clip. K (3,3) px is an assumed lens."""

    def __init__(self, K: np.ndarray) -> None:
        self._K = K
        self._all: list[Keyframe] = []

    def add(self, keyframe: Keyframe) -> None:
        """Remember a keyframe, and forget the one that served least."""
        if len(self._all) >= _KEPT:
            self._all.remove(min(self._all, key=lambda one: one.uses))
        self._all.append(keyframe)

    def camera_of(self, keyframe: Keyframe, H: np.ndarray) -> RoughCamera:
        """The rough camera of a frame, given the homography H (3,3) from a keyframe's px to its px."""
        M = np.linalg.solve(self._K, H @ self._lens(keyframe.camera))
        rows = np.linalg.norm(M, axis=1)
        zoom = float(np.clip((rows[0] + rows[1]) / (2 * rows[2]), 0.1, 10.0))
        U, _, V = np.linalg.svd(M / np.cbrt(np.linalg.det(M)) / [[zoom], [zoom], [1.0]])
        return RoughCamera(U @ V @ keyframe.camera.turn, zoom)

    def homography(self, keyframe: Keyframe, camera: RoughCamera) -> np.ndarray:
        """(3,3), approximately: from a keyframe's px to those of a frame with the given camera."""
        turn = camera.turn @ keyframe.camera.turn.T
        return self._lens(camera) @ turn @ np.linalg.inv(self._lens(keyframe.camera))

    def near(self, camera: RoughCamera) -> list[Keyframe]:
        """The keyframes that show about the same view as the camera, the nearest first."""
        found = []
        for keyframe in self._all:
            x, y, z = self.homography(keyframe, camera) @ [self._K[0, 2], self._K[1, 2], 1.0]
            zoom = abs(np.log(camera.zoom / keyframe.camera.zoom))
            away = np.hypot(x / z - self._K[0, 2], y / z - self._K[1, 2]) / (2 * self._K[:2, 2].max()) if z > 0 else np.inf
            if away < _NEAR and zoom < np.log(_ALIKE):
                found.append((away + zoom, keyframe))
        return [keyframe for _, keyframe in sorted(found, key=lambda entry: entry[0])]

    def _lens(self, camera: RoughCamera) -> np.ndarray:
        return self._K * [[camera.zoom, camera.zoom, 1], [camera.zoom, camera.zoom, 1], [1, 1, 1]]


def chained(cameras: list[RoughCamera], longer: float) -> np.ndarray:
    """(T,3,3) turns of all frames, corrected for rough cameras that assume a focal length `longer` times the true one: their pans and tilts
    are too small by that factor."""
    turns = np.array([camera.turn for camera in cameras])
    steps = Rotation.from_matrix(turns[1:] @ turns[:-1].transpose(0, 2, 1)).as_rotvec() * (longer, longer, 1.0)
    told = [np.eye(3)]
    for step in Rotation.from_rotvec(steps).as_matrix():
        told.append(step @ told[-1])
    return np.array(told)
