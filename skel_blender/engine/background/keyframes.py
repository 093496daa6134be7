# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames to which others are linked, and about how the camera stood in them: it tells which of them shows what the camera sees now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

_KEPT = 64
_NEAR = 0.6  # of the image's width by which what was in the middle may be off
_ALIKE = 1.4  # zoom that leaves corners alike


@dataclass(frozen=True)
class Stance:
    """About how the camera stands: turn (3,3) from the first frame's axes, zoom over the assumed focal length."""

    turn: np.ndarray
    zoom: float


@dataclass(eq=False)
class Keyframe:
    """A frame's number, grey image, corners (N,2) px and stance; most: corners that another frame has shown; uses: by other frames."""

    number: int
    grey: np.ndarray
    corners: np.ndarray
    stance: Stance
    most: int = 0
    uses: int = 0


class Keyframes:
    """The keyframes of a clip, as many as fit. K (3,3) px is an assumption."""

    def __init__(self, K: np.ndarray) -> None:
        self._K = K
        self._all: list[Keyframe] = []

    def add(self, keyframe: Keyframe) -> None:
        """Remember a keyframe, and forget the one that served least."""
        if len(self._all) >= _KEPT:
            self._all.remove(min(self._all, key=lambda one: one.uses))
        self._all.append(keyframe)

    def stance(self, keyframe: Keyframe, H: np.ndarray) -> Stance:
        """Of a frame to which H (3,3) takes a keyframe's px."""
        M = np.linalg.solve(self._K, H @ self._lens(keyframe.stance))
        rows = np.linalg.norm(M, axis=1)
        zoom = float(np.clip((rows[0] + rows[1]) / (2 * rows[2]), 0.1, 10.0))
        U, _, V = np.linalg.svd(M / np.cbrt(np.linalg.det(M)) / [[zoom], [zoom], [1.0]])
        return Stance(U @ V @ keyframe.stance.turn, zoom)

    def homography(self, keyframe: Keyframe, stance: Stance) -> np.ndarray:
        """(3,3) about from a keyframe's px to those of a frame."""
        turn = stance.turn @ keyframe.stance.turn.T
        return self._lens(stance) @ turn @ np.linalg.inv(self._lens(keyframe.stance))

    def near(self, stance: Stance) -> list[Keyframe]:
        """Those that show about what a camera that stands so sees, the nearest first."""
        found = []
        for keyframe in self._all:
            x, y, z = self.homography(keyframe, stance) @ [self._K[0, 2], self._K[1, 2], 1.0]
            zoom = abs(np.log(stance.zoom / keyframe.stance.zoom))
            away = np.hypot(x / z - self._K[0, 2], y / z - self._K[1, 2]) / (2 * self._K[:2, 2].max()) if z > 0 else np.inf
            if away < _NEAR and zoom < np.log(_ALIKE):
                found.append((away + zoom, keyframe))
        return [keyframe for _, keyframe in sorted(found, key=lambda entry: entry[0])]

    def _lens(self, stance: Stance) -> np.ndarray:
        return self._K * [[stance.zoom, stance.zoom, 1], [stance.zoom, stance.zoom, 1], [1, 1, 1]]


def chained(stances: list[Stance], longer: float) -> np.ndarray:
    """(T,3,3) turns of frames whose stances assume a focal length so much longer than the true one: their pans and tilts are too small."""
    turns = np.array([stance.turn for stance in stances])
    steps = Rotation.from_matrix(turns[1:] @ turns[:-1].transpose(0, 2, 1)).as_rotvec() * (longer, longer, 1.0)
    told = [np.eye(3)]
    for step in Rotation.from_rotvec(steps).as_matrix():
        told.append(step @ told[-1])
    return np.array(told)
