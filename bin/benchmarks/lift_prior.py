# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a fit should trust the lifting network, and how fast that is: `./bin/benchmark lift_prior MOCAP_DIR [--write docs/lifting.md]`.

Motions of MOCAP_DIR's validation split (quality A) are seen by made-up cameras as in `ablation`. Each is fitted from the network's
poses with several factors on the deviations that it predicts (`alone.GUESS_SPREAD` is the one in use), and from the relaxed stance.
"""

from __future__ import annotations

import time
from math import inf
from pathlib import Path
from unittest.mock import patch

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.ablation import Scene, scene
from bin.benchmarks.mocap import read_clips, to_body
from bin.benchmarks.multiview import LIMB_HIPS
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.fit import alone, people
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.guess import Guesser
from skel_blender.engine.regress.lift import Lift

_FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
_TIMED = 6000  # frames


def row(cases: list[Scene], body: BodyModel, guesses: list[Guesser] | None, factor: float) -> list[float]:
    """MPJPE mm, PA-MPJPE mm, acceleration error mm/f2, angle error deg, steps, milliseconds of CPU a frame; means over the scenes."""
    figures = []
    for number, case in enumerate(cases):
        steps: list[int] = []
        start = time.process_time()
        with patch.object(alone, "GUESS_SPREAD", factor), patch.object(alone, "_EXPLAINED_M", inf):
            fits, view = people.fit_people([case.track], body, case.K, case.fps, steps.append, guesses=guesses and [guesses[number]])
        spent, fit = time.process_time() - start, fits[0]
        points = posed(body, fit.state[:, 3:], fit.betas, fit.state[:, :3])[0] @ view.R.numpy().T + view.t.numpy()
        limbs = points[:, LIMBS]
        off = metrics.angle_errors(fit.state[:, 6:], case.motion.poses[:, 3:])
        figures.append([metrics.mpjpe(limbs, case.limbs, LIMB_HIPS), metrics.pa_mpjpe(limbs, case.limbs),
                        metrics.acceleration_error(metrics.centred(limbs, LIMB_HIPS), metrics.centred(case.limbs, LIMB_HIPS)), off.mean(),
                        len(steps) - 1, 1000 * spent / len(limbs)])  # fmt: skip
    return np.mean(figures, axis=0).tolist()


def speed(case: Scene, body: BodyModel, lift: Lift) -> float:
    """Frames per second of CPU from a track to its guess."""
    rows = np.arange(_TIMED) % len(case.track.frames)
    track = Track(np.arange(_TIMED), case.track.keypoints_2d[rows], case.track.landmarks_3d[rows], case.track.observed[rows])
    start = time.process_time()
    lift(track, body, case.K, case.fps)
    return _TIMED / (time.process_time() - start)


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = report.parser("lift_prior", __doc__)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--longest", type=int, default=60, help="frames of a clip that are used")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between its marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("open", "male"), load_lift()
    files = [path for path in sorted(given.mocap.rglob("subject_*.npz"))]
    clips = [clip for path in files for clip in read_clips(path, "val")]
    chosen = np.linspace(0, len(clips) - 1, given.clips).astype(int)
    cases = [scene(to_body(clips[k].part(0, given.longest), body), body, np.random.default_rng([0, k])) for k in chosen]
    guesses = [lift.seen(case.track, case.K, case.fps) for case in cases]
    lines = [
        f"{len(cases)} motions of the validation split, {sum(len(case.limbs) for case in cases)} frames. From a track to its guess: "
        f"{speed(cases[0], body, lift):.0f} frames per second of one CPU core.",
        "",
        report.head(["drawn to", "MPJPE mm", "PA-MPJPE mm", "acceleration error mm/f2", "angles off by deg", "steps", "ms a frame"]),
    ]
    ways = [("the relaxed stance", None, 1.0), *((f"the network, {factor:g} sigma", guesses, factor) for factor in _FACTORS)]
    for name, used, factor in ways:
        values = row(cases, body, used, factor)
        lines.append(report.row([name, *(f"{value:.1f}" for value in values)]))
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "lift_prior", "\n".join(lines))
    return 0
