# SPDX-License-Identifier: GPL-3.0-or-later
"""Levenberg-Marquardt over a whole track, inside the joint limits.

Limits are a hard guarantee: a step is cut at them, and an angle that lies at a limit and wants beyond is left out of the next step
(projected Gauss-Newton, Bertsekas 1982).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from .residuals import Problem, assemble

_BETA = 2.5  # standard deviations, the widest shape: a wrong distance must not make giants and dwarfs
_DAMPING = (1e-3, 1e-8, 1e8)  # first, least, most


def solve(problem: Problem, state: torch.Tensor, betas: torch.Tensor, iterations: int, tolerance: float = 1e-4,
          on_step: Callable[[], None] = lambda: None) -> tuple[torch.Tensor, torch.Tensor, float]:  # fmt: skip
    """Minimise from state (T,49) and betas (10,); stops when a step lowers the cost by less than `tolerance` of it.

    Returns state, betas and cost. `on_step` is called after each step (progress, cancel).
    """
    low, up = problem.body.limits.to(state).T
    low = torch.cat([low.new_full((3,), -torch.inf), low])
    up = torch.cat([up.new_full((3,), torch.inf), up])
    state = state.clamp(low, up)
    system = assemble(problem, state, betas)
    damping, least, most = _DAMPING
    for _ in range(iterations):
        pushes_out = ((state <= low) & (system.gradient > 0)) | ((state >= up) & (system.gradient < 0))
        while damping < most:
            step, shape_step = system.step(damping, pushes_out)
            trial, trial_betas = (state + step).clamp(low, up), (betas + shape_step).clamp(-_BETA, _BETA)
            candidate = assemble(problem, trial, trial_betas) if torch.isfinite(step).all() else None
            if candidate is not None and candidate.cost < system.cost:
                break
            damping *= 10.0
        else:
            break
        gain = float((system.cost - candidate.cost) / system.cost)
        state, betas, system = trial, trial_betas, candidate
        damping = max(damping / 5.0, least)
        on_step()
        if gain < tolerance:
            break
    return state, betas, float(system.cost)
