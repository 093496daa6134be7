# SPDX-License-Identifier: GPL-3.0-or-later
"""How near the real OpenSim comes to our joints, angles and forces: `./bin/benchmark opensim [--frames N]`.

Bodies of both sexes and random shapes in random poses within the limits, and every clip of the small motion capture set on the open
body. Each is written by skel_blender.opensim, read by tests/importers/opensim_reader.py under a Python that has the wheel `opensim`
(bin/test's importers, made if they are missing; SKEL_IMPORTERS names another), and compared with kinematics.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from bin import _importers
from bin.benchmarks import mocap, report
from skel_blender import environment, kinematics, opensim
from skel_blender.anatomy import Q
from skel_blender.engine.body import load_body
from skel_blender.opensim.model import ground
from skel_blender.take import RestBody

READER = Path(__file__).resolve().parents[2] / "tests" / "importers" / "opensim_reader.py"
COLUMNS = ("motion", "frames", "joints off, nm", "markers off, nm", "angles by IK, degrees", "by the skin's markers",
           "force of ID, % of weight")  # fmt: skip


def main(argv: list[str]) -> int:
    """Print a markdown table of largest differences."""
    parser = report.parser("opensim", __doc__)
    parser.add_argument("--frames", type=int, default=24, help="of each motion")
    count = parser.parse_args(argv).frames
    python = os.environ.get("SKEL_IMPORTERS") or _importers.ensure(
        environment.default_root(), sys._base_executable, print)["SKEL_IMPORTERS"]  # fmt: skip
    print(report.head(COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        for sex in ("female", "male"):
            rest = load_body("open", sex).rest_body(rng.normal(0.0, 1.5, 10))
            low, up = np.clip(rest.limits, -np.pi, np.pi).T
            poses = low + (up - low) * rng.random((count, Q))
            trans = rng.normal(0.0, 1.0, (count, 3))
            print(_row(python, Path(folder) / "random", f"random, {sex}", rest, poses, trans, still=True), flush=True)
        for number, clip in enumerate(mocap.read_clips(mocap.SMALL_SET)):
            sex = ("female", "male")[number % 2]
            body = load_body("open", sex)
            made = mocap.to_body(clip.part(0, count), body)
            rest = body.rest_body(made.betas)
            print(_row(python, Path(folder) / "clip", f"{clip.description}, {sex}", rest, made.poses, made.trans), flush=True)
    return 0


def _row(python: str, prefix: Path, title: str, rest: RestBody, poses: np.ndarray, trans: np.ndarray, still: bool = False) -> str:
    """One motion; poses without order in time (`still`) have no neighbours to start inverse kinematics from, and no velocities."""
    out = prefix.with_suffix(".osim")
    opensim.write_motion(rest, poses, trans, np.arange(len(poses)), Fraction(30), out, body_name=title.rpartition(" ")[2])
    played = _ask(python, "play", prefix)
    joints = ground(kinematics.forward(poses, rest.joints, rest.frames, trans)[..., :3, 3])
    cells = [np.linalg.norm(played["places"] - joints, axis=-1).max() * 1e9,
             np.linalg.norm(played["points"] - played["given"] / 1000, axis=-1).max() * 1e9]  # fmt: skip
    said = [f"{value:.1f}" for value in cells]
    if still:
        return report.row([title, len(poses), *said, "-", "-", "-"])
    for left_out in ("none", "_jc"):
        found = _ask(python, "ik", prefix, left_out)
        said.append(f"{np.abs(found['found'] - found['wanted'])[:, :Q].max():.1g}")
    found = _ask(python, "force", prefix)
    said.append(f"{100 * np.abs(found['forces'][:, 0] - found['forces'][:, 1]).max() / found['weight']:.2g}")
    return report.row([title, len(poses), *said])


def _ask(python: str, what: str, prefix: Path, *more: str) -> dict[str, np.ndarray]:
    to = prefix.with_suffix(".npz")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([python, str(READER), what, str(prefix), str(to), *more], check=True, env=environ, stdout=subprocess.DEVNULL)
    with np.load(to) as file:
        return dict(file)
