# SPDX-License-Identifier: GPL-3.0-or-later
"""The torch chain agrees with the numpy kinematics, and its Jacobians with finite differences."""

from dataclasses import replace

import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import LIMITS_ANATOMICAL
from skel_blender.messages import SkelError

torch = pytest.importorskip("torch")

from skel_blender.engine.body import BODY_NAMES, load_body  # noqa: E402
from skel_blender.engine.body.chain import blend_gradient, blend_jacobians, point_jacobians, point_shape_jacobians, pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.points import Points, limbs_of  # noqa: E402

_STEP = 1e-6
_OWNER = torch.tensor([0, 0, 0, 1, 1, 1])  # two people of three frames each


def _case(name: str) -> tuple:
    rng = np.random.default_rng(3)
    low, up = np.clip(np.array(LIMITS_ANATOMICAL), -3, 3).T
    poses = rng.uniform(low, up, (6, 46))
    poses[0, 17:26] = 0  # the arcs' series
    return load_body(name), torch.as_tensor(rng.normal(size=(2, 10))), torch.as_tensor(poses), torch.as_tensor(rng.normal(size=(6, 3)))


def _blended(rng: np.random.Generator) -> Points:
    """Points as a joint regressor makes them: several joints each, weights that need not sum to 1, pose blend shapes."""
    point = torch.tensor([0, 0, 0, 1, 2, 2])
    joint = torch.tensor([0, 4, 18, 13, 3, 2])
    random = [torch.as_tensor(rng.normal(size=(6, *rest))) for rest in ((), (3,), (3, 10), (3, 207))]
    return Points(("a", "b", "c"), point, joint, *random)


@pytest.mark.parametrize("name", BODY_NAMES)
def test_chain_agrees_with_numpy(name):
    body, betas, poses, trans = _case(name)
    shape = body.shape(betas)
    posed = pose_chain(shape, _OWNER, poses, trans)
    for person in range(2):
        own = (_OWNER == person).numpy()
        wanted = kinematics.forward(poses.numpy()[own], shape.joints[person].numpy(), body.rest_frames.numpy(), trans.numpy()[own])
        # the axes' norms are 1 to 1e-8, and the frames' to float32
        assert np.abs(posed.positions.numpy()[own] - wanted[..., :3, 3]).max() < 1e-6
        assert np.abs(posed.rotations.numpy()[own] - wanted[..., :3, :3]).max() < 1e-6


def _shapes(body, turning: bool, middle: torch.Tensor):
    """Shapes of betas; `turning` ones with joint frames that turn with the betas as in SKEL's file, known around `middle`."""
    turns = torch.as_tensor(np.random.default_rng(5).normal(size=(2, 24, 3, 10)))

    def shape_of(betas):
        shape = body.shape(betas)
        if not turning:
            return shape
        angle = torch.einsum("njik,nk->nji", turns, betas - middle)
        cross = torch.linalg.cross(torch.eye(3).double().expand(2, 24, 3, 3), angle[:, :, None].expand(2, 24, 3, 3), dim=-1)
        return replace(shape, frames=torch.matrix_exp(-cross.transpose(-1, -2)) @ shape.frames, turns=turns)

    return shape_of


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("turning", [False, True])
def test_jacobians_agree_with_finite_differences(several, turning):
    """For points of one joint and of many, and for joint frames that depend on the shape."""
    body, betas, poses, trans = _case("male")
    points = replace(_blended(np.random.default_rng(1)), posedirs=None) if several else body.markers
    shape_of = _shapes(body, turning, betas.clone())

    def where(betas, poses, trans):
        shape = shape_of(betas)
        return pose_points(shape, _OWNER, pose_chain(shape, _OWNER, poses, trans), points)[0]

    shape = shape_of(betas)
    posed = pose_chain(shape, _OWNER, poses, trans)
    _, pairs = pose_points(shape, _OWNER, posed, points)
    by_state = point_jacobians(posed, points, pairs, list(range(49)))
    by_betas = point_shape_jacobians(posed, shape, points, pairs)
    for k in range(49):
        step = torch.zeros(49, dtype=torch.float64)
        step[k] = _STEP
        ahead, behind = (where(betas, poses + sign * step[3:], trans + sign * step[:3]) for sign in (1, -1))
        assert ((ahead - behind) / (2 * _STEP) - by_state[..., k]).abs().max() < 1e-6 * max(1.0, float(by_state.abs().max()))
    for k in range(10):
        step = torch.zeros(10, dtype=torch.float64)
        step[k] = _STEP
        difference = (where(betas + step, poses, trans) - where(betas - step, poses, trans)) / (2 * _STEP)
        assert (difference - by_betas[..., k]).abs().max() < 1e-6 * max(1.0, float(by_betas.abs().max()))


@pytest.mark.parametrize("turning", [False, True])
def test_blend_shapes_complete_the_gradient(turning):
    """Of a random function of blended points: Jacobians and what runs backwards through the blend shapes, against differences."""
    body, betas, poses, trans = _case("male")
    rng = np.random.default_rng(7)
    points, by_point = _blended(rng), torch.as_tensor(rng.normal(size=(6, 3, 3)))
    shape_of = _shapes(body, turning, betas.clone())

    def value(betas, poses):
        shape = shape_of(betas)
        return (pose_points(shape, _OWNER, pose_chain(shape, _OWNER, poses, trans), points)[0] * by_point).sum()

    shape = shape_of(betas)
    posed = pose_chain(shape, _OWNER, poses, trans)
    _, pairs = pose_points(shape, _OWNER, posed, points)
    by_state = torch.einsum("nkic,nki->nc", point_jacobians(posed, points, pairs, list(range(49))), by_point)[:, 3:]
    by_betas = torch.einsum("nkic,nki->nc", point_shape_jacobians(posed, shape, points, pairs), by_point)
    blend_poses, blend_betas = blend_gradient(posed, points, by_point)
    forward = torch.einsum("nkid,nki->nd", blend_jacobians(posed, points), by_point)
    assert torch.allclose(blend_poses, forward, atol=1e-5 * float(forward.abs().max()))  # the Jacobian is in float32
    by_state = by_state + blend_poses
    by_betas = by_betas if blend_betas is None else by_betas + blend_betas
    for _ in range(6):
        move, change = torch.as_tensor(rng.normal(size=poses.shape)), torch.as_tensor(rng.normal(size=betas.shape))
        ahead, behind = (value(betas + sign * _STEP * change, poses + sign * _STEP * move) for sign in (1, -1))
        wanted = (by_state * move).sum() + (by_betas * change[_OWNER]).sum()
        assert float(ahead - behind) / (2 * _STEP) == pytest.approx(float(wanted), rel=1e-6)


def test_limbs_hold_every_column_that_moves_a_point():
    body, betas, poses, trans = _case("male")
    shape = body.shape(betas)
    posed = pose_chain(shape, _OWNER, poses, trans)
    _, pairs = pose_points(shape, _OWNER, posed, body.markers)
    whole = point_jacobians(posed, body.markers, pairs, list(range(49)))
    seen = []
    for numbers, columns in limbs_of(body.markers):
        others = [column for column in range(49) if column not in columns]
        assert not whole[:, numbers][..., others].any()
        chosen = body.markers.select(numbers)
        part = point_jacobians(posed, chosen, pairs[:, numbers], columns)
        assert torch.equal(part, whole[:, numbers][..., columns])
        seen += numbers
    assert sorted(seen) == list(range(33))


def test_selected_and_joined_points_are_where_they_were():
    body, betas, poses, trans = _case("female")
    shape = body.shape(betas)
    posed = pose_chain(shape, _OWNER, poses, trans)
    blended = _blended(np.random.default_rng(2))
    both = body.markers.joined(blended)
    where, _ = pose_points(shape, _OWNER, posed, both)
    assert torch.allclose(where[:, :33], pose_points(shape, _OWNER, posed, body.markers)[0])
    assert torch.allclose(where[:, 33:], pose_points(shape, _OWNER, posed, blended)[0])
    some, _ = pose_points(shape, _OWNER, posed, both.select(["c", 5, "a"]))
    assert torch.allclose(some, where[:, [35, 5, 33]])


def test_rest_body_is_a_standing_adult():
    for name in BODY_NAMES:
        body = load_body(name).rest_body(np.zeros(10))
        assert 1.5 < np.ptp(body.skin_verts[:, 1]) < 1.95
        assert np.abs(body.weight_value.sum(axis=1) - 1).max() < 1e-9
        assert body.joints[13, 1] > body.joints[0, 1] > body.joints[3, 1]


def test_an_unknown_body_is_refused():
    with pytest.raises(SkelError, match="male, female"):
        load_body("robot")
