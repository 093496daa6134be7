# SPDX-License-Identifier: GPL-3.0-or-later
"""What `./bin/benchmark hsmr` measures on a CUDA card: the network's speed, precision and memory, then the solver and the lifting network.

Times are the clock's, the card's work done; of patches from the processor's memory to numbers there.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bin.benchmarks.hsmr_plain import Plain, apart, head, images, named, operations, row
from bin.benchmarks.solver import made_up_track
from skel_blender.engine.body import BodyModel
from skel_blender.engine.fit import Observations, View, skelify
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.hsmr import Prediction, load_hsmr
from skel_blender.engine.regress.hsmr.batches import MOST, Batches
from skel_blender.engine.regress.hsmr.checkpoint import read_weights
from skel_blender.engine.regress.hsmr.patches import normalised

BATCHES = (1, 4, 16, 64)
PATCHES = 512
SIDE = 8192  # of the product that tells what rate the card reaches
FRAMES = (300, 3000)
_SHEETS = {"H100 80GB HBM3": 989.4, "H200": 989.4, "H100 PCIe": 756.0, "A100": 312.0}  # TFLOP/s of dense bfloat16, NVIDIA's data sheets
_GB = 1 << 30
_SMALL = 8 * _GB  # a card that many people have
_LITTLE = _GB // 4  # beyond the weights: too little for a whole batch


def on_card(path: Path, rounds: int) -> str:
    """All tables, printed as they are made."""
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, in the plain network's convolution too
    name, rate = torch.cuda.get_device_name(), _product_rate(rounds)
    sheet = next((most for card, most in _SHEETS.items() if card in name), float("nan"))
    text = f"{name}, torch {torch.__version__}. bfloat16 in TFLOP/s: {rate / 1e12:.0f} in a product of {SIDE} rows, {sheet:g} on the sheet."
    print(f"\n{text}\n", flush=True)
    tables = [_networks(path, rounds, rate, sheet), _memory(path), _solver(), _lift(rounds)]
    return "\n\n".join([text, *("\n".join(table) for table in tables)])


def _networks(path: Path, rounds: int, rate: float, sheet: float) -> list[str]:
    """Speed and agreement, against the plain network at its best batch and the card's bfloat16: `rate` FLOP/s, `sheet` TFLOP/s."""
    pixels, work = images(PATCHES), operations(read_weights(path).size)
    lines = head("network", "batch", "patches/s", "to the best plain", "TFLOP/s", "of the product's", "of the sheet's",
                 "joints off, mean mm", "most mm")  # fmt: skip
    wanted, speeds = _plain(path, pixels, rounds)

    def told(name: str, batch: int, speed: float, found: Prediction | None) -> str:
        mean, most = ("", "") if found is None else (f"{off:.3f}" for off in apart(found, wanted))
        done = speed * work
        shares = (f"{done / 1e12:.1f}", f"{done / rate:.2f}", f"{done / 1e12 / sheet:.2f}")
        return row(name, batch, f"{speed:.1f}", f"{speed / max(speeds):.2f}", *shares, mean, most)

    lines += [told("plain, float32", batch, speed, None) for batch, speed in zip(BATCHES, speeds)]
    for name, dtype in (("engine", torch.float32), ("engine", None), ("engine, compiled", None), ("engine", torch.float16)):
        network = load_hsmr(path, "cuda", dtype)
        run = Batches(network.compiled() if "compiled" in name else network)
        try:
            found = run(pixels)
        except RuntimeError as error:  # as where there is no C compiler
            lines.append(row(name, str(error).splitlines()[0], *[""] * 7))
            continue
        speed = PATCHES / card_seconds(lambda run=run: run(pixels), rounds)
        lines.append(told(f"{name}, {named(network.dtype)}", run.size, speed, found))
    return lines


def _plain(path: Path, pixels: np.ndarray, rounds: int) -> tuple[Prediction, list[float]]:
    """What the engine says in float32, and the plain network's patches a second in each of BATCHES; the memory is free again afterwards."""
    exact = load_hsmr(path, "cuda", torch.float32)
    plain, speeds = Plain(read_weights(path), exact), []
    for batch in BATCHES:
        some = normalised(torch.from_numpy(pixels[:batch]).to("cuda"))
        speeds.append(batch / card_seconds(lambda some=some: plain(some), rounds))
    return Batches(exact, BATCHES[-1])(pixels), speeds


def _memory(path: Path) -> list[str]:
    """What it takes, and what becomes of the batch where there is less."""
    print()
    lines = head("torch may take, GB", "batch at first, at the end", "reserved at most, GB", "joints off, most mm")
    network, pixels, wanted = load_hsmr(path, "cuda"), images(2 * MOST), None
    total = torch.cuda.get_device_properties(0).total_memory
    for cap in (total, _SMALL, _LITTLE):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        allowed = min(cap, total) if cap > _LITTLE else torch.cuda.memory_reserved() + cap
        torch.cuda.set_per_process_memory_fraction(allowed / total)
        run = Batches(network, MOST)
        found = run(pixels)
        wanted, most = wanted or found, torch.cuda.max_memory_reserved() / _GB
        lines.append(row(f"{allowed / _GB:.1f}", f"{MOST}, {run.size}", f"{most:.1f}", f"{apart(found, wanted)[1]:.3f}"))
    torch.cuda.set_per_process_memory_fraction(1.0)
    return lines


def _solver() -> list[str]:
    """SKELify of one track, here and there."""
    print()
    lines = head("SKELify of frames", "one core, s", "card, s", "ratio", "steps, here and there", "poses apart, most rad")
    for frames in FRAMES:
        body, seen = made_up_track(frames)
        card = body.to("cuda")
        there = _on_card(seen, card)
        skelify(card, there)  # loads the card's libraries
        here_s, here = _timed(lambda body=body, seen=seen: skelify(body, seen))
        card_s, found = _timed(lambda body=card, seen=there: skelify(body, seen))
        steps = f"{int(here.iterations[0])}, {int(found.iterations[0])}"
        off = float((found.poses.cpu() - here.poses).abs().max())
        lines.append(row(frames, f"{here_s:.2f}", f"{card_s:.2f}", f"{here_s / card_s:.2f}", steps, f"{off:.1e}"))
    return lines


def _on_card(seen: Observations, body: BodyModel) -> Observations:
    """Evidence about a body's markers, there."""
    parts = {name: getattr(seen, name).to("cuda") for name in ("keypoints_2d", "landmarks_3d", "landmark_weight")}
    view = View(*(part.to("cuda") for part in (seen.view.K, seen.view.R, seen.view.t)))
    return replace(seen, view=view, keypoint_points=body.markers, landmark_points=body.markers, **parts)


def _lift(rounds: int) -> list[str]:
    """The lifting network from a track to first poses."""
    print()
    lines = head("lifting network of frames", "one core, frames/s", "card, frames/s", "poses apart, most rad")
    body, seen = made_up_track(FRAMES[-1])
    track = Track(np.arange(FRAMES[-1]), seen.keypoints_2d.numpy(), seen.landmarks_3d.numpy(), np.ones(FRAMES[-1], bool))
    K, found, speeds = seen.view.K.numpy(), [], []
    for lift in (load_lift(), load_lift(device="cuda")):
        found.append(lift(track, body, K, seen.fps).poses)
        speeds.append(FRAMES[-1] / card_seconds(lambda lift=lift: lift(track, body, K, seen.fps), rounds))
    lines.append(row(FRAMES[-1], *(f"{speed:.0f}" for speed in speeds), f"{np.abs(found[1] - found[0]).max():.1e}"))
    return lines


def card_seconds(run: Callable[[], object], rounds: int) -> float:
    """The median; the first run, which may compile and reserve memory, does not count."""
    return statistics.median([_timed(run)[0] for _ in range(rounds + 1)][1:])


def _timed(run: Callable[[], object]) -> tuple[float, object]:
    torch.cuda.synchronize()
    start = time.perf_counter()
    found = run()
    torch.cuda.synchronize()
    return time.perf_counter() - start, found


def _product_rate(rounds: int) -> float:
    """Operations a second of one large bfloat16 matrix product: what the card reaches at its best."""
    left, right = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2.0 * SIDE**3 / card_seconds(lambda: left @ right, 5 * rounds)
