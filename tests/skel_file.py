# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a model file in the official SKEL layout, from the synthetic numbers in tests/data/skel_reduced_*.npz (see NOTICE.md there)."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

SKIN_VERTS = 6890
_DATA = Path(__file__).resolve().parent / "data"
_LISTS = ("bone_names", "joints_name", "pose_params_name")
_COPIED = ("skel_template_v", "per_joint_rot", "osim_kintree_table", "apose_rel_transfo", "apose_transfo", "tpose_transfo",
           "parameter_mapping")  # fmt: skip


def numbers(sex: str) -> dict[str, np.ndarray]:
    """The reduced model of a sex, with what the original implementation makes of it."""
    with np.load(_DATA / f"skel_reduced_{sex}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def contents(sex: str) -> dict:
    """The dict of the pickle: skin vertices that the reduced model lacks are zero and ride the pelvis."""
    import scipy.sparse  # which Blender's Python, that wants the numbers only, has not

    data, kept = numbers(sex), {}
    rows = data["vertices"].astype(int)
    for key in ("skin_template_v", "shapedirs", "posedirs"):
        kept[key] = np.zeros((SKIN_VERTS, *data[key].shape[1:]))
        kept[key][rows] = data[key]
    weights = np.zeros((SKIN_VERTS, 24))
    weights[:, 0] = 1.0
    weights[rows] = data["skin_weights"]
    regressor = scipy.sparse.coo_matrix((np.ones(24), (np.arange(24), data["joint_vertices"].astype(int))), shape=(24, SKIN_VERTS))
    faces = np.stack([rows[:-2], rows[1:-1], rows[2:]], 1)
    return {
        "version": "1.1.1", "gender": sex, **{key: data[key].tolist() for key in _LISTS}, **{key: data[key] for key in _COPIED}, **kept,
        "skin_template_f": faces, "skel_template_f": np.arange(len(data["skel_template_v"]) // 3 * 3).reshape(-1, 3),
        "skin_weights": scipy.sparse.coo_matrix(weights), "J_regressor": regressor, "J_regressor_osim": regressor,
        "skel_weights": scipy.sparse.coo_matrix(data["skel_weights"]),
        "skel_weights_rigid": scipy.sparse.coo_matrix(data["skel_weights_rigid"]),
    }  # fmt: skip


def write(path: Path, sex: str, **changed: object) -> Path:
    """Write the model file, some entries changed, those of value None left out."""
    data = {key: value for key, value in {**contents(sex), **changed}.items() if value is not None}
    path.write_bytes(pickle.dumps(data, protocol=4))
    return path
