# SPDX-License-Identifier: GPL-3.0-or-later
"""What BlazePose always gets wrong: metric landmarks, the same for somebody rolled in the image, and where image keypoints lie."""

import numpy as np
import pytest
import torch

from skel_blender.engine.blazepose import PARTNERS
from skel_blender.engine.body import load_body
from skel_blender.engine.fit.keypoint_sets import keypoint_points
from skel_blender.engine.regress.correction import corrected, upright
from skel_blender.kinematics import axis_rotation


def _landmarks() -> np.ndarray:
    landmarks = np.random.default_rng(0).normal(0, 0.3, (4, 33, 3))
    landmarks[:, [11, 12], 1] -= 1.0  # shoulders above hips, y down
    return landmarks - landmarks[:, [23, 24]].mean(1, keepdims=True)


def test_a_rolled_person_is_corrected_alike():
    landmarks, roll = _landmarks(), axis_rotation(np.array([0.0, 0.0, 1.0]), np.array(0.7))
    assert np.allclose(corrected(landmarks @ roll.T), corrected(landmarks) @ roll.T, atol=1e-9)


def test_the_mirrored_person_is_corrected_alike():
    def mirrored(landmarks):
        return landmarks[:, PARTNERS] * [-1.0, 1.0, 1.0]

    landmarks = _landmarks()
    assert np.allclose(corrected(mirrored(landmarks)), mirrored(corrected(landmarks)), atol=1e-5)


def test_result_is_about_the_hips_and_moves_landmarks_by_centimetres():
    landmarks = _landmarks()
    result = corrected(landmarks + 5.0)
    assert np.abs(result[:, [23, 24]].mean(1)).max() < 1e-12
    assert 0.005 < np.linalg.norm(result - landmarks, axis=-1).mean() < 0.3


def test_upright_turns_the_trunk_up():
    landmarks = _landmarks()
    turned = landmarks @ np.swapaxes(upright(landmarks), 1, 2)
    trunk = turned[:, [11, 12]].mean(1) - turned[:, [23, 24]].mean(1)
    assert np.abs(trunk[:, 0]).max() < 1e-9 and (trunk[:, 1] < 0).all()


@pytest.mark.parametrize("sex", ["male", "female"])
def test_image_keypoints_of_feet_and_face_lie_inside_the_body_s(sex):
    body = load_body("open", sex)
    seen, own = (points.at_rest(torch.zeros(1, 10).double())[0].numpy() for points in (keypoint_points(body, "blazepose33"), body.markers))
    for a, b, least, most in ((29, 31, 0.75, 0.87), (30, 32, 0.75, 0.87), (7, 8, 0.5, 0.7), (25, 27, 0.93, 0.97), (26, 28, 0.93, 0.97)):
        assert least < np.linalg.norm(seen[a] - seen[b]) / np.linalg.norm(own[a] - own[b]) < most
    moved, pairs = seen - own, [(7, 8), (27, 28), (29, 30), (31, 32)]
    assert all(np.allclose(moved[left] * [-1, 1, 1], moved[right], atol=0.003) for left, right in pairs)
    assert np.allclose(moved[[11, 12, 13, 14, 23, 24, 25, 26]], 0.0)  # what lies about joints stays there
