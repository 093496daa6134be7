# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the floor: what rests on it lies on it and stays, what rests elsewhere stays, and nothing is below it."""

from __future__ import annotations

import torch

from ..normal import NormalEquations
from ..observations import View
from ..problem import Chunk, Limb, Problem
from .sight import add_blend_gradient


def contacts(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Points in contact stay where they are, on the floor (y = 0) unless they are raised; no point goes below it."""
    touching = problem.observations.contacts
    if touching is None:
        return
    points = problem.observations.contact_points or problem.body.soles
    for limb in problem.limbs(points):
        where, by_state = chunk.place(limb), chunk.by_state(limb)
        by_betas = chunk.by_betas(limb) if problem.config.fit_shape else None
        own = touching[chunk.start : chunk.start + len(where)][:, limb.numbers]
        _height(system, problem, chunk, limb, where, by_state, by_betas, own[: chunk.count])
        _stay(system, problem, chunk, limb, where, by_state, by_betas, own)


def _height(system: NormalEquations, problem: Problem, chunk: Chunk, limb: Limb, where: torch.Tensor, by_state: torch.Tensor,
            by_betas: torch.Tensor | None, touching: torch.Tensor) -> None:  # fmt: skip
    weights, count = problem.config.weights, chunk.count
    height = where[:count, :, 1]
    below = (height < 0).to(height) / weights.below_floor_m
    if problem.observations.free_of_floor is not None:
        below = below * ~problem.observations.free_of_floor[chunk.start : chunk.start + count, limb.numbers]
    if problem.observations.raised is not None:
        touching = touching * ~problem.observations.raised[chunk.own][:, limb.numbers]
    scale = torch.maximum(touching / weights.contact_height_m, below)
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
