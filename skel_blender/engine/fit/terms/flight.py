# SPDX-License-Identifier: GPL-3.0-or-later
"""The term of flight: who touches nothing falls as gravity has it, and turns as he did. One view tells little of depth; this does."""

from __future__ import annotations

from math import inf

import torch

from ...body.chain import point_jacobians, point_shape_jacobians, pose_points
from ..contacts import GRAVITY
from ..normal import NormalEquations, S
from ..observations import View
from ..problem import Chunk, Problem
from .inertia import forgiving


def flight(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Of the airborne the centre of mass accelerates as gravity does, and the angular momentum about it stays."""
    if problem.config.weights.fall == inf or system.width < 3:
        return
    for first, end in problem.flights:
        first, end = max(first - 1, chunk.start), min(end - 1, chunk.start + chunk.count)  # three frames in a row that begin here
        if first < end:
            _add(system, problem, chunk, slice(first - chunk.start, end - chunk.start + 2))


def _add(system: NormalEquations, problem: Problem, chunk: Chunk, frames: slice) -> None:
    """Rows of a spell of airborne frames, the one before and the one after it included."""
    weights, per_s2, share = problem.config.weights, problem.observations.fps**2, problem.masses[1]
    pairs = [_about_centre(share, part) for part in _masses(problem, chunk, frames)]
    (centre, arms), centre_by, arms_by = pairs[0], [pair[0] for pair in pairs[1:]], [pair[1] for pair in pairs[1:]]
    before, here, after = slice(0, -2), slice(1, -1), slice(2, None)
    around = arms[before] + arms[after]  # the sum of m q x q'' is that of m q x (q before + q after), per frame squared
    falls = (per_s2 * (centre[before] - 2 * centre[here] + centre[after]) - centre.new_tensor([0.0, -GRAVITY, 0.0])) / weights.fall
    turns = per_s2 / weights.torque * torch.einsum("p,fpi->fi", share, torch.linalg.cross(arms[here], around))

    def turned(arm: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        return per_s2 / weights.torque * torch.einsum("p,fpic->fic", share, torch.linalg.cross(arm[..., None].expand_as(by), by, dim=2))

    def rows(of_centre: torch.Tensor, of_arms: torch.Tensor) -> list[torch.Tensor]:
        fall = [factor * per_s2 / weights.fall * of_centre[part] for factor, part in ((1, before), (-2, here), (1, after))]
        turn = [turned(arms[here], of_arms[before]), -turned(around, of_arms[here]), turned(arms[here], of_arms[after])]
        return [torch.cat(pair, 1) for pair in zip(fall, turn)]

    row = torch.cat([falls, turns], 1)
    weight, cost = forgiving(weights.adaptive)((row**2).sum(1))
    root = weight.sqrt()[:, None]
    by_states = [root[..., None] * part for part in rows(centre_by[0], arms_by[0])]
    by_shared = None
    if problem.config.fit_shape:
        by_shared = problem.shared_rows(chunk, root[..., None] * sum(rows(centre_by[1], arms_by[1])))
    system.add_rows(list(range(S)), chunk.start + frames.start, root * row, by_states, by_shared, cost)


def _about_centre(share: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted mean (f,...) of values (f,P,...), and what they are beside it."""
    mean = torch.einsum("p,fp...->f...", share, values)
    return mean, values - mean[:, None]


def _masses(problem: Problem, chunk: Chunk, frames: slice) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where the point masses are (f,P,3) m, and the derivatives by state (f,P,3,49) and betas (f,P,3,10)."""
    points, posed = problem.masses[0], chunk.part(frames)
    where, pairs = pose_points(chunk.shape, chunk.owner[frames], posed, points)
    return where, point_jacobians(posed, points, pairs, list(range(S))), point_shape_jacobians(posed, chunk.shape, points, pairs)
