# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's kinematic chain in torch with analytic Jacobians: what a second-order solver needs, and nothing of the skin.

For a point p riding joint j and a DoF d of joint i above it (or i = j), dp/dq_d = axis_d x (p - t_i) + R_parent(i) dc_i/dq_d, where
axis_d is the DoF's axis in the world and c_i the translation that SKEL couples to the angle (`arcs`). Derivatives by betas run down
the chain, as every rest offset, every coupling's length and, in SKEL's file, every joint frame is a function of them.
F frames of N people are laid end to end; `owner` (F,) says whose a frame is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...anatomy import DOFS, DOFS_OF_JOINT, PARENTS, J, Q
from .arcs import couplings
from .points import TRANS, Points, moves
from .shape import Shape

# The joint whose rotation each of SMPL's joints 1 to 23 feeds into the pose blend shapes; -1 feeds none.
FEATURE_JOINTS = (6, 1, 11, 7, 2, 12, 9, 4, -1, 10, 5, -1, 19, 14, 13, 20, 15, 21, 16, 23, 18, -1, -1)


def _levels() -> list[tuple[list[int], list[int]]]:
    """Joints below the root by depth, each with its parent."""
    depth = [0] * J
    for joint in range(1, J):
        depth[joint] = depth[PARENTS[joint]] + 1
    return [([j for j in range(J) if depth[j] == d], [PARENTS[j] for j in range(J) if depth[j] == d]) for d in range(1, max(depth) + 1)]


_LEVELS = _levels()
_DOF_JOINT = [dof.joint for dof in DOFS]
_DOF_PARENT = [PARENTS[dof.joint] for dof in DOFS]
# Per joint the numbers of its first, second and third DoF; Q stands for none.
_SLOTS = torch.tensor([[dofs[k].index if k < len(dofs) else Q for dofs in DOFS_OF_JOINT] for k in range(3)])
_AXES = torch.tensor([dof.axis for dof in DOFS] + [(0.0, 0.0, 0.0)], dtype=torch.float64)
_SLOT_OF_DOF = torch.tensor([DOFS_OF_JOINT[dof.joint].index(dof) for dof in DOFS])
_MOVES = moves()


@dataclass(frozen=True)
class Posed:
    """Posed chains of F frames. `axes` and `slides` belong to the 46 DoFs: dp/dq = axes x (p - origin of the DoF's joint) + slides."""

    rotations: torch.Tensor  # (F,24,3,3), from the T pose
    positions: torch.Tensor  # (F,24,3) m
    local: torch.Tensor  # (F,24,3,3), of each joint in its parent, model axes
    local_axes: torch.Tensor  # (F,46,3), of each DoF in its joint's parent, model axes
    axes: torch.Tensor  # (F,46,3)
    slides: torch.Tensor  # (F,46,3)
    by_betas: torch.Tensor  # (F,24,3,10), of `positions`
    turns: torch.Tensor | None  # (F,24,3,10): d rotations / d beta_k = [turns[..., k]]x rotations; None if frames don't depend on betas
    local_turns: torch.Tensor | None  # (F,24,3,10), likewise of `local`


def pose_chain(shape: Shape, owner: torch.Tensor, poses: torch.Tensor, trans: torch.Tensor) -> Posed:
    """Pose the people of `shape`: owner (F,), poses (F,46) rad, trans (F,3) m, model frame."""
    frames = shape.frames[owner]
    local, local_axes = _joint_rotations(frames, poses)
    offsets, by_dofs, offsets_by_betas = _offsets(shape, owner, poses)
    count = len(poses)
    rotations, positions = torch.empty_like(local), poses.new_empty(count, J, 3)
    by_betas = poses.new_empty(count, J, 3, shape.by_betas.shape[-1])
    rotations[:, 0], positions[:, 0], by_betas[:, 0] = local[:, 0], shape.joints[owner, 0] + trans, shape.by_betas[0]
    turning = shape.turns is not None
    local_turns = turns = None
    if turning:
        local_turns = shape.turns[owner] - local @ shape.turns[owner]
        turns = torch.empty_like(local_turns)
        turns[:, 0] = local_turns[:, 0]
    for joints, parents in _LEVELS:
        above = rotations[:, parents]
        rotations[:, joints] = above @ local[:, joints]
        arm = (above @ offsets[:, joints, :, None])[..., 0]
        positions[:, joints] = positions[:, parents] + arm
        by_betas[:, joints] = by_betas[:, parents] + above @ offsets_by_betas[:, joints]
        if turning:
            by_betas[:, joints] += torch.linalg.cross(turns[:, parents], arm[..., None].expand_as(turns[:, parents]), dim=-2)
            turns[:, joints] = turns[:, parents] + above @ local_turns[:, joints]
    eye = torch.eye(3, dtype=poses.dtype, device=poses.device).expand(count, 1, 3, 3)
    above = torch.cat([rotations, eye], dim=1)[:, _DOF_PARENT]  # the root's parent is number -1, the last
    axes, slides = (above @ torch.stack([local_axes, by_dofs], -1)).unbind(-1)
    return Posed(rotations, positions, local, local_axes, axes, slides, by_betas, turns, local_turns)


def pose_points(shape: Shape, owner: torch.Tensor, posed: Posed, points: Points) -> tuple[torch.Tensor, torch.Tensor]:
    """(F,K,3) m where the points go, and the pairs' parts (F,P,3) of it for `point_jacobians`."""
    arm = points.template + torch.einsum("pik,nk->npi", points.shapedirs, shape.betas)
    arm = (arm - points.weight[:, None] * shape.joints[:, points.joint])[owner]
    if points.posedirs is not None:
        arm = arm + torch.einsum("pif,nf->npi", points.posedirs, pose_feature(posed.local))
    pairs = (posed.rotations[:, points.joint] @ arm[..., None])[..., 0] + points.weight[:, None] * posed.positions[:, points.joint]
    return points.gathered(pairs), pairs


def point_jacobians(posed: Posed, points: Points, pairs: torch.Tensor, columns: list[int]) -> torch.Tensor:
    """(F,K,3,C) derivatives of the points by some columns of the state (trans, poses), without the pose blend shapes' part.

    `pairs` of `pose_points`. What is left out moves a point by millimetres: a Gauss-Newton matrix can do without, a gradient takes it
    from `blend_gradient`.
    """
    count, dofs = len(pairs), [column - TRANS for column in columns if column >= TRANS]
    chain = _MOVES[:, dofs].to(pairs)[points.joint]  # (P,D)
    result = pairs.new_zeros(count, len(points), 3, len(columns))
    weight = points.weight.new_zeros(len(points)).index_add_(0, points.point, points.weight)
    for axis in range(len(columns) - len(dofs)):
        result[:, :, axis, axis] = weight
    lever, mass = _levers(points, pairs, chain)
    axes, slides = posed.axes[:, dofs].transpose(1, 2), posed.slides[:, dofs].transpose(1, 2)  # (F,3,D)
    origins = posed.positions[:, [_DOF_JOINT[dof] for dof in dofs]].transpose(1, 2)
    x, y, z = (lever[:, :, i] - mass * origins[:, None, i] for i in range(3))
    ax, ay, az = (axes[:, None, i] for i in range(3))
    into = result[..., len(columns) - len(dofs) :]
    into[:, :, 0] = ay * z - az * y + mass * slides[:, None, 0]
    into[:, :, 1] = az * x - ax * z + mass * slides[:, None, 1]
    into[:, :, 2] = ax * y - ay * x + mass * slides[:, None, 2]
    return result


def point_shape_jacobians(posed: Posed, shape: Shape, points: Points, pairs: torch.Tensor) -> torch.Tensor:
    """(F,K,3,10) derivatives of the points by betas, without the pose blend shapes' part."""
    used, ridden = torch.unique(points.joint, return_inverse=True)
    where = points.point * len(used) + ridden  # of a pair among all points and joints
    weight = points.weight.new_zeros(len(points) * len(used)).index_add_(0, where, points.weight).view(len(points), -1)
    arm = points.shapedirs - points.weight[:, None, None] * shape.by_betas[points.joint]
    arms = arm.new_zeros(len(weight) * len(used), *arm.shape[1:]).index_add_(0, where, arm)  # (K U,3,10)
    arms = arms.unflatten(0, weight.shape).permute(1, 2, 0, 3).flatten(0, 1).flatten(1)
    result = posed.rotations[:, used].permute(0, 2, 1, 3).flatten(2) @ arms  # (F,3,K 10)
    result = result.unflatten(-1, (len(points), -1)).transpose(1, 2)
    result = result + (weight @ posed.by_betas[:, used].flatten(2)).view_as(result)
    if posed.turns is not None:
        x, y, z = (pairs - points.weight[:, None] * posed.positions[:, points.joint])[..., None].unbind(2)
        a, b, c = posed.turns[:, points.joint].unbind(2)
        result = result + points.gathered(torch.stack([b * z - c * y, c * x - a * z, a * y - b * x], 2))
    return result


def blend_jacobians(posed: Posed, points: Points) -> torch.Tensor:
    """(F,K,3,46) the pose blend shapes' part of the derivatives by poses: the feature's by a DoF is [axis]x R of its own joint."""
    count, dofs = len(posed.local), [DOFS_OF_JOINT[joint] if joint >= 0 else () for joint in FEATURE_JOINTS]
    slots = torch.tensor([[own[k].index if k < len(own) else Q for k in range(3)] for own in dofs])
    axes = torch.cat([posed.local_axes, torch.zeros_like(posed.local_axes[:, :1])], 1)[:, slots]  # (F,23,3,3)
    local = posed.local[:, list(FEATURE_JOINTS), None].expand(-1, -1, 3, 3, 3)
    change = torch.linalg.cross(axes[..., None].expand_as(local), local, dim=-2).flatten(-2)  # (F,23,3,9)
    rows = posed.rotations.permute(0, 2, 1, 3).reshape(-1, 3 * J).float()
    answers = (rows @ points.blends).reshape(count, 3, J - 1, len(points), 9) @ change[:, None].mT.float()  # (F,3,23,K,3)
    result = change.new_zeros(count, len(points), 3, Q + 1)
    result[..., slots.flatten()] = answers.permute(0, 3, 1, 2, 4).flatten(-2).to(result)
    return result[..., :Q]


def blend_gradient(posed: Posed, points: Points, by_point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The pose blend shapes' part of a gradient by poses (F,46), and by betas (F,10) where joint frames depend on them, else None.

    by_point (F,K,3) is the gradient by the points. Run backwards through the blend shapes, which costs no more than the points did.
    """
    turned = (posed.rotations[:, points.joint].mT @ by_point[:, points.point, :, None])[..., 0]
    by_feature = (turned.flatten(1) @ points.posedirs.flatten(0, 1)).unflatten(1, (J - 1, 3, 3))
    by_local = torch.zeros_like(posed.local)
    fed = [(feature, joint) for feature, joint in enumerate(FEATURE_JOINTS) if joint >= 0]
    by_local[:, [joint for _, joint in fed]] = by_feature[:, [feature for feature, _ in fed]]
    torque = torch.linalg.cross(posed.local, by_local, dim=-2).sum(-1)
    by_poses = (torque[:, _DOF_JOINT] * posed.local_axes).sum(-1)
    return by_poses, None if posed.local_turns is None else torch.einsum("nji,njik->nk", torque, posed.local_turns)


def pose_feature(local: torch.Tensor) -> torch.Tensor:
    """(F,207) what drives the pose blend shapes: F_s - I of SMPL's joints 1 to 23, row-major (SMPL, Loper et al. 2015, equation 9)."""
    eye = torch.eye(3, dtype=local.dtype, device=local.device)
    fed = torch.cat([local - eye, torch.zeros_like(local[:, :1])], dim=1)  # number -1, the last, feeds nothing
    return fed[:, list(FEATURE_JOINTS)].flatten(1)


def _levers(points: Points, pairs: torch.Tensor, chain: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First moments (F,K,3,D) and masses (K,D) of the part of each point that a DoF moves; chain (P,D) of 0 and 1."""
    if points.is_rigid:
        return pairs[..., None] * chain[:, None], chain
    mass = chain.new_zeros(len(points), chain.shape[1]).index_add_(0, points.point, points.weight[:, None] * chain)
    return points.gathered(pairs[..., None] * chain[:, None]), mass


def _joint_rotations(frames: torch.Tensor, poses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotations (F,24,3,3) of the joints in model axes, and the DoFs' axes (F,46,3) in their joints' parents."""
    axis = _AXES.to(poses)
    x, y, z = axis.unbind(-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).reshape(-1, 3, 3)
    angle = torch.cat([poses, torch.zeros_like(poses[:, :1])], dim=1)[..., None, None]
    turn = torch.eye(3).to(poses) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)
    first, second, third = (turn[:, slot] for slot in _SLOTS)
    later = third @ second
    rotations = frames @ (later @ first) @ frames.transpose(-1, -2)
    before = torch.stack([frames @ later, frames @ third, frames], dim=1)  # what acts after a joint's first, second, third DoF
    return rotations, (before[:, _SLOT_OF_DOF, _DOF_JOINT] @ axis[:Q, :, None])[..., 0]


def _offsets(shape: Shape, owner: torch.Tensor, poses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Joints' offsets in their parents with what SKEL couples to the angles (F,24,3), by their DoFs (F,46,3), by betas (F,24,3,10)."""
    parents = list(PARENTS)
    step, by_betas = shape.joints - shape.joints[:, parents], shape.by_betas - shape.by_betas[parents]
    offsets, slides = step[owner], torch.zeros(len(poses), Q, 3, dtype=poses.dtype, device=poses.device)
    offsets_by_betas = by_betas.expand(len(poses), *by_betas.shape).clone()
    for joint, (shift, by_dofs, by_beta) in couplings(shape, owner, poses).items():
        offsets[:, joint] += shift
        offsets_by_betas[:, joint] += by_beta
        for dof, derivative in zip(DOFS_OF_JOINT[joint], by_dofs):
            slides[:, dof.index] = derivative
    return offsets, slides, offsets_by_betas
