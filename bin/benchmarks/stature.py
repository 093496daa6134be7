# SPDX-License-Identifier: GPL-3.0-or-later
"""What it is worth to say how tall somebody is: `./bin/benchmark stature [MOCAP_DIR] [--write docs/solver.md]`.

The scenes of `ablation`; a small or tall actor is the same one made smaller or larger as a whole, with the way that he goes, and the camera
as much nearer or farther, so that no picture is another. The metric landmarks are an average adult's for everybody. The fit starts from the
lifting network and knows the lens.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

from bin.benchmarks import report
from bin.benchmarks.ablation import Scene, scenes
from bin.benchmarks.mocap import SMALL_SET
from bin.benchmarks.multiview import LIMB_HIPS
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.body.anthropometry import stature
from skel_blender.engine.fit.people import fit_people
from skel_blender.engine.regress.lift import Lift, load_lift

_COLUMNS = ("actors", "stature", "found", "MPJPE mm", "PA-MPJPE mm", "distance off", "way off", "drift mm")
_WAY_M = 0.5  # clips in which the root gets farther than this from where it was tell how much of the way is found


@dataclass(frozen=True)
class Figures:
    """One fit's figures. `distance` and `way` are parts of the truth: how far the person is, and the longest way of the root between two
    frames; NaN where it is short."""

    found: float
    mpjpe: float
    pa_mpjpe: float
    distance: float
    way: float
    drift: float


def tall(body: BodyModel, betas: np.ndarray) -> float:
    """m."""
    return float(stature(body, torch.as_tensor(betas).to(body.J_template)[None])[0])


def as_adult(case: Scene, body: BodyModel) -> Scene:
    """The scene, with metric landmarks of the mean body's size."""
    size = tall(body, np.zeros(10)) / tall(body, case.motion.betas)
    return replace(case, track=replace(case.track, landmarks_3d=size * case.track.landmarks_3d))


def fitted(case: Scene, body: BodyModel, lift: Lift, said: float | None) -> tuple[float, np.ndarray]:
    """The fit's stature, and its landmarks (T,33,3) m in camera axes, told that stature or none."""
    fits, view = fit_people([case.track], body, case.K, case.fps, guesses=[lift.seen(case.track, case.K, case.fps)], statures=(said,))
    fit, R, t = fits[0], view.R.numpy(), view.t.numpy()
    markers = posed(fit.body, fit.state[:, 3:], fit.betas, fit.state[:, :3])[0]
    return tall(fit.body, fit.betas), markers @ R.T + t


def score(case: Scene, size: float, found: tuple[float, np.ndarray]) -> Figures:
    """A fit against the actor made larger by `size`."""
    metres, points = found
    limbs, root, truth = points[:, LIMBS], points[:, [23, 24]].mean(1), size * case.pelvis
    first, last = np.unravel_index(np.argmax(np.linalg.norm(truth[:, None] - truth, axis=-1)), (len(truth), len(truth)))
    went, goes = (float(np.linalg.norm(path[last] - path[first])) for path in (root, truth))
    distance = np.linalg.norm(root, axis=1).mean() / np.linalg.norm(truth, axis=1).mean()
    return Figures(
        metres, metrics.mpjpe(limbs, size * case.limbs, LIMB_HIPS), metrics.pa_mpjpe(limbs, size * case.limbs), abs(distance - 1),
        abs(went / goes - 1) if goes > size * _WAY_M else np.nan, metrics.drift(root, truth),
    )  # fmt: skip


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = report.parser("stature", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--metres", type=float, nargs="*", default=[1.2, 1.4, 1.55, 1.75, 1.95], metavar="M")
    parser.add_argument("--body", default="male")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=60, help="frames of a clip that are used")
    parser.add_argument("--write", type=Path, help="a markdown page to put the table in")
    arguments = parser.parse_args(argv)
    body, lift = load_body("open", arguments.body), load_lift()
    cases = [as_adult(case, body) for case in scenes(arguments.mocap, body, arguments.seed, arguments.longest)]
    untold = [fitted(case, body, lift, None) for case in cases]
    lines = [report.head(_COLUMNS)]
    print(lines[0])
    for metres in arguments.metres:
        for told, found in (("not given", untold), ("given", [fitted(case, body, lift, metres) for case in cases])):
            rows = [score(case, metres / tall(body, case.motion.betas), fit) for case, fit in zip(cases, found)]
            mean = {field.name: float(np.nanmean([getattr(row, field.name) for row in rows])) for field in fields(Figures)}
            lines.append(report.row([
                f"{metres:.2f} m", told, f"{mean['found']:.2f} m", f"{mean['mpjpe']:.1f}", f"{mean['pa_mpjpe']:.1f}",
                f"{mean['distance']:.1%}", f"{mean['way']:.1%}", f"{mean['drift']:.0f}",
            ]))  # fmt: skip
            print(lines[-1], flush=True)
    if arguments.write:
        report.write(arguments.write, "stature", "\n".join(lines))
    return 0
