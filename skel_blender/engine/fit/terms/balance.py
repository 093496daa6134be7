# SPDX-License-Identifier: GPL-3.0-or-later
"""The term of balance: what rests on the floor holds the body up, so that nobody leans along the view, where one camera sees least.

Across the view the image says where the body is over its feet. Along it, the centre of mass is no farther from the points in contact than
people's are who walk or stand.
"""

from __future__ import annotations

from math import inf

import torch

from ..normal import NormalEquations, S
from ..observations import View
from ..problem import Chunk, Problem
from .sight import add_blend_gradient, robust

_LEVEL = 0.3  # a view of which less than this part is level, from above, tells who is upright
_STANDS_M = 0.55  # whose centre of mass is lower than this over the floor sits or lies: more of him rests than was seen to


def balance(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Along the view the centre of mass is hardly beyond the points in contact; who is far beyond them is held by something else."""
    weights, touching, count = problem.config.weights, problem.observations.contacts, chunk.count
    if touching is None or view is None or weights.balance_m == inf:
        return
    touching, limbs = touching[chunk.own] > 0, problem.limbs(problem.observations.contact_points or problem.body.soles)
    away = view.R[..., 2, :] * view.R.new_tensor([1.0, 0.0, 1.0])
    level = away.norm(dim=-1)
    away = (away / level[..., None].clamp(min=_LEVEL)).expand(count, 3)
    along = torch.zeros_like(touching, dtype=away.dtype)
    for limb in limbs:
        along[:, limb.numbers] = torch.einsum("fpi,fi->fp", chunk.place(limb)[:count], away)
    centre = chunk.place(problem.mass_centre)[:count, 0]
    mass = torch.einsum("fi,fi->f", centre, away)
    far, near = torch.where(touching, along, -inf).max(1), torch.where(touching, along, inf).min(1)
    told = touching.any(1) & (level > _LEVEL) & (centre[:, 1] > _STANDS_M)
    off = torch.where(told, (mass - far.values).clamp(min=0.0) - (near.values - mass).clamp(min=0.0), 0.0)
    free = weights.balance_free_m + weights.balance_free_s * problem.pace[chunk.own]
    row = off.sign() * (off.abs() - free).clamp(min=0.0) / weights.balance_m
    factor, cost = robust(row[:, None], weights.balance_robust)
    edge = torch.where(off > 0, far.indices, near.indices)
    row, scale = factor * row, (factor * (row != 0) / weights.balance_m)[:, None, None] * away[:, None]
    by_state = scale @ chunk.by_state(problem.mass_centre)[:count, 0]
    by_betas = scale @ chunk.by_betas(problem.mass_centre)[:count, 0]
    for limb in limbs:
        pull = -scale * (edge[:, None] == torch.tensor(limb.numbers, device=edge.device))[..., None]
        by_state[..., limb.columns] += torch.einsum("fpi,fpic->fc", pull, chunk.by_state(limb)[:count])[:, None]
        by_betas += torch.einsum("fpi,fpic->fc", pull, chunk.by_betas(limb)[:count])[:, None]
        add_blend_gradient(system, problem, chunk, limb, row[:, None, None] * pull)
    by_shared = problem.shared_rows(chunk, by_betas) if problem.config.fit_shape else None
    system.add_rows(list(range(S)), chunk.start, row[:, None], [by_state], by_shared, cost)
