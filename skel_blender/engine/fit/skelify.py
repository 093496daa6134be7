# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify: fit SKEL to the evidence of whole tracks by one damped Gauss-Newton method.

What HSMR's SKELify does frame by frame with L-BFGS (Xia et al., CVPR 2025; `paper` has its objective) is here one sparse
least-squares problem of a clip: all frames of all people, one shape each, one camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from ..body import BodyModel
from ..body.anthropometry import REACH
from .confidence import confidence
from .config import Config
from .observations import Observations, View
from .problem import Problem, make_problem
from .solver import Bounds, Solution, solve
from .start import first_state, guesses
from .terms import balance, clearance, flight, floor, inertia, priors, sight

BETA = 2.5  # standard deviations, the widest shape: a wrong distance must not make giants and dwarfs
SIGHT_TERMS = (sight.keypoints, sight.midlines, sight.landmarks, sight.targets, sight.pins, floor.contacts,
               inertia.turning, inertia.facing, flight.flight, balance.balance, clearance.clearance)  # fmt: skip
PRIOR_TERMS = (priors.stance, priors.limits, priors.usual_shape, priors.known_stature, priors.known_girths, priors.smoothness)


@dataclass
class Result:
    """Fitted people. F frames of N people end to end, as in the observations."""

    poses: torch.Tensor  # (F,46) rad
    betas: torch.Tensor  # (N,10)
    trans: torch.Tensor  # (F,3) m
    camera: View | None
    cost: torch.Tensor  # (N,)
    iterations: torch.Tensor  # (N,)
    confidence: torch.Tensor  # (F,) 0..1, low where a frame's evidence is missing or contradicts its neighbours
    converged: torch.Tensor  # (N,) bool
    gain: torch.Tensor  # (N,) by which part the last step lowered the cost: what is left where it did not converge

    @property
    def state(self) -> torch.Tensor:
        """(F,49) = (trans, poses)."""
        return torch.cat([self.trans, self.poses], 1)


def skelify(body: BodyModel, observations: Observations, init: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None,
            config: Config | None = None, on_step: Callable[[], None] = lambda: None) -> Result:  # fmt: skip
    """Fit `body` to `observations` from init = poses (F,46) rad, betas (N,10), trans (F,3) m, or from what the evidence suggests.

    No DoF leaves `body.limits` unless config.limits is "off". Frames without usable evidence are bridged by their neighbours and
    get a low confidence; values that are not finite are evidence of nothing. Raises ValueError for parts that do not fit together.
    """
    config, seen = config or Config(), observations.checked()
    poses, betas, trans = init or _first(body, seen, config)
    state = bridged(torch.cat([trans, poses], 1), seen.lengths)
    shared = betas if not config.estimate_focal else torch.cat([betas, torch.zeros_like(betas[:, :1])], 1)
    problem = make_problem(body, seen, config, state, SIGHT_TERMS, PRIOR_TERMS)
    found = solve(problem.assemble, bounds(problem, state, shared), state, shared, config.iterations, config.tolerance,
                  int(config.estimate_focal), on_step=on_step)  # fmt: skip
    return _result(problem, found)


def _first(body: BodyModel, seen: Observations, config: Config) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where to start: from metric landmarks, or else every frame on its own from several guesses, the cheapest of which is taken."""
    betas = torch.zeros(len(seen.lengths), body.J_shapedirs.shape[-1]).to(body.J_template)
    if seen.landmarks_3d is not None:
        states = [first_state(body, seen)]
    else:
        states = guesses(body, seen)
        alone = replace(seen, lengths=(1,) * seen.frames, statures=(), girths=(), contacts=None)
        trial = replace(config, fit_shape=False, estimate_focal=False)
        zeros = torch.zeros(seen.frames, betas.shape[1]).to(betas)
        tried = [skelify(body, alone, (state[:, 3:], zeros, state[:, :3]), trial) for state in states]
        best = torch.stack([one.cost for one in tried]).argmin(0)
        states = [torch.stack([one.state for one in tried])[best, torch.arange(seen.frames)]]
    return states[0][:, 3:], betas, states[0][:, :3]


def bounds(problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> Bounds:
    """What the solver may not leave: joint limits, the range of shapes, frames that are fixed."""
    free = state.new_full((3,), torch.inf)
    low, up = problem.body.limits.to(state).T
    if problem.config.limits == "off":
        low, up = torch.full_like(low, -torch.inf), torch.full_like(up, torch.inf)
    frozen = torch.zeros_like(state, dtype=torch.bool)
    if problem.observations.fixed is not None:
        frozen |= problem.observations.fixed[:, None]
    known = torch.tensor([bool(metres) for metres in problem.observations.statures] or [False] * len(shared), device=state.device)
    largest = torch.where(known[:, None], REACH, BETA).to(shared).expand_as(shared)
    shared_frozen = torch.full_like(shared, not problem.config.fit_shape, dtype=torch.bool)
    if problem.config.estimate_focal:
        shared_frozen[:, -1] = False
    return Bounds(torch.cat([-free, low]), torch.cat([free, up]), largest, frozen, shared_frozen)


def bridged(state: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    """(F,49) with frames that are not finite drawn between their neighbours, each person's on their own; zero where there is none."""
    good = torch.isfinite(state).all(1)
    if good.all():
        return state
    result, start = state.clone(), 0
    for length in lengths:
        own = slice(start, start + length)
        known = torch.nonzero(good[own])[:, 0]
        if len(known) == 0:
            result[own] = 0.0
        else:
            when = torch.arange(length, device=state.device)
            after = torch.searchsorted(known, when).clamp(max=len(known) - 1)
            before = (after - (known[after] > when).long()).clamp(min=0)
            gap = (known[after] - known[before]).clamp(min=1)
            share = ((when - known[before]).clamp(min=0) / gap).clamp(max=1.0)[:, None].to(state)
            values = state[own]
            result[own] = values[known[before]] * (1 - share) + values[known[after]] * share
        start += length
    return result


def _result(problem: Problem, found: Solution) -> Result:
    n_betas = problem.body.J_shapedirs.shape[-1]
    return Result(
        poses=found.state[:, 3:], betas=found.shared[:, :n_betas], trans=found.state[:, :3], camera=problem.view(found.shared),
        cost=found.cost, iterations=found.iterations, confidence=confidence(problem, found.state, found.shared),
        converged=found.converged, gain=found.gain,
    )  # fmt: skip
