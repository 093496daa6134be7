# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting again around frames set by hand: they stay, their neighbours follow, the rest is left alone."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender import take as takes  # noqa: E402
from skel_blender.anatomy import DOF_INDEX  # noqa: E402
from skel_blender.engine.__main__ import main  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.chain import pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE  # noqa: E402
from skel_blender.engine.refit import refit  # noqa: E402
from skel_blender.kinematics import R_ZUP_YUP, axis_rotation  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from skel_blender.take import Camera, Corrections, Person, Take  # noqa: E402

FRAMES, WRONG, ELBOW = 40, slice(12, 28), DOF_INDEX["elbow_flexion_r"]
LEGS = slice(DOF_INDEX["hip_flexion_r"], DOF_INDEX["mtp_angle_l"] + 1)


@pytest.fixture(scope="module")
def case():
    """A Take whose right forearm was lost in the middle (no evidence there, a wrong angle), and the true poses."""
    body = load_body("open")
    poses = np.tile(relaxed_pose(), (FRAMES, 1))
    poses[:, ELBOW] = 1.2 + 0.6 * np.sin(np.linspace(0, 2 * np.pi, FRAMES))
    trans = np.tile([0.0, 1.0, 0.0], (FRAMES, 1))
    shape, owner = body.shape(torch.zeros(1, 10).double()), torch.zeros(FRAMES, dtype=torch.long)
    where = pose_points(shape, owner, pose_chain(shape, owner, torch.as_tensor(poses), torch.as_tensor(trans)), body.markers)[0].numpy()
    K = np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
    R, t = np.diag([1.0, -1.0, -1.0]), np.array([0.0, 1.0, 4.0])
    seen = where @ R.T + t
    imaged = BLAZEPOSE @ seen @ K.T
    keypoints = np.concatenate([imaged[..., :2] / imaged[..., 2:], np.full((FRAMES, 33, 1), 0.9)], -1)
    hand = [14, 16, 18, 20, 22]
    keypoints[WRONG, hand, 2] = 0.0
    found = poses.copy()
    found[WRONG, ELBOW] = 0.1
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = R @ R_ZUP_YUP.T, t
    person = Person(
        "Person 1", body.name, np.arange(10, 10 + FRAMES), found, np.zeros(10), trans, np.full(FRAMES, 0.9), keypoints,
        (where - where[:, [23, 24]].mean(1, keepdims=True)) @ R.T, np.zeros(FRAMES), np.zeros((FRAMES, 6), dtype=bool),
        body.rest_body(np.zeros(10)))  # fmt: skip
    person.landmarks_3d[WRONG, hand] = person.landmarks_3d[WRONG, 12:13]  # where a landmarker puts what it can't see: anywhere
    frames = np.arange(60)
    take = Take("clip.mp4", Fraction(30), frames, (1280, 720), Camera(K, np.tile(world, (60, 1, 1))), [person])
    return take, poses, trans


def test_frames_set_by_hand_stay_and_their_neighbours_follow(case):
    take, poses, trans = case
    rows = np.array([15, 20, 24])
    again = refit(take, 0, Corrections(rows + 10, poses[rows], trans[rows]), (20, 40)).people[0]
    old = take.people[0]
    assert np.allclose(again.poses[rows], poses[rows], atol=1e-12)
    outside = np.r_[0:10, 30:FRAMES]
    assert np.array_equal(again.poses[outside], old.poses[outside]) and np.array_equal(again.trans[outside], old.trans[outside])
    before, after = (np.abs(person.poses[15:25, ELBOW] - poses[15:25, ELBOW]).max() for person in (old, again))
    assert before > 1.0 and after < 0.25
    takes.validate(replace(take, people=[again]))


def test_a_frame_that_is_set_to_what_it_was_hardly_moves_the_others(case):
    take, poses, trans = case
    fitted = replace(take, people=[replace(take.people[0], poses=poses)])
    moved = refit(fitted, 0, Corrections(np.array([30]), poses[[20]], trans[[20]])).people[0].poses - poses
    assert np.abs(moved[WRONG, ELBOW]).max() < np.radians(5), "what nobody saw is not pulled back to the relaxed stance"


def test_what_was_set_by_hand_is_right_and_nothing_is_doubted_more_than_before(case):
    take, poses, trans = case
    rows, before = np.array([15, 20, 24]), np.full((FRAMES, 5), 0.08)
    doubtful = replace(take, people=[replace(take.people[0], expected_error=before)])
    after = refit(doubtful, 0, Corrections(rows + 10, poses[rows], trans[rows]), (20, 40)).people[0].expected_error
    assert (after[rows] == 0).all() and (after <= before).all() and (after[rows + 1] < 0.08).any()
    assert np.array_equal(after[np.r_[0:10, 30:FRAMES]], before[np.r_[0:10, 30:FRAMES]]) and (before == 0.08).all()


def test_the_command_writes_a_new_take(case, tmp_path, capsys):
    take, poses, trans = case
    takes.save(take, tmp_path / "take.npz")
    np.savez(tmp_path / "set.npz", frames=[30], poses=poses[20:21], trans=trans[20:21])
    arguments = ["refit", str(tmp_path / "take.npz"), "--set", str(tmp_path / "set.npz"), "--out", str(tmp_path / "new.npz")]
    assert main([*arguments, "--frames", "20:40"]) == 0
    assert np.allclose(takes.load(tmp_path / "new.npz").people[0].poses[20], poses[20])
    assert main([*arguments, "--frames", "35:40"]) == 1
    assert "Choose a stretch that holds them all." in capsys.readouterr().err
    np.savez(tmp_path / "set.npz", frames=[30], poses=poses[20:21, :3], trans=trans[20:21])
    assert main(arguments) == 1
    assert "'poses' must be any x 46 numbers" in capsys.readouterr().err
    (tmp_path / "set.npz").write_bytes((tmp_path / "set.npz").read_bytes()[:300])
    assert main(arguments) == 1
    assert "set.npz is damaged" in capsys.readouterr().err


def test_legs_that_nobody_saw_may_be_below_the_floor(case):
    """As in the first fit: beyond the image's border the floor must not bend them."""
    take, poses, trans = case
    person = replace(take.people[0], trans=trans - [0.0, 0.5, 0.0], keypoints_2d=take.people[0].keypoints_2d.copy())
    person.keypoints_2d[..., 1] += 125.0  # half a metre at four metres: the same picture of somebody lower
    person.keypoints_2d[:, 25:, 2] = 0.0
    corrections = Corrections(np.array([30]), poses[20:21], person.trans[20:21])
    again = refit(replace(take, people=[person]), 0, corrections, (25, 35)).people[0]
    assert np.degrees(np.abs(again.poses - person.poses)[:, LEGS]).max() < 3.0


def test_another_body_and_another_person_are_refused(case):
    take, poses, trans = case
    set_by_hand = Corrections(np.array([20]), poses[10:11], trans[10:11])
    with pytest.raises(SkelError, match="another version"):
        refit(take, 0, set_by_hand, body=load_body("female"))
    with pytest.raises(SkelError, match="no person 3; the Take has 1[.] Count"):
        refit(take, 3, set_by_hand)


def test_a_camera_that_moves_and_zooms_makes_no_difference(case):
    """The same motion seen by another camera in every frame: what is fitted again is the same to a tenth of a degree."""
    take, poses, trans = case
    rows = np.array([15, 20, 24])
    corrections = Corrections(rows + 10, poses[rows], trans[rows])
    still = refit(take, 0, corrections, (20, 40)).people[0]
    camera, person = replace(take.camera, zoom=np.linspace(1.0, 1.5, 60)), take.people[0]
    steps = np.tile(np.eye(4), (60, 1, 1))
    steps[:, :3, :3] = axis_rotation(np.array([0.0, 1, 0]), np.linspace(-0.15, 0.15, 60))
    steps[:, 0, 3] = np.linspace(0.0, 0.4, 60)
    camera.world_to_cam = steps @ camera.world_to_cam
    K, step = camera.lenses()[person.frames], steps[person.frames]
    rays = np.concatenate([person.keypoints_2d[..., :2], np.ones((FRAMES, 33, 1))], -1) @ np.linalg.inv(take.camera.K).T
    seen = _depths(take, person, poses, trans)[..., None] * rays @ step[:, :3, :3].swapaxes(1, 2) + step[:, None, :3, 3]
    imaged = seen @ K.swapaxes(1, 2)
    keypoints = np.concatenate([imaged[..., :2] / imaged[..., 2:], person.keypoints_2d[..., 2:]], -1)
    landmarks = np.einsum("tij,tkj->tki", _facing(seen) @ step[:, :3, :3] @ _facing(rays).swapaxes(1, 2), person.landmarks_3d)
    moved = replace(take, camera=camera, people=[replace(person, keypoints_2d=keypoints, landmarks_3d=landmarks)])
    again = refit(moved, 0, corrections, (20, 40)).people[0]
    assert np.degrees(np.abs(again.poses - still.poses)).max() < 0.1 and np.abs(again.trans - still.trans).max() < 1e-3


def _depths(take, person, poses, trans):
    """(T,33) m of the keypoints along the still camera's view."""
    body = load_body("open")
    shape, owner = body.shape(torch.zeros(1, 10).double()), torch.zeros(FRAMES, dtype=torch.long)
    where = pose_points(shape, owner, pose_chain(shape, owner, torch.as_tensor(poses), torch.as_tensor(trans)), body.markers)[0].numpy()
    camera = take.camera.world_to_cam[0, :3] @ np.block([[R_ZUP_YUP, np.zeros((3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]])
    return (BLAZEPOSE @ where @ camera[:, :3].T + camera[:, 3])[..., 2]


def _facing(seen):
    """(T,3,3) the smallest rotations that take the rays to the hips' landmarks to the optical axis."""
    rays = (seen[..., :2] / seen[..., 2:])[:, [23, 24]].mean(1)
    x, y, z = (np.concatenate([rays, np.ones((FRAMES, 1))], 1) / np.sqrt(1 + (rays**2).sum(1))[:, None]).T
    rows = [1 - x * x / (1 + z), -x * y / (1 + z), -x, -x * y / (1 + z), 1 - y * y / (1 + z), -y, x, y, z]
    return np.stack(rows, -1).reshape(-1, 3, 3)


def test_errors_in_the_image_are_told_anew_where_it_was_fitted_and_kept_elsewhere(case):
    """Of a long take the rest would cost more than the stretch."""
    take, poses, trans = case
    before = 100.0 + np.arange(FRAMES)
    take = replace(take, people=[replace(take.people[0], reprojection_error=before)])
    frames = np.array([30])
    found = refit(take, 0, Corrections(frames, poses[frames - 10], trans[frames - 10]), (26, 34)).people[0]
    after = found.reprojection_error
    assert np.array_equal(after[:14], before[:14]) and np.array_equal(after[26:], before[26:]) and after[16:24].max() < 20
    assert np.array_equal(before, 100.0 + np.arange(FRAMES))
