# SPDX-License-Identifier: GPL-3.0-or-later
"""Levenberg-Marquardt over whole tracks, inside the joint limits; every person has his own damping and his own end.

Limits are a hard guarantee: a step is cut at them, and an angle that lies at a limit and wants beyond is left out of the next step
(projected Gauss-Newton, Bertsekas 1982).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import inf

import torch

from .normal import NormalEquations
from .step import gauss_newton_step

_TRIES = 12  # of a step that does not lower the cost, before a person is left where he is


@dataclass(frozen=True)
class Bounds:
    """Where unknowns may go: low and up of a state (49,), the largest |shared| (n,) or (N,n), and what must not move."""

    low: torch.Tensor
    up: torch.Tensor
    shared: torch.Tensor
    frozen: torch.Tensor  # (F,49) bool
    shared_frozen: torch.Tensor  # (N,n) bool


@dataclass(frozen=True)
class Damping:
    """How steps are held back: Marquardt's way, by part of the diagonal, or Levenberg's, by a fixed `metric` (S + n,).

    A metric with a floor (`least`) keeps what the evidence hardly tells near its start: an early end that does not depend on others.
    """

    first: float = 1e-3
    least: float = 1e-5
    most: float = 1e8
    metric: torch.Tensor | None = None

    def of(self, system: NormalEquations, amount: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What to add to the diagonals (F,S) and (N,n) for each person's amount (N,)."""
        if self.metric is None:
            return amount[system.owner, None] * system.diagonal, amount[:, None] * torch.diagonal(system.shared, dim1=-2, dim2=-1)
        states = system.gradient.shape[1]
        return amount[system.owner, None] * self.metric[:states], amount[:, None] * self.metric[states:]


DAMPING = Damping()


@dataclass
class Solution:
    """Where the solver ended: states (F,49), shared (N,n); cost, iterations, converged (N,) of each person."""

    state: torch.Tensor
    shared: torch.Tensor
    cost: torch.Tensor
    iterations: torch.Tensor
    converged: torch.Tensor
    gain: torch.Tensor  # (N,) by which part the last step lowered the cost


def solve(assemble: Callable[[torch.Tensor, torch.Tensor], NormalEquations], bounds: Bounds, state: torch.Tensor, shared: torch.Tensor,
          iterations: int, tolerance: float, common: int = 0, damp: Damping = DAMPING,
          on_step: Callable[[], None] = lambda: None, trials: float = inf) -> Solution:  # fmt: skip
    """Minimise from state (F,49) and shared (N,n); a person is done when a step lowers his cost by less than `tolerance` of it, or after
    `iterations` steps that lowered it, or `trials` that did or did not, however many others need.

    The last `common` shared unknowns are the same for all people, who then step together. `on_step` is called after each step
    (progress, cancel).
    """
    state = torch.where(bounds.frozen, state, state.clamp(bounds.low, bounds.up))
    system = assemble(state, shared)
    owner, people = system.owner, len(system.shared)
    damping = torch.full_like(system.cost, damp.first)
    count = torch.zeros(people, dtype=torch.long, device=state.device)
    tries, tried, gain = torch.zeros_like(count), torch.zeros_like(count), torch.ones_like(damping)
    converged, done = count > iterations, count >= iterations
    while not done.all():
        frozen = pushed_out(bounds, state, system) | bounds.frozen | done[owner, None]
        step, shared_step = gauss_newton_step(system, damp.of(system, damping), frozen, bounds.shared_frozen | done[:, None], common)
        usable = _by_person(torch.isfinite(step).all(-1), owner, people) & torch.isfinite(shared_step).all(-1)
        move = (usable & ~done)[:, None]
        trial = torch.where(move[owner] & ~bounds.frozen, (state + step).clamp(bounds.low, bounds.up), state)
        trial_shared = torch.where(move, (shared + shared_step).clamp(-bounds.shared, bounds.shared), shared)
        candidate = assemble(trial, trial_shared)
        better = usable & ~done & (_tied(candidate.cost, common) < _tied(system.cost, common))
        before = _tied(system.cost, common)
        gain = torch.where(better, (before - _tied(candidate.cost, common)) / before.clamp(min=1e-30), gain)
        system = _chosen(better, candidate, system)
        del candidate  # of a long track two systems are most of the memory: a third one, that was refused, is not kept
        state, shared = torch.where(better[owner, None], trial, state), torch.where(better[:, None], trial_shared, shared)
        tries, tried = torch.where(better, 0, tries + 1), tried + ~done
        damping = torch.where(better, (damping / 5.0).clamp(min=damp.least), torch.where(done, damping, damping * 4.0**tries))
        stuck = ~done & ~better & ((tries >= _TRIES) | (damping > damp.most))
        count += better
        converged |= better & (gain.abs() < tolerance) | stuck
        done = converged | (count >= iterations) | (tried >= trials)
        if (better | stuck).any():
            on_step()
    return Solution(state, shared, system.cost, count, converged, gain)


def pushed_out(bounds: Bounds, state: torch.Tensor, system: NormalEquations) -> torch.Tensor:
    """(F,S) bool: what lies at a limit and wants beyond."""
    return ((state <= bounds.low) & (system.gradient > 0)) | ((state >= bounds.up) & (system.gradient < 0))


def _tied(cost: torch.Tensor, common: int) -> torch.Tensor:
    return cost.sum().expand_as(cost) if common else cost


def _by_person(good: torch.Tensor, owner: torch.Tensor, people: int) -> torch.Tensor:
    """(N,) whether all of a person's frames (F,) are good."""
    bad = torch.zeros(people, dtype=torch.long, device=owner.device).index_add_(0, owner, (~good).long())
    return bad == 0


def _chosen(better: torch.Tensor, new: NormalEquations, old: NormalEquations) -> NormalEquations:
    """The new system of those who got better, the old one of the others."""
    if better.all():
        return new
    if not better.any():
        return old
    merged = {"owner": new.owner}
    for field in fields(NormalEquations):
        a, b = getattr(new, field.name), getattr(old, field.name)
        if field.name != "owner":
            which = better if len(a) == len(better) and field.name.startswith(("shared", "cost")) else better[new.owner]
            merged[field.name] = torch.where(which.reshape(-1, *[1] * (a.dim() - 1)), a, b)
    return NormalEquations(**merged)
