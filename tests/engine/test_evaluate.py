# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/evaluate: figures against independent formulas, layouts as they are published."""


import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.transform import Rotation

from bin.evaluation import metrics, violations
from bin.evaluation.samples import H36M_14, running
from bin.evaluation.smpl import read_smpl
from skel_blender.engine.body import load_body
from skel_blender.engine.imports.source_body import chain, load_model, posed_skin
from tests.engine.evaluated_files import evaluate, hmr2_labels, moyo_labels, skel_with_regressors, smpl_folder
from tests.synthetic_smpl import write_model


@pytest.fixture(scope="module")
def skel(tmp_path_factory):
    return skel_with_regressors(tmp_path_factory.mktemp("skel"))


@pytest.fixture(scope="module")
def smpl(skel):
    folder = skel[0].parent / "smpl"
    folder.mkdir()
    return smpl_folder(folder)


def _write(path, **arrays):
    np.savez(path, **arrays)
    return path


def _procrustes(found, truth):
    """mm, by scipy: one frame after the best similarity without mirroring."""
    a, b = found - found.mean(0), truth - truth.mean(0)
    rotation, _ = scipy.linalg.orthogonal_procrustes(a, b)
    if np.linalg.det(rotation) < 0:
        u, _, vt = np.linalg.svd(a.T @ b)
        rotation = u @ np.diag([1, 1, -1]) @ vt
    scale = np.trace((a @ rotation).T @ b) / (a**2).sum()
    return 1000 * np.linalg.norm(scale * a @ rotation - b, axis=1).mean()


def test_3d_errors_are_those_of_independent_formulas(tmp_path, capsys):
    labels = hmr2_labels(tmp_path / "labels.npz")
    truth = np.concatenate([labels["body_keypoints_3d"], labels["extra_keypoints_3d"]], 1)[..., :3]
    found = truth + np.random.default_rng(1).normal(0, 0.05, truth.shape) + [0, 0, 9]
    told, _ = evaluate(capsys, tmp_path, _write(tmp_path / "found.npz", joints44=found, imgname=labels["imgname"]), tmp_path / "labels.npz")
    a, b = ((part - part[:, [39]])[:, list(H36M_14)] for part in (found, truth))
    assert told["figures"]["MPJPE"] == pytest.approx(1000 * np.sqrt(((a - b) ** 2).sum(-1)).mean())
    assert told["figures"]["PA-MPJPE"] == pytest.approx(np.mean([_procrustes(one, two) for one, two in zip(a, b)]))
    second = [(x[2:] - 2 * x[1:-1] + x[:-2]) for x in (a, b)]
    assert told["figures"]["acceleration error"] == pytest.approx(1000 * np.sqrt(((second[0] - second[1]) ** 2).sum(-1)).mean())


def test_a_mirrored_body_is_not_aligned_by_mirroring(tmp_path, capsys):
    labels = hmr2_labels(tmp_path / "labels.npz")
    truth = np.concatenate([labels["body_keypoints_3d"], labels["extra_keypoints_3d"]], 1)[..., :3]
    told, _ = evaluate(capsys, tmp_path, _write(tmp_path / "found.npz", joints44=truth * [-1, 1, 1]), tmp_path / "labels.npz")
    expected = np.mean([_procrustes(one * [-1, 1, 1], one) for one in truth[:, list(H36M_14)]])
    assert told["figures"]["PA-MPJPE"] == pytest.approx(expected) and expected > 100


@pytest.mark.parametrize("seed", range(5))
def test_pa_mpjpe_is_blind_to_similarities_and_mpjpe_to_shifts(seed):
    rng = np.random.default_rng(seed)
    truth, off = rng.normal(size=(4, 14, 3)), 0.1 * rng.normal(size=(4, 14, 3))
    turn, size, shift = Rotation.random(4, random_state=seed).as_matrix(), rng.uniform(0.2, 3, (4, 1, 1)), rng.normal(size=(4, 1, 3))
    moved = size * np.einsum("nij,nkj->nki", turn, truth + off) + shift
    assert metrics.pa_mpjpe(moved, truth) == pytest.approx(metrics.pa_mpjpe(truth + off, truth))
    assert metrics.mpjpe(truth + off + shift, truth) == pytest.approx(metrics.mpjpe(truth + off, truth))
    assert metrics.pa_mpjpe(truth + off, truth) <= metrics.mpjpe(truth + off, truth)


def test_pck_counts_by_hand(tmp_path, capsys):
    """Two pictures, boxes of 100 and 200 px: 5 % are 5 and 10 px, and not less than that is not near."""
    truth = np.zeros((2, 44, 3))
    truth[:, :3, 2] = 1  # three keypoints are annotated, the third in the second picture only
    truth[0, 2, 2] = 0
    found = np.zeros((2, 44, 2))
    found[:, 0, 0] = 4.9, 9.9  # right at 5 %, twice
    found[:, 1, 1] = 5.0, 19.9  # wrong, wrong; right at 10 %, twice
    found[:, 2, 0] = 0.0, 10.1  # not annotated; wrong, right at 10 %
    labels = hmr2_labels(tmp_path / "labels.npz", 2, center=np.full((2, 2), 50.0), scale=np.array([[60.0, 100], [200, 50]]),
                         body_keypoints_2d=truth[:, :25], extra_keypoints_2d=truth[:, 25:])  # fmt: skip
    told, _ = evaluate(capsys, tmp_path, _write(tmp_path / "found.npz", keypoints_2d=found), tmp_path / "labels.npz")
    assert told["figures"] == {"PCK@0.05": pytest.approx(1 / 3), "PCK@0.1": pytest.approx(1)}
    # the same in units of the patch: boxes are made 4:3, their longer side is the patch's
    side = np.array([100.0, 200 * 4 / 3])
    patch = (found - labels["center"][:, None]) / side[:, None, None]
    again, _ = evaluate(capsys, tmp_path, _write(tmp_path / "patch.npz", pred_keypoints_2d=patch), tmp_path / "labels.npz")
    assert again["figures"] == told["figures"]


def test_poses_of_skel_give_44_keypoints_skin_and_their_place_in_the_image(tmp_path, capsys, skel):
    file, regressors = skel
    rng = np.random.default_rng(5)
    poses, betas = rng.normal(0, 0.3, (6, 46)), rng.normal(0, 1, (6, 10))
    with torch.no_grad():
        skin = load_body(file).forward(*(torch.as_tensor(part) for part in (poses, betas, np.zeros((6, 3))))).skin_verts.numpy()
    solid, cam_t = np.full((6, 44, 3), np.nan), rng.uniform([-0.1, -0.1, 30], [0.1, 0.1, 50], (6, 3))
    solid[:, 25:] = regressors["SMPL_to_J19.pkl"] @ skin
    box, middle = np.array([90.0, 120.0]), np.array([300.0, 200.0])
    flat = np.zeros((6, 44, 3))
    flat[:, 25:, :2] = middle + 120 * (5000 / 256) * ((solid + cam_t[:, None])[..., :2] / (solid + cam_t[:, None])[..., 2:])[:, 25:]
    flat[:, 25:, 2] = 1
    known = np.concatenate([np.nan_to_num(solid), np.isfinite(solid[..., :1])], -1)
    hmr2_labels(tmp_path / "labels.npz", 6, center=np.tile(middle, (6, 1)), scale=np.tile(box, (6, 1)), body_pose=None, betas=None,
                body_keypoints_3d=known[:, :25], extra_keypoints_3d=known[:, 25:], body_keypoints_2d=flat[:, :25],
                extra_keypoints_2d=flat[:, 25:])  # fmt: skip
    found = _write(tmp_path / "found.npz", poses=poses, betas=betas, cam_t=cam_t)
    told, text = evaluate(capsys, tmp_path, found, tmp_path / "labels.npz", "--skel", file)
    assert told["figures"]["MPJPE"] == pytest.approx(0, abs=1e-6) and told["figures"]["PCK@0.05"] == 1
    assert "PVE" not in told["figures"] and "No PVE" in text
    off = _write(tmp_path / "off.npz", vertices=skin + 0.01, joints44=np.nan_to_num(solid))
    told, _ = evaluate(capsys, tmp_path, found, off, "--skel", file)
    assert told["figures"]["PVE"] == pytest.approx(10 * np.sqrt(3))


def test_smpl_is_that_of_the_importer(tmp_path):
    write_model(tmp_path / "SMPL_NEUTRAL.pkl", sex="male", blend=0.02)
    rng = np.random.default_rng(2)
    poses, betas = rng.normal(0, 0.3, (3, 72)), rng.normal(0, 1, 10)
    poses[:, 66:] = 0  # the importer leaves hands out
    np.savez(tmp_path / "motion.npz", poses=poses, trans=np.zeros((3, 3)), betas=betas, model="smpl")
    from skel_blender.engine.imports.formats import read_motions

    motion = read_motions(tmp_path / "motion.npz", up="y")[0]
    body = load_model(tmp_path / "SMPL_NEUTRAL.pkl", motion)
    turns, centres = chain(motion, body.joints)
    rotations = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(3, 24, 3, 3)
    joints, skin = read_smpl(tmp_path).forward(rotations, np.tile(betas, (3, 1)))
    np.testing.assert_allclose(joints[:, :22], centres, atol=1e-9)
    np.testing.assert_allclose(skin, posed_skin(body, motion, turns, centres), atol=1e-9)


def test_labels_with_smpl_parameters_give_pve(tmp_path, capsys, smpl):
    labels = hmr2_labels(tmp_path / "labels.npz", 4, body_keypoints_3d=None, extra_keypoints_3d=None)
    pose = labels["body_pose"]
    found = _write(tmp_path / "found.npz", global_orient=pose[:, None, :3], body_pose=pose[:, 3:].reshape(4, 23, 3), betas=labels["betas"])
    told, _ = evaluate(capsys, tmp_path, found, tmp_path / "labels.npz", "--smpl", smpl / "SMPL_MALE.pkl")
    assert told["figures"]["MPJPE"] == pytest.approx(0, abs=1e-9) and told["figures"]["PVE"] == pytest.approx(0, abs=1e-9)
    # with the folder the labels' own gender is taken, the predictions are of the neutral body
    told, _ = evaluate(capsys, tmp_path, found, tmp_path / "labels.npz", "--smpl", smpl)
    rotations = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(4, 24, 3, 3)
    skins = [read_smpl(smpl, gender).forward(rotations, labels["betas"])[1] for gender in ("neutral", "male")]
    j19 = np.load(smpl.parent / "SMPL_to_J19.pkl", allow_pickle=True)
    a, b = (skin - (j19 @ skin)[:, [14]] for skin in skins)
    assert told["figures"]["PVE"] == pytest.approx(1000 * np.linalg.norm(a - b, axis=-1).mean())


def test_moyo_is_scored_by_smpls_24_joints_from_skels_skin(tmp_path, capsys, skel, smpl):
    smpl_params = moyo_labels(tmp_path / "moyo.npz")
    rng = np.random.default_rng(6)
    poses, betas = rng.normal(0, 0.3, (5, 46)), rng.normal(0, 1, (5, 10))
    found = _write(tmp_path / "found.npz", poses=poses, betas=betas)
    told, text = evaluate(capsys, tmp_path, found, tmp_path / "moyo.npz", "--skel", skel[0], "--smpl", smpl)
    with torch.no_grad():
        skin = load_body(skel[0]).forward(*(torch.as_tensor(part) for part in (poses, betas, np.zeros((5, 3))))).skin_verts.numpy()
    a = skel[1]["J_regressor_SMPL_MALE.pkl"] @ skin
    pose = np.concatenate([smpl_params["global_orient"], smpl_params["body_pose"]], 1)
    b, true = read_smpl(smpl).forward(Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(5, 24, 3, 3), smpl_params["betas"])
    assert told["figures"]["MPJPE"] == pytest.approx(1000 * np.linalg.norm((a - a[:, :1]) - (b - b[:, :1]), axis=-1).mean())
    assert told["figures"]["PVE"] == pytest.approx(1000 * np.linalg.norm((skin - a[:, :1]) - (true - b[:, :1]), axis=-1).mean())
    assert told["figures"]["PA-PVE"] == pytest.approx(np.mean([_procrustes(one, two) for one, two in zip(skin, true)]))
    assert set(told["violations"]) == {"predictions", "ground truth"} and "| left elbow |" in text


def test_violations_of_skel_by_hand():
    poses = np.zeros((4, 46))
    poses[0, 13] = np.radians(-15)  # left knee, 15 degrees beyond straight
    poses[1, 6] = np.radians(135 + 25)  # right knee, too far bent
    poses[2, 33] = np.radians(67.5 + 35)  # right forearm twisted: counts to the elbow
    poses[3, 43] = np.radians(360 + 85)  # left forearm, a full turn on and within its own, wider limits
    table = violations.shares(violations.of_skel(poses))
    assert table["left knee"] == [0.25, 0, 0] and table["right knee"] == [0.25, 0.25, 0]
    assert table["right elbow"] == [0.25, 0.25, 0.25] and table["left elbow"] == [0, 0, 0]
    assert table["any of them"] == [0.75, 0.5, 0.25]


@pytest.mark.parametrize(("joint", "part", "order", "turns", "beyond"), [
    (3, "left knee", "XZY", (90, 0, 0), 0), (3, "left knee", "XZY", (-15, 0, 0), 15), (4, "right knee", "XZY", (60, -12, 25), 25),
    (17, "left elbow", "YZX", (-120, 0, 60), 0), (17, "left elbow", "YZX", (40, 0, 0), 40), (18, "right elbow", "YZX", (120, 0, 0), 0),
    (18, "right elbow", "YZX", (20, 11, -90), 22.5), (18, "right elbow", "YZX", (160, 0, 0), 25),
])  # fmt: skip
def test_violations_of_smpl_are_of_successive_turns(joint, part, order, turns, beyond):
    rotations = np.tile(np.eye(3), (1, 23, 1, 1))
    rotations[0, joint] = Rotation.from_euler(order, turns, degrees=True).as_matrix()
    found = violations.of_smpl(rotations)
    assert np.degrees(found.pop(part)[0]) == pytest.approx(beyond, abs=1e-9)
    assert all(values[0] == pytest.approx(0, abs=1e-9) for values in found.values())


def test_neighbours_in_a_film_are_told_by_the_last_number():
    names = ["a/0001.jpg", "a/0002.jpg", "a/0003.jpg", "a/0005.jpg", "b/0006.jpg", "b/0008.jpg", "b/0010.jpg", "b/x.jpg"]
    assert running(np.array(names)).tolist() == [True, False, False, False, True, False]


def test_rows_without_names_are_films_by_their_sequence(tmp_path, capsys):
    rng = np.random.default_rng(8)
    truth = rng.normal(size=(6, 24, 3))
    films = _write(tmp_path / "truth.npz", joints24=truth, sequence=["a", "a", "a", "b", "b", "b"])
    told, _ = evaluate(capsys, tmp_path, _write(tmp_path / "found.npz", joints24=1.1 * truth), films)
    centred = truth - truth[:, :1]
    second = np.concatenate([film[2:] - 2 * film[1:-1] + film[:-2] for film in (centred[:3], centred[3:])])
    assert told["figures"]["acceleration error"] == pytest.approx(100 * np.linalg.norm(second, axis=-1).mean())
