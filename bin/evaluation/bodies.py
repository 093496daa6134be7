# SPDX-License-Identifier: GPL-3.0-or-later
"""From a body's parameters to the points that are scored: HSMR's 44 keypoints, SMPL's 24 joints, SKEL's 24, the skin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bin.evaluation.samples import Maker, Points, Rows
from bin.evaluation.smpl import Smpl
from skel_blender.engine.body import BodyModel
from skel_blender.engine.body.chain import pose_chain, pose_points
from skel_blender.engine.body.landmarks import VERTEX
from skel_blender.engine.fit.keypoint_sets import EXTRA, EXTRA_FILE, SMPL_VERTICES, TO_OPENPOSE, find_regressor, keypoint_points, regressor

_SMPL_FILE = "J_regressor_SMPL_MALE.pkl"


def from_skel(body: BodyModel, poses: np.ndarray, betas: np.ndarray) -> tuple[tuple[str, ...], Maker]:
    """What a body makes of poses (N,46) rad and betas (N,10): names of sets, and a function that gives them.

    A SKEL file gives all, provided HSMR's regressor files lie beside it or one folder up; the open body its own joints and skin.
    """
    sets = ("skel24", "vertices") if body.source is None else ("skel24", "vertices", "hsmr44", "smpl24")
    regressors: dict[str, object] = {}

    def make(rows: Rows, wanted: set[str]) -> Points:
        like = body.J_template
        q, b = torch.as_tensor(poses[rows]).to(like), torch.as_tensor(betas[rows]).to(like)
        points: Points = {}
        if wanted - {"hsmr44"}:
            posed = body.forward(q, b, torch.zeros_like(q[:, :3]), skin=bool(wanted & {"vertices", "smpl24"}))
            points["skel24"] = posed.joints.numpy()
            if posed.skin_verts is not None:
                points["vertices"] = posed.skin_verts.numpy()
        if "hsmr44" in wanted:
            if "hsmr44" not in regressors:
                regressors["hsmr44"] = keypoint_points(body, "hsmr44")
            shape, owner = body.shape(b), torch.arange(len(q))
            chain = pose_chain(shape, owner, q, torch.zeros_like(q[:, :3]))
            points["hsmr44"] = pose_points(shape, owner, chain, regressors["hsmr44"])[0].numpy()
        if "smpl24" in wanted:
            if "smpl24" not in regressors:
                regressors["smpl24"] = regressor(body.source, _SMPL_FILE, 24)
            points["smpl24"] = regressors["smpl24"] @ points["vertices"]
        return {name: values for name, values in points.items() if name in wanted}

    return sets, make


def from_smpl(models: list[Smpl], which: np.ndarray, rotations: np.ndarray, betas: np.ndarray, source: Path,
              known: np.ndarray | None = None) -> tuple[tuple[str, ...], Maker]:  # fmt: skip
    """Likewise of local rotations (N,24,3,3) and betas (N,10); row n has models[which[n]]. Rows that are not `known` (N,) are NaN.

    `source` is the model's file: SMPL_to_J19.pkl is looked for beside it.
    """
    extra: list[np.ndarray] = []

    def make(rows: Rows, wanted: set[str]) -> Points:
        count, skin = len(rotations[rows]), len(models[0].template)
        joints, verts = np.full((count, 24, 3), np.nan), np.full((count, skin, 3), np.nan)
        for number, model in enumerate(models):
            own = np.flatnonzero((which[rows] == number) & (True if known is None else known[rows]))
            if len(own):
                joints[own], verts[own] = model.forward(rotations[rows][own], betas[rows][own])
        points = {"smpl24": joints, "vertices": verts}
        if "hsmr44" in wanted:
            if not extra:
                extra.append(regressor(source, EXTRA_FILE, EXTRA))
            surface = verts[:, [VERTEX[name] for name in SMPL_VERTICES]]
            first = np.concatenate([joints, surface], 1)[:, list(TO_OPENPOSE)]
            points["hsmr44"] = np.concatenate([first, extra[0] @ verts], 1)
        return {name: values for name, values in points.items() if name in wanted}

    sets = ("smpl24", "vertices") + (("hsmr44",) if find_regressor(source, EXTRA_FILE) else ())
    return sets, make
