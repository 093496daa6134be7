# SPDX-License-Identifier: GPL-3.0-or-later
"""The solver's loop on a problem whose steps go too far: what one person's refused steps mean for another."""

import weakref

import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.fit.normal import NormalEquations, S  # noqa: E402
from skel_blender.engine.fit.solver import Bounds, solve  # noqa: E402

STARTS = torch.tensor([0.7, 6.0, -1.1], dtype=torch.float64)  # Gauss and Newton leap over atan's zero from beyond 1.39


def _assemble(owner):
    """A frame each, whose angles are 0 where atan of them is."""

    def assemble(state, shared):
        system = NormalEquations.zeros(owner, len(shared), shared.shape[1], state)
        residual, rate = torch.atan(state), 1.0 / (1.0 + state**2)
        system.diagonal.copy_(rate**2)
        system.gradient.copy_(rate * residual)
        system.cost.copy_((residual**2).sum(1))
        return system

    return assemble


def _solved(starts, iterations, assemble=None):
    people = len(starts)
    state, shared = starts[:, None].expand(-1, S).clone(), torch.zeros(people, 1).double()
    endless = torch.full((S,), torch.inf, dtype=torch.float64)
    frozen = torch.zeros(people, S, dtype=torch.bool)
    bounds = Bounds(-endless, endless, endless[:1], frozen, torch.ones(people, 1, dtype=torch.bool))
    return solve(assemble or _assemble(torch.arange(people)), bounds, state, shared, iterations, 1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 4, 30])
def test_refused_steps_of_one_person_are_nothing_to_the_others(iterations):
    together = _solved(STARTS, iterations)
    for k in range(len(STARTS)):
        alone = _solved(STARTS[k : k + 1], iterations)
        for what in ("state", "cost", "iterations", "converged"):
            assert torch.equal(getattr(together, what)[k], getattr(alone, what)[0]), (k, what)


def test_steps_that_go_too_far_are_taken_back():
    found = _solved(STARTS, 30)
    assert found.converged.all() and float(found.state.abs().max()) < 1e-4


def test_no_refused_system_is_kept_while_another_is_made():
    """Of a long track each is gigabytes."""
    make, made, alive = _assemble(torch.arange(1)), [], []

    def assemble(state, shared):
        alive.append(sum(system() is not None for system in made))
        system = make(state, shared)
        made.append(weakref.ref(system))
        return system

    assert int(_solved(STARTS[1:2], 30, assemble).iterations[0]) + 3 < len(made)  # several were refused
    assert max(alive) == 1
