# SPDX-License-Identifier: GPL-3.0-or-later
"""Legs that reach their feet: analytic two-bone IK from the motion's own bend, and hips that sink where a leg is too short. numpy only."""

from __future__ import annotations

import numpy as np

from .. import rotations

_LONGEST = 0.9995  # of a leg's length: a knee never locks
_BEND = 0.05  # how much a nearly straight knee bends about its rest hinge rather than about what noise says
_UP = np.array([0.0, 0.0, 1.0])


def solve(hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, hinge: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T,3,3) twice: what turns thigh and shin, over what they are turned, so that the ankle gets to `goal`. All (T,3) m.

    `hinge` is the knee's axis, about which the shin bends backward by a positive angle. The knee stays in the plane in which the motion
    has it, on the side where bending is positive; a goal beyond the leg's reach is approached as near as it can be.
    """
    thigh, shin = knee - hip, ankle - knee
    upper, lower = np.linalg.norm(thigh, axis=1), np.linalg.norm(shin, axis=1)
    across = np.cross(rotations.unit(thigh), rotations.unit(shin))
    bend = (across * hinge).sum(-1, keepdims=True)
    normal = rotations.unit(hinge * (np.abs(bend) + _BEND) + across - hinge * bend)
    way = goal - hip
    reach = np.clip(np.linalg.norm(way, axis=1), np.abs(upper - lower) + 1e-4, _LONGEST * (upper + lower))
    aim = rotations.unit(way)
    side = rotations.frame(aim, normal)[..., 1]
    angle = np.arccos(np.clip((upper**2 + reach**2 - lower**2) / (2.0 * upper * reach), -1.0, 1.0))
    new_thigh = upper[:, None] * rotations.apply(rotations.turn(-angle[:, None] * side), aim)
    new_shin = reach[:, None] * aim - new_thigh
    changes = [rotations.frame(new, side) @ rotations.transpose(rotations.frame(old, normal)) for old, new in
               ((thigh, new_thigh), (shin, new_shin))]  # fmt: skip
    return changes[0], changes[1]


def sinking(hips: list[np.ndarray], goals: list[np.ndarray], lengths: list[float], down: list[np.ndarray], fade: int) -> np.ndarray:
    """(T,) m by which the body must sink so that each leg reaches its foot where that is down (T,) bool; smooth over `fade` frames."""
    needed = np.zeros(len(hips[0]))
    for hip, goal, length, on in zip(hips, goals, lengths, down):
        level = np.linalg.norm((hip - goal)[:, :2], axis=1)
        height = np.sqrt(np.maximum((_LONGEST * length) ** 2 - level**2, 0.0))
        needed = np.maximum(needed, np.where(on, hip[:, 2] - goal[:, 2] - height, 0.0))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(needed, fade, mode="edge"), 2 * fade + 1)
    kernel = np.hanning(2 * fade + 3)[1:-1]
    return np.convolve(np.pad(windows.max(axis=1), fade, mode="edge"), kernel / kernel.sum(), mode="valid")
