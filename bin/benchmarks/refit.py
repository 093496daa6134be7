# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a frame set by hand worth to its neighbours? `./bin/benchmark refit [MOCAP_DIR] [--write docs/solver.md]`.

The scenes of `ablation`, fitted as the program does from the lifting network. Then the frame in the middle of each is set by hand: to what
it was already, which should change nothing, and to the truth, as the best of animators would. `refit` fits a second either way again, as
the button in Blender does. Errors are those of twelve limb joints in the other frames, hips aligned.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from bin.benchmarks import report
from bin.benchmarks.ablation import SIZE, Scene, scenes
from bin.benchmarks.lift import truth_of
from bin.benchmarks.mocap import SMALL_SET
from bin.benchmarks.multiview import LIMB_HIPS
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.fit.alone import moved
from skel_blender.engine.fit.people import fit_people
from skel_blender.engine.refit import refit
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.lift import Lift
from skel_blender.kinematics import R_ZUP_YUP
from skel_blender.take import Camera, Corrections, Person, Take

_COLUMNS = ("the other frames", "MPJPE mm", "PA-MPJPE mm", "moved by mm", "most in a clip mm")
_REACH_S = 1.0


def taken(case: Scene, body: BodyModel, lift: Lift) -> Take | None:
    """The Take of a scene, as a reconstruction writes it; None if nobody was fitted."""
    track = case.track
    fits, view = fit_people([track], body, case.K, case.fps, guesses=[lift.seen(track, case.K, case.fps)])
    fit = fits[0]
    if fit is None:
        return None
    world_to_cam = np.eye(4)
    world_to_cam[:3, :3], world_to_cam[:3, 3] = view.R.numpy() @ R_ZUP_YUP.T, view.t.numpy()
    person = Person(
        "Person 1", body.name, track.frames, fit.state[:, 3:], fit.betas, fit.state[:, :3], np.minimum(track.visibility, fit.confidence),
        track.keypoints_2d, track.landmarks_3d, fit.reprojection_error, fit.contacts, body.rest_body(fit.betas),
        expected_error=fit.expected_error)  # fmt: skip
    camera = Camera(case.K, np.tile(world_to_cam, (len(track.frames), 1, 1)))
    return Take("scene.mp4", Fraction(round(case.fps)), track.frames, SIZE, camera, [person])


def true_frame(case: Scene, body: BodyModel, take: Take, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses (46,) and trans (3,) of the truth at a row of the track, on the Take's body and in its world."""
    truth, person = truth_of(case, body), take.people[0]
    to_cam = torch.as_tensor(take.camera.world_to_cam[0])
    R, t = to_cam[:3, :3] @ torch.as_tensor(R_ZUP_YUP), to_cam[:3, 3]
    state = torch.as_tensor(np.concatenate([truth.trans, truth.poses], 1))[row : row + 1]
    there = moved(body, state, torch.as_tensor(truth.betas)[None], R.T @ torch.as_tensor(truth.R), R.T @ (torch.as_tensor(truth.t) - t))
    pelvis = (body.shape(torch.as_tensor(betas)[None]).joints[0, 0] for betas in (truth.betas, person.betas))
    shift = next(pelvis) - next(pelvis)
    return there[0, 3:].numpy(), (there[0, :3] + shift).numpy()


def limbs(person: Person, body: BodyModel, take: Take) -> np.ndarray:
    """(T,12,3) m in camera axes."""
    to_cam = take.camera.world_to_cam[0]
    return posed(body, person.poses, person.betas, person.trans)[0][:, LIMBS] @ (to_cam[:3, :3] @ R_ZUP_YUP).T + to_cam[:3, 3]


def figures(case: Scene, body: BodyModel, lift: Lift) -> dict[str, list[float]] | None:
    """MPJPE, PA-MPJPE and how far the other frames moved, mm, by what was set."""
    take = taken(case, body, lift)
    if take is None:
        return None
    person = take.people[0]
    middle, reach = len(person.frames) // 2, round(_REACH_S * case.fps)
    first, end = max(middle - reach, 0), min(middle + reach + 1, len(person.frames))
    others = np.setdiff1d(np.arange(first, end), middle)
    poses, trans = true_frame(case, body, take, middle)
    found = {"as fitted": person}
    for name, pose, place in (("set to what it was", person.poses[middle], person.trans[middle]), ("set to the truth", poses, trans)):
        by_hand = Corrections(person.frames[[middle]], pose[None], place[None])
        found[name] = refit(take, 0, by_hand, (int(person.frames[first]), int(person.frames[end - 1]) + 1)).people[0]
    before, result = limbs(person, body, take)[others], {}
    for name, one in found.items():
        now = limbs(one, body, take)[others]
        off = metrics.mpjpe(now, case.limbs[others], LIMB_HIPS), metrics.pa_mpjpe(now, case.limbs[others])
        result[name] = [*off, metrics.MM * float(np.linalg.norm(now - before, axis=-1).mean())]
    return result


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = report.parser("refit", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=60, help="frames of a clip of motion capture that are used")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between its marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("open", "male"), load_lift()
    every = [one for case in scenes(given.mocap, body, given.seed, given.longest) if (one := figures(case, body, lift))]
    lines = [f"{len(every)} motions of {given.mocap.name}, seed {given.seed}.", "", report.head(_COLUMNS)]
    for name in every[0]:
        values = np.array([one[name] for one in every])
        means = [f"{value:.1f}" for value in values.mean(0)]
        lines.append(report.row([name, *means, f"{values[:, -1].max():.1f}"]))
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "refit", "\n".join(lines))
    return 0
