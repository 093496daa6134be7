# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the body's turns in the world: how fast the pelvis turns and which way it faces. What joints do is in `priors`."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import torch

from ..normal import NormalEquations
from ..observations import View
from ..problem import ARM_M, Chunk, Problem
from .priors import LONGEST_STEP_S

_SPEED, _ACCELERATION = (-1.0, 1.0), (1.0, -2.0, 1.0)
_REACH = ARM_M * 2**0.5  # three points that far along three axes move by this, in all, for a radian about any axis
Kernel = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  # of squared residuals: their weight, and what they cost


def turning(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """The pelvis turns with small speeds and accelerations and without leaps, whatever its Euler angles do: points around it do so."""
    weights = problem.config.weights
    dt = min(1.0 / problem.observations.fps, LONGEST_STEP_S)
    if weights.angle_rate < inf:
        _differences(system, problem, chunk, _SPEED, _REACH * weights.angle_rate * dt, _plain)
    if weights.angle_leap < inf:
        beyond = _beyond(weights.angle_leap / weights.angle_leap_spread)
        _differences(system, problem, chunk, _SPEED, _REACH * weights.angle_leap_spread, beyond)
    if weights.angle_acceleration < inf:
        _differences(system, problem, chunk, _ACCELERATION, _REACH * weights.angle_acceleration * dt * dt, forgiving(weights.adaptive))


def facing(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """The pelvis is turned as a regressor says, as far as it is sure, whatever its Euler angles are: points around it lie accordingly."""
    seen, weights, own = problem.observations, problem.config.weights, slice(0, chunk.count)
    if seen.prior_turns is None or weights.prior == 0:
        return
    where, by_state = _around(problem, chunk)
    scale = (weights.prior / (_REACH * seen.prior_turns_sigma[chunk.own]))[:, None, None]
    row = scale * (where[own] - ARM_M * seen.prior_turns[chunk.own].mT)
    by_state = (scale[..., None] * by_state[own]).flatten(1, 2)
    system.add_rows(problem.around_pelvis.columns, chunk.start, row.flatten(1), [by_state], None, (row**2).sum((1, 2)))


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


def _around(problem: Problem, chunk: Chunk) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the points around the pelvis are, seen from it, (f,3,3) m, and the derivative by its columns; the shape moves both alike."""
    arms, origin = problem.around_pelvis, problem.pelvis
    return chunk.place(arms) - chunk.place(origin), chunk.by_state(arms) - chunk.by_state(origin)


def _differences(system: NormalEquations, problem: Problem, chunk: Chunk, stencil: tuple[float, ...], spread: float,
                 kernel: Kernel) -> None:  # fmt: skip
    """Add rows of finite differences in time of where the points around the pelvis are, together, in deviations of `spread` m."""
    order = len(stencil) - 1
    where, by_state = _around(problem, chunk)
    count = min(chunk.count, len(where) - order)
    if count < 1 or system.width <= order:
        return
    together = problem.together(order)[chunk.start : chunk.start + count, None, None] / spread
    row = together * sum(c * where[k : count + k] for k, c in enumerate(stencil))
    weight, cost = kernel((row**2).sum((1, 2)))
    root = weight.sqrt()[:, None, None]
    scale = (root * together)[..., None]
    by_states = [(c * scale * by_state[k : count + k]).flatten(1, 2) for k, c in enumerate(stencil)]
    system.add_rows(problem.around_pelvis.columns, chunk.start, (root * row).flatten(1), by_states, None, cost)
