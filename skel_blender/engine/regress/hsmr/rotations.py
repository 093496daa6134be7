# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR's 24 x 6 numbers of a pose and SKEL's 46 angles, one from the other.

A joint of three DoFs is the first two rows of its rotation in its own frame, made orthonormal on the way back; a joint of one is
(cos q, -sin q, 0, 0, 0, 0); a hand is its two angles themselves. Which axis comes when is read off anatomy.py. Source: HSMR
(Xia et al., CVPR 2025; MIT).
"""

from __future__ import annotations

import numpy as np
import torch

from ....anatomy import DOFS_OF_JOINT, J, Q

REP = 6  # numbers of a joint
_BALLS = tuple(j for j in range(J) if len(DOFS_OF_JOINT[j]) == 3)
_HINGES = tuple(j for j in range(J) if len(DOFS_OF_JOINT[j]) == 1)
_PAIRS = tuple(j for j in range(J) if len(DOFS_OF_JOINT[j]) == 2)
_LEAST_NORM = 1e-12
_LEVI_CIVITA = np.array([[[(a - b) * (b - c) * (c - a) / 2 for c in range(3)] for b in range(3)] for a in range(3)])


def _dofs(joints: tuple[int, ...]) -> np.ndarray:
    """(N,n) numbers of the DoFs of joints with n of them."""
    return np.array([[dof.index for dof in DOFS_OF_JOINT[j]] for j in joints])


_BALL_DOFS, _HINGE_DOFS, _PAIR_DOFS = _dofs(_BALLS), _dofs(_HINGES)[:, 0], _dofs(_PAIRS)
_AXES = np.array([[dof.axis for dof in DOFS_OF_JOINT[j]] for j in _BALLS])  # (10,3,3) signed unit vectors, the first acts first
_AXIS, _SIGN = np.abs(_AXES).argmax(-1), _AXES.sum(-1)
EULER_TRIPLES = _BALL_DOFS  # (10,3): of each, (a, b, c) and (a + pi, pi - b, c + pi) are one rotation


def rep_to_poses(rep: torch.Tensor) -> torch.Tensor:
    """rep (...,24,6) or (...,144) -> poses (...,46) rad; the middle angle of three lies within a right angle, all within half a turn."""
    rep = rep.reshape(*rep.shape[: -1 if rep.shape[-1] == J * REP else -2], J, REP)
    poses = rep.new_empty(*rep.shape[:-2], Q)
    poses[..., _BALL_DOFS.ravel()] = _triples(_orthonormal(rep[..., _BALLS, :])).flatten(-2)
    hinges = rep[..., _HINGES, :]
    poses[..., _HINGE_DOFS] = torch.atan2(-hinges[..., 1], hinges[..., 0])
    poses[..., _PAIR_DOFS.ravel()] = rep[..., _PAIRS, :2].flatten(-2)
    return poses


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
    angle = poses[..., _BALL_DOFS][..., None, None]
    cross = poses.new_tensor(-np.einsum("abc,jnc->jnab", _LEVI_CIVITA, _AXES))
    turn = torch.eye(3).to(poses) + torch.sin(angle) * cross + (1.0 - torch.cos(angle)) * (cross @ cross)
    return turn[..., 2, :, :] @ turn[..., 1, :, :] @ turn[..., 0, :, :]


def _orthonormal(rows: torch.Tensor) -> torch.Tensor:
    """(...,6), two rows of a matrix -> the rotation (...,3,3) nearest to the first."""
    first, second = rows[..., :3], rows[..., 3:]
    one = torch.nn.functional.normalize(first, dim=-1, eps=_LEAST_NORM)
    two = torch.nn.functional.normalize(second - (one * second).sum(-1, keepdim=True) * one, dim=-1, eps=_LEAST_NORM)
    return torch.stack([one, two, torch.linalg.cross(one, two)], -2)


def _triples(m: torch.Tensor) -> torch.Tensor:
    """Rotations (...,10,3,3) = R_i(c) R_j(b) R_k(a), i j k being x y z in any order -> (...,10,3) angles a, b, c, signed as the DoFs."""
    row = np.arange(len(_BALLS))
    k, j, i = _AXIS.T
    parity, sign = m.new_tensor(_LEVI_CIVITA[i, j, k]), m.new_tensor(_SIGN)
    first = torch.atan2(-parity * m[..., row, i, j], m[..., row, i, i])
    middle = torch.asin((parity * m[..., row, i, k]).clamp(-1.0, 1.0))
    last = torch.atan2(-parity * m[..., row, j, k], m[..., row, k, k])
    return torch.stack([first, middle, last], -1) * sign
