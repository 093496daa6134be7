# SPDX-License-Identifier: GPL-3.0-or-later
"""The translations that SKEL couples to angles, for batches, with their gradients: the spine's arcs and the shoulder blades' ellipsoid.

In the parent's frame (model axes). Arcs of constant curvature: bending u, extension w, length l give
l (-v(u), s(u) + s(w) - 2, -v(w)) with s(a) = sin a / a and v(a) = (1 - cos a) / a. Ellipsoid (Seth et al. 2016): abduction and
elevation move the blade on the thorax, scaled by the distance of the blades and by the height of the thorax's arc.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch

from ...anatomy import ARCS, DOFS_OF_JOINT, ELLIPSOIDS

_SERIES = 1e-2  # below this angle derivatives come from their series, whose next term is under 1e-11 of them
_BLADES = tuple(ELLIPSOIDS)
_THORAX = ARCS[12]


class Shifts(NamedTuple):
    """Coupled translations of five joints: `joints` (5,), `values` (5,B,3) m."""

    joints: torch.Tensor
    values: torch.Tensor


class _Tables(NamedTuple):
    joints: torch.Tensor  # (5,) arcs, then ellipsoids
    arc_dofs: torch.Tensor  # (6,) bending of each arc, then extension
    blade_dofs: torch.Tensor  # (4,) abduction of each blade, then elevation
    sides: torch.Tensor  # (2,1) -1 right, +1 left
    bottoms: torch.Tensor  # (3,) joints below the arcs
    tops: torch.Tensor  # (3,)


@lru_cache(maxsize=8)
def _tables(dtype: torch.dtype, device: torch.device) -> _Tables:
    def index(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, device=device)

    return _Tables(
        joints=index([*ARCS, *_BLADES]),
        arc_dofs=index([DOFS_OF_JOINT[joint][slot].index for slot in range(2) for joint in ARCS]),
        blade_dofs=index([DOFS_OF_JOINT[joint][slot].index for slot in range(2) for joint in _BLADES]),
        sides=torch.tensor([[float(side)] for side in ELLIPSOIDS.values()], dtype=dtype, device=device),
        bottoms=index([bottom for bottom, _ in ARCS.values()]),
        tops=index([top for _, top in ARCS.values()]),
    )


def _spans(rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of rest joints (N,24,3): rise of each arc (3,N), from blade to blade (N,3), up the thorax (N,3)."""
    table = _tables(rest.dtype, rest.device)
    heights = rest[..., 1].t()
    rises = heights.index_select(0, table.tops) - heights.index_select(0, table.bottoms)
    return rises, rest[:, _BLADES[1]] - rest[:, _BLADES[0]], rest[:, _THORAX[1]] - rest[:, _THORAX[0]]


def couplings(poses: torch.Tensor, rest: torch.Tensor) -> tuple[Shifts, tuple[torch.Tensor, ...]]:
    """Shifts of poses (B,46) on rest joints (N,24,3), N 1 or B; and what `coupling_gradients` needs to know of them."""
    table = _tables(poses.dtype, poses.device)
    angles = poses.t()
    bends = angles.index_select(0, table.arc_dofs)  # (6,B): u of three arcs, then w
    sinc = torch.sinc(bends / math.pi)
    versine = 0.5 * bends * torch.sinc(bends / (2 * math.pi)).square()
    rises, across, up = _spans(rest)
    unit = torch.stack([-versine[:3], sinc[:3] + sinc[3:] - 2.0, -versine[3:]], -1)
    arcs = rises.abs()[..., None] * unit
    width, height = across.norm(dim=-1), up.norm(dim=-1)
    turned = -table.sides.repeat(2, 1) * angles.index_select(0, table.blade_dofs)
    abduction, elevation = turned[:2], turned[2:] - math.pi / 4
    sine, cosine = torch.sin(elevation), torch.cos(elevation)
    start = math.sqrt(0.5)
    wide = torch.stack([table.sides * (cosine * torch.cos(abduction) - start), torch.sin(abduction)], -1) * 0.25
    high = -0.5 * (sine + start)
    blades = torch.stack([width * wide[..., 0], height * high, width * wide[..., 1]], -1)
    return Shifts(table.joints, torch.cat([arcs, blades])), (unit, wide, high)


def coupling_gradients(
    poses: torch.Tensor, rest: torch.Tensor, push: torch.Tensor, slopes: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Derivatives by poses (B,46) and by rest joints (B,24,3) of what the gradients `push` (24,B,3) by all offsets make of the shifts."""
    table = _tables(poses.dtype, poses.device)
    unit, wide, high = slopes
    batch = len(poses)
    angles = poses.t()
    rises, across, up = _spans(rest)
    width, height = across.norm(dim=-1), up.norm(dim=-1)
    push = push.index_select(0, table.joints)
    on_arcs, on_blades = push[:3], push[3:]
    by_sinc, by_versine = _arc_slopes(angles.index_select(0, table.arc_dofs))
    sideways = torch.cat([on_arcs[..., 0], on_arcs[..., 2]])
    by_bends = rises.abs().repeat(2, 1) * (by_sinc * on_arcs[..., 1].repeat(2, 1) - by_versine * sideways)
    turned = -table.sides.repeat(2, 1) * angles.index_select(0, table.blade_dofs)
    abduction, elevation = turned[:2], turned[2:] - math.pi / 4
    sine, cosine = torch.sin(elevation), torch.cos(elevation)
    x, y, z = on_blades.unbind(-1)
    by_abduction = 0.25 * width * (torch.cos(abduction) * z - table.sides * cosine * torch.sin(abduction) * x)
    by_elevation = -0.5 * height * cosine * y - 0.25 * width * table.sides * sine * torch.cos(abduction) * x
    by_poses = torch.zeros_like(angles)
    by_poses.index_copy_(0, table.arc_dofs, by_bends)
    by_poses.index_copy_(0, table.blade_dofs, -table.sides.repeat(2, 1) * torch.cat([by_abduction, by_elevation]))
    by_rises = torch.sign(rises) * (unit * on_arcs).sum(-1)
    by_width = (wide[..., 0] * x + wide[..., 1] * z).sum(0)
    by_height = (high * y).sum(0)
    by_across, by_up = (by_width / width)[:, None] * across, (by_height / height)[:, None] * up
    by_rest = rest.new_zeros(rest.shape[1], batch, 3)
    by_rest[..., 1].index_add_(0, table.tops, by_rises).index_add_(0, table.bottoms, by_rises, alpha=-1)
    by_rest[_BLADES[1]] += by_across
    by_rest[_BLADES[0]] -= by_across
    by_rest[_THORAX[1]] += by_up
    by_rest[_THORAX[0]] -= by_up
    return by_poses.t(), by_rest.transpose(0, 1)


def _arc_slopes(angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Derivatives of sin(a)/a and of (1 - cos a)/a."""
    small = angle.abs() < _SERIES
    square = angle * angle
    safe = torch.where(small, 1.0, angle)
    sine, cosine = torch.sin(safe), torch.cos(safe)
    half = torch.sin(0.5 * safe)
    return (
        torch.where(small, angle * (-1 / 3 + square * (1 / 30 - square / 840)), (safe * cosine - sine) / (safe * safe)),
        torch.where(small, 0.5 - square * (1 / 8 - square / 144), (safe * sine - 2.0 * half * half) / (safe * safe)),
    )
