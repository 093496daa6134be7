# SPDX-License-Identifier: GPL-3.0-or-later
"""The damped Gauss-Newton step of a track: a block-banded Cholesky factor for the frames, Schur complements for what they share.

On a CPU LAPACK factors the band; frames on their own are a batch of small dense systems; on a GPU blocks are eliminated by cyclic
reduction (every second block at once, as often as the track can be halved), so that there too no loop runs over frames.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import lapack

from .normal import NormalEquations, S

_FROZEN = 1e12  # an unknown whose own stiffness is multiplied by this does not move
_TINY = 1e-9  # keeps an unknown without any evidence from being singular


def gauss_newton_step(system: NormalEquations, damping: tuple[torch.Tensor, torch.Tensor], frozen: torch.Tensor,
                      shared_frozen: torch.Tensor, common: int = 0) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Step of the states (F,S), zero where `frozen` (F,S), and of the shared unknowns (N,n), zero where `shared_frozen` (N,n).

    `damping` (F,S) and (N,n) is added to the diagonals. The last `common` shared unknowns are one and the same for all people. A
    person whose system can't be factored gets NaN.
    """
    free = (~frozen).to(system.gradient)
    diagonal = held(system.diagonal + damping[0], frozen)
    cross = system.cross * free[..., None]
    sides = torch.cat([(system.gradient * free)[..., None], cross], dim=-1)
    solved = _solve(system, diagonal, sides) * free[..., None]
    people = len(system.shared)
    reduced = torch.einsum("tsn,tsm->tnm", cross, solved)
    reduced = reduced.new_zeros(people, *reduced.shape[1:]).index_add_(0, system.owner, reduced)
    shared_free = (~shared_frozen).to(cross)
    schur = (system.shared - reduced[..., 1:]) * shared_free[:, :, None] * shared_free[:, None, :]
    extra = damping[1] + (1.0 - shared_free) + _TINY
    pull = (system.shared_gradient - reduced[..., 0]) * shared_free
    shared = -_solve_shared(schur + torch.diag_embed(extra), pull, common) * shared_free
    return -(solved[..., 0] + (solved[..., 1:] @ shared[system.owner][..., None])[..., 0]), shared


def held(diagonal: torch.Tensor, frozen: torch.Tensor) -> torch.Tensor:
    """(F,S) the diagonal with which what is frozen does not move."""
    diagonal = diagonal + _TINY
    return torch.where(frozen, _FROZEN * (diagonal + 1.0), diagonal)


def lapack_band(system: NormalEquations, diagonal: torch.Tensor, spent: bool = False) -> np.ndarray:
    """(W S,F S) the lower band with that diagonal (F,S), in Fortran's order: a copy, or the system's own if that is `spent`."""
    band = system.band if spent else system.band.clone()
    band[..., 0] = diagonal
    return band.reshape(-1, band.shape[-1]).cpu().double().numpy().T


def _solve_shared(matrix: torch.Tensor, right: torch.Tensor, common: int) -> torch.Tensor:
    """(N,n) of matrices (N,n,n) and right sides (N,n); what is common to all people is solved for once, of all their equations."""
    if not common:
        return torch.linalg.solve_ex(matrix, right[..., None])[0][..., 0]
    own = matrix.shape[-1] - common
    by_own = torch.linalg.solve_ex(matrix[:, :own, :own], torch.cat([matrix[:, :own, own:], right[:, :own, None]], -1))[0]
    across = matrix[:, own:, :own] @ by_own
    left = (matrix[:, own:, own:] - across[..., :common]).sum(0)
    together = torch.linalg.solve(left, (right[:, own:] - across[..., common]).sum(0))
    return torch.cat([by_own[..., common] - by_own[..., :common] @ together, together.expand(len(right), -1)], -1)


def _solve(system: NormalEquations, diagonal: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """Solve for right sides (F,S,m)."""
    if system.width == 1:
        blocks = system.blocks(0)
        torch.diagonal(blocks, dim1=-2, dim2=-1).copy_(diagonal)
        return _solve_blocks(blocks, sides)
    if sides.device.type == "cpu" and sides.dtype == torch.float64:
        return _banded(system, diagonal, sides)
    return _cyclic(*_paired(system, diagonal, sides)).reshape(-1, S, sides.shape[-1])[: len(sides)]


def _solve_blocks(blocks: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """Of symmetric blocks (B,n,n) and right sides (B,n,m): (B,n,m), NaN where a block is not positive definite.

    By triangles, which a card does all at once: with more than one right side its `cholesky_solve` is a loop over the blocks.
    """
    factor, bad = torch.linalg.cholesky_ex(blocks)
    down = torch.linalg.solve_triangular(factor, sides, upper=False)
    solved = torch.linalg.solve_triangular(factor.mT, down, upper=True)
    return torch.where((bad > 0)[:, None, None], torch.nan, solved)


def _banded(system: NormalEquations, diagonal: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    factor, bad = lapack.dpbtrf(lapack_band(system, diagonal), lower=1, overwrite_ab=1)
    if bad:
        return torch.full_like(sides, torch.nan)
    solved, _ = lapack.dpbtrs(factor, sides.reshape(-1, sides.shape[-1]).numpy(), lower=1)
    return torch.as_tensor(solved).reshape(sides.shape)


def _paired(system: NormalEquations, diagonal: torch.Tensor, sides: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two frames to a block: diagonal blocks (B,2S,2S), blocks below them (B-1,2S,2S), right sides (B,2S,m)."""
    frames, extra = len(sides), len(sides) % 2
    here = system.blocks(0)
    torch.diagonal(here, dim1=-2, dim2=-1).copy_(diagonal)
    below = [here] + [system.blocks(k) if k < system.width else torch.zeros_like(here) for k in (1, 2)]
    if extra:  # an empty frame at the end, which asks for nothing
        eye = torch.eye(S).to(here)
        below = [torch.cat([block, (eye if k == 0 else torch.zeros_like(eye))[None]]) for k, block in enumerate(below)]
        below[1][frames - 1 :], below[2][frames - 2 :] = 0.0, 0.0
        sides = torch.cat([sides, torch.zeros_like(sides[:1])])
    even, odd = slice(0, None, 2), slice(1, None, 2)
    one, two = below[1], below[2]
    main = torch.cat([torch.cat([below[0][even], one[even].mT], -1), torch.cat([one[even], below[0][odd]], -1)], -2)
    under = torch.cat([torch.cat([two[even], one[odd]], -1), torch.cat([torch.zeros_like(two[even]), two[odd]], -1)], -2)
    return main, under[:-1], sides.reshape(len(main), 2 * S, -1)


def _cyclic(main: torch.Tensor, under: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """Block-tridiagonal, symmetric and positive definite: eliminate the odd blocks, solve the even ones, substitute back."""
    count = len(main)
    if count == 1:
        return _solve_blocks(main, sides)
    size = main.shape[-1]
    left, pairs = under[0::2], count // 2  # rows of odd block 2k+1, columns of even block 2k
    right = torch.cat([under[1::2].mT, main.new_zeros(pairs - len(under[1::2]), size, size)])  # columns of even block 2k+2
    inner = _solve_blocks(main[1::2], torch.cat([left, right, sides[1::2]], -1))
    by_left, by_right, own = inner.split([size, size, sides.shape[-1]], -1)
    even, even_sides = main[0::2].clone(), sides[0::2].clone()
    even[:pairs] -= left.mT @ by_left
    even_sides[:pairs] -= left.mT @ own
    after = len(even) - 1  # odd blocks that have an even block after them
    even[1:] -= right[:after].mT @ by_right[:after]
    even_sides[1:] -= right[:after].mT @ own[:after]
    solved = _cyclic(even, -right[:after].mT @ by_left[:after], even_sides)
    result = torch.empty_like(sides)
    result[0::2] = solved
    own = own - by_left @ solved[:pairs]
    own[:after] -= by_right[:after] @ solved[1:]
    result[1::2] = own
    return result
