# SPDX-License-Identifier: GPL-3.0-or-later
"""Rest skeletons of people: what betas decide once, before any frame is posed."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Shape:
    """N people's rest skeletons in the T pose, model frame."""

    betas: torch.Tensor  # (N,10)
    joints: torch.Tensor  # (N,24,3) m
    by_betas: torch.Tensor  # (24,3,10), of `joints`, which are linear
    frames: torch.Tensor  # (N,24,3,3) R_model_joint: a joint turns about the axes of its frame
    turns: torch.Tensor | None = None  # (N,24,3,10): d frames / d beta_k = [turns[..., k]]x frames; None where frames are constant
