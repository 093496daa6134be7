# SPDX-License-Identifier: GPL-3.0-or-later
"""People before a camera that leaves its place: `./bin/benchmark travel [MOCAP_DIR] [--write docs/camera.md]`.

Motion capture (the small set of tests/data by default, else the test split of MOCAP_DIR) is seen by made-up cameras that go along, and told
with BlazePose's measured errors (`noise`). The fit knows the lens, the turns and the path, but not how long it is. Each clip is also fitted
with the path's true length, and as if the camera only turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy.ndimage import gaussian_filter1d

from bin.benchmarks import report
from bin.benchmarks.ablation import SIZE
from bin.benchmarks.mocap import SMALL_SET, BodyMotion, read_clips, to_body
from bin.benchmarks.multiview import LIMBS
from bin.benchmarks.noise import synthesize
from bin.benchmarks.posing import posed
from skel_blender.engine import metrics
from skel_blender.engine.background.motion import about_middle
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import CameraMotion, intrinsics
from skel_blender.engine.fit import people
from skel_blender.engine.tracks import Track

_FOV, _DISTANCE_M, _EYE_M = 60.0, 3.5, 1.5
_HAND_M, _HAND_S = 0.04, 0.25  # how a hand that carries a camera sways: deviation, and the time that smooths it
_UNIT_M = 2.7  # of the paths
_LONGEST = 240  # frames
_COLUMNS = ("camera", "clips", "goes m", "size off %, median", "most", "joints off mm", "true size", "turns alone", "foot slide mm/f",
            "true size", "turns alone")  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """A motion before a camera that goes: joints (T,12,3) and soles (T,6,3) in the world, m, y up, floor y = 0; the camera R (T,3,3),
    eye (T,3), and what is told of both."""

    limbs: np.ndarray
    resting: np.ndarray
    eye: np.ndarray
    track: Track
    motion: CameraMotion
    fps: float


def paths(pelvis: np.ndarray, fps: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Kind of camera -> eye (T,3) m beside a pelvis (T,3) m that it follows or not."""
    count = len(pelvis)
    way = gaussian_filter1d(pelvis, fps, axis=0, mode="nearest") * [1, 0, 1]
    part = np.linspace(-0.5, 0.5, count)
    sway = _HAND_M * _unit(gaussian_filter1d(rng.normal(size=(count, 3)), _HAND_S * fps, axis=0))
    start = rng.uniform(0, 2 * np.pi)

    def around(angle: np.ndarray) -> np.ndarray:
        return np.stack([_DISTANCE_M * np.sin(angle), np.full(count, _EYE_M), _DISTANCE_M * np.cos(angle)], 1)

    aside = around(np.full(count, start))
    return {
        "in the hand": way.mean(0) + aside + sway,
        "goes along": way + aside + sway,
        "goes around by 90 degrees": way.mean(0) + around(start + part * np.pi / 2) + sway,
        "goes by, 2 m": way.mean(0) + aside + sway + 2 * part[:, None] * [np.cos(start), 0, -np.sin(start)],
        "comes nearer, 1.5 m": way.mean(0) + (1.0 - 1.5 / _DISTANCE_M * part[:, None] * [1, 0, 1]) * aside + sway,
    }


def _unit(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(0)) / values.std(0)


def shot(motion: BodyMotion, body: BodyModel, kind: str, rng: np.random.Generator) -> Shot:
    """What a camera of a kind sees that keeps the person in the middle."""
    markers, soles = posed(body, motion.poses, motion.betas, motion.trans)
    fps, pelvis = motion.clip.fps, markers[:, [23, 24]].mean(1)
    eye = paths(pelvis, fps, rng)[kind]
    ahead = gaussian_filter1d(pelvis, 0.3 * fps, axis=0, mode="nearest") - [0, 0.1, 0] - eye
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    right = np.cross(ahead, [0, 1.0, 0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    R = np.stack([right, np.cross(ahead, right), ahead], axis=1)
    K = intrinsics(SIZE, fov_degrees=_FOV)
    seen = (markers - eye[:, None]) @ R.swapaxes(-1, -2)
    keypoints, landmarks, observed = synthesize(seen, K, rng, fps)
    keypoints[~((keypoints[..., :2] >= 0) & (keypoints[..., :2] < SIZE)).all(-1), 2] = 0
    turns = about_middle(R)
    axes = turns[0].T @ R[0]  # the view's, in the world
    told = CameraMotion(0, K, turns, np.ones(len(R)), (eye - eye.mean(0)) @ axes.T / _UNIT_M)
    speed = np.linalg.norm(np.gradient(soles, axis=0), axis=-1) * fps
    resting = (soles[..., 1] < 0.03) & (speed < 0.25)
    return Shot(markers[:, list(LIMBS)], resting, eye, Track(np.arange(len(R)), keypoints, landmarks, observed), told, fps)


def score(case: Shot, body: BodyModel, size: float | None) -> tuple[float, float, float] | None:
    """The path's size over the true one, joints off after one turn and shift over all frames, mm, and foot slide, mm a frame; with the size
    told by the feet, or given, 0 for a camera that only turns. None where the fit gives up."""
    told = people.path_size if size is None else lambda steps, fps: size
    with patch.object(people, "path_size", told):
        fits, view = people.fit_people([case.track], body, case.motion.K, case.fps, motion=case.motion)
    if fits[0] is None:
        return None
    fit = fits[0]
    markers, soles = posed(body, fit.state[:, 3:], fit.betas, fit.state[:, :3])
    found = metrics.similarity(markers[:, list(LIMBS)].reshape(1, -1, 3), case.limbs.reshape(1, -1, 3), scale=False)
    eye = view.eye.cpu().numpy()
    went, true = (np.linalg.norm(np.diff(path, axis=0), axis=1).sum() for path in (eye, case.eye))
    return went / true, metrics.mpjpe(found, case.limbs.reshape(1, -1, 3), roots=None), metrics.foot_slide(soles, case.resting)


def main(argv: list[str]) -> int:
    """Every kind of camera before every clip."""
    parser = report.parser("travel", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    options = parser.parse_args(argv)
    body = load_body("male")
    motions = [to_body(clip.part(0, _LONGEST), body) for clip in read_clips(options.mocap)]
    lines = [report.head(_COLUMNS)]
    print(lines[0], flush=True)
    for kind in paths(np.zeros((9, 3)), 30.0, np.random.default_rng(0)):
        shots = [shot(motion, body, kind, np.random.default_rng([options.seed, number])) for number, motion in enumerate(motions)]
        scores = [[score(case, body, size) for size in (None, _UNIT_M, 0.0)] for case in shots]
        kept = np.array([each for each in scores if None not in each])  # (n, way, figure)
        off = 100 * np.abs(kept[:, 0, 0] - 1)
        goes = np.mean([np.linalg.norm(np.diff(case.eye, axis=0), axis=1).sum() for case in shots])
        means = np.nanmean(kept, axis=0)
        lines.append(report.row([kind, f"{len(kept)} of {len(shots)}", f"{goes:.1f}", f"{np.median(off):.0f}", f"{off.max():.0f}",
                                 *(f"{value:.0f}" for value in means[:, 1]), *(f"{value:.1f}" for value in means[:, 2])]))  # fmt: skip
        print(lines[-1], flush=True)
    if options.write:
        report.write(options.write, "travel", "\n".join(lines))
    return 0
