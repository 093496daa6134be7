# SPDX-License-Identifier: GPL-3.0-or-later
"""Do limbs go through each other? `./bin/benchmark piercing [CLIP...] [--write docs/solver.md]`, with the term of clearance and without.

Motion capture (the small set of tests/data) is seen and told as in `ablation`; beside it stand the true motions, as bodies touch
themselves. Clips are reconstructed as the program does. How deep a frame is: of the skin of forearms and hands the deepest vertex inside
trunk, head, legs or the other arm, and of the skin of shanks and feet that inside the other leg.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from math import inf
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.spatial import cKDTree

from bin.benchmarks import ablation, report
from bin.benchmarks.mocap import SMALL_SET
from skel_blender import environment
from skel_blender.anatomy import JOINT_INDEX
from skel_blender.engine import pipeline
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.fit import alone, people
from skel_blender.engine.fit.terms.clearance import clearance
from skel_blender.engine.pipeline import Options, reconstruct
from skel_blender.take import TRIANGLE

_SOLVER = import_module("skel_blender.engine.fit.skelify")  # the package has its function under that name
_NEAR_M, _CHUNK = 0.25, 100  # nothing is deeper; frames whose skin is in memory at a time
_ARM, _HAND = ("scapula", "humerus", "ulna", "radius", "hand"), ("ulna", "radius", "hand")
_LEG, _SHANK = ("femur", "tibia", "talus", "calcn", "toes"), ("tibia", "talus", "calcn", "toes")
_HEADER = ("motion", "clearance", "frames with an arm deeper than 25 mm", "50 mm", "mean depth mm", "legs, mean depth mm", "MPJPE mm",
           "part of the fit's time")  # fmt: skip


def depths(body: BodyModel, poses: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T,) mm each, how deep arms and legs are: poses (T,46) rad, betas (10,), trans (T,3) m."""
    found = np.zeros((2, len(poses)))
    poses, betas, trans = (torch.as_tensor(part).to(body.J_template) for part in (poses, betas, trans))
    for start in range(0, len(poses), _CHUNK):
        part = slice(start, start + _CHUNK)
        for row, skin in enumerate(body.forward(poses[part], betas, trans[part]).skin_verts.cpu().numpy()):
            normals = _normals(body, skin)
            for kind, inner, outer in _parts(body):
                found[kind, start + row] = max(found[kind, start + row], _deepest(skin, normals, inner, outer))
    return 1000 * found[0], 1000 * found[1]


def _deepest(skin: np.ndarray, normals: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> float:
    """m by which a vertex of `inner` is behind the nearest one of `outer`; those beside an open end of it do not count."""
    distance, nearest = cKDTree(skin[outer]).query(skin[inner], distance_upper_bound=_NEAR_M)
    near = np.isfinite(distance)
    nearest, distance = outer[nearest[near]], distance[near]
    behind = -((skin[inner[near]] - skin[nearest]) * normals[nearest]).sum(axis=1)
    return float(np.max(distance, where=behind > 0.5 * distance, initial=0.0))


@lru_cache(maxsize=2)
def _mesh(kind: str) -> tuple[np.ndarray, coo_matrix, list[tuple[int, np.ndarray, np.ndarray]]]:
    body = load_body(*kind.split())
    faces = np.where(body.faces == TRIANGLE, body.faces[:, :1], body.faces)
    touches = coo_matrix((np.ones(faces.size), (faces.ravel(), np.repeat(np.arange(len(faces)), 4))), (len(body.skin.template), len(faces)))
    weights = body.skin.weights.cpu().numpy()

    def share(side: str, joints: tuple[str, ...]) -> np.ndarray:
        return weights[:, [JOINT_INDEX[f"{joint}_{side}"] for joint in joints]].sum(axis=1)

    parts = []
    for side, other in ("rl", "lr"):
        parts.append((0, np.flatnonzero(share(side, _HAND) > 0.95), np.flatnonzero(share(side, _ARM) < 0.05)))
        parts.append((1, np.flatnonzero(share(side, _SHANK) > 0.95), np.flatnonzero(share(other, _LEG) > 0.95)))
    return faces, touches.tocsr(), parts


def _normals(body: BodyModel, skin: np.ndarray) -> np.ndarray:
    faces, touches, _ = _mesh(body.name)
    corners = skin[faces]
    normals = touches @ np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _parts(body: BodyModel) -> list[tuple[int, np.ndarray, np.ndarray]]:
    return _mesh(body.name)[2]


class _Fits:
    """Keeps what `fit_people` gives, and the processor's seconds that it and in it the term take."""

    def __init__(self, fit: Callable) -> None:
        self.fit, self.found, self.seconds, self.of_term = fit, [], 0.0, 0.0

    def __call__(self, *arguments, **named):
        start = time.process_time()
        terms = tuple(self._term if term is clearance else term for term in _SOLVER.SIGHT_TERMS)
        with patch.object(_SOLVER, "SIGHT_TERMS", terms):
            fits, view = self.fit(*arguments, **named)
        self.seconds += time.process_time() - start
        self.found += [fit for fit in fits if fit is not None]
        return fits, view

    def _term(self, *arguments) -> None:
        start = time.process_time()
        clearance(*arguments)
        self.of_term += time.process_time() - start


def _row(name: str, term: str, arms: np.ndarray, legs: np.ndarray, mpjpe: float | None = None, share: float | None = None) -> str:
    last = ["" if value is None else form.format(value) for form, value in (("{:.1f}", mpjpe), ("{:.0%}", share))]
    deep = [f"{np.mean(arms > limit):.1%}" for limit in (25, 50)]
    return report.row([name, term, *deep, f"{arms.mean():.1f}", f"{legs.mean():.1f}", *last])


def _both(name: str, body: BodyModel, run: Callable[[tuple, _Fits], float | None]) -> list[str]:
    """The lines of something that is fitted without and with the term."""
    rows = []
    without = tuple(replace(stage, weights=replace(stage.weights, clearance_m=inf)) for stage in people.STAGES)
    for term, stages in (("no", without), ("yes", people.STAGES)):
        fits = _Fits(people.fit_people)
        mpjpe = run(stages, fits)
        both = [depths(body, fit.state[:, 3:], fit.betas, fit.state[:, :3]) for fit in fits.found]
        rows.append(_row(name, term, *(np.concatenate(part) for part in zip(*both)), mpjpe, fits.of_term / fits.seconds))
        print(rows[-1], flush=True)
    return rows


def _on_mocap(body: BodyModel) -> list[str]:
    cases = list(ablation.scenes(SMALL_SET, body, 0, 60))
    true = [depths(body, case.motion.poses, case.motion.betas, case.motion.trans) for case in cases]
    rows = [_row("mocap_test.npz", "the truth", *(np.concatenate(part) for part in zip(*true)))]
    print(rows[0], flush=True)

    def run(stages: tuple, fits: _Fits) -> float:
        with patch.object(people, "fit_people", fits), patch.object(alone, "_EXPLAINED_M", inf):
            return float(np.mean([ablation.score(case, body, stages).mpjpe for case in cases]))

    return rows + _both("the same, fitted", body, run)


def _on_clip(clip: Path, body: BodyModel) -> list[str]:
    root = environment.default_root()
    options = Options(inputs=(str(clip),), model=str(environment.landmark_model(root)), memory=str(root / "footage"))

    def run(stages: tuple, fits: _Fits) -> None:
        with patch.object(pipeline, "fit_people", fits), patch.object(people, "STAGES", stages):
            reconstruct(options)

    return _both(clip.name, body, run)


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = report.parser("piercing", __doc__)
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP")
    parser.add_argument("--write", type=Path, help="a markdown page to put the table in")
    arguments = parser.parse_args(argv)
    body = load_body("open", "male")
    lines = [report.head(_HEADER)]
    print(lines[0], flush=True)
    lines += _on_mocap(body)
    for clip in arguments.clips:
        lines += _on_clip(clip, body)
    if arguments.write:
        report.write(arguments.write, "piercing", "\n".join(lines))
    return 0
