# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint frames of a SKEL body: each bone keeps pointing at its child while the shape changes (Keller et al. 2023, section 3.2).

M_j = G_j L_j Ra_j^T, where G_j is the smallest turn that takes the template's bone direction onto the shape's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

_LEVI = torch.zeros(3, 3, 3, dtype=torch.float64)
for _i, _j, _k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    _LEVI[_i, _k, _j], _LEVI[_k, _i, _j] = 1.0, -1.0  # cross matrix of v: entry (row, column) is LEVI[row, column] . v


def cross_matrix(vector: torch.Tensor) -> torch.Tensor:
    """(...,3) -> (...,3,3), the matrix [v]x with [v]x w = v x w."""
    return (vector @ _LEVI.to(vector).reshape(9, 3).t()).unflatten(-1, (3, 3))


@dataclass(frozen=True)
class BoneFrames:
    """How joint frames follow the shape. Joints whose frame is fixed have a tip that does not move and equals `start`."""

    start: torch.Tensor  # (24,3) unit direction of each bone at the template's pose, model axes
    tip: torch.Tensor  # (24,3) m, the direction that it must take, at zero betas
    tip_by_betas: torch.Tensor  # (24,3,10) m
    turned: torch.Tensor  # (24,3,3) L_j Ra_j^T
    apose: torch.Tensor  # (24,3,3) Ra_j: M_j Ra_j is the frame of the bone, M_j that of the joint

    def frames(self, betas: torch.Tensor) -> torch.Tensor:
        """(N,24,3,3) M_j of shapes betas (N,10), R_model_joint. Differentiable."""
        return self._turn(self._direction(betas)[0])[0] @ self.turned

    def frames_and_turns(self, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """M_j as above and (N,24,3,10) turns: dM_j / dbeta_k = [turns[:, j, :, k]]x M_j."""
        direction, length = self._direction(betas)
        turn, cross, nearness = self._turn(direction)
        along = torch.einsum("nji,jik->njk", direction, self.tip_by_betas)
        by_betas = ((self.tip_by_betas - direction[..., None] * along[:, :, None]) / length[..., None]).mT  # (N,24,10,3)
        start = self.start[:, None].expand_as(by_betas)
        dcross = cross_matrix(torch.linalg.cross(start, by_betas))
        dcos = (start * by_betas).sum(-1)[..., None, None]
        cross, nearness, turn_t = cross[:, :, None], nearness[:, :, None], turn.mT[:, :, None]
        change = dcross + (dcross @ cross + cross @ dcross) / nearness - cross @ cross * (dcos / (nearness * nearness))
        spin = change @ turn_t
        turns = 0.5 * torch.stack([spin[..., 2, 1] - spin[..., 1, 2], spin[..., 0, 2] - spin[..., 2, 0], spin[..., 1, 0] - spin[..., 0, 1]], -2)
        return turn @ self.turned, turns

    def _direction(self, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        tip = torch.addmm(self.tip.reshape(-1), betas, self.tip_by_betas.reshape(-1, betas.shape[-1]).t()).unflatten(-1, (-1, 3))
        length = tip.norm(dim=-1, keepdim=True)
        return tip / length, length

    def _turn(self, direction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Smallest rotation from `start` onto unit directions (N,24,3), its cross matrix, and 1 + cos (N,24,1,1)."""
        start = self.start.expand_as(direction)
        cross = cross_matrix(torch.linalg.cross(start, direction))
        nearness = 1.0 + (start * direction).sum(-1)[..., None, None]
        return torch.eye(3).to(direction) + cross + cross @ cross / nearness, cross, nearness
