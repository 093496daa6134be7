# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's kinematic chain for batches, with its gradients worked out by hand: what posing a body costs beside the skin.

Forward: one Rodrigues formula for all 46 axes, rotations down the chain in three rounds (each joint's product with what is one, two,
then four joints above), and positions as one product with the table of ancestors. Backward: forces and torques. A small turn of a joint
moves all below it like a rigid body, so its gradient is the torque that the gradients of everything below exert about it; the sums over
subtrees are again one product with that table. The batch comes last (batchlast.py). Formulas: Keller et al. 2023 (SKEL), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from ...anatomy import DOFS_OF_JOINT, PARENTS, J, Q
from .batchlast import apply, axial, cross, product
from .boneframes import BoneFrames
from .couplings import BENDS, BLADE_SIGNS, BLADE_STARTS, BLADES, COUPLED, LENGTHS, Coupled, coupled_gradients, coupled_shifts, span_rows

_BY_DOFS = sorted(range(J), key=lambda j: -len(DOFS_OF_JOINT[j]))  # joints with three DoFs first, so that a slot's are a slice
_SLOTS = [[DOFS_OF_JOINT[j][slot] for j in _BY_DOFS if len(DOFS_OF_JOINT[j]) > slot] for slot in range(3)]
_ONE, _TWO, _THREE = (len(slot) for slot in _SLOTS)  # 24, 12, 10
_DOFS = [dof for slot in _SLOTS for dof in slot]
_ANGLES = [*(dof.index for dof in _DOFS), *BLADES, *BENDS]  # which angle each row is of

@dataclass(frozen=True)
class Skeleton:
    """What articulation needs of a body. Rows, three numbers each, linear in betas: 24 offsets from the parent, five spans
    (couplings.py), and, where bones turn the joint frames, their 24 tips (boneframes.py)."""

    template: torch.Tensor  # (3 R,1) m
    directions: torch.Tensor  # (3 R,10)
    bones: BoneFrames | None
    frames: torch.Tensor  # (24,3,3,1) joint frames, where no bones turn them

    @classmethod
    def of(cls, J_template: torch.Tensor, J_shapedirs: torch.Tensor, frames: torch.Tensor, bones: BoneFrames | None) -> Skeleton:
        """Of joints (24,3) m, their derivatives (24,3,10), and joint frames (24,3,3)."""
        differences = torch.eye(J, dtype=torch.float64)
        for joint in range(1, J):
            differences[joint, PARENTS[joint]] = -1.0
        rows = torch.cat([torch.kron(differences, torch.eye(3, dtype=torch.float64)), span_rows()]).to(J_template)
        template, directions = rows @ J_template.reshape(-1, 1), rows @ J_shapedirs.reshape(3 * J, -1)
        if bones is not None:
            template = torch.cat([template, bones.tip.reshape(-1, 1)])
            directions = torch.cat([directions, bones.tip_by_betas.flatten(0, 1)])
        return cls(template, directions, bones, frames[..., None])


class _Tables(NamedTuple):
    """Constants in one precision on one device."""

    angles: torch.Tensor  # (56,) _ANGLES
    scales: torch.Tensor  # (56,1) lengths of the DoFs' axes, signs of the blades' angles
    starts: torch.Tensor  # (56,1)
    back: torch.Tensor  # (46,56) derivatives by those rows to derivatives by the angles
    axes: torch.Tensor  # (46,3,1) unit
    sine: torch.Tensor  # (46,9,1) K of each axis
    cosine: torch.Tensor  # (46,9,1) -K^2
    still: torch.Tensor  # (46,9,1) I + K^2
    own_rows: torch.Tensor  # (24,) row of each joint in _BY_DOFS
    by_dofs: torch.Tensor  # (24,) _BY_DOFS
    rounds: list[torch.Tensor]  # 3 of (25,): what is one, two, four joints above each; 24 is nothing, whose rotation is I
    parents: torch.Tensor  # (24,) the first round's, without the last
    coupled: torch.Tensor  # (5,) COUPLED
    hangs: torch.Tensor  # (24,24) 1 where the row's joint hangs on the column's, or is it
    eye: torch.Tensor  # (1,3,3,1)


@lru_cache(maxsize=8)
def _tables(dtype: torch.dtype, device: torch.device) -> _Tables:
    axes = torch.tensor([dof.axis for dof in _DOFS], dtype=torch.float64)
    lengths = axes.norm(dim=-1, keepdim=True)
    axes = axes / lengths
    eye = torch.eye(3, dtype=torch.float64)
    sine = torch.linalg.cross(axes[:, None].expand(-1, 3, -1), eye.expand(Q, 3, 3)).mT
    square = sine @ sine
    hangs = torch.eye(J, dtype=torch.float64)
    for joint in range(1, J):
        hangs[joint] += hangs[PARENTS[joint]]
    above = [[J if parent < 0 else parent for parent in PARENTS] + [J]]
    for _ in range(2):
        above.append([above[-1][joint] for joint in above[-1]])
    scales = torch.tensor([*BLADE_SIGNS, *([1.0] * len(BENDS))], dtype=torch.float64)[:, None]
    scales = torch.cat([lengths, scales])
    back = torch.zeros(Q, len(_ANGLES), dtype=torch.float64)
    back[_ANGLES, range(len(_ANGLES))] = scales[:, 0]
    starts = torch.tensor([*([0.0] * Q), *BLADE_STARTS, *([0.0] * len(BENDS))], dtype=torch.float64)[:, None]

    def real(values: torch.Tensor) -> torch.Tensor:
        return values.to(device=device, dtype=dtype).contiguous()

    def index(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, device=device)

    return _Tables(
        angles=index(_ANGLES), scales=real(scales), starts=real(starts), back=real(back), axes=real(axes[:, :, None]),
        sine=real(sine.reshape(Q, 9, 1)), cosine=real(-square.reshape(Q, 9, 1)), still=real((eye + square).reshape(Q, 9, 1)),
        own_rows=index([_BY_DOFS.index(j) for j in range(J)]), by_dofs=index(_BY_DOFS), rounds=[index(rows) for rows in above],
        parents=index(above[0][:J]), coupled=index(list(COUPLED)), hangs=real(hangs), eye=real(eye[None, ..., None]),
    )  # fmt: skip


def articulate(
    skeleton: Skeleton, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Shape and pose B skeletons: poses (B,46) rad, betas (N,10) with N 1 or B, trans (B,3) m.

    Returns positions (B,24,3) m, and with the batch last: rotations from the T pose (24,3,3,B), each joint's own rotation in model axes
    (24,3,3,B), and the joint frames M_j (24,3,3,N or 1). Differentiable once, by all three.
    """
    if torch.is_grad_enabled() and any(one.requires_grad for one in (poses, betas, trans)):
        return _Articulate.apply(poses, betas, trans, skeleton)
    return _pose(skeleton, poses, betas, trans)[0]


def _pose(skeleton: Skeleton, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], ...]:
    """What `articulate` returns; and what its gradients need: of itself, of the bones' frames, of the couplings."""
    table, batch = _tables(poses.dtype, poses.device), len(poses)
    vectors = torch.addmm(skeleton.template, skeleton.directions, betas.t()).view(-1, 3, len(betas))
    offsets, aims = vectors.split_with_sizes([J, len(vectors) - J])
    lengths = aims.square().sum(1).sqrt_()
    if skeleton.bones is None:
        frames, aimed = skeleton.frames, ()
    else:
        frames, *aimed = skeleton.bones.aimed(aims[LENGTHS:], lengths[LENGTHS:, None])
    angles = torch.addcmul(table.starts, poses.t().index_select(0, table.angles), table.scales)
    sines, coupled_sines = torch.sin(angles).split_with_sizes([Q, len(_ANGLES) - Q])
    cosines, coupled_cosines = torch.cos(angles).split_with_sizes([Q, len(_ANGLES) - Q])
    bends = angles[Q + len(BLADES) :]
    turns = torch.addcmul(table.still, table.sine, sines[:, None]).addcmul_(table.cosine, cosines[:, None]).view(Q, 3, 3, batch)
    local = product(product(frames, _own_rotations(table, turns)), frames.transpose(1, 2))
    rotations = torch.cat([local, table.eye.expand(1, 3, 3, batch)])
    for rows in table.rounds:
        rotations = product(rotations.index_select(0, rows), rotations)
    above = rotations.index_select(0, table.parents)
    shifts, kept = coupled_shifts(bends, coupled_sines, coupled_cosines, aims[:LENGTHS], lengths[:LENGTHS])
    steps = apply(above, offsets.expand(J, 3, batch).index_add(0, table.coupled, shifts))
    positions = torch.matmul(table.hangs, steps.view(J, -1)).view(J, 3, batch).add_(trans.t())
    rotations = rotations[:J]
    return (positions.movedim(-1, 0).contiguous(), rotations, local, frames), (positions, bends, turns, above), aimed, kept


class _Articulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor, skeleton: Skeleton) -> tuple[torch.Tensor, ...]:
        (joints, rotations, local, frames), own, aimed, kept = _pose(skeleton, poses, betas, trans)
        frames = frames if aimed else frames.clone()  # an output must not be the body's own
        ctx.skeleton, ctx.aimed = skeleton, len(aimed)
        ctx.save_for_backward(rotations, local, frames, *own, *aimed, *kept)
        ctx.set_materialize_grads(False)
        return joints, rotations, local, frames

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, by_joints: torch.Tensor | None, by_rotations: torch.Tensor | None, by_local: torch.Tensor | None,
        by_frames: torch.Tensor | None,
    ) -> tuple[torch.Tensor | None, ...]:  # fmt: skip
        rotations, local, frames, positions, bends, turns, above, *rest = ctx.saved_tensors
        aimed, kept = rest[: ctx.aimed], rest[ctx.aimed :]
        table, batch = _tables(bends.dtype, bends.device), bends.shape[1]
        below = _below(table, positions, rotations, by_joints, by_rotations)
        push, turn = product(above.transpose(1, 2), below.transpose(1, 2)).unbind(2)  # in the parents' turned axes
        if by_local is not None:
            turn = turn + axial(local, by_local)
        after = apply(local.transpose(1, 2), turn)
        by_own = _by_angles(table, turns, apply(frames.transpose(1, 2), after))
        by_coupled, by_spans = coupled_gradients(bends, push.index_select(0, table.coupled), Coupled(*kept))
        by_poses = torch.matmul(table.back, torch.cat([by_own, by_coupled]))
        by_betas = None
        if ctx.needs_input_grad[1]:
            by_vectors = [push, by_spans]
            if ctx.skeleton.bones is not None:
                by_turn = turn - after
                if by_frames is not None:
                    by_turn = by_turn + axial(frames, by_frames) * (frames.shape[-1] / batch)
                by_vectors.append(ctx.skeleton.bones.by_tips(by_turn, *aimed))
            by_betas = torch.matmul(ctx.skeleton.directions.t(), torch.cat(by_vectors).view(-1, batch))
            if kept[0].shape[-1] != batch:  # one shape for all
                by_betas = by_betas.sum(-1, keepdim=True)
            by_betas = by_betas.t()
        return by_poses.t(), by_betas, below[0, 0].t(), None


def _own_rotations(table: _Tables, turns: torch.Tensor) -> torch.Tensor:
    """Turns about each DoF's axis (46,3,3,B) -> rotations of each joint in its own frame (24,3,3,B)."""
    first, second, third = turns.split_with_sizes([_ONE, _TWO, _THREE])
    second = product(second, first[:_TWO])
    third = product(third, second[:_THREE])
    return torch.cat([third, second[_THREE:], first[_TWO:]]).index_select(0, table.own_rows)


def _below(
    table: _Tables, positions: torch.Tensor, rotations: torch.Tensor, by_joints: torch.Tensor | None, by_rotations: torch.Tensor | None
) -> torch.Tensor:
    """(24,2,3,B) sums over what hangs on each joint: force, and torque about the joint, of the gradients."""
    forces = torch.zeros_like(positions) if by_joints is None else by_joints.movedim(0, -1)
    arms = positions - positions[:1]  # about the pelvis, as far positions would cost digits
    torques = cross(arms, forces)
    if by_rotations is not None:
        torques = torques + axial(rotations, by_rotations)
    sums = torch.matmul(table.hangs.t(), torch.cat([forces, torques], 1).view(J, -1)).view(J, 2, 3, -1)
    forces, torques = sums.unbind(1)
    torques.sub_(cross(arms, forces))
    return sums


def _by_angles(table: _Tables, turns: torch.Tensor, torque: torch.Tensor) -> torch.Tensor:
    """(46,B) derivative by each angle about its unit axis of the torque (24,3,B) on each joint in its turned frame."""
    first = torque.index_select(0, table.by_dofs)
    second = apply(turns[:_TWO], first[:_TWO])
    third = apply(turns[_ONE : _ONE + _THREE], second[:_THREE])
    return (torch.cat([first, second, third]) * table.axes).sum(1)
