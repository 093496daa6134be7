# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR's network against a plain float32 one: `./bin/benchmark hsmr [--full] [--checkpoint FILE] [--card-only] [--write FILE]`.

Without a checkpoint, weights are drawn at random with the released network's widths; by default 6 of its 32 blocks, with --full all of
them. The plain network (`hsmr_plain.py`) is written as the formulas stand; both sides read the same weights, get the same patches and take
turns. Speeds are patches a second of processor time, so that other programs count little; agreement is how far the open body's joints,
posed by what comes out, are apart. With a CUDA card `hsmr_card.py` measures there too, with --card-only nowhere else; --write puts the
card's tables between their marks in a page, after each of them all that there is. The processor's table is printed alone.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F

from bin.benchmarks import report
from bin.benchmarks.hsmr_card import on_card
from bin.benchmarks.hsmr_plain import RELEASED, Plain, apart, draw, head, images, named, operations, row
from skel_blender.engine.regress.hsmr import load_hsmr
from skel_blender.engine.regress.hsmr.checkpoint import GRID, Size, read_weights
from skel_blender.engine.regress.hsmr.patches import normalised

SHORT = 6  # blocks


def processor_seconds(runs: list[Callable[[], object]], rounds: int) -> list[float]:
    """The least processor time of each, all threads together, the runs taking turns."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, times in zip(runs, taken):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
    return [min(times) for times in taken]


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
    parser.add_argument("--card-only", action="store_true", help="measure nothing on the processor")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put a card's tables between their marks in this page, which may be new")
    options = parser.parse_args(argv)
    with _checkpoint(options.checkpoint, options.full) as path:
        size = read_weights(path).size
        print(f"torch {torch.__version__}, {size.depth} blocks of width {size.dim}, {torch.get_num_threads()} thread(s)\n", flush=True)
        if not options.card_only:
            on_processor(path, options.batch, options.rounds)
        if not torch.cuda.is_available():
            print("\nNo CUDA card: not measured.")
            return int(options.card_only)
        write = partial(report.write, options.write, "card") if options.write else lambda text: None
        return 0 if on_card(path, options.rounds, write) else 1
