# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the world: what rests on the floor lies on it and stays, nothing is below it, and extremities have inertia."""

from __future__ import annotations

from math import inf

import torch

from .normal import NormalEquations
from .observations import View
from .priors import LONGEST_STEP_S
from .problem import ARM_M, Chunk, Limb, Problem
from .sight import add_blend_gradient


def contacts(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Points in contact lie on the floor (y = 0) and stay where they are; no point goes below it."""
    touching = problem.observations.contacts
    if touching is None:
        return
    points = problem.observations.contact_points or problem.body.soles
    for limb in problem.limbs(points):
        where, by_state = chunk.place(limb), chunk.by_state(limb)
        by_betas = chunk.by_betas(limb) if problem.config.fit_shape else None
        own = touching[chunk.start : chunk.start + len(where)][:, limb.numbers]
        _height(system, problem, chunk, limb, where, by_state, by_betas, own)
        _stay(system, problem, chunk, limb, where, by_state, by_betas, own)


def _height(system: NormalEquations, problem: Problem, chunk: Chunk, limb: Limb, where: torch.Tensor, by_state: torch.Tensor,
            by_betas: torch.Tensor | None, touching: torch.Tensor) -> None:  # fmt: skip
    weights, count = problem.config.weights, chunk.count
    height = where[:count, :, 1]
    below = (height < 0).to(height) / weights.below_floor_m
    scale = torch.maximum(touching[:count] / weights.contact_height_m, below)
    by_shared = None if by_betas is None else problem.shared_rows(chunk, scale[..., None] * by_betas[:count, :, 1])
    row = scale * height
    system.add_rows(limb.columns, chunk.start, row, [scale[..., None] * by_state[:count, :, 1]], by_shared, (row**2).sum(-1))
    up = torch.zeros_like(where[:count])
    up[..., 1] = scale * row
    add_blend_gradient(system, problem, chunk, limb, up)


def _stay(system: NormalEquations, problem: Problem, chunk: Chunk, limb: Limb, where: torch.Tensor, by_state: torch.Tensor,
          by_betas: torch.Tensor | None, touching: torch.Tensor) -> None:  # fmt: skip
    count = min(chunk.count, len(where) - 1)
    if count < 1 or system.width < 2:
        return
    here, after = slice(0, count), slice(1, count + 1)
    together = problem.together(1)[chunk.start : chunk.start + count, None]
    stay = (touching[after] * touching[here] * together / problem.config.weights.contact_slide_m)[..., None]
    slide = stay * (where[after] - where[here])
    row = slide.flatten(1)
    by_states = [(-stay[..., None] * by_state[here]).flatten(1, 2), (stay[..., None] * by_state[after]).flatten(1, 2)]
    by_shared = None
    if by_betas is not None:
        by_shared = problem.shared_rows(chunk, stay[..., None] * (by_betas[after] - by_betas[here])).flatten(1, 2)
    system.add_rows(limb.columns, chunk.start, row, by_states, by_shared, (row**2).sum(-1))
    by_point = torch.zeros_like(where[: count + 1])
    by_point[here] -= stay * slide
    by_point[after] += stay * slide
    add_blend_gradient(system, problem, chunk, limb, by_point)


def inertia(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Head, hands and feet accelerate little in the world; more than usual costs only linearly."""
    weights = problem.config.weights
    dt = 1.0 / problem.observations.fps
    if weights.point_acceleration < inf:
        for limb in problem.limbs(problem.extremities):
            _differences(system, problem, chunk, limb, (1.0, -2.0, 1.0), 1.0 / (weights.point_acceleration * dt * dt))


def turning(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """The pelvis turns with small speeds and accelerations, whatever its Euler angles do: points around it, relative to it, do so."""
    weights = problem.config.weights
    dt = min(1.0 / problem.observations.fps, LONGEST_STEP_S)
    reach = ARM_M * 2**0.5  # three points that far along three axes move by this, in all, for a radian about any axis
    arms, origin = problem.around_pelvis, problem.pelvis
    if weights.angle_rate < inf:
        _differences(system, problem, chunk, arms, (-1.0, 1.0), 1.0 / (reach * weights.angle_rate * dt), origin)
    if weights.angle_acceleration < inf:
        _differences(system, problem, chunk, arms, (1.0, -2.0, 1.0), 1.0 / (reach * weights.angle_acceleration * dt * dt), origin)


def _differences(system: NormalEquations, problem: Problem, chunk: Chunk, limb: Limb, stencil: tuple[float, ...], scale: float,
                 relative_to: Limb | None = None) -> None:  # fmt: skip
    """Add rows of finite differences in time of where points are, `scale` to a deviation; large second ones are forgiven."""
    where, by_state, by_betas = chunk.place(limb), chunk.by_state(limb), chunk.by_betas(limb)
    if relative_to is not None:
        where, by_state = where - chunk.place(relative_to), by_state - chunk.by_state(relative_to)
        by_betas = by_betas - chunk.by_betas(relative_to)
    order = len(stencil) - 1
    count = min(chunk.count, len(where) - order)
    if count < 1 or system.width <= order:
        return

    def difference(values: torch.Tensor) -> torch.Tensor:
        return sum(c * values[k : count + k] for k, c in enumerate(stencil))

    together = problem.together(order)[chunk.start : chunk.start + count, None] * scale
    row = together[..., None] * difference(where)
    square, most = (row**2).sum(-1), problem.config.weights.adaptive if order == 2 else inf
    stretched = torch.sqrt(1 + square / most**2)
    cost = square if most == inf else 2 * most**2 * (stretched - 1)
    root = (together / stretched.sqrt())[..., None, None]
    by_states = [(c * root * by_state[k : count + k]).flatten(1, 2) for k, c in enumerate(stencil)]
    by_shared = problem.shared_rows(chunk, root * difference(by_betas)).flatten(1, 2) if problem.config.fit_shape else None
    row = row / stretched.sqrt()[..., None]
    system.add_rows(limb.columns, chunk.start, row.flatten(1), by_states, by_shared, cost.sum(-1))
    by_point = torch.zeros_like(where[: count + order])
    for k, c in enumerate(stencil):
        by_point[k : count + k] += c * root[..., 0] * row
    add_blend_gradient(system, problem, chunk, limb, by_point)
