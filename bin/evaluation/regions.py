# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's 46 DoFs by region of the body, for tables."""

from __future__ import annotations

from skel_blender.anatomy import DOFS, JOINT_NAMES

_REGION = {
    "pelvis": "pelvis", "femur": "hips", "tibia": "knees", "talus": "ankles", "calcn": "feet", "toes": "feet", "lumbar_body": "spine",
    "thorax": "spine", "head": "head", "scapula": "shoulder blades", "humerus": "shoulders", "ulna": "elbows", "radius": "forearms",
    "hand": "wrists",
}  # fmt: skip


def _regions() -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {name: [] for name in dict.fromkeys(_REGION.values())}
    for dof in DOFS:
        found[_REGION[JOINT_NAMES[dof.joint].removesuffix("_l").removesuffix("_r")]].append(dof.index)
    return {name: tuple(dofs) for name, dofs in found.items()}


REGIONS = _regions()
