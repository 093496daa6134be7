# SPDX-License-Identifier: GPL-3.0-or-later
"""People of the ANSUR II survey (US Army, 2012, public release), read from the CSV files in the nimblephysics wheel."""
from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

COLUMNS = {"stature": "stature", "crotch": "crotchheight", "span": "span", "shoulders": "biacromialbreadth",
           "bideltoid": "bideltoidbreadth", "knee": "lateralfemoralepicondyleheight", "cervicale": "cervicaleheight",
           "suprasternale": "suprasternaleheight", "hips": "hipbreadth", "chest": "chestdepth"}
SOFTER = 1.5
"""Soldiers spread less than people do: their BMI's distance from the mean is stretched by this (log scale)."""
BMI_LIMITS = (16.5, 43.0)


@dataclass
class People:
    """N people: lengths in metres by the names of COLUMNS, mass in kg (as surveyed)."""

    length: dict[str, np.ndarray]
    mass: np.ndarray

    @property
    def bmi(self) -> np.ndarray:
        """(N,) kg/m^2."""
        return self.mass / self.length["stature"] ** 2

    def mean(self, name: str) -> float:
        """Mean of one length, m."""
        return float(self.length[name].mean())


def read(folder: Path, sex: str) -> People:
    """The survey of one sex from the wheel's rajagopal_data folder."""
    with open(folder / f"ANSUR_II_{sex.upper()}_Public.csv", encoding="latin-1", newline="") as stream:
        rows = list(csv.DictReader(stream))
    lengths = {name: np.array([float(row[column]) for row in rows]) / 1000 for name, column in COLUMNS.items()}
    return People(lengths, np.array([float(row["weightkg"]) for row in rows]) / 10)


def civilian_mass(people: People) -> np.ndarray:
    """(N,) kg: surveyed masses with the spread of BMI widened by SOFTER and kept within BMI_LIMITS."""
    middle = np.exp(np.log(people.bmi).mean())
    return np.clip(middle * (people.bmi / middle) ** SOFTER, *BMI_LIMITS) * people.length["stature"] ** 2
