# SPDX-License-Identifier: GPL-3.0-or-later
"""The backbone: a vision transformer over 16 x 12 patches, as HSMR released it (ViT-H/16; its size is the checkpoint's).

The sum that runs through the blocks stays in float32, whatever the precision of the matrix products: 64 additions in bfloat16 would
lose what the head reads. Source: HSMR (Xia et al., CVPR 2025; MIT), Dosovitskiy et al. 2021.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .checkpoint import GRID, PATCH, Size, Weights

_EPS = 1e-6
_PADDING = 2


def heads_of(dim: int) -> int:
    """Attention heads of a transformer of a width, which no shape tells: ViT-H has 16 of 80 numbers, all smaller ones heads of 64."""
    return 16 if dim == 1280 else max(dim // 64, 1)


class Block(nn.Module):
    """Attention among the patches, then an MLP, each added to what came in."""

    def __init__(self, dim: int, mlp: int) -> None:
        super().__init__()
        self.heads = heads_of(dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim, _EPS), nn.LayerNorm(dim, _EPS)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, mlp), "fc2": nn.Linear(mlp, dim)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (B,N,dim) float32 -> the same shape and type."""
        batch, tokens, dim = x.shape
        dtype = self.mlp["fc1"].weight.dtype
        qkv = self.attn["qkv"](self.norm1(x).to(dtype)).view(batch, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, dim)
        x = x + self.attn["proj"](mixed)
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x).to(dtype))))


class Backbone(nn.Module):
    """Images to one vector a patch. Attributes are named as the checkpoint's entries."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, GRID[0] * GRID[1] + 1, size.dim))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, size.dim, PATCH, PATCH, _PADDING)})
        self.blocks = nn.ModuleList(Block(size.dim, size.mlp) for _ in range(size.depth))
        self.last_norm = nn.LayerNorm(size.dim, _EPS)

    @property
    def dtype(self) -> torch.dtype:
        """That of the blocks' matrix products."""
        return self.blocks[0].mlp["fc1"].weight.dtype

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised images (B,3,256,192) float32 -> (B,192,dim) float32, rows of patches from the top."""
        x = self._embedded(images) + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            x = block(x)
        return self.last_norm(x)

    def _embedded(self, images: torch.Tensor) -> torch.Tensor:
        """(B,192,dim): the convolution over patches as the matrix product that it is, which no card rounds to fewer bits unasked."""
        conv, (down, across) = self.patch_embed["proj"], GRID
        moved = F.pad(images, (_PADDING, -_PADDING, _PADDING, -_PADDING))  # the last column and row of 16 would not be whole
        patches = moved.view(-1, 3, down, PATCH, across, PATCH).permute(0, 2, 4, 1, 3, 5).reshape(-1, down * across, 3 * PATCH * PATCH)
        return F.linear(patches, conv.weight.flatten(1), conv.bias)


def load_backbone(weights: Weights, device: torch.device, dtype: torch.dtype) -> Backbone:
    """The backbone on a device, the matrices of its blocks in `dtype`, all else in float32; entry by entry, without a second copy."""
    with torch.device("meta"):
        backbone = Backbone(weights.size)
    state = {}
    for name in backbone.state_dict():
        product = name.startswith("blocks.") and ".norm" not in name
        state[name] = weights.read("backbone." + name).to(device, dtype if product else torch.float32)
    backbone.load_state_dict(state, strict=True, assign=True)
    return backbone.requires_grad_(False).eval()
