# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify against the original: `./bin/benchmark solver [skel_male.pkl] [--long] [--write docs/solver.md]`, accuracy, time, memory.

The problems and the original's results and timings (2 CPU cores) are stored in tests/data/skelify_oracle.npz; they belong to a
synthetic model file, a reduced copy of which the tests carry, so that no licensed file is needed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bin.benchmarks import report
from skel_blender.anatomy import LIMIT_TABLES
from skel_blender.engine.body import BodyModel, Points, load_body
from skel_blender.engine.body.chain import pose_chain, pose_points
from skel_blender.engine.fit import Config, Observations, Result, View, Weights, paper, skelify
from skel_blender.engine.fit.keypoint_sets import keypoint_points
from skel_blender.engine.fit.problem import make_problem
from skel_blender.engine.fit.skelify import PRIOR_TERMS, SIGHT_TERMS
from tests.engine.oracle import Oracle, read_oracle

_HUB = 39  # of the 44 keypoints, where 3D errors are aligned
_NOISE_M = 0.0225  # 1 % of the patch at the persons' distance
_SPREAD, _ROOT_SPREAD = 0.3, (0.15, 0.15, 0.5)  # rad, about what the problems' poses stray from the mean pose
_LINES: list[str] = []
_LENGTHS, _LONG = (500, 1000, 2000, 4000), (10000, 20000)


def main(arguments: list[str]) -> int:
    """Print the tables."""
    parser = report.parser("solver", __doc__)
    parser.add_argument("model", nargs="?", type=Path, help="the synthetic skel_male.pkl, with HSMR's regressors beside it")
    parser.add_argument("--long", action="store_true", help="tracks of up to 20,000 frames too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the marks in this file")
    parser.add_argument("--track", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.track:
        return _one_track(options.track)
    _LINES.clear()
    oracle = read_oracle()
    body, points = (oracle.body, oracle.points) if options.model is None else _given(options.model)
    _agreement(body, points, oracle)
    _against_original(body, points, oracle)
    _from_scratch(body, points, oracle)
    _tracks(_LENGTHS + (_LONG if options.long else ()))
    _perturbed()
    if options.write:
        report.write(options.write, "solver", "\n".join(_LINES))
    return 0


def _given(model: Path) -> tuple[BodyModel, Points]:
    body = load_body(model)
    return body, keypoint_points(body, "hsmr44")


def _agreement(body: BodyModel, points: Points, oracle: Oracle) -> None:
    _head("The paper's objective", "phase", "value, relative difference")
    for phase in paper.PHASES:
        case = oracle.objective(phase)
        value = paper.paper_objective(body, case["kp2d"], case["poses"], case["betas"], case["cam_t"], phase, points)
        _row(phase, f"{abs(float(value) / float(case['loss']) - 1):.1e}")


def _against_original(body: BodyModel, points: Points, oracle: Oracle) -> None:
    _head("The same objective from the same start", "problem", "objective, ours / original", "items above the original",
          "MPJPE mm, ours / original", "original's time on two cores / ours on one", "alone against in the batch")  # fmt: skip
    for name in ("refiner_B8", "refiner_B64", "full_B8"):
        case, schedule = oracle.problem(name), name.split("_")[0]
        start = case["truth_kp2d"], case["start_poses"], case["start_betas"], case["start_cam_t"]
        paper.paper_fit(body, *start, schedule, points)  # the first run warms up
        times = []
        for _ in range(5):
            begun = time.process_time()
            found = paper.paper_fit(body, *start, schedule, points)
            times.append(time.process_time() - begun)
        taken = min(times)  # of several, as other programs share the core
        theirs = paper.paper_problem(body, *start, paper.SCHEDULES[schedule].phases[-1], points).assemble(
            torch.cat([case["result_cam_t"], case["result_poses"]], 1), case["result_betas"]).cost  # fmt: skip
        ours, original = (mpjpe(body, points, case, *pose) for pose in
                          ((found.state[:, 3:], found.shared), (case["result_poses"], case["result_betas"])))  # fmt: skip
        alone = torch.cat([paper.paper_fit(body, *(part[k : k + 1] for part in start), schedule, points).state for k in range(len(theirs))])
        _row(name, f"{float(found.cost.mean()):.4f} / {float(theirs.mean()):.4f}", f"{int((found.cost > theirs).sum())} of {len(theirs)}",
             f"{float(ours.mean()):.1f} / {float(original.mean()):.1f}", f"{float(case['seconds']) / taken:.0f}",
             f"{float((alone - found.state).abs().max()):.0e}")  # fmt: skip


def _from_scratch(body: BodyModel, points: Points, oracle: Oracle) -> None:
    """SKELify's own objective from the mean pose, and what any estimate can reach on average."""
    case = oracle.problem("full_B8")
    body = replace(body, limits=torch.tensor(LIMIT_TABLES["hsmr"], dtype=torch.float64))
    count, focal = len(case["truth_kp2d"]), paper.FOCAL
    sigma = torch.full((count, 46), _SPREAD).double()
    sigma[:, :3] = torch.tensor(_ROOT_SPREAD)
    view = View(torch.diag(torch.tensor([focal, focal, 1.0])).double(), torch.eye(3).double(), torch.zeros(3).double())
    seen = Observations(30.0, (1,) * count, view, case["truth_kp2d"], points, prior_poses=case["start_poses"], prior_sigma=sigma)
    config = Config(Weights(keypoint_m=_NOISE_M, prior=1.0, shape=0.8, robust=10.0))  # as the problems were drawn
    found = skelify(body, seen, None, config)
    ours = mpjpe(body, points, case, found.poses, found.betas)
    original = mpjpe(body, points, case, case["result_poses"], case["result_betas"])
    problem = make_problem(body, seen.checked(), config, found.state, SIGHT_TERMS, PRIOR_TERMS)
    best = _expected_error(problem, found.state, found.betas, body, points)
    _head("From the mean pose, by SKELify's own objective (full_B8)", "MPJPE mm, mean and worst: ours", "original",
          "what the best estimate can be expected to miss by")  # fmt: skip
    _row(*(f"{float(error.mean()):.0f}, {float(error.max()):.0f}" for error in (ours, original)), f"{float(best.mean()):.0f}")


def _expected_error(problem, state: torch.Tensor, betas: torch.Tensor, body: BodyModel, points: Points) -> torch.Tensor:  # noqa: ANN001
    """(B,) mm: the spread of 44 joints in Laplace's posterior, inside the limits. One mode only, so no estimate does better on average."""
    system = problem.assemble(state, betas)
    hessian = torch.cat([torch.cat([system.blocks(0), system.cross], 2), torch.cat([system.cross.mT, system.shared], 2)], 1)
    spread = torch.linalg.cholesky(torch.linalg.inv(hessian))[:, None]
    noise = torch.randn(len(state), 200, hessian.shape[1], 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = torch.cat([state, betas], 1)[:, None] + (spread @ noise)[..., 0]
    low, up = body.limits.T
    joints = keypoints_3d(body, points, drawn[..., 3:49].clamp(low, up).flatten(0, 1), drawn[..., 49:].flatten(0, 1))
    joints = joints.unflatten(0, drawn.shape[:2])
    return 1000 * (joints - joints.mean(1, keepdim=True)).norm(dim=-1).mean((1, 2))


def keypoints_3d(body: BodyModel, points: Points, poses: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
    """(B,44,3) m, relative to the pelvis keypoint."""
    shape, owner = body.shape(betas), torch.arange(len(poses))
    where, _ = pose_points(shape, owner, pose_chain(shape, owner, poses, torch.zeros_like(poses[:, :3])), points)
    return where - where[:, _HUB : _HUB + 1]


def mpjpe(body: BodyModel, points: Points, case: dict[str, torch.Tensor], poses: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
    """(B,) mm over the 44 keypoints."""
    truth = case["truth_kp3d"] - case["truth_kp3d"][:, _HUB : _HUB + 1]
    return 1000 * (keypoints_3d(body, points, poses, betas) - truth).norm(dim=-1).mean(-1)


def made_up_track(frames: int) -> tuple[BodyModel, Observations]:
    """A person who sways, bends and waves by slow random waves, walking on a circle; 33 keypoints with 3 px of noise, some wrong."""
    rng, body = np.random.default_rng(0), load_body("open")
    when = np.arange(frames) / 30.0
    low, up = np.clip(body.limits.numpy(), -1.2, 1.2).T
    middle, reach = 0.5 * (low + up), 0.3 * (up - low)
    poses = middle + reach * np.sin(2 * np.pi * rng.uniform(0.1, 0.6, 46) * when[:, None] + rng.uniform(0, 2 * np.pi, 46))
    poses[:, :3] = np.stack([0.1 * np.sin(when), 0.1 * np.cos(when), 0.3 * when], 1)
    trans = np.stack([np.sin(0.3 * when), np.full(frames, -0.1), -4.0 + np.cos(0.3 * when)], 1)
    K = torch.tensor([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]], dtype=torch.float64)
    view = View(K, torch.diag(torch.tensor([1.0, -1.0, -1.0])).double(), torch.zeros(3).double())
    shape, owner = body.shape(torch.zeros(1, 10).double()), torch.zeros(frames, dtype=torch.long)
    where, _ = pose_points(shape, owner, pose_chain(shape, owner, torch.as_tensor(poses), torch.as_tensor(trans)), body.markers)
    seen = (where @ view.R.T) @ K.T
    pixels = (seen[..., :2] / seen[..., 2:]).numpy() + rng.normal(0, 3, (frames, 33, 2))
    pixels += (rng.uniform(size=(frames, 33, 1)) < 0.03) * rng.normal(0, 100, (frames, 33, 2))
    hips = where[:, [23, 24]].mean(1, keepdim=True)
    metric = ((where - hips) @ view.R.T).numpy() + rng.normal(0, 0.05, (frames, 33, 3))
    keypoints = torch.as_tensor(np.concatenate([pixels, np.full((frames, 33, 1), 0.9)], -1))
    return body, Observations(30.0, (frames,), view, keypoints, body.markers, torch.as_tensor(metric), keypoints[..., 2], body.markers)


def _one_track(frames: int) -> int:
    """What a process of its own says of one track: seconds, iterations, memory."""
    body, seen = made_up_track(frames)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    found = skelify(body, seen)
    taken = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(taken, int(found.iterations[0]), int(found.converged[0]), (after - before) / 1024, after / 1024)
    return 0


def _tracks(lengths: tuple[int, ...]) -> None:
    _head("One track, 33 keypoints (a process each, two threads)", "frames", "seconds", "iterations", "converged",
          "ms a frame and iteration, relative to the first", "memory of the fit, of the process, MB")  # fmt: skip
    first, environ = None, dict(os.environ, OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2")
    for frames in lengths:
        code = f"from bin.benchmarks.solver import main; main(['--track', '{frames}'])"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ).stdout.split()
        taken, iterations = float(said[0]), int(said[1])
        rate = 1000 * taken / frames / max(iterations, 1)
        first = first or rate
        _row(frames, f"{taken:.1f}", iterations, "yes" if said[2] == "1" else "no", f"{rate:.2f}, {rate / first:.2f}",
             f"{float(said[3]):.0f}, {float(said[4]):.0f}")  # fmt: skip


def _perturbed(starts: int = 5) -> None:
    """Where fits end that start elsewhere. Each is started again from its end, as image errors are weighed by the start's depth."""
    body, seen = made_up_track(120)
    exact = Config(iterations=100, tolerance=1e-9)

    def end(start: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None) -> Result:
        found = skelify(body, seen, start, exact)
        for _ in range(3):
            found = skelify(body, seen, (found.poses, found.betas, found.trans), exact)
        return found

    base, rng, apart = end(None), np.random.default_rng(1), []
    for _ in range(starts):
        poses = base.poses + torch.as_tensor(rng.normal(0, 0.2, base.poses.shape))
        trans = base.trans + torch.as_tensor(rng.normal(0, 0.1, base.trans.shape))
        other = end((poses, torch.zeros_like(base.betas), trans))
        apart.append((float((other.cost / base.cost - 1).abs()), float((other.poses - base.poses).abs().max())))
    _head("120 frames from starts 0.2 rad and 0.1 m off", "cost, largest relative difference", "angle, largest difference rad")
    _row(*(f"{max(worst):.0e}" for worst in zip(*apart)))


def _head(title: str, *columns: str) -> None:
    _say(f"\n### {title}\n\n{report.head(columns)}")


def _row(*cells: object) -> None:
    _say(report.row(cells))


def _say(line: str) -> None:
    _LINES.append(line)
    print(line, flush=True)
