# SPDX-License-Identifier: GPL-3.0-or-later
"""The translations that SKEL couples to angles, with their derivatives: arcs of constant curvature in the spine, and the ellipsoid
that each shoulder blade slides on (Keller et al. 2023)."""

from __future__ import annotations

import torch

from ...anatomy import ARCS, DOFS_OF_JOINT, ELLIPSOIDS
from .shape import Shape

_SERIES = 0.1  # rad; below this arcs come from their series, whose next term is under 1e-13; beyond it float32 keeps its digits too


def couplings(shape: Shape, owner: torch.Tensor, poses: torch.Tensor) -> dict[int, tuple]:
    """Joint -> (shift (F,3) m, its derivatives by the joint's first two DoFs, its derivative by betas (F,3,10)); model axes.

    `shape` of N people, owner (F,) whose a frame is, poses (F,46) rad.
    """
    rest, by_betas = shape.joints, shape.by_betas
    result = {}
    for joint, (bottom, top) in ARCS.items():
        u, w = (poses[:, dof.index] for dof in DOFS_OF_JOINT[joint][:2])
        rise = (rest[:, top, 1] - rest[:, bottom, 1])[owner]
        by_beta = torch.sign(rise)[:, None, None] * (by_betas[top, 1] - by_betas[bottom, 1])
        (sinc_u, dsinc_u, vers_u, dvers_u), (sinc_w, dsinc_w, vers_w, dvers_w) = _arc(u), _arc(w)
        none, length = torch.zeros_like(u), rise.abs()[:, None]
        unit = torch.stack([-vers_u, sinc_u + sinc_w - 2, -vers_w], -1)
        by_dofs = (length * torch.stack([-dvers_u, dsinc_u, none], -1), length * torch.stack([none, dsinc_w, -dvers_w], -1))
        result[joint] = (length * unit, by_dofs, unit[..., None] * by_beta)
    width, width_by_betas = _distance(rest, by_betas, 19, 14)
    height, height_by_betas = _distance(rest, by_betas, 12, 11)
    for joint, side in ELLIPSOIDS.items():
        result[joint] = _ellipsoid(joint, side, poses, width[owner], height[owner], width_by_betas[owner], height_by_betas[owner])
    return result


def _distance(rest: torch.Tensor, by_betas: torch.Tensor, end: int, start: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) distance of two rest joints and its derivative (N,10) by betas."""
    across = rest[:, end] - rest[:, start]
    length = across.norm(dim=-1)
    return length, torch.einsum("ni,ik->nk", across / length[:, None], by_betas[end] - by_betas[start])


def _arc(angle: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """sin(a)/a and (1 - cos a)/a with their derivatives, exact through zero."""
    small = angle.abs() < _SERIES
    a = torch.where(small, torch.ones_like(angle), angle)
    sine, cosine, s = torch.sin(a), torch.cos(a), angle * angle
    return (
        torch.where(small, 1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72))), sine / a),
        torch.where(small, -angle / 3 * (1 - s / 10 * (1 - s / 28 * (1 - s / 54))), (a * cosine - sine) / (a * a)),
        torch.where(small, angle / 2 * (1 - s / 12 * (1 - s / 30 * (1 - s / 56))), (1 - cosine) / a),
        torch.where(small, 0.5 - s / 8 * (1 - s / 18 * (1 - s / 40 * (1 - s / 70))), (a * sine - 1 + cosine) / (a * a)),
    )


def _ellipsoid(joint: int, side: int, poses: torch.Tensor, width: torch.Tensor, height: torch.Tensor,
               width_by_betas: torch.Tensor, height_by_betas: torch.Tensor) -> tuple:  # fmt: skip
    first, second = (dof.index for dof in DOFS_OF_JOINT[joint][:2])
    a, e = -side * poses[:, first], -side * poses[:, second] - torch.pi / 4
    none, half = torch.zeros_like(a), 0.5**0.5  # sine and cosine of 45 degrees
    by_width = torch.stack([side / 4 * (torch.cos(e) * torch.cos(a) - half), none, torch.sin(a) / 4], -1)
    by_height = torch.stack([none, -0.5 * (torch.sin(e) + half), none], -1)
    by_first = -side * (width / 4)[:, None] * torch.stack([-side * torch.cos(e) * torch.sin(a), none, torch.cos(a)], -1)
    by_second = -side * torch.stack([-side * width / 4 * torch.sin(e) * torch.cos(a), -height / 2 * torch.cos(e), none], -1)
    by_betas = by_width[..., None] * width_by_betas[:, None] + by_height[..., None] * height_by_betas[:, None]
    return width[:, None] * by_width + height[:, None] * by_height, (by_first, by_second), by_betas
