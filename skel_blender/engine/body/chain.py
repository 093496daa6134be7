# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's kinematic chain in torch with analytic Jacobians: what a second-order solver needs, and nothing of the skin.

For a point p riding joint j and a DoF d of joint i above it (or i = j), dp/dq_d = axis_d x (p - t_i) + R_parent(i) dc_i/dq_d, where
axis_d is the DoF's axis in the world and c_i the translation that SKEL couples to the angle (kinematics.couplings).
Derivatives by betas run down the chain, as every rest offset and every coupling's length is a function of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...anatomy import ARCS, DOFS, DOFS_OF_JOINT, ELLIPSOIDS, PARENTS, J, Q
from .model import BodyModel, Points

_SERIES = 1e-3  # below this angle the arcs' derivatives come from their series, whose next term is under 1e-13


@dataclass(frozen=True)
class Posed:
    """A posed chain. T frames; `axes` and `slides` belong to the 46 DoFs: dp/dq = axes x (p - origins) + slides."""

    rotations: torch.Tensor  # (T,24,3,3), from the T pose
    positions: torch.Tensor  # (T,24,3) m
    axes: torch.Tensor  # (T,46,3)
    origins: torch.Tensor  # (T,46,3)
    slides: torch.Tensor  # (T,46,3)
    by_betas: torch.Tensor  # (T,24,3,10), of `positions`


def rest_joints(body: BodyModel, betas: torch.Tensor) -> torch.Tensor:
    """(24,3) joint centres of a shape, betas (10,)."""
    return body.J_template + body.J_shapedirs @ betas


def pose_chain(body: BodyModel, betas: torch.Tensor, poses: torch.Tensor, trans: torch.Tensor) -> Posed:
    """Pose one shape, betas (10,), in T frames: poses (T,46) rad, trans (T,3) m, model frame."""
    rest = rest_joints(body, betas)
    local, local_axes = _joint_rotations(body, poses)
    couplings = _couplings(body, rest, poses)
    frames = len(poses)
    rotations, positions, by_betas = [None] * J, [None] * J, [None] * J
    axes, origins, slides = (poses.new_zeros(frames, Q, 3) for _ in range(3))
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            above = torch.eye(3, dtype=poses.dtype, device=poses.device).expand(frames, 3, 3)
            positions[joint] = rest[joint] + trans
            by_betas[joint] = body.J_shapedirs[joint].expand(frames, 3, -1)
        else:
            above = rotations[parent]
            shift, by_dofs, by_beta = couplings.get(joint, (0.0, None, 0.0))
            positions[joint] = positions[parent] + (above @ (rest[joint] - rest[parent] + shift)[..., None])[..., 0]
            by_betas[joint] = by_betas[parent] + above @ (body.J_shapedirs[joint] - body.J_shapedirs[parent] + by_beta)
            for slot in range(0 if by_dofs is None else 2):
                slides[:, DOFS_OF_JOINT[joint][slot].index] = (above @ by_dofs[slot][..., None])[..., 0]
        rotations[joint] = above @ local[joint]
        for dof in DOFS_OF_JOINT[joint]:
            axes[:, dof.index] = (above @ local_axes[dof.index][..., None])[..., 0]
            origins[:, dof.index] = positions[joint]
    return Posed(torch.stack(rotations, 1), torch.stack(positions, 1), axes, origins, slides, torch.stack(by_betas, 1))


def pose_points(body: BodyModel, betas: torch.Tensor, posed: Posed, points: Points) -> torch.Tensor:
    """(T,M,3) m where the points go."""
    arm = points.template + points.shapedirs @ betas - rest_joints(body, betas)[points.joint]
    return posed.positions[:, points.joint] + (posed.rotations[:, points.joint] @ arm[..., None])[..., 0]


def point_jacobians(body: BodyModel, posed: Posed, points: Points, where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Derivatives of `where` = pose_points(...) by (trans, poses): (T,M,3,49), and by betas: (T,M,3,10)."""
    lever = where[:, :, None] - posed.origins[:, None]
    by_dof = torch.linalg.cross(posed.axes[:, None].expand_as(lever), lever) + posed.slides[:, None]
    by_dof = by_dof * _moves(points.joint)[None, :, :, None].to(where)
    by_trans = torch.eye(3, dtype=where.dtype, device=where.device).expand(*where.shape[:2], 3, 3)
    by_state = torch.cat([by_trans, by_dof.transpose(-1, -2)], dim=-1)
    arm = points.shapedirs - body.J_shapedirs[points.joint]
    return by_state, posed.by_betas[:, points.joint] + posed.rotations[:, points.joint] @ arm


def _moves(joint: torch.Tensor) -> torch.Tensor:
    """(M,46) bool: does a DoF move the points that ride these joints."""
    above = torch.zeros(J, Q, dtype=torch.bool, device=joint.device)
    for row in range(J):
        chain = row
        while chain >= 0:
            for dof in DOFS_OF_JOINT[chain]:
                above[row, dof.index] = True
            chain = PARENTS[chain]
    return above[joint]


def _joint_rotations(body: BodyModel, poses: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Per joint its rotation (T,3,3) in model axes, and per DoF its axis (T,3) in the parent's frame."""
    like = {"dtype": poses.dtype, "device": poses.device}
    rotations, axes = [], [None] * len(DOFS)
    for joint, dofs in enumerate(DOFS_OF_JOINT):
        frame = body.rest_frames[joint]
        later = torch.eye(3, **like).expand(len(poses), 3, 3)
        for dof in reversed(dofs):
            axis = frame @ torch.tensor(dof.axis, **like)
            axes[dof.index] = later @ axis
            later = later @ _axis_rotation(axis, poses[:, dof.index])
        rotations.append(later)
    return rotations, axes


def _axis_rotation(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    zero = torch.zeros((), dtype=axis.dtype, device=axis.device)
    x, y, z = axis
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    angle = angle[:, None, None]
    return torch.eye(3).to(axis) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)


def _couplings(body: BodyModel, rest: torch.Tensor, poses: torch.Tensor) -> dict[int, tuple]:
    """Joint -> (shift (T,3), its derivatives by the joint's first two DoFs, its derivative by betas (T,3,10))."""
    result = {}
    for joint, (bottom, top) in ARCS.items():
        u, w = (poses[:, dof.index] for dof in DOFS_OF_JOINT[joint][:2])
        rise = rest[top, 1] - rest[bottom, 1]
        by_beta = torch.sign(rise) * (body.J_shapedirs[top, 1] - body.J_shapedirs[bottom, 1])
        (sinc_u, dsinc_u, vers_u, dvers_u), (sinc_w, dsinc_w, vers_w, dvers_w) = _arc(u), _arc(w)
        none = torch.zeros_like(u)
        unit = torch.stack([-vers_u, sinc_u + sinc_w - 2, -vers_w], -1)
        by_dofs = (rise.abs() * torch.stack([-dvers_u, dsinc_u, none], -1), rise.abs() * torch.stack([none, dsinc_w, -dvers_w], -1))
        result[joint] = (rise.abs() * unit, by_dofs, unit[..., None] * by_beta)
    across, up = rest[19] - rest[14], rest[12] - rest[11]
    width_by_beta = (across / across.norm()) @ (body.J_shapedirs[19] - body.J_shapedirs[14]).reshape(3, -1)
    height_by_beta = (up / up.norm()) @ (body.J_shapedirs[12] - body.J_shapedirs[11]).reshape(3, -1)
    for joint, side in ELLIPSOIDS.items():
        result[joint] = _ellipsoid(joint, side, poses, across.norm(), up.norm(), width_by_beta, height_by_beta)
    return result


def _arc(angle: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """sin(a)/a and (1 - cos a)/a with their derivatives, exact through zero."""
    small = angle.abs() < _SERIES
    a = torch.where(small, torch.ones_like(angle), angle)
    sine, cosine = torch.sin(a), torch.cos(a)
    square = angle * angle
    return (
        torch.where(small, 1 - square / 6, sine / a),
        torch.where(small, -angle / 3 + angle * square / 30, (a * cosine - sine) / (a * a)),
        torch.where(small, angle / 2 - angle * square / 24, (1 - cosine) / a),
        torch.where(small, 0.5 - square / 8, (a * sine - 1 + cosine) / (a * a)),
    )


def _ellipsoid(joint: int, side: int, poses: torch.Tensor, width: torch.Tensor, height: torch.Tensor,
               width_by_beta: torch.Tensor, height_by_beta: torch.Tensor) -> tuple:  # fmt: skip
    first, second = (dof.index for dof in DOFS_OF_JOINT[joint][:2])
    a, e = -side * poses[:, first], -side * poses[:, second] - torch.pi / 4
    none = torch.zeros_like(a)
    quarter = torch.tensor(torch.pi / 4, dtype=a.dtype, device=a.device)
    by_width = torch.stack([side / 4 * (torch.cos(e) * torch.cos(a) - torch.cos(quarter)), none, torch.sin(a) / 4], -1)
    by_height = torch.stack([none, -0.5 * (torch.sin(e) + torch.sin(quarter)), none], -1)
    by_first = -side * width / 4 * torch.stack([-side * torch.cos(e) * torch.sin(a), none, torch.cos(a)], -1)
    by_second = -side * torch.stack([-side * width / 4 * torch.sin(e) * torch.cos(a), -height / 2 * torch.cos(e), none], -1)
    by_beta = by_width[..., None] * width_by_beta + by_height[..., None] * height_by_beta
    return width * by_width + height * by_height, (by_first, by_second), by_beta
