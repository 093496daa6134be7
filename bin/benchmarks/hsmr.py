# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR's network against a plain float32 one: `./bin/benchmark hsmr [--full] [--checkpoint FILE] [--batch 4] [--rounds 3]`.

Without a checkpoint, weights are drawn at random with the released network's widths; by default 6 of its 32 blocks, with --full all of
them. The plain network is written below as the formulas stand; both sides read the same weights, get the same patches and take turns.
Speeds are patches a second of processor time, so that other programs count little; agreement is how far the open body's joints, posed by
what comes out, are apart. With a CUDA card the comparison runs there too, against the plain network at its best batch.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from skel_blender.engine.body import load_body
from skel_blender.engine.regress.hsmr import Hsmr, Prediction, load_hsmr
from skel_blender.engine.regress.hsmr.batches import Batches
from skel_blender.engine.regress.hsmr.checkpoint import GRID, Size, Weights, read_weights
from skel_blender.engine.regress.hsmr.patches import normalised
from skel_blender.engine.regress.hsmr.rotations import rep_to_poses
from skel_blender.engine.regress.hsmr.vit import heads_of

RELEASED = Size(1280, 32, 5120, 1024, 6, 1024, 512)
SHORT = 6  # blocks
_CARD_BATCHES = (1, 4, 16, 64)
_CARD_PATCHES = 512


def draw(path: Path, size: Size) -> Path:
    """Write a checkpoint of random weights, spread as trained ones are."""
    state, random = {}, torch.Generator().manual_seed(0)
    for name, shape in size.entries().items():
        drawn = torch.randn(shape, generator=random)
        spread = 0.1 if "norm" in name else 0.05 if name.endswith("bias") else 0.2 if "embed" in name else np.prod(shape[1:]) ** -0.5
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


def card_seconds(run: Callable[[], object], rounds: int) -> float:
    """The median; the first run, which may compile and reserve memory, does not count."""
    times = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def operations(size: Size) -> float:
    """Multiplications and additions of a patch in the backbone's blocks, which is all but a hundredth."""
    tokens = GRID[0] * GRID[1]
    return size.depth * (2.0 * tokens * (4 * size.dim**2 + 2 * size.dim * size.mlp) + 4.0 * tokens**2 * size.dim)


def _row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def on_processor(path: Path, batch: int, rounds: int) -> None:
    """The table of a processor."""
    exact, chosen = load_hsmr(path, dtype=torch.float32), load_hsmr(path)
    plain = Plain(read_weights(path), exact)
    pixels = torch.from_numpy(images(batch))
    wanted = plain(normalised(pixels))
    runs = [lambda: plain(normalised(pixels)), lambda: exact.of_pixels(pixels)]
    rows = [("plain", torch.float32, wanted), ("engine", torch.float32, exact.of_pixels(pixels))]
    if chosen.dtype != torch.float32:
        runs.append(lambda: chosen.of_pixels(pixels))
        rows.append(("engine, its choice here", chosen.dtype, chosen.of_pixels(pixels)))
    times = processor_seconds(runs, rounds)
    _row("network", "precision", "patches/s of one core", "ratio", "joints off, mean mm", "most mm")
    _row(*["---"] * 6)
    for (name, dtype, found), taken in zip(rows, times):
        mean, most = apart(found, wanted)
        _row(name, str(dtype).removeprefix("torch."), f"{batch / taken:.3f}", f"{times[0] / taken:.2f}", f"{mean:.4f}", f"{most:.4f}")


def on_card(path: Path, rounds: int) -> None:
    """The table of a CUDA card: the plain network by batch; the engine from patches in the processor's memory to numbers there."""
    card, pixels, size = torch.device("cuda"), images(_CARD_PATCHES), read_weights(path).size
    product = _product(card, rounds)
    _row("network", "batch", "patches/s", "to the best plain", "share of a bfloat16 product's rate", "joints off, mean mm", "most mm")
    _row(*["---"] * 7)
    wanted, best = _plain_on_card(path, pixels, rounds)
    for name, dtype, compiled in (("engine", None, False), ("engine, compiled", None, True), ("engine", torch.float16, False)):
        network = load_hsmr(path, card, dtype)
        run = Batches(network.compiled() if compiled else network)
        found = run(pixels)
        taken = card_seconds(lambda run=run: run(pixels), rounds)
        speed, (mean, most) = len(pixels) / taken, apart(found, wanted)
        kind, share = f"{name}, {str(network.dtype).removeprefix('torch.')}", speed * operations(size) / product
        _row(kind, run.size, f"{speed:.1f}", f"{speed / best:.2f}", f"{share:.2f}", f"{mean:.3f}", f"{most:.3f}")


def _plain_on_card(path: Path, pixels: np.ndarray, rounds: int) -> tuple[Prediction, float]:
    """What the engine's float32 says, and the plain network's most patches a second; the card's memory is free again afterwards."""
    card, best = torch.device("cuda"), 0.0
    exact = load_hsmr(path, card, torch.float32)
    plain = Plain(read_weights(path), exact)
    for batch in _CARD_BATCHES:
        some = torch.from_numpy(pixels[:batch]).to(card)
        taken = card_seconds(lambda some=some: plain(normalised(some)), rounds)
        best = max(best, batch / taken)
        _row("plain float32", batch, f"{batch / taken:.1f}", "", "", "", "")
    return Batches(exact, 16)(pixels), best


def _product(card: torch.device, rounds: int) -> float:
    """Operations a second of one large bfloat16 matrix product: what the card reaches at its best."""
    side = 8192
    left, right = (torch.randn(side, side, device=card, dtype=torch.bfloat16) for _ in range(2))
    return 2.0 * side**3 / card_seconds(lambda: left @ right, 5 * rounds)


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
    parser = argparse.ArgumentParser(prog="./bin/benchmark hsmr", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--full", action="store_true", help="all 32 blocks; takes 7 GB of memory")
    parser.add_argument("--checkpoint", type=Path, help="HSMR's released checkpoint, or one like it")
    parser.add_argument("--batch", type=int, default=4, help="patches at once, on the processor")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    with _checkpoint(options.checkpoint, options.full) as path:
        size = read_weights(path).size
        print(f"torch {torch.__version__}, {size.depth} blocks of width {size.dim}, {torch.get_num_threads()} thread(s)\n", flush=True)
        on_processor(path, options.batch, options.rounds)
        if torch.cuda.is_available():
            print(f"\n{torch.cuda.get_device_name()}\n")
            on_card(path, options.rounds)
        else:
            print("\nNo CUDA card: not measured.")
    return 0
