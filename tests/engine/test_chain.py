# SPDX-License-Identifier: GPL-3.0-or-later
"""The torch chain agrees with the numpy kinematics, and its Jacobians with finite differences."""

import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import LIMITS_ANATOMICAL
from skel_blender.messages import SkelError

torch = pytest.importorskip("torch")

from skel_blender.engine.body import BODY_NAMES, load_body  # noqa: E402
from skel_blender.engine.body.chain import point_jacobians, pose_chain, pose_points, rest_joints  # noqa: E402

_STEP = 1e-6


def _case(name: str) -> tuple:
    rng = np.random.default_rng(3)
    low, up = np.clip(np.array(LIMITS_ANATOMICAL), -3, 3).T
    poses = rng.uniform(low, up, (6, 46))
    poses[0, 17:26] = 0  # the arcs' series
    return load_body(name), torch.as_tensor(rng.normal(size=10)), torch.as_tensor(poses), torch.as_tensor(rng.normal(size=(6, 3)))


@pytest.mark.parametrize("name", BODY_NAMES)
def test_chain_agrees_with_numpy(name):
    body, betas, poses, trans = _case(name)
    posed = pose_chain(body, betas, poses, trans)
    wanted = kinematics.forward(poses.numpy(), rest_joints(body, betas).numpy(), body.rest_frames.numpy(), trans.numpy())
    # the axes' norms are 1 to 1e-8, and the frames' to float32
    assert np.abs(posed.positions.numpy() - wanted[..., :3, 3]).max() < 1e-6
    assert np.abs(posed.rotations.numpy() - wanted[..., :3, :3]).max() < 1e-6


@pytest.mark.parametrize("name", BODY_NAMES)
def test_jacobians_agree_with_finite_differences(name):
    body, betas, poses, trans = _case(name)

    def where(betas, poses, trans):
        return pose_points(body, betas, pose_chain(body, betas, poses, trans), body.markers)

    posed = pose_chain(body, betas, poses, trans)
    points = pose_points(body, betas, posed, body.markers)
    by_state, by_betas = point_jacobians(body, posed, body.markers, points)
    for k in range(46):
        step = torch.zeros(46, dtype=torch.float64)
        step[k] = _STEP
        difference = (where(betas, poses + step, trans) - where(betas, poses - step, trans)) / (2 * _STEP)
        assert (difference - by_state[..., 3 + k]).abs().max() < 1e-6
    for k in range(10):
        step = torch.zeros(10, dtype=torch.float64)
        step[k] = _STEP
        difference = (where(betas + step, poses, trans) - where(betas - step, poses, trans)) / (2 * _STEP)
        assert (difference - by_betas[..., k]).abs().max() < 1e-6


def test_rest_body_is_a_standing_adult():
    for name in BODY_NAMES:
        body = load_body(name).rest_body(np.zeros(10))
        assert 1.5 < np.ptp(body.skin_verts[:, 1]) < 1.95
        assert np.abs(body.weight_value.sum(axis=1) - 1).max() < 1e-9
        assert body.joints[13, 1] > body.joints[0, 1] > body.joints[3, 1]


def test_an_unknown_body_is_refused():
    with pytest.raises(SkelError, match="male, female"):
        load_body("robot")
