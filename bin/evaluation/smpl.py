# SPDX-License-Identifier: GPL-3.0-or-later
"""SMPL with all of its 24 joints (Loper et al. 2015), as ground truth has it: rest shape, chain, linear blend skinning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skel_blender.engine.imports.containers import read_tree
from skel_blender.engine.unpickle import need
from skel_blender.messages import SkelError

JOINTS = 24
_FEATURE = 9 * (JOINTS - 1)
_WHAT = "an SMPL model"
_ENDINGS = (".npz", ".pkl")


@dataclass(frozen=True)
class SmplModel:
    """One model file."""

    template: np.ndarray  # (V,3) m
    shapedirs: np.ndarray  # (V,3,10)
    posedirs: np.ndarray  # (V,3,207)
    regressor: np.ndarray  # (24,V)
    weights: np.ndarray  # (V,24)
    parents: tuple[int, ...]

    def forward(self, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joints (N,24,3) and skin (N,V,3), m, of local rotations (N,24,3,3) and betas (N,10); joint 0 stays where the shape has it."""
        shaped = self.template + np.einsum("vik,nk->nvi", self.shapedirs, betas)
        rest = self.regressor @ shaped
        feature = (rotations[:, 1:] - np.eye(3)).reshape(len(rotations), -1)
        skin = shaped + (feature @ self.posedirs.reshape(-1, _FEATURE).T).reshape(shaped.shape)
        turned, places = [rotations[:, 0]], [rest[:, 0]]
        for joint in range(1, JOINTS):
            parent = self.parents[joint]
            places.append(places[parent] + np.einsum("nij,nj->ni", turned[parent], rest[:, joint] - rest[:, parent]))
            turned.append(turned[parent] @ rotations[:, joint])
        turns, joints = np.stack(turned, 1), np.stack(places, 1)
        shifts = joints - np.einsum("njab,njb->nja", turns, rest)
        transforms = np.concatenate([turns, shifts[..., None]], -1).reshape(len(turns), JOINTS, 12)
        blended = (self.weights @ transforms).reshape(*skin.shape[:2], 3, 4)
        return joints, np.einsum("nvab,nvb->nva", blended[..., :3], skin) + blended[..., 3]


def read_smpl(path: Path, gender: str = "neutral") -> SmplModel:
    """An SMPL file (.pkl or .npz), or that of a gender in a folder. Raises SkelError with one sentence for anything else."""
    path = _in_folder(path, gender) if path.is_dir() else path
    data = read_tree(path, _WHAT)
    template = need(data, "v_template", (None, 3), path, _WHAT)
    count = len(template)
    weights = need(data, "weights", (count, None), path, _WHAT)
    if weights.shape[1] != JOINTS:
        raise SkelError("bad_model", f"{path} has {weights.shape[1]} joints, where SMPL's 24 are needed.", "Give an SMPL model file.")
    parents = need(data, "kintree_table", (2, JOINTS), path, _WHAT)[0]
    shapedirs = need(data, "shapedirs", (count, 3, None), path, _WHAT)[..., :10]
    return SmplModel(
        template, shapedirs, need(data, "posedirs", (count, 3, _FEATURE), path, _WHAT),
        need(data, "J_regressor", (JOINTS, count), path, _WHAT), weights, (-1, *map(int, parents[1:])),
    )  # fmt: skip


def _in_folder(folder: Path, gender: str) -> Path:
    for place in (folder, folder / "smpl"):
        for ending in _ENDINGS:
            if (place / f"SMPL_{gender.upper()}{ending}").is_file():
                return place / f"SMPL_{gender.upper()}{ending}"
    raise SkelError("no_file", f"There is no SMPL_{gender.upper()}.pkl or .npz in {folder}.", "Give the model file itself.")
