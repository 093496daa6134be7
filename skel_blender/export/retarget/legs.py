# SPDX-License-Identifier: GPL-3.0-or-later
"""Legs that reach their feet: analytic two-bone IK from the motion's own bend, hips that sink where a leg is too short. World axes, m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from . import feet, slots
from .align import Alignment
from .sample import Motion
from .skeleton import Skeleton
from .slots import Mapping

_LONGEST = 0.9995  # of a leg's length: a knee never locks
_BEND = 0.05  # how much a nearly straight knee bends about its rest hinge rather than about what noise says
_FADE_S = 0.2
_DEEPEST = 0.1  # of a leg's length: no body sinks farther so that a foot may be reached
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class _Leg:
    """One leg of the target, freely moved and planted."""

    hip: np.ndarray  # (T,3)
    knee: np.ndarray  # (T,3)
    ankle: np.ndarray  # (T,3)
    planted: feet.Track
    down: np.ndarray  # (T,) bool, whether the foot touches what it stands on
    length: float


def hold(
    motion: Motion, skeleton: Skeleton, mapping: Mapping, alignment: Alignment, turns: dict[str, np.ndarray], middle: np.ndarray
) -> np.ndarray:
    """Replace, in `turns`, those of the legs so that feet keep to the floor; returns the middle of the hips, moved with the feet.

    The body goes up and down with its feet where the source's float over its floor or sink into it, so that its knees stay bent as
    they are; then it sinks where a leg is too short for its footprint.
    """
    fade = max(2, round(_FADE_S * motion.fps))

    def legs_at(middle: np.ndarray) -> dict[str, _Leg]:
        return {side: _leg(motion, skeleton, mapping, alignment, turns, middle, side, fade) for side in slots.SIDES}

    both = legs_at(middle).values()
    middle = middle + _rise([leg.planted.ankle[:, 2] - leg.ankle[:, 2] for leg in both], [leg.down for leg in both], fade)[:, None] * _UP
    found = legs_at(middle)
    sunk = sinking(*zip(*((leg.hip, leg.planted.ankle, leg.length, leg.down) for leg in found.values())), fade)
    sunk = np.minimum(sunk, _DEEPEST * min(leg.length for leg in found.values()))[:, None] * _UP
    for side, leg in found.items():
        hinge = rotations.apply(motion.turn(f"femur_{side}"), alignment.left)
        changes = solve(leg.hip - sunk, leg.knee - sunk, leg.ankle - sunk, hinge, leg.planted.ankle)
        for part, change in zip(("thigh", "shin"), changes):
            turns[f"{part}_{side}"] = change @ turns[f"{part}_{side}"]
        turns[f"foot_{side}"] = leg.planted.turn
        if f"toe_{side}" in turns:
            turns[f"toe_{side}"] = leg.planted.toe_turn
    return middle - sunk


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


def _leg(
    motion: Motion, skeleton: Skeleton, mapping: Mapping, alignment: Alignment, turns: dict[str, np.ndarray], middle: np.ndarray,
    side: str, fade: int,
) -> _Leg:  # fmt: skip
    hip, knee, ankle = (skeleton.head(mapping[f"{part}_{side}"]) for part in ("thigh", "shin", "foot"))
    hips = middle + rotations.apply(turns["hips"], hip - alignment.hips)
    knees = hips + rotations.apply(turns[f"thigh_{side}"], knee - hip)
    ankles = knees + rotations.apply(turns[f"shin_{side}"], ankle - knee)
    foot = turns[f"foot_{side}"]
    touching = motion.contacts[:, 3:] if side == "l" else motion.contacts[:, :3]
    free = feet.Track(ankles, foot, turns.get(f"toe_{side}", foot))
    length = float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
    ground = skeleton.floor + alignment.ratio * motion.levels[:, "rl".index(side)]
    planted = feet.plant(alignment.feet[side], free, alignment.offsets[f"foot_{side}"], touching, ground, fade, length)
    return _Leg(hips, knees, ankles, planted, touching.any(axis=1), length)


def _rise(shifts: list[np.ndarray], down: list[np.ndarray], fade: int) -> np.ndarray:
    """(T,) m by which the feet that are down had to be lifted, on the mean, smoothed over `fade` frames each way."""
    weights = np.array(down, dtype=float)
    standing = np.flatnonzero(weights.any(axis=0))
    if not len(standing):
        return np.zeros(len(shifts[0]))
    mean = (np.array(shifts) * weights).sum(axis=0)[standing] / weights.sum(axis=0)[standing]
    whole = np.interp(np.arange(len(shifts[0])), standing, mean)
    kernel = np.hanning(2 * fade + 3)[1:-1]
    return np.convolve(np.pad(whole, fade, mode="edge"), kernel / kernel.sum(), mode="valid")
