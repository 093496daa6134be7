# SPDX-License-Identifier: GPL-3.0-or-later
"""What BlazePose's metric landmarks get wrong always: `./bin/benchmark landmark_correction MOCAP_DIR [--out FILE.npz] [--count N]`.

The landmark network looks at pictures of the open body (`renders`: both sexes, many shapes, poses of MOCAP_DIR's train split, seen from
all around), whose landmarks are known. A linear map of a frame's 33 metric landmarks to what they lack is solved by ridge regression, and
scored on a fifth of the pictures, of other poses, that took no part. No real footage takes part either, so real cameras can judge it.
Each picture counts as its mirror image, too, so left and right are treated alike.
The file holds `weights` (100,99) float32: landmarks += [landmarks (99), 1] @ weights, metres, relative to mid-hip, in the axes of a camera
that points at the person and is rolled so that his trunk is upright in the image (`upright`), as the network's own window is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.mocap import read_clips, to_body
from bin.benchmarks.multiview import LIMB_HIPS
from bin.benchmarks.noise import toward
from bin.benchmarks.renders import look, picture
from bin.evaluation import metrics
from skel_blender import environment
from skel_blender.engine.blazepose import HIPS, LIMBS, PARTNERS
from skel_blender.engine.body import load_body
from skel_blender.engine.people.landmarker import Landmarker
from skel_blender.engine.regress.correction import upright

_RIDGE = 3.0
_HELD_OUT = 5  # every fifth clip is for scoring
_STRETCH, _EVERY = 180, 3  # frames of a clip that are taken, and which of them
_GOOD_M = 0.07  # a frame whose joints are farther from the mocap's is no pose that people take


def poses_of(mocap: Path, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N,46) rad of the train split, and the number (N,) of the clip that each is from."""
    body, poses, whose = load_body("open", "male"), [], []
    for number, clip in enumerate(read_clips(mocap, split="train")):
        first = int(rng.integers(0, max(1, len(clip.root) - _STRETCH)))
        part = clip.part(first, first + _STRETCH)
        motion = to_body(part, body)
        good = motion.poses[::_EVERY][motion.distance[::_EVERY].max(1) < _GOOD_M]
        poses.append(good)
        whose.append(np.full(len(good), number))
    return np.concatenate(poses), np.concatenate(whose)


def truth_of(points: np.ndarray) -> np.ndarray:
    """(N,33,3) camera points relative to mid-hip, in the axes of a camera that points at them."""
    hips = points[:, HIPS].mean(1)
    return np.einsum("nji,nkj->nki", toward(hips), points - hips[:, None])


def solve(landmarks: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(100,99) of landmarks and truth (N,33,3)."""
    landmarks, truth = (np.concatenate([points, points[:, PARTNERS] * [-1.0, 1.0, 1.0]]) for points in (landmarks, truth))
    roll = upright(landmarks)
    landmarks, truth = (points @ np.swapaxes(roll, 1, 2) for points in (landmarks, truth))
    known = _with_one(landmarks)
    return np.linalg.solve(known.T @ known + _RIDGE * np.eye(known.shape[1]), known.T @ (truth - landmarks).reshape(len(truth), -1))


def corrected(landmarks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N,33,3), of landmarks (N,33,3) relative to mid-hip."""
    roll = upright(landmarks)
    rolled = landmarks @ np.swapaxes(roll, 1, 2)
    return (rolled + (_with_one(rolled) @ weights).reshape(rolled.shape)) @ roll


def _with_one(landmarks: np.ndarray) -> np.ndarray:
    return np.concatenate([landmarks.reshape(len(landmarks), -1), np.ones((len(landmarks), 1))], 1)


def main(argv: list[str]) -> int:
    """Draw, look, solve, score and write."""
    parser = report.parser("landmark_correction", __doc__)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--count", type=int, default=2400, help="pictures")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    rng = np.random.default_rng(arguments.seed)
    poses, clips = poses_of(arguments.mocap, rng)
    bodies = [load_body("open", sex) for sex in ("male", "female")]
    landmarker = Landmarker(environment.landmark_model(environment.default_root()))
    seen, points, chosen = [], [], rng.integers(len(poses), size=arguments.count)
    for number in chosen:
        drawn = picture(bodies[rng.integers(2)], poses[number], rng)
        found = look(landmarker, drawn.image, drawn.pixels).landmarks_3d.astype(float)
        seen.append(found - found[HIPS].mean(0))
        points.append(drawn.points)
    seen, truth = np.array(seen), truth_of(np.array(points))
    held_out = clips[chosen] % _HELD_OUT == 0
    tried = solve(seen[~held_out], truth[~held_out])
    for name, found in (("as they are", seen[held_out]), ("corrected", corrected(seen[held_out], tried))):
        pair = found[:, LIMBS], truth[held_out][:, LIMBS]
        print(f"{len(found)} pictures held out, landmarks {name}: MPJPE {metrics.mpjpe(*pair, LIMB_HIPS):.1f} mm, "
              f"PA-MPJPE {metrics.pa_mpjpe(*pair):.1f} mm")  # fmt: skip
    if arguments.out:
        np.savez_compressed(arguments.out, weights=solve(seen, truth).astype(np.float32))
    return 0
