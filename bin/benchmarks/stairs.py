# SPDX-License-Identifier: GPL-3.0-or-later
"""Who goes up and down steps: `./bin/benchmark stairs [--cameras 3] [--write docs/solver.md]`.

Motion capture of three steps of 0.2 m (`tests/data/mocap_steps.npz`), on the open body, seen by made-up cameras and told with BlazePose's
measured errors as in `ablation`; fitted as the program does from the lifting network. How high the pelvis went is its range over the
clip; errors are those of twelve limb joints, hips aligned. The last line is of people on level ground, as `lift` has them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.ablation import Scene, scene, scenes
from bin.benchmarks.mocap import SMALL_SET, read_clips, to_body
from bin.benchmarks.multiview import LIMB_HIPS
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.fit.people import fit_people
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.lift import Lift

STEPS = SMALL_SET.with_name("mocap_steps.npz")
_COLUMNS = ("motion", "camera", "up off by deg", "pelvis goes up and down by m", "in truth", "MPJPE mm")


def figures(case: Scene, body: BodyModel, lift: Lift) -> tuple[float, float, float, float] | None:
    """How far up is off, degrees; the pelvis' range of heights as found and in truth, m; MPJPE, mm. None if nobody was fitted."""
    fits, view = fit_people([case.track], body, case.K, case.fps, guesses=[lift.seen(case.track, case.K, case.fps)])
    fit, R, t = fits[0], view.R.numpy(), view.t.numpy()
    if fit is None:
        return None
    limbs = posed(body, fit.state[:, 3:], fit.betas, fit.state[:, :3])[0][:, LIMBS] @ R.T + t
    return (metrics.angle_between(R[:, 1], case.up), float(np.ptp(fit.state[:, 1])), float(np.ptp(case.pelvis @ case.up)),
            metrics.mpjpe(limbs, case.limbs, LIMB_HIPS))  # fmt: skip


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = report.parser("stairs", __doc__)
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between its marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("open", "male"), load_lift()
    lines = [report.head(_COLUMNS)]
    for clip in read_clips(STEPS, split=None):
        motion = to_body(clip, body)
        for number in range(given.cameras):
            up, found, truth, off = figures(scene(motion, body, np.random.default_rng([9, number])), body, lift)
            lines.append(report.row([clip.name, str(number + 1), f"{up:.1f}", f"{found:.2f}", f"{truth:.2f}", f"{off:.0f}"]))
            print(lines[-1], flush=True)
    level = [one for case in scenes(SMALL_SET, body, 0, 60) if (one := figures(case, body, lift))]
    up, found, truth, off = np.mean(level, axis=0)
    lines.append(report.row([f"level ground, {len(level)} motions", "", f"{up:.1f}", f"{found:.2f}", f"{truth:.2f}", f"{off:.0f}"]))
    print(lines[-1])
    if given.write:
        report.write(given.write, "stairs", "\n".join(lines))
    return 0
