# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses that carry points fixed to SKEL's segments to where they are wanted: Gauss-Newton over all frames, each by itself.

Of the points of a segment only their moments count: with x = R a + t the sums of w x, w x x^T and w x y^T follow from constants of the
segment (of the arms a) and of the frame (of a y^T), whatever R and t are. So a step costs the same for ten points as for ten thousand. The
normal equations are those of a chain of rigid bodies: each segment's 6x6 inertia, summed up the tree, between the twists of two DoFs
(the composite rigid body method, Featherstone 2008). A pull toward given angles settles what the points leave open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from ...anatomy import DOFS, PARENTS, J, Q
from ..body.chain import Posed, pose_chain
from ..body.points import moves
from ..body.skeleton import Shape

_CHUNK = 1024  # frames at a time
_LONGEST_STEP = 0.5  # rad
_DAMPING = 1e-6
_JOINT = [dof.joint for dof in DOFS]
# (46,46) row d, column e: 1 where e's joint is above d's; 1/2 within one joint, so that H + H^T counts it once; else 0.
_ABOVE = torch.where(torch.tensor(_JOINT)[:, None] == torch.tensor(_JOINT), 0.5, moves()[_JOINT])


@dataclass(frozen=True)
class Wanted:
    """What K points with weights w on J segments ask for in T frames: moments of their arms a (K,3), from the segments' rest joints,
    and of their targets y (T,K,3)."""

    mass: torch.Tensor  # (J,) sum of w
    arm: torch.Tensor  # (J,3) of w a
    spread: torch.Tensor  # (J,3,3) of w a a^T
    targets: torch.Tensor  # (T,J,3) of w y
    mixed: torch.Tensor  # (T,J,3,3) of w a y^T

    @classmethod
    def of(cls, joint: torch.Tensor, arms: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> Wanted:
        """joint (K,) that a point rides, arms (K,3) m, weight (K,) 1/m^2, targets (T,K,3) m."""
        to_joint = torch.zeros(J, len(joint), dtype=arms.dtype, device=arms.device)
        to_joint[joint, torch.arange(len(joint), device=joint.device)] = weight
        mixed = torch.stack([(to_joint * arms[:, i]) @ targets for i in range(3)], dim=-2)
        spread = torch.einsum("jk,ka,kb->jab", to_joint, arms, arms)
        return cls(to_joint.sum(1), to_joint @ arms, spread, to_joint @ targets, mixed)

    @classmethod
    def joined(cls, parts: list[Wanted]) -> Wanted:
        """The frames of all parts, of the same points, end to end."""
        first = parts[0]
        targets, mixed = (torch.cat([getattr(part, name) for part in parts]) for name in ("targets", "mixed"))
        return cls(first.mass, first.arm, first.spread, targets, mixed)

    def shifted(self, joint: int, shift: torch.Tensor) -> Wanted:
        """The targets of one segment's points moved by shift (T,3) m."""
        targets, mixed = self.targets.clone(), self.mixed.clone()
        targets[:, joint] += self.mass[joint] * shift
        mixed[:, joint] += self.arm[joint][:, None] * shift[:, None]
        return replace(self, targets=targets, mixed=mixed)

    def places(self, rotations: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """(T,3) m the shift that brings the points' middle to their targets', of segments turned (T,24,3,3) and placed (T,24,3)."""
        reached = (rotations @ self.arm[:, :, None])[..., 0] + self.mass[:, None] * positions
        return (self.targets - reached).sum(1) / self.mass.sum()

    def rows(self, rows: slice) -> Wanted:
        """The same for some frames."""
        return Wanted(self.mass, self.arm, self.spread, self.targets[rows], self.mixed[rows])


def fit(shape: Shape, poses: torch.Tensor, trans: torch.Tensor, wanted: Wanted, prior: torch.Tensor, pull: torch.Tensor,
        limits: torch.Tensor | None = None, steps: int = 6,
        on_step: Callable[[], None] = lambda: None) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Poses (T,46) rad and trans (T,3) m of one person that carry the points nearest to their targets, from such as a start.

    prior (T,46) rad and pull (46,) 1/rad^2: what each angle is drawn to; limits (46,2) rad are kept to if given. `on_step` hears of
    every step.
    """
    poses, trans = poses.clone(), trans.clone()
    for _ in range(steps):
        for first in range(0, len(poses), _CHUNK):
            rows = slice(first, first + _CHUNK)
            step = _step(shape, poses[rows], trans[rows], wanted.rows(rows), prior[rows], pull, limits)
            trans[rows] += step[:, :3]
            poses[rows] += step[:, 3:].clamp(-_LONGEST_STEP, _LONGEST_STEP)
        if limits is not None:
            poses = torch.maximum(torch.minimum(poses, limits[:, 1]), limits[:, 0])
        on_step()
    return poses, trans


def _step(shape: Shape, poses: torch.Tensor, trans: torch.Tensor, wanted: Wanted, prior: torch.Tensor, pull: torch.Tensor,
          limits: torch.Tensor | None = None) -> torch.Tensor:  # fmt: skip
    """(T,49) the Gauss-Newton step of (trans, poses). An angle that lies at a limit and wants beyond it stays (Bertsekas 1982)."""
    count = len(poses)
    posed = pose_chain(shape, torch.zeros(count, dtype=torch.long, device=poses.device), poses, trans)
    inertia, force = _segments(posed, wanted)
    for joint in range(J - 1, 0, -1):
        inertia[:, PARENTS[joint]] += inertia[:, joint]
        force[:, PARENTS[joint]] += force[:, joint]
    origins = posed.positions[:, _JOINT]
    twists = torch.cat([posed.axes, posed.slides - torch.linalg.cross(posed.axes, origins, dim=-1)], dim=-1)
    pushes = (inertia[:, _JOINT] @ twists[..., None])[..., 0]
    between = (pushes @ twists.transpose(1, 2)) * _ABOVE.to(poses)
    system = poses.new_zeros(count, 3 + Q, 3 + Q)
    system[:, 3:, 3:] = between + between.transpose(1, 2)
    system[:, :3, :3] = inertia[:, 0, 3:, 3:]
    system[:, 3:, :3] = pushes[..., 3:]
    system[:, :3, 3:] = pushes[..., 3:].transpose(1, 2)
    gradient = torch.cat([force[:, 0, 3:], (twists * force[:, _JOINT]).sum(-1) + pull * (poses - prior)], dim=-1)
    diagonal = torch.diagonal(system, dim1=1, dim2=2)
    diagonal[:, 3:] += pull
    diagonal *= 1 + _DAMPING
    if limits is not None:
        stays = ((poses <= limits[:, 0]) & (gradient[:, 3:] > 0)) | ((poses >= limits[:, 1]) & (gradient[:, 3:] < 0))
        free = torch.cat([torch.ones_like(trans), (~stays).to(poses)], dim=-1)
        system, gradient = system * free[:, :, None] * free[:, None], gradient * free
        torch.diagonal(system, dim1=1, dim2=2).add_(1 - free)
    return -torch.cholesky_solve(gradient[..., None], torch.linalg.cholesky(system))[..., 0]


def _segments(posed: Posed, wanted: Wanted) -> tuple[torch.Tensor, torch.Tensor]:
    """Inertia (T,J,6,6) of each segment's points about the origin and the residuals' force (T,J,6), both as (turn, shift)."""
    R, t, mass = posed.rotations, posed.positions, wanted.mass[:, None]
    turned = (R @ wanted.arm[:, :, None])[..., 0]
    first = turned + mass * t  # of w x
    outer = turned[..., :, None] * t[..., None, :]
    second = R @ wanted.spread @ R.transpose(-1, -2) + outer + outer.transpose(-1, -2) + (mass * t)[..., :, None] * t[..., None, :]
    mixed = R @ wanted.mixed + t[..., :, None] * wanted.targets[..., None, :]  # of w x y^T
    eye = torch.eye(3, dtype=t.dtype, device=t.device)
    lever = _cross(first)
    inertia = R.new_empty(*R.shape[:2], 6, 6)
    inertia[..., :3, :3] = torch.diagonal(second, dim1=-2, dim2=-1).sum(-1)[..., None, None] * eye - second
    inertia[..., :3, 3:] = lever
    inertia[..., 3:, :3] = -lever
    inertia[..., 3:, 3:] = mass[..., None] * eye
    skew = mixed.transpose(-1, -2) - mixed
    turn = torch.stack([skew[..., 1, 2], skew[..., 2, 0], skew[..., 0, 1]], dim=-1)
    return inertia, torch.cat([turn, first - wanted.targets], dim=-1)


def _cross(vectors: torch.Tensor) -> torch.Tensor:
    """(...,3,3) matrices that multiply as the cross product from the left."""
    x, y, z = vectors.unbind(-1)
    none = torch.zeros_like(x)
    return torch.stack([none, -z, y, z, none, -x, -y, x, none], dim=-1).reshape(*vectors.shape, 3)
