# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of each bone lies outside the skin: python -m openbody.inside --data DIR [--poses t,walk] [--betas ...]."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .posing import OpenBody

CELL = 0.004


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


def outside(body: OpenBody, q: np.ndarray, every: int = 3) -> dict[str, tuple[int, int, float]]:
    """Part name (sides merged) -> (tested, outside, worst distance in mm to the nearest skin vertex) in pose q."""
    skin, bones = body.posed(q)
    ids = np.arange(0, len(bones), every)
    out = winding(bones[ids], skin, body.tris) < 0.5
    names = body.data["skel_part_names"][body.data["skel_part"][ids]]
    result: dict[str, tuple[int, int, float]] = {}
    for name in np.unique(names):
        mask = names == name
        poking = bones[ids[mask & out]]
        worst = max((float(np.sqrt(((skin - p) ** 2).sum(1).min())) for p in poking), default=0.0) * 1000
        key = str(name).removesuffix("_r").removesuffix("_l")
        n, k, w = result.get(key, (0, 0, 0.0))
        result[key] = (n + int(mask.sum()), k + len(poking), max(w, worst))
    return result


def main() -> None:
    """Command line entry."""
    from .picture import POSES
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sexes", default="male,female")
    parser.add_argument("--poses", default="t")
    parser.add_argument("--betas", default="")
    args = parser.parse_args()
    betas = np.zeros(10)
    given = [float(x) for x in args.betas.split(",") if x]
    betas[: len(given)] = given
    for sex in args.sexes.split(","):
        body = OpenBody(args.data / f"open_{sex}.npz", betas)
        for name in args.poses.split(","):
            found = outside(body, POSES[name])
            tested, poking = sum(n for n, _, _ in found.values()), sum(k for _, k, _ in found.values())
            print(f"{sex} {name} betas {given}: {100 * poking / tested:.1f} % of bone vertices outside the skin")
            for part, (n, k, worst) in sorted(found.items(), key=lambda item: -item[1][1] / item[1][0]):
                if k:
                    print(f"    {part:20s} {100 * k / n:5.1f} %  up to {worst:4.1f} mm")


if __name__ == "__main__":
    main()
