# SPDX-License-Identifier: GPL-3.0-or-later
"""Joints of what the network answers, as rotations down the chain: cheap to differentiate, the batch last."""

from __future__ import annotations

import torch

from skel_blender.anatomy import DOFS_OF_JOINT, JOINT_INDEX, PARENTS, J, Q
from skel_blender.engine.body.batchlast import apply, product
from skel_blender.engine.regress.lift.network import ANGLES, Answer

_SHOULDERS = (JOINT_INDEX["humerus_r"], JOINT_INDEX["humerus_l"])
_SLOTS = [[dofs[slot].index if slot < len(dofs) else Q for dofs in DOFS_OF_JOINT] for slot in range(3)]
# What is one, two, four joints above each; number J is nothing, whose rotation is I.
_ABOVE = [[J if parent < 0 else parent for parent in PARENTS] + [J]]
for _ in range(2):
    _ABOVE.append([_ABOVE[-1][joint] for joint in _ABOVE[-1]])


class Chain:
    """A skeleton's joint frames (24,3,3), as constants on a device."""

    def __init__(self, frames: torch.Tensor, device: torch.device | str = "cpu") -> None:
        self.frames = frames.float().to(device)[..., None]
        axes = torch.zeros(3, J, 3)
        for dofs in DOFS_OF_JOINT:
            for slot, dof in enumerate(dofs):
                axes[slot, dof.joint] = torch.tensor(dof.axis)
        x, y, z = axes.unbind(-1)
        none = torch.zeros_like(x)
        cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).unflatten(-1, (3, 3))
        hangs = torch.eye(J)
        for joint in range(1, J):
            hangs[joint] += hangs[PARENTS[joint]]
        self.cross, self.square, self.hangs = (part.to(device) for part in (cross[..., None], (cross @ cross)[..., None], hangs))
        self.eye = torch.eye(3, device=device)[None, :, :, None]
        self.angles, self.shoulders = (torch.tensor(rows, device=device) for rows in (ANGLES, _SHOULDERS))

    def joints(self, answer: Answer, facing: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """(F,24,3) m about the pelvis, of an answer's F frames, trunks (F,3,3) as landmarks show them, offsets (F,24,3) in the parents."""
        root, *shoulders = answer.rotations.permute(1, 2, 3, 0).unbind(0)
        angles = answer.angles.new_zeros(Q + 1, len(offsets)).index_copy(0, self.angles, answer.angles.t())
        turns = [self._turn(slot, angles[rows]) for slot, rows in enumerate(_SLOTS)]
        own = product(turns[2], product(turns[1], turns[0]))
        own = own.index_copy(0, self.shoulders, torch.stack(shoulders))
        local = product(product(self.frames, own), self.frames.transpose(1, 2))
        root = product(facing.permute(1, 2, 0)[None], root[None])
        rotations = torch.cat([root, local[1:], self.eye.expand(1, 3, 3, len(offsets))])
        for rows in _ABOVE:
            rotations = product(rotations[rows], rotations)
        steps = apply(rotations[_ABOVE[0][:J]], offsets.permute(1, 2, 0))
        return (self.hangs @ steps.flatten(1)).unflatten(1, (3, -1)).permute(2, 0, 1)

    def _turn(self, slot: int, angles: torch.Tensor) -> torch.Tensor:
        """(24,3,3,F) about the axes of the joints' DoFs number `slot`."""
        angles = angles[:, None, None]
        return self.eye + angles.sin() * self.cross[slot] + (1 - angles.cos()) * self.square[slot]
