# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a shipped body and poses it, for pictures and measures."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from skel_blender import kinematics
from skel_blender.anatomy import DOFS_OF_JOINT

from .joints import INDEX
from .skin import triangles


class OpenBody:
    """A body file, or its arrays, at given betas: rest skin, bones and joints."""

    def __init__(self, source: Path | dict[str, np.ndarray], betas: np.ndarray) -> None:
        d = source if isinstance(source, dict) else dict(np.load(source))
        self.data, b = d, np.asarray(betas, float)
        self.v = d["v_template"] + (d["shapedirs_q"] * d["shapedirs_scale"]) @ b
        self.joints = d["J_template"] + d["J_shapedirs"] @ b
        skel = d["skel_v_template"].astype(float)
        one = np.concatenate([skel, np.ones((len(skel), 1))], 1)
        moved = np.einsum("pkij,k->pij", d["skel_part_affine"], b)
        self.skel = skel + np.einsum("vij,vj->vi", moved[d["skel_part"]], one)
        self.markers = d["marker_template"] + d["marker_shapedirs"] @ b
        self.soles = d["sole_template"] + d["sole_shapedirs"] @ b
        self.tris = triangles(d["faces"].astype(int))

    def posed_joints(self, q: np.ndarray) -> np.ndarray:
        """(24,3) joint centres in pose q (46) rad."""
        return kinematics.forward(q, self.joints, self.data["rest_frames"].astype(float))[:, :3, 3]

    def posed(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Skin (V,3) and bones (Vs,3) in pose q (46) rad."""
        h = kinematics.forward(q, self.joints, self.data["rest_frames"].astype(float))
        skin = kinematics.skin(h, self.joints, self.v, self.data["weight_index"], self.data["weight_value"] / 255)
        own = self.data["skel_joint"]
        bones = np.einsum("vab,vb->va", h[own, :3, :3], self.skel - self.joints[own]) + h[own, :3, 3]
        return skin, bones


def pose(**angles: float | tuple[float, ...]) -> np.ndarray:
    """(46) rad from degrees by joint name, e.g. pose(femur_r=(30, 0, 0), tibia_r=60)."""
    q = np.zeros(46)
    for name, value in angles.items():
        dofs = DOFS_OF_JOINT[INDEX[name]]
        for dof, degrees in zip(dofs, np.atleast_1d(value), strict=True):
            q[dof.index] = np.radians(degrees)
    return q
