# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lifting network is compared with: two-bone inverse kinematics, and the postures that it is looked at in."""

import numpy as np
import pytest
import torch

from bin.benchmarks.lift import angle_errors
from bin.benchmarks.posing import posed
from bin.benchmarks.postures import POSTURES, pose_of
from bin.benchmarks.two_bone import two_bone
from bin.evaluation.scores import REGIONS
from skel_blender.anatomy import DOF_INDEX, DOFS, JOINT_INDEX
from skel_blender.engine.body.stance import relaxed_pose


def test_two_bone_finds_what_the_landmarks_of_a_body_tell(body):
    rng = np.random.default_rng(0)
    low, up = np.clip(body.limits.numpy(), -1.0, 1.2).T
    poses = np.tile(relaxed_pose(), (40, 1))
    told = [dof.index for dof in DOFS if dof.name.startswith(("pelvis", "hip", "knee", "ankle", "shoulder", "elbow"))]
    poses[:, told] = (low + (up - low) * rng.uniform(0.15, 0.85, (40, 46)))[:, told]
    for dof in ("knee_angle_r", "knee_angle_l", "elbow_flexion_r", "elbow_flexion_l"):
        poses[:, DOF_INDEX[dof]] = rng.uniform(0.5, 1.2, 40)  # a straight limb does not tell to which side it bends
    markers = posed(body, poses, np.zeros(10), rng.normal(size=(40, 3)))[0]
    errors = angle_errors(two_bone(markers, body), poses)
    assert errors[:, told].mean() < 1.5 and np.quantile(errors[:, told], 0.99) < 8


def test_two_bone_stays_inside_the_limits_and_finite_whatever_it_is_told(body):
    rng = np.random.default_rng(1)
    straight = np.tile(posed(body, np.zeros((1, 46)), np.zeros(10), np.zeros((1, 3)))[0], (20, 1, 1))
    for landmarks in (straight, rng.normal(size=(20, 33, 3))):
        poses, limits = two_bone(landmarks, body), body.limits.numpy()
        assert np.isfinite(poses).all() and (poses >= limits[:, 0]).all() and (poses <= limits[:, 1]).all()


def test_a_shoulder_has_two_triples_that_are_the_same_rotation():
    truth = np.zeros((1, 46))
    arm = slice(DOF_INDEX["shoulder_r_x"], DOF_INDEX["shoulder_r_z"] + 1)
    truth[0, arm] = 0.3, 0.4, 0.5
    found = truth.copy()
    found[0, arm] = 0.3 + np.pi, np.pi - 0.4, 0.5 - np.pi
    assert angle_errors(found, truth).max() < 1e-9
    found[0, DOF_INDEX["knee_angle_r"]] = np.radians(10)
    assert angle_errors(found, truth).max() == pytest.approx(10)


def test_postures_are_what_their_names_say(body):
    poses = torch.as_tensor(np.array([pose_of(name) for name in POSTURES]))
    still = torch.zeros(len(poses), 10).double(), torch.zeros(len(poses), 3).double()
    joints = dict(zip(POSTURES, body.joints(poses, *still).numpy()))

    def height(name: str, joint: str) -> float:
        return joints[name][JOINT_INDEX[joint], 1] - joints[name][0, 1]

    for name in ("handstand", "handstand, legs apart", "handstand, tucked"):
        assert height(name, "head") < -0.4 and height(name, "hand_r") < height(name, "head")
    assert abs(height("lying on the back", "head")) < 0.15 and height("lying on the back", "talus_l") < 0.15
    assert height("deep crouch", "head") > 0.3 and height("deep crouch", "talus_r") > -0.35
    assert height("fold, hands to feet", "head") < -0.3 and height("fold, hands to feet", "talus_r") < -0.7


def test_every_dof_is_in_one_region():
    assert sorted(dof for dofs in REGIONS.values() for dof in dofs) == list(range(46))
