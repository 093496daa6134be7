# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up model file in SMPL's official layout, and motions for it: no licensed value is in it.

The mesh is the open body's, thinned; the joints are SMPL's 24, each the mean of the skin around it, as a regressor gives them, so that
they lie up to some centimetres away from SKEL's joints; the weights are cut anew into SMPL's segments.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import scipy.sparse
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from skel_blender.anatomy import JOINT_INDEX
from skel_blender.anatomy import PARENTS as SKEL_PARENTS
from skel_blender.take import RestBody
from tests.synthetic import open_body, open_body_file

NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3",
    "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
VERTICES = 6890  # as SMPL has
_AROUND = 24  # vertices that a joint is the mean of
_SEGMENT = {  # SKEL joint -> SMPL segment; the trunk and the neck are cut by height
    "femur": "hip", "tibia": "knee", "talus": "ankle", "calcn": "ankle", "toes": "foot", "scapula": "collar", "humerus": "shoulder",
    "ulna": "elbow", "radius": "elbow", "hand": "wrist",
}  # fmt: skip
# What SMPL's joints differ by from SKEL's (x to the outside, y up, z forward, m): made up, of the size that they differ in truth.
_ASIDE = {"hip": (-0.015, 0.01, 0.02), "knee": (0.005, 0.01, 0.012), "ankle": (0, 0.01, -0.012), "foot": (0, 0.01, 0.01),
          "shoulder": (-0.01, 0.01, 0.008), "elbow": (0, -0.005, -0.008), "wrist": (-0.008, 0.005, 0)}  # fmt: skip


def model(sex: str = "female", seed: int = 0, blend: float = 0.0) -> dict:
    """The entries of an SMPL file of the open body. `blend` m is the size of its (random) pose blend shapes."""
    with np.load(open_body_file(sex)) as file:
        shapedirs = (file["shapedirs_q"] * file["shapedirs_scale"]).astype(np.float64)
    return model_of(open_body(sex), shapedirs, seed, blend)


def model_of(body: RestBody, shapedirs: np.ndarray, seed: int = 0, blend: float = 0.0) -> dict:
    """The entries of an SMPL file of a body and its shapedirs (V,3,10)."""
    keep = np.linspace(0, len(body.skin_verts) - 1, min(VERTICES, len(body.skin_verts))).astype(int)
    verts, shapedirs = np.asarray(body.skin_verts[keep], float), shapedirs[keep]
    nearest = cKDTree(verts).query(body.skin_verts)[1]
    corners = nearest[np.maximum(body.skin_faces, 0)]
    triangles = np.concatenate([corners[:, :3], corners[body.skin_faces[:, 3] >= 0][:, [0, 2, 3]]])
    distinct = (triangles[:, 0] != triangles[:, 1]) & (triangles[:, 1] != triangles[:, 2]) & (triangles[:, 0] != triangles[:, 2])
    joints = _joints(body.joints)
    regressor = np.zeros((24, len(verts)))
    for row, joint in zip(regressor, joints):
        row[_ring(verts, joint)] = 1.0 / _AROUND
    rng = np.random.default_rng(seed)
    return {
        "v_template": verts, "shapedirs": shapedirs,
        "posedirs": np.float32(blend) * rng.standard_normal((len(verts), 3, 207), dtype=np.float32),
        "J_regressor": scipy.sparse.csc_matrix(regressor), "weights": _weights(body, keep, joints),
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(24)], dtype=np.uint32), "f": triangles[distinct].astype(np.uint32),
        "bs_type": "lrotmin", "bs_style": "lbs",
    }  # fmt: skip


def write_model(path: Path, entries: dict | None = None, **options: object) -> dict:
    """Write it as the pickle that SMPL's site gives, and return its entries."""
    entries = entries or model(**options)
    with open(path, "wb") as stream:
        pickle.dump(entries, stream, protocol=2)
    return entries


def _joints(centres: np.ndarray) -> np.ndarray:
    """(24,3) about where SMPL has its joints in a body with SKEL's."""
    def at(name: str) -> np.ndarray:
        return centres[JOINT_INDEX[name]]

    hips, low, high = (at("femur_r") + at("femur_l")) / 2, at("lumbar_body"), at("thorax")
    spots = {"pelvis": hips + [0, 0.05, 0.02], "spine1": (hips + low) / 2 + [0, 0.03, 0.03], "spine2": low + [0, 0.05, 0.05],
             "spine3": low + 0.35 * (high - low) + [0, 0, 0.05], "neck": high, "head": at("head") + [0, 0.01, 0.01]}  # fmt: skip
    for side, s in (("left", "l"), ("right", "r")):
        spots[f"{side}_collar"] = 0.55 * at(f"scapula_{s}") + 0.45 * high + [0, 0, 0.03]
        for name, bone in (("hip", "femur"), ("knee", "tibia"), ("ankle", "talus"), ("foot", "toes"), ("shoulder", "humerus"),
                           ("elbow", "ulna"), ("wrist", "hand")):  # fmt: skip
            spots[f"{side}_{name}"] = at(f"{bone}_{s}") + _ASIDE.get(name, (0, 0, 0)) * np.array([1 if s == "l" else -1, 1, 1])
        spots[f"{side}_hand"] = at(f"hand_{s}") + 0.09 * np.sign(at(f"hand_{s}")[0]) * np.array([1.0, 0, 0])
    return np.array([spots[name] for name in NAMES])


def _ring(verts: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """Vertices around a joint, chosen one after the other so that their mean comes near to it."""
    near = np.argsort(np.linalg.norm(verts - joint, axis=1))[: 6 * _AROUND]
    chosen: list[int] = []
    for _ in range(_AROUND):
        left = [k for k in near if k not in chosen]
        means = (verts[chosen].sum(axis=0) + verts[left]) / (len(chosen) + 1)
        chosen.append(left[int(np.argmin(np.linalg.norm(means - joint, axis=1)))])
    return np.array(chosen)


def _weights(body: RestBody, keep: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(V,24): the body's own weights, its trunk shared out between the spine's joints by height, its hands by reach."""
    index, value = body.weight_index[keep], body.weight_value[keep]
    verts = body.skin_verts[keep]
    weights = np.zeros((len(keep), 24))
    spine = [NAMES.index(name) for name in ("pelvis", "spine1", "spine2", "spine3")]
    neck = [NAMES.index(name) for name in ("spine3", "neck", "head")]
    for name, joint in JOINT_INDEX.items():
        share = (value * (index == joint)).sum(axis=1)
        if name in ("lumbar_body", "thorax", "pelvis"):
            weights[:, spine] += share[:, None] * _between(verts[:, 1], joints[spine, 1] - 0.03)
        elif name == "head":
            weights[:, neck] += share[:, None] * _between(verts[:, 1], joints[neck, 1] - 0.02)
        elif name.startswith("hand"):
            side = "left" if name.endswith("l") else "right"
            reach = np.clip((np.abs(verts[:, 0]) - abs(joints[NAMES.index(f"{side}_hand"), 0])) / 0.02, 0, 1)
            weights[:, NAMES.index(f"{side}_wrist")] += share * (1 - reach)
            weights[:, NAMES.index(f"{side}_hand")] += share * reach
        else:
            bone, _, s = name.rpartition("_")
            weights[:, NAMES.index(f"{'left' if s == 'l' else 'right'}_{_SEGMENT[bone]}")] += share
    return weights / weights.sum(axis=1, keepdims=True)


def _between(height: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(V,n) smooth shares of n segments that begin at ascending levels."""
    above = np.stack([1 / (1 + np.exp(-np.clip((height - level) / 0.02, -50, 50))) for level in levels[1:]], axis=1)
    ones = np.ones((len(height), 1))
    return np.concatenate([ones, above], axis=1) - np.concatenate([above, 0 * ones], axis=1)


_OF_MOCAP = {  # SMPL's joint <- joints of the mocap's skeleton, one turn after the other
    **{name: (name,) for name in ("pelvis", "spine1", "spine2", "spine3", "head")}, "neck": ("neck1", "neck2"),
    **{f"{side}_{smpl}": (f"{side[0]}_{own}",) for side in ("left", "right") for smpl, own in (
        ("hip", "hip"), ("knee", "knee"), ("ankle", "ankle"), ("foot", "toe"), ("collar", "clavicle"), ("shoulder", "shoulder"),
        ("elbow", "elbow"), ("wrist", "wrist"))},
}  # fmt: skip


def of_mocap(names: list[str], local: np.ndarray, root: np.ndarray, leg: float, joints: np.ndarray, rate: int = 1) -> tuple:
    """Poses (T,72) and trans (T,3) m, y up, of a mocap clip whose rotations have SMPL's convention.

    names and local (T,n,3,3) of its joints, root (T,3) m its pelvis, leg m its hip-to-ankle length, joints (24,3) of the body that shall
    move; `rate` frames are made of each.
    """
    from skel_blender.engine.imports.motion import bridged, rotation_vectors

    local = np.stack([_product([local[:, names.index(n)] for n in _OF_MOCAP[name]]) for name in NAMES[:22]], axis=1)
    size = (joints[1, 1] - joints[7, 1]) / leg
    _, local, root, _ = bridged(np.arange(len(local)) * rate, local, root * size)
    poses = np.zeros((len(local), 72))
    poses[:, :66] = rotation_vectors(local).reshape(len(local), -1)
    return poses, root - joints[0]


def _product(turns: list[np.ndarray]) -> np.ndarray:
    result = turns[0]
    for turn in turns[1:]:
        result = result @ turn
    return result


MOCAP = Path(__file__).parent / "data" / "mocap_test.npz"


def clips(path: Path = MOCAP) -> list[str]:
    """Names of the clips in a file of packed motion capture (bin/benchmarks/mocap.py has the layout)."""
    with np.load(path, allow_pickle=False) as file:
        return [str(name) for name in file["clip_names"]]


def captured(clip: str, joints: np.ndarray, rate: int = 1, path: Path = MOCAP) -> tuple[np.ndarray, np.ndarray]:
    """Poses (T,72) and trans (T,3) m, y up, of such a clip for a body with rest joints (24,3); `rate` frames are made of each."""
    with np.load(path, allow_pickle=False) as file:
        number = [str(name) for name in file["clip_names"]].index(clip)
        rows = slice(int(file["clip_start"][number]), int(file["clip_start"][number + 1]))
        names, offsets = [str(name) for name in file["joint_names"]], file["offsets"][number].astype(float)
        quaternions, root = file["local_quat"][rows].astype(float), file["root_pos"][rows].astype(float)
    leg = sum(np.linalg.norm(offsets[names.index(name)]) for name in ("l_knee", "l_ankle"))
    turns = Rotation.from_quat(quaternions[..., [1, 2, 3, 0]].reshape(-1, 4)).as_matrix().reshape(*quaternions.shape[:2], 3, 3)
    poses, trans = of_mocap(names, turns, root, leg, joints, rate)
    hips = (joints[1, 1] - joints[7, 1]) / leg * offsets[names.index("l_hip"), 1]
    trans[:, 1] += hips - (joints[1, 1] - joints[0, 1])  # the hips, not the pelvis' joint, are as high as the performer's
    return poses, trans


def skel_entries(sex: str = "female") -> dict:
    """What makes tests/skel_file.py's file a person: the open body in SKEL's official layout, with the skin of `model(sex)`."""
    body = open_body(sex)
    with np.load(open_body_file(sex)) as file:
        shapedirs = (file["shapedirs_q"] * file["shapedirs_scale"]).astype(np.float64)
    keep = np.linspace(0, len(body.skin_verts) - 1, VERTICES).astype(int)
    verts = np.asarray(body.skin_verts[keep], float)
    regressor = np.zeros((24, VERTICES))
    for row, joint in zip(regressor, body.joints):
        row[_ring(verts, joint)] = 1.0 / _AROUND
    joints = regressor @ verts
    weights = np.zeros((VERTICES, 24))
    np.add.at(weights, (np.arange(VERTICES)[:, None], body.weight_index[keep]), body.weight_value[keep])
    rest = np.tile(np.eye(4), (24, 1, 1))  # bones point from joint to joint, so that frames at rest are the open body's
    rest[:, :3, :3] = np.swapaxes(body.frames, 1, 2)
    rest[1:, :3, 3] = joints[1:] - joints[list(SKEL_PARENTS[1:])]
    return {"skin_template_v": verts, "shapedirs": shapedirs[keep], "posedirs": np.zeros((VERTICES, 3, 207)), "apose_rel_transfo": rest,
            "per_joint_rot": np.tile(np.eye(3), (24, 1, 1)), "skin_weights": scipy.sparse.coo_matrix(weights),
            "J_regressor_osim": scipy.sparse.coo_matrix(regressor)}  # fmt: skip
