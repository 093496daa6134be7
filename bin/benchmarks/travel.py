# SPDX-License-Identifier: GPL-3.0-or-later
"""People before a camera that leaves its place: `./bin/benchmark travel [MOCAP_DIR] [--drawn] [--write docs/camera.md]`.

Motion capture (the small set of tests/data by default, else the test split of MOCAP_DIR) is seen by made-up cameras that go along, and told
with BlazePose's measured errors (`noise`). The fit starts from the lifting network and knows the lens, the turns and the path, but not how
long it is. Each clip is also fitted with the path's true length, and as if the camera only turned. With --drawn some of them are drawn
before such cameras in a street, and reconstructed from the footage alone but for the lens, and as if the camera stood still.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy.ndimage import gaussian_filter1d

from bin.benchmarks import report
from bin.benchmarks.ablation import SIZE
from bin.benchmarks.drawn import drawn
from bin.benchmarks.mocap import SMALL_SET, BodyMotion, read_clips, to_body
from bin.benchmarks.noise import synthesize
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender import environment
from skel_blender.engine.background.motion import about_middle
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import CameraMotion, intrinsics
from skel_blender.engine.fit import people
from skel_blender.engine.imports.fit_motion import foot_slide
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.pipeline import Options, reconstruct
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.lift import Lift
from skel_blender.kinematics import y_up
from tests.virtual_camera import write_clip

_FOV, _DISTANCE_M, _EYE_M = 60.0, 3.5, 1.5
_HAND_M, _HAND_S = 0.04, 0.25  # how a hand that carries a camera sways: deviation, and the time that smooths it
_UNIT_M = 2.7  # of the paths
_LONGEST = 240  # frames
_COLUMNS = ("camera", "clips", "travels m", "size off %, median", "most", "joints off mm", "true size", "turns alone", "foot slide mm/f",
            "true size", "turns alone")  # fmt: skip
_DRAWN = ((0, "goes along"), (1, "goes along"), (6, "goes around by 90 degrees"))  # numbers of clips of the small set, and cameras
_DRAWN_COLUMNS = ("camera", "s", "travels m", "size off %", "joints off mm", "treated as still", "foot slide mm/f", "treated as still")


@dataclass(frozen=True)
class Filmed:
    """A motion before a camera that goes: joints (T,12,3), m, y up, floor y = 0, resting (T,6) soles; the camera R (T,3,3), eye (T,3), and
    what is told of both."""

    limbs: np.ndarray
    resting: np.ndarray
    R: np.ndarray
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


def film(motion: BodyMotion, body: BodyModel, kind: str, rng: np.random.Generator) -> Filmed:
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
    return Filmed(markers[:, LIMBS], resting, R, eye, Track(np.arange(len(R)), keypoints, landmarks, observed), told, fps)


def score(case: Filmed, body: BodyModel, lift: Lift, size: float | None) -> tuple[float, float, float] | None:
    """Figures of the fit, with the path's size told by the feet, or given, 0 for a camera that only turns; None where the fit gives up."""
    told = people.path_size if size is None else lambda *told: size
    first = lift.seen(case.track, case.motion.lenses(case.track.frames), case.fps)
    with patch.object(people, "path_size", told):
        fits, view = people.fit_people([case.track], body, case.motion.K, case.fps, guesses=[first], motion=case.motion)
    return None if fits[0] is None else _figures(case, body, fits[0].state, fits[0].betas, view.eye.cpu().numpy())


def reconstructed(case: Filmed, clip: Path, body: BodyModel, camera: str) -> tuple[float, float, float]:
    """Figures of a clip that was drawn of the case, reconstructed."""
    take = reconstruct(Options((str(clip),), str(environment.landmark_model(environment.default_root())), fov=_FOV, camera=camera))
    who = take.people[0]
    whole = np.searchsorted(take.frames, who.frames)
    seen = replace(case, limbs=case.limbs[whole], resting=case.resting[whole])
    eye = y_up(np.linalg.inv(take.camera.world_to_cam)[:, :3, 3])
    return _figures(seen, body, np.concatenate([who.trans, who.poses], axis=1), who.betas, eye)


def _figures(case: Filmed, body: BodyModel, state: np.ndarray, betas: np.ndarray, eye: np.ndarray) -> tuple[float, float, float]:
    """The path's length over the true one, joints off after one turn and shift over all frames, mm, and foot slide, mm a frame."""
    markers, soles = posed(body, state[:, 3:], betas, state[:, :3])
    true = case.limbs.reshape(1, -1, 3)
    found = metrics.similarity(markers[:, LIMBS].reshape(1, -1, 3), true, scale=False)
    return _length(eye) / _length(case.eye), metrics.mpjpe(found, true, roots=None), foot_slide(soles, case.resting)


def _length(path: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def told_rows(motions: list[BodyMotion], body: BodyModel, seed: int) -> Iterator[str]:
    """Every kind of camera before every motion, landmarks made up."""
    yield report.head(_COLUMNS)
    lift = load_lift()
    for kind in paths(np.zeros((9, 3)), 30.0, np.random.default_rng(0)):
        cases = [film(motion, body, kind, np.random.default_rng([seed, number])) for number, motion in enumerate(motions)]
        scores = [[score(case, body, lift, size) for size in (None, _UNIT_M, 0.0)] for case in cases]
        kept = np.array([each for each in scores if None not in each])  # (n, way, figure)
        off = 100 * np.abs(kept[:, 0, 0] - 1)
        goes, means = np.mean([_length(case.eye) for case in cases]), np.nanmean(kept, axis=0)
        yield report.row([kind, f"{len(kept)} of {len(cases)}", f"{goes:.1f}", f"{np.median(off):.0f}", f"{off.max():.0f}",
                          *(f"{value:.0f}" for value in means[:, 1]), *(f"{value:.1f}" for value in means[:, 2])])  # fmt: skip


def drawn_rows(motions: list[BodyMotion], body: BodyModel, seed: int) -> Iterator[str]:
    """Some of them drawn and reconstructed."""
    yield report.head(_DRAWN_COLUMNS)
    for number, kind in _DRAWN:
        rng = np.random.default_rng([seed, number])
        case = film(motions[number], body, kind, rng)
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "drawn.mp4"
            one = motions[number]
            write_clip(clip, drawn(one.poses, one.betas, one.trans, body, case.R, case.eye, case.motion.K, SIZE, rng), case.fps, SIZE)
            (size, off, slide), (_, still, still_slide) = (reconstructed(case, clip, body, camera) for camera in ("auto", "still"))
        yield report.row([kind, f"{len(case.eye) / case.fps:.1f}", f"{_length(case.eye):.1f}", f"{100 * abs(size - 1):.0f}", f"{off:.0f}",
                          f"{still:.0f}", f"{slide:.1f}", f"{still_slide:.1f}"])  # fmt: skip


def main(argv: list[str]) -> int:
    """Print the tables, and put them into a page."""
    parser = report.parser("travel", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    options = parser.parse_args(argv)
    body = load_body("male")
    motions = [to_body(clip.part(0, _LONGEST), body) for clip in read_clips(options.mocap)]
    mark, rows = ("drawn", drawn_rows) if options.drawn else ("travel", told_rows)
    lines = []
    for line in rows(motions, body, options.seed):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        report.write(options.write, mark, "\n".join(lines))
    return 0
