# SPDX-License-Identifier: GPL-3.0-or-later
"""Normal equations of people's tracks laid end to end: block-banded in time, with a few unknowns that a person's frames share.

The state of a frame is (trans, poses): S = 49 numbers. Residuals may couple up to three frames in a row. The lower triangle is held
in LAPACK's band storage: `band[t, c, k]` is the element of column c of frame t, k rows below the diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from ...anatomy import Q
from ..body.points import TRANS

S = TRANS + Q


@dataclass
class NormalEquations:
    """Half the Hessian of sums of squares in Gauss-Newton's approximation, and half the gradient. F frames of N people."""

    owner: torch.Tensor  # (F,) whose a frame is
    band: torch.Tensor  # (F,S,W S), W = 1, 2 or 3 frames that are coupled
    gradient: torch.Tensor  # (F,S)
    cross: torch.Tensor  # (F,S,n): state by shared
    shared: torch.Tensor  # (N,n,n)
    shared_gradient: torch.Tensor  # (N,n)
    cost: torch.Tensor  # (N,)

    @classmethod
    def zeros(cls, owner: torch.Tensor, people: int, n_shared: int, like: torch.Tensor) -> NormalEquations:
        """An empty system; frames are coupled as far as anybody's track is long."""
        frames = len(owner)
        width = min(3, int(torch.bincount(owner, minlength=1).max())) if frames else 1
        return cls(
            owner, like.new_zeros(frames, S, width * S), like.new_zeros(frames, S), like.new_zeros(frames, S, n_shared),
            like.new_zeros(people, n_shared, n_shared), like.new_zeros(people, n_shared), like.new_zeros(people),
        )  # fmt: skip

    @property
    def width(self) -> int:
        """How many frames in a row are coupled."""
        return self.band.shape[-1] // S

    @property
    def diagonal(self) -> torch.Tensor:
        """(F,S), a view."""
        return self.band[..., 0]

    def add_rows(self, columns: list[int], start: int, residual: torch.Tensor, by_states: list[torch.Tensor],
                 by_shared: torch.Tensor | None, cost: torch.Tensor) -> None:  # fmt: skip
        """Add weighted rows that concern frame t = start + i and, by `by_states[k]`, frame t + k.

        residual (f,R), by_states[k] (f,R,C) by the state's `columns`, by_shared (f,R,n); `cost` (f,) is what the rows cost.
        """
        count, columns = len(residual), tuple(columns)
        index = torch.tensor(columns, device=residual.device)
        for a, first in enumerate(by_states):
            here = slice(start + a, start + a + count)
            transposed = first.mT
            self.gradient[here].index_add_(1, index, (transposed @ residual[..., None])[..., 0])
            if by_shared is not None:
                self.cross[here].index_add_(1, index, transposed @ by_shared)
            for b in range(a, len(by_states)):
                entries, places = _places(columns, b - a, self.width, residual.device)
                block = by_states[b].mT @ first
                self.band[here].flatten(1).index_add_(1, places, block.flatten(1)[:, entries])
        owner = self.owner[start : start + count]
        if by_shared is not None:
            self.shared.index_add_(0, owner, by_shared.mT @ by_shared)
            self.shared_gradient.index_add_(0, owner, (by_shared.mT @ residual[..., None])[..., 0])
        self.cost.index_add_(0, owner, cost)

    def add_frames(self, columns: list[int], frames: torch.Tensor, residual: torch.Tensor, by_state: torch.Tensor,
                   by_shared: torch.Tensor | None, cost: torch.Tensor) -> None:  # fmt: skip
        """Add weighted rows that concern one frame each, any frames (f,), none twice: residual (f,R), by_state (f,R,C) by the state's
        `columns`, by_shared (f,R,n); `cost` (f,) is what the rows cost."""
        owner, transposed = self.owner[frames], by_state.mT
        at = (frames[:, None], torch.tensor(columns, device=frames.device))
        entries, places = _places(tuple(columns), 0, self.width, residual.device)
        self.band.flatten(1)[frames[:, None], places] += (transposed @ by_state).flatten(1)[:, entries]
        self.gradient[at] += (transposed @ residual[..., None])[..., 0]
        if by_shared is not None:
            self.cross[at] += transposed @ by_shared
            self.shared.index_add_(0, owner, by_shared.mT @ by_shared)
            self.shared_gradient.index_add_(0, owner, (by_shared.mT @ residual[..., None])[..., 0])
        self.cost.index_add_(0, owner, cost)

    def add_gradient(self, start: int, by_state: torch.Tensor, by_shared: torch.Tensor | None, column: int) -> None:
        """Add to the gradient alone, of frames from `start` on: by_state (f,C) from state column `column` on, by_shared (f,m)."""
        count = len(by_state)
        self.gradient[start : start + count, column : column + by_state.shape[1]] += by_state
        if by_shared is not None:
            wide = torch.nn.functional.pad(by_shared, (0, self.shared_gradient.shape[1] - by_shared.shape[1]))
            self.shared_gradient.index_add_(0, self.owner[start : start + count], wide)

    def add_differences(self, state: torch.Tensor, stencil: tuple[float, ...], root: torch.Tensor, target: torch.Tensor | float = 0.0,
                        cost: torch.Tensor | None = None) -> None:  # fmt: skip
        """Add finite differences of the state (F,S), `root` (F-order,S) times what they lack to `target`.

        A `root` of zero leaves a difference out, as where two people's tracks meet. `cost` (F-order,S) where it is not the square.
        """
        order = len(stencil) - 1
        count = len(state) - order
        if count <= 0:
            return
        residual = (sum(c * state[k : k + count] for k, c in enumerate(stencil)) - target) * root
        squared = root**2
        for a, first in enumerate(stencil):
            self.gradient[a : a + count] += first * root * residual
            for b in range(a, order + 1):
                self.band[a : a + count, :, (b - a) * S] += first * stencil[b] * squared
        self.cost.index_add_(0, self.owner[:count], (residual**2 if cost is None else cost).sum(-1))

    def blocks(self, offset: int) -> torch.Tensor:
        """(F,S,S): rows of frame t + offset, columns of frame t; for offset 0 the whole symmetric block."""
        row, column = (index.reshape(-1) for index in torch.meshgrid(torch.arange(S), torch.arange(S), indexing="ij"))
        if offset:
            return self.band[:, column, offset * S + row - column].unflatten(1, (S, S))
        low, high = torch.minimum(row, column), torch.maximum(row, column)
        return self.band[:, low, high - low].unflatten(1, (S, S))


@lru_cache(maxsize=64)
def _places(columns: tuple[int, ...], offset: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Which entries of a (C,C) block go where in a frame's band (S, W S), both flat: block rows are of the later frame."""
    index = torch.tensor(columns)
    row, column = torch.meshgrid(index, index, indexing="ij")
    keep = (row >= column) if offset == 0 else torch.ones_like(row, dtype=torch.bool)
    places = column * (width * S) + offset * S + row - column
    return torch.nonzero(keep.flatten())[:, 0].to(device), places.flatten()[keep.flatten()].to(device)
