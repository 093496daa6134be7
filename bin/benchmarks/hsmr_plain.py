# SPDX-License-Identifier: GPL-3.0-or-later
"""What HSMR's network is measured against: a plain one, written as the formulas stand, with weights that are drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from bin.benchmarks import report
from skel_blender.engine.body import load_body
from skel_blender.engine.regress.hsmr import Hsmr, Prediction
from skel_blender.engine.regress.hsmr.checkpoint import GRID, Size, Weights
from skel_blender.engine.regress.hsmr.rotations import rep_to_poses
from skel_blender.engine.regress.hsmr.vit import heads_of

RELEASED = Size(1280, 32, 5120, 1024, 6, 1024, 512)
# Of the decoders' weights, so that the joints' rotations spread about the mean by 0.3 in their entries, as people's in all kinds of poses
# do; without it by ten times that, and rounding would be told as many times too large.
_DECODERS = 0.09


def draw(path: Path, size: Size) -> Path:
    """Write a checkpoint of random weights, spread as trained ones are."""
    state, random = {}, torch.Generator().manual_seed(0)
    for name, shape in size.entries().items():
        drawn = torch.randn(shape, generator=random)
        spread = 0.1 if "norm" in name else 0.05 if name.endswith("bias") else 0.2 if "embed" in name else np.prod(shape[1:]) ** -0.5
        spread *= _DECODERS if "_decoder.weight" in name else 1.0
        state[name] = drawn * spread + float(name.endswith("norm.weight") or ".norm" in name and name.endswith("weight"))
    state["head.init_poses"] = torch.eye(3)[:2].reshape(1, 1, 6).repeat(1, 24, 1).reshape(1, 144)
    state["head.init_betas"], state["head.init_cam"] = torch.zeros(1, 10), torch.tensor([[0.9, 0.0, 0.0]])
    torch.save({"state_dict": state}, path)
    return path


class Plain:
    """The network as its formulas stand, in float32, without any of the engine's shortcuts; its backbone's weights are `same`'s."""

    def __init__(self, weights: Weights, same: Hsmr) -> None:
        self._size, self._w = weights.size, {"backbone." + name: value for name, value in same.backbone.state_dict().items()}
        self._w |= {name: weights.read(name).to(same.device) for name in weights.entries if name.startswith("head.")}

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> Prediction:
        """Normalised images (B,3,256,192)."""
        w, dim, heads = self._w, self._size.dim, heads_of(self._size.dim)
        x = F.conv2d(images, w["backbone.patch_embed.proj.weight"], w["backbone.patch_embed.proj.bias"], 16, 2).flatten(2).transpose(1, 2)
        x = x + w["backbone.pos_embed"][:, 1:] + w["backbone.pos_embed"][:, :1]
        for n in range(self._size.depth):
            block = f"backbone.blocks.{n}."
            q, k, v = self._linear(block + "attn.qkv", self._norm(block + "norm1", x)).chunk(3, -1)
            x = x + self._linear(block + "attn.proj", _attention(q, k, v, heads))
            x = x + self._linear(block + "mlp.fc2", F.gelu(self._linear(block + "mlp.fc1", self._norm(block + "norm2", x))))
        return self._head(F.layer_norm(x, (dim,), w["backbone.last_norm.weight"], w["backbone.last_norm.bias"], 1e-6))

    def _head(self, patches: torch.Tensor) -> Prediction:
        token = self._linear("head.transformer.to_token_embedding", patches.new_zeros(len(patches), 1, 1))
        token = token + self._w["head.transformer.pos_embedding"]
        for n in range(self._size.layers):
            own, other, net = (f"head.transformer.transformer.layers.{n}.{k}." for k in range(3))
            q, k, v = self._linear(own + "fn.to_qkv", self._norm(own + "norm", token, 1e-5)).chunk(3, -1)
            token = token + self._linear(own + "fn.to_out.0", _attention(q, k, v, 8))
            q = self._linear(other + "fn.to_q", self._norm(other + "norm", token, 1e-5))
            k, v = self._linear(other + "fn.to_kv", patches).chunk(2, -1)
            token = token + self._linear(other + "fn.to_out.0", _attention(q, k, v, 8))
            token = token + self._linear(net + "fn.net.3", F.gelu(self._linear(net + "fn.net.0", self._norm(net + "norm", token, 1e-5))))
        rep, betas, cam = (self._w[f"head.init_{n}"] + self._linear(f"head.{n}_decoder", token[:, 0]) for n in ("poses", "betas", "cam"))
        return Prediction(rep_to_poses(rep), betas, cam, rep.view(-1, 24, 6))

    def _linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self._w[name + ".weight"], self._w.get(name + ".bias"))

    def _norm(self, name: str, x: torch.Tensor, eps: float = 1e-6) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self._w[name + ".weight"], self._w[name + ".bias"], eps)


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
    mixed = ((q * q.shape[-1] ** -0.5) @ k.mT).softmax(-1) @ v
    return mixed.transpose(1, 2).flatten(2)


def images(count: int) -> np.ndarray:
    """(N,256,192,3) uint8 of blurred noise."""
    small = torch.rand(count, 3, 16, 12, generator=torch.Generator().manual_seed(1))
    return (255 * F.interpolate(small, (256, 192), mode="bicubic").clamp(0, 1)).to(torch.uint8).movedim(1, -1).contiguous().numpy()


def apart(one: Prediction, other: Prediction) -> tuple[float, float]:
    """Mean and largest distance (mm) of the open body's joints, relative to the pelvis."""
    body, joints = load_body("male"), []
    for found in (one, other):
        poses, betas = (part.double().cpu() for part in (found.poses, found.betas))
        placed = body.joints(poses, betas, torch.zeros(len(poses), 3, dtype=torch.float64))
        joints.append(placed - placed[:, :1])
    distance = 1000 * (joints[0] - joints[1]).norm(dim=-1)
    return float(distance.mean()), float(distance.max())


def operations(size: Size) -> float:
    """Multiplications and additions of a patch in the backbone's blocks, which is all but a hundredth."""
    tokens = GRID[0] * GRID[1]
    return size.depth * (2.0 * tokens * (4 * size.dim**2 + 2 * size.dim * size.mlp) + 4.0 * tokens**2 * size.dim)


def row(*cells: object) -> str:
    """A row of a table, printed."""
    return said(report.row(cells))


def head(*columns: str) -> list[str]:
    """The beginning of a table, printed."""
    return [said(report.head(columns))]


def said(text: str) -> str:
    """What is told, printed."""
    print(text, flush=True)
    return text


def named(dtype: torch.dtype) -> str:
    """As people write it."""
    return str(dtype).removeprefix("torch.")
