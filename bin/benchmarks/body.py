# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing SKEL against the package body-models: `./bin/benchmark body MODEL.pkl [--batches 1,32,256,2048] [--seconds 4]`.

MODEL.pkl is a SKEL model file. Both sides get the same float32 poses, shapes and translations, and take turns, so that whatever else
the machine does hits both; printed are the least processor time of each (of a card: of the clock) and the ratios. Peak memory is that
of one pass in a process of its own, above what the loaded model takes (on a processor: as Linux counts it). The other side is body-models
0.26.2 (Apache-2.0), which `python -m pip install body-models==0.26.2` puts into the engine's Python, or with `--target FOLDER` into a
folder for PYTHONPATH.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from bin.benchmarks import report
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.body.chain import point_jacobians, pose_chain, pose_points
from skel_blender.engine.body.points import joints_as_points

INSTALL = "The comparison needs another package: python -m pip install body-models==0.26.2"
_HEAD = list(range(23, 26))  # body-models takes the head's angles apart
_BODY = [q for q in range(46) if q not in _HEAD]
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 200
Pass = Callable[[], object]


def inputs(batch: int, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Poses (B,46) within about a radian, betas (B,10), trans (B,3)."""
    random = torch.Generator().manual_seed(batch)
    return tuple(scale * torch.randn(batch, n, generator=random).to(device) for scale, n in ((0.3, 46), (1.0, 10), (1.0, 3)))


def passes(model: object, batch: int, skin: bool, device: str) -> tuple[Pass, Pass]:
    """Forward, and forward with backward to all inputs, of this engine's body or of body-models'."""
    poses, betas, trans = inputs(batch, device)
    if isinstance(model, BodyModel):
        given = (poses, betas, trans)

        def posed(poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor) -> torch.Tensor:
            return model.forward(poses, betas, trans).skin_verts if skin else model.joints(poses, betas, trans)
    else:
        given = (poses[:, _BODY].contiguous(), poses[:, _HEAD].contiguous(), betas, trans)

        def posed(body: torch.Tensor, head: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor) -> torch.Tensor:
            if skin:
                return model.forward_vertices(body, head, shape=betas, global_translation=trans)
            return model.forward_skeleton(body, head, shape=betas, global_translation=trans)[..., :3, 3]

    leaves = [one.clone().requires_grad_() for one in given]

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return posed(*given)

    def both() -> None:
        for leaf in leaves:
            leaf.grad = None
        posed(*leaves).square().sum().backward()

    return forward, both


def least(runs: list[Pass], seconds: float, device: str) -> list[float]:
    """The least milliseconds of each, taking turns: of a processor those that it worked, of a card the clock's."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    end = time.perf_counter() + seconds
    while len(times[0]) < _LEAST_ROUNDS or (time.perf_counter() < end and len(times[0]) < _MOST_ROUNDS):
        for run, taken in zip(runs, times):
            _settle(device)
            start = clock()
            run()
            _settle(device)
            taken.append(1000 * (clock() - start))
    return [min(taken) for taken in times]


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def load(side: str, path: str, device: str) -> object:
    """'ours' or 'theirs', in float32."""
    if side == "ours":
        return load_body(path, dtype=torch.float32).to(torch.device(device))
    from body_models.skel.torch import SKEL

    return SKEL(model_path=path).to(device)


def peak(side: str, path: str, batch: int, skin: bool, backward: bool, device: str) -> float:
    """MB that one pass takes beside the model, in this process, which must not have done anything else."""
    model = load(side, path, device)
    passes(model, 1, skin, device)[backward]()
    run = passes(model, batch, skin, device)[backward]
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of loading
    before = _resident()["VmRSS"]
    run()
    return (_resident()["VmHWM"] - before) / 1024


def _resident() -> dict[str, int]:
    """kB of memory that this process has, VmRSS, and had at most, VmHWM."""
    lines = [line.split() for line in Path("/proc/self/status").read_text().splitlines()]
    return {words[0][:-1]: int(words[1]) for words in lines if words and words[0] in ("VmRSS:", "VmHWM:")}


def peaks(path: str, batch: int, skin: bool, device: str) -> list[str]:
    """Peaks of theirs and ours with backward, each in a process of its own; a process that the system stopped had too little memory."""
    found = []
    if device != "cuda" and not Path("/proc/self/clear_refs").exists():
        return ["-", "-"]
    for side in ("theirs", "ours"):
        code = f"from bin.benchmarks.body import peak; print(peak({side!r}, {path!r}, {batch}, {skin}, True, {device!r}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        found.append(f"{float(done.stdout):.0f}" if done.returncode == 0 else "does not fit")
    return found


def jacobians(path: str, frames: int, device: str) -> list[Pass]:
    """The derivatives (F,72,49) of all joints by a frame's translation and angles.

    By autograd through body-models and through this engine, a backward pass for each number, and analytic. In float64, as a solver
    works; all of them work out the rest skeleton anew, as a solver that fits the shape too must.
    """
    body, other = load("ours", path, device).to(torch.float64), load("theirs", path, device)
    poses, betas, trans = (one.double() for one in inputs(frames, device))
    betas = betas[:1].expand(frames, -1)
    points, owner = joints_as_points(body.J_template, body.J_shapedirs), torch.zeros(frames, dtype=torch.long, device=device)

    def automatic(posed: Callable[..., torch.Tensor]) -> Pass:
        def run() -> torch.Tensor:
            state = trans.clone().requires_grad_(), poses.clone().requires_grad_()
            joints = posed(*state).flatten(1).sum(0)
            return torch.stack([torch.cat(torch.autograd.grad(one, state, retain_graph=True), 1) for one in joints], 1)

        return run

    def theirs(trans: torch.Tensor, poses: torch.Tensor) -> torch.Tensor:
        body, head, translation = poses[:, _BODY].float(), poses[:, _HEAD].float(), trans.float()
        return other.forward_skeleton(body, head, shape=betas.float(), global_translation=translation)[..., :3, 3]

    def analytic() -> torch.Tensor:
        shape = body.shape(betas[:1])
        chain = pose_chain(shape, owner, poses, trans)
        return point_jacobians(chain, points, pose_points(shape, owner, chain, points)[1], list(range(49))).flatten(1, 2)

    return [automatic(theirs), automatic(lambda trans, poses: body.joints(poses, betas[0], trans)), analytic]


def _head(*columns: str) -> None:
    print(report.head(columns), flush=True)


def _row(*cells: object) -> None:
    print(report.row(cells), flush=True)


def _compare(path: str, batches: list[int], seconds: float, device: str) -> None:
    theirs, ours = load("theirs", path, device), load("ours", path, device)
    _head("what", "B", "forward ms: body-models", "ours", "ratio", "with backward ms: body-models", "ours", "ratio", "peak MB: body-models",
          "ours")  # fmt: skip
    for skin in (False, True):
        for batch in batches:
            memory = peaks(path, batch, skin, device)
            them, us = passes(theirs, batch, skin, device), passes(ours, batch, skin, device)
            if "does not fit" in memory:
                _row("skin" if skin else "joints", batch, *["-"] * 6, *memory)
                continue
            apart = float((them[0]() - us[0]()).abs().max())
            if apart > 2e-5:
                raise SystemExit(f"The two disagree by {apart} m, so there is nothing to compare.")
            a, b, c, d = least([them[0], us[0], them[1], us[1]], seconds, device)
            cells = (f"{a:.2f}", f"{b:.2f}", f"{a / b:.1f}", f"{c:.2f}", f"{d:.2f}", f"{c / d:.1f}")
            _row("skin" if skin else "joints", batch, *cells, *memory)


def _compare_jacobians(path: str, seconds: float, device: str) -> None:
    print()
    _head("joint Jacobians, frames", "autograd ms: body-models", "ours", "analytic ms", "ratio to body-models", "to our autograd")
    for frames in (1, 32, 256):
        runs = jacobians(path, frames, device)
        wanted = runs[2]()
        apart = float((runs[1]() - wanted).abs().max()), float((runs[0]() - wanted).abs().max())
        if apart[0] > 1e-6 or apart[1] > 1e-2:  # theirs is in float32, and loses digits in nearly straight spines
            raise SystemExit(f"The Jacobians disagree by {apart}, so there is nothing to compare.")
        a, b, c = least(runs, seconds, device)
        _row(frames, f"{a:.1f}", f"{b:.1f}", f"{c:.2f}", f"{a / c:.0f}", f"{b / c:.1f}")


def main(argv: list[str]) -> int:
    """Print the tables; exit status."""
    parser = report.parser("body", __doc__)
    parser.add_argument("model", help="skel_male.pkl or skel_female.pkl")
    parser.add_argument("--batches", default="1,32,256,2048", help="numbers of poses")
    parser.add_argument("--seconds", type=float, default=4.0, help="spent on each row, at least three rounds")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(argv)
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} thread(s)\n")
    if importlib.util.find_spec("body_models") is None:
        print(INSTALL, file=sys.stderr)
        return 1
    _compare(options.model, [int(n) for n in options.batches.split(",")], options.seconds, options.device)
    _compare_jacobians(options.model, options.seconds, options.device)
    return 0
