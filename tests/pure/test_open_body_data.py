# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped open bodies: format, symmetry, anatomy and bones in the skin. numpy only, no engine."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import DOFS_OF_JOINT
from tests.synthetic import open_body_file

SEXES = ("male", "female")
FLIP = np.array([-1.0, 1.0, 1.0])
RIGHT, LEFT = [1, 2, 3, 4, 5, 14, 15, 16, 17, 18], [6, 7, 8, 9, 10, 19, 20, 21, 22, 23]
SWAP = np.arange(24)
SWAP[RIGHT], SWAP[LEFT] = LEFT, RIGHT
KNEE_L, ELBOW_L, HIP_L, SHOULDER_L = 7, 21, 6, 20


@cache
def body(sex: str) -> dict[str, np.ndarray]:
    with np.load(open_body_file(sex), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@cache
def triangles(sex: str) -> np.ndarray:
    faces = body(sex)["faces"].astype(int)
    return np.concatenate([faces[:, :3], faces[faces[:, 3] != 65535][:, [0, 2, 3]]])


def nearest(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Distance of each point to its nearest target, in metres."""
    return np.concatenate([np.sqrt(((p[:, None] - targets) ** 2).sum(2).min(1)) for p in np.array_split(points, len(points) // 200 + 1)])


def volume(v: np.ndarray, tris: np.ndarray) -> float:
    a, b, c = (v[tris[:, i]] for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def inside(points: np.ndarray, v: np.ndarray, tris: np.ndarray) -> np.ndarray:
    """Whether points lie in a closed mesh: signed crossings of rays along +z."""
    corner, result = v[tris], []
    low, high = corner.min(1), corner.max(1)
    for x, y, z in points + [3.1e-7, 1.7e-7, 0.0]:
        near = corner[(low[:, 0] < x) & (high[:, 0] > x) & (low[:, 1] < y) & (high[:, 1] > y)]
        d = near[:, :, :2] - [x, y]
        turn = [d[:, i, 0] * d[:, j, 1] - d[:, i, 1] * d[:, j, 0] for i, j in ((1, 2), (2, 0), (0, 1))]
        area = sum(turn)
        hit = (np.array(turn) > 0).all(0) | (np.array(turn) < 0).all(0)
        depth = sum(t * near[:, i, 2] for i, t in enumerate(turn)) / np.where(area == 0, 1, area)
        result.append((np.sign(area) * (hit & (depth > z))).sum() > 0)
    return np.array(result)


@pytest.mark.parametrize("sex", SEXES)
def test_every_array_has_the_shape_and_type_of_the_format(sex):
    d = body(sex)
    v, s, p = len(d["v_template"]), len(d["skel_v_template"]), len(d["skel_part_affine"])
    wanted = {
        "v_template": ((v, 3), "f4"), "faces": ((len(d["faces"]), 4), "u2"), "uv": ((len(d["faces"]), 4, 2), "f2"),
        "shapedirs_q": ((v, 3, 10), "i2"), "shapedirs_scale": ((10,), "f4"), "weight_index": ((v, 4), "u1"), "weight_value": ((v, 4), "u1"),
        "J_template": ((24, 3), "f4"), "J_shapedirs": ((24, 3, 10), "f4"), "rest_frames": ((24, 3, 3), "f4"),
        "skel_v_template": ((s, 3), "f4"), "skel_faces": ((len(d["skel_faces"]), 3), "u2"), "skel_joint": ((s,), "u1"),
        "skel_part": ((s,), "u1"), "skel_part_affine": ((p, 10, 3, 4), "f4"), "marker_joint": ((33,), "u1"),
        "marker_template": ((33, 3), "f4"), "marker_shapedirs": ((33, 3, 10), "f4"), "sole_joint": ((6,), "u1"),
        "sole_template": ((6, 3), "f4"), "sole_shapedirs": ((6, 3, 10), "f4"),
        "surface_joint": ((12,), "u1"), "surface_template": ((12, 3), "f4"), "surface_shapedirs": ((12, 3, 10), "f4"),
    }  # fmt: skip
    assert {name: (d[name].shape, d[name].dtype.str[1:]) for name in wanted} == wanted
    assert str(d["sex"]) == sex
    assert 11000 < v < 14000
    assert all(np.isfinite(a).all() for a in d.values() if a.dtype.kind == "f")


def test_both_files_stay_under_five_megabytes():
    assert sum(open_body_file(sex).stat().st_size for sex in SEXES) < 5_000_000


@pytest.mark.parametrize("sex", SEXES)
def test_weights_sum_to_one_and_name_real_joints(sex):
    d = body(sex)
    assert (d["weight_value"].astype(int).sum(1) == 255).all()
    assert d["weight_index"].max() < 24
    assert len(np.unique(d["weight_index"][d["weight_value"] > 0])) == 24


@pytest.mark.parametrize("sex", SEXES)
def test_skin_is_closed_outward_and_of_human_volume(sex):
    tris = triangles(sex)
    edges = np.concatenate([tris[:, [0, 1]], tris[:, [1, 2]], tris[:, [2, 0]]])
    forward, backward = {tuple(e) for e in edges.tolist()}, {tuple(e) for e in edges[:, ::-1].tolist()}
    assert forward == backward and len(forward) == len(edges)
    assert 0.04 < volume(body(sex)["v_template"].astype(float), tris) < 0.11


@pytest.mark.parametrize("sex", SEXES)
def test_shapes_span_lean_to_obese_adults(sex):
    """BMI of 300 drawn shapes, 985 kg/m^3; surveyed means are 27.7 and 25.5 (ANSUR II)."""
    d, tris = body(sex), triangles(sex)
    bmi = []
    for betas in np.random.default_rng(1).normal(size=(300, 10)):
        v = d["v_template"] + (d["shapedirs_q"] * d["shapedirs_scale"].astype(float)) @ betas
        bmi.append(985 * volume(v, tris) / np.ptp(v[:, 1]) ** 2)
    low, high = np.percentile(bmi, [2.5, 97.5])
    assert abs(np.mean(bmi) - {"male": 27.7, "female": 25.5}[sex]) < 1.5
    assert 15 < low < 20 and 33 < high < 45


@pytest.mark.parametrize("sex", SEXES)
def test_left_and_right_mirror_each_other(sex):
    d = body(sex)
    for template, directions in (("J_template", "J_shapedirs"),):
        assert np.abs(d[template] * FLIP - d[template][SWAP]).max() < 1e-6
        assert np.abs(d[directions] * FLIP[:, None] - d[directions][SWAP]).max() < 1e-6
    assert nearest(d["v_template"][::7] * FLIP, d["v_template"]).max() < 1e-5
    middle = [0] + [i for i, n in enumerate(d["marker_names"]) if "left" in n]
    other = [0] + [i for i, n in enumerate(d["marker_names"]) if "right" in n]
    assert np.abs(d["marker_template"][middle] * FLIP - d["marker_template"][other]).max() < 1e-6
    assert np.abs(d["sole_template"][:3] * FLIP - d["sole_template"][3:]).max() < 1e-6
    right, left = ([i for i, n in enumerate(d["surface_names"]) if n.endswith(end)] for end in ("_r", "_l"))
    assert np.abs(d["surface_template"][right] * FLIP - d["surface_template"][left]).max() < 1e-6
    names = d["skel_part_names"].tolist()
    for k, name in enumerate(names):
        if name.endswith("_r"):
            twin = d["skel_v_template"][d["skel_part"] == names.index(name[:-1] + "l")]
            assert (d["skel_v_template"][d["skel_part"] == k] * FLIP == twin).all()


@pytest.mark.parametrize("sex", SEXES)
def test_t_pose_stands_upright_and_is_straight(sex):
    j = body(sex)["J_template"]
    assert np.abs(j[0]).max() < 1e-6
    for a, b, c in ((6, 7, 8), (20, 21, 23)):
        first, second = j[b] - j[a], j[c] - j[b]
        assert first @ second / np.linalg.norm(first) / np.linalg.norm(second) > 0.9999
    assert j[20, 0] > j[6, 0] > 0.07 and j[13, 1] > j[12, 1] > j[11, 1] > 0
    assert abs(j[20, 1] - j[23, 1]) < 0.02
    v = body(sex)["v_template"]
    width = np.ptp(v[:, 0])
    assert {"male": 1.77 < width < 1.86, "female": 1.62 < width < 1.70}[sex]
    assert {"male": 1.68 < np.ptp(v[:, 1]) < 1.83, "female": 1.55 < np.ptp(v[:, 1]) < 1.71}[sex]


@pytest.mark.parametrize("sex", SEXES)
def test_rest_frames_are_rotations_with_arms_along_x(sex):
    frames = body(sex)["rest_frames"].astype(float)
    assert np.abs(frames @ frames.transpose(0, 2, 1) - np.eye(3)).max() < 1e-6
    assert np.allclose(np.linalg.det(frames), 1)
    assert np.allclose(frames[1].T, [[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert np.allclose(frames[16].T, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert np.allclose(frames[21].T, [[0, 0, 1], [-1, 0, 0], [0, -1, 0]])


@pytest.mark.parametrize("sex", SEXES)
def test_each_bone_part_rides_one_joint_and_bones_stay_in_the_skin(sex):
    d = body(sex)
    assert d["skel_faces"].max() < len(d["skel_v_template"])
    for part in np.unique(d["skel_part"]):
        assert len(np.unique(d["skel_joint"][d["skel_part"] == part])) == 1
    for betas in (np.zeros(10), 2 * np.eye(10)[0], -2 * np.eye(10)[1], 2 * np.eye(10)[2], -2 * np.eye(10)[2]):
        bones, part = d["skel_v_template"][::23].astype(float), d["skel_part"][::23]
        affine = np.einsum("pkij,k->pij", d["skel_part_affine"].astype(float), betas)[part]
        bones += np.einsum("vij,vj->vi", affine[:, :, :3], bones) + affine[:, :, 3]
        skin = d["v_template"] + (d["shapedirs_q"] * d["shapedirs_scale"].astype(float)) @ betas
        assert inside(bones, skin, triangles(sex)).mean() > 0.985


@pytest.mark.parametrize("sex", SEXES)
def test_the_forearm_turns_about_the_line_of_the_two_heads(sex):
    """Pronation leaves the head of the ulna, at the wrist, where it is, and mirrors from side to side."""
    d = body(sex)
    joints, frames = d["J_template"].astype(float), d["rest_frames"].astype(float)
    turned = []
    for radius in (17, 22):
        q = np.zeros(46)
        q[DOFS_OF_JOINT[radius][0].index] = np.radians(80)
        turned.append(kinematics.forward(q, joints, frames)[radius + 1])
        assert np.linalg.norm(turned[-1][:3, 3] - joints[radius + 1]) < 0.03
    flip = np.diag(FLIP)
    assert np.abs(flip @ turned[0][:3, :3] @ flip - turned[1][:3, :3]).max() < 1e-4


@pytest.mark.parametrize("sex", SEXES)
def test_bones_follow_their_joints_when_the_shape_changes(sex):
    d = body(sex)
    betas = np.zeros(10)
    betas[0] = 2.0
    moved = d["J_shapedirs"] @ betas
    for name, joint in (("femur_l", 6), ("humerus_l", 20), ("talus_l", 8)):
        part = list(d["skel_part_names"]).index(name)
        at = d["J_template"][joint]
        shift = np.einsum("kij,k->ij", d["skel_part_affine"][part], betas) @ np.append(at, 1)
        assert np.linalg.norm(shift - moved[joint]) < 0.004


@pytest.mark.parametrize("sex", SEXES)
def test_markers_lie_where_the_detector_sees_them(sex):
    d = body(sex)
    at = dict(zip(d["marker_names"].tolist(), d["marker_template"], strict=True))
    j, skin = d["J_template"], d["v_template"]
    for name, joint in {"shoulder": 20, "elbow": 21, "wrist": 23, "hip": 6, "knee": 7, "ankle": 8}.items():
        assert np.abs(at[f"left_{name}"] - j[joint]).max() < 1e-6
    for name in ("nose", "left_eye_inner", "left_eye_outer", "mouth_left", "left_heel", "left_foot_index"):
        assert nearest(at[name][None], skin)[0] < 0.004
    assert at["left_eye_outer"][0] > at["left_eye"][0] > at["left_eye_inner"][0] > 0
    assert at["nose"][1] < at["left_eye"][1] and at["mouth_left"][1] < at["nose"][1]
    assert at["left_ear"][0] > 0.06 and at["left_ear"][2] < at["left_eye"][2] - 0.04
    assert at["left_foot_index"][2] > at["left_heel"][2] + 0.2
    points = dict(zip(d["surface_names"].tolist(), d["surface_template"], strict=True))
    assert nearest(d["surface_template"], skin)[[i for i, n in enumerate(d["surface_names"]) if n[:3] not in ("ear", "eye")]].max() < 1e-4
    assert abs(points["head_top"][1] - skin[:, 1].max()) < 1e-3
    assert points["small_toe_l"][0] > points["big_toe_l"][0] + 0.05 and points["big_toe_l"][2] > points["small_toe_l"][2]
    assert np.abs(points["heel_l"] - at["left_heel"]).max() < 1e-6 and np.abs(points["nose"] - at["nose"]).max() < 1e-6
    assert at["left_index"][2] > at["left_pinky"][2] + 0.04  # thumbs forward
    low = skin[:, 1].min()
    assert np.abs(d["sole_template"][:, 1] - low).max() < 0.004
    assert nearest(d["sole_template"], skin).max() < 1e-4


def posed_skin(d: dict[str, np.ndarray], joint: int, degrees: float) -> np.ndarray:
    q = np.zeros(46)
    q[DOFS_OF_JOINT[joint][0].index] = np.radians(degrees)
    joints = d["J_template"].astype(float)
    h = kinematics.forward(q, joints, d["rest_frames"].astype(float))
    return kinematics.skin(h, joints, d["v_template"].astype(float), d["weight_index"], d["weight_value"] / 255)


@pytest.mark.parametrize("sex", SEXES)
@pytest.mark.parametrize(("joint", "degrees"), [(KNEE_L, 100), (ELBOW_L, 100), (HIP_L, 90), (SHOULDER_L, -75)])
def test_skin_keeps_clear_of_a_bent_joint(sex, joint, degrees):
    d = body(sex)
    centre = d["J_template"][joint].astype(float)
    rest = np.linalg.norm(d["v_template"] - centre, axis=1).min()
    assert np.linalg.norm(posed_skin(d, joint, degrees) - centre, axis=1).min() > 0.65 * rest


@pytest.mark.parametrize("sex", SEXES)
def test_positive_angles_bend_knee_back_and_elbow_and_hip_forward(sex):
    d = body(sex)
    joints, frames = d["J_template"].astype(float), d["rest_frames"].astype(float)

    def moved(joint: int, end: int) -> np.ndarray:
        q = np.zeros(46)
        q[DOFS_OF_JOINT[joint][0].index] = np.radians(60)
        return kinematics.forward(q, joints, frames)[end, :3, 3] - joints[end]

    assert moved(KNEE_L, 8)[2] < -0.2
    assert moved(HIP_L, 7)[2] > 0.2
    assert moved(ELBOW_L, 23)[2] > 0.15
