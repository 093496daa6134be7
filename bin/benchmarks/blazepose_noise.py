# SPDX-License-Identifier: GPL-3.0-or-later
"""How BlazePose errs, measured on calibrated cameras: `./bin/benchmark blazepose_noise FOOTAGE_DIR [CLIP.mp4 REFERENCE.json]...`

Prints the constants of `noise.Noise`: of the landmarks that a fit is given, the metric ones corrected. FOOTAGE_DIR is that of
`cameras`: its four views together are the truth that each view is compared with. A reference .json holds, per frame of its clip, 33
landmarks [x px, y px, ...] or named ones {"x", "y"}; it tells how far this engine's use of the network is from another's.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.cameras import find_footage
from bin.benchmarks.multiview import CalibratedCamera, reference, same_person
from bin.benchmarks.noise import GROUPS, Noise, toward
from skel_blender import environment
from skel_blender.engine.blazepose import HIPS
from skel_blender.engine.body.landmarks import MIXTURES
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.people.tracker import find_people
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress.correction import corrected

_LAGS = (1, 5)  # frames, between which the correlation is read
_PAIRS = ((13, 14), (15, 16), (25, 26), (27, 28))  # sides that can be mistaken for each other


def measure(tracks: list[Track], cameras: list[CalibratedCamera], fps: float) -> tuple[Noise, dict[str, float]]:
    """The constants of one person whom all cameras see, and what else was counted."""
    frames, points, _ = reference(tracks, cameras)
    image, across, depth, seen, scales, swaps = [], [], [], [], [], []
    for track, camera in zip(tracks, cameras):
        rows = frames - track.frames[0]
        keypoints, landmarks = track.keypoints_2d[rows].astype(float), track.landmarks_3d[rows].astype(float)
        truth = points @ camera.R.T + camera.t
        rays = np.concatenate([camera.rays(keypoints[:, HIPS, :2].mean(1)), np.ones((len(rows), 1))], 1)
        metric = np.einsum("tij,tkj->tki", toward(rays), landmarks) - (truth - truth[:, HIPS].mean(1, keepdims=True))
        error = (camera.rays(keypoints[..., :2]) - truth[..., :2] / truth[..., 2:]) * truth[:, HIPS, 2].mean(1)[:, None, None]
        image.append(error)
        across.append(metric[..., :2])
        depth.append(metric[..., 2:])
        seen.append(keypoints[..., 2])
        own = truth - truth[:, HIPS].mean(1, keepdims=True)
        scales.append(np.log(np.linalg.norm(landmarks, axis=-1).sum() / np.linalg.norm(own, axis=-1).sum()))
        swaps.append(_swapped(keypoints[..., :2], truth, camera))
    parts = {}
    for name, errors in (("image", image), ("across", across), ("depth", depth)):
        split = np.array([np.mean([_split(one[:, list(members)]) for one in errors], axis=0) for members in GROUPS.values()])
        parts[f"{name}_bias"], parts[f"{name}_wave"] = (tuple(column.round(3).tolist()) for column in split[:, :2].T)
        parts[name] = float(-1.0 / (fps * np.log(split[:, 2].mean())))
    memory = {"image_memory_s": round(parts.pop("image"), 2), "metric_memory_s": round(0.5 * (parts.pop("across") + parts.pop("depth")), 2)}
    visibility = tuple(round(float(np.mean([one[:, list(members)] for one in seen])), 2) for members in GROUPS.values())
    unseen = float(np.mean([1.0 - track.observed.mean() for track in tracks]))
    counted = {"size of the metric landmarks": float(np.exp(np.mean(scales))), "frames without a reading": unseen,
               "pairs swapped": float(np.mean(swaps))}  # fmt: skip
    return Noise(**parts, **memory, visibility=visibility, scale=round(float(np.std(scales)), 3)), counted


def _split(errors: np.ndarray) -> tuple[float, float, float]:
    """Deviation of the bias and of the wave of errors (T,...), and the wave's correlation from a frame to the next."""
    bias = errors.mean(0)
    waves = errors - bias
    near, far = (float((waves[lag:] * waves[:-lag]).mean()) for lag in _LAGS)
    memory = float(np.clip(far / near, 0.01, 0.99)) ** (1.0 / (_LAGS[1] - _LAGS[0]))
    return float(np.sqrt((bias**2).mean())), float(np.sqrt(near / memory)), memory


def _swapped(pixels: np.ndarray, truth: np.ndarray, camera: CalibratedCamera) -> float:
    """Share of frames and pairs of limb joints that fit the truth better, and well apart, with their sides exchanged."""
    where = truth @ camera.K.T
    where = where[..., :2] / where[..., 2:]
    worse = []
    for left, right in _PAIRS:
        apart = np.linalg.norm(where[:, left] - where[:, right], axis=-1)
        own, other = (np.linalg.norm(pixels[:, a] - where[:, c], axis=-1) + np.linalg.norm(pixels[:, b] - where[:, d], axis=-1)
                      for a, b, c, d in ((left, right, left, right), (left, right, right, left)))  # fmt: skip
        worse.append((other < 0.5 * own) & (own > apart))
    return float(np.mean(worse))


def agreement(track: Track, path: Path) -> float:
    """Mean distance of a track's landmarks from a reference file's, as a part of the body's extent in the image."""
    listed = json.loads(path.read_text())
    names = {name: number for number, name in enumerate(MIXTURES)}
    off = []
    for frame, pixels in zip(track.frames, track.keypoints_2d[..., :2]):
        entry = listed[frame]
        rows = [(names[name], (spot["x"], spot["y"])) for name, spot in entry.items() if name in names] if isinstance(entry, dict) else [
            (k, spot[:2]) for k, spot in enumerate(entry)]  # fmt: skip
        own, other = pixels[[k for k, _ in rows]], np.array([spot for _, spot in rows])
        off.append(np.linalg.norm(own - other, axis=1).mean() / np.ptp(pixels, axis=0).max())
    return float(np.mean(off))


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = report.parser("blazepose_noise", __doc__)
    parser.add_argument("footage", type=Path)
    parser.add_argument("compared", nargs="*", type=Path, help="clips, each followed by its reference .json")
    arguments = parser.parse_args(argv)
    model = environment.landmark_model(environment.default_root())
    videos, cameras = find_footage(arguments.footage)
    sources = [open_source([video], (None, None), print) for video in videos]
    tracks = same_person([find_people(source, model, None) for source in sources], cameras)
    tracks = [replace(track, landmarks_3d=corrected(track.landmarks_3d.astype(float))) for track in tracks]
    noise, counted = measure(tracks, cameras, float(sources[0].fps))
    print("\n".join(f"{field.name} = {getattr(noise, field.name)}" for field in fields(noise)))
    print("\n".join(f"{name}: {value:.3f}" for name, value in counted.items()))
    for clip, listed in zip(arguments.compared[::2], arguments.compared[1::2]):
        track = find_people(open_source([clip], (None, None), print), model, 1)[0]
        print(f"{clip.name}: {agreement(track, listed):.2%} of the body's extent from {listed.name}")
    return 0
