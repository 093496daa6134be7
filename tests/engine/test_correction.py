# SPDX-License-Identifier: GPL-3.0-or-later
"""The correction of metric landmarks: the same for somebody rolled in the image, relative to mid-hip, and not nothing."""

import numpy as np

from skel_blender.engine.regress.correction import corrected, upright
from skel_blender.kinematics import axis_rotation


def _landmarks() -> np.ndarray:
    landmarks = np.random.default_rng(0).normal(0, 0.3, (4, 33, 3))
    landmarks[:, [11, 12], 1] -= 1.0  # shoulders above hips, y down
    return landmarks - landmarks[:, [23, 24]].mean(1, keepdims=True)


def test_a_rolled_person_is_corrected_alike():
    landmarks, roll = _landmarks(), axis_rotation(np.array([0.0, 0.0, 1.0]), np.array(0.7))
    assert np.allclose(corrected(landmarks @ roll.T), corrected(landmarks) @ roll.T, atol=1e-9)


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
