# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone meshes of the Rajagopal 2015 full-body model (MIT), split into single bones.

Every bone comes in its OpenSim body frame turned to the model's axes for a hanging limb: x left, y up, z forward
(osim x forward -> z, y -> y, z right -> -x). Only right-side and mid-line bones are read; left ones are mirror images.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

TO_MODEL = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
HAND_SCALE = 0.85
CARPALS = ("pisiform", "lunate", "scaphoid", "triquetrum", "hamate", "capitate", "trapezoid", "trapezium")
FINGERS = ("thumb", "index", "middle", "ring", "little")
SPINE_LEVELS = [f"C{k}" for k in range(1, 8)] + [f"T{k}" for k in range(1, 13)] + [f"L{k}" for k in range(1, 6)]


def osim(x: float, y: float, z: float) -> np.ndarray:
    """An OpenSim vector in model axes."""
    return TO_MODEL @ np.array([x, y, z])


HIP = osim(-0.056276, -0.07849, 0.07726)
LUMBOSACRAL = osim(-0.1007, 0.0815, 0.0)
KNEE_IN_FEMUR, KNEE_IN_TIBIA = osim(-0.00809, -0.40796, -0.00275), osim(-0.0081, -0.0035, -0.0015)
PATELLA_IN_FEMUR = KNEE_IN_FEMUR + osim(0.0524, -0.0108, 0.0027)
ANKLE_IN_TIBIA = osim(-0.01, -0.4, 0.0)
CALCN_IN_TALUS = osim(-0.04877, -0.04195, 0.00792)
SHOULDER_IN_TORSO = osim(0.003155, 0.3715, 0.17)
ELBOW_IN_HUMERUS = osim(0.013144, -0.286273, -0.009595)
RADIUS_IN_ULNA = osim(-0.006727, -0.013007, 0.026083)
HAND_IN_RADIUS = osim(-0.008797, -0.235841, 0.01361)


@dataclass
class Bone:
    """v (n,3) m in its body's frame, f (m,3)."""

    v: np.ndarray
    f: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """(3,) middle of the bounding box."""
        return (self.v.min(0) + self.v.max(0)) / 2


def read_ply(path: Path) -> Bone:
    """A binary PLY with float x y z and mixed polygons; polygons are fanned, equal points merged."""
    raw = path.read_bytes()
    end = raw.index(b"end_header\n") + len(b"end_header\n")
    counts = [int(line.split()[2]) for line in raw[:end].decode("ascii").splitlines() if line.startswith("element")]
    points = np.frombuffer(raw, "<f4", counts[0] * 3, end).reshape(-1, 3).astype(float)
    at, tris = end + counts[0] * 12, []
    for _ in range(counts[1]):
        ids = np.frombuffer(raw, "<i4", raw[at], at + 1)
        at += 1 + 4 * raw[at]
        tris += [(ids[0], ids[k], ids[k + 1]) for k in range(1, len(ids) - 1)]
    unique, back = np.unique(points.round(6), axis=0, return_inverse=True)
    f = back.ravel()[np.array(tris)]
    f = f[(f[:, 0] != f[:, 1]) & (f[:, 1] != f[:, 2]) & (f[:, 0] != f[:, 2])]
    return Bone(unique @ TO_MODEL.T, _outward(unique @ TO_MODEL.T, f))


def _outward(v: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Faces turned so that neighbours agree and each connected piece has positive volume."""
    by_edge: dict[tuple[int, int], list[int]] = {}
    for k, tri in enumerate(f.tolist()):
        for a, b in zip(tri, tri[1:] + tri[:1], strict=True):
            by_edge.setdefault((min(a, b), max(a, b)), []).append(k)
    f, seen = f.copy(), np.zeros(len(f), bool)
    for start in range(len(f)):
        if seen[start]:
            continue
        seen[start], piece = True, [start]
        for k in piece:
            a, b, c = f[k].tolist()
            for x, y in ((a, b), (b, c), (c, a)):
                for n in by_edge[min(x, y), max(x, y)]:
                    if not seen[n]:
                        seen[n] = True
                        piece.append(n)
                        if (x, y) in zip(f[n].tolist(), np.roll(f[n], -1).tolist(), strict=True):
                            f[n] = f[n][::-1]
        centre = v[f[piece].ravel()].mean(0)
        p, q, r = (v[f[piece, i]] - centre for i in range(3))
        if (p * np.cross(q, r)).sum() < 0:
            f[piece] = f[piece][:, ::-1]
    return f


def components(bone: Bone) -> list[Bone]:
    """Connected pieces in the order of their first vertex."""
    label = np.arange(len(bone.v))
    while True:
        low = label[bone.f].min(1)
        fresh = label.copy()
        np.minimum.at(fresh, bone.f.ravel(), np.repeat(low, 3))
        fresh = fresh[fresh]
        if (fresh == label).all():
            break
        label = fresh
    pieces = []
    for k in np.unique(label[bone.f[:, 0]]):
        f = bone.f[label[bone.f[:, 0]] == k]
        used, back = np.unique(f, return_inverse=True)
        pieces.append(Bone(bone.v[used], back.reshape(-1, 3)))
    return pieces


def joined(pieces: list[Bone]) -> Bone:
    """Several pieces as one mesh."""
    starts = np.cumsum([0] + [len(p.v) for p in pieces[:-1]])
    return Bone(np.concatenate([p.v for p in pieces]), np.concatenate([p.f + s for p, s in zip(pieces, starts, strict=True)]))


def subdivided(bone: Bone) -> Bone:
    """One step of Loop subdivision (edges at a hole keep their middle): the source's coarse bones show their facets."""
    f, v = bone.f, bone.v
    half = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
    opposite = np.concatenate([f[:, 2], f[:, 0], f[:, 1]])
    edges, which, uses = np.unique(np.sort(half, 1), axis=0, return_inverse=True, return_counts=True)
    which = which.ravel()
    wings = np.zeros((len(edges), 3))
    np.add.at(wings, which, v[opposite])
    ends = v[edges[:, 0]] + v[edges[:, 1]]
    middle = np.where((uses == 2)[:, None], 0.375 * ends + 0.125 * wings, 0.5 * ends)
    degree = np.bincount(edges.ravel(), minlength=len(v))[:, None]
    around = np.zeros_like(v)
    np.add.at(around, edges[:, 0], v[edges[:, 1]])
    np.add.at(around, edges[:, 1], v[edges[:, 0]])
    pull = np.where(degree == 3, 3 / 16, 3 / (8 * np.maximum(degree, 1)))
    rim = np.zeros(len(v), bool)
    rim[edges[uses != 2]] = True
    moved = np.where(rim[:, None], v, (1 - degree * pull) * v + pull * around)
    ab, bc, ca = (len(v) + which[i * len(f):(i + 1) * len(f)] for i in range(3))
    a, b, c = f.T
    fine = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return Bone(np.concatenate([moved, middle]), fine)
