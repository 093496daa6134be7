# SPDX-License-Identifier: GPL-3.0-or-later
"""The head: one token asks the patches, layer by layer, and three matrices read pose, shape and camera off it, as HSMR released it.

Folded when loaded, without a change in what comes out beyond rounding:
- the token attends to itself alone, so self-attention is one matrix, to_out . to_v;
- the first layer's part of that is the same for every image and is added to the token once;
- cross-attention has one query: q . (K c) = (K^T q) . c and sum_t a_t (V c_t) = V (sum_t a_t c_t), so no key or value of any patch is
  ever computed, which spares all but a hundredth of the head's work.
All in float32: it is under a thousandth of the network's work. Source: HSMR (Xia et al., CVPR 2025; MIT).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .checkpoint import Weights

_HEAD_DIM = 64
_EPS = 1e-5
_LAYER = "head.transformer.transformer.layers"


class Layer(nn.Module):
    """One layer's weights; `own` is the folded self-attention, None where it is in the token already."""

    def __init__(self, weights: Weights, number: int) -> None:
        super().__init__()
        size, name = weights.size, f"{_LAYER}.{number}"
        heads = size.inner // _HEAD_DIM
        value = weights.read(f"{name}.0.fn.to_qkv.weight", torch.float64)[2 * size.inner :]
        out = weights.read(f"{name}.0.fn.to_out.0.weight", torch.float64)
        self.own = _linear((out @ value).float(), weights.read(f"{name}.0.fn.to_out.0.bias"))
        self.norms = nn.ModuleList(_norm(weights, f"{name}.{k}.norm") for k in range(3))
        self.query = _linear(weights.read(f"{name}.1.fn.to_q.weight") * _HEAD_DIM**-0.5)
        key, value = weights.read(f"{name}.1.fn.to_kv.weight").view(2, heads, _HEAD_DIM, size.dim)
        self.key, self.value = (nn.Parameter(part.contiguous(), False) for part in (key, value))
        self.out = _named(weights, f"{name}.1.fn.to_out.0")
        self.net = nn.ModuleList(_named(weights, f"{name}.2.fn.net.{k}") for k in (0, 3))

    def attend_self(self, token: torch.Tensor) -> torch.Tensor:
        """token (B,C) -> the same after the token heard itself."""
        return token + self.own(self.norms[0](token))

    def forward(self, token: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """token (B,C) that heard itself, patches (B,N,dim) -> token (B,C) at the layer's end."""
        query = self.query(self.norms[1](token)).unflatten(-1, self.key.shape[:2])  # (B,heads,64)
        asked = torch.einsum("bhd,hdc->bhc", query, self.key)
        heard = torch.softmax(asked @ patches.mT, -1) @ patches  # (B,heads,dim)
        token = token + self.out(torch.einsum("bhc,hdc->bhd", heard, self.value).flatten(1))
        return token + self.net[1](F.gelu(self.net[0](self.norms[2](token))))


class Head(nn.Module):
    """Patches to the 24 x 6 representation, betas and camera, each as a change of the mean."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(weights, number) for number in range(weights.size.layers))
        token = weights.read("head.transformer.to_token_embedding.bias") + weights.read("head.transformer.pos_embedding")[0, 0]
        with torch.no_grad():
            self.token = nn.Parameter(self.layers[0].attend_self(token[None])[0], False)
        self.decoders = nn.ModuleDict()
        for name in ("poses", "betas", "cam"):
            decoder = _named(weights, f"head.{name}_decoder")
            decoder.bias += weights.read(f"head.init_{name}")[0]
            self.decoders[name] = decoder
        self.layers[0].own = None

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """patches (B,N,dim) float32 -> (B,144), (B,10), (B,3)."""
        token = self.token.expand(len(patches), -1)
        for number, layer in enumerate(self.layers):
            token = layer(token if number == 0 else layer.attend_self(token), patches)
        return tuple(self.decoders[name](token) for name in ("poses", "betas", "cam"))


def _linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Linear:
    made = nn.Linear(1, 1, bias=bias is not None, device="meta")
    made.out_features, made.in_features = weight.shape
    made.weight = nn.Parameter(weight, False)
    made.bias = None if bias is None else nn.Parameter(bias, False)
    return made


def _named(weights: Weights, name: str) -> nn.Linear:
    return _linear(weights.read(name + ".weight"), weights.read(name + ".bias"))


def _norm(weights: Weights, name: str) -> nn.LayerNorm:
    made = nn.LayerNorm(weights.size.token, _EPS, device="meta")
    made.weight, made.bias = (nn.Parameter(weights.read(f"{name}.{part}"), False) for part in ("weight", "bias"))
    return made
