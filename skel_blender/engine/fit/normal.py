# SPDX-License-Identifier: GPL-3.0-or-later
"""Normal equations of a track: block-banded in time, with a few unknowns that all frames share.

The state of a frame is (trans, poses): S = 49 numbers. Residuals may couple a frame with the next one in any way, and with the one
after it coordinate by coordinate (second differences). The shared unknowns (betas) are taken out by their Schur complement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import LinAlgError, solveh_banded

from ...anatomy import Q

S = 3 + Q


@dataclass
class NormalEquations:
    """Half the Hessian of a sum of squares in Gauss-Newton's approximation, and half its gradient."""

    here: torch.Tensor  # (T,S,S)
    next: torch.Tensor  # (T,S,S): rows of frame t+1, columns of frame t; the last is unused
    second: torch.Tensor  # (T,S): diagonal between frames t and t+2; the last two are unused
    gradient: torch.Tensor  # (T,S)
    cross: torch.Tensor  # (T,S,N): state by shared
    shared: torch.Tensor  # (N,N)
    shared_gradient: torch.Tensor  # (N,)
    cost: torch.Tensor  # scalar

    @classmethod
    def zeros(cls, frames: int, n_shared: int, like: torch.Tensor) -> NormalEquations:
        """An empty system of `frames` frames."""
        return cls(
            like.new_zeros(frames, S, S), like.new_zeros(frames, S, S), like.new_zeros(frames, S), like.new_zeros(frames, S),
            like.new_zeros(frames, S, n_shared), like.new_zeros(n_shared, n_shared), like.new_zeros(n_shared), like.new_zeros(()),
        )  # fmt: skip

    def add_rows(self, residual: torch.Tensor, by_state: torch.Tensor, by_shared: torch.Tensor, rho: torch.Tensor,
                 frames: slice = slice(None)) -> None:  # fmt: skip
        """Add rows that concern one frame each, of the frames `frames`, already weighted.

        residual (T,R), by_state (T,R,S), by_shared (T,R,N); `rho` (T,R) is their cost.
        """
        self.here[frames] += torch.einsum("tri,trj->tij", by_state, by_state)
        self.cross[frames] += torch.einsum("tri,trj->tij", by_state, by_shared)
        self.shared += torch.einsum("tri,trj->ij", by_shared, by_shared)
        self.gradient[frames] += torch.einsum("tri,tr->ti", by_state, residual)
        self.shared_gradient += torch.einsum("tri,tr->i", by_shared, residual)
        self.cost += rho.sum()

    def add_pairs(self, residual: torch.Tensor, by_state: torch.Tensor, by_next: torch.Tensor,
                  by_shared: torch.Tensor) -> None:  # fmt: skip
        """Add rows that couple frames t and t+1: residual (T-1,R), by_state and by_next (T-1,R,S), by_shared (T-1,R,N)."""
        self.here[:-1] += torch.einsum("tri,trj->tij", by_state, by_state)
        self.here[1:] += torch.einsum("tri,trj->tij", by_next, by_next)
        self.next[:-1] += torch.einsum("tri,trj->tij", by_next, by_state)
        self.cross[:-1] += torch.einsum("tri,trj->tij", by_state, by_shared)
        self.cross[1:] += torch.einsum("tri,trj->tij", by_next, by_shared)
        self.shared += torch.einsum("tri,trj->ij", by_shared, by_shared)
        self.gradient[:-1] += torch.einsum("tri,tr->ti", by_state, residual)
        self.gradient[1:] += torch.einsum("tri,tr->ti", by_next, residual)
        self.shared_gradient += torch.einsum("tri,tr->i", by_shared, residual)
        self.cost += (residual**2).sum()

    def add_differences(self, state: torch.Tensor, stencil: tuple[float, ...], weight: torch.Tensor,
                        target: torch.Tensor | float = 0.0) -> None:  # fmt: skip
        """Add weight times what finite differences of the state (T,S) lack to `target`; `stencil` has N = 2 or 3 coefficients.

        Weight and target are (S,) or (T-N+1,S).
        """
        order = len(stencil) - 1
        count = len(state) - order
        if count <= 0:
            return
        residual = (sum(c * state[k : k + count] for k, c in enumerate(stencil)) - target) * weight
        squared = weight**2
        for k, c in enumerate(stencil):
            self.gradient[k : k + count] += c * weight * residual
            torch.diagonal(self.here, dim1=1, dim2=2)[k : k + count] += c * c * squared
            if k + 1 <= order:
                torch.diagonal(self.next, dim1=1, dim2=2)[k : k + count] += c * stencil[k + 1] * squared
            if k + 2 <= order:
                self.second[k : k + count] += c * stencil[k + 2] * squared
        self.cost += (residual**2).sum()

    def step(self, damping: float, frozen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The damped Gauss-Newton step: of the states (T,S), zero where `frozen` (T,S) bool, and of the shared unknowns (N,)."""
        free = (~frozen).to(self.here)
        band = self._band(damping, free)
        sides = torch.cat([self.gradient[..., None], self.cross], dim=-1) * free[..., None]
        try:
            solved = solveh_banded(band, sides.reshape(-1, sides.shape[-1]).cpu().numpy(), lower=True, overwrite_ab=True,
                                   overwrite_b=True, check_finite=False)  # fmt: skip
        except LinAlgError:
            return torch.full_like(self.gradient, torch.nan), torch.full_like(self.shared_gradient, torch.nan)
        solved = torch.as_tensor(solved).to(self.here).reshape(sides.shape)
        cross = self.cross * free[..., None]
        schur = self.shared + damping * torch.diag(torch.diagonal(self.shared)) - torch.einsum("tsn,tsm->nm", cross, solved[..., 1:])
        pull = self.shared_gradient - torch.einsum("tsn,ts->n", cross, solved[..., 0])
        shared = -torch.linalg.solve(schur, pull)
        return -(solved[..., 0] + solved[..., 1:] @ shared), shared

    def _band(self, damping: float, free: torch.Tensor) -> np.ndarray:
        """Lower band storage (3S, T S) for LAPACK: row k holds the k-th subdiagonal."""
        frames = len(free)
        here = self.here * (free[:, :, None] * free[:, None, :])
        diagonal = torch.diagonal(here, dim1=1, dim2=2)
        diagonal += damping * diagonal.clone() + (1.0 - free)
        beyond = torch.zeros_like(free)
        beyond[:-1] = free[1:]
        after = self.next * (beyond[:, :, None] * free[:, None, :])
        far = torch.zeros_like(free)
        far[:-2] = free[2:]
        band = torch.zeros(3 * S, frames, S, dtype=here.dtype)
        row, column = torch.tril_indices(S, S)
        band[row - column, :, column] = here[:, row, column].T.cpu()
        row, column = (index.reshape(-1) for index in torch.meshgrid(torch.arange(S), torch.arange(S), indexing="ij"))
        band[S + row - column, :, column] = after[:, row, column].T.cpu()
        band[2 * S] += (self.second * far * free).cpu()
        return band.reshape(3 * S, frames * S).numpy()
