# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's model file of SMPL, SMPL-H or SMPL-X (.pkl or .npz), every entry checked before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...messages import SkelError
from ..unpickle import need
from .containers import read_tree

KINDS = {24: "smpl", 52: "smplh", 55: "smplx"}
_WHAT = "an SMPL model"


@dataclass(frozen=True)
class SmplModel:
    """A model of J joints (Loper et al. 2015)."""

    path: Path
    kind: str  # one of KINDS
    template: np.ndarray  # (V,3) m
    shapedirs: np.ndarray  # (V,3,N)
    posedirs: np.ndarray  # (V,3,9(J-1))
    regressor: np.ndarray  # (J,V)
    weights: np.ndarray  # (V,J)
    parents: np.ndarray  # (J,), the first says nothing


def read_model(path: Path, model: str, gender: str) -> SmplModel:
    """A model file, or of a folder that of a model and a gender.

    Raises SkelError with one sentence for a file that is missing, refused or of another kind.
    """
    path = _in_folder(path, model, gender) if path.is_dir() else path
    data = read_tree(path, _WHAT)
    template = need(data, "v_template", (None, 3), path, _WHAT)
    weights = need(data, "weights", (len(template), None), path, _WHAT)
    verts, joints = weights.shape
    kind = KINDS.get(joints)
    if kind is None or not verts:
        raise SkelError("bad_model", f"{path} has {joints} joints; SMPL has 24, SMPL-H 52, SMPL-X 55.", "Choose such a file.")
    if not (weights.sum(axis=1) > 0).all():
        raise SkelError("bad_model", f"In {path} the entry 'weights' leaves some skin without a joint.", "Check that it is the right file.")
    parents = need(data, "kintree_table", (2, joints), path, _WHAT)[0].astype(np.int64)
    if not ((parents[1:] >= 0) & (parents[1:] < np.arange(1, joints))).all():
        raise SkelError("bad_model", f"In {path} the entry 'kintree_table' is not a tree.", "Check that it is the right file.")
    shapedirs = need(data, "shapedirs", (verts, 3, None), path, _WHAT)
    posedirs = need(data, "posedirs", (verts, 3, 9 * (joints - 1)), path, _WHAT)
    return SmplModel(path, kind, template, shapedirs, posedirs, need(data, "J_regressor", (joints, verts), path, _WHAT), weights, parents)


def _in_folder(folder: Path, model: str, gender: str) -> Path:
    stem = f"{model.upper()}_{gender.upper()}"
    for place in (folder, folder / model):
        for ending in (".npz", ".pkl"):  # SMPL-H for AMASS has a folder for each gender
            for path in (place / (stem + ending), place / f"{model.upper()}_{gender}{ending}", place / gender / f"model{ending}"):
                if path.is_file():
                    return path
    raise SkelError("no_file", f"There is no {stem}.pkl or .npz in {folder}.", "Give the model file itself.")
