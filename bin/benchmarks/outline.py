# SPDX-License-Identifier: GPL-3.0-or-later
"""What outlines are worth: `./bin/benchmark outline OPENSIM_DIR [FOOTAGE_DIR] [--write docs/solver.md]`.

OPENSIM_DIR as for `gait`: its motions on open bodies of random shapes, drawn in a street from anywhere around and looked at by the
landmark network. FOOTAGE_DIR: clips (`CLIPS`) of which nobody knows the truth but for one man's weight; so how far the fitted skin, as the
camera sees it, covers what the network calls the person. Everybody is fitted with the outlines and without.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from bin.benchmarks import gait, renders, report
from bin.benchmarks.cameras import compare
from bin.benchmarks.drawn import drawn
from bin.benchmarks.posing import posed
from bin.benchmarks.starts import Found, fitted
from skel_blender import environment
from skel_blender.anatomy import JOINT_INDEX
from skel_blender.engine.blazepose import ACROSS, HIPS, SHOULDERS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.body.anthropometry import measure, stature
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.people.crops import Roi, between
from skel_blender.engine.people.landmarker import Landmarker
from skel_blender.engine.people.tracker import find_people
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.correction import corrected
from skel_blender.engine.regress.lift import Lift

CLIPS = ("single/sam2_juggle.mp4", "single/tfjs_squats.mp4", "single/tfjs_pose1.mp4", "multi/sports2d_demo.mp4",
         *(f"multiview_single/cam0{camera}.mp4" for camera in (1, 2, 3, 4)))  # fmt: skip
_PEOPLE, _EVERY = 12, 2  # people who are drawn; every second frame of gait's rate
_LIMBS = [JOINT_INDEX[f"{name}_{side}"] for name in ("humerus", "ulna", "hand", "femur", "tibia", "talus") for side in "lr"]
_FRAMES = 10  # of a clip, whose outlines are compared
_SIDE = 256  # px of the network's window
_HEADS = ("mass off by kg", "skin in the T pose off by mm", "joints off in the image by mm", "MPJPE mm", "PA-MPJPE mm")


def fit(track: Track, body: BodyModel, K: np.ndarray, fps: float, lift: Lift) -> Found:
    """What the program makes of a track."""
    found = fitted(track, body, K, fps, lift(track, body, K, fps))
    if found is None:
        raise SystemExit("A fit gave up.")
    return found


def skins(found: Found, body: BodyModel, rows: list[int]) -> np.ndarray:
    """(N,V,3) m, camera axes, in some frames."""
    parts = (torch.as_tensor(part).to(body.J_template) for part in (found.poses[rows], found.betas, found.trans[rows]))
    return body.forward(*parts).skin_verts.numpy() @ found.R.T + found.t


def drawn_people(trials: Path, body: BodyModel, lift: Lift, landmarker: Landmarker) -> list[str]:
    """The table of people whose shape is known."""
    size, fps = gait._SIZE, gait._FPS / _EVERY
    K = intrinsics(size, focal_length=gait._FOCAL)
    motions = [trial for kind in gait.TRIALS.values() for trial in kind]
    rows: dict[str, list[tuple[float, ...]]] = {"without outlines": [], "with": []}
    for number in range(_PEOPLE):
        rng = np.random.default_rng(number)
        name, first, seconds = motions[number % len(motions)]
        motion = gait.read(trials / f"{name}.npz", first, seconds, body, rng)
        R, eye = gait.camera(rng.uniform(0, 360), rng.uniform(0, 15))
        true = Found(motion.poses[::_EVERY], motion.betas, motion.trans[::_EVERY], R, -R @ eye)
        count = len(true.poses)
        images = drawn(true.poses, true.betas, true.trans, body, np.tile(R, (count, 1, 1)), np.tile(eye, (count, 1)), K, size, rng)
        pixels = (posed(body, true.poses, true.betas, true.trans)[0] @ R.T + true.t) @ K.T
        looks = [renders.look(landmarker, image, one[:, :2] / one[:, 2:]) for image, one in zip(images, pixels)]
        keypoints, landmarks, outline = (np.array([getattr(look, name) for look in looks], float)
                                         for name in ("keypoints_2d", "landmarks_3d", "outline"))  # fmt: skip
        track = Track(np.arange(count), keypoints, corrected(landmarks), np.ones(count, bool), outline=outline[:, list(ACROSS)])
        for label, one in (("without outlines", replace(track, outline=None)), ("with", track)):
            rows[label].append(_off(fit(one, body, K, fps, lift), true, body))
    lines = [f"{_PEOPLE} people, each drawn for 1.3 or 2.4 s.", "", report.head(["fitted", *_HEADS])]
    return [*lines, *(report.row([label, *(f"{value:.1f}" for value in np.mean(values, axis=0))]) for label, values in rows.items())]


def _off(found: Found, true: Found, body: BodyModel) -> tuple[float, ...]:
    """The figures of _HEADS; sizes, which one view does not tell, are made equal first."""
    tall = [float(stature(body, torch.as_tensor(one.betas).to(body.J_template)[None])[0]) for one in (found, true)]
    size = tall[1] / tall[0]
    rest = [body.skin.at_rest(torch.as_tensor(one.betas).to(body.J_template)[None])[0].numpy() for one in (found, true)]
    mine, own = (verts * scale - (verts * scale).mean(0) for verts, scale in zip(rest, (size, 1.0)))
    joints, truth = found.joints(body)[0], true.joints(body)[0]
    image = np.linalg.norm(joints[..., :2] / joints[..., 2:] - truth[..., :2] / truth[..., 2:], axis=-1) * truth[..., 2]
    limbs = compare(joints[:, _LIMBS], truth[:, _LIMBS])
    mass = abs(measure(body, found.betas).mass * size**3 - measure(body, true.betas).mass)
    return mass, 1e3 * np.linalg.norm(mine - own, axis=1).mean(), 1e3 * image.mean(), limbs.mpjpe, limbs.pa_mpjpe


def clips(footage: Path, body: BodyModel, lift: Lift, landmarker: Landmarker, model: Path) -> list[str]:
    """The table of real people, the most prominent one of each clip."""
    lines = [report.head(["clip", "skin covers the person, IoU %: without, with", "mass kg: without, with", "stature m: without, with"])]
    print(lines[0], flush=True)
    for name in CLIPS:
        source = open_source([footage / name], (None, None), lambda event: None)
        track = find_people(source, model, None)[0]
        track = replace(track, landmarks_3d=corrected(track.landmarks_3d))
        rows = np.linspace(0, len(track.frames) - 1, _FRAMES + 2).astype(int)[1:-1].tolist()
        chosen = {int(track.frames[row]): row for row in rows}
        images = {chosen[number]: image for number, image in source if number in chosen}
        shown = {row: _shown(landmarker, image, track.keypoints_2d[row]) for row, image in images.items()}
        K, fps = intrinsics(source.size), float(source.fps)
        found = [fit(one, body, K, fps, lift) for one in (replace(track, outline=None), track)]
        cover = [np.mean([_iou(skin, K, *shown[row], body) for skin, row in zip(skins(one, body, rows), rows)]) for one in found]
        sizes = [measure(body, one.betas) for one in found]
        lines.append(report.row([name, ", ".join(f"{100 * part:.1f}" for part in cover), ", ".join(f"{one.mass:.0f}" for one in sizes),
                                 ", ".join(f"{one.stature:.2f}" for one in sizes)]))  # fmt: skip
        print(lines[-1], flush=True)
    return lines


def _shown(landmarker: Landmarker, image: np.ndarray, keypoints: np.ndarray) -> tuple[Roi, np.ndarray]:
    """A window around the person with keypoints (33,3), and what of it (256,256) bool the network calls him."""
    hips, shoulders = (keypoints[names, :2].mean(0).astype(float) for names in (HIPS, SHOULDERS))
    window = landmarker.landmarks(image, between(hips, hips + 1.9 * (shoulders - hips), 1.25)).next_roi
    return window, landmarker._landmarks(window.cut(image, _SIDE).astype(np.float32) / 255)[2][0, ..., 0] > 0


def _iou(skin: np.ndarray, K: np.ndarray, window: Roi, shown: np.ndarray, body: BodyModel) -> float:
    """Of skin (V,3) in camera axes and what is shown in a window."""
    pixels = skin[:, :2] / skin[:, 2:] * K[0, 0] + K[:2, 2]
    points = (((pixels - window.center) @ window.axes() / window.size + 0.5) * _SIDE)[body.triangles]
    drawn_skin = np.zeros(shown.shape, np.uint8)
    for corners in np.round(16 * points).astype(np.int32):
        cv2.fillConvexPoly(drawn_skin, corners, 1, shift=4)
    return float((shown & (drawn_skin > 0)).sum() / (shown | (drawn_skin > 0)).sum())


def main(argv: list[str]) -> int:
    """Print the tables."""
    parser = report.parser("outline", __doc__)
    parser.add_argument("trials", type=Path, help="folder of the motions")
    parser.add_argument("footage", type=Path, nargs="?", help="folder of the clips")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between their marks in this page")
    given = parser.parse_args(argv)
    body, lift, model = load_body("open", "male"), load_lift(), environment.landmark_model(environment.default_root())
    landmarker = Landmarker(model)
    tables = {"outline": drawn_people(given.trials, body, lift, landmarker)}
    print("\n".join(tables["outline"]), flush=True)
    if given.footage:
        tables["outline_clips"] = clips(given.footage, body, lift, landmarker, model)
    if given.write:
        for mark, lines in tables.items():
            report.write(given.write, mark, "\n".join(lines))
    return 0
