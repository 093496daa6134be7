# SPDX-License-Identifier: GPL-3.0-or-later
"""What people tell of a lens: `./bin/benchmark lens [MOCAP_DIR] [--clip FILE FOCAL_PX FRAMES ...] [--write docs/camera.md]`.

Motion capture (the small set of tests/data by default) on a floor before made-up cameras that stand still, of 30 to 90 degrees, told with
BlazePose's measured errors (`noise`). The fit is not told the lens: it assumes 60 degrees, unless people tell it otherwise. Where they do,
it is fitted again with the assumption. With --clip footage of a known focal length is reconstructed, frames A:B or `all`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.ablation import SIZE
from bin.benchmarks.mocap import SMALL_SET, BodyMotion, read_clips, to_body
from bin.benchmarks.multiview import LIMB_HIPS
from bin.benchmarks.noise import synthesize
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender import environment
from skel_blender.engine.__main__ import frame_range
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import R_CAM_LEVEL, intrinsics
from skel_blender.engine.fit import alone, people
from skel_blender.engine.people.tracks import Track, cut_to_image
from skel_blender.engine.pipeline import Options, reconstruct
from skel_blender.engine.regress import load_lift
from skel_blender.kinematics import axis_rotation

_FOV, _EYE_M = (30.0, 90.0), (1.4, 5.0)
_TALL = (0.22, 0.4)  # part of the image's height that somebody in the middle takes
_NEAR_FAR, _ASIDE = (0.75, 1.6), 0.4  # of the middle's distance, and of half the width there
_INSIDE, _TRIES = 0.75, 50  # least part of somebody's landmarks that must be in the image
_WALKS, _LONGEST, _SHORTEST = ("walk", "run", "dribble"), 120, 30
_COLUMNS = ("who", "clips", "found", "focal length off %, assumed", "found", "in its own deviations", "root's way off %, assumed", "found",
            "MPJPE mm, assumed", "found")  # fmt: skip
_CLIP_COLUMNS = ("footage", "people", "focal length px", "assumed", "off %", "found", "off %", "its own deviation %")


@dataclass(frozen=True)
class Shot:
    """People before one camera: their tracks and limbs (T,12,3) m in camera axes; K (3,3) px."""

    tracks: list[Track]
    limbs: list[np.ndarray]
    K: np.ndarray
    fps: float


@dataclass(frozen=True)
class Told:
    """What a fit made of a shot: the logarithm of its focal length over the true one, its own deviation (NaN: assumed), and the fit's
    figures: the way of the roots, as a part of the true one, off by, and MPJPE in mm."""

    off: float
    spread: float
    way: float
    mpjpe: float


def film(motions: list[BodyMotion], body: BodyModel, count: int, rng: np.random.Generator) -> Shot:
    """A camera that looks at a floor, and `count` of the motions somewhere on it."""
    K = intrinsics(SIZE, fov_degrees=rng.uniform(*_FOV))
    eye, middle = rng.uniform(*_EYE_M), 1.7 * K[0, 0] / (SIZE[1] * rng.uniform(*_TALL))
    R = axis_rotation(np.array([1.0, 0, 0]), np.array(np.arctan2(eye - 0.9, middle))) @ R_CAM_LEVEL
    shown: list[tuple[Track, np.ndarray]] = []
    for _ in range(_TRIES):
        if len(shown) == count:
            break
        motion = motions[rng.integers(len(motions))]
        markers = posed(body, motion.poses, motion.betas, motion.trans)[0]
        turn = axis_rotation(np.array([0.0, 1, 0]), np.array(rng.uniform(0, 2 * np.pi)))
        away = middle * rng.uniform(*_NEAR_FAR)
        aside = away * rng.uniform(-_ASIDE, _ASIDE) * SIZE[0] / K[0, 0]
        placed = (markers - markers[:, [23, 24]].mean((0, 1)) * [1, 0, 1]) @ turn.T + [aside, 0, -away]
        seen = (placed - [0, eye, 0]) @ R.T
        pixels = seen @ K.T
        inside = ((pixels[..., :2] >= 0) & (pixels[..., :2] < np.array(SIZE) * pixels[..., 2:])).all(-1)
        if seen[..., 2].min() < 1.0 or inside.mean() < _INSIDE:
            continue
        keypoints, landmarks, observed = synthesize(seen, K, rng, motion.clip.fps)
        track = cut_to_image(Track(np.arange(len(seen)), keypoints, landmarks, observed), SIZE)
        if len(track.frames) >= _SHORTEST:
            shown.append((track, seen[track.frames][:, LIMBS]))
    return Shot([track for track, _ in shown], [limbs for _, limbs in shown], K, motions[0].clip.fps)


def score(shot: Shot, body: BodyModel, ask: bool) -> Told:
    """Fit it; `ask` people for the lens, or assume it."""
    assumed, told, lift = intrinsics(SIZE), [], load_lift()
    guesses = [lift.seen(track, assumed, shot.fps) for track in shot.tracks]
    with patch.object(alone, "_EXPLAINED_M", np.inf):
        fits, view = people.fit_people(shot.tracks, body, assumed, shot.fps, guesses=guesses,
                                       on_lens=(lambda *answer: told.append(answer)) if ask else None)  # fmt: skip
    ways, errors = [], []
    for fit, true in zip(fits, shot.limbs):
        found = posed(body, fit.state[:, 3:], fit.betas, fit.state[:, :3])[0][:, LIMBS] @ view.R.numpy().T + view.t.numpy()
        roots, true_roots = (limbs[:, list(LIMB_HIPS)].mean(1) for limbs in (found, true))
        turned = metrics.similarity(roots[None], true_roots[None], scale=False)[0]
        ways.append(np.linalg.norm(turned - true_roots, axis=1).mean() / np.linalg.norm(true_roots - true_roots.mean(0), axis=1).mean())
        errors.append(metrics.mpjpe(found, true, LIMB_HIPS))
    off = float(np.log(view.K[0, 0].item() / shot.K[0, 0]))
    return Told(off, told[0][1] if told else np.nan, float(np.mean(ways)), float(np.mean(errors)))


def made_up(motions: list[BodyMotion], body: BodyModel, shots: int, seed: int) -> Iterator[str]:
    """The table of the made-up cameras."""
    yield report.head(_COLUMNS)
    walks = [motion for motion in motions if any(word in motion.clip.description for word in _WALKS)]
    stay = [motion for motion in motions if "boxing" in motion.clip.description]
    kinds = (("one stays", stay, 1), ("one walks", walks, 1), ("three walk", walks, 3), ("six walk", walks, 6))
    for number, (who, cast, count) in enumerate(kinds):
        cases = [film(cast, body, count, np.random.default_rng([seed, number, k])) for k in range(shots)]
        asked = [(case, score(case, body, True)) for case in cases if case.tracks]
        pairs = [(score(case, body, False), told) for case, told in asked if np.isfinite(told.spread)]
        figures = np.array([[[one.off, one.spread, one.way, one.mpjpe] for one in pair] for pair in pairs]).reshape(-1, 2, 4)
        cells = [""] * 7
        if len(pairs):
            off = 100 * np.expm1(np.abs(figures[:, :, 0])).mean(0)
            cells = [f"{off[0]:.0f}", f"{off[1]:.0f}", f"{np.sqrt(np.mean((figures[:, 1, 0] / figures[:, 1, 1]) ** 2)):.1f}"]
            cells += [f"{100 * value:.0f}" for value in figures[:, :, 2].mean(0)] + [f"{value:.0f}" for value in figures[:, :, 3].mean(0)]
        yield report.row([who, len(asked), len(pairs), *cells])


def clip_row(clip: str, focal: str, frames: str) -> str:
    """A line of footage whose lens is known to us alone."""
    events: list = []
    root = environment.default_root()
    options = Options((clip,), str(environment.landmark_model(root)), (None, None) if frames == "all" else frame_range(frames),
                      memory=str(root / "footage"))  # fmt: skip
    spreads: list[float] = []
    real = people.told_focal

    def spy(folk: list) -> tuple[float, float]:
        answer = real(folk)
        spreads.append(answer[1])
        return answer

    with patch.object(people, "told_focal", spy):
        take = reconstruct(options, events.append)
    true, assumed, told = float(focal), intrinsics(take.image_size)[0, 0], take.camera.K[0, 0]
    off = [f"{100 * np.expm1(np.log(value / true)):+.0f}" for value in (assumed, told)]
    answer = [f"{told:.0f}", off[1]] if told != assumed else ["not found", ""]
    return report.row([Path(clip).name, len(take.people), f"{true:.0f}", f"{assumed:.0f}", off[0], *answer, f"{100 * spreads[0]:.0f}"])


def main(argv: list[str]) -> int:
    """Print the tables, and put them into a page."""
    parser = report.parser("lens", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--shots", type=int, default=12, help="made-up cameras for each line")
    parser.add_argument("--clip", nargs=3, action="append", default=[], metavar=("FILE", "FOCAL_PX", "FRAMES"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    options = parser.parse_args(argv)
    body, lines = load_body("male"), []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    if options.shots:
        wanted = (clip for clip in read_clips(options.mocap) if any(word in clip.description for word in (*_WALKS, "boxing")))
        for line in made_up([to_body(clip.part(0, _LONGEST), body) for clip in wanted], body, options.shots, options.seed):
            say(line)
    if options.write and lines:
        report.write(options.write, "lens", "\n".join(lines))
    lines.clear()
    if options.clip:
        say(report.head(_CLIP_COLUMNS))
        for clip in options.clip:
            say(clip_row(*clip))
        if options.write:
            report.write(options.write, "lens-clips", "\n".join(lines))
    return 0
