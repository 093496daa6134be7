# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of `bin/evaluate`, and files in the layouts that it reads: labels as HMR2.0's and HSMR's, model files of made-up numbers."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np

from bin.evaluation.command import main
from tests import skel_file, synthetic_smpl

SKIN = skel_file.SKIN_VERTS


def evaluate(capsys, folder: Path, *arguments: object) -> tuple[dict, str]:
    """The figures, violations and angles of a run of `bin/evaluate` that must succeed, and what it printed."""
    code = main([str(part) for part in (*arguments, "--json", folder / "scores.json")])
    told = capsys.readouterr()
    assert code == 0, told.err
    return json.loads((folder / "scores.json").read_text()), told.out


def hmr2_labels(path: Path, count: int = 12, seed: int = 0, **changed: object) -> dict[str, np.ndarray]:
    """Labels with everything, as 3DPW's have: twelve frames of one film; entries of value None are left out."""
    rng = np.random.default_rng(seed)
    flat, solid = rng.uniform(0, 400, (count, 44, 3)), rng.normal(0, 0.5, (count, 44, 4)) + [0.1, 0.2, 4, 0]
    flat[..., 2], solid[..., 3] = 1.0, 1.0
    data = {
        "imgname": np.array([f"imageFiles/street_00/image_{k:05d}.jpg".encode() for k in range(count)]),
        "center": rng.uniform(150, 250, (count, 2)), "scale": rng.uniform(150, 300, (count, 2)),
        "body_keypoints_2d": flat[:, :25], "extra_keypoints_2d": flat[:, 25:],
        "body_keypoints_3d": solid[:, :25], "extra_keypoints_3d": solid[:, 25:],
        "body_pose": rng.normal(0, 0.3, (count, 72)), "betas": rng.normal(0, 1, (count, 10)),
        "has_body_pose": np.ones(count), "has_betas": np.ones(count), "gender": np.array(["m"] * count),
        "extra_info": np.array([{"key": k} for k in range(count)], dtype=object),
    } | changed  # fmt: skip
    data = {key: value for key, value in data.items() if value is not None}
    np.savez(path, **data)
    return data


def moyo_labels(path: Path, count: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """Labels as HSMR's of MOYO: pickled dicts inside, one SMPL body a picture."""
    rng = np.random.default_rng(seed)
    smpl = {"global_orient": rng.normal(0, 1, (count, 3)), "body_pose": rng.normal(0, 0.3, (count, 69)),
            "betas": rng.normal(0, 1, (count, 10))}  # fmt: skip
    np.savez(path, extra_info={"dataset_name": "MoYo"}, names=np.array(["boat"] * count), genders=np.array(["female"] * count),
             img_paths=np.array([f"boat/YOGI_Cam_05/{k:04d}.jpg" for k in range(count)]), centers=np.zeros((count, 2)),
             scales=np.ones((count, 2)), smpl=smpl)  # fmt: skip
    return smpl


def smpl_folder(folder: Path, seed: int = 0) -> Path:
    """SMPL's neutral and male model, of made-up numbers, and the regressor of the 19 extra joints."""
    for number, gender in enumerate(("NEUTRAL", "MALE")):
        data = synthetic_smpl.model("male", seed + number, blend=0.02)
        (folder / f"SMPL_{gender}.pkl").write_bytes(pickle.dumps(data, protocol=2))
    return folder


def skel_with_regressors(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A SKEL model file and HSMR's regressors beside it; the regressors too."""
    rng, matrices = np.random.default_rng(3), {}
    for name, rows in (("SMPL_to_J19.pkl", 19), ("J_regressor_SMPL_MALE.pkl", 24), ("J_regressor_SKEL_mix_MALE.pkl", 24)):
        matrix = np.zeros((rows, SKIN))
        columns = rng.choice(skel_file.numbers("male")["vertices"].astype(int), (rows, 6))
        np.put_along_axis(matrix, columns, rng.dirichlet(np.ones(6), rows), axis=1)
        (folder / name).write_bytes(pickle.dumps(matrix, protocol=2))
        matrices[name] = matrix
    return skel_file.write(folder / "skel_male.pkl", "male"), matrices
