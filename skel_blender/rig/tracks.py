# SPDX-License-Identifier: GPL-3.0-or-later
"""Which F-curve carries what: each is one of the 46 angles or of the three components of `trans`, times a factor. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import kinematics
from ..anatomy import Q
from . import layout

ROTATION, LOCATION = "rotation_euler", "location"
_ZERO = 1e-6


@dataclass(frozen=True)
class Track:
    """One F-curve: value = offset + factor * source, where source counts the 46 angles (rad) and then `trans` (m)."""

    bone: str
    prop: str
    index: int
    source: int
    factor: float
    offset: float = 0.0

    @property
    def path(self) -> str:
        """RNA path from the armature object."""
        return f'pose.bones["{self.bone}"].{self.prop}'


def tracks(ground: float, pelvis: np.ndarray, horizontal: bool) -> list[Track]:
    """The rig's F-curves; `ground` (m) is `layout.ground` of the body, `pelvis` (3,3) the rest basis of that bone.

    `horizontal` leaves only the way over the floor to the root and gives the height to the pelvis; without it the root has both.
    """
    result = []
    for index, row in enumerate(kinematics.R_ZUP_YUP):  # world from model axes: one source each
        source = int(np.abs(row).argmax())
        up = index == 2
        if not (up and horizontal):
            result.append(Track(layout.ROOT, LOCATION, index, Q + source, float(row[source]), -ground if up else 0.0))
            continue
        for axis, part in enumerate(pelvis.T @ np.array([0.0, 0.0, 1.0])):
            if abs(part) > _ZERO:
                result.append(Track("pelvis", LOCATION, axis, Q + source, float(part * row[source]), float(-part * ground)))
    for dof, channel in enumerate(layout.channels()):
        result.append(Track(channel.bone, ROTATION, channel.index, dof, float(channel.sign)))
    return result


def sources(poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(49,T) what the tracks refer to."""
    return np.concatenate([poses, trans], axis=1).T
