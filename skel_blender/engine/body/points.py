# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a body that evidence speaks of: landmarks that ride one joint, and linear functions of the posed skin.

Whatever a keypoint is (a joint, a skin vertex, a row of a joint regressor), linear blend skinning makes it a sum over joints:
p = sum_j R_j (m_j + S_j b + P_j f - w_j J_j) + w_j t_j with m_j = sum_v r_v w_vj v and so on, so a solver never touches the skin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ...anatomy import DOFS_OF_JOINT, JOINT_INDEX, PARENTS, J, Q
from ..memo import memoised_property
from .mesh import Mesh

TRANS = 3  # a frame's state is (trans, poses)


@dataclass(frozen=True)
class Points:
    """K points in P pairs (point, joint), sorted by point."""

    names: tuple[str, ...]  # (K,)
    point: torch.Tensor  # (P,) which point a pair belongs to
    joint: torch.Tensor  # (P,) the joint that it rides
    weight: torch.Tensor  # (P,) moment of order zero
    template: torch.Tensor  # (P,3) first moment in the T pose, m
    shapedirs: torch.Tensor  # (P,3,10) its derivative by betas
    posedirs: torch.Tensor | None = None  # (P,3,207) its derivative by the pose feature

    @classmethod
    def rigid(cls, names: tuple[str, ...], joint: torch.Tensor, template: torch.Tensor, shapedirs: torch.Tensor) -> Points:
        """Points that ride one joint each: joint (K,), rest position template (K,3) m, shapedirs (K,3,10)."""
        return cls(tuple(names), torch.arange(len(joint), device=joint.device), joint, torch.ones_like(template[:, 0]), template, shapedirs)

    @property
    def is_rigid(self) -> bool:
        """Whether every point rides one joint."""
        return len(self.joint) == len(self.names) and self.posedirs is None

    def __len__(self) -> int:
        return len(self.names)

    def select(self, chosen: list[int | str]) -> Points:
        """Some of the points by number or name, in that order."""
        numbers = [self.names.index(one) if isinstance(one, str) else int(one) for one in chosen]
        rows = [torch.nonzero(self.point == number)[:, 0] for number in numbers]
        row = torch.cat(rows)
        point = torch.repeat_interleave(torch.arange(len(numbers)), torch.tensor([len(r) for r in rows])).to(row)
        posedirs = None if self.posedirs is None else self.posedirs[row]
        names = tuple(self.names[number] for number in numbers)
        return Points(names, point, self.joint[row], self.weight[row], self.template[row], self.shapedirs[row], posedirs)

    def joined(self, other: Points) -> Points:
        """These points followed by others of the same body."""
        if (self.posedirs is None) != (other.posedirs is None):
            filled = [p if p.posedirs is not None else replace(p, posedirs=p.template.new_zeros(*p.template.shape, 9 * (J - 1)))
                      for p in (self, other)]  # fmt: skip
            return filled[0].joined(filled[1])
        parts = {name: torch.cat([getattr(self, name), getattr(other, name)]) for name in ("joint", "weight", "template", "shapedirs")}
        posedirs = None if self.posedirs is None else torch.cat([self.posedirs, other.posedirs])
        return Points(self.names + other.names, torch.cat([self.point, other.point + len(self)]), posedirs=posedirs, **parts)

    def mixed(self, names: tuple[str, ...], shares: np.ndarray) -> Points:
        """New points, each a sum of these with shares (N,K) that add up to 1. What rides one joint stays one pair."""
        row, member = np.nonzero(shares)
        chosen = self.select(member.tolist())
        share, owner = (torch.as_tensor(part, device=self.point.device)[chosen.point] for part in (shares[row, member], row))
        pair, number = torch.unique(owner * J + chosen.joint, return_inverse=True)
        sums = {}
        for name in ("weight", "template", "shapedirs", "posedirs"):
            value = getattr(chosen, name)
            if value is not None:
                scaled = value * share.to(value).reshape(-1, *[1] * (value.dim() - 1))
                sums[name] = value.new_zeros(len(pair), *value.shape[1:]).index_add_(0, number, scaled)
        return Points(names, pair // J, pair % J, **sums)

    def at_rest(self, betas: torch.Tensor) -> torch.Tensor:
        """(N,K,3) m where the points of shapes betas (N,10) are in the T pose."""
        pairs = self.template + torch.einsum("pik,nk->npi", self.shapedirs, betas)
        return self.gathered(pairs)

    @memoised_property
    def blends(self) -> torch.Tensor:
        """(24 3, 23 K 9) posedirs by joint and by SMPL's joint: rotations in a row (.., 24 3) times this answer to the pose feature.

        In float32: blend shapes move points by millimetres, so a Jacobian loses nothing that counts.
        """
        wide = self.posedirs.new_zeros(J, 3, len(self), J - 1, 9)
        wide.permute(0, 2, 1, 3, 4).index_put_((self.joint, self.point), self.posedirs.unflatten(-1, (J - 1, 9)), accumulate=True)
        return wide.transpose(2, 3).reshape(J * 3, -1).float()

    @memoised_property
    def used(self) -> torch.Tensor:
        """(U,) the joints that any point rides."""
        return torch.unique(self.joint)

    @memoised_property
    def _cells(self) -> torch.Tensor:
        """(P,) the place of each pair in a table (K,U), flat."""
        return self.point * len(self.used) + torch.searchsorted(self.used, self.joint)

    def tabled(self, pairs: torch.Tensor) -> torch.Tensor:
        """Values (F,P,...) of the pairs by point and joint of `used`: (F,K,U,...), zero where there is no pair."""
        size = (len(self), len(self.used))
        return pairs.new_zeros(len(pairs), size[0] * size[1], *pairs.shape[2:]).index_add_(1, self._cells, pairs).unflatten(1, size)

    def gathered(self, pairs: torch.Tensor) -> torch.Tensor:
        """Sum values (F,P,...) of the pairs over each point's: (F,K,...)."""
        if self.is_rigid:
            return pairs
        return pairs.new_zeros(len(pairs), len(self), *pairs.shape[2:]).index_add_(1, self.point, pairs)


def joints_as_points(J_template: torch.Tensor, J_shapedirs: torch.Tensor) -> Points:
    """The 24 joint centres as points."""
    return Points.rigid(tuple(JOINT_INDEX), torch.arange(J, device=J_template.device), J_template, J_shapedirs)


def regressed_points(skin: Mesh, matrix: Any, names: tuple[str, ...]) -> Points:
    """K points, each a weighted sum of vertices of the posed skin: matrix (K,V), numpy, torch or scipy sparse. Exact.

    Raises ValueError if the matrix does not fit the names or the skin.
    """
    dense = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    rows = torch.as_tensor(np.asarray(dense) if not isinstance(dense, torch.Tensor) else dense).to(skin.template)
    if rows.shape != (len(names), len(skin.template)):
        raise ValueError(f"{len(names)} points on {len(skin.template)} vertices need a matrix of that shape, not {tuple(rows.shape)}")
    used = torch.nonzero((rows != 0).any(0))[:, 0]
    rows, weights = rows[:, used], skin.weights[used]
    pairs = torch.nonzero((rows != 0).to(rows) @ (weights != 0).to(rows))
    point, joint = pairs.unbind(1)
    moments = {"template": skin.template[used], "shapedirs": skin.shapedirs[used].flatten(1)}
    if skin.posedirs is not None:
        moments["posedirs"] = skin.posedirs[used].flatten(1)
    sums = {name: rows.new_zeros(len(pairs), values.shape[1]) for name, values in moments.items()}
    total = rows.new_zeros(len(pairs))
    for j in torch.unique(joint):
        mine = joint == j
        share = rows[point[mine]] * weights[:, j]
        total[mine] = share.sum(1)
        for name, values in moments.items():
            sums[name][mine] = share @ values
    posedirs = sums["posedirs"].unflatten(1, (3, -1)) if skin.posedirs is not None else None
    return Points(tuple(names), point, joint, total, sums["template"], sums["shapedirs"].unflatten(1, (3, -1)), posedirs)


def vertex_points(skin: Mesh, vertices: list[int], names: tuple[str, ...]) -> Points:
    """Vertices of the posed skin as points."""
    rows = torch.zeros(len(vertices), len(skin.template), dtype=skin.template.dtype)
    rows[range(len(vertices)), vertices] = 1.0
    return regressed_points(skin, rows, names)


def moves() -> torch.Tensor:
    """(24,46) of 0 and 1: does a DoF move what rides a joint."""
    table = torch.zeros(J, Q, dtype=torch.float64)
    for row in range(J):
        joint = row
        while joint >= 0:
            for dof in DOFS_OF_JOINT[joint]:
                table[row, dof.index] = 1.0
            joint = PARENTS[joint]
    return table


_LIMB_ENDS = ("head", "hand_r", "hand_l", "toes_r", "toes_l")


def limbs_of(points: Points) -> list[tuple[list[int], list[int]]]:
    """Points by the limb that moves them: pairs (point numbers, their state columns), so that products skip columns of zeros."""
    chains = moves()
    limbs = [set(torch.nonzero(chains[JOINT_INDEX[end]])[:, 0].tolist()) for end in _LIMB_ENDS] + [set(range(Q))]
    members: list[list[int]] = [[] for _ in limbs]
    touched = torch.zeros(len(points), Q).index_add_(0, points.point.cpu(), chains[points.joint.cpu()].float())
    for number, row in enumerate(touched):
        needed = set(torch.nonzero(row)[:, 0].tolist())
        members[next(k for k, limb in enumerate(limbs) if needed <= limb)].append(number)
    return [(inside, [*range(TRANS), *(TRANS + dof for dof in sorted(limb))]) for inside, limb in zip(members, limbs) if inside]
