# SPDX-License-Identifier: GPL-3.0-or-later
"""All frames' turns and focal lengths at once: robust least squares on the corners that frames share, sparse, in a few steps.

Rotations and focal lengths alone, no points: a corner in one frame tells where it is in another (Brown and Lowe, Automatic panoramic image
stitching, IJCV 2007, section 4). Each step weighs the corners anew by Geman and McClure's cost, whose scale shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from .links import Links

_STEPS = 30
_DONE = 1e-6  # rad, or part of the focal length: a smaller step is none
_LOOSE_PX, _TIGHT_PX, _DULL_PX = 30.0, 0.7, 4.0  # scale of the cost at first; at last, where footage is sharp and where it is not
_SHRINK = 0.5
_HOLD = 1e-3  # weight of "as in the frame before", one corner's being 1: it decides only where no corners tell
_BENT_PX = 320.0  # half of the reduced image's width
# Deviations of the focal length's log from where it starts, and of a lens's bend: they decide only where no turns tell.
_LENS, _BEND = 0.3, 0.03
_LEAP = 0.3  # largest step of a log
_CHUNK = 250  # links at a time, which stay in the processor's cache
_AHEAD = 0.05  # least depth of a ray


@dataclass(frozen=True)
class Cameras:
    """turns (T,3,3): x_frame = turns x_any; focal px; zoom (T,): log of a frame's focal length over `focal`.

    bend: by what part a lens without distortion would put a corner that is _BENT_PX from the middle farther out; it grows with the square.
    """

    turns: np.ndarray
    focal: float
    zoom: np.ndarray
    bend: float = 0.0

    def lengths(self) -> np.ndarray:
        """(T,) px."""
        return self.focal * np.exp(self.zoom)

    def moved(self, step: np.ndarray) -> Cameras:
        """After a step (4T+2,): turn (rad, in a frame's axes) and zoom of each frame, the log of the focal length, and bend."""
        each = step[:-2].reshape(-1, 4)
        turns = Rotation.from_rotvec(each[:, :3]).as_matrix() @ self.turns
        return Cameras(turns, self.focal * float(np.exp(step[-2])), self.zoom + each[:, 3], self.bend + float(step[-1]))

    def straight(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (...,2) without the lens's distortion."""
        return pixels + self.bend * _bent(pixels)


@dataclass(frozen=True)
class Fitted:
    """Cameras, and the deviation of the log of their focal length (inf where it was not free)."""

    cameras: Cameras
    deviation: float


def bundle(links: Links, cameras: Cameras, focal: bool, zoom: bool, anchor: int = 0, bend: bool = False) -> Fitted:
    """The cameras that explain the links best. Whether the focal length is free, the zoom but of the frame `anchor`, and the lens's
    distortion: left out, that passes for another focal length; together with a zoom it would pass for almost anything."""
    count = len(cameras.zoom)
    free = np.ones((count, 4), bool)
    free[0, :3] = False
    free[:, 3] = zoom
    free[anchor, 3] = False
    free = np.flatnonzero(np.append(free, [focal, bend]))
    scale, last = _LOOSE_PX, False
    assumed, lens = cameras.focal, (_TIGHT_PX / np.array([_LENS, _BEND])) ** 2
    for _ in range(_STEPS):
        matrix, right = _normal(links, cameras, scale, last)
        matrix[[-2, -1], [-2, -1]] += lens
        right[-2:] += lens * (np.log(assumed / cameras.focal), -cameras.bend)
        factor = splu(matrix[free][:, free])
        step = np.zeros(4 * count + 2)
        step[free] = factor.solve(right[free])
        step[3:-2:4], step[-2:] = np.clip(step[3:-2:4], -_LEAP, _LEAP), np.clip(step[-2:], -_LEAP, _LEAP)
        cameras = cameras.moved(step)
        if last and np.abs(step).max() < _DONE:
            break
        off = residuals(links, cameras)[links.agree]
        tight = float(np.clip(2 * np.median(off), _TIGHT_PX, _DULL_PX))
        scale, last = max(_SHRINK * scale, tight), _SHRINK * scale <= tight
    told = np.inf
    if focal:
        own = free == 4 * count
        told = scale * float(np.sqrt(factor.solve(own.astype(float))[own][0]))
    return Fitted(cameras, told)


def _bent(pixels: np.ndarray) -> np.ndarray:
    return pixels * (pixels**2).sum(-1, keepdims=True) / _BENT_PX**2


def residuals(links: Links, cameras: Cameras) -> np.ndarray:
    """(P,KEPT) px, how far the corners of frames j are from where the cameras take those of frames i."""
    _, _, seen = _rays(links, cameras)
    flat = seen[..., :2] / np.maximum(seen[..., 2:], _AHEAD)
    return np.linalg.norm(cameras.lengths()[links.j][:, None, None] * flat - cameras.straight(links.q), axis=-1)


def _rays(links: Links, cameras: Cameras) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rays (P,KEPT,3) of corners p in the axes of i, the turns (P,3,3) from i to j, and the rays in the axes of j."""
    flat = cameras.straight(links.p) / cameras.lengths()[links.i][:, None, None]
    rays = np.concatenate([flat, np.ones((*flat.shape[:2], 1))], axis=-1)
    turn = cameras.turns[links.j] @ cameras.turns[links.i].transpose(0, 2, 1)
    return rays, turn, rays @ turn.transpose(0, 2, 1)


def _normal(links: Links, cameras: Cameras, scale: float, everything: bool) -> tuple[csc_array, np.ndarray]:
    """Normal equations of a Gauss-Newton step (as `Cameras.moved` takes it): matrix (4T+2,4T+2) and right side (4T+2,).

    Corners that do not agree with their link's motion take part only when `everything` does.
    """
    size = 4 * len(cameras.zoom) + 2
    right = np.zeros(size)
    entries = [_hold(cameras, right)]
    for begin in range(0, len(links.i), _CHUNK):
        part = links.part(slice(begin, begin + _CHUNK))
        block, side = _blocks(part, cameras, scale, everything)
        own, lens = np.arange(4), np.tile([size - 2, size - 1], (len(part.i), 1))
        where = np.concatenate([4 * part.i[:, None] + own, 4 * part.j[:, None] + own, lens], axis=1)
        np.add.at(right, where, side)
        entries.append((block.ravel(), np.repeat(where, 10, axis=1).ravel(), np.tile(where, (1, 10)).ravel()))
    values, rows, columns = (np.concatenate(parts) for parts in zip(*entries))
    return coo_array((values, (rows, columns)), shape=(size, size)).tocsc(), right


def _blocks(links: Links, cameras: Cameras, scale: float, everything: bool) -> tuple[np.ndarray, np.ndarray]:
    """Each link's part (P,10,10), (P,10) of the normal equations, over turn and zoom of i, turn and zoom of j, focal length, bend."""
    rays, turn, seen = _rays(links, cameras)
    depth = np.maximum(seen[..., 2:], _AHEAD)
    flat = seen[..., :2] / depth
    length = cameras.lengths()[links.j][:, None, None]
    residual = length * flat - cameras.straight(links.q)
    weight = (links.known if everything else links.agree) * (seen[..., 2] > _AHEAD)
    weight = weight / (1.0 + (residual**2).sum(-1) / scale**2) ** 2
    # how the pixel moves with the ray in the axes of j, and with the ray in the axes of i
    by_seen = np.zeros((*flat.shape, 3))
    by_seen[..., 0, 0] = by_seen[..., 1, 1] = 1.0
    by_seen[..., :, 2] = -flat
    by_seen *= (length / depth)[..., None]
    by_ray = by_seen @ turn[:, None]
    by_zoom = -(by_ray[..., :2] @ rays[..., :2, None])[..., 0]
    by_bend = (by_ray[..., :2] @ (_bent(links.p) / cameras.lengths()[links.i][:, None, None])[..., None])[..., 0] - _bent(links.q)
    jacobian = np.concatenate([
        np.cross(by_ray, rays[..., None, :]), by_zoom[..., None], np.cross(seen[..., None, :], by_seen),
        (length * flat)[..., None], (by_zoom + length * flat)[..., None], by_bend[..., None],
    ], axis=-1)  # fmt: skip
    jacobian = jacobian.reshape(len(rays), -1, 10)
    weighed = jacobian * np.repeat(weight, 2, axis=1)[..., None]
    return jacobian.transpose(0, 2, 1) @ weighed, -(weighed * residual.reshape(len(rays), -1, 1)).sum(1)


def _hold(cameras: Cameras, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, rows and columns of "as in the frame before"; adds to the right side (4T+2,)."""
    count = len(cameras.zoom)
    weight = _HOLD * cameras.focal**2
    turn = Rotation.from_matrix(cameras.turns[1:] @ cameras.turns[:-1].transpose(0, 2, 1)).as_rotvec()
    step = weight * np.column_stack([turn, np.diff(cameras.zoom)]).ravel()
    before, after = np.arange(4 * count - 4), np.arange(4, 4 * count)
    right[before] += step
    right[after] -= step
    one = np.full(4 * count - 4, weight)
    rows, columns = np.concatenate([before, after, before, after]), np.concatenate([before, after, after, before])
    return np.concatenate([one, one, -one, -one]), rows, columns
