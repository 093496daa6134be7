# SPDX-License-Identifier: GPL-3.0-or-later
"""Knees of people whose angles are known: `./bin/benchmark gait OPENSIM_DIR [--weights FILE] [--cache FOLDER] [--write PAGE]`.

OPENSIM_DIR holds motions of OpenSim models (`TRIALS`), which are solved from markers: npz with `time`, `coordinate_names` and `coordinates`
(T,C) rad. Unlike joint centres of motion capture at large they have straight knees where people's are straight. The open body takes them
over, is drawn in a street and seen from around by the landmark network, and fitted with the lens known.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bin.benchmarks import renders, report
from bin.benchmarks.cameras import LEGS, bend, compare
from bin.benchmarks.drawn import drawn
from bin.benchmarks.posing import posed
from bin.benchmarks.starts import METHODS, fitted
from skel_blender import environment
from skel_blender.anatomy import DOF_INDEX, LIMITS_ANATOMICAL, Q
from skel_blender.engine.blazepose import ACROSS, LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE
from skel_blender.engine.people.landmarker import Landmarker
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.correction import corrected
from skel_blender.engine.regress.lift import Lift

# Motion -> trials: file, first second, seconds.
TRIALS = {
    "walking": (("opencap_s4/walking1", 0.0, 1.3), ("rajagopal_walk/walk", 0.0, 1.3)),
    "squats": (("opencap_s4/squats1", 1.6, 2.4),),
    "sitting down": (("opencap_s4/STS1", 1.2, 2.4),),
}
VIEWS = {"front": ((0, 5), (0, 25)), "front, 45 deg": ((45, 5),), "side": ((90, 5),), "back, 45 deg": ((135, 5),),
         "back": ((180, 5), (180, 25))}  # degrees about the vertical, and down  # fmt: skip
_SIZE, _FOCAL, _DISTANCE_M, _MIDDLE_M, _FPS = (480, 480), 600.0, 3.6, 0.95, 25.0
_SPINE = {"extension": "lumbar_extension", "bending": "lumbar_bending", "twist": "lumbar_rotation"}  # OpenSim's one joint, for two
_ARMS_DOWN, _SPREAD = np.radians(72.0), 0.8
_KNEES = [DOF_INDEX["knee_angle_l"], DOF_INDEX["knee_angle_r"]]
_BENDS = {"knees straighter than 15 deg": (0, 15), "knees bent by 60 deg or more": (60, 180)}
_FITS = METHODS[1], METHODS[3]  # which are also scored by all limbs; knees by the corrected landmarks, METHODS[1], [2] and [3]


@dataclass(frozen=True)
class Motion:
    """Of the open body over the floor y = 0: poses (T,46) rad, betas (10,), trans (T,3) m."""

    poses: np.ndarray
    betas: np.ndarray
    trans: np.ndarray


def read(path: Path, first: float, seconds: float, body: BodyModel, rng: np.random.Generator) -> Motion:
    """A trial on a body of random shape. Angles that both models have are the same; the lowest point of the soles rests in every frame."""
    with np.load(path) as file:
        names, values, time = [str(name) for name in file["coordinate_names"]], file["coordinates"], file["time"] - file["time"][0]
    when = np.arange(first, min(time[-1], first + seconds), 1 / _FPS)
    told = {name: np.interp(when, time, values[:, column]) for column, name in enumerate(names)}
    poses = np.zeros((len(when), Q))
    for name in DOF_INDEX.keys() & told.keys():
        poses[:, DOF_INDEX[name]] = told[name]
    for way, name in _SPINE.items():
        for part in ("lumbar", "thorax"):
            poses[:, DOF_INDEX[f"{part}_{way}"]] = 0.5 * told[name]
    for side, outward in (("r", 1), ("l", -1)):
        poses[:, DOF_INDEX[f"shoulder_{side}_x"]] = outward * _ARMS_DOWN
        poses[:, DOF_INDEX[f"shoulder_{side}_z"]] = told[f"arm_flex_{side}"]
        poses[:, DOF_INDEX[f"elbow_flexion_{side}"]] = told[f"elbow_flex_{side}"]
    poses = np.clip(poses, *np.array(LIMITS_ANATOMICAL).T)
    betas = np.clip(_SPREAD * rng.normal(size=body.J_shapedirs.shape[-1]), -2, 2)
    soles = posed(body, poses, betas, np.zeros((len(poses), 3)))[1]
    lowest = soles[..., 1].argmin(1)
    rows = np.arange(1, len(poses))
    steps = soles[rows - 1, lowest[1:]] - soles[rows, lowest[1:]]
    trans = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    trans[:, 1] = -soles[np.arange(len(poses)), lowest, 1]
    return Motion(poses, betas, trans - [1, 0, 1] * trans.mean(0))


def camera(turn: float, down: float) -> tuple[np.ndarray, np.ndarray]:
    """R (3,3) and eye (3,) m of one that looks at the middle of a person, from so many degrees about him and above him."""
    R = renders.around(np.radians(turn), np.radians(down))
    return R, np.array([0, _MIDDLE_M, 0]) - _DISTANCE_M * R[2]


def seen(landmarker: Landmarker, motion: Motion, body: BodyModel, R: np.ndarray, eye: np.ndarray, kept: Path | None) -> Track:
    """What the landmark network says of a motion; what was `kept` is not drawn again. Metric landmarks are as it says them."""
    if kept is None or not kept.exists():
        count, K = len(motion.poses), intrinsics(_SIZE, focal_length=_FOCAL)
        points = (posed(body, motion.poses, motion.betas, motion.trans)[0] - eye) @ R.T @ K.T
        pixels = points[..., :2] / points[..., 2:]
        images = drawn(motion.poses, motion.betas, motion.trans, body, np.tile(R, (count, 1, 1)), np.tile(eye, (count, 1)), K, _SIZE,
                       np.random.default_rng(0))  # fmt: skip
        poses = [renders.look(landmarker, image, where) for image, where in zip(images, pixels)]
        found = {name: np.array([getattr(pose, name) for pose in poses], float) for name in ("keypoints_2d", "landmarks_3d", "outline")}
        if kept is None:
            return _track(**found)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(kept, **found)
    with np.load(kept) as file:
        return _track(file["keypoints_2d"], file["landmarks_3d"], file["outline"])


def _track(keypoints_2d: np.ndarray, landmarks_3d: np.ndarray, outline: np.ndarray) -> Track:
    return Track(np.arange(len(keypoints_2d)), keypoints_2d, corrected(landmarks_3d), np.ones(len(keypoints_2d), bool),
                 outline=outline[:, list(ACROSS)])  # fmt: skip


def knees(track: Track, motion: Motion, body: BodyModel, R: np.ndarray, eye: np.ndarray, lift: Lift) -> tuple[np.ndarray, np.ndarray]:
    """Degrees (5,2T) of both knees: the truth, the corrected landmarks, and METHODS[1:]; and mm (2,2), MPJPE and PA-MPJPE of _FITS."""
    K = intrinsics(_SIZE, focal_length=_FOCAL)
    truth = ((BLAZEPOSE @ posed(body, motion.poses, motion.betas, motion.trans)[0])[:, LIMBS] - eye) @ R.T
    guess = lift(track, body, K, _FPS)
    told = [motion.poses[:, _KNEES], np.radians(bend_of(track.landmarks_3d))]
    rows = []
    for start in (None, guess):
        fit = fitted(track, body, K, _FPS, start)
        if fit is None:
            raise SystemExit("A fit gave up.")
        limbs = (BLAZEPOSE @ posed(body, fit.poses, fit.betas, fit.trans)[0])[:, LIMBS] @ fit.R.T + fit.t
        one = compare(limbs, truth)
        rows.append((one.mpjpe, one.pa_mpjpe))
        told += [fit.poses[:, _KNEES], guess.poses[:, _KNEES]] if start is None else [fit.poses[:, _KNEES]]
    return np.degrees(np.array(told)).reshape(len(told), -1), np.array(rows)


def bend_of(landmarks: np.ndarray) -> np.ndarray:
    """(T,2) degrees of the left and the right knee of landmarks (T,33,3)."""
    return np.stack([bend(landmarks[:, list(leg)]) for leg in LEGS], 1)


def main(argv: list[str]) -> int:
    """Draw, look, fit, and print the tables."""
    parser = report.parser("gait", __doc__)
    parser.add_argument("trials", type=Path, help="folder of the motions")
    parser.add_argument("--weights", type=Path, help="of the network (default: the package's)")
    parser.add_argument("--cache", type=Path, help="where what the landmark network said is kept for another run")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between their marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("open", "male"), load_lift(given.weights)
    landmarker = Landmarker(environment.landmark_model(environment.default_root()))
    heads = (*(f"{name}: too bent by deg" for name in _BENDS), *(f"{name}: MPJPE, PA-MPJPE mm" for name in _FITS))
    lines = [report.head(["motion", "seen from", *heads])]
    for kind, trials in TRIALS.items():
        motions = {name: read(given.trials / f"{name}.npz", first, seconds, body, np.random.default_rng(number))
                   for number, (name, first, seconds) in enumerate(trials)}  # fmt: skip
        for view, cameras in VIEWS.items():
            found = []
            for (name, motion), (around, down) in itertools.product(motions.items(), cameras):
                R, eye = camera(around, down)
                kept = given.cache and given.cache / f"{name.replace('/', '_')}_{around}_{down}.npz"
                found.append(knees(seen(landmarker, motion, body, R, eye, kept), motion, body, R, eye, lift))
            truth, *told = np.concatenate([angles for angles, _ in found], 1)
            chosen = [(truth >= low) & (truth < up) for low, up in _BENDS.values()]
            cells = ["; ".join(f"{(one - truth)[rows].mean():+.0f}" for one in told) for rows in chosen]
            cells += [f"{mpjpe:.0f}, {pa:.0f}" for mpjpe, pa in np.mean([off for _, off in found], 0)]
            lines.append(report.row([kind, view, *cells]))
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "gait", "\n".join(lines))
    return 0
