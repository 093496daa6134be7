# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's kinematic chain for batches, with its gradients worked out by hand: what posing a body costs beside the skin.

Forward: one Rodrigues formula for all 46 axes, products joint by joint of a chain level at once, and the positions as one product with
the table of ancestors. Backward: forces and torques. A small turn of a joint moves all below it like a rigid body, so its gradient is
the torque that the gradients of everything below exert about it; the sums over subtrees are again one product with that table.
Everything here is joint-major, (24,B,...), so that a level's joints lie beside each other in memory. Formulas: Keller et al. 2023
(SKEL), section 3; Seth et al. 2016 for the shoulder blade.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch

from ...anatomy import DOFS, DOFS_OF_JOINT, PARENTS, J, Q
from .couplings import coupling_gradients, couplings


def _levels() -> list[list[int]]:
    """Joints by depth; within a level those whose parents are next to each other are too, so that slices do for most look-ups."""
    depth = [0] * J
    for joint in range(1, J):
        depth[joint] = depth[PARENTS[joint]] + 1
    levels = [[j for j in range(J) if depth[j] == d] for d in range(max(depth) + 1)]
    has_child = set(PARENTS)
    return [sorted(level, key=lambda j: (j in has_child, j)) for level in levels]


LEVELS = _levels()
_ORDER = [joint for level in LEVELS for joint in level]  # the chain's own order
_BY_DOFS = sorted(range(J), key=lambda j: -len(DOFS_OF_JOINT[j]))  # joints with three DoFs first, so that a slot's are a slice
_SLOTS = [[j for j in _BY_DOFS if len(DOFS_OF_JOINT[j]) > slot] for slot in range(3)]
_COUNTS = [len(slot) for slot in _SLOTS]


class _Tables(NamedTuple):
    """Constants in one precision on one device."""

    dofs: torch.Tensor  # (46,) DoF of each row below, slot by slot
    axes: torch.Tensor  # (46,3) unit
    lengths: torch.Tensor  # (46,1) of the axes before; angles are multiplied by them
    basis: torch.Tensor  # (46,2,9) [K, K^2] of each axis
    back: torch.Tensor  # (46,) row of each DoF
    parent_slots: list[torch.Tensor | slice]  # of each level in the one above
    order: torch.Tensor  # (24,) joints in chain order
    from_dofs: torch.Tensor  # (24,) row of each joint in _BY_DOFS
    by_dofs: torch.Tensor  # (24,) joints of _BY_DOFS
    from_order: torch.Tensor  # (24,) row of each joint in chain order
    parents: torch.Tensor  # (24,) the root counts as its own
    descends: torch.Tensor  # (24,24) 1 where the row's joint is, or hangs on, the column's
    differences: torch.Tensor  # (24,24) rest joints to offsets from the parent


@lru_cache(maxsize=8)
def _tables(dtype: torch.dtype, device: torch.device) -> _Tables:
    dofs = [DOFS_OF_JOINT[joint][slot] for slot, joints in enumerate(_SLOTS) for joint in joints]
    axes = torch.tensor([dof.axis for dof in dofs], dtype=torch.float64)
    lengths = axes.norm(dim=-1, keepdim=True)
    axes = axes / lengths
    cross = torch.linalg.cross(axes[:, None].expand(-1, 3, -1), torch.eye(3, dtype=torch.float64).expand(Q, 3, 3)).mT
    descends, differences = torch.eye(J, dtype=torch.float64), torch.eye(J, dtype=torch.float64)
    for joint in range(1, J):
        descends[joint] += descends[PARENTS[joint]]
        differences[joint, PARENTS[joint]] = -1.0

    def real(values: torch.Tensor) -> torch.Tensor:
        return values.to(device=device, dtype=dtype)

    def index(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, device=device)

    return _Tables(
        dofs=index([dof.index for dof in dofs]), axes=real(axes), lengths=real(lengths),
        basis=real(torch.stack([cross, cross @ cross], 1).reshape(Q, 2, 9)), back=index([dofs.index(dof) for dof in DOFS]),
        parent_slots=[_run(index([above.index(PARENTS[j]) for j in level])) for above, level in zip(LEVELS, LEVELS[1:])],
        order=index(_ORDER), from_dofs=index([_BY_DOFS.index(j) for j in range(J)]), by_dofs=index(_BY_DOFS),
        from_order=index([_ORDER.index(j) for j in range(J)]), parents=index([max(p, 0) for p in PARENTS]),
        descends=real(descends), differences=real(differences),
    )  # fmt: skip


def _run(index: torch.Tensor) -> torch.Tensor | slice:
    """The slice that picks the same, where there is one."""
    first = int(index[0])
    return slice(first, first + len(index)) if index.tolist() == list(range(first, first + len(index))) else index


def articulate(
    poses: torch.Tensor, rest: torch.Tensor, frames: torch.Tensor, trans: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pose B skeletons: poses (B,46) rad, rest joints (N,24,3) m, joint frames (N,24,3,3), trans (B,3) m, where N is 1 or B.

    Returns rotations from the T pose (24,B,3,3), positions (24,B,3) m, and each joint's own rotation in model axes (24,B,3,3).
    Differentiable once. The gradient by `frames` is that of turning them, as they stay rotations.
    """
    return _Articulate.apply(poses, rest, frames, trans)


class _Articulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, poses: torch.Tensor, rest: torch.Tensor, frames: torch.Tensor, trans: torch.Tensor) -> tuple[torch.Tensor, ...]:
        table = _tables(poses.dtype, poses.device)
        batch = len(poses)
        by_joint = rest.transpose(0, 1)
        axial = frames.transpose(0, 1).expand(J, batch, 3, 3).reshape(J * batch, 3, 3)
        turns, own = _own_rotations(table, poses.t())
        local = torch.bmm(torch.bmm(axial, own.view(-1, 3, 3)), axial.mT).view(J, batch, 3, 3)
        chained, rotations = _chained(table, local)
        offsets = torch.matmul(table.differences, by_joint.reshape(J, -1)).view(by_joint.shape).expand(J, batch, 3).contiguous()
        shifts, slopes = couplings(poses, rest)
        offsets.index_add_(0, shifts.joints, shifts.values)
        above = rotations.index_select(0, table.parents)
        above[0] = torch.eye(3, dtype=poses.dtype, device=poses.device)
        steps = torch.bmm(above.view(-1, 3, 3), offsets.view(-1, 3, 1))
        positions = torch.matmul(table.descends, steps.view(J, -1)).view(J, batch, 3).add_(trans)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(poses, rest, frames, turns, local, rotations, above, positions, *slopes)
        ctx.set_materialize_grads(False)
        return rotations, positions, local

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, by_rotations: torch.Tensor | None, by_positions: torch.Tensor | None, by_local: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        poses, rest, frames, turns, local, rotations, above, positions, *slopes = ctx.saved_tensors
        table = _tables(poses.dtype, poses.device)
        batch = len(poses)
        forces, torques = _below(table, positions, rotations, by_positions, by_rotations)
        pair = torch.matmul(above.mT, torch.stack([forces, torques], -1))  # both in the parent's turned axes
        push, turn = pair[..., 0], pair[..., 1]
        if by_local is not None:
            turn = turn + torch.linalg.cross(local, by_local, dim=-2).sum(-1)
        after = torch.matmul(local.mT, turn[..., None])
        axial = frames.transpose(0, 1)
        by_angle = _by_angles(table, turns, torch.matmul(axial.mT, after)[..., 0])
        by_poses = by_angle.index_select(0, table.back).t()
        by_coupled, by_rest = coupling_gradients(poses, rest, push, slopes)
        by_poses = by_poses + by_coupled
        by_rest = by_rest + torch.matmul(table.differences.t(), push.reshape(J, -1)).view(J, batch, 3).transpose(0, 1)
        by_frames = None
        if ctx.needs_input_grad[2]:
            by_turn = (turn - after[..., 0]).transpose(0, 1)
            if len(frames) != batch:
                by_turn = by_turn.sum(0, keepdim=True)
            by_frames = torch.linalg.cross(0.5 * by_turn[..., None].expand_as(frames), frames, dim=-2)
        if len(rest) != batch:
            by_rest = by_rest.sum(0, keepdim=True)
        return by_poses, by_rest, by_frames, forces[0]


def _own_rotations(table: _Tables, angles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Angles (46,B) -> rotations of each DoF (46,B,3,3), slot by slot, and of each joint in its own frame (24,B,3,3)."""
    batch = angles.shape[1]
    angles = angles.index_select(0, table.dofs) * table.lengths
    half = torch.sin(0.5 * angles)
    parts = torch.stack([torch.sin(angles), 2.0 * half * half], -1)
    turns = torch.bmm(parts, table.basis)
    turns[..., 0::4] += 1.0
    turns = turns.view(Q, batch, 3, 3)
    own = turns[:J].clone()
    first = J
    for count in _COUNTS[1:]:
        later = turns[first : first + count].reshape(-1, 3, 3)
        own[:count] = torch.bmm(later, own[:count].reshape(-1, 3, 3)).view(count, batch, 3, 3)
        first += count
    return turns, own.index_select(0, table.from_dofs)


def _chained(table: _Tables, local: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Local rotations (24,B,3,3) multiplied down the chain, in chain order and in that of the joints."""
    batch = local.shape[1]
    steps = local.index_select(0, table.order)
    chained = torch.empty_like(steps)
    chained[0] = steps[0]
    start, end = 0, 1
    for slots, level in zip(table.parent_slots, LEVELS[1:]):
        above = chained[start:end]
        above = above[slots] if isinstance(slots, slice) else above.index_select(0, slots)
        start, end = end, end + len(level)
        torch.bmm(above.reshape(-1, 3, 3), steps[start:end].view(-1, 3, 3), out=chained[start:end].view(-1, 3, 3))
    return chained, chained.index_select(0, table.from_order).view(J, batch, 3, 3)


def _below(
    table: _Tables, positions: torch.Tensor, rotations: torch.Tensor, by_positions: torch.Tensor | None, by_rotations: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over what hangs on each joint: force (24,B,3), and torque (24,B,3) about the joint, of the gradients."""
    forces = torch.zeros_like(positions) if by_positions is None else by_positions
    arms = positions - positions[:1]  # about the pelvis, as far positions would cost digits
    torques = torch.linalg.cross(arms, forces, dim=-1)
    if by_rotations is not None:
        torques = torques + torch.linalg.cross(rotations, by_rotations, dim=-2).sum(-1)
    both = torch.stack([forces, torques])
    sums = torch.matmul(table.descends.t(), both.view(2, J, -1)).view(both.shape)
    return sums[0], sums[1] - torch.linalg.cross(arms, sums[0], dim=-1)


def _by_angles(table: _Tables, turns: torch.Tensor, torque: torch.Tensor) -> torch.Tensor:
    """(46,B) derivative by each angle, slot by slot, of the torque (24,B,3) on each joint in its turned frame."""
    slots = [torque.index_select(0, table.by_dofs)]
    first = 0
    for count in _COUNTS[1:]:
        slots.append(torch.matmul(turns[first : first + count], slots[-1][:count, ..., None])[..., 0])
        first += len(slots[-2])
    return (torch.cat(slots) * table.axes[:, None]).sum(-1) * table.lengths
