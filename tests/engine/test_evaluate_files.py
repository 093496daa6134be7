# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/evaluate: Takes, parts of files, and a sentence for every kind of bad file."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bin.evaluation.command import main
from bin.evaluation.samples import Samples
from skel_blender import kinematics, take
from skel_blender.engine.body import load_body
from tests import synthetic
from tests.engine.evaluated_files import evaluate, hmr2_labels, moyo_labels, skel_with_regressors


def _refused(capsys, *arguments):
    """What a run says that must fail: one line, no traceback."""
    assert main([str(part) for part in arguments]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "Traceback" not in told.err
    return told.err


def test_a_take_against_itself_and_against_one_that_bends_more(tmp_path, capsys):
    shot = synthetic.random_take(5, 1)
    take.save(shot, tmp_path / "truth.npz")
    told, _ = evaluate(capsys, tmp_path, tmp_path / "truth.npz", tmp_path / "truth.npz")
    assert max(told["figures"][name] for name in ("MPJPE", "PVE", "acceleration error")) < 1e-9
    person = shot.people[0]
    poses = person.poses.copy()
    poses[:, 6] += np.radians(10)  # the right knee alone
    take.save(replace(shot, people=[replace(person, poses=poses, trans=person.trans + 1.0)]), tmp_path / "found.npz")
    told, _ = evaluate(capsys, tmp_path, tmp_path / "found.npz", tmp_path / "truth.npz")
    assert told["angles"]["knees"] == pytest.approx(5) and told["angles"]["hips"] == 0
    shank = np.linalg.norm(person.joints()[0, 2] - person.joints()[0, 3])
    assert 0 < told["figures"]["MPJPE"] < 1000 * 2 * np.sin(np.radians(5)) * 3 * shank / 24 * 2


def test_a_take_is_scored_by_its_limbs_against_labels_that_are_picked(tmp_path, capsys):
    shot = synthetic.random_take(5, 1)
    take.save(shot, tmp_path / "found.npz")
    person = shot.people[0]
    world_to_cam = shot.camera.world_to_cam[person.frames - shot.frames[0]]
    joints = np.einsum("tij,tkj->tki", world_to_cam[:, :3, :3], person.joints()) + world_to_cam[:, None, :3, 3]
    solid = np.ones((5, 44, 4))
    solid[:, 25:37, :3] = joints[:, [3, 2, 1, 6, 7, 8, 18, 16, 15, 20, 21, 23]]
    solid[:, 39, :3] = joints[:, [1, 6]].mean(1)
    names = [f"other/{k}.jpg" for k in range(3)] + [f"mine/{k}.jpg" for k in range(5)]
    solid = np.concatenate([np.ones((3, 44, 4)), solid])
    hmr2_labels(tmp_path / "labels.npz", 8, imgname=np.array(names), body_keypoints_3d=solid[:, :25], extra_keypoints_3d=solid[:, 25:])
    told, text = evaluate(capsys, tmp_path, tmp_path / "found.npz", tmp_path / "labels.npz", "--select", "mine/")
    assert told["figures"]["MPJPE"] == pytest.approx(0, abs=1e-3) and "12 of 14 joints" in text
    assert "8 rows" not in _refused(capsys, tmp_path / "found.npz", tmp_path / "labels.npz", "--select", "nobody/")
    assert "5 rows" in _refused(capsys, tmp_path / "found.npz", tmp_path / "labels.npz")


def test_predictions_without_names_are_picked_by_the_labels_names(tmp_path, capsys):
    names = np.array([f"{'ours' if k % 3 else 'theirs'}/{k:05d}.jpg" for k in range(12)])
    hmr2_labels(tmp_path / "labels.npz", imgname=names)
    found = np.random.default_rng(2).normal(0, 0.5, (12, 44, 3))
    np.savez(tmp_path / "nameless.npz", joints44=found)
    np.savez(tmp_path / "named.npz", joints44=found, imgname=names)
    told, _ = evaluate(capsys, tmp_path, tmp_path / "nameless.npz", tmp_path / "labels.npz", "--select", "ours/")
    wanted, _ = evaluate(capsys, tmp_path, tmp_path / "named.npz", tmp_path / "labels.npz", "--select", "ours/")
    assert told["count"] == 8 and told == wanted


def test_skins_of_other_meshes_cost_no_more_than_their_own_figures(tmp_path, capsys):
    """As of two Takes, one of the open body, one of SKEL's: nobody can leave the vertices out of those."""
    rng = np.random.default_rng(4)
    joints, others = rng.normal(0, 0.5, (2, 300, 44, 3))  # more rows than are in memory at once
    for name, points, vertices in (("found", joints, 70), ("truth", others, 60)):
        np.savez(tmp_path / f"{name}.npz", joints44=points, vertices=rng.normal(0, 0.5, (300, vertices, 3)))
    told, text = evaluate(capsys, tmp_path, tmp_path / "found.npz", tmp_path / "truth.npz")
    assert set(told["figures"]) == {"MPJPE", "PA-MPJPE"} and text.count("skins of 70 vertices") == 1


def test_only_the_pictures_that_are_picked_are_made():
    """Every hundredth of 20,000 skins: those between would fill the memory."""
    made = []

    def make(rows, wanted):
        numbers = np.arange(20000)[rows]
        made.extend(numbers)
        return {name: np.tile(numbers[:, None, None], (1, 24, 3)) for name in wanted}

    names = np.array([f"{'mine' if k % 100 == 7 else 'other'}/{k}.jpg" for k in range(20000)])
    picked = Samples("labels", 20000, names, sets=("skel24", "vertices"), make=make).select("mine")
    assert (picked.at(slice(3, 6), {"skel24"})["skel24"][:, 0, 0] == [307, 407, 507]).all() and made == [307, 407, 507]


def test_a_take_of_skels_own_body_has_all_44_keypoints(tmp_path, capsys):
    file, regressors = skel_with_regressors(tmp_path)
    body, shot = load_body(file), synthetic.random_take(4, 1)
    person = replace(shot.people[0], body_name=body.name)
    take.save(replace(shot, people=[person]), tmp_path / "found.npz")
    betas, still = np.tile(person.betas, (4, 1)), np.zeros((4, 3))
    with torch.no_grad():
        skin = body.forward(*(torch.as_tensor(part) for part in (person.poses, betas, still))).skin_verts.numpy()
    turns = shot.camera.world_to_cam[person.frames - shot.frames[0], :3, :3]
    solid = np.zeros((4, 44, 3))
    solid[:, 25:] = np.einsum("tij,tkj->tki", turns, kinematics.z_up(regressors["SMPL_to_J19.pkl"] @ skin))
    np.savez(tmp_path / "truth.npz", joints44=solid)
    told, text = evaluate(capsys, tmp_path, tmp_path / "found.npz", tmp_path / "truth.npz", "--skel", file)
    assert told["figures"]["MPJPE"] == pytest.approx(0, abs=1e-3) and "14 of 14" in text
    told, text = evaluate(capsys, tmp_path, tmp_path / "found.npz", tmp_path / "truth.npz")
    assert told["figures"]["MPJPE"] > 10 and "12 of 14" in text


def test_pictures_without_3d_are_left_out_and_told(tmp_path, capsys):
    labels = hmr2_labels(tmp_path / "full.npz", 6)
    body, extra = labels["body_keypoints_3d"].copy(), labels["extra_keypoints_3d"].copy()
    body[2], extra[2] = 0, 0
    hmr2_labels(tmp_path / "labels.npz", 6, body_keypoints_3d=body, extra_keypoints_3d=extra)
    found = np.concatenate([labels["body_keypoints_3d"], labels["extra_keypoints_3d"]], 1)[..., :3]
    found[2] += 5
    np.savez(tmp_path / "found.npz", joints44=found)
    told, text = evaluate(capsys, tmp_path, tmp_path / "found.npz", tmp_path / "labels.npz")
    assert told["figures"]["MPJPE"] == pytest.approx(0, abs=1e-9) and "1 rows without 3D" in text


@pytest.mark.parametrize("labels", ["poses", "moyo", "hmr2"])
def test_joint_violations_and_angles_need_no_model_file(tmp_path, capsys, labels):
    poses = np.zeros((12, 46))
    poses[:3, 6] = np.radians(-15)  # the right knee, 15 degrees beyond straight
    np.savez(tmp_path / "found.npz", poses=poses)
    if labels == "poses":
        np.savez(tmp_path / "truth.npz", poses=np.zeros((12, 46)))
    else:
        (moyo_labels if labels == "moyo" else hmr2_labels)(tmp_path / "truth.npz", 12)
    told, text = evaluate(capsys, tmp_path, tmp_path / "found.npz", tmp_path / "truth.npz")
    assert told["violations"]["predictions"]["right knee"] == [0.25, 0, 0] and set(told["violations"]) == {"predictions", "ground truth"}
    assert told["figures"] == {} and "in common. Give the model files that make them (--skel, --smpl)" in text
    angles = {"knees": pytest.approx(15 / 8)} if labels == "poses" else {}
    assert {name: value for name, value in told["angles"].items() if value} == angles


GOOD = {"joints44": np.zeros((12, 44, 3))}


@pytest.mark.parametrize(("arrays", "said"), [
    ({"imgname": np.array(["a"] * 12)}, "none of the arrays"),
    ({"foo": np.zeros(3)}, "it has foo"),
    ({"joints44": np.zeros((12, 24, 3))}, "'joints44' must be N x 44 x 3 numbers, not 12 x 24 x 3"),
    ({"joints44": np.zeros((11, 44, 3))}, "has 11 rows, "),
    (GOOD | {"keypoints_2d": np.zeros((11, 44, 2))}, "'keypoints_2d' has 11 rows, others have 12"),
    ({"joints44": np.full((12, 44, 3), np.nan)}, "no number (NaN or infinity) in row 0"),
    ({"joints44": np.full((12, 44, 3), "a")}, "must be N x 44 x 3 numbers"),
    (GOOD | {"imgname": [f"imageFiles/street_00/image_{k:05d}.jpg" for k in reversed(range(12))]}, "the same pictures in another order"),
    (GOOD | {"imgname": [f"b/{k}" for k in range(12)]}, "has other pictures: its row 0 is b/0"),
    ({"poses": np.zeros((12, 45)), "betas": np.zeros((12, 10))}, "'poses' must be N x 46"),
    ({"body_pose": np.zeros((12, 70)), "betas": np.zeros((12, 10))}, "'body_pose' must be 24 rotations a row"),
    ({"joints24": np.zeros((12, 24, 3))}, "no joints, skin or keypoints in common"),
])  # fmt: skip
def test_bad_predictions_are_told_in_one_sentence(tmp_path, capsys, arrays, said):
    hmr2_labels(tmp_path / "labels.npz")
    np.savez(tmp_path / "found.npz", **arrays)
    assert said in _refused(capsys, tmp_path / "found.npz", tmp_path / "labels.npz")


@pytest.mark.parametrize(("changed", "said"), [
    ({"imgname": None}, "no array 'imgname'"),
    ({"scale": np.zeros((12, 2))}, "'scale' must be"),
    ({"scale": np.ones((12, 3))}, "'scale' must be"),
    ({"center": np.zeros((12, 3))}, "'center' must be N x 2"),
    ({"extra_keypoints_3d": np.zeros((12, 14, 4))}, "'extra_keypoints_3d' must be N x 19 x 4"),
    ({"body_keypoints_2d": np.zeros((10, 25, 3))}, "'body_keypoints_2d' has 10 rows"),
])  # fmt: skip
def test_bad_labels_are_told_in_one_sentence(tmp_path, capsys, changed, said):
    hmr2_labels(tmp_path / "labels.npz", **changed)
    np.savez(tmp_path / "found.npz", **GOOD)
    assert said in _refused(capsys, tmp_path / "found.npz", tmp_path / "labels.npz")


def test_files_that_are_missing_or_of_another_kind(tmp_path, capsys):
    hmr2_labels(tmp_path / "labels.npz")
    np.savez(tmp_path / "found.npz", **GOOD)
    (tmp_path / "text.npz").write_text("hello")
    assert "none.npz" in _refused(capsys, tmp_path / "none.npz", tmp_path / "labels.npz")
    assert "text.npz" in _refused(capsys, tmp_path / "found.npz", tmp_path / "text.npz")
    assert "none.pkl" in _refused(capsys, tmp_path / "found.npz", tmp_path / "labels.npz", "--skel", tmp_path / "none.pkl")
    moyo_labels(tmp_path / "moyo.npz", 12)
    assert "--smpl" in _refused(capsys, tmp_path / "found.npz", tmp_path / "moyo.npz")
    assert "SMPL_NEUTRAL" in _refused(capsys, tmp_path / "found.npz", tmp_path / "moyo.npz", "--smpl", tmp_path)
    assert "required" in _refused(capsys, tmp_path / "found.npz")
    for wrong in ("44", "1,x", "-1", "1,,2", ""):
        assert "0 to 43" in _refused(capsys, tmp_path / "found.npz", tmp_path / "labels.npz", f"--joints={wrong}")
    np.savez(tmp_path / "smpl.npz", joints24=np.random.default_rng(0).normal(size=(12, 24, 3)))
    assert "Leave --joints out" in _refused(capsys, tmp_path / "smpl.npz", tmp_path / "smpl.npz", "--joints", "25,26")
    take.save(synthetic.random_take(3, 1), tmp_path / "take.npz")
    assert "no person 2" in _refused(capsys, tmp_path / "take.npz", tmp_path / "labels.npz", "--person", "2")


def test_hostile_labels_are_refused(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    np.savez(tmp_path / "found.npz", **GOOD)
    hmr2_labels(tmp_path / "labels.npz", extra_info=np.array([Evil()] * 12, dtype=object))
    assert "refused" in _refused(capsys, tmp_path / "found.npz", tmp_path / "labels.npz")
