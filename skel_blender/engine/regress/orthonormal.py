# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as networks answer them: two rows of a matrix, anyhow (Zhou et al., On the continuity of rotation representations in neural
networks, CVPR 2019)."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize


def orthonormal(rows: torch.Tensor) -> torch.Tensor:
    """(...,2,3) two rows -> rotations (...,3,3): the first as it points, the second as far as it is square to that."""
    first = normalize(rows[..., 0, :], dim=-1)
    second = rows[..., 1, :] - (first * rows[..., 1, :]).sum(-1, keepdim=True) * first
    second = normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -2)
