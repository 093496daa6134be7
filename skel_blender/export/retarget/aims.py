# SPDX-License-Identifier: GPL-3.0-or-later
"""The bones beside the limbs of Unreal's mannequins at which its own IK aims: they go with feet and hands."""

from __future__ import annotations

import numpy as np

from .channels import Goal
from .skeleton import Skeleton
from .slots import Mapping

_LIMBS = {"ik_foot_l": "foot_l", "ik_foot_r": "foot_r", "ik_hand_gun": "hand_r", "ik_hand_l": "hand_l", "ik_hand_r": "hand_r"}


def aims(skeleton: Skeleton, mapping: Mapping, posed: dict[str, np.ndarray]) -> dict[str, Goal]:
    """Where they shall be, given the bones of the map as posed (T,4,4) in armature space: to the limb's end as at rest."""
    result = {}
    for name, slot in _LIMBS.items():
        limb = mapping.get(slot)
        if name in skeleton.index and limb is not None and name not in posed:
            rest = (skeleton.local[skeleton.index[bone]] for bone in (limb, name))
            placed = posed[limb] @ np.linalg.inv(next(rest)) @ next(rest)
            result[name] = Goal(skeleton.turned @ placed[:, :3, :3], skeleton.to_world(placed[:, :3, 3]))
    return result
