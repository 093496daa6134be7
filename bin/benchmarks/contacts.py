# SPDX-License-Identifier: GPL-3.0-or-later
"""Do feet rest that are said to? `./bin/benchmark contacts [MOCAP_DIR] [--gait OPENSIM_DIR] [--cache FOLDER] [--write docs/solver.md]`.

Motion capture of held-out subjects (the small set of tests/data, else some of the test split of MOCAP_DIR, quality A, without those who
climb), seen by made-up cameras and told with BlazePose's measured errors as in `ablation`; and the motions of `gait`, drawn and seen by the
landmark network. Fitted as the program does, from the lifting network, and once more without contacts. A true point of a sole rests if it
is less than 5 cm above the floor and slower than 0.25 m/s (`resting.py` says why).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bin.benchmarks import gait, report
from bin.benchmarks.ablation import objective, scene
from bin.benchmarks.lift import truth_of
from bin.benchmarks.mocap import SMALL_SET, read_clips, to_body
from bin.benchmarks.posing import posed
from bin.benchmarks.resting import MOVES_M_S, SLOW_M_S, agreement, rests, slides, speeds, velocities
from bin.benchmarks.starts import Found
from skel_blender import environment
from skel_blender.engine.blazepose import HIPS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.fit.people import fit_people
from skel_blender.engine.people.landmarker import Landmarker
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.lift import Lift

FITS = {"without contacts": "without contacts", "fitted": "full objective"}  # row of the table -> variant of `ablation`
_TOLD = ("motions", "frames", "of all points rest: in truth", "said", "precision", "recall", "wrong: slow, but higher than 50 mm",
         "wrong: 0.25 to 0.5 m/s", "wrong: faster")  # fmt: skip
_FEET = ("motions", "feet", "resting: slide mm/s", "mm a spell", "below the floor mm", "above it mm", "wrongly held: speed mm/s",
         "velocity off by mm/s", "off by mm", "moving and free: velocity off by mm/s", "off by mm")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A track, and the motion that it is of with the camera that saw it; that motion's floor is y = 0."""

    name: str
    track: Track
    K: np.ndarray
    fps: float
    truth: Found


@dataclass(frozen=True)
class Feet:
    """Of sole points (T,6): speed mm/s; height mm; what the velocity, mm/s, and the place beside the hips, mm, are off by; what slides
    where the truth rests (`resting.slides`)."""

    speed: np.ndarray
    height: np.ndarray
    velocity_off: np.ndarray
    off: np.ndarray
    steps: np.ndarray
    ways: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """A case's flags (T,6), true and said, and feet by row of the table."""

    truth: np.ndarray
    said: np.ndarray
    feet: dict[str, Feet]


def captured(mocap: Path, body: BodyModel, seed: int, clips: int, longest: int, split: str = "test") -> Iterator[Case]:
    """Some clips, a stretch of each that begins anywhere in it."""
    rng = np.random.default_rng(seed)
    found = [clip for clip in read_clips(mocap, split) if clip.category != "climb"]
    for number in sorted(rng.permutation(len(found))[:clips]):
        clip = found[number]
        first = int(rng.integers(max(1, len(clip.root) - longest + 1)))
        one = scene(to_body(clip.part(first, first + longest), body), body, np.random.default_rng([seed, number]))
        yield Case(f"{clip.name} {clip.description}", one.track, one.K, one.fps, truth_of(one, body))


def drawn(trials: Path, body: BodyModel, kind: str, cache: Path | None) -> Iterator[Case]:
    """The motions of a kind of gait.TRIALS, from the first camera of each of gait.VIEWS."""
    landmarker = Landmarker(environment.landmark_model(environment.default_root()))
    for number, (name, first, seconds) in enumerate(gait.TRIALS[kind]):
        motion = gait.read(trials / f"{name}.npz", first, seconds, body, np.random.default_rng(number))
        for (turn, down), *_ in gait.VIEWS.values():
            R, eye = gait.camera(turn, down)
            kept = cache and cache / f"{name.replace('/', '_')}_{turn}_{down}.npz"
            track = gait.seen(landmarker, motion, body, R, eye, kept)
            yield Case(f"{name} {turn}", track, intrinsics(gait._SIZE, focal_length=gait._FOCAL), gait._FPS,
                       Found(motion.poses, motion.betas, motion.trans, R, -R @ eye))  # fmt: skip


def outcome(case: Case, body: BodyModel, lift: Lift) -> Outcome:
    """What is said of a case, and how its feet fare."""
    soles = posed(body, case.truth.poses, case.truth.betas, case.truth.trans)[1]
    truth = rests(soles, case.fps)
    feet, said = {"the truth": feet_of(case.truth, case, body, truth)}, np.zeros_like(truth)
    for row, variant in FITS.items():
        with objective(variant) as stages:
            fits, view = fit_people([case.track], body, case.K, case.fps, stages=stages,
                                    guesses=[lift.seen(case.track, case.K, case.fps)])  # fmt: skip
        fit, said = fits[0], fits[0].contacts
        found = Found(fit.state[:, 3:], fit.betas, fit.state[:, :3], view.R.numpy(), view.t.numpy())
        feet[row] = feet_of(found, case, body, truth)
    return Outcome(truth, said, feet)


def feet_of(found: Found, case: Case, body: BodyModel, resting: np.ndarray) -> Feet:
    """Of a motion beside a case's truth, `resting` (T,6)."""
    (seen, beside), (true, true_beside) = _before_camera(found, body), _before_camera(case.truth, body)
    soles = posed(body, found.poses, found.betas, found.trans)[1]
    moved = velocities(seen, case.fps) - velocities(true, case.fps)
    off = np.linalg.norm(beside - true_beside, axis=-1)
    return Feet(1000 * speeds(soles, case.fps), 1000 * soles[..., 1], 1000 * np.linalg.norm(moved, axis=-1), 1000 * off,
                *slides(soles, resting, case.fps))  # fmt: skip


def _before_camera(found: Found, body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Soles (T,6,3) m in camera axes, and relative to the middle of the hips."""
    markers, soles = (points @ found.R.T + found.t for points in posed(body, found.poses, found.betas, found.trans))
    return soles, soles - markers[:, HIPS].mean(1, keepdims=True)


def told(name: str, outcomes: list[Outcome]) -> str:
    """A line of the first table: whose flags are right, and in what the others are wrong."""
    truth, said = (np.concatenate([getattr(one, part) for one in outcomes]) for part in ("truth", "said"))
    speed = np.concatenate([one.feet["the truth"].speed for one in outcomes]) / 1000
    wrong, count = said & ~truth, max(1, said.sum())
    slow, moves = speed < SLOW_M_S, speed >= MOVES_M_S
    kinds = ((wrong & part).sum() / count for part in (slow, ~slow & ~moves, moves))
    shares = (truth.mean(), said.mean(), *agreement(said, truth), *kinds)
    return report.row([name, len(truth), *("" if np.isnan(share) else f"{share:.0%}" for share in shares)])


def fared(name: str, outcomes: list[Outcome]) -> list[str]:
    """The lines of the second table."""
    truth, said = (np.concatenate([getattr(one, part) for one in outcomes]) for part in ("truth", "said"))
    lines = []
    for row in outcomes[0].feet:
        every = {part: np.concatenate([getattr(one.feet[row], part) for one in outcomes]) for part in Feet.__annotations__}
        height, wrong, free = every["height"][truth], said & ~truth, ~said & ~truth
        values = [every["steps"], every["ways"], np.maximum(0, -height), np.maximum(0, height), every["speed"][wrong],
                  *(every[part][flags] for flags in (wrong, free) for part in ("velocity_off", "off"))]  # fmt: skip
        lines.append(report.row([name, row, *(f"{part.mean():.0f}" if part.size else "" for part in values)]))
    return lines


def main(argv: list[str]) -> int:
    """Print the tables."""
    parser = report.parser("contacts", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--split", default="test", help="whose motion capture: val to choose settings by, test to report")
    parser.add_argument("--clips", type=int, default=30, help="of motion capture, at most")
    parser.add_argument("--longest", type=int, default=90, help="frames of a clip of motion capture that are used")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gait", type=Path, metavar="OPENSIM_DIR", help="folder of the motions of the benchmark gait")
    parser.add_argument("--cache", type=Path, help="where what the landmark network said is kept for another run, as gait keeps it")
    parser.add_argument("--each", action="store_true", help="print every case's lines too")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between their marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("open", "male"), load_lift()
    groups = {"motion capture": captured(given.mocap, body, given.seed, given.clips, given.longest, given.split)}
    if given.gait:
        groups |= {kind: drawn(given.gait, body, kind, given.cache) for kind in gait.TRIALS}
    rows: list[str] = []
    feet: list[str] = []
    for name, cases in groups.items():
        outcomes = []
        for case in cases:
            outcomes.append(outcome(case, body, lift))
            if given.each:
                print("\n".join([told(case.name, outcomes[-1:]), *fared(case.name, outcomes[-1:])]), flush=True)
        label = f"{name}, {len(outcomes)} motions"
        rows.append(told(label, outcomes))
        feet += fared(label, outcomes)
    lines = [report.head(_TOLD), *rows, "", report.head(_FEET), *feet]
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "contacts", "\n".join(lines))
    return 0
