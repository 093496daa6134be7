# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a body that evidence speaks of: landmarks that ride one joint, and linear functions of the posed skin.

Whatever a keypoint is (a joint, a skin vertex, a row of a joint regressor), linear blend skinning makes it a sum over joints:
p = sum_j R_j (m_j + S_j b + P_j f - w_j J_j) + w_j t_j with m_j = sum_v r_v w_vj v and so on, so a solver never touches the skin.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch

from ...anatomy import DOFS_OF_JOINT, JOINT_INDEX, PARENTS, J, Q
from .kept import kept_property

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

    def to(self, *where: torch.device | torch.dtype) -> Points:
        """The same points on a device or in another precision; indices stay integers."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, torch.Tensor):
                moved[field.name] = value.to(*(w for w in where if value.is_floating_point() or isinstance(w, torch.device)))
        return replace(self, **moved)

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

    def means(self, groups: list[list[int | str]]) -> Points:
        """One point for each group: the mean of its members, by number or name."""
        chosen = self.select([member for group in groups for member in group])
        sizes = torch.tensor([len(group) for group in groups], device=self.point.device)
        group = torch.repeat_interleave(torch.arange(len(groups), device=self.point.device), sizes)[chosen.point]
        share = 1.0 / sizes[group].to(self.weight)
        scaled = {name: getattr(chosen, name) * share.reshape(-1, *[1] * (getattr(chosen, name).dim() - 1))
                  for name in ("weight", "template", "shapedirs", "posedirs") if getattr(chosen, name) is not None}  # fmt: skip
        names = tuple("+".join(str(member) for member in members) for members in groups)
        return Points(names, group, chosen.joint, **scaled)

    def at_rest(self, betas: torch.Tensor) -> torch.Tensor:
        """(N,K,3) m where the points of shapes betas (N,10) are in the T pose."""
        pairs = self.template + torch.einsum("pik,nk->npi", self.shapedirs, betas)
        return self.gathered(pairs)

    @kept_property
    def blends(self) -> torch.Tensor:
        """(24 3, 23 K 9) posedirs by joint and by SMPL's joint: rotations in a row (.., 24 3) times this answer to the pose feature.

        In float32: blend shapes move points by millimetres, so a Jacobian loses nothing that counts.
        """
        wide = self.posedirs.new_zeros(J, 3, len(self), J - 1, 9)
        wide.permute(0, 2, 1, 3, 4).index_put_((self.joint, self.point), self.posedirs.unflatten(-1, (J - 1, 9)), accumulate=True)
        return wide.transpose(2, 3).reshape(J * 3, -1).float()

    @kept_property
    def used(self) -> torch.Tensor:
        """(U,) the joints that any point rides."""
        return torch.unique(self.joint)

    @kept_property
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
