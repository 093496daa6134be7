# SPDX-License-Identifier: GPL-3.0-or-later
"""How badly people stand on one floor through a candidate lens: robust least squares on the up direction, floor levels and leans."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ...camera import toward

# Standard deviations: of a foot's distance as a share of it and in metres, and of its height; of a person's size, and so of his floor
# level; of a standing body's lean across the view and along it, where landmarks lean, all people's alike (_ALIKE) and each one's (_OWN).
_DISTANCE, _DEPTH_M, _HEIGHT_M, _SIZE = 0.02, 0.05, 0.03, 0.06
_ACROSS, _ALONG, _ALIKE, _OWN = math.radians(3), math.radians(4), math.radians(10), math.radians(4)
_ROLL, _PITCH = math.radians(6), math.radians(30)  # of a camera that somebody put up
_ROBUST = 2.5  # deviations beyond which a residual loses weight (Cauchy)
_FOOT = 0.5  # weight of a resting point: heel and ball of a foot are not independent
_STEPS, _ENOUGH = 25, 1e-4  # of Gauss-Newton, and the gain that ends it
_COMMON = 4  # unknowns before each person's: roll, pitch, the floor's level, the lean of all


@dataclass(frozen=True)
class LensEvidence:
    """One person's evidence about the lens, in camera axes: the hips' places (n,3) m while a foot rested, and the foot's places from there
    (n,3) m; the hips' places (m,3) m while the body stood, and its unit axes (m,3)."""

    foot_hips: np.ndarray
    feet: np.ndarray
    body_hips: np.ndarray
    bodies: np.ndarray


@dataclass(frozen=True)
class Refocused:
    """Everybody's evidence through one lens: feet (n,3) m and whose they are (n,); bodies (m,3), unit axes, away (m,3), the unit directions
    away from the camera that are perpendicular to these, and whose they are (m,); the count of people."""

    feet: np.ndarray
    feet_of: np.ndarray
    bodies: np.ndarray
    away: np.ndarray
    bodies_of: np.ndarray
    count: int

    @staticmethod
    def of(people: list[LensEvidence], longer: float) -> Refocused:
        """The evidence that looks the same in the image through a focal length e^longer times as long."""
        hips, feet = _through(np.concatenate([one.foot_hips for one in people]), np.concatenate([one.feet for one in people]), longer)
        stood, bodies = _through(np.concatenate([one.body_hips for one in people]), np.concatenate([one.bodies for one in people]), longer)
        away = stood - (stood * bodies).sum(1, keepdims=True) * bodies
        numbers = np.arange(len(people))
        return Refocused(
            hips + feet, np.repeat(numbers, [len(one.feet) for one in people]), bodies, away / np.linalg.norm(away, axis=1, keepdims=True),
            np.repeat(numbers, [len(one.bodies) for one in people]), len(people),
        )  # fmt: skip


def misfit(scene: Refocused) -> float:
    """The least half robust sum of squares."""
    unknown, damping = _first(scene), 1e-3
    residual, slopes = _rows(scene, unknown)
    weight, robust = _weights(scene)
    best = _cost(residual, weight, robust)
    for _ in range(_STEPS):
        share = weight * np.where(robust, 1.0 / (1.0 + (residual / _ROBUST) ** 2), 1.0)
        normal = slopes.T @ (share[:, None] * slopes)
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), slopes.T @ (share * residual))
        tried = _rows(scene, unknown - step)
        cost = _cost(tried[0], weight, robust)
        gain = best - cost
        if gain > 0:
            unknown, (residual, slopes), best, damping = unknown - step, tried, cost, damping / 5
        else:
            damping *= 10
        if abs(gain) < _ENOUGH * max(1.0, best):
            break
    return best


def _through(hips: np.ndarray, beside: np.ndarray, longer: float) -> tuple[np.ndarray, np.ndarray]:
    """Hips (n,3) m at e^longer times the depth, and vectors beside them (n,3) turned by as much as the rays to the hips."""
    there = hips * [1.0, 1.0, math.exp(longer)]
    onto, off = (toward(torch.as_tensor(points)).numpy() for points in (there, hips))
    return there, np.einsum("nij,nkj,nk->ni", onto, off, beside)


def _first(scene: Refocused) -> np.ndarray:
    """Start values: up along the mean body, everybody's level at his median foot."""
    mean = scene.bodies.mean(axis=0) if len(scene.bodies) else np.array([0.0, -1.0, 0.0])
    roll, pitch = math.asin(mean[0] / np.linalg.norm(mean)), math.atan2(-mean[2], -mean[1])
    heights = scene.feet @ _up(roll, pitch)
    usual = float(np.median(heights)) if len(heights) else -1.0
    levels = [np.median(heights[scene.feet_of == k]) if (scene.feet_of == k).any() else usual for k in range(scene.count)]
    return np.array([roll, pitch, usual, 0.0, *levels, *[0.0] * scene.count])


def _up(roll: float, pitch: float) -> np.ndarray:
    """The up direction in the axes of a camera rolled and pitched."""
    return np.array([math.sin(roll), -math.cos(roll) * math.cos(pitch), -math.cos(roll) * math.sin(pitch)])


def _up_slopes(roll: float, pitch: float) -> np.ndarray:
    """(3,2) its derivatives."""
    cr, sr, cp, sp = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch)
    return np.array([[cr, 0.0], [sr * cp, cr * sp], [sr * sp, -cr * cp]])


def _rows(scene: Refocused, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals in deviations, and their derivatives by the unknowns; a foot's deviation is taken as it is."""
    roll, pitch, level, lean = unknown[:_COMMON]
    levels, leans = np.split(unknown[_COMMON:], 2)
    up, turns = _up(roll, pitch), _up_slopes(roll, pitch)
    distance = np.linalg.norm(scene.feet, axis=1)
    spread = np.hypot(np.hypot(_DISTANCE * distance, _DEPTH_M) * (scene.feet @ up) / distance, _HEIGHT_M)
    side, each = np.cross(scene.bodies, scene.away), np.eye(scene.count)
    residual = np.concatenate([
        (scene.feet @ up - levels[scene.feet_of]) / spread, (side @ up) / _ACROSS,
        (scene.away @ up - leans[scene.bodies_of]) / _ALONG, (levels / level - 1.0) / _SIZE, (leans - lean) / _OWN,
        [roll / _ROLL, pitch / _PITCH, lean / _ALIKE],
    ])  # fmt: skip
    slopes = np.zeros((len(residual), len(unknown)))
    n, m, k = len(distance), len(scene.bodies), scene.count
    of_levels, of_leans = slice(_COMMON, _COMMON + k), slice(_COMMON + k, None)
    slopes[:n, :2], slopes[:n, of_levels] = scene.feet @ turns / spread[:, None], -each[scene.feet_of] / spread[:, None]
    slopes[n : n + m, :2] = side @ turns / _ACROSS
    slopes[n + m : n + 2 * m, :2], slopes[n + m : n + 2 * m, of_leans] = scene.away @ turns / _ALONG, -each[scene.bodies_of] / _ALONG
    start = n + 2 * m
    slopes[start : start + k, of_levels], slopes[start : start + k, 2] = each / level / _SIZE, -levels / level**2 / _SIZE
    slopes[start + k : start + 2 * k, of_leans], slopes[start + k : start + 2 * k, 3] = each / _OWN, -1.0 / _OWN
    slopes[[-3, -2, -1], [0, 1, 3]] = 1.0 / np.array([_ROLL, _PITCH, _ALIKE])
    return residual, slopes


def _weights(scene: Refocused) -> tuple[np.ndarray, np.ndarray]:
    """Each row's weight, and whether its loss is robust."""
    n, m, k = len(scene.feet), len(scene.bodies), scene.count
    worth = np.concatenate([np.full(n, _FOOT), np.ones(2 * m + 2 * k + 3)])
    return worth, np.arange(len(worth)) < n + 2 * m + k


def _cost(residual: np.ndarray, weight: np.ndarray, robust: np.ndarray) -> float:
    square = residual**2
    return float(0.5 * weight @ np.where(robust, _ROBUST**2 * np.log1p(square / _ROBUST**2), square))
