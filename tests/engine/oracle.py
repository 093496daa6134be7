# SPDX-License-Identifier: GPL-3.0-or-later
"""The stored problems, results and timings of the original SKELify (tests/data/skelify_oracle.npz, see NOTICE.md there)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skel_blender.engine.body import BodyModel, Points, load_body
from tests import skel_file

DATA = Path(__file__).resolve().parent.parent / "data" / "skelify_oracle.npz"


@dataclass(frozen=True)
class Oracle:
    """The numbers by name, and the body and the 44 keypoints that they belong to."""

    numbers: dict[str, torch.Tensor]
    body: BodyModel
    points: Points

    def objective(self, phase: str) -> dict[str, torch.Tensor]:
        """Inputs of a phase's objective, its `loss` and its gradients."""
        kind = "refiner" if phase == "refiner" else "full"
        return self._under(f"objective/{kind}") | self._under(f"objective/{phase}")

    def problem(self, name: str) -> dict[str, torch.Tensor]:
        """Truth, start, the original's result and its time: 'full_B8', 'refiner_B8' or 'refiner_B64'."""
        return self._under(name)

    def _under(self, prefix: str) -> dict[str, torch.Tensor]:
        return {key[len(prefix) + 1 :]: value for key, value in self.numbers.items() if key.startswith(prefix + "/")}


def read_oracle() -> Oracle:
    """Everything, with the reduced synthetic model."""
    with np.load(DATA) as file:
        names = tuple(str(name) for name in file["points/names"])
        numbers = {key: torch.as_tensor(file[key]) for key in file.files if key != "points/names"}
    numbers = {key: value.double() if value.is_floating_point() else value.long() for key, value in numbers.items()}
    parts = ("point", "joint", "weight", "template", "shapedirs", "posedirs")
    with tempfile.TemporaryDirectory() as folder:
        body = load_body(skel_file.write(Path(folder) / "skel_male.pkl", "male"))
    return Oracle(numbers, body, Points(names, *(numbers[f"points/{part}"] for part in parts)))
