# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a camera went that leaves its place: footage tells its path but for the size, people's feet tell the size.

A foot that rests stays where it is: seen from a moving camera it goes the other way by as much as the camera goes, in metres, as a body's
size and distance are known. Which foot rests when is not known yet, but at most moments of most motions one of them does. Where the
background shows the ground, what stands on it tells the same, and better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

_LAG_S = 0.2  # over which a foot's speed is read: longer is surer of it, shorter sees shorter rests
_ACROSS, _ALONG = 0.1, 1.0  # m/s, deviations of a resting foot's speed across the view, and along it, where landmarks make steps too short
_SPEEDS = (0.01, 20.0)  # m/s, mean speeds of the camera between which the true one is looked for
_TRIED = 400  # of them, in equal ratios
_LEAST_S = 0.5  # of feet that were seen; less tells nothing
_STANDS = 0.95  # part of the cost of a camera that stays in its place; a size that costs more is told by nothing

_RESTING = 0.75  # of all frames' lowest soles, from the highest on: who is in the air is higher


@dataclass(frozen=True)
class Steps:
    """One person's feet beside a camera that goes along.

    soles (T,P,3) m as they lie from the camera, in axes that do not turn with it; sure (T,P) bool, those that were seen; path (T,3), the
    camera's places in the same axes, in a unit of its own.
    """

    soles: np.ndarray
    sure: np.ndarray
    path: np.ndarray


def path_size(people: list[Steps], fps: float, ground: np.ndarray | None = None) -> float:
    """Metres to the path's unit: with them the foot that moves least moves least. 0 where feet do not tell, as of people in the air.

    ground (4,): unit normal and height, normal . X + height = 0 in the path's unit, seen from its origin: with the size that puts feet on
    it they must move less than if the camera stayed, or it is taken for something else.
    """
    lag = max(1, round(_LAG_S * fps))
    feet, camera = (np.concatenate(parts) for parts in zip(*(_velocities(steps, lag, fps) for steps in people)))
    told = np.isfinite(feet).all(-1)
    ways = [np.linalg.norm(np.diff(steps.path, axis=0), axis=1) for steps in people]
    speed = fps * float(np.mean(np.concatenate([*ways, [0.0]])))
    if told.any(1).sum() < _LEAST_S * fps or speed == 0.0:
        return 0.0
    feet, camera, told = feet[told.any(1)], camera[told.any(1)], told[told.any(1)]

    def cost(size: float) -> float:
        square = ((feet + size * camera) ** 2).sum(-1)
        return float(np.where(told, square / (1.0 + square), 1.0).min(1).mean())  # Geman-McClure

    standing = 0.0 if ground is None else _size_over(people, ground)
    if standing > 0.0 and cost(standing) < cost(0.0):
        return standing
    tried = np.geomspace(*_SPEEDS, _TRIED) / speed
    best = int(np.argmin([cost(size) for size in tried]))
    if best in (0, _TRIED - 1) or cost(tried[best]) > _STANDS * cost(0.0):
        return 0.0
    return float(np.exp(minimize_scalar(lambda size: cost(np.exp(size)), bounds=np.log(tried[[best - 1, best + 1]]), method="bounded").x))


def _size_over(people: list[Steps], ground: np.ndarray) -> float:
    """The size that puts the lowest soles on the ground; 0 if none was seen over it."""
    ratios = []
    for steps in people:
        height = steps.path @ ground[:3] + ground[3]
        lowest = np.where(steps.sure, -(steps.soles @ ground[:3]), -np.inf).max(axis=1)
        seen = np.isfinite(lowest) & (height > 0)
        ratios.append(lowest[seen] / height[seen])
    ratios = np.concatenate(ratios)
    return float(np.quantile(ratios, _RESTING)) if len(ratios) else 0.0


def _velocities(steps: Steps, lag: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the soles beside the camera, and of the camera (n,P,3), in deviations of a resting foot's; NaN where a sole was not seen."""
    soles = np.where(steps.sure[..., None], steps.soles, np.nan)
    moved, went = (fps / lag * (part[lag:] - part[:-lag]) for part in (soles, np.broadcast_to(steps.path[:, None], soles.shape)))
    ray = soles[lag:] + soles[:-lag]
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    return tuple(v / _ACROSS + (1 / _ALONG - 1 / _ACROSS) * (v * ray).sum(-1, keepdims=True) * ray for v in (moved, went))
