# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras from all sides, and people who are anywhere in their images."""

from __future__ import annotations

import math

import torch

_FOV, _DISTANCE = (25.0, 90.0), (1.5, 12.0)  # degrees across the longer side, m
_PITCH, _ROLL = (6.0, 12.0), 5.0  # degrees: mean and deviation of most cameras' pitch (down), deviation of their roll
_ANY_PITCH, _ANY_PITCHES, _ANY_ROLL, _ANY_ROLLS = 0.25, (-60.0, 80.0), 0.12, 180.0  # shares of cameras that are anything
_TUMBLED, _SPUN, _SPIN = 0.12, 0.04, (2.0, 8.0)  # shares of windows in which the person is turned anyhow, and turns, rad/s
_SPEED = 0.8  # m/s, along each axis
_CENTRED, _ANYWHERE = 0.6, 0.15  # part of the image that most people's hips are in; share of people who may be at its very border
_ASPECTS = torch.tensor([[1.0, 9 / 16], [1.0, 3 / 4], [9 / 16, 1.0]])


def cameras(count: int, frames: int, fps: torch.Tensor, varied: bool, random: torch.Generator
            ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """Rotations from the world to the camera (B,T,3,3), mid-hip in camera axes (B,T,3) m, the image's border (B,2) at focal length 1."""

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=random)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=random)

    rare = float(varied)
    pitch = torch.where(uniform(0, 1) < rare * _ANY_PITCH, uniform(*_ANY_PITCHES), _PITCH[0] + _PITCH[1] * normal())
    roll = torch.where(uniform(0, 1) < rare * _ANY_ROLL, uniform(-_ANY_ROLLS, _ANY_ROLLS), _ROLL * normal())
    axes = torch.eye(3)
    view = about(axes[2], torch.deg2rad(roll)) @ about(axes[0], torch.deg2rad(pitch)) @ torch.diag(torch.tensor([1.0, -1, -1]))
    view = view @ about(axes[1], uniform(0, 2 * math.pi))
    axis = torch.nn.functional.normalize(normal(3), dim=-1)
    tumble = (uniform(0, 1) < rare * _TUMBLED) * uniform(0, math.pi)
    spin = (uniform(0, 1) < rare * _SPUN) * uniform(*_SPIN)
    time = torch.arange(frames) / fps[:, None]
    view = view[:, None] @ about(axis[:, None], tumble[:, None] + spin[:, None] * time)
    distance = torch.exp(uniform(math.log(_DISTANCE[0]), math.log(_DISTANCE[1])))
    border = torch.tan(torch.deg2rad(uniform(*_FOV)) / 2)[:, None] * _ASPECTS[torch.randint(3, (count,), generator=random)]
    within = torch.where(uniform(0, 1) < rare * _ANYWHERE, 1.0, _CENTRED)[:, None] * border
    middle = torch.cat([within * uniform(-1, 1, 2), torch.ones(count, 1)], 1) * distance[:, None]
    path = _SPEED * normal(1, 3) * (time - time.mean(1, keepdim=True))[..., None]
    place = middle[:, None] + path
    return view, torch.cat([place[..., :2], place[..., 2:].clamp(min=1.0)], -1), border


def about(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """(...,3,3) rotations by angle (...) about unit axes (...,3)."""
    x, y, z = axis.expand(*angle.shape, 3).unbind(-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).unflatten(-1, (3, 3))
    s, c = angle.sin()[..., None, None], angle.cos()[..., None, None]
    return torch.eye(3) + s * cross + (1 - c) * (cross @ cross)
