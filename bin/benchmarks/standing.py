# SPDX-License-Identifier: GPL-3.0-or-later
"""Knees of people who wait: `./bin/benchmark standing FOOTAGE_DIR [--cache FILE.npz] [--write PAGE]`.

FOOTAGE_DIR holds calibrated cameras as `cameras` wants them; in Demo_MultiPerson of Pose2Sim a woman stands in the background, whom two
see. Whoever two cameras see standing still is triangulated, and fitted in each of the two alone, with its focal length known: with what
`engine/fit/quiet.py` says of people who wait, and without.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.cameras import LEGS, bend, compare, find_footage
from bin.benchmarks.lift_cameras import tracks_of
from bin.benchmarks.multiview import CalibratedCamera, triangulate
from bin.benchmarks.posing import posed
from skel_blender.anatomy import DOF_INDEX
from skel_blender.engine.blazepose import HIPS, LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.fit import people
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.correction import corrected
from skel_blender.engine.regress.lift import Lift

_MEETS_PX, _SEEN, _STILL_M = 5.0, 0.9, 0.1  # landmarks of one person meet, in so many frames, and his hips stay within
_COLUMNS = ("camera", "frames", "knees by two cameras, deg", "without", "with", "MPJPE mm without", "with", "PA-MPJPE mm without", "with")
_KNEES = [DOF_INDEX["knee_angle_l"], DOF_INDEX["knee_angle_r"]]


def waiting(found: list[list[Track]], cameras: list[CalibratedCamera]) -> Iterator[tuple[int, Track, np.ndarray, np.ndarray]]:
    """Camera, track, frames (T,) and triangulated landmarks (T,33,3) m of everybody whom two cameras see standing still."""
    for pair in itertools.combinations(range(len(cameras)), 2):
        for tracks in itertools.product(*(found[camera] for camera in pair)):
            frames = np.intersect1d(*(track.frames for track in tracks))
            if not len(frames):
                continue
            seen = np.stack([track.keypoints_2d[frames - track.frames[0]] for track in tracks])
            points, off = triangulate(seen[..., :2], seen[..., 2], [cameras[camera] for camera in pair])
            legs = np.unique(LEGS)
            if np.isfinite(points[:, legs]).mean() > _SEEN and np.median(off[:, :, legs]) < _MEETS_PX:
                if np.ptp(np.nanquantile(points[:, HIPS], (0.05, 0.95), axis=0), axis=0).max() < _STILL_M:
                    yield from ((camera, track, frames, points) for camera, track in zip(pair, tracks))


def fitted(track: Track, body: BodyModel, K: np.ndarray, fps: float, lift: Lift, told: bool) -> tuple[np.ndarray, np.ndarray]:
    """Knees (T,2) in degrees, and limbs (T,12,3) m in camera axes."""
    guess = lift(track, body, K, fps)
    nobody = patch.object(people, "waits", lambda resting, *given: np.zeros(len(resting), dtype=bool))
    with nullcontext() if told else nobody:
        (fit,), view = people.fit_people([track], body, K, fps, guesses=[lambda _: guess])
    state, R, t = fit.state, view.R.numpy(), view.t.numpy()
    limbs = (BLAZEPOSE @ posed(body, state[:, 3:], fit.betas, state[:, :3])[0])[:, LIMBS] @ R.T + t
    return np.degrees(state[:, 3:][:, _KNEES]), limbs


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = report.parser("standing", __doc__)
    parser.add_argument("footage", type=Path, help="folder of the videos and their calibration")
    parser.add_argument("--cache", type=Path, help="where the tracks that were found are kept for another run")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between its marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("male"), load_lift()
    videos, cameras = find_footage(given.footage)
    found, sizes, fps = tracks_of(videos, given.cache)
    lines = [report.head(_COLUMNS)]
    for number, track, frames, points in waiting(found, cameras):
        camera, own = cameras[number], frames - track.frames[0]
        track = replace(track, landmarks_3d=corrected(track.landmarks_3d))
        K, truth = intrinsics(sizes[number], focal_length=float(camera.K[0, 0])), (points @ camera.R.T + camera.t)[:, LIMBS]
        known = np.isfinite(truth).all(axis=(1, 2))
        fits = [fitted(track, body, K, fps, lift, told) for told in (False, True)]
        rows = [compare(limbs[own][known], truth[known]) for _, limbs in fits]
        bent = [np.nanmedian([bend(points[:, leg]) for leg in LEGS]), *(np.median(knees[own]) for knees, _ in fits)]
        cells = [f"{value:.0f}" for value in bent] + [f"{row.mpjpe:.1f}" for row in rows] + [f"{row.pa_mpjpe:.1f}" for row in rows]
        lines.append(report.row([camera.name, str(len(frames)), *cells]))
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "standing", "\n".join(lines))
    return 0
