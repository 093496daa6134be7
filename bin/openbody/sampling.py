# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws adults: proportions and mass of surveyed people, met exactly by T-posed MakeHuman bodies."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .makehuman import BODY_VERTICES, RACES, BaseMesh, Targets, coefficients
from .rotations import FLIP
from .skin import Surface, triangles
from .survey import People, civilian_mass
from .tpose import limb_weights, to_t_pose

DENSITY = 985.0
"""kg/m^3 of the whole body with some air in the lungs."""
KNOBS = ("height", "weight", "legs", "arms", "shoulders")
START = np.array([0.45, 0.7, 0.0, 0.0, 0.0])
STEPS = np.array([0.1, 0.1, 0.2, 0.2, 0.2])
LEAN = 3.0
"""Below its middle the `weight` phenotype moves mass that much less than above: the knob's steps are longer there."""
KNOB_LIMITS = np.array([(-0.5, 1.3), (0.22, 1.4), (-1.2, 1.2), (-1.2, 1.2), (-2.5, 2.5)])
MUSCLE = {"male": (0.5, 0.03), "female": (0.42, 0.012)}
"""Mean of the `muscle` phenotype at a BMI of 25, and its growth with BMI."""
ROUNDS = 12


@dataclass
class Ruler:
    """Measures T-posed bodies (19158,3): vertex ids of the crotch and of the middle fingers' tips, triangles of the closed skin."""

    surface: Surface
    tris: np.ndarray
    crotch: int

    def measure(self, base: BaseMesh, v: np.ndarray) -> np.ndarray:
        """(5,) stature, mass kg^(1/3), crotch height, span, distance of the shoulder centres; metres."""
        skin = v[:BODY_VERTICES]
        low, span = skin[:, 1].min(), np.ptp(skin[:, 0])
        shoulders = 2 * v[base.cubes["joint-l-shoulder"]].mean(0)[0]
        return np.array([skin[:, 1].max() - low, np.cbrt(self.mass(v)), v[self.crotch, 1] - low, span, shoulders])

    def mass(self, v: np.ndarray) -> float:
        """kg, from the volume of the closed skin."""
        corner = self.surface.points(v)[self.tris]
        return float((corner[:, 0] * np.cross(corner[:, 1], corner[:, 2])).sum() / 6 * DENSITY)


def make_ruler(base: BaseMesh, surface: Surface, v: np.ndarray) -> Ruler:
    """The ruler of all bodies, its crotch chosen on one T-posed body: the lowest point of the mid-line below the navel."""
    skin = v[:BODY_VERTICES]
    middle = np.where((np.abs(skin[:, 0]) < 1e-6) & (skin[:, 1] < skin[:, 1].min() + 0.55 * np.ptp(skin[:, 1])))[0]
    return Ruler(surface, triangles(surface.faces), int(middle[skin[middle, 1].argmin()]))


def draw_phenotype(rng: np.random.Generator, sex: str, bmi: float) -> dict[str, float]:
    """What the survey says nothing about: age, muscle (more of it in the heavier), breasts (kept off the extreme targets), face."""
    def clipped(mean: float, sd: float, low: float = 0.0, high: float = 1.0) -> float:
        return float(np.clip(rng.normal(mean, sd), low, high))

    middle, slope = MUSCLE[sex]
    race = rng.dirichlet((2.0, 2.0, 2.0))
    return {"age": float(rng.uniform(2 / 3, 0.95)), "muscle": clipped(middle + slope * (bmi - 25.0), 0.12, 0.0, 0.85),
            "proportions": clipped(0.5, 0.12), "cupsize": clipped(0.5, 0.13, 0.0, 0.75), "firmness": clipped(0.5, 0.13, 0.2),
            **dict(zip(RACES, race.tolist(), strict=True))}


class Maker:
    """Makes T-posed bodies of one sex from a phenotype and the five knobs."""

    def __init__(self, base: BaseMesh, targets: Targets, surface: Surface) -> None:
        self.base, self.targets, self.limbs = base, targets, limb_weights(base)
        middle = {"age": 0.8, "muscle": 0.5, "proportions": 0.5, "cupsize": 0.5, "firmness": 0.5, **dict.fromkeys(RACES, 1.0)}
        first = self.body(middle, START)
        self.ruler = make_ruler(base, surface, first)
        zero = self.ruler.measure(base, first)
        self.start_measures = zero
        self.slopes = np.stack([(self.ruler.measure(base, self.body(middle, START + step)) - zero) / step.sum()
                                for step in np.diag(STEPS)], 1)

    def body(self, phenotype: dict[str, float], knobs: np.ndarray) -> np.ndarray:
        """(19158,3) T-posed body, mirror-symmetric."""
        weight = knobs[1] if knobs[1] > 0.5 else 0.5 - LEAN * (0.5 - knobs[1])
        given = phenotype | {"height": float(knobs[0]), "weight": float(weight)}
        v = self.base.v + (coefficients(given, self.targets.keys).astype(np.float32) @ self.targets.offsets).reshape(-1, 3)
        for name, amount in zip(KNOBS[2:], knobs[2:], strict=True):
            v += abs(amount) * self.targets.details[name][0 if amount < 0 else 1]
        return to_t_pose(self.base, 0.5 * (v + v[self.base.mirror] * FLIP), self.limbs)

    def fitted(self, phenotype: dict[str, float], wanted: np.ndarray) -> np.ndarray:
        """The body whose measures are `wanted` (5,), as far as the knobs reach."""
        knobs, slopes, reached = START, self.slopes, self.start_measures
        for _ in range(ROUNDS):  # Broyden's method
            aim = np.clip(knobs + np.linalg.solve(slopes, wanted - reached), KNOB_LIMITS[:, 0], KNOB_LIMITS[:, 1])
            v = self.body(phenotype, aim)
            now, step = self.ruler.measure(self.base, v), aim - knobs
            if np.abs(wanted - now).max() < 5e-4 or not step.any():
                break
            if knobs is not START:  # the first step also changes the phenotype
                slopes = slopes + np.outer(now - reached - slopes @ step, step) / (step @ step)
            knobs, reached = aim, now
        return v


def bodies(base: BaseMesh, targets: Targets, surface: Surface, people: People, sex: str, count: int, seed: int) -> np.ndarray:
    """(count,19158,3) T-posed bodies with the stature, crotch height, span and shoulders of people drawn from the survey.

    Shoulders keep MakeHuman's mean breadth and take the survey's relative deviations, as its acromia are no joint centres.
    """
    rng = np.random.default_rng(seed)
    maker = Maker(base, targets, surface)
    mass = civilian_mass(people)
    usual = maker.start_measures[4] / maker.start_measures[0]
    broad = people.length["shoulders"] / people.mean("shoulders") * usual * people.mean("stature")
    out = np.zeros((count, *base.v.shape), np.float32)
    for i in range(count):
        row = int(rng.integers(len(mass)))
        phenotype = draw_phenotype(rng, sex, mass[row] / people.length["stature"][row] ** 2)
        wanted = [people.length["stature"][row], np.cbrt(mass[row]), people.length["crotch"][row], people.length["span"][row], broad[row]]
        out[i] = maker.fitted(phenotype, np.array(wanted))
    return out
