# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin measures that bone placement needs, by vertex ids chosen once on a reference body."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .joints import INDEX
from .makehuman import BODY_VERTICES, BaseMesh, cube


@dataclass
class Spots:
    """Vertex ids of single skin points (right side or mid-line)."""

    ids: dict[str, int]


@dataclass
class Body:
    """One body, mid-ASIS at the origin: joints (24,3); skin points by name; right-side cubes by name; size 1 = 893 mm leg."""

    joints: np.ndarray
    spot: dict[str, np.ndarray]
    cubes: dict[str, np.ndarray]
    size: float

    def joint(self, name: str) -> np.ndarray:
        """(3,) centre of a joint."""
        return self.joints[INDEX[name]]


def find_spots(v: np.ndarray, j: np.ndarray, weights: np.ndarray) -> Spots:
    """Choose the points on T-pose body v (19158,3) with joints j and weights (19158,24), all about mid-ASIS."""
    skin = v[:BODY_VERTICES]
    head = weights[:BODY_VERTICES, INDEX["head"]] > 0.5
    trunk = weights[:BODY_VERTICES, INDEX["thorax"]] > 0.3
    middle = np.abs(skin[:, 0]) < 1e-6
    top = skin[:, 1].max()
    skull_low = j[INDEX["head"], 1]
    span = top - skull_low

    def best(mask: np.ndarray, score: np.ndarray) -> int:
        ids = np.where(mask)[0]
        return int(ids[score[ids].argmax()])

    chest_y = 0.35 * j[INDEX["lumbar_body"], 1] + 0.65 * j[INDEX["humerus_r"], 1]
    lower_y = 0.75 * j[INDEX["lumbar_body"], 1] + 0.25 * j[INDEX["humerus_r"], 1]
    brow = skull_low + 0.48 * span
    near = np.abs(skin[:, 1] - chest_y) < 0.02
    low_near = np.abs(skin[:, 1] - lower_y) < 0.02
    return Spots({
        "crown": best(head & middle, skin[:, 1]),
        "temple": best(head & (skin[:, 1] > brow + 0.02), -skin[:, 0]),
        "occiput": best(head & middle & (np.abs(skin[:, 1] - brow) < 0.04), -skin[:, 2]),
        "glabella": best(head & middle & (skin[:, 2] > 0), -np.abs(skin[:, 1] - brow)),
        "chin": best(head & middle & (skin[:, 1] < brow - 0.08) & (skin[:, 1] > skull_low - 0.08), skin[:, 2] - 0.6 * skin[:, 1]),
        "chest_front": best(near & middle & trunk, skin[:, 2]), "chest_back": best(near & middle & trunk, -skin[:, 2]),
        "chest_side": best(low_near & trunk, -skin[:, 0]),
        "low_back": best(middle & (skin[:, 2] < j[INDEX["femur_r"], 2]), -np.abs(skin[:, 1] - 0.09)),
        "heel": best(np.abs(skin[:, 0] - j[INDEX["talus_r"], 0]) < 0.03, -skin[:, 2] - 2 * np.abs(skin[:, 1] - j[INDEX["calcn_r"], 1])),
        "sole": best((np.abs(skin[:, 0] - j[INDEX["calcn_r"], 0]) < 0.02) & (skin[:, 2] < j[INDEX["talus_r"], 2]), -skin[:, 1]),
    })


def measure(base: BaseMesh, v: np.ndarray, j: np.ndarray, origin: np.ndarray, spots: Spots, leg: float) -> Body:
    """The measures of one T-pose body v (19158,3) whose mid-ASIS lies at `origin`."""
    cubes = {n[6:]: cube(base, v, n[6:]) - origin for n in base.cubes if n.startswith(("joint-r-finger", "joint-r-toe", "joint-r-hand"))}
    return Body(j, {n: v[i] - origin for n, i in spots.ids.items()}, cubes, leg / 0.893)
