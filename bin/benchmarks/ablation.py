# SPDX-License-Identifier: GPL-3.0-or-later
"""What each term of the objective is worth: `./bin/benchmark ablation [MOCAP_DIR] [--only TERM...] [--write docs/solver.md]`.

Motion capture (the small set of tests/data by default, else the test split of MOCAP_DIR) is carried over to the open body, seen by a
made-up camera, and told with BlazePose's measured errors (`noise`), dropouts, occlusions and swaps. The fit starts from these tracks
as it does behind the landmarker, knows the lens and nothing else. Everything is seeded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path
from unittest.mock import patch

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.mocap import SMALL_SET, BodyMotion, read_clips, to_body
from bin.benchmarks.multiview import LIMB_HIPS
from bin.benchmarks.noise import synthesize
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.fit import Config, alone, people
from skel_blender.engine.imports.fit_motion import foot_slide
from skel_blender.engine.people.tracks import Track
from skel_blender.kinematics import axis_rotation

SIZE = (1280, 720)
_FOV, _PITCH, _DISTANCE = (40.0, 75.0), (-5.0, 30.0), (3.0, 7.0)  # degrees, degrees down, metres
_FITS = 0.42  # the person's farthest point is at most this part of the image's height from its middle
_RESTS_M, _RESTS_M_S = 0.03, 0.25  # a true sole point that is lower and slower rests


@dataclass(frozen=True)
class Scene:
    """A motion and what one camera tells of it. Truths are in camera axes."""

    motion: BodyMotion
    K: np.ndarray
    fps: float
    track: Track
    limbs: np.ndarray  # (T,12,3) m
    pelvis: np.ndarray  # (T,3) m
    up: np.ndarray  # (3,)
    resting: np.ndarray  # (T,6) bool


@dataclass(frozen=True)
class Figures:
    """One fit's figures; the table has their means over the scenes."""

    mpjpe: float
    pa_mpjpe: float
    acceleration_error: float
    peak_speed: float
    peak_acceleration: float
    slide: float
    penetration: float
    violations: float
    drift: float
    up: float


_COLUMNS = (
    "MPJPE mm", "PA-MPJPE mm", "acceleration error mm/f2", "peak speed kept", "peak acceleration kept", "foot slide mm/f", "below floor mm",
    "frames beyond limits", "drift mm", "up off by deg",
)  # fmt: skip
Change = Callable[[Config], Config]


def _weigh(**changed: float) -> Change:
    return lambda config: replace(config, weights=replace(config.weights, **changed))


def _same(config: Config) -> Config:
    return config


VARIANTS: dict[str, Change] = {
    "full objective": _same,
    "without keypoints": _weigh(keypoint_m=inf),
    "without metric landmarks": _weigh(landmark_m=inf),
    "without the pose prior": _weigh(prior=0.0),
    "without limits": lambda config: replace(config, limits="off"),
    "without the shape prior": _weigh(shape=10.0),
    "without a shape": lambda config: replace(config, fit_shape=False),
    "without robustness": _weigh(robust=inf),
    "without smoothness": _weigh(angle_rate=inf, angle_acceleration=inf, travel_rate=inf, travel_acceleration=inf),
    "plain smoothness (not adaptive)": _weigh(adaptive=inf),
    "without the leap guard": _weigh(angle_leap=inf),
    "without contacts": _same,
    "without the floor": _weigh(below_floor_m=inf),
    "without balance": _weigh(balance_m=inf),
    "without flight": _weigh(fall=inf),
    "without clearance": _weigh(clearance_m=inf),
}


def scenes(mocap: Path, body: BodyModel, seed: int, longest: int) -> Iterator[Scene]:
    """A scene of each clip."""
    for number, clip in enumerate(read_clips(mocap)):
        motion = to_body(clip.part(0, longest), body)
        yield scene(motion, body, np.random.default_rng([seed, number]))


def scene(motion: BodyMotion, body: BodyModel, rng: np.random.Generator) -> Scene:
    """A camera somewhere around the motion, and what is seen by it."""
    markers, soles = posed(body, motion.poses, motion.betas, motion.trans)
    K = intrinsics(SIZE, fov_degrees=rng.uniform(*_FOV))
    middle = 0.5 * (markers.min(axis=(0, 1)) + markers.max(axis=(0, 1)))
    turn, pitch = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(*_PITCH))
    level = np.diag([1.0, -1.0, -1.0]) @ axis_rotation(np.array([0.0, 1, 0]), np.array(turn))
    R = axis_rotation(np.array([1.0, 0, 0]), np.array(pitch)) @ level
    around = (markers - middle) @ R.T
    reach = np.abs(around[..., :2]) * K[0, 0] / (_FITS * np.array(SIZE)) - around[..., 2:]
    t = np.array([0.0, 0, max(rng.uniform(*_DISTANCE), float(reach.max()))])
    seen = around + t
    keypoints, landmarks, observed = synthesize(seen, K, rng, motion.clip.fps)
    keypoints[~((keypoints[..., :2] >= 0) & (keypoints[..., :2] < SIZE)).all(-1), 2] = 0
    speed = np.linalg.norm(np.gradient(soles, axis=0), axis=-1) * motion.clip.fps
    return Scene(motion, K, motion.clip.fps, Track(np.arange(len(seen)), keypoints, landmarks, observed), seen[:, LIMBS],
                 seen[:, [23, 24]].mean(1), R[:, 1], (soles[..., 1] < _RESTS_M) & (speed < _RESTS_M_S))  # fmt: skip


@contextmanager
def objective(name: str) -> Iterator[tuple[Config, ...]]:
    """The four stages of a fit with one term changed in each. Fits that the pipeline would give up as unexplained are kept."""
    none = patch.object(people, "contacts", lambda seen, depth, heights: np.zeros(heights.shape, dtype=bool))
    with patch.object(alone, "_EXPLAINED_M", inf), none if name == "without contacts" else nullcontext():
        yield tuple(VARIANTS[name](stage) for stage in people.STAGES)


def score(case: Scene, body: BodyModel, stages: tuple[Config, ...] | None = None) -> Figures | None:
    """Fit and compare; None where the fit gives up."""
    fits, view = people.fit_people([case.track], body, case.K, case.fps, stages=stages)
    if fits[0] is None:
        return None
    fit, R, t = fits[0], view.R.cpu().numpy(), view.t.cpu().numpy()
    markers, soles = posed(body, fit.state[:, 3:], fit.betas, fit.state[:, :3])
    found = markers @ R.T + t
    limbs = found[:, LIMBS]
    centred, true = metrics.centred(limbs, LIMB_HIPS), metrics.centred(case.limbs, LIMB_HIPS)
    return Figures(
        metrics.mpjpe(limbs, case.limbs, LIMB_HIPS), metrics.pa_mpjpe(limbs, case.limbs), metrics.acceleration_error(centred, true),
        metrics.peak_kept(centred, true, 1), metrics.peak_kept(centred, true, 2), foot_slide(soles, case.resting),
        metrics.floor_penetration(soles), metrics.limit_violations(fit.state[:, 3:], body.limits.cpu().numpy())[0],
        metrics.drift(found[:, [23, 24]].mean(1), case.pelvis), metrics.angle_between(R[:, 1], case.up),
    )  # fmt: skip


def raw(case: Scene) -> list[float]:
    """What the metric landmarks alone would score, for the columns that they have."""
    limbs = case.track.landmarks_3d[:, LIMBS]
    true = metrics.centred(case.limbs, LIMB_HIPS)
    return [metrics.mpjpe(limbs, true, LIMB_HIPS), metrics.pa_mpjpe(limbs, true), metrics.acceleration_error(limbs, true),
            metrics.peak_kept(limbs, true, 1), metrics.peak_kept(limbs, true, 2)]  # fmt: skip


def row(name: str, values: list[float]) -> str:
    """A line of the table; means of figures in the order of Figures."""
    forms = ("{:.1f}", "{:.1f}", "{:.1f}", "{:.2f}", "{:.2f}", "{:.1f}", "{:.1f}", "{:.1%}", "{:.0f}", "{:.1f}")
    return report.row([name, *(form.format(value) for form, value in zip(forms, values)), *[""] * (len(forms) - len(values))])


def main(argv: list[str]) -> int:
    """Run every variant on every scene and print the table."""
    parser = report.parser("ablation", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS), metavar="TERM")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=60, help="frames of a clip that are used")
    parser.add_argument("--each", action="store_true", help="print every scene's figures too")
    parser.add_argument("--write", type=Path, help="a markdown page to put the table in")
    arguments = parser.parse_args(argv)
    body = load_body("open", "male")
    cases = list(scenes(arguments.mocap, body, arguments.seed, arguments.longest))
    lines = [f"{len(cases)} motions of {arguments.mocap.name}, {sum(len(case.limbs) for case in cases)} frames, seed {arguments.seed}.", "",
             report.head(["objective", *_COLUMNS]),
             row("metric landmarks alone", np.mean([raw(case) for case in cases], axis=0).tolist())]  # fmt: skip
    print("\n".join(lines), flush=True)
    for name in arguments.only:
        with objective(name) as stages:
            figures = [score(case, body, stages) for case in cases]
        values = np.array([[getattr(one, field.name) for field in fields(Figures)] for one in figures if one is not None])
        label = name if None not in figures else f"{name} ({figures.count(None)} not fitted)"
        lines.append(row(label, np.nanmean(values, axis=0).tolist()))
        print(lines[-1], flush=True)
        if arguments.each:
            for case, one in zip(cases, figures):
                values = [] if one is None else [getattr(one, field.name) for field in fields(Figures)]
                print(row(f"&nbsp; {case.motion.clip.name} {case.motion.clip.description}", values), flush=True)
    if arguments.write:
        report.write(arguments.write, "ablation", "\n".join(lines))
    return 0
