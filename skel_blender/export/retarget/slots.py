# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a body that a bone of any armature can stand for, and SKEL's joint that leads each. Data, numpy not needed."""

from __future__ import annotations

from dataclasses import dataclass

SPINE = tuple(f"spine_{k}" for k in range(1, 7))
NECK = tuple(f"neck_{k}" for k in range(1, 4))
TWISTS = 2
SIDES = ("l", "r")
ARM = ("shoulder", "upper_arm", "forearm", "hand")
LEG = ("thigh", "shin", "foot", "toe")
_SIDE_TITLES = {"l": "Left", "r": "Right"}


@dataclass(frozen=True)
class Slot:
    """A part of the body; `needed` ones must have a bone, the others may."""

    name: str
    title: str
    joint: str | None  # SKEL's joint that leads it alone; None where several do
    needed: bool = False


def _side(side: str) -> list[Slot]:
    def slot(name: str, title: str, joint: str | None, needed: bool = False) -> Slot:
        return Slot(f"{name}_{side}", f"{_SIDE_TITLES[side]} {title}", joint and f"{joint}_{side}", needed)

    twists = [slot(f"forearm_twist_{k}", f"Forearm Twist {k}", None) for k in range(1, TWISTS + 1)]
    return [
        slot("shoulder", "Shoulder", None), slot("upper_arm", "Upper Arm", "humerus"), slot("forearm", "Forearm", None), *twists,
        slot("hand", "Hand", "hand"), slot("thigh", "Thigh", "femur", True), slot("shin", "Shin", "tibia", True),
        slot("foot", "Foot", "calcn", True), slot("toe", "Toes", "toes"),
    ]  # fmt: skip


SLOTS = (
    # The hips carry the body; a pelvis is a bone of its own below them, as Rigify and some others have it.
    Slot("root", "Root", None), Slot("hips", "Hips", "pelvis", True), Slot("pelvis", "Pelvis", "pelvis"),
    *(Slot(name, f"Spine {k}", None) for k, name in enumerate(SPINE, 1)),
    *(Slot(name, f"Neck {k}", None) for k, name in enumerate(NECK, 1)),
    Slot("head", "Head", "head"), *_side("l"), *_side("r"),
)  # fmt: skip
BY_NAME = {slot.name: slot for slot in SLOTS}

Mapping = dict[str, str]
"""Slot name -> name of the target's bone."""


def chain(mapping: Mapping, names: tuple[str, ...]) -> list[str]:
    """The slots of these names that have a bone, in order."""
    return [name for name in names if mapping.get(name)]


def twists(side: str) -> tuple[str, ...]:
    """The slots of a forearm's twist bones."""
    return tuple(f"forearm_twist_{k}_{side}" for k in range(1, TWISTS + 1))
