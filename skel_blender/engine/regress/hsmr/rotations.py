# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR's 24 x 6 numbers of a pose and SKEL's 46 angles, one from the other.

A joint of three DoFs is the first two rows of its rotation in its own frame, made orthonormal on the way back; a joint of one is
(cos q, -sin q, 0, 0, 0, 0); a hand is its two angles themselves. Which axis comes when is read off anatomy.py. Source: HSMR
(Xia et al., CVPR 2025; MIT).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ....anatomy import DOFS_OF_JOINT, J
from ...branches import TRIPLES
from ...memo import memoised
from ..orthonormal import orthonormal

REP = 6  # numbers of a joint
_BALLS = tuple(j for j in range(J) if len(DOFS_OF_JOINT[j]) == 3)
_HINGES = tuple(j for j in range(J) if len(DOFS_OF_JOINT[j]) == 1)
_PAIRS = tuple(j for j in range(J) if len(DOFS_OF_JOINT[j]) == 2)
_LEVI_CIVITA = np.array([[[(a - b) * (b - c) * (c - a) / 2 for c in range(3)] for b in range(3)] for a in range(3)])


def _dofs(joints: tuple[int, ...]) -> np.ndarray:
    """(N,n) numbers of the DoFs of joints with n of them."""
    return np.array([[dof.index for dof in DOFS_OF_JOINT[j]] for j in joints])


_HINGE_DOFS, _PAIR_DOFS = _dofs(_HINGES)[:, 0], _dofs(_PAIRS)
_AXES = np.array([[dof.axis for dof in DOFS_OF_JOINT[j]] for j in _BALLS])  # (10,3,3) signed unit vectors, the first acts first
_AXIS, _SIGN = np.abs(_AXES).argmax(-1), _AXES.sum(-1)


class _Tables(NamedTuple):
    """What the way to the angles needs, on one device: whatever is made there for each batch would wait for the last one's end."""

    balls: torch.Tensor  # (10,) joints
    hinges: torch.Tensor
    pairs: torch.Tensor
    entries: torch.Tensor  # (50,) five numbers of each ball's rotation, flat
    parity: torch.Tensor  # (10,) 1 where a ball's axes are in the order of x y z x y, else -1
    sign: torch.Tensor  # (10,3)
    order: torch.Tensor  # (46,) where each DoF is among those of balls, hinges and pairs


@memoised
def _tables(dtype: torch.dtype, device: torch.device) -> _Tables:
    k, j, i = _AXIS.T
    places = 9 * np.arange(len(_BALLS)) + 3 * np.stack([i, i, i, j, k]) + np.stack([j, i, k, k, k])
    order = np.argsort(np.concatenate([TRIPLES.ravel(), _HINGE_DOFS, _PAIR_DOFS.ravel()]))
    indices = (torch.tensor(values, device=device) for values in (_BALLS, _HINGES, _PAIRS, places.ravel()))
    real = (torch.tensor(values, dtype=dtype, device=device) for values in (_LEVI_CIVITA[i, j, k], _SIGN))
    return _Tables(*indices, *real, torch.tensor(order, device=device))


def rep_to_poses(rep: torch.Tensor) -> torch.Tensor:
    """rep (...,24,6) or (...,144) -> poses (...,46) rad; the middle angle of three lies within a right angle, all within half a turn."""
    rep = rep.reshape(*rep.shape[: -1 if rep.shape[-1] == J * REP else -2], J, REP)
    table = _tables(rep.dtype, rep.device)
    balls, hinges, pairs = (rep.index_select(-2, joints) for joints in (table.balls, table.hinges, table.pairs))
    triples = _triples(orthonormal(balls.unflatten(-1, (2, 3))), table)
    angles = torch.cat([triples.flatten(-2), torch.atan2(-hinges[..., 1], hinges[..., 0]), pairs[..., :2].flatten(-2)], -1)
    return angles.index_select(-1, table.order)


def poses_to_rep(poses: torch.Tensor) -> torch.Tensor:
    """poses (...,46) rad -> rep (...,24,6)."""
    rep = poses.new_zeros(*poses.shape[:-1], J, REP)
    rotations = ball_rotations(poses)
    rep[..., _BALLS, :] = rotations[..., :2, :].flatten(-2)
    hinges = poses[..., _HINGE_DOFS]
    rep[..., _HINGES, 0], rep[..., _HINGES, 1] = torch.cos(hinges), -torch.sin(hinges)
    rep[..., _PAIRS, :2] = poses[..., _PAIR_DOFS]
    return rep


def ball_rotations(poses: torch.Tensor) -> torch.Tensor:
    """poses (...,46) -> (...,10,3,3) rotations of the joints with three DoFs, each in its own frame."""
    angle = poses[..., TRIPLES][..., None, None]
    cross = poses.new_tensor(-np.einsum("abc,jnc->jnab", _LEVI_CIVITA, _AXES))
    turn = torch.eye(3).to(poses) + torch.sin(angle) * cross + (1.0 - torch.cos(angle)) * (cross @ cross)
    return turn[..., 2, :, :] @ turn[..., 1, :, :] @ turn[..., 0, :, :]


def _triples(m: torch.Tensor, table: _Tables) -> torch.Tensor:
    """Rotations (...,10,3,3) = R_i(c) R_j(b) R_k(a), i j k being x y z in any order -> (...,10,3) angles a, b, c, signed as the DoFs."""
    ij, ii, ik, jk, kk = m.flatten(-3).index_select(-1, table.entries).unflatten(-1, (5, -1)).unbind(-2)
    first, last = (torch.atan2(-table.parity * sine, cosine) for sine, cosine in ((ij, ii), (jk, kk)))
    middle = torch.asin((table.parity * ik).clamp(-1.0, 1.0))
    return torch.stack([first, middle, last], -1) * table.sign
