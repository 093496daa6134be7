# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves bones that stick out of the skin, or nearly do, back into it: the least affine change of each part that does so over many
shapes at rest."""
from __future__ import annotations

import numpy as np

from .inside import winding
from .posing import OpenBody
from .rotations import FLIP

ROUNDS = 6
MARGIN = 0.001
"""Metres that a bone should stay below the skin."""
EVERY = 4
NEAR, LONGEST = 0.003, 0.008
"""Metres: only skin so near tells how deep an inner vertex is; none is asked to move farther in one round."""
STIFFNESS = 4.0
"""Weight of leaving a part as it is: its shift and its change of shape, each as metres at its outer vertices, per state looked at."""
Moves = dict[int, tuple[np.ndarray, np.ndarray]]


def shapes() -> list[np.ndarray]:
    """Betas (10,) to look at."""
    return [np.zeros(10)] + [sign * 2.0 * np.eye(10)[k] for k in range(10) for sign in (1, -1)]


def _vertex_normals(v: np.ndarray, tris: np.ndarray) -> np.ndarray:
    out = np.zeros_like(v)
    normal = np.cross(v[tris[:, 1]] - v[tris[:, 0]], v[tris[:, 2]] - v[tris[:, 0]])
    for k in range(3):
        np.add.at(out, tris[:, k], normal)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def _nearest(points: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(n,) index of the nearest vertex of v."""
    v, points = v.astype(np.float32), points.astype(np.float32)
    half, across = 0.5 * (v**2).sum(1), np.ascontiguousarray(v.T)
    return np.concatenate([(half - p @ across).argmin(1) for p in np.array_split(points, len(points) // 64 + 1)])


def _offenders(body: OpenBody, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bone vertices of `ids` that are outside or too near the skin at rest: (their ids, outward normal, excess in m)."""
    points = body.skel[ids]
    near = _nearest(points, body.v)
    normal = _vertex_normals(body.v, body.tris)[near]
    above = ((points - body.v[near]) * normal).sum(1)
    outside = winding(points, body.v, body.tris) < 0.5
    shallow = (above > -MARGIN) & (np.linalg.norm(points - body.v[near], axis=1) < NEAR)
    bad = outside | shallow
    return ids[bad], normal[bad], np.clip(above[bad], -MARGIN, LONGEST) + MARGIN


def corrections(data: dict[str, np.ndarray], number: int) -> Moves:
    """Part -> (centre (3,), change (11,3,4)): what to add to its vertices x, as change[0] @ (x - centre, 1) for the mean body and
    change[k] for each unit of beta k. Right and mid-line parts only; round `number` looks at its own share of the vertices."""
    names = data["skel_part_names"].tolist()
    own = np.array([not n.endswith("_l") for n in names])[data["skel_part"]]
    ids = np.where(own)[0][number % EVERY::EVERY]
    found = []
    for betas in shapes():
        which, normal, excess = _offenders(OpenBody(data, betas), ids)
        found.append((which, normal, excess, np.tile(np.append(1.0, betas), (len(which), 1))))
    which, normal, excess, basis = (np.concatenate(x) for x in zip(*found, strict=True))
    moves = {}
    for part in np.unique(data["skel_part"][which]):
        mine = data["skel_part"][which] == part
        v = data["skel_v_template"][data["skel_part"] == part].astype(float)
        centre, reach = v.mean(0), np.linalg.norm(v - v.mean(0), axis=1).max()
        local = np.concatenate([(data["skel_v_template"][which[mine]] - centre) / reach, np.ones((mine.sum(), 1))], 1)
        rows = np.einsum("nb,ni,nj->nbij", basis[mine], normal[mine], local)
        if not names[part].endswith("_r"):  # mid-line parts stay symmetric
            mirrored = np.einsum("nb,ni,nj->nbij", basis[mine], normal[mine] * FLIP, local * np.append(FLIP, 1))
            rows = 0.5 * (rows + mirrored)
        change = _solve(rows, excess[mine], len(v) / EVERY)
        change[..., :3] /= reach
        moves[int(part)] = (centre, change)
    return moves


def _solve(rows: np.ndarray, excess: np.ndarray, vertices: float) -> np.ndarray:
    """(11,3,4) least change with rows . change = -excess; the mean body and each beta at 2 sd weigh alike."""
    shape = rows.shape[1:]
    weight = np.broadcast_to(np.array([1.0] + 10 * [4.0])[:, None, None] * STIFFNESS * vertices / 25, shape).ravel()
    flat = rows.reshape(len(rows), -1)
    return np.linalg.solve(flat.T @ flat + np.diag(weight), -flat.T @ excess).reshape(shape)


def moved(v: np.ndarray, change: np.ndarray, move: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n,3) and their change by betas (10,3,4) after a correction."""
    centre, add = move
    shift = np.concatenate([add[..., :3], (add[..., 3] - add[..., :3] @ centre)[..., None]], -1)
    here = np.vstack([np.eye(3, 4) + shift[0], [0, 0, 0, 1]])
    fresh = v @ here[:3, :3].T + here[:3, 3]
    return fresh, (change + shift[1:]) @ np.linalg.inv(here)
