# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the body in the world: how points move, how the pelvis turns and which way it faces. What joints do is in `priors`."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import torch

from ..normal import NormalEquations
from ..observations import View
from ..problem import ARM_M, Chunk, Limb, Problem
from .priors import LONGEST_STEP_S
from .sight import add_blend_gradient

_SPEED, _ACCELERATION = (-1.0, 1.0), (1.0, -2.0, 1.0)
_REACH = ARM_M * 2**0.5  # three points that far along three axes move by this, in all, for a radian about any axis
Kernel = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  # of squared residuals: their weight, and what they cost


def extremities(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Head, hands and feet accelerate little in the world; more than usual costs only linearly."""
    weights = problem.config.weights
    dt = 1.0 / problem.observations.fps
    if weights.point_acceleration < inf:
        for limb in problem.limbs(problem.extremities):
            _differences(system, problem, chunk, limb, _ACCELERATION, weights.point_acceleration * dt * dt, forgiving(weights.adaptive))


def turning(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """The pelvis turns with small speeds and accelerations and without leaps, whatever its Euler angles do: points around it do so."""
    weights, arms, origin = problem.config.weights, problem.around_pelvis, problem.pelvis
    dt = min(1.0 / problem.observations.fps, LONGEST_STEP_S)
    if weights.angle_rate < inf:
        _differences(system, problem, chunk, arms, _SPEED, _REACH * weights.angle_rate * dt, _plain, origin)
    if weights.angle_leap < inf:
        beyond = _beyond(weights.angle_leap / weights.angle_leap_spread)
        _differences(system, problem, chunk, arms, _SPEED, _REACH * weights.angle_leap_spread, beyond, origin)
    if weights.angle_acceleration < inf:
        spread = _REACH * weights.angle_acceleration * dt * dt
        _differences(system, problem, chunk, arms, _ACCELERATION, spread, forgiving(weights.adaptive), origin)


def facing(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """The pelvis is turned as a regressor says, as far as it is sure, whatever its Euler angles are: points around it lie accordingly."""
    seen, weights = problem.observations, problem.config.weights
    if seen.prior_turns is None or weights.prior == 0:
        return
    arms, origin, own = problem.around_pelvis, problem.pelvis, slice(0, chunk.count)
    scale = (weights.prior / (_REACH * seen.prior_turns_sigma[chunk.own]))[:, None, None]
    row = scale * ((chunk.place(arms) - chunk.place(origin))[own] - ARM_M * seen.prior_turns[chunk.own].mT)
    by_state = scale[..., None] * (chunk.by_state(arms) - chunk.by_state(origin))[own]  # the shape moves both alike
    system.add_rows(arms.columns, chunk.start, row.flatten(1), [by_state.flatten(1, 2)], None, (row**2).sum((1, 2)))


def _plain(square: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones_like(square), square


def forgiving(most: float) -> Kernel:
    """Pseudo-Huber: beyond `most` deviations cost grows only linearly."""

    def kernel(square: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        stretched = torch.sqrt(1 + square / most**2)
        return 1 / stretched, 2 * most**2 * (stretched - 1)

    return _plain if most == inf else kernel


def _beyond(free: float) -> Kernel:
    """Nothing up to `free` deviations, a spring from there on."""

    def kernel(square: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        length = square.sqrt().clamp(min=1e-12)
        excess = (length - free).clamp(min=0.0)
        return excess / length, excess**2

    return kernel


def _differences(system: NormalEquations, problem: Problem, chunk: Chunk, limb: Limb, stencil: tuple[float, ...], spread: float,
                 kernel: Kernel, relative_to: Limb | None = None) -> None:  # fmt: skip
    """Add rows of finite differences in time of where a limb's points are, together, in deviations of `spread` m."""
    order = len(stencil) - 1
    where, by_state, by_betas = chunk.place(limb), chunk.by_state(limb), chunk.by_betas(limb)
    count = min(chunk.count, len(where) - order)
    if count < 1 or system.width <= order:
        return
    if relative_to is not None:
        where, by_state = where - chunk.place(relative_to), by_state - chunk.by_state(relative_to)
        by_betas = by_betas - chunk.by_betas(relative_to)

    def difference(values: torch.Tensor) -> torch.Tensor:
        return sum(c * values[k : count + k] for k, c in enumerate(stencil))

    together = problem.together(order)[chunk.start : chunk.start + count] / spread
    row = together[:, None, None] * difference(where)
    weight, cost = kernel((row**2).sum((1, 2)))
    root = weight.sqrt()[:, None, None]
    row, scale = root * row, (root * together[:, None, None])[..., None]
    by_states = [(c * scale * by_state[k : count + k]).flatten(1, 2) for k, c in enumerate(stencil)]
    by_shared = problem.shared_rows(chunk, scale * difference(by_betas)).flatten(1, 2) if problem.config.fit_shape else None
    system.add_rows(limb.columns, chunk.start, row.flatten(1), by_states, by_shared, cost)
    by_point = torch.zeros_like(where[: count + order])
    for k, c in enumerate(stencil):
        by_point[k : count + k] += c * scale[..., 0] * row
    add_blend_gradient(system, problem, chunk, limb, by_point)
