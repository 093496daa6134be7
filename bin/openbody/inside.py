# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of each bone lies outside the skin, at rest for several shapes and over random poses within the anatomical limits:
python -m openbody.inside --data DIR [--count 200] [--bones]."""
from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skel_blender.anatomy import LIMITS_ANATOMICAL

from .posing import OpenBody

CELL = 0.004
SHAPES = 4
"""The rest pose is also looked at with each of this many first betas at +2 and -2."""
SEED = 46


def winding(points: np.ndarray, v: np.ndarray, tris: np.ndarray) -> np.ndarray:
    """(n,) signed crossings of a ray along +z with a closed mesh: 1 or more inside, 0 outside. Triangles are found by a grid."""
    points = points + [3.1e-7, 1.7e-7, 0.0]  # off the exact mid-line, where the ray would run along edges
    corner = v[tris]
    low = np.floor(corner[:, :, :2].min(1) / CELL).astype(int)
    wide = np.floor(corner[:, :, :2].max(1) / CELL).astype(int) - low + 1
    number = np.repeat(np.arange(len(tris)), wide.prod(1))
    step = np.arange(len(number)) - np.repeat(np.cumsum(wide.prod(1)) - wide.prod(1), wide.prod(1))
    cell = low[number] + np.stack([step // wide[number, 1], step % wide[number, 1]], 1)
    key = cell[:, 0] * 100003 + cell[:, 1]
    order = np.argsort(key, kind="stable")
    key, number = key[order], number[order]
    own = np.floor(points[:, :2] / CELL).astype(int)
    own = own[:, 0] * 100003 + own[:, 1]
    first, last = np.searchsorted(key, own, "left"), np.searchsorted(key, own, "right")
    who = np.repeat(np.arange(len(points)), last - first)
    pick = np.arange(len(who)) - np.repeat(np.cumsum(last - first) - (last - first), last - first) + first[who]
    a, b, c = (corner[number[pick], i] for i in range(3))
    p = points[who]

    def side(s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return (t[:, 0] - s[:, 0]) * (p[:, 1] - s[:, 1]) - (t[:, 1] - s[:, 1]) * (p[:, 0] - s[:, 0])

    ab, bc, ca = side(a, b), side(b, c), side(c, a)
    area = ab + bc + ca
    hit = ((ab > 0) & (bc > 0) & (ca > 0)) | ((ab < 0) & (bc < 0) & (ca < 0))
    depth = (bc * a[:, 2] + ca * b[:, 2] + ab * c[:, 2]) / np.where(area == 0, 1, area)
    above = hit & (depth > p[:, 2])
    return np.bincount(who, np.sign(area) * above, len(points))


def depth(points: np.ndarray, v: np.ndarray, tris: np.ndarray) -> np.ndarray:
    """(n,) distance of points to a mesh in metres, by the triangles around the eight nearest vertices."""
    out = np.full(len(points), np.inf)
    for k, p in enumerate(points):
        near = np.zeros(len(v), bool)
        near[np.argpartition(((v - p) ** 2).sum(1), 8)[:8]] = True
        a, b, c = (v[tris[near[tris].any(1), i]] for i in range(3))
        ab, ac, normal = b - a, c - a, np.cross(b - a, c - a)
        size = np.maximum((normal**2).sum(1), 1e-18)
        s = (np.cross(p - a, ac) * normal).sum(1) / size
        t = (np.cross(ab, p - a) * normal).sum(1) / size
        flat = np.abs(((p - a) * normal).sum(1)) / np.sqrt(size)
        best = flat[(s >= 0) & (t >= 0) & (s + t <= 1)].min(initial=np.inf)
        for start, way in ((a, ab), (a, ac), (b, c - b)):
            share = np.clip(((p - start) * way).sum(1) / np.maximum((way**2).sum(1), 1e-18), 0, 1)
            best = min(best, np.linalg.norm(p - start - share[:, None] * way, axis=1).min())
        out[k] = best
    return out


@dataclass
class Tally:
    """Counts per bone name (sides merged): vertices tested, outside, and the depths in mm of the outside ones."""

    tested: dict[str, int] = field(default_factory=dict)
    depths: dict[str, list[float]] = field(default_factory=dict)

    def add(self, body: OpenBody, q: np.ndarray, every: int) -> None:
        """Count one body in pose q (46) rad, every so many vertices."""
        skin, bones = body.posed(q)
        ids = np.arange(0, len(bones), every)
        out = winding(bones[ids], skin, body.tris) < 0.5
        parts = [n.removesuffix("_r").removesuffix("_l") for n in body.data["skel_part_names"].tolist()]
        names = np.array(parts)[body.data["skel_part"][ids]]
        deep = np.zeros(len(ids))
        deep[out] = depth(bones[ids[out]], skin, body.tris) * 1000
        for name in np.unique(names):
            mask = names == name
            self.tested[name] = self.tested.get(name, 0) + int(mask.sum())
            self.depths.setdefault(name, []).extend(deep[mask & out].tolist())

    def line(self, title: str) -> str:
        """Share outside, worst depth and worst bone."""
        everything = np.concatenate([np.array(d) for d in self.depths.values()])
        share = 100 * len(everything) / sum(self.tested.values())
        worst = max(self.depths, key=lambda n: max(self.depths[n], default=0.0))
        return (f"{title:34s} {share:5.2f} %   deeper than 5 mm {100 * (everything > 5).sum() / sum(self.tested.values()):5.2f} %   "
                f"deepest {everything.max(initial=0):4.1f} mm ({worst})")

    def table(self, least: float) -> str:
        """One line a bone that is at least this % outside, worst first."""
        rows = [(100 * len(self.depths[n]) / self.tested[n], np.array(self.depths[n] or [0.0]), n) for n in self.tested]
        return "\n".join(f"    {n:22s} {share:5.1f} %   p95 {np.percentile(d, 95):5.1f}   deepest {d.max():5.1f} mm"
                         for share, d, n in sorted(rows, key=lambda row: -row[0]) if share >= least)


def random_poses(count: int) -> np.ndarray:
    """(count,46) rad, uniform within the anatomical limits; the pelvis does not turn."""
    low, high = np.nan_to_num(np.array(LIMITS_ANATOMICAL), posinf=0.0, neginf=0.0).T
    return np.random.default_rng(SEED).uniform(low, high, (count, len(low)))


def shapes() -> list[np.ndarray]:
    """Betas (10,) to look at: the mean, and each of the first ones at +2 and -2."""
    return [np.zeros(10)] + [sign * 2.0 * np.eye(10)[k] for k in range(SHAPES) for sign in (1, -1)]


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sexes", default="male,female")
    parser.add_argument("--count", type=int, default=200, help="random poses")
    parser.add_argument("--bones", action="store_true", help="a line for every bone that pokes out, not only for the worst")
    args = parser.parse_args()
    for sex in args.sexes.split(","):
        path = args.data / f"open_{sex}.npz"
        print(f"{sex}: vertices of the bones outside the skin")
        everything = Tally()
        for betas in shapes():
            tally = Tally()
            for one in (tally, everything):
                one.add(OpenBody(path, betas), np.zeros(46), 1)
            k = np.abs(betas).argmax()
            print(tally.line("  rest, mean shape" if not betas.any() else f"  rest, beta {k + 1} = {betas[k]:+.0f}"))
        print(everything.table(0.0 if args.bones else 2.0) or "    no bone 2 % outside")
        tally = Tally()
        body = OpenBody(path, np.zeros(10))
        for q in random_poses(args.count):
            tally.add(body, q, 6)
        print(tally.line(f"  {args.count} random poses"))
        print(tally.table(0.0 if args.bones else 5.0))


if __name__ == "__main__":
    main()
