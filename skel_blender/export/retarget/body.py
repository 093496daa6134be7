# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bones of the whole body shall be: turns carried over, the way scaled by the length of the legs. World axes, m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..heading import headings
from . import fingers, legs, transfer
from .align import Alignment, Rest, align
from .channels import Goal
from .sample import Motion
from .skeleton import Skeleton
from .slots import Mapping

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
        middle = legs.hold(motion, skeleton, mapping, alignment, turns, middle)
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
