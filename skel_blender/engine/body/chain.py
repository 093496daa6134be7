# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's kinematic chain in torch with analytic Jacobians: what a second-order solver needs, and nothing of the skin.

For a point p riding joint j and a DoF d of joint i above it (or i = j), dp/dq_d = axis_d x (p - t_i) + R_parent(i) dc_i/dq_d, where
axis_d is the DoF's axis in the world and c_i the translation that SKEL couples to the angle (`couplings`). Derivatives by betas run down
the chain, as every rest offset, every coupling's length and, in SKEL's file, every joint frame is a function of them.
F frames of N people are laid end to end; `owner` (F,) says whose a frame is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...anatomy import DOFS, DOFS_OF_JOINT, SMPL_FEATURE_JOINTS, J, Q
from .articulate import Articulation, articulated, tables
from .batchlast import apply, cross, product
from .couplings import BENDS, BLADES, coupled_by_betas, coupled_slides
from .points import TRANS, Points, moves
from .skeleton import Shape, skeleton_rows

_DOF_JOINT = [dof.joint for dof in DOFS]
_SLOT_OF_DOF = [DOFS_OF_JOINT[dof.joint].index(dof) for dof in DOFS]  # whether it is its joint's first, second or third
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
    alone = len(shape.joints) == 1  # one person: what belongs to the shape is not repeated for every frame
    rows = skeleton_rows().to(poses)
    vectors = (rows @ shape.joints.flatten(1).t()).view(-1, 3, len(shape.joints))
    frames = shape.frames.movedim(0, -1)
    if not alone:
        vectors, frames = vectors[..., owner], frames[..., owner]
    spans = vectors[J:]
    whole = articulated(poses, trans, vectors[:J], frames, spans, spans.square().sum(1).sqrt())
    local_axes, axes, slides = _dof_axes(whole)
    by_betas = (rows @ shape.by_betas.flatten(0, 1)).view(-1, 3, shape.by_betas.shape[-1])
    offsets = by_betas[:J, ..., None] + coupled_by_betas(whole.coupled, by_betas[J:])
    steps, local_turns, turns = product(whole.above, offsets), None, None
    if shape.turns is not None:
        own = shape.turns.movedim(0, -1) if alone else shape.turns.movedim(0, -1)[..., owner]
        local_turns = own - product(whole.local, own)
        turned = product(whole.above, local_turns)
        turns = _summed(turned)
        steps = steps + cross(turns - turned, whole.steps[:, :, None])  # a joint's step turns with its parent
    parts = (whole.rotations, whole.positions, whole.local, local_axes, axes, slides, _summed(steps), turns, local_turns)
    return Posed(*(None if part is None else part.movedim(-1, 0).contiguous() for part in parts))


def _summed(values: torch.Tensor) -> torch.Tensor:
    """(24,...) sums over a joint and all above it."""
    return (tables(values.dtype, values.device).hangs @ values.flatten(1)).view_as(values)


def _dof_axes(whole: Articulation) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(46,3,B) each: the DoFs' axes in their joints' parents, in the world, and how joints slide with them in the world."""
    table = tables(whole.bends.dtype, whole.bends.device)
    first, second, third = (table.axes * table.scales[: len(table.axes), None]).split(J)
    _, turn, last = whole.turns.unbind(0)
    own = torch.stack([(turn * first[:, None]).sum(2), second.expand(-1, -1, turn.shape[-1])], 2)
    own = torch.cat([product(last, own), third.expand(-1, -1, turn.shape[-1])[:, :, None]], 2)
    local = product(whole.frames, own)  # (24,3,3,B), the joint's three DoFs side by side
    world = product(whole.above, local)
    slides = torch.zeros(Q, 3, turn.shape[-1]).to(local)
    coupled = [*BLADES, *BENDS]
    slides[coupled] = apply(whole.above[[_DOF_JOINT[dof] for dof in coupled]], coupled_slides(whole.bends, whole.coupled))
    return *(axes.movedim(2, 1)[_DOF_JOINT, _SLOT_OF_DOF] for axes in (local, world)), slides


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
    result = pairs.new_zeros(count, len(points), 3, len(columns))
    weight = points.weight.new_zeros(len(points)).index_add_(0, points.point, points.weight)
    for i in range(len(columns) - len(dofs)):
        result[:, :, i, i] = weight
    lever, mass = _levers(points, pairs, dofs)
    axes, slides = posed.axes[:, dofs].transpose(1, 2), posed.slides[:, dofs].transpose(1, 2)  # (F,3,D)
    origins = posed.positions[:, [_DOF_JOINT[dof] for dof in dofs]].transpose(1, 2)
    arm = [lever[:, :, i] - mass * origins[:, None, i] for i in range(3)]
    axis = [axes[:, None, i] for i in range(3)]
    into = result[..., len(columns) - len(dofs) :]
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        into[:, :, i] = (mass * slides[:, None, i]).addcmul_(axis[j], arm[k]).addcmul_(axis[k], arm[j], value=-1)
    return result


def point_shape_jacobians(posed: Posed, shape: Shape, points: Points, pairs: torch.Tensor) -> torch.Tensor:
    """(F,K,3,10) derivatives of the points by betas, without the pose blend shapes' part."""
    arms = points.tabled((points.shapedirs - points.weight[:, None, None] * shape.by_betas[points.joint])[None])[0]  # (K,U,3,10)
    result = posed.rotations[:, points.used].permute(0, 2, 1, 3).flatten(2) @ arms.permute(1, 2, 0, 3).flatten(0, 1).flatten(1)
    result = result.unflatten(-1, (len(points), -1)).transpose(1, 2)  # of (F,3,K 10)
    result = result + (points.tabled(points.weight[None])[0] @ posed.by_betas[:, points.used].flatten(2)).view_as(result)
    if posed.turns is not None:
        x, y, z = (pairs - points.weight[:, None] * posed.positions[:, points.joint])[..., None].unbind(2)
        a, b, c = posed.turns[:, points.joint].unbind(2)
        result = result + points.gathered(torch.stack([b * z - c * y, c * x - a * z, a * y - b * x], 2))
    return result


def blend_jacobians(posed: Posed, points: Points) -> torch.Tensor:
    """(F,K,3,46) the pose blend shapes' part of the derivatives by poses: the feature's by a DoF is [axis]x R of its own joint."""
    count, dofs = len(posed.local), [DOFS_OF_JOINT[joint] if joint >= 0 else () for joint in SMPL_FEATURE_JOINTS]
    slots = torch.tensor([[own[k].index if k < len(own) else Q for k in range(3)] for own in dofs])
    axes = torch.cat([posed.local_axes, torch.zeros_like(posed.local_axes[:, :1])], 1)[:, slots]  # (F,23,3,3)
    local = posed.local[:, list(SMPL_FEATURE_JOINTS), None].expand(-1, -1, 3, 3, 3)
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
    fed = [(feature, joint) for feature, joint in enumerate(SMPL_FEATURE_JOINTS) if joint >= 0]
    by_local[:, [joint for _, joint in fed]] = by_feature[:, [feature for feature, _ in fed]]
    torque = torch.linalg.cross(posed.local, by_local, dim=-2).sum(-1)
    by_poses = (torque[:, _DOF_JOINT] * posed.local_axes).sum(-1)
    return by_poses, None if posed.local_turns is None else torch.einsum("nji,njik->nk", torque, posed.local_turns)


def pose_feature(local: torch.Tensor) -> torch.Tensor:
    """(F,207) what drives the pose blend shapes: F_s - I of SMPL's joints 1 to 23, row-major (SMPL, Loper et al. 2015, equation 9)."""
    eye = torch.eye(3, dtype=local.dtype, device=local.device)
    fed = torch.cat([local - eye, torch.zeros_like(local[:, :1])], dim=1)  # number -1, the last, feeds nothing
    return fed[:, list(SMPL_FEATURE_JOINTS)].flatten(1)


def _levers(points: Points, pairs: torch.Tensor, dofs: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """First moments (F,K,3,D) and masses (K,D) of the part of each point that a DoF moves."""
    moved = _MOVES[:, dofs].to(pairs)
    if points.is_rigid:
        return pairs[..., None] * moved[points.joint, None], moved[points.joint]
    moved = moved[points.used]
    return points.tabled(pairs).mT @ moved, points.tabled(points.weight[None])[0] @ moved
