# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR's network against a plain float32 one: `./bin/benchmark hsmr [--full] [--checkpoint FILE] [--batch 4] [--rounds 3] [--write FILE]`.

Without a checkpoint, weights are drawn at random with the released network's widths; by default 6 of its 32 blocks, with --full all of
them. The plain network is written below as the formulas stand; both sides read the same weights, get the same patches and take turns.
Speeds are patches a second of processor time, so that other programs count little; agreement is how far the open body's joints, posed by
what comes out, are apart. With a CUDA card `hsmr_card.py` measures there too; --write puts its tables between their marks in a page.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from bin.benchmarks import report
from skel_blender.engine.body import load_body
from skel_blender.engine.regress.hsmr import Hsmr, Prediction, load_hsmr
from skel_blender.engine.regress.hsmr.checkpoint import GRID, Size, Weights, read_weights
from skel_blender.engine.regress.hsmr.patches import normalised
from skel_blender.engine.regress.hsmr.rotations import rep_to_poses
from skel_blender.engine.regress.hsmr.vit import heads_of

RELEASED = Size(1280, 32, 5120, 1024, 6, 1024, 512)
SHORT = 6  # blocks
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


def processor_seconds(runs: list[Callable[[], object]], rounds: int) -> list[float]:
    """The least processor time of each, all threads together, the runs taking turns."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, times in zip(runs, taken):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
    return [min(times) for times in taken]


def operations(size: Size) -> float:
    """Multiplications and additions of a patch in the backbone's blocks, which is all but a hundredth."""
    tokens = GRID[0] * GRID[1]
    return size.depth * (2.0 * tokens * (4 * size.dim**2 + 2 * size.dim * size.mlp) + 4.0 * tokens**2 * size.dim)


def row(*cells: object) -> str:
    """A row of a table, printed."""
    return _said(report.row(cells))


def head(*columns: str) -> list[str]:
    """The beginning of a table, printed."""
    return [_said(report.head(columns))]


def _said(text: str) -> str:
    print(text, flush=True)
    return text


def on_processor(path: Path, batch: int, rounds: int) -> None:
    """The table of a processor."""
    exact, chosen, weights = load_hsmr(path, dtype=torch.float32), load_hsmr(path), read_weights(path)
    plain = Plain(weights, exact)
    pixels = torch.from_numpy(images(batch))
    wanted = plain(normalised(pixels))
    left, right = torch.ones(batch * GRID[0] * GRID[1], weights.size.dim), torch.ones(weights.size.mlp, weights.size.dim)
    runs = [lambda: F.linear(left, right), lambda: plain(normalised(pixels)), lambda: exact.of_pixels(pixels)]
    rows = [("plain", torch.float32, wanted), ("engine", torch.float32, exact.of_pixels(pixels))]
    if chosen.dtype != torch.float32:
        runs.append(lambda: chosen.of_pixels(pixels))
        rows.append(("engine, its choice here", chosen.dtype, chosen.of_pixels(pixels)))
    product, *times = processor_seconds(runs, rounds)
    rate = 2.0 * left.numel() * len(right) / product
    head("network", "precision", "patches/s of one core", "ratio", "of a float32 product's rate", "joints off, mean mm", "most mm")
    for (name, dtype, found), taken in zip(rows, times):
        speed, (mean, most) = batch / taken, apart(found, wanted)
        share = speed * operations(weights.size) / rate
        row(name, named(dtype), f"{speed:.3f}", f"{times[0] / taken:.2f}", f"{share:.2f}", f"{mean:.4f}", f"{most:.4f}")
    print(f"\nThe representation spreads about the mean's by {float((wanted.rep.flatten(1) - weights.read('head.init_poses')).std()):.2f}.")


def named(dtype: torch.dtype) -> str:
    """As people write it."""
    return str(dtype).removeprefix("torch.")


@contextlib.contextmanager
def _checkpoint(given: Path | None, full: bool) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    size = RELEASED if full else Size(**{**vars(RELEASED), "depth": SHORT})
    with tempfile.TemporaryDirectory() as folder:
        yield draw(Path(folder) / "drawn.ckpt", size)


def main(argv: list[str]) -> int:
    """Print the tables; exit status."""
    parser = report.parser("hsmr", __doc__)
    parser.add_argument("--full", action="store_true", help="all 32 blocks; takes 7 GB of memory")
    parser.add_argument("--checkpoint", type=Path, help="HSMR's released checkpoint, or one like it")
    parser.add_argument("--batch", type=int, default=4, help="patches at once, on the processor")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put a card's tables between their marks in this page")
    options = parser.parse_args(argv)
    with _checkpoint(options.checkpoint, options.full) as path:
        size = read_weights(path).size
        print(f"torch {torch.__version__}, {size.depth} blocks of width {size.dim}, {torch.get_num_threads()} thread(s)\n", flush=True)
        on_processor(path, options.batch, options.rounds)
        if not torch.cuda.is_available():
            print("\nNo CUDA card: not measured.")
            return 0
        from bin.benchmarks.hsmr_card import on_card

        text = on_card(path, options.rounds)
        if options.write:
            report.write(options.write, "card", text)
    return 0
