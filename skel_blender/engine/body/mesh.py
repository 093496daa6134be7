# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes of a body: skin and bones, shaped by betas, corrected by the pose, and bound to the joints."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...anatomy import FEATURE_JOINTS, PARENTS, SMPL_FEATURE_JOINTS, J
from ..memo import memoised_property

FIRST_CHILD = tuple(PARENTS.index(joint) if joint in PARENTS else 0 for joint in range(J))  # 0: none
FEATURE_ROWS = tuple(9 * s + k for s, joint in enumerate(SMPL_FEATURE_JOINTS) if joint >= 0 for k in range(9))


def moving_features(local: torch.Tensor) -> torch.Tensor:
    """(B,171) the entries of the pose feature (`chain.pose_feature`) that are not always zero, of `articulate`'s local rotations."""
    chosen = local[list(FEATURE_JOINTS)] - torch.eye(3).to(local)[..., None]
    return chosen.flatten(0, 2).t()


@dataclass(frozen=True)
class Mesh:
    """Vertices that are linear in betas and in the pose feature, bound to joints by weights."""

    template: torch.Tensor  # (V,3) m, T pose
    shapedirs: torch.Tensor  # (V,3,10)
    weights: torch.Tensor  # (V,24), rows sum to 1
    posedirs: torch.Tensor | None = None  # (V,3,207)

    @memoised_property
    def _planes(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Template (3V,), directions (10 or 181, 3V) and weights (24,V), axis by axis: betas first, then the moving features."""
        rows = [self.shapedirs.permute(2, 1, 0).flatten(1)]
        if self.posedirs is not None:
            rows.append(self.posedirs[:, :, list(FEATURE_ROWS)].permute(2, 1, 0).flatten(1))
        return self.template.t().flatten(), torch.cat(rows).contiguous(), self.weights.t().contiguous()

    def corrected(self, betas: torch.Tensor, local: torch.Tensor) -> torch.Tensor:
        """(N or B,3,V) m: the T pose of betas (N,10), corrected for `articulate`'s local rotations (24,3,3,B)."""
        template, directions, _ = self._planes
        rates = betas
        if self.posedirs is not None:
            features = moving_features(local)
            rates = torch.cat([betas.expand(len(features), -1), features], 1)
        return torch.addmm(template, rates, directions).unflatten(-1, (3, -1))

    def joint_weights(self) -> torch.Tensor:
        """(24,V) weights."""
        return self._planes[2]

    def at_rest(self, betas: torch.Tensor) -> torch.Tensor:
        """(N,V,3) m in the T pose of betas (N,10)."""
        return self.template + torch.einsum("vik,nk->nvi", self.shapedirs, betas)


@dataclass(frozen=True)
class ScaledBones:
    """SKEL's bones: each lies in its own frame with its joint at the origin and is scaled with the distance between joints.

    Lengths are in bone axes: x forward, y up, z to the side. Source: Keller et al. 2023, section 3.3.
    """

    template: torch.Tensor  # (Vk,3) m, own frames
    weights_rigid: torch.Tensor  # (Vk,24) whose bone a vertex belongs to
    weights: torch.Tensor  # (Vk,24) what it rides
    lengths: torch.Tensor  # (24,) m |ta_j|, distance to the parent at scale 1
    thorax_rise: torch.Tensor  # () m, of lengths[11] its part along y
    pairs: torch.Tensor  # (7,2,3) m skin vertices of the template whose distances scale head, hands and thorax
    pairs_by_betas: torch.Tensor  # (7,2,3,10)

    def joint_weights(self) -> torch.Tensor:
        """(24,Vk) weights."""
        return self.weights.t().contiguous()

    def scales(self, joints: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
        """(N,24,3) scale of each bone along its axes, of rest joints (N,24,3) and betas (N,10)."""
        ratio = (joints - joints[:, [max(p, 0) for p in PARENTS]]).norm(dim=-1) / self.lengths
        one = torch.ones_like(ratio[:, 0])
        scale = [ratio[:, child] if child else one for child in FIRST_CHILD]
        scale[16], scale[21], scale[12] = scale[17], scale[22], scale[11]
        scale[11] = (joints[:, 11, 1] - joints[:, 0, 1]).abs() / self.thorax_rise
        axes = [[s, s, s] for s in scale]
        spans = self.pairs[:, 0] - self.pairs[:, 1]
        shaped = spans + torch.einsum("pik,nk->npi", self.pairs_by_betas[:, 0] - self.pairs_by_betas[:, 1], betas)
        rho = torch.stack([shaped[:, row, axis] / spans[row, axis] for row, (_, _, axis) in enumerate(SCALE_PAIRS)], 1)
        axes[13] = [rho[:, 0], rho[:, 1], rho[:, 2]]
        for hand in (18, 23):
            axes[hand] = [rho[:, 3], rho[:, 4], axes[hand][2]]
        axes[12][0] = axes[11][0] = torch.minimum(rho[:, 5], rho[:, 6])
        return torch.stack([torch.stack(s, -1) for s in axes], 1)

    def at_rest(self, joints: torch.Tensor, betas: torch.Tensor, bone_frames: torch.Tensor) -> torch.Tensor:
        """(N,Vk,3) m in the T pose, of rest joints (N,24,3), betas (N,10) and bone_frames (N,24,3,3), M_j Ra_j."""
        scaled = bone_frames * self.scales(joints, betas)[:, :, None]
        blended = torch.einsum("vj,njab->nvab", self.weights_rigid, scaled)
        return (blended @ self.template[:, :, None])[..., 0] + self.weights_rigid @ joints


# Skin vertices of the SMPL topology whose distance along an axis (0 x, 1 y, 2 z of the model frame) scales bones: head along z, y, x,
# hands along bone x and y (the right hand's for both), thorax front to back twice.
SCALE_PAIRS = ((410, 384, 2), (414, 384, 1), (196, 3708, 0), (6179, 6137, 1), (5670, 5906, 0), (3027, 3495, 2), (3027, 3506, 2))
