# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons at rest: of a body, as rows that are linear in betas, and of people, which betas decide before any frame is posed."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...anatomy import PARENTS, J
from ..memo import memoised
from .boneframes import BoneFrames
from .couplings import span_rows

BETAS = 10  # coefficients of a shape


@dataclass(frozen=True)
class Shape:
    """N people's rest skeletons in the T pose, model frame."""

    betas: torch.Tensor  # (N,10)
    joints: torch.Tensor  # (N,24,3) m
    by_betas: torch.Tensor  # (24,3,10), of `joints`, which are linear
    frames: torch.Tensor  # (N,24,3,3) R_model_joint: a joint turns about the axes of its frame
    turns: torch.Tensor | None = None  # (N,24,3,10): d frames / d beta_k = [turns[..., k]]x frames; None where frames are constant


@dataclass(frozen=True)
class Skeleton:
    """What articulation needs of a body.

    R rows, three numbers each, linear in betas: 24 offsets from the parent, five spans (couplings.py), and, where bones turn the joint
    frames, their 24 tips (boneframes.py).
    """

    template: torch.Tensor  # (3 R,1) m
    directions: torch.Tensor  # (3 R,10)
    bones: BoneFrames | None
    frames: torch.Tensor  # (24,3,3,1) joint frames, where no bones turn them

    @classmethod
    def of(cls, J_template: torch.Tensor, J_shapedirs: torch.Tensor, frames: torch.Tensor, bones: BoneFrames | None) -> Skeleton:
        """Of joints (24,3) m, their derivatives (24,3,10), and joint frames (24,3,3)."""
        rows = skeleton_rows().to(J_template)
        template, directions = rows @ J_template.reshape(-1, 1), rows @ J_shapedirs.reshape(3 * J, -1)
        if bones is not None:
            template = torch.cat([template, bones.tip.reshape(-1, 1)])
            directions = torch.cat([directions, bones.tip_by_betas.flatten(0, 1)])
        return cls(template, directions, bones, frames[..., None])


@memoised
def skeleton_rows() -> torch.Tensor:
    """(87,72): rest joints, as 72 numbers, to their 24 offsets from the parents and the five spans."""
    differences = torch.eye(J, dtype=torch.float64)
    for joint in range(1, J):
        differences[joint, PARENTS[joint]] = -1.0
    return torch.cat([torch.kron(differences, torch.eye(3, dtype=torch.float64)), span_rows()])
