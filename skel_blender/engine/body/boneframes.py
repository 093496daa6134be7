# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint frames of a SKEL body: each bone keeps pointing at its child while the shape changes (Keller et al. 2023, section 3.2).

M_j = G_j W_j with W_j = L_j Ra_j^T, where G_j is the smallest turn that takes the template's bone direction a onto the shape's, b:
G = c I + [v]x + v v^T / (1 + c) with v = a x b, c = a . b. When b moves by db (normal to b), G turns by
phi = b x db - (v . db) / (1 + c) b: with b, and about b as parallel transport from a does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..memo import memoised_property
from .batchlast import cross


@dataclass(frozen=True)
class BoneFrames:
    """How joint frames follow the shape. Joints whose frame is fixed have a tip that does not move and equals `start`."""

    start: torch.Tensor  # (24,3) a, unit direction of each bone at the template's pose, model axes
    tip: torch.Tensor  # (24,3) m, the direction that it must take, at zero betas
    tip_by_betas: torch.Tensor  # (24,3,10) m
    turned: torch.Tensor  # (24,3,3) W_j
    apose: torch.Tensor  # (24,3,3) Ra_j: M_j Ra_j is the frame of the bone, M_j that of the joint

    def frames_and_turns(self, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of shapes betas (N,10): (N,24,3,3) M_j, R_model_joint, and (N,24,3,10) turns: dM_j / dbeta_k = [turns[:, j, :, k]]x M_j."""
        tips = self.tip[..., None] + self.tip_by_betas @ betas.t()
        frames, direction, length, lever = (part.movedim(-1, 0) for part in self.aimed(tips, tips.norm(dim=1, keepdim=True)))
        direction, lever = direction[..., None], lever[..., None]
        along = (direction * self.tip_by_betas).sum(-2, keepdim=True)
        moved = (self.tip_by_betas - direction * along) / length[..., None]
        turns = torch.linalg.cross(direction.expand_as(moved), moved, dim=-2) - (lever * moved).sum(-2, keepdim=True) * direction
        return frames.contiguous(), turns

    def aimed(self, tips: torch.Tensor, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of tips (24,3,N) and their length (24,1,N) m: M_j (24,3,3,N), b (24,3,N), length, v / (1 + c) (24,3,N)."""
        direction = tips / length
        constant, linear = self._by_direction
        part = torch.baddbmm(constant, linear, direction)
        frames, along, across, nearness = part.split_with_sizes([9, 3, 3, 1], 1)
        lever = across / nearness
        frames = torch.addcmul(frames.view(len(part), 3, 3, part.shape[-1]), lever[:, :, None], along[:, None])
        return frames, direction, length, lever

    def by_tips(self, turn: torch.Tensor, direction: torch.Tensor, length: torch.Tensor, lever: torch.Tensor) -> torch.Tensor:
        """(24,3,B) derivative by the tips of the torque (24,3,B) on each frame; the rest is what `aimed` returned."""
        twist = (turn * direction).sum(1, keepdim=True)
        return torch.addcmul(cross(turn, direction.expand_as(turn)), twist, lever, value=-1).div_(length)

    @memoised_property
    def _by_direction(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Constant (24,16,1) and matrix (24,16,3): b to c W + [v]x W (9), W^T v (3), v (3), 1 + c (1), which are affine in b."""
        eye = torch.eye(3).to(self.start)
        across = torch.linalg.cross(self.start[:, None].expand(-1, 3, 3), eye.expand(len(self.start), 3, 3))  # rows: v of each b
        linear = self.start[:, :, None, None] * self.turned[:, None]
        linear = linear + torch.linalg.cross(across[..., None].expand_as(linear), self.turned[:, None].expand_as(linear), dim=-2)
        matrix = torch.cat([linear.flatten(2), across @ self.turned, across, self.start[..., None]], -1).mT.contiguous()
        constant = torch.zeros_like(matrix[..., :1])
        constant[:, -1] = 1.0
        return constant, matrix
