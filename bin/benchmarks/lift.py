# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lifting network is worth on people it never saw: `./bin/benchmark lift [MOCAP_DIR] [--weights FILE] [--write PAGE]`.

Motion capture of held-out subjects (the small set of tests/data, else the test split of MOCAP_DIR, quality A) is carried over to the open
body, seen by made-up cameras and told with BlazePose's measured errors, as in `ablation`. Compared: classic two-bone inverse kinematics,
SKELify from the relaxed stance, the network alone, and SKELify from the network. The joints are the body's 24.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.ablation import Scene, scenes
from bin.benchmarks.mocap import SMALL_SET
from bin.benchmarks.posing import posed
from bin.benchmarks.starts import HIPS, METHODS, STARTS, Found, Way, answers, turned_by, ways
from bin.evaluation import metrics
from bin.evaluation.scores import REGIONS
from skel_blender.anatomy import DOF_INDEX
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.lift import Lift

_COLUMNS = ("MPJPE mm", "PA-MPJPE mm", "root off by deg", "acceleration error mm/f2", "frames beyond limits", "DoFs at a limit",
            "not fitted")  # fmt: skip
_FORMS = ("{:.1f}", "{:.1f}", "{:.1f}", "{:.1f}", "{:.1%}", "{:.1%}", "{:.0f}")
_ARMS = tuple(slice(DOF_INDEX[f"shoulder_{side}_x"], DOF_INDEX[f"shoulder_{side}_z"] + 1) for side in "lr")
# What motion capture's joint centres tell; the others' truth is the relaxed stance.
_TOLD = ("hips", "knees", "ankles", "spine", "shoulders", "elbows")
_TOLD_DOFS = [dof for name in _TOLD for dof in REGIONS[name]]


def truth_of(case: Scene, body: BodyModel) -> Found:
    """A scene's motion with the camera that saw it, which is read off the limbs."""
    motion = case.motion
    limbs = posed(body, motion.poses, motion.betas, motion.trans)[0][:, LIMBS].reshape(-1, 3)
    seen = case.limbs.reshape(-1, 3)
    u, _, vt = np.linalg.svd((seen - seen.mean(0)).T @ (limbs - limbs.mean(0)))
    R = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return Found(motion.poses, motion.betas, motion.trans, R, seen.mean(0) - R @ limbs.mean(0))


def angle_errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T,46) degrees. A shoulder's three angles have a second triple that is the same rotation: the nearer one counts."""
    errors = metrics.angle_errors(found, truth)
    for arm in _ARMS:
        x, y, z = np.moveaxis(found[:, arm], -1, 0)
        other = metrics.angle_errors(np.stack([x + np.pi, np.pi - y, z + np.pi], -1), truth[:, arm])
        errors[:, arm] = np.where((other.sum(1) < errors[:, arm].sum(1))[:, None], other, errors[:, arm])
    return errors


def score(found: Found, truth: Found, body: BodyModel) -> tuple[list[float], dict[str, float]]:
    """A row's figures in the order of _COLUMNS, but the last, and the angle errors by region, degrees."""
    (joints, pelvis), (real, true_pelvis) = found.joints(body), truth.joints(body)
    limits = body.limits.numpy()
    errors = angle_errors(found.poses, truth.poses)
    at_limit = ((found.poses <= limits[:, 0] + 1e-6) | (found.poses >= limits[:, 1] - 1e-6))[:, _TOLD_DOFS].mean()
    still = [metrics.centred(points, HIPS) for points in (joints, real)]
    row = [metrics.mpjpe(joints, real, HIPS), metrics.pa_mpjpe(joints, real), float(turned_by(pelvis, true_pelvis).mean()),
           metrics.acceleration_error(*still), metrics.limit_violations(found.poses, limits)[0], float(at_limit)]  # fmt: skip
    regions = {name: float(errors[:, list(dofs)].mean()) for name, dofs in REGIONS.items() if name in _TOLD}
    return row, regions | {"all of these": float(errors[:, _TOLD_DOFS].mean())}


def accuracy(cases: list[Scene], body: BodyModel, lift: Lift | None, each: bool) -> list[str]:
    """The tables of errors, as markdown."""
    rows: dict[str, list[list[float]]] = {}
    angles: dict[str, list[dict[str, float]]] = {}
    lost: dict[str, int] = {}
    for case in cases:
        truth = truth_of(case, body)
        for name, found in answers(case.track, body, case.K, case.fps, lift).items():
            if found is None:
                lost[name] = lost.get(name, 0) + 1
                continue
            row, regions = score(found, truth, body)
            rows.setdefault(name, []).append(row)
            angles.setdefault(name, []).append(regions)
            if each:
                print(f"{case.motion.clip.name:10} {case.motion.clip.description[:24]:24} {name:24} "
                      + " ".join(f"{value:8.2f}" for value in row), flush=True)  # fmt: skip
    lines = [report.head(["method", *_COLUMNS])]
    for name in METHODS:
        if name in rows:
            values = [*np.mean(rows[name], axis=0), lost.get(name, 0)]
            lines.append(report.row([name, *(form.format(value) for form, value in zip(_FORMS, values))]))
    names = [name for name in METHODS if name in rows]
    lines += ["", report.head(["angles, mean error in degrees", *names])]
    for region in next(iter(angles.values()))[0]:
        lines.append(report.row([region, *(f"{np.mean([one[region] for one in angles[name]]):.1f}" for name in names)]))
    return lines


def iterations(objectives: dict[str, list[dict[str, Way]]]) -> list[str]:
    """The table of what both starts need and where they end, in the mean over scenes; objectives: name -> ways of each scene."""
    lines = [report.head(["objective", "start", "iterations to the tolerance", "to 1 % over the best cost",
                          "cost at the end, over the best"])]  # fmt: skip
    for name, found in objectives.items():
        best = np.array([min(way.cost for way in one.values()) for one in found])
        for start in STARTS:
            ways_of = [one[start] for one in found]
            near = np.mean([way.until(1.01 * cost) for way, cost in zip(ways_of, best)])
            rise = np.mean(np.array([way.cost for way in ways_of]) / best) - 1
            lines.append(report.row([name, start, f"{np.mean([way.all for way in ways_of]):.1f}", f"{near:.1f}", f"{rise:+.2%}"]))
    return lines


def main(argv: list[str]) -> int:
    """Print the tables."""
    parser = report.parser("lift", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--weights", type=Path, help="of the network (default: the package's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=60, help="frames of a clip that are used")
    parser.add_argument("--each", action="store_true", help="print every scene's figures too")
    parser.add_argument("--without-network", action="store_true", help="the two methods that need none")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between their marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("open", "male"), None if given.without_network else load_lift(given.weights)
    cases = list(scenes(given.mocap, body, given.seed, given.longest))
    lines = [f"{len(cases)} motions of {given.mocap.name}, {sum(len(case.limbs) for case in cases)} frames, seed {given.seed}.", ""]
    lines += accuracy(cases, body, lift, given.each)
    if lift is not None:
        guesses = [lift(case.track, body, case.K, case.fps) for case in cases]
        found = {drawn: [ways(case.track, body, case.K, case.fps, guess, drawn) for case, guess in zip(cases, guesses)]
                 for drawn in (False, True)}  # fmt: skip
        lines += ["", *iterations({"pulls to the stance": found[False], "pulls to the network's poses": found[True]})]
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "lift", "\n".join(lines))
    return 0
