# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws adult phenotypes and makes T-posed bodies from them."""
from __future__ import annotations

import numpy as np

from .makehuman import BODY_VERTICES, RACES, BaseMesh, Targets, shape
from .tpose import limb_weights, to_t_pose

STATURE = {"male": (1.756, 0.069), "female": (1.629, 0.064)}
"""Mean and sd of stature in metres, ANSUR II (2012)."""

WEIGHT = {"male": (0.65, 0.25), "female": (0.80, 0.25)}
"""Mean and sd of the `weight` phenotype: MakeHuman's middle (0.5) is leaner than people are, women's more so."""


def draw_phenotype(rng: np.random.Generator, sex: str) -> dict[str, float]:
    """One adult: uniform adult age, breasts kept off the extreme targets."""
    def clipped(mean: float, sd: float, low: float = 0.0, high: float = 1.0) -> float:
        return float(np.clip(rng.normal(mean, sd), low, high))

    race = rng.dirichlet((1.0, 1.0, 1.0))
    return {"age": float(rng.uniform(2 / 3, 0.95)), "muscle": clipped(0.5, 0.2), "weight": clipped(*WEIGHT[sex]),
            "height": 0.5, "proportions": clipped(0.5, 0.2), "cupsize": clipped(0.5, 0.15, 0.0, 0.75),
            "firmness": clipped(0.5, 0.15, 0.2), **dict(zip(RACES, race.tolist(), strict=True))}


def stature(v: np.ndarray) -> float:
    """Height of the skin in metres."""
    return float(np.ptp(v[:BODY_VERTICES, 1]))


def bodies(base: BaseMesh, targets: Targets, sex: str, count: int, seed: int) -> np.ndarray:
    """(count,19158,3) T-posed bodies. Stature is drawn and met exactly: it is linear in the `height` phenotype."""
    rng = np.random.default_rng(seed)
    limbs = limb_weights(base)
    out = np.zeros((count, *base.v.shape), np.float32)
    for i in range(count):
        phenotype = draw_phenotype(rng, sex)
        wanted = rng.normal(*STATURE[sex])
        short = stature(shape(base, targets, phenotype | {"height": 0.0}))
        tall = stature(shape(base, targets, phenotype | {"height": 1.0}))
        phenotype["height"] = float((wanted - short) / (tall - short))
        out[i] = to_t_pose(base, shape(base, targets, phenotype), limbs)
    return out
