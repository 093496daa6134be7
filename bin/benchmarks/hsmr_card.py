# SPDX-License-Identifier: GPL-3.0-or-later
"""What `./bin/benchmark hsmr` measures on a CUDA card: the network's speed, precision and memory, then the solver and the lifting network.

Times are the clock's, the card's work done; of patches, the plain network's too, from the processor's memory to numbers there.
"""

from __future__ import annotations

import gc
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bin.benchmarks.hsmr_plain import Plain, apart, head, images, named, operations, row, said
from bin.benchmarks.solver import made_up_track
from skel_blender.engine.body import BodyModel
from skel_blender.engine.card import full_precision
from skel_blender.engine.fit import Observations, View, skelify
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.hsmr import Prediction, load_hsmr
from skel_blender.engine.regress.hsmr.batches import MOST, Batches
from skel_blender.engine.regress.hsmr.checkpoint import read_weights
from skel_blender.engine.regress.hsmr.patches import normalised

BATCHES = (1, 4, 16, 64)
PATCHES = 512
SIDE, PRODUCTS, WARM_S = 8192, 50, 0.5  # of the products that tell what rate the card reaches: rows, number, before they are timed
FRAMES = (300, 3000)
_SHEETS = {"H100 80GB HBM3": 989.4, "H200": 989.4, "H100 PCIe": 756.0, "A100": 312.0}  # TFLOP/s of dense bfloat16, NVIDIA's data sheets
_GB = 1 << 30
_SMALL = 8 * _GB  # a card that many people have
_LITTLE = _GB // 4  # beyond the weights: too little for a whole batch


def on_card(path: Path, rounds: int, write: Callable[[str], None]) -> bool:
    """All tables, printed as they are made; `write` gets all that there is after each. Whether nothing failed: of a table or row that
    did, its error's sentence is told instead, and the others go on."""
    full_precision()
    done, failed = [said(f"{torch.cuda.get_device_name()}, torch {torch.__version__}.")], []
    write(done[0])
    tables = {"HSMR": partial(_networks, path, rounds, failed), "Memory": partial(_memory, path), "SKELify": _solver,
              "Lifting network": partial(_lift, rounds)}  # fmt: skip
    for what, table in tables.items():
        print()
        try:
            done.append("\n".join(table()))
        except Exception as error:  # whatever it is, what was and will be measured is worth having
            done.append(said(f"{what}: not measured ({_told(error)})."))
            failed.append(what)
        write("\n\n".join(done))
    return not failed


def _told(error: Exception) -> str:
    """Its kind and what it says, in one line; the rest is printed."""
    traceback.print_exception(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1]).rstrip(".")
    return ": ".join(filter(None, (type(error).__name__, text))).replace("|", "/")


def _networks(path: Path, rounds: int, failed: list[str]) -> list[str]:
    """Speed and agreement, against the plain network at its best batch and what the card reaches in bfloat16; names of rows that failed
    are added to `failed`."""
    rate, name = _product_rate(), torch.cuda.get_device_name()
    sheet = next((1e12 * most for card, most in _SHEETS.items() if card in name), None)
    known = f"{sheet / 1e12:g} on the sheet" if sheet else "unknown on the sheet"
    lines = [said(f"bfloat16 in TFLOP/s: {rate / 1e12:.0f} in a product of {SIDE} rows, {known}.\n")]
    pixels, work = images(PATCHES), operations(read_weights(path).size)
    lines += head("network", "batch", "patches/s", "to the best plain", "TFLOP/s", "of the product's", "of the sheet's",
                  "joints off, mean mm", "most mm")  # fmt: skip
    wanted, speeds = _plain(path, pixels, rounds)

    def line(name: str, batch: int, speed: float, found: Prediction | None) -> str:
        mean, most = ("", "") if found is None else (f"{off:.3f}" for off in apart(found, wanted))
        done = speed * work
        shares = (f"{done / 1e12:.1f}", f"{done / rate:.2f}", f"{done / sheet:.2f}" if sheet else "")
        return row(name, batch, f"{speed:.1f}", f"{speed / max(speeds):.2f}", *shares, mean, most)

    lines += [line("plain, float32", batch, speed, None) for batch, speed in zip(BATCHES, speeds)]
    for name, dtype, batch in (("engine", torch.float32, None), ("engine", None, None), ("engine", None, 1),
                               ("engine, compiled", None, None), ("engine", torch.float16, None)):  # fmt: skip
        try:
            lines.append(line(*_engine(path, name, dtype, batch, pixels, rounds)))
        except Exception as error:  # as where there is no C compiler
            lines.append(row(name, _told(error), *[""] * 7))
            failed.append(name)
    return lines


def _plain(path: Path, pixels: np.ndarray, rounds: int) -> tuple[Prediction, list[float]]:
    """What the plain network says of the pixels, and its patches a second in each of BATCHES, from the processor's memory to numbers
    there, as the engine's."""
    _freed()
    plain, speeds = Plain(read_weights(path), load_hsmr(path, "cuda", torch.float32)), []

    def run(batch: int) -> Prediction:
        parts = [plain(normalised(part.to("cuda"))) for part in torch.from_numpy(pixels).split(batch)]
        return Prediction(*(torch.cat(one).cpu() for one in zip(*parts)))

    for batch in BATCHES:
        speeds.append(PATCHES / card_seconds(lambda batch=batch: run(batch), rounds))
    return run(BATCHES[-1]), speeds


def _engine(path: Path, name: str, dtype: torch.dtype | None, batch: int | None, pixels: np.ndarray, rounds: int
            ) -> tuple[str, int, float, Prediction]:  # fmt: skip
    """A row's name, batch, patches a second and what is said of the pixels; the network is gone with it."""
    _freed()
    network = load_hsmr(path, "cuda", dtype)
    run = Batches(network.compiled() if "compiled" in name else network, batch)
    found = run(pixels)
    return f"{name}, {named(network.dtype)}", run.size, PATCHES / card_seconds(lambda: run(pixels), rounds), found


def _freed() -> None:
    """Give back what earlier networks held on the card: of a compiled one, which refers to itself, not before it is looked for."""
    gc.collect()
    torch.cuda.empty_cache()


def _memory(path: Path) -> list[str]:
    """What it takes, and what becomes of the batch where there is less."""
    _freed()
    lines = head("torch may take, GB", "batch at first, at the end", "reserved at most, GB", "joints off, most mm")
    network, pixels, wanted = load_hsmr(path, "cuda"), images(2 * MOST), None
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        for cap in (total, _SMALL, _LITTLE):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            allowed = min(cap, total) if cap > _LITTLE else torch.cuda.memory_reserved() + cap
            torch.cuda.set_per_process_memory_fraction(allowed / total)
            run = Batches(network, MOST)
            found = run(pixels)
            wanted, most = wanted or found, torch.cuda.max_memory_reserved() / _GB
            lines.append(row(f"{allowed / _GB:.1f}", f"{MOST}, {run.size}", f"{most:.1f}", f"{apart(found, wanted)[1]:.3f}"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return lines


def _solver() -> list[str]:
    """SKELify of one track, here and there."""
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


def _product_rate() -> float:
    """Operations a second of large bfloat16 matrix products, one after the other on a card that is warm: what it reaches at its best."""
    left, right = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))

    def many() -> None:
        for _ in range(PRODUCTS):
            left @ right

    warm = time.perf_counter() + WARM_S
    while time.perf_counter() < warm:
        _timed(many)
    return 2.0 * SIDE**3 * PRODUCTS / _timed(many)[0]
