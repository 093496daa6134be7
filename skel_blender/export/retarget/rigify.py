# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs that Rigify has generated: which controls stand for which part, and the switches that let their limbs follow FK."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy

_LIMBS = {"upper_arm_parent": "IK_FK", "thigh_parent": "IK_FK"}


@dataclass(frozen=True)
class Switch:
    """A custom property of a pose bone that must have a value."""

    bone: str
    prop: str
    value: float
    like: Callable[[float], float | int]  # the property's own type

    @property
    def path(self) -> str:
        """RNA path from the armature object."""
        return f'pose.bones["{self.bone}"]["{self.prop}"]'


def is_generated(names: set[str]) -> bool:
    """Whether bones of these names are those of a rig that Rigify generated."""
    return {"torso", "upper_arm_fk.L", "thigh_fk.L"} <= names and any(name.startswith("ORG-") for name in names)


def mapping(names: set[str]) -> dict[str, str]:
    """Slot -> control of a generated rig."""
    found = {"root": "root", "hips": "torso", "pelvis": "spine_fk", "head": "head", "neck_1": "neck"}
    found |= {f"spine_{k}": f"spine_fk.{k:03d}" for k in range(1, 7)}
    for side, end in (("l", ".L"), ("r", ".R")):
        for slot, bone in (("shoulder", "shoulder"), ("upper_arm", "upper_arm_fk"), ("forearm", "forearm_fk"), ("hand", "hand_fk"),
                           ("thigh", "thigh_fk"), ("shin", "shin_fk"), ("foot", "foot_fk")):  # fmt: skip
            found[f"{slot}_{side}"] = bone + end
        found[f"toe_{side}"] = next((bone + end for bone in ("toe_fk", "toe") if bone + end in names), "")
    return {slot: bone for slot, bone in found.items() if bone in names}


def switches(target: bpy.types.Object, used: set[str]) -> list[Switch]:
    """What must be switched so that the FK controls among the bones `used` lead their limbs; none for other rigs."""
    found = []
    for stem, prop in _LIMBS.items():
        for end in (".L", ".R"):
            bone = target.pose.bones.get(stem + end)
            if bone is not None and prop in bone and f"{stem.removesuffix('_parent')}_fk{end}" in used:
                found.append(Switch(bone.name, prop, 1.0, type(bone[prop])))
    return found
