# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin surface: body quads without mouth and eye cavities, holes closed, plus the shape space (PCA) of a set of bodies."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .makehuman import BODY_VERTICES, BaseMesh

NO_VERTEX = 65535


@dataclass
class Surface:
    """keep: ids of base vertices in order; caps: id lists whose mean is one more vertex each; faces (F,4) into both,
    NO_VERTEX as 4th index of a triangle; uv (F,4,2)."""

    keep: np.ndarray
    caps: list[np.ndarray]
    faces: np.ndarray
    uv: np.ndarray

    def points(self, values: np.ndarray) -> np.ndarray:
        """Per-base-vertex values (..., 19158, C) taken to the surface's vertices (..., V, C)."""
        caps = [values[..., ids, :].mean(-2, keepdims=True) for ids in self.caps]
        return np.concatenate([values[..., self.keep, :], *caps], -2)


def make_surface(base: BaseMesh) -> Surface:
    """Drop the quads that touch a cavity vertex, close each hole with a fan around its middle."""
    inside = np.zeros(len(base.v), bool)
    inside[base.cavity] = True
    inside[BODY_VERTICES:] = True
    kept = ~inside[base.faces].any(1)
    faces, uv = base.faces[kept], base.uv[kept]
    corner_uv = {int(i): t for f, u in zip(faces, uv, strict=True) for i, t in zip(f, u, strict=True)}
    loops = _boundary_loops(faces)
    keep = np.unique(faces)
    number = np.full(len(base.v), NO_VERTEX)
    number[keep] = np.arange(len(keep))
    fans, fan_uv = [], []
    for k, loop in enumerate(loops):
        middle = np.mean([corner_uv[i] for i in loop], 0)
        for a, b in zip(loop, np.roll(loop, -1), strict=True):
            fans.append([number[b], number[a], len(keep) + k, NO_VERTEX])
            fan_uv.append([corner_uv[int(b)], corner_uv[int(a)], middle, middle])
    caps = [np.array(loop) for loop in loops]
    return Surface(keep, caps, np.concatenate([number[faces], np.array(fans, int).reshape(-1, 4)]),
                   np.concatenate([uv, np.array(fan_uv).reshape(-1, 4, 2)]))


def _boundary_loops(faces: np.ndarray) -> list[list[int]]:
    edges = {(int(a), int(b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True)}
    follow = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while follow:
        start = min(follow)
        loop = [start]
        while (after := follow.pop(loop[-1])) != start:
            loop.append(after)
        loops.append(loop)
    return loops


def triangles(faces: np.ndarray) -> np.ndarray:
    """(T,3) triangles of quads (F,4) with NO_VERTEX marking triangles."""
    quad = faces[:, 3] != NO_VERTEX
    return np.concatenate([faces[:, :3], faces[quad][:, [0, 2, 3]]]).astype(int)


def vertex_areas(v: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) a third of the area of the triangles around each vertex, m^2."""
    tri = triangles(faces)
    size = np.linalg.norm(np.cross(v[tri[:, 1]] - v[tri[:, 0]], v[tri[:, 2]] - v[tri[:, 0]]), axis=1) / 6
    return np.bincount(tri.ravel(), np.repeat(size, 3), len(v))


@dataclass
class ShapeSpace:
    """mean (V,3); scores (N,10) of unit variance; directions (V,3,10) per unit score; explained: share of variance."""

    mean: np.ndarray
    scores: np.ndarray
    directions: np.ndarray
    explained: np.ndarray


def shape_space(points: np.ndarray, faces: np.ndarray, count: int = 10) -> ShapeSpace:
    """Area-weighted PCA of bodies (N,V,3). Sign: the first score grows with stature, others with their largest loading."""
    mean = points.mean(0)
    centred = points - mean
    root = np.sqrt(vertex_areas(mean, faces))[:, None]
    flat = (centred * root).reshape(len(points), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    scores = vectors[:, :count] * np.sqrt(len(points))
    directions = regress(scores, centred)
    top = mean[:, 1].argmax()
    for k in range(count):
        loading = directions[top, 1, k] if k == 0 else directions[..., k].ravel()[np.abs(directions[..., k]).argmax()]
        if loading < 0:
            scores[:, k] *= -1
            directions[..., k] *= -1
    return ShapeSpace(mean, scores, directions, values[:count] / values.sum())


def regress(scores: np.ndarray, centred: np.ndarray) -> np.ndarray:
    """(..., K) least-squares change of a centred per-body quantity (N, ...) per unit of each whitened score (N,K)."""
    return np.tensordot(centred, scores, (0, 0)) / len(scores)
