# SPDX-License-Identifier: GPL-3.0-or-later
"""Euler continuity: jumps of the angles that are none of the joint go away, rotations and limits stay."""

import numpy as np

from skel_blender import kinematics
from skel_blender.anatomy import DOF_INDEX, LIMITS_ANATOMICAL
from skel_blender.rig.continuity import continuous, within

LIMITS = np.array(LIMITS_ANATOMICAL)


def turning(count: int = 200) -> np.ndarray:
    """Poses of somebody who turns twice round and lifts a thigh."""
    poses = np.zeros((count, 46))
    poses[:, DOF_INDEX["pelvis_rotation"]] = np.linspace(0.0, 4.0 * np.pi, count)
    poses[:, DOF_INDEX["pelvis_tilt"]] = 0.3 * np.sin(np.linspace(0.0, 9.0, count))
    poses[:, DOF_INDEX["hip_flexion_r"]] = np.linspace(0.0, 1.5, count)
    return poses


def test_whole_turns_and_other_branches_are_undone():
    smooth = turning()
    broken = smooth.copy()
    broken[:, 2] = (broken[:, 2] + np.pi) % (2.0 * np.pi) - np.pi
    broken[120:150, :3] = np.pi + broken[120:150, :3] * [1.0, -1.0, 1.0]
    assert np.abs(np.diff(broken, axis=0)).max() > 3.0
    fixed = continuous(broken, LIMITS)
    assert np.abs(fixed - smooth).max() < 1e-9
    assert np.allclose(kinematics.joint_rotations(fixed), kinematics.joint_rotations(broken), atol=1e-9)


def test_a_real_jump_and_a_coupled_joint_are_left_alone():
    poses = turning()
    poses[100:, DOF_INDEX["hip_flexion_r"]] -= 2.0
    poses[50:, DOF_INDEX["lumbar_twist"]] += 2.0 * np.pi
    assert np.array_equal(continuous(poses, LIMITS), poses)


def test_no_angle_is_sent_beyond_its_limits():
    poses = np.zeros((4, 46))
    poses[2:, DOF_INDEX["hip_flexion_r"]] = 2.0 * np.pi
    assert np.abs(continuous(poses, LIMITS)).max() == 0.0
    poses = np.zeros((4, 46))
    poses[:2, DOF_INDEX["hip_flexion_r"]] = 2.0 * np.pi
    assert np.array_equal(continuous(poses, LIMITS), poses)


def test_angles_beyond_limits_are_left_for_the_same_turn_within_them():
    def turn(angles):
        x, y, z = (kinematics.axis_rotation(axis, angle) for axis, angle in zip(np.eye(3), angles))
        return z @ y @ x  # Blender's XYZ, whose middle is y

    ranges, before = np.array([[-2.0, 2.0], [-1.5, 1.5], [-np.inf, np.inf]]), np.array([2.6, 1.7, 0.2])
    wanted = np.array([-0.6, 1.4, -2.5])
    for angles in (wanted, wanted + [2 * np.pi, 0.0, -2 * np.pi], [np.pi - 0.6, np.pi - 1.4, np.pi - 2.5]):
        found = within(np.array(angles), before, 1, ranges)
        assert np.allclose(turn(found), turn(wanted)) and np.allclose(found[:2], wanted[:2])
        assert abs(found[2] - before[2]) <= np.pi
    near = within(wanted, before, 1, np.array([[-np.inf, np.inf]] * 3))  # where there are none, what is near
    assert np.allclose(turn(near), turn(wanted)) and np.abs(near - before).max() < 0.7
