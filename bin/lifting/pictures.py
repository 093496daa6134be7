# SPDX-License-Identifier: GPL-3.0-or-later
"""What BlazePose says of drawn people whose landmarks are known: errors as they depend on posture and view.

Each picture (`bin/benchmarks/renders`) is of the middle frame of a window of motion, half of them made-up postures. What its landmarks err
by is told again with that window while it is learned (`errors.py`). Some pictures end in the middle of the person.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from bin.benchmarks.noise import toward
from bin.benchmarks.renders import look, picture
from bin.lifting.cameras import cameras
from bin.lifting.motions import Motions
from skel_blender import environment
from skel_blender.engine.blazepose import HIPS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.people.landmarker import Landmarker
from skel_blender.engine.regress.correction import corrected

SEXES = ("male", "female")
_PART = 50  # pictures that are made and kept together
_SIDE = 320  # px
_POSTURED = 0.5
_CUT, _CUT_M = 0.15, 0.5  # share of pictures that are cut off, and how far from mid-hip, m
_LEAST_SCORE = 0.3  # whom the landmarker takes for nobody, a track would not have


@dataclass(frozen=True)
class Pictures:
    """N windows of T frames, of whose middle frame there was a picture. Axes are those of a camera that points at mid-hip."""

    poses: torch.Tensor  # (N,T,46) rad
    fps: torch.Tensor  # (N,)
    betas: torch.Tensor  # (N,10)
    female: torch.Tensor  # (N,) bool
    view: torch.Tensor  # (N,3,3) from the world
    distance: torch.Tensor  # (N,) m to mid-hip
    image: torch.Tensor  # (N,33,2) m at mid-hip's depth, what the landmarks in the image are off
    metric: torch.Tensor  # (N,33,3) m, what the corrected metric ones are off, relative to mid-hip
    confidence: torch.Tensor  # (N,33)

    def __len__(self) -> int:
        return len(self.fps)

    def rows(self, chosen: torch.Tensor) -> Pictures:
        """Some of them."""
        return Pictures(*(getattr(self, field.name)[chosen] for field in fields(self)))


def pictures(motions: Motions, cache_folder: Path, count: int, frames: int, seed: int, processes: int = 1) -> Pictures:
    """About `count` of them: of those drawn, whoever the landmarker sees. What the cache has is not made again."""
    digest = hashlib.sha256(motions.poses.numpy().tobytes() + f"{frames} {seed}".encode()).hexdigest()[:16]
    paths = [cache_folder / f"pictures_{digest}_{part:04d}.npz" for part in range(count // _PART)]
    missing = [(part, path) for part, path in enumerate(paths) if not path.exists()]
    work = partial(_made, motions=motions, frames=frames, seed=seed)
    if processes > 1 and missing:
        with get_context("spawn").Pool(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.imap_unordered(work, missing))
    else:
        for one in missing:
            work(one)
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            parts.append([torch.as_tensor(file[field.name]) for field in fields(Pictures)])
    return Pictures(*(torch.cat(column) for column in zip(*parts)))


def _made(one: tuple[int, Path], motions: Motions, frames: int, seed: int) -> None:
    """Draw a part, have it looked at, and keep it."""
    part, path = one
    random = torch.Generator().manual_seed(seed * 1_000_003 + part)
    rng = np.random.default_rng([seed, part])
    windows = motions.varied(_PART, frames, random, _POSTURED)
    views = cameras(_PART, frames, windows.fps, True, random)[0][:, frames // 2]
    rows = []
    for poses, fps, view in zip(windows.poses, windows.fps, views):
        female = bool(rng.random() < 0.5)
        drawn = picture(_body(SEXES[female]), poses[frames // 2].double().numpy(), rng, R=view.double().numpy(), side=_SIDE)
        seen = _seen(drawn.image.copy(), drawn.pixels, drawn.points, drawn.focal, rng)
        if seen is not None:
            aimed = toward(drawn.points[HIPS].mean(0)[None])[0]
            distance = np.linalg.norm(drawn.points[HIPS].mean(0))
            rows.append((poses.numpy(), fps.numpy(), drawn.betas, female, aimed.T @ drawn.R, distance, *seen))
    columns = {field.name: np.array(column) for field, column in zip(fields(Pictures), zip(*rows))}
    columns = {name: column if column.dtype == bool else column.astype(np.float32) for name, column in columns.items()}
    written = path.with_suffix(".part.npz")
    np.savez_compressed(written, **columns)
    written.replace(path)


def _seen(image: np.ndarray, pixels: np.ndarray, points: np.ndarray, focal: float, rng: np.random.Generator
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:  # fmt: skip
    """Pictures' image, metric and confidence of a person whose landmarks are at pixels (33,2), points (33,3) m in camera axes; None if
    nobody is seen."""
    hips = points[HIPS].mean(0)
    normal, edge = np.zeros(2), 1.0
    if rng.random() < _CUT:
        away = rng.uniform(0, 2 * np.pi)
        normal = np.array([np.cos(away), np.sin(away)])
        edge = normal @ pixels[HIPS].mean(0) + rng.uniform(-0.2, 1) * _CUT_M * focal / hips[2]
        rows, columns = np.mgrid[: len(image), : len(image)]
        image[normal[0] * columns + normal[1] * rows > edge] = 0
    pose = look(_landmarker(), image, pixels)
    if pose.score < _LEAST_SCORE or not np.isfinite(pose.keypoints_2d).all():
        return None
    inside = pose.keypoints_2d[:, :2] @ normal < edge
    aimed = toward(hips[None])[0]
    rays = np.column_stack([(pose.keypoints_2d[:, :2] - _SIDE / 2) / focal, np.ones(33)]) @ aimed
    truth = points @ aimed
    off = rays[:, :2] / rays[:, 2:].clip(0.1) - truth[:, :2] / truth[:, 2:]
    metric = corrected(np.asarray(pose.landmarks_3d, float)[None])[0] - (truth - truth[HIPS].mean(0))
    return off * np.linalg.norm(hips), metric, pose.keypoints_2d[:, 2] * inside


@cache
def _body(sex: str) -> BodyModel:
    return load_body("open", sex)


@cache
def _landmarker() -> Landmarker:
    return Landmarker(environment.landmark_model(environment.default_root()))
