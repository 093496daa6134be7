# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage of cameras that turn and zoom exactly as told: a made-up panorama, or real footage seen through a virtual camera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from bin.evaluation.metrics import similarity
from skel_blender.engine.camera import CameraMotion, intrinsics

SIZE = (640, 360)


@dataclass(frozen=True)
class Shot:
    """turns (T,3,3): x_camera = turns (x_scene - places), OpenCV's axes; focal (T,) px, for images of `size` (w,h) px; places (T,3) m."""

    turns: np.ndarray
    focal: np.ndarray
    size: tuple[int, int] = SIZE
    places: np.ndarray | None = None

    def K(self, frame: int) -> np.ndarray:
        """(3,3) px."""
        return intrinsics(self.size, None, float(self.focal[frame]))


def shot(pan: np.ndarray | float, tilt: np.ndarray | float = 0.0, roll: np.ndarray | float = 0.0, focal: np.ndarray | float = 600.0,
         size: tuple[int, int] = SIZE, places: np.ndarray | None = None) -> Shot:  # fmt: skip
    """Pan to the right, tilt up and roll, degrees, and focal length px: each (T,) or the same for all frames; places (T,3) m."""
    pan, tilt, roll, focal = np.broadcast_arrays(pan, tilt, roll, np.asarray(focal, float))
    turns = Rotation.from_euler("ZXY", np.column_stack([roll, -tilt, -pan]), degrees=True).as_matrix()
    return Shot(turns, focal, size, places)


def shake(frames: int, fps: float, degrees: float, seed: int = 0) -> np.ndarray:
    """(3,T) degrees of pan, tilt and roll of a camera in the hand: waves of 0.5 to 6 Hz, of that deviation."""
    random = np.random.default_rng(seed)
    hertz = np.linspace(0.5, 6.0, 12)
    phase, size = random.uniform(0, 2 * np.pi, (3, 12, 1)), random.normal(0, 1, (3, 12, 1)) / hertz[:, None]
    waves = (size * np.sin(2 * np.pi * hertz[:, None] * np.arange(frames) / fps + phase)).sum(1)
    return degrees * waves / waves.std(axis=1, keepdims=True)


def panorama(seed: int = 0, height: int = 1024) -> np.ndarray:
    """A scene all around, RGB (height, 2 height, 3): clouds of all sizes, and boards with corners."""
    random = np.random.default_rng(seed)
    image = np.zeros((height, 2 * height))
    for octave in range(3, 9):
        coarse = random.normal(0, 1, (2**octave, 2 ** (octave + 1)))
        image += cv2.resize(coarse, image.shape[::-1], interpolation=cv2.INTER_CUBIC) * 24 / octave
    image = np.repeat(128 + image[..., None], 3, axis=2)
    for _ in range(900):
        middle, half = random.uniform((0, 0), image.shape[1::-1]), random.uniform(4, 26, 2)
        corners = cv2.boxPoints((tuple(middle), tuple(2 * half), float(random.uniform(0, 90))))
        cv2.fillConvexPoly(image, corners.astype(np.int32), random.uniform(0, 255, 3).tolist())
    return np.clip(image, 0, 255).astype(np.uint8)


def views(scene: np.ndarray, through: Shot, blur: int = 1, noise: float = 0.0) -> Iterator[np.ndarray]:
    """RGB frames of a panorama. Each is the mean of `blur` moments of half a frame before and after its own; noise in grey levels."""
    random = np.random.default_rng(1)
    grain = [random.normal(0, noise, (*through.size[::-1], 3)).astype(np.int16) for _ in range(3)] if noise else []
    last = len(through.focal) - 1
    path = Rotation.from_matrix(through.turns)
    for frame in range(last + 1):
        step = (path[min(frame + 1, last)] * path[frame].inv()).as_rotvec()
        moments = [Rotation.from_rotvec(step * ((k + 0.5) / blur - 0.5)).as_matrix() @ through.turns[frame] for k in range(blur)]
        image = sum(_view(scene, through.K(frame), turn, through.size).astype(np.int16) for turn in moments) // blur
        if noise:
            image += np.roll(grain[frame % 3], int(random.integers(image.size)))
        yield np.clip(image, 0, 255).astype(np.uint8)


def _view(scene: np.ndarray, K: np.ndarray, turn: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    u, v = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    pixels = np.stack([u, v, np.ones_like(u)]).reshape(3, -1).astype(np.float32)
    x, y, z = ((turn.T @ np.linalg.inv(K)).astype(np.float32) @ pixels).reshape(3, *u.shape)
    height = scene.shape[0]
    column, row = (np.arctan2(x, z) / np.float32(np.pi) + 1) * height, (np.arctan2(y, np.hypot(x, z)) / np.float32(np.pi) + 0.5) * height
    return cv2.remap(scene, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def distorted(images: Iterable[np.ndarray], K: np.ndarray, k1: float) -> Iterator[np.ndarray]:
    """Frames of a lens K (3,3) px as one sees them that bends: k1 is OpenCV's first radial coefficient."""
    places = None
    for image in images:
        if places is None:
            pixels = np.stack(np.meshgrid(*(np.arange(side, dtype=float) for side in image.shape[1::-1])), axis=-1)
            straight = cv2.undistortPoints(pixels.reshape(-1, 1, 2), K, np.array([k1, 0.0, 0.0, 0.0]), P=K)
            places = straight.reshape(*image.shape[:2], 2).astype(np.float32)
        yield cv2.remap(image, places[..., 0], places[..., 1], cv2.INTER_LINEAR)


def seen_through(images: Iterable[np.ndarray], K: np.ndarray, through: Shot) -> Iterator[np.ndarray]:
    """RGB frames of a still camera with lens K (3,3) px as a virtual one in its place sees them."""
    for frame, image in enumerate(images):
        yield cv2.warpPerspective(image, homography(K, through, frame), through.size, flags=cv2.INTER_LINEAR)


def following(pixels: np.ndarray, K: np.ndarray, inside: tuple[int, int], size: tuple[int, int]) -> Shot:
    """A camera that turns after pixels (T,2) of a still one, whose images are `inside` px large and never left; both have lens K (3,3)."""
    wide = np.pad(pixels, ((15, 15), (0, 0)), mode="edge")  # a hand on a tripod lags and leads
    path = np.stack([np.convolve(column, np.full(31, 1 / 31), "valid") for column in wide.T], axis=1)
    path = np.clip(path, np.array(size) / 2, np.array(inside) - np.array(size) / 2)
    right, down = ((path - K[:2, 2]) / np.diag(K)[:2]).T
    pan = np.arctan(right)
    return shot(np.degrees(pan), -np.degrees(np.arctan(down * np.cos(pan))), focal=K[0, 0], size=size)


def write_clip(path: Path, images: Iterable[np.ndarray], fps: float, size: tuple[int, int]) -> None:
    """RGB frames of `size` px as an .mp4."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, size)
    for image in images:
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()


def homography(K: np.ndarray, through: Shot, frame: int) -> np.ndarray:
    """(3,3) from px of the still camera to those of a frame, both counted from the middle of the first pixel."""
    half = np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return np.linalg.inv(half) @ through.K(frame) @ through.turns[frame] @ np.linalg.inv(K) @ half


def path_off(found: CameraMotion, truth: Shot) -> float:
    """By how much of the path's length places are off, after the best similarity: the root of the mean square."""
    places = truth.places[found.first : found.first + len(found.places)]
    off = similarity(found.places[None], places[None])[0] - places
    return float(np.sqrt((off**2).sum(1).mean()) / np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def compare(found: CameraMotion, truth: Shot) -> tuple[np.ndarray, np.ndarray]:
    """(T,) degrees by which the turns are off, after the best alignment of both references, and (T,) found over true focal length."""
    frames = np.arange(found.first, found.first + len(found.turns))
    off = Rotation.from_matrix(found.turns.transpose(0, 2, 1) @ truth.turns[frames])
    return np.degrees((off * off.mean().inv()).magnitude()), found.K[0, 0] * found.zoom / truth.focal[frames]
