# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's kinematic chain for batches, with its gradients worked out by hand: what posing a body costs beside the skin.

Forward: one Rodrigues formula for all 46 axes, rotations down the chain in three rounds (each joint's product with what is one, two,
then four joints above), and positions as one product with the table of ancestors. Backward: forces and torques. A small turn of a joint
moves all below it like a rigid body, so its gradient is the torque that the gradients of everything below exert about it; the sums over
subtrees are again one product with that table. The batch comes last (batchlast.py). Formulas: Keller et al. 2023 (SKEL), section 3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ...anatomy import DOFS_OF_JOINT, PARENTS, J, Q
from ..memo import memoised
from .batchlast import apply, axial, cross, product
from .couplings import BENDS, BLADE_SIGNS, BLADE_STARTS, BLADES, LENGTHS, Coupled, coupled_gradients, coupled_offsets
from .skeleton import Skeleton

# A row for each joint's first, second and third DoF; where it has none, a turn by zero. Then the angles that couple.
_SLOTS = [dofs[slot] if slot < len(dofs) else None for slot in range(3) for dofs in DOFS_OF_JOINT]
_ANGLES = [*(dofs[min(slot, len(dofs) - 1)].index for slot in range(3) for dofs in DOFS_OF_JOINT), *BLADES, *BENDS]
_TURNS, _COUPLED = len(_SLOTS), len(BLADES) + len(BENDS)


class Tables(NamedTuple):
    """Constants in one precision on one device."""

    angles: torch.Tensor  # (82,) _ANGLES
    scales: torch.Tensor  # (82,1) lengths of the DoFs' axes, 0 where there is none; signs of the blades' angles
    starts: torch.Tensor  # (82,1)
    back: torch.Tensor  # (46,82) derivatives by those rows to derivatives by the angles
    axes: torch.Tensor  # (72,3,1) unit
    sine: torch.Tensor  # (72,9,1) K of each axis
    cosine: torch.Tensor  # (72,9,1) -K^2
    still: torch.Tensor  # (72,9,1) I + K^2
    rounds: list[torch.Tensor]  # 3 of (25,): what is one, two, four joints above each; 24 is nothing, whose rotation is I
    hangs: torch.Tensor  # (24,24) 1 where the row's joint hangs on the column's, or is it
    eye: torch.Tensor  # (1,3,3,1)


@memoised
def tables(dtype: torch.dtype, device: torch.device) -> Tables:
    """The constants, made once."""
    axes = torch.tensor([dof.axis if dof else (0.0, 0.0, 0.0) for dof in _SLOTS], dtype=torch.float64)
    lengths = axes.norm(dim=-1, keepdim=True)
    axes = axes / lengths.clamp(min=1e-6)
    eye = torch.eye(3, dtype=torch.float64)
    sine = torch.linalg.cross(axes[:, None].expand(-1, 3, -1), eye.expand(_TURNS, 3, 3)).mT
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
    starts = torch.tensor([*([0.0] * _TURNS), *BLADE_STARTS, *([0.0] * len(BENDS))], dtype=torch.float64)[:, None]

    def real(values: torch.Tensor) -> torch.Tensor:
        return values.to(device=device, dtype=dtype).contiguous()

    def index(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, device=device)

    return Tables(
        angles=index(_ANGLES), scales=real(scales), starts=real(starts), back=real(back), axes=real(axes[:, :, None]),
        sine=real(sine.reshape(-1, 9, 1)), cosine=real(-square.reshape(-1, 9, 1)), still=real((eye + square).reshape(-1, 9, 1)),
        rounds=[index(rows) for rows in above],
        hangs=real(hangs), eye=real(eye[None, ..., None]),
    )  # fmt: skip


class Articulation(NamedTuple):
    """A posed skeleton with what its derivatives need."""

    positions: torch.Tensor  # (24,3,B) m
    rotations: torch.Tensor  # (24,3,3,B), from the T pose
    local: torch.Tensor  # (24,3,3,B), each joint's own in model axes
    frames: torch.Tensor  # (24,3,3,N or 1)
    above: torch.Tensor  # (24,3,3,B) rotations of the parents
    turns: torch.Tensor  # (3,24,3,3,B) about the axes of the joints' first, second and third DoFs
    bends: torch.Tensor  # (6,B) angles of BENDS
    steps: torch.Tensor  # (24,3,B) m from the parents, turned with them
    coupled: Coupled
    aimed: tuple[torch.Tensor, ...] = ()  # BoneFrames.aimed


def articulate(
    skeleton: Skeleton, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Shape and pose B skeletons: poses (B,46) rad, betas (N,10) with N 1 or B, trans (B,3) m.

    Returns positions (B,24,3) m, and with the batch last: rotations from the T pose (24,3,3,B), each joint's own rotation in model axes
    (24,3,3,B), and the joint frames M_j (24,3,3,N or 1). Differentiable once, by all three.
    """
    if _differentiated(poses, betas, trans):
        return _Articulate.apply(poses, betas, trans, skeleton, True)
    posed = _pose(skeleton, poses, betas, trans)
    return _joints(posed), posed.rotations, posed.local, posed.frames


def articulate_joints(skeleton: Skeleton, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor) -> torch.Tensor:
    """The positions of `articulate` alone, with less to keep for their gradients."""
    if _differentiated(poses, betas, trans):
        return _Articulate.apply(poses, betas, trans, skeleton, False)
    return _joints(_pose(skeleton, poses, betas, trans))


def _differentiated(*inputs: torch.Tensor) -> bool:
    return torch.is_grad_enabled() and any(one.requires_grad for one in inputs)


def _joints(posed: Articulation) -> torch.Tensor:
    return posed.positions.permute(2, 0, 1).clone(memory_format=torch.contiguous_format)


def _pose(skeleton: Skeleton, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor) -> Articulation:
    rows = len(skeleton.template) // 3
    vectors = torch.addmm(skeleton.template, skeleton.directions, betas.t()).view(rows, 3, len(betas))
    offsets, aims = vectors.split_with_sizes([J, rows - J])
    lengths = aims.square().sum(1).sqrt_()
    if skeleton.bones is None:
        frames, aimed = skeleton.frames, ()
    else:
        frames, *aimed = skeleton.bones.aimed(aims[LENGTHS:], lengths[LENGTHS:, None])
    return articulated(poses, trans, offsets, frames, aims[:LENGTHS], lengths[:LENGTHS])._replace(aimed=tuple(aimed))


def articulated(
    poses: torch.Tensor, trans: torch.Tensor, offsets: torch.Tensor, frames: torch.Tensor, spans: torch.Tensor, lengths: torch.Tensor
) -> Articulation:
    """Pose rest skeletons, N 1 or B: offsets (24,3,N) m from the parents, frames (24,3,3,N), spans (5,3,N) m and their lengths (5,N)."""
    table, batch = tables(poses.dtype, poses.device), len(poses)
    angles = torch.addcmul(table.starts, poses.t().index_select(0, table.angles), table.scales)
    sines, coupled_sines = torch.sin(angles).split_with_sizes([_TURNS, _COUPLED])
    cosines, coupled_cosines = torch.cos(angles).split_with_sizes([_TURNS, _COUPLED])
    bends = angles[-len(BENDS) :]
    turns = torch.addcmul(table.still, table.sine, sines.unsqueeze(1)).addcmul_(table.cosine, cosines.unsqueeze(1)).view(3, J, 3, 3, batch)
    first, second, third = turns.unbind(0)
    local = product(product(frames, product(third, product(second, first))), frames.transpose(1, 2))
    rotations = torch.cat([local, table.eye.expand(1, 3, 3, batch)])
    for rows in table.rounds:
        rotations = product(rotations.index_select(0, rows), rotations)
    above = rotations.index_select(0, table.rounds[0][:J])
    offsets, coupled = coupled_offsets(offsets, bends, coupled_sines, coupled_cosines, spans, lengths)
    steps = apply(above, offsets)
    positions = torch.matmul(table.hangs, steps.view(J, 3 * batch)).view(J, 3, batch).add_(trans.t())
    return Articulation(positions, rotations[:J], local, frames, above, turns, bends, steps, coupled)


class _Articulate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor, skeleton: Skeleton, whole: bool
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        posed = _pose(skeleton, poses, betas, trans)
        ctx.skeleton, ctx.posed = skeleton, posed  # none of it is an input or an output, so it needs no save_for_backward
        ctx.set_materialize_grads(False)
        if not whole:
            return _joints(posed)
        return _joints(posed), *(one.view_as(one) for one in (posed.rotations, posed.local, posed.frames))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_joints: torch.Tensor | None, *by_others: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        return *_gradients(ctx.skeleton, ctx.posed, by_joints, *by_others, shaped=ctx.needs_input_grad[1]), None, None


def _gradients(
    skeleton: Skeleton, posed: Articulation, by_joints: torch.Tensor | None, by_rotations: torch.Tensor | None = None,
    by_local: torch.Tensor | None = None, by_frames: torch.Tensor | None = None, *, shaped: bool,
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:  # fmt: skip
    """By poses (B,46), betas (N,10) if `shaped`, and trans (B,3), of gradients by the outputs of `articulate`."""
    table, batch = tables(posed.bends.dtype, posed.bends.device), posed.bends.shape[1]
    below = _below(table, posed, by_joints, by_rotations)
    push, turn = product(posed.above.transpose(1, 2), below.transpose(1, 2)).unbind(2)  # in the parents' turned axes
    if by_local is not None:
        turn = turn + axial(posed.local, by_local)
    after = apply(posed.local.transpose(1, 2), turn)
    by_own = _by_angles(table, posed.turns, apply(posed.frames.transpose(1, 2), after))
    by_coupled, by_spans = coupled_gradients(posed.bends, push, posed.coupled)
    by_poses = torch.matmul(table.back, torch.cat([by_own, by_coupled])).t()
    if not shaped:
        return by_poses, None, below[0, 0].t()
    by_vectors = [push, by_spans]
    if skeleton.bones is not None:
        by_turn = turn - after
        if by_frames is not None:
            by_turn = by_turn + axial(posed.frames, by_frames) * (posed.frames.shape[-1] / max(batch, 1))
        by_vectors.append(skeleton.bones.by_tips(by_turn, *posed.aimed))
    by_betas = torch.matmul(skeleton.directions.t(), torch.cat(by_vectors).view(len(skeleton.template), batch))
    if posed.coupled.lengths.shape[-1] != batch:  # one shape for all
        by_betas = by_betas.sum(-1, keepdim=True)
    return by_poses, by_betas.t(), below[0, 0].t()


def _below(table: Tables, posed: Articulation, by_joints: torch.Tensor | None, by_rotations: torch.Tensor | None) -> torch.Tensor:
    """(24,2,3,B) sums over what hangs on each joint: force, and torque about the joint, of the gradients."""
    forces = torch.zeros_like(posed.positions) if by_joints is None else by_joints.permute(1, 2, 0)
    arms = posed.positions - posed.positions[:1]  # about the pelvis, as far positions would cost digits
    torques = cross(arms, forces)
    if by_rotations is not None:
        torques = torques + axial(posed.rotations, by_rotations)
    batch = arms.shape[-1]
    sums = torch.matmul(table.hangs.t(), torch.cat([forces, torques], 1).view(J, 6 * batch)).view(J, 2, 3, batch)
    forces, torques = sums.unbind(1)
    torques.sub_(cross(arms, forces))
    return sums


def _by_angles(table: Tables, turns: torch.Tensor, torque: torch.Tensor) -> torch.Tensor:
    """(72,B) derivative by each turn about its unit axis of the torque (24,3,B) on each joint in its turned frame."""
    second = apply(turns[0], torque)
    third = apply(turns[1], second)
    return (torch.cat([torque, second, third]) * table.axes).sum(1)
