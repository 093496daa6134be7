# SPDX-License-Identifier: GPL-3.0-or-later
"""The numpy kinematics against stored numbers of SKEL's own forward pass, and against its symmetries."""

from pathlib import Path

import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import JOINT_NAMES, LIMITS_ANATOMICAL
from tests import synthetic

STORED = np.load(Path(__file__).parents[1] / "data" / "skel_synthetic.npz")
MIRRORED_JOINT = [JOINT_NAMES.index(n[:-2] + {"_r": "_l", "_l": "_r"}[n[-2:]] if n[-2:] in ("_r", "_l") else n) for n in JOINT_NAMES]


def _random_poses(count: int) -> np.ndarray:
    low, up = np.clip(np.array(LIMITS_ANATOMICAL), -3, 3).T
    return np.random.default_rng(5).uniform(low, up, (count, 46))


@pytest.mark.parametrize("sex", ["male", "female"])
def test_joints_agree_with_the_original(sex):
    # the stored rest joints are float32, so a tenth of a micrometre a bone is what can be asked for
    for i in range(12):
        rest, frames = STORED[f"{sex}_rest_joints"][i].astype(float), STORED[f"{sex}_rest_frames"][i]
        found = kinematics.forward(STORED[f"{sex}_poses"][i], rest, frames, STORED[f"{sex}_trans"][i])
        assert np.abs(found[:, :3, 3] - STORED[f"{sex}_joints"][i]).max() < 1e-6


@pytest.mark.parametrize("sex", ["male", "female"])
def test_joint_rotations_agree_with_the_original(sex):
    assert np.abs(kinematics.joint_rotations(STORED[f"{sex}_poses"]) - STORED[f"{sex}_Rp"]).max() < 5e-7


def test_rest_pose_is_the_rest_skeleton():
    rest, frames = STORED["male_rest_joints"][0].astype(float), STORED["male_rest_frames"][0]
    found = kinematics.forward(np.zeros(46), rest, frames)
    assert np.allclose(found[:, :3, 3], rest) and np.allclose(found[:, :3, :3], np.eye(3))


def test_mirrored_poses_pose_the_mirrored_person():
    flip = np.diag([-1.0, 1.0, 1.0])
    rest = STORED["male_rest_joints"][0].astype(float)
    rest = 0.5 * (rest + (rest @ flip)[MIRRORED_JOINT])
    frames = np.tile(np.array([[0, 0, -1.0], [0, 1, 0], [1, 0, 0]]), (24, 1, 1))
    poses = _random_poses(20)
    ankles = [8, 15, 7, 14, 9, 16]  # the released model gives both ankles the right one's axis, so feet do not mirror
    poses[:, ankles] = 0
    found = kinematics.forward(synthetic.mirrored(poses), rest, frames)[..., :3, 3]
    wanted = (kinematics.forward(poses, rest, frames)[..., :3, 3] @ flip)[:, MIRRORED_JOINT]
    # to the digits that SKEL's table gives the oblique axes with
    assert np.abs(found - wanted).max() < 1e-6


def test_mirroring_twice_changes_nothing():
    poses = _random_poses(5)
    assert np.array_equal(synthetic.mirrored(synthetic.mirrored(poses)), poses)


def test_z_up_and_back():
    vectors = np.random.default_rng(0).normal(size=(7, 3))
    assert np.allclose(kinematics.y_up(kinematics.z_up(vectors)), vectors)
    left, up, ahead = kinematics.z_up(np.eye(3))
    assert np.array_equal([left, up, ahead], [[1, 0, 0], [0, 0, 1], [0, -1, 0]])


def test_arc_is_smooth_through_zero():
    angles = np.array([-1e-9, 0.0, 1e-9])
    offset = kinematics.arc_offset(angles, angles, 0.3)
    assert np.abs(offset).max() < 1e-9 and np.all(np.isfinite(offset))


def test_wrong_pose_size_is_refused():
    with pytest.raises(ValueError, match="46"):
        kinematics.joint_rotations(np.zeros(45))


def test_the_pelvis_turns_over_without_a_leap():
    """Cartwheels and somersaults pass where two triples of angles meet."""
    poses = np.zeros((90, 46))
    poses[:, 1] = np.linspace(0.0, 4.0 * np.pi, 90)
    poses[:, 0], poses[:, 2] = np.linspace(0.3, 5.0, 90), np.linspace(-0.2, -3.0, 90)
    rotations = kinematics.joint_rotations(poses)[:, 0]
    assert np.abs(kinematics.pelvis_angles(rotations) - poses[:, :3]).max() < 1e-9
    turned = poses[40, :3] + [2.0 * np.pi, 0.0, -4.0 * np.pi]
    assert np.abs(kinematics.pelvis_angles(rotations[40:], turned)[0] - turned).max() < 1e-9


def test_angles_begin_as_near_as_they_can_to_what_is_asked():
    """Upside down and turned about is a half turn of one angle, or of the other two."""
    half = np.array([[np.pi, 0.1, np.pi - 0.2], [np.pi - 0.3, 0.1, np.pi]])
    x, y, z = (kinematics.axis_rotation(axis, angle) for axis, angle in zip(np.eye(3), half.T))
    rotations = z @ y @ x
    assert np.abs(kinematics.eulers(rotations, "XYZ") - half).max() < 1e-9
    assert np.abs(kinematics.eulers(rotations, "XYZ", np.zeros(3)) - [[0.0, np.pi - 0.1, -0.2], [-0.3, np.pi - 0.1, 0.0]]).max() < 1e-9
    assert np.abs(kinematics.eulers(rotations, "XYZ", half[0] - 2.0 * np.pi) - half + 2.0 * np.pi).max() < 1e-9


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_angles_of_every_order_turn_about_its_first_axis_first(order):
    angles = np.cumsum(np.random.default_rng(1).normal(0, 0.15, (200, 3)), axis=0)
    axes = {letter: kinematics.axis_rotation(axis, angle) for letter, axis, angle in zip("XYZ", np.eye(3), angles.T)}
    first, second, third = (axes[letter] for letter in order)
    assert np.abs(kinematics.eulers(third @ second @ first, order, angles[0]) - angles).max() < 1e-9


def test_who_leans_by_a_right_angle_is_turned_as_before():
    """There tilt and rotation turn about one axis; rounding must not choose them."""
    noise = np.random.default_rng(0).normal(0, 1e-15, (40, 3, 3))
    poses = np.zeros((40, 46))
    poses[:, 0], poses[:, 1], poses[:, 2] = np.linspace(-2.0, 2.0, 40), np.repeat([-0.5, 0.5], 20) * np.pi, np.linspace(3.0, -1.0, 40)
    rotations = kinematics.joint_rotations(poses)[:, 0] + noise
    poses[:, :3] = kinematics.pelvis_angles(rotations)
    assert np.abs(kinematics.joint_rotations(poses)[:, 0] - rotations).max() < 1e-6
