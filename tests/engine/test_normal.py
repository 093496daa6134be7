# SPDX-License-Identifier: GPL-3.0-or-later
"""The banded, the batched and the cyclic step are the one dense step, whoever's tracks are laid end to end."""

import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.fit import step as steps  # noqa: E402
from skel_blender.engine.fit.normal import NormalEquations, S  # noqa: E402

_SHARED, _COLUMNS = 3, [0, 1, 2, 5, 9, 20, 48]


class _Dense:
    """The same rows in one dense matrix."""

    def __init__(self, frames: int, people: int) -> None:
        self.frames, total = frames, frames * S + people * _SHARED
        self.matrix, self.right = torch.zeros(total, total).double(), torch.zeros(total).double()

    def add(self, person: int, residual: torch.Tensor, blocks: dict[int, torch.Tensor], shared: torch.Tensor | None = None) -> None:
        rows = torch.zeros(len(residual), len(self.right)).double()
        for frame, block in blocks.items():
            rows[:, frame * S : (frame + 1) * S] = block
        if shared is not None:
            start = self.frames * S + person * _SHARED
            rows[:, start : start + _SHARED] = shared
        self.matrix += rows.T @ rows
        self.right += rows.T @ residual


def _scaled(system: NormalEquations, damping: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Marquardt's damping (N,) of each person: that part of the diagonals."""
    return damping[system.owner, None] * system.diagonal, damping[:, None] * torch.diagonal(system.shared, dim1=-2, dim2=-1)


def _wide(block: torch.Tensor) -> torch.Tensor:
    wide = torch.zeros(*block.shape[:-1], S).double()
    wide[..., _COLUMNS] = block
    return wide


def _systems(lengths: tuple[int, ...]) -> tuple[NormalEquations, _Dense]:
    """Random rows of all kinds; rows that would couple two people are zero."""
    torch.manual_seed(sum(lengths))
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    frames, like = len(owner), torch.zeros(()).double()
    system, dense = NormalEquations.zeros(owner, len(lengths), _SHARED, like), _Dense(len(owner), len(lengths))
    residual, by_state, by_shared = (torch.randn(frames, 60, *n).double() for n in ((), (S,), (_SHARED,)))
    system.add_rows(list(range(S)), 0, residual, [by_state], by_shared, (residual**2).sum(-1))
    for t in range(frames):
        dense.add(int(owner[t]), residual[t], {t: by_state[t]}, by_shared[t])
    state = torch.randn(frames, S).double()
    for span in range(1, system.width):
        together = (owner[span:] == owner[:-span]).double()
        residual, by_shared = (torch.randn(frames - span, 7, *n).double() for n in ((), (_SHARED,)))
        residual, by_shared = residual * together[:, None], by_shared * together[:, None, None]
        by_states = [torch.randn(frames - span, 7, len(_COLUMNS)).double() * together[:, None, None] for _ in range(span + 1)]
        system.add_rows(_COLUMNS, 0, residual, by_states, by_shared, (residual**2).sum(-1))
        stencil = (-1.0, 1.0) if span == 1 else (1.0, -2.0, 1.0)
        root = (torch.rand(frames - span, S).double() + 0.5) * together[:, None]
        system.add_differences(state, stencil, root)
        for t in range(frames - span):
            person = int(owner[t])
            dense.add(person, residual[t], {t + k: _wide(by[t]) for k, by in enumerate(by_states)}, by_shared[t])
            lack = sum(c * state[t + k] for k, c in enumerate(stencil)) * root[t]
            dense.add(person, lack, {t + k: c * torch.diag(root[t]) for k, c in enumerate(stencil)})
    return system, dense


@pytest.mark.parametrize("lengths", [(7,), (4, 1, 3), (2, 2), (1, 1, 1)])
def test_step_is_the_dense_one(lengths, monkeypatch):
    system, dense = _systems(lengths)
    frames, people = sum(lengths), len(lengths)
    damping = 0.1 + torch.arange(people).double()
    frozen, shared_frozen = torch.zeros(frames, S, dtype=torch.bool), torch.zeros(people, _SHARED, dtype=torch.bool)
    frozen[-1, 4] = frozen[0, 10] = shared_frozen[0, 1] = True
    keep = torch.cat([~frozen.reshape(-1), ~shared_frozen.reshape(-1)])
    each = torch.cat([damping[system.owner].repeat_interleave(S), damping.repeat_interleave(_SHARED)])
    damped = dense.matrix + torch.diag(each * torch.diagonal(dense.matrix))
    wanted = torch.zeros(len(keep)).double()
    wanted[keep] = -torch.linalg.solve(damped[keep][:, keep], dense.right[keep])
    step, shared_step = steps.gauss_newton_step(system, _scaled(system, damping), frozen, shared_frozen)
    assert torch.allclose(step.reshape(-1), wanted[: frames * S], atol=1e-8)
    assert torch.allclose(shared_step.reshape(-1), wanted[frames * S :], atol=1e-8)
    if system.width > 1:  # what a GPU does
        monkeypatch.setattr(steps, "_banded", lambda *args: steps._cyclic(*steps._paired(*args)).reshape(-1, S, _SHARED + 1)[:frames])
        cyclic, _ = steps.gauss_newton_step(system, _scaled(system, damping), frozen, shared_frozen)
        assert torch.allclose(cyclic, step, atol=1e-9)


def test_an_unknown_that_all_share_is_solved_once():
    """The last shared unknown of everybody is one column of the dense matrix."""
    system, dense = _systems((3, 2))
    frames = 5
    own = [frames * S, frames * S + 1, frames * S + 3, frames * S + 4]
    last = [frames * S + 2, frames * S + 5]
    matrix, right = dense.matrix, dense.right
    merge = torch.zeros(len(right), len(right) - 1).double()
    for k, row in enumerate([*range(frames * S), *own]):
        merge[row, k] = 1.0
    merge[last, -1] = 1.0
    wanted = -torch.linalg.solve(merge.T @ matrix @ merge, merge.T @ right)
    none = torch.zeros(frames, S, dtype=torch.bool)
    step, shared = steps.gauss_newton_step(system, _scaled(system, torch.zeros(2).double()), none, none[:2, :_SHARED], common=1)
    assert torch.allclose(step.reshape(-1), wanted[: frames * S], atol=1e-6)
    assert torch.allclose(shared[:, -1], wanted[-1].expand(2), atol=1e-6)


def test_blocks_are_the_dense_ones():
    system, dense = _systems((5,))
    for offset in range(3):
        for t in range(5 - offset):
            wanted = dense.matrix[(t + offset) * S : (t + offset + 1) * S, t * S : (t + 1) * S]
            assert torch.allclose(system.blocks(offset)[t], wanted)


def test_a_singular_person_spoils_nobody_else():
    system, _ = _systems((1, 1))
    system.band[0] = -1.0
    none = torch.zeros(2, S, dtype=torch.bool)
    step, _ = steps.gauss_newton_step(system, _scaled(system, torch.zeros(2).double()), none, none[:, :_SHARED])
    assert torch.isnan(step[0]).all() and torch.isfinite(step[1]).all()
