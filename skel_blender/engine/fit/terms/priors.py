# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms that speak of the unknowns themselves: the usual stance, joint limits, the usual shape, and motion that has inertia."""

from __future__ import annotations

from math import inf

import torch

from ...body.anthropometry import stature
from ...body.points import TRANS
from ...body.stance import prior_spread, relaxed_pose
from ..config import Weights
from ..normal import NormalEquations, S
from ..problem import Problem

_ROOT = TRANS + 3  # the state's first columns: the pelvis' place and angles
LONGEST_STEP_S = 1 / 12  # slower footage is smoothed as if it ran at this rate, or nothing would link its frames


def stance(system: NormalEquations, problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> None:
    """A pull to what a regressor says, as far as it is sure, or else to the relaxed stance; weak where the evidence speaks."""
    if problem.config.weights.prior == 0:
        return
    usual, spread = torch.as_tensor(relaxed_pose()).to(state), torch.as_tensor(prior_spread()).to(state)
    seen = problem.observations
    if seen.prior_poses is not None:
        told = torch.isfinite(seen.prior_sigma)
        usual = torch.where(told, seen.prior_poses, usual)
        spread = torch.where(told, seen.prior_sigma, spread)
    weight = (problem.config.weights.prior / spread).expand_as(state[:, 3:])
    _add_diagonal(system, slice(3, S), weight, weight * (state[:, 3:] - usual))


def limits(system: NormalEquations, problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> None:
    """The paper's exponential prior: exp(2 (low - q)) + exp(2 (q - up)) of every limited DoF, over the weight's square."""
    if problem.config.weights.limit == inf:
        return
    for residual, sign in limit_residuals(state[:, 3:], problem.body.limits.to(state)):
        row = residual / problem.config.weights.limit
        _add_diagonal(system, slice(3, S), sign * row, row)


def limit_residuals(poses: torch.Tensor, table: torch.Tensor) -> tuple[tuple[torch.Tensor, int], tuple[torch.Tensor, int]]:
    """exp(low - q) and exp(q - up) (F,46), zero where there is no limit (46,2), each with the sign of its derivative."""
    low, up = table.T
    return (torch.exp(low - poses), -1), (torch.exp(poses - up), 1)


def usual_shape(system: NormalEquations, problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> None:
    """Betas near the mean; every frame brings its share of evidence, so this grows with the track. And the focal length's prior."""
    weights, n_betas = problem.config.weights, problem.body.J_shapedirs.shape[-1]
    lengths = torch.tensor(problem.observations.lengths).to(state)
    stiffness = (lengths / weights.shape**2)[:, None].expand(-1, n_betas)
    if problem.config.estimate_focal:
        stiffness = torch.cat([stiffness, lengths[:, None] / lengths.sum() / weights.focal**2], -1)
    torch.diagonal(system.shared, dim1=-2, dim2=-1).add_(stiffness)
    system.shared_gradient += stiffness * shared
    system.cost += (stiffness * shared**2).sum(-1)


def known_stature(system: NormalEquations, problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> None:
    """Shapes as tall as somebody said; like the usual shape's, its weight grows with the track."""
    seen, count = problem.observations, problem.body.J_shapedirs.shape[-1]
    if not any(seen.statures):
        return
    wanted = torch.tensor([metres or 0.0 for metres in seen.statures]).to(state)
    weight = torch.tensor(seen.lengths).to(state).sqrt() / problem.config.weights.stature_m * (wanted > 0)
    tall, slope = stature(problem.body, shared[:, :count])
    residual, row = weight * (tall - wanted), weight[:, None] * slope
    system.shared[:, :count, :count] += row[:, :, None] * row[:, None]
    system.shared_gradient[:, :count] += residual[:, None] * row
    system.cost += residual**2


def known_girths(system: NormalEquations, problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> None:
    """Shapes as broad as people are in the image; like the usual shape's, its weight grows with the track."""
    seen, count = problem.observations, problem.body.J_shapedirs.shape[-1]
    for person, girths in enumerate(seen.girths):
        weight = (seen.lengths[person] * girths.weights).sqrt() / problem.config.weights.girth_m
        residual, row = weight * (girths.slopes @ shared[person, :count] - girths.metres), weight[:, None] * girths.slopes
        system.shared[person, :count, :count] += row.T @ row
        system.shared_gradient[person, :count] += residual @ row
        system.cost[person] += residual @ residual


def smoothness(system: NormalEquations, problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> None:
    """Joints and the body's place have inertia: small speeds, small accelerations, no leaps. The pelvis' turns: `inertia.turning`."""
    weights = problem.config.weights
    if len(state) < 2 or system.width < 2:
        return
    dt = min(1.0 / problem.observations.fps, LONGEST_STEP_S)
    root = _rates(state, weights.travel_rate * dt, weights.angle_rate * dt) * problem.together(1)[:, None]
    system.add_differences(state, (-1.0, 1.0), root)
    _leaps(system, problem, state, weights)
    if len(state) < 3 or system.width < 3:
        return
    root = _rates(state, weights.travel_acceleration * dt * dt, weights.angle_acceleration * dt * dt) * problem.together(2)[:, None]
    cost = None
    if weights.adaptive < inf:
        residual = root * (state[2:] - 2 * state[1:-1] + state[:-2])
        stretched = torch.sqrt(1 + (residual / weights.adaptive) ** 2)
        root, cost = root / stretched.sqrt(), 2 * weights.adaptive**2 * (stretched - 1)
    system.add_differences(state, (1.0, -2.0, 1.0), root, cost=cost)


def _leaps(system: NormalEquations, problem: Problem, state: torch.Tensor, weights: Weights) -> None:
    if weights.angle_leap == inf:
        return
    leap = state.new_tensor([1e3] * _ROOT + [weights.angle_leap] * (S - _ROOT))
    steps = state.diff(dim=0)
    root = (steps.abs() > leap) / weights.angle_leap_spread * problem.together(1)[:, None]
    system.add_differences(state, (-1.0, 1.0), root, steps.sign() * leap)


def _rates(state: torch.Tensor, travel: float, angle: float) -> torch.Tensor:
    return 1.0 / state.new_tensor([travel] * TRANS + [inf] * (_ROOT - TRANS) + [angle] * (S - _ROOT))


def _add_diagonal(system: NormalEquations, columns: slice, by_state: torch.Tensor, residual: torch.Tensor) -> None:
    """Rows that concern one coordinate each: derivative and residual (F,C), already weighted."""
    system.diagonal[:, columns] += by_state**2
    system.gradient[:, columns] += by_state * residual
    system.cost.index_add_(0, system.owner, (residual**2).sum(-1))
