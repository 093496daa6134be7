# SPDX-License-Identifier: GPL-3.0-or-later
"""SMPL with all of its 24 joints (Loper et al. 2015), as ground truth has it: rest shape, chain, linear blend skinning."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skel_blender.engine.imports.smpl_model import SmplModel, read_model
from skel_blender.messages import SkelError


class Smpl(SmplModel):
    """One model file."""

    def forward(self, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joints (N,24,3) and skin (N,V,3), m, of local rotations (N,24,3,3) and betas (N,10); joint 0 stays where the shape has it."""
        shaped = self.template + np.einsum("vik,nk->nvi", self.shapedirs[..., : betas.shape[1]], betas)
        rest = self.regressor @ shaped
        feature = (rotations[:, 1:] - np.eye(3)).reshape(len(rotations), -1)
        skin = shaped + (feature @ self.posedirs.reshape(-1, feature.shape[1]).T).reshape(shaped.shape)
        turned, places = [rotations[:, 0]], [rest[:, 0]]
        for joint, parent in enumerate(self.parents[1:], 1):
            places.append(places[parent] + np.einsum("nij,nj->ni", turned[parent], rest[:, joint] - rest[:, parent]))
            turned.append(turned[parent] @ rotations[:, joint])
        turns, joints = np.stack(turned, 1), np.stack(places, 1)
        shifts = joints - np.einsum("njab,njb->nja", turns, rest)
        transforms = np.concatenate([turns, shifts[..., None]], -1).reshape(*joints.shape[:2], 12)
        blended = (self.weights @ transforms).reshape(*skin.shape[:2], 3, 4)
        return joints, np.einsum("nvab,nvb->nva", blended[..., :3], skin) + blended[..., 3]


def read_smpl(path: Path, gender: str = "neutral") -> Smpl:
    """An SMPL file (.pkl or .npz), or that of a gender in a folder. Raises SkelError with one sentence for anything else."""
    model = read_model(path, "smpl", gender)
    if model.kind != "smpl":
        raise SkelError("bad_model", f"{model.path} has {len(model.parents)} joints, but SMPL's 24 are needed.", "Give an SMPL file.")
    return Smpl(**vars(model))
