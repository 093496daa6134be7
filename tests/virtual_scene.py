# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage of cameras that walk, exactly as told: a street or a room of textured boards, and a person who walks through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from tests.virtual_camera import Shot, shake, shot

_PX_PER_M, _SIDE_M, _SHEETS = 128, 2.5, 10
_NEAR_M = 0.1


FPS = 30.0


@dataclass(frozen=True)
class Board:
    """A textured rectangle, in metres and axes as OpenCV's of a level camera: `corner` (3,), and its sides `across` and `down` (3,).

    levels: its picture (h,w,3), each half as large as the one before.
    """

    corner: np.ndarray
    across: np.ndarray
    down: np.ndarray
    levels: tuple[np.ndarray, ...]

    def corners(self) -> np.ndarray:
        """(4,3) m."""
        return self.corner + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) @ [self.across, self.down]


def sheets(seed: int = 0) -> list[tuple[np.ndarray, ...]]:
    """Pictures for boards: clouds of all sizes, and patches with corners."""
    random = np.random.default_rng(seed)
    side = int(_PX_PER_M * _SIDE_M)
    made = []
    for _ in range(_SHEETS):
        clouds = [cv2.resize(random.normal(0, 24 / k, (2**k, 2**k)), (side, side), interpolation=cv2.INTER_CUBIC) for k in range(2, 7)]
        image = np.repeat(random.uniform(80, 170) + sum(clouds)[..., None], 3, axis=2)
        for _ in range(14):
            box = (tuple(random.uniform(0, side, 2)), tuple(random.uniform(12, 90, 2)), float(random.uniform(0, 90)))
            cv2.fillConvexPoly(image, cv2.boxPoints(box).astype(np.int32), random.uniform(0, 255, 3).tolist(), cv2.LINE_AA)
        levels = [np.clip(image, 0, 255).astype(np.uint8)]
        while levels[-1].shape[0] > 12:
            levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        made.append(tuple(levels))
    return made


def wall(pictures: list[tuple[np.ndarray, ...]], corner: tuple, across: tuple, down: tuple, seed: int) -> list[Board]:
    """A rectangle of boards of about _SIDE_M; `across` and `down` (3,) m."""
    random = np.random.default_rng(seed)
    corner, across, down = (np.array(one, float) for one in (corner, across, down))
    columns, rows = (max(1, round(float(np.linalg.norm(one)) / _SIDE_M)) for one in (across, down))
    return [
        Board(corner + across * (i / columns) + down * (j / rows), across / columns, down / rows, pictures[random.integers(len(pictures))])
        for i in range(columns)
        for j in range(rows)
    ]


def street(length: float = 60.0, half: float = 5.0) -> list[Board]:
    """Along z, 1.6 m under the camera's start: two fronts with what stands before them, the ground, and the far end."""
    pictures, floor, top = sheets(), 1.6, -6.0
    boards = wall(pictures, (-half, floor, -5), (2 * half, 0, 0), (0, 0, length), 1)
    boards += wall(pictures, (-half, top, -5), (0, 0, length), (0, floor - top, 0), 2)
    boards += wall(pictures, (half, top, -5), (0, 0, length), (0, floor - top, 0), 3)
    boards += wall(pictures, (-half, top, length - 5), (2 * half, 0, 0), (0, floor - top, 0), 4)
    boards += wall(pictures, (-half, top, -5), (2 * half, 0, 0), (0, floor - top, 0), 5)
    random = np.random.default_rng(6)
    for k, z in enumerate(np.arange(0, length - 8, 3.0)):
        x, wide, high = random.uniform(2.5, half - 0.3) * (-1) ** k, random.uniform(0.5, 1.5), random.uniform(0.8, 2.2)
        boards += wall(pictures, (x - wide / 2, floor - high, z), (wide, 0, 0), (0, high, 0), 7 + k)
        boards += wall(pictures, (x - np.sign(x) * wide / 2, floor - high, z), (0, 0, wide), (0, high, 0), 90 + k)
    return boards


def room(half: float = 4.0) -> list[Board]:
    """A room about the camera's start, and a few boxes in it."""
    pictures, floor, top = sheets(1), 1.5, -1.5
    boards = wall(pictures, (-half, floor, -half), (2 * half, 0, 0), (0, 0, 2 * half), 1)
    boards += wall(pictures, (-half, top, -half), (2 * half, 0, 0), (0, 0, 2 * half), 2)
    for sign in (-1, 1):
        boards += wall(pictures, (-half, top, sign * half), (2 * half, 0, 0), (0, floor - top, 0), 3 + sign)
        boards += wall(pictures, (sign * half, top, -half), (0, 0, 2 * half), (0, floor - top, 0), 6 + sign)
    for k, (x, z) in enumerate([(-2.2, 2.5), (1.8, 2.8), (2.6, -1.0), (-2.7, -1.5), (0.5, -2.8), (-0.8, 3.2)]):
        boards += wall(pictures, (x - 0.4, 0.4, z), (0.8, 0, 0), (0, 1.1, 0), 10 + k)
        boards += wall(pictures, (x - 0.4, 0.4, z), (0, 0, 0.8), (0, 1.1, 0), 20 + k)
    return boards


def wall_alone() -> list[Board]:
    """A wall 3 m before the camera, and nothing else."""
    return wall(sheets(2), (-12, -6, 3), (24, 0, 0), (0, 12, 0), 1)


def person(feet: np.ndarray, seen_from: np.ndarray, picture: tuple[np.ndarray, ...]) -> Board:
    """Somebody, as flat as a board, whose feet are at (3,) m, and who turns to what is at (3,) m."""
    x, _, z = feet - seen_from
    across = 0.6 * np.array([z, 0, -x]) / np.hypot(x, z)
    return Board(feet - across / 2 - (0, 1.75, 0), across, np.array([0, 1.75, 0]), picture)


def in_the_hand(pan: np.ndarray | float, places: np.ndarray, focal: float, size: tuple[int, int], degrees: float = 0.5,
                metres: float = 0.015) -> Shot:  # fmt: skip
    """A camera on its way (T,3) m that somebody carries: it shakes by so much."""
    turning, moving = (shake(len(places), FPS, deviation, seed) for seed, deviation in enumerate((degrees, metres)))
    return shot(pan + turning[0], turning[1] - 3, turning[2], focal, size, places + moving.T)


def frames(scene: list[Board], through: Shot, walkers: np.ndarray | None = None,
           noise: float = 0.0) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:  # fmt: skip
    """RGB images and the landmarks (33,2) px of who walks through: walkers (T,3) m, where the feet are. Noise in grey levels."""
    random = np.random.default_rng(1)
    picture = sheets(3)[0]
    spots = random.uniform(0, 1, (33, 2))
    for frame in range(len(through.focal)):
        boards, people = scene, []
        if walkers is not None:
            one = person(walkers[frame], through.places[frame], picture)
            boards = [*scene, one]
            people = [_seen(one.corner + spots @ [one.across, one.down], through, frame)[0]]
        image = _view(boards, through, frame).astype(np.int16)
        if noise:
            image += random.normal(0, noise, image.shape).astype(np.int16)
        yield np.clip(image, 0, 255).astype(np.uint8), people


def _seen(points: np.ndarray, through: Shot, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n,3) m as px (n,2), and their depths (n,)."""
    rays = (points - through.places[frame]) @ (through.K(frame) @ through.turns[frame]).T
    return rays[:, :2] / np.maximum(rays[:, 2:], _NEAR_M), rays[:, 2]


def _view(boards: list[Board], through: Shot, frame: int) -> np.ndarray:
    """The boards, the farthest first."""
    image = np.zeros((*through.size[::-1], 3), np.uint8)
    far = [np.linalg.norm(board.corners().mean(0) - through.places[frame]) for board in boards]
    for row in np.argsort(far)[::-1]:
        _paint(image, boards[row], through, frame)
    return image


def _paint(image: np.ndarray, board: Board, through: Shot, frame: int) -> None:
    """Paint a board over the image, within what it covers of it."""
    outline = _clipped(board.corners(), through, frame)
    if len(outline) < 3:
        return
    low = np.maximum(np.floor(outline.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + 2, image.shape[1::-1])
    if (high <= low).any():
        return
    size = high - low
    longer = np.linalg.norm(np.diff(outline, axis=0, append=outline[:1]), axis=1).max()
    level = int(np.clip(np.log2(board.levels[0].shape[0] / max(longer, 1.0)), 0, len(board.levels) - 1))
    picture = board.levels[level]
    h, w = picture.shape[:2]
    # the picture's px, counted from the middle of the first one, to the image's
    half = [[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]
    plane = np.column_stack([board.across / w, board.down / h, board.corner - through.places[frame]]) @ half
    H = [[1, 0, -0.5 - low[0]], [0, 1, -0.5 - low[1]], [0, 0, 1]] @ through.K(frame) @ through.turns[frame] @ plane
    patch = cv2.warpPerspective(picture, H, tuple(size.tolist()), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(cover, np.round((outline - 0.5 - low) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    part = image[low[1] : high[1], low[0] : high[0]]
    share = cover[..., None].astype(np.float32) / 255
    part[:] = (part + share * (patch.astype(np.float32) - part) + 0.5).astype(np.uint8)


def _clipped(corners: np.ndarray, through: Shot, frame: int) -> np.ndarray:
    """Px (n,2) of the part of a polygon (4,3) m that is before the camera."""
    points = (corners - through.places[frame]) @ through.turns[frame].T
    kept = []
    for here, there in zip(points, np.roll(points, -1, axis=0)):
        if here[2] > _NEAR_M:
            kept.append(here)
        if (here[2] > _NEAR_M) != (there[2] > _NEAR_M):
            kept.append(here + (there - here) * (_NEAR_M - here[2]) / (there[2] - here[2]))
    if not kept:
        return np.zeros((0, 2))
    rays = np.array(kept) @ through.K(frame).T
    return np.clip(rays[:, :2] / rays[:, 2:], -8000, 8000)
