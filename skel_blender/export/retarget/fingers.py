# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingers, of which SKEL knows nothing: bent as in a hand that holds nothing, instead of stretched out as rest poses have them."""

from __future__ import annotations

import numpy as np

from .. import rotations
from . import names, slots
from .skeleton import Skeleton
from .slots import Mapping

# Degrees at knuckle, middle and last joint of a hand at rest, more to the little finger. Thumbs lie well as characters have them.
_BENDS = {"index": (20.0, 30.0, 15.0), "middle": (25.0, 34.0, 17.0), "ring": (29.0, 37.0, 19.0), "pinky": (32.0, 38.0, 20.0)}


def relaxed(skeleton: Skeleton, mapping: Mapping) -> dict[str, np.ndarray]:
    """Bone -> (3,3) rotation of its own channels, for the fingers that names tell. What is bent as far at rest stays as it is."""
    result: dict[str, np.ndarray] = {}
    for side in slots.SIDES:
        knuckles = names.knuckles(skeleton, side)
        hand = mapping.get(f"hand_{side}")
        if knuckles and hand:
            across = skeleton.head(knuckles[1]) - skeleton.head(knuckles[0])
            for finger, bends in _BENDS.items():
                bones = names.finger(skeleton, side, finger)
                if bones:  # hands of fewer fingers lack some
                    result |= _bent(skeleton, skeleton.head(hand), bones, across if side == "l" else -across, np.radians(bends))
    return result


def _bent(skeleton: Skeleton, wrist: np.ndarray, bones: list[str], hinge: np.ndarray, bends: np.ndarray) -> dict[str, np.ndarray]:
    """The joints of one finger, a chain that may go on to its tip; a positive turn about `hinge` (3,) bends to the palm."""
    points = [wrist, *(skeleton.head(bone) for bone in bones)]
    lines = [after - before for before, after in zip(points, points[1:])]
    if len(bones) <= len(bends):
        lines.append(lines[-1])  # where the last one points only its tail says, and tails say anything
    result = {}
    for bone, before, after, bend in zip(bones, lines, lines[1:], bends):
        axis = rotations.unit(hinge - after * (hinge @ after) / max(after @ after, 1e-12))
        already = np.arctan2(np.cross(before, after) @ axis, before @ after)
        basis = skeleton.basis(bone)
        result[bone] = basis.T @ rotations.turn(max(0.0, bend - already) * axis) @ basis
    return result
