# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole body: turns carried over, the way scaled by the length of the legs, feet held to the floor. World axes, m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..heading import headings
from . import feet, fingers, legs, slots, transfer
from .align import Alignment, Rest, align
from .channels import Goal
from .sample import Motion
from .skeleton import Skeleton
from .slots import Mapping

_FADE_S = 0.2
_DEEPEST = 0.1  # of a leg's length: no body sinks farther so that a foot may be reached
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Options:
    """How to retarget."""

    hold_feet: bool = True  # keep feet that are down where they are
    root_travels: bool = False  # the root bone takes the way over the floor, the hips the rest
    root_turns: bool = True  # a root bone that takes the way also turns as the body does
    relax_fingers: bool = True  # bend fingers as in a hand at rest; else they stay as they are posed


@dataclass(frozen=True)
class Goals:
    """Where the target's bones shall be (bone -> Goal), the middle (T,3) between its hip joints, and how bones that have no goal are
    turned by their own channels all the time (bone -> (3,3))."""

    bones: dict[str, Goal]
    middle: np.ndarray
    ratio: float
    held: dict[str, np.ndarray]


def goals(motion: Motion, rest: Rest, skeleton: Skeleton, mapping: Mapping, options: Options) -> Goals:
    """The motion on a target whose mapping has all needed slots."""
    alignment = align(skeleton, mapping, rest)
    turns = transfer.turns(motion, rest, skeleton, mapping, alignment)
    middle = _way(motion, rest, skeleton, alignment)
    if options.hold_feet:
        middle = _hold(motion, skeleton, mapping, alignment, turns, middle)
    bones = {mapping[slot]: Goal(turn @ skeleton.basis(mapping[slot])) for slot, turn in turns.items()}
    hips = mapping["hips"]
    head = middle + rotations.apply(turns["hips"], skeleton.head(hips) - alignment.hips)
    bones[hips] = Goal(bones[hips].turned, head)
    if options.root_travels:
        root = mapping["root"]
        travelled = skeleton.head(root) + (middle - alignment.hips) * [1.0, 1.0, 0.0]
        turned = _facing(motion, rest) @ alignment.offsets["root"] if options.root_turns else np.eye(3)
        bones[root] = Goal(np.broadcast_to(turned @ skeleton.basis(root), (len(middle), 3, 3)), travelled)
    held = fingers.relaxed(skeleton, mapping) if options.relax_fingers else {}
    return Goals(bones, middle, alignment.ratio, held)


def _facing(motion: Motion, rest: Rest) -> np.ndarray:
    """(T,3,3) the turn about the vertical from where the source faces at rest to where it faces."""
    yaw = headings(motion.turn("pelvis"), motion.fps, rest.turned @ [0.0, -1.0, 0.0])
    return rotations.turn(yaw[:, None] * _UP)


def _way(motion: Motion, rest: Rest, skeleton: Skeleton, alignment: Alignment) -> np.ndarray:
    """(T,3) the middle between the hips: the source's from its rig's origin, scaled, from the target object's place on its floor.
    Heights are scaled over the ankles, so that legs are bent as the source's are."""
    middle = (motion.place("femur_l") + motion.place("femur_r")) / 2 - rest.origin
    start = np.array([*skeleton.object_matrix[:2, 3], skeleton.floor + alignment.ankle])
    return start + alignment.ratio * (middle - alignment.source_ankle * _UP)


@dataclass(frozen=True)
class _Leg:
    """One leg of the target, freely moved and planted."""

    hip: np.ndarray  # (T,3)
    knee: np.ndarray  # (T,3)
    ankle: np.ndarray  # (T,3)
    planted: feet.Track
    down: np.ndarray  # (T,) bool, whether the foot touches the floor
    length: float


def _hold(
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
    sunk = legs.sinking(*zip(*((leg.hip, leg.planted.ankle, leg.length, leg.down) for leg in found.values())), fade)
    sunk = np.minimum(sunk, _DEEPEST * min(leg.length for leg in found.values()))[:, None] * _UP
    for side, leg in found.items():
        hinge = rotations.apply(motion.turn(f"femur_{side}"), alignment.left)
        changes = legs.solve(leg.hip - sunk, leg.knee - sunk, leg.ankle - sunk, hinge, leg.planted.ankle)
        for part, change in zip(("thigh", "shin"), changes):
            turns[f"{part}_{side}"] = change @ turns[f"{part}_{side}"]
        turns[f"foot_{side}"] = leg.planted.turn
        if f"toe_{side}" in turns:
            turns[f"toe_{side}"] = leg.planted.toe_turn
    return middle - sunk


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
    planted = feet.plant(alignment.feet[side], free, alignment.offsets[f"foot_{side}"], touching, skeleton.floor, fade)
    length = float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
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
