# SPDX-License-Identifier: GPL-3.0-or-later
"""Do fits know where they are wrong? `./bin/benchmark doubt [MOCAP_DIR] [--cameras FOOTAGE_DIR...] [--cache FILE.npz] [--write PAGE]`.

The scenes of `lift` (motion capture told with BlazePose's measured errors and made-up mishaps), and the calibrated cameras of `cameras`,
of each person that all of them see. Errors are those of shoulders, elbows and wrists, knees and ankles, hips aligned, of each frame and
limb. A Take's expected error and its confidence are compared with them within each clip: by Spearman's rank correlation, by the part of
the worst tenth that is in the worst tenth of what is told (a tenth, by chance), and by how much more the stretches that Blender lists are
off than all else. The landmarks of calibrated cameras are triangulated, so the truth has errors of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy.stats import spearmanr

from bin.benchmarks import report
from bin.benchmarks.ablation import scenes
from bin.benchmarks.cameras import find_footage
from bin.benchmarks.lift_cameras import tracks_of
from bin.benchmarks.mocap import SMALL_SET
from bin.benchmarks.multiview import reference, same_person
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender.engine.blazepose import HIPS, LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.fit import alone
from skel_blender.engine.fit.confidence import LANDMARKS_OF
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE
from skel_blender.engine.fit.people import fit_people
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.correction import corrected
from skel_blender.engine.regress.lift import Lift
from skel_blender.rig.doubt import stretches
from skel_blender.take import DOUBTED

_WORST = 0.1
_COLUMNS = ("footage", "measure", "rank correlation, limbs", "frames", "worst tenth found", "off in listed stretches mm", "elsewhere mm")


@dataclass(frozen=True)
class Clip:
    """Of the frames (T,) and limbs (5) of a clip, mm: what they are off by, and what was expected; confidence (T,)."""

    error: np.ndarray
    expected: np.ndarray
    confidence: np.ndarray


def fitted(track: Track, truth: np.ndarray, body: BodyModel, K: np.ndarray, fps: float, lift: Lift) -> Clip:
    """A track's fit against its landmarks' truth (T,33,3) m in camera axes, in the frames in which that is known."""
    guess = lift(track, body, K, fps)
    with patch.object(alone, "_EXPLAINED_M", inf):
        fits, view = fit_people([track], body, K, fps, guesses=[lambda _: guess])
    fit, R, t = fits[0], view.R.cpu().numpy(), view.t.cpu().numpy()
    found = BLAZEPOSE @ (posed(body, fit.state[:, 3:], fit.betas, fit.state[:, :3])[0] @ R.T + t)
    off = np.linalg.norm(metrics.centred(found, HIPS) - metrics.centred(truth, HIPS), axis=-1)
    error = np.stack([off[:, list(LANDMARKS_OF[limb])].mean(axis=1) for limb in DOUBTED], 1)
    known = np.isfinite(error).all(axis=1)
    confidence = np.minimum(track.visibility, fit.confidence)[known]  # as a Take has it
    return Clip(metrics.MM * error[known], metrics.MM * fit.expected_error[known], confidence)


def made_up(mocap: Path, body: BodyModel, lift: Lift, seed: int, longest: int) -> Iterator[Clip]:
    """The scenes of motion capture."""
    for case in scenes(mocap, body, seed, longest):
        truth = np.full((len(case.limbs), 33, 3), np.nan)
        truth[:, LIMBS] = case.limbs
        yield fitted(case.track, truth, body, case.K, case.fps, lift)


def filmed(folder: Path, body: BodyModel, lift: Lift, people: int, cache: Path | None) -> Iterator[list[Clip]]:
    """The most prominent people, each as the cameras see him alone."""
    videos, cameras = find_footage(folder)
    found, sizes, fps = tracks_of(videos, cache)
    for _ in range(people):
        tracks = same_person(found, cameras)
        found = [[one for one in crowd if one is not track] for crowd, track in zip(found, tracks)]
        frames, points, _ = reference(tracks, cameras)
        clips = []
        for track, camera, size in zip(tracks, cameras, sizes):
            truth = np.full((len(track.frames), 33, 3), np.nan)
            truth[frames - track.frames[0]] = points @ camera.R.T + camera.t
            K = intrinsics(size, focal_length=float(camera.K[0, 0]))
            clips.append(fitted(replace(track, landmarks_3d=corrected(track.landmarks_3d)), truth, body, K, fps, lift))
        yield clips


def rank(told: np.ndarray, error: np.ndarray) -> float:
    """Spearman's rank correlation, 0 where all is told to be the same."""
    return float(spearmanr(told.ravel(), error.ravel())[0]) if np.ptp(told) > 0 else 0.0


def found_of_worst(told: np.ndarray, error: np.ndarray) -> float:
    """The part of the worst tenth of all frames and limbs that is in the worst tenth of what is told; ties are broken at random."""
    count, ties = max(1, round(_WORST * error.size)), np.random.default_rng(0).random(error.size)
    worst, doubted = np.argsort(-error.ravel())[:count], np.lexsort((ties, -told.ravel()))[:count]
    return len(set(worst) & set(doubted)) / count


def listed(told: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Mean error mm in the stretches that Blender lists, and elsewhere; NaN where there are none."""
    inside = np.zeros(error.shape, dtype=bool)
    for stretch in stretches(told, np.arange(len(told))):
        inside[stretch.first : stretch.last + 1, stretch.limb] = True
    return float(error[inside].mean()) if inside.any() else np.nan, float(error[~inside].mean())


def rows(name: str, clips: list[Clip]) -> list[str]:
    """The lines of the table, of means over the clips."""
    lines = []
    ways = {"expected error": lambda clip: clip.expected, "confidence": lambda clip: np.repeat(1 - clip.confidence[:, None], 5, axis=1)}
    for way, tell in ways.items():
        values = [(rank(tell(clip), clip.error), rank(tell(clip).mean(1), clip.error.mean(1)), found_of_worst(tell(clip), clip.error),
                   *listed(tell(clip), clip.error)) for clip in clips]  # fmt: skip
        limbs, frames, worst, inside, outside = np.nanmean(values, axis=0)
        lines.append(report.row([name, way, f"{limbs:.2f}", f"{frames:.2f}", f"{worst:.0%}", f"{inside:.0f}", f"{outside:.0f}"]))
    return lines


def main(argv: list[str]) -> int:
    """Print the table, and how large expected errors are beside true ones."""
    parser = report.parser("doubt", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--cameras", nargs="*", type=Path, default=[], help="folders of four videos and their calibration")
    parser.add_argument("--people", nargs="*", type=int, default=[], help="how many people of each, by default one")
    parser.add_argument("--cache", nargs="*", type=Path, default=[], help="where the tracks of each are kept for another run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=60, help="frames of a clip of motion capture that are used")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between its marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("open", "male"), load_lift()
    groups = {f"{given.mocap.name}": list(made_up(given.mocap, body, lift, given.seed, given.longest))}
    for k, folder in enumerate(given.cameras):
        people, cache = (*given.people[k : k + 1], 1)[0], (*given.cache[k : k + 1], None)[0]
        for number, clips in enumerate(filmed(folder, body, lift, people, cache), start=1):
            groups[f"{folder.name}, person {number}"] = clips
    lines = [report.head(_COLUMNS)]
    for name, clips in groups.items():
        lines += rows(name, clips)
        error, expected = (np.concatenate([getattr(clip, part).ravel() for clip in clips]) for part in ("error", "expected"))
        print(f"{name}: {len(clips)} clips, true over expected error {np.median(error) / np.median(expected):.2f} (medians)", flush=True)
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "doubt", "\n".join(lines))
    return 0
