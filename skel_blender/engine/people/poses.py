# SPDX-License-Identifier: GPL-3.0-or-later
"""How large and how good a pose is, and how far two of one image are the same."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..blazepose import ANKLES, ELBOWS, HIPS, KNEES, LIMBS, SHOULDERS, WRISTS
from .landmarker import Pose

SAME_PERSON = 0.5  # similarity from which two poses of one image are one person
_REMEMBERED = 4096  # poses whose measures are asked for again and again while a person is followed
# Upper arms, forearms, thighs, shanks and the sides of the trunk.
_LIMB_STARTS, _LIMB_ENDS = SHOULDERS + ELBOWS + HIPS + KNEES + SHOULDERS, ELBOWS + WRISTS + KNEES + ANKLES + HIPS
_ODD = 0.12  # mismatch of 2D and 3D from which a pose is none; people in any posture stay under 0.07


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """How far two poses keypoints_2d (33,3) of one image are the same, 0..1, in the manner of COCO's OKS.

    Mean over the limb joints of exp(-d^2 / 2 (0.1 s)^2), s the diagonal of the larger pose's limb box, weighted by confidence.
    """
    size = max(extent(a), extent(b), 1.0)
    squared = ((a[LIMBS, :2] - b[LIMBS, :2]) ** 2).sum(1)
    weight = a[LIMBS, 2] * b[LIMBS, 2] + 1e-3
    return float((weight * np.exp(-squared / (2 * (0.1 * size) ** 2))).sum() / weight.sum())


def extent(keypoints_2d: np.ndarray) -> float:
    """Diagonal in px of the box around the limb joints of (33,3)."""
    return float(np.hypot(*np.ptp(keypoints_2d[LIMBS, :2], axis=0)))


@lru_cache(_REMEMBERED)
def scale(pose: Pose) -> tuple[float, float]:
    """Pixels per metre that fit the 3D landmarks' x, y onto the 2D ones, and the rest of that fit relative to the pose's extent."""
    weight = pose.keypoints_2d[LIMBS, 2:] + 1e-3
    weight = weight / weight.sum()
    flat, seen = pose.landmarks_3d[LIMBS, :2], pose.keypoints_2d[LIMBS, :2]
    flat, seen = flat - (weight * flat).sum(0), seen - (weight * seen).sum(0)
    px_per_m = float((weight * flat * seen).sum() / max((weight * flat**2).sum(), 1e-9))
    rest = float(np.sqrt((weight * (px_per_m * flat - seen) ** 2).sum()))
    return px_per_m, rest / max(extent(pose.keypoints_2d), 1.0)


@lru_cache(_REMEMBERED)
def quality(pose: Pose) -> float:
    """Belief in a pose, 0..1: the network's score, times the limb joints' mean confidence, times how well 2D and 3D agree."""
    px_per_m, mismatch = scale(pose)
    if px_per_m <= 0:
        return 0.0
    return pose.score * float(pose.keypoints_2d[LIMBS, 2].mean()) * float(np.exp(-((mismatch / _ODD) ** 2)))


def same_body(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two poses (33,3) of one image are readings of one body: alike, or one lying on the other."""
    return similarity(a, b) > SAME_PERSON or lies_on(b, a) or lies_on(a, b)


def lies_on(small: np.ndarray, large: np.ndarray) -> bool:
    """Whether most limb joints of one pose (33,3) lie on the joints or limbs of another."""
    joints = large[:, :2]
    middles = (joints[_LIMB_STARTS] + joints[_LIMB_ENDS]) / 2
    there = np.vstack([joints, middles])
    distance = np.hypot(*(small[LIMBS, None, :2] - there).transpose(2, 0, 1)).min(1)
    return bool((distance < 0.1 * extent(large)).mean() > 0.6)
