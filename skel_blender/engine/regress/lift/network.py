# SPDX-License-Identifier: GPL-3.0-or-later
"""The lifting network: features of all frames of a track in, rotations, place, limb lengths and their uncertainty out.

Convolutions in time over the whole track, its ends repeated: a frame's answer depends on the frames within `reach` and on nothing else,
so there are no windows and no seams. What it says of a mirrored person is exactly the mirror image: both are asked and averaged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional

from ....anatomy import DOF_INDEX, DOFS
from ...body.stance import relaxed_pose
from ..orthonormal import orthonormal
from .features import COUNT, mirror_table

ROTATED = ("pelvis", "shoulder_r", "shoulder_l")  # joints that are answered as rotations; all other DoFs as angles
ANGLES = tuple(dof.index for dof in DOFS if not dof.name.startswith(("pelvis", "shoulder")))
SHOULDERS = {side: [DOF_INDEX[f"shoulder_{side}_{axis}"] for axis in "xyz"] for side in "rl"}
# Lengths whose logarithms against the mean body's are answered: pairs of joints, of the right side where there are two.
LENGTHS = (("humerus_r", "ulna_r"), ("ulna_r", "hand_r"), ("femur_r", "tibia_r"), ("tibia_r", "talus_r"), ("talus_r", "toes_r"),
           ("femur_r", "femur_l"), ("humerus_r", "humerus_l"), ("pelvis", "thorax"), ("thorax", "head"))  # fmt: skip
_PLACE = 3  # of mid-hip in local axes: metres to the right and up of the ray, logarithm of the depth's factor
# An answer's numbers: 6 of each of ROTATED, ANGLES, place, LENGTHS, and logarithms of sigma of each of ROTATED and ANGLES.
SIZES = (6 * len(ROTATED), len(ANGLES), _PLACE, len(LENGTHS), len(ROTATED) + len(ANGLES))
_SHAPE_SCALE, _PLACE_SCALE = 0.1, 0.3


@dataclass(frozen=True)
class Size:
    """How big a network is. Half a kernel times each dilation, added up, is its reach in frames."""

    width: int = 384
    inner: int = 768
    kernel: int = 5
    dilations: tuple[int, ...] = (1, 1, 2, 4, 8)

    @property
    def reach(self) -> int:
        return self.kernel // 2 * sum(self.dilations)

    def as_dict(self) -> dict:
        return asdict(self)


class Answer(tuple):
    """rotations (B,T,3,3,3) of ROTATED, angles (B,T,37) rad, place (B,T,3), lengths (B,T,9), log_sigma (B,T,40)."""

    rotations = property(lambda self: self[0])
    angles = property(lambda self: self[1])
    place = property(lambda self: self[2])
    lengths = property(lambda self: self[3])
    log_sigma = property(lambda self: self[4])


class _Block(nn.Module):
    """Each channel is mixed in time, then the channels in each frame."""

    def __init__(self, size: Size, dilation: int) -> None:
        super().__init__()
        self.time = nn.Parameter(torch.zeros(size.kernel, size.width))
        self.norm = nn.LayerNorm(size.width)
        self.up, self.down = nn.Linear(size.width, size.inner), nn.Linear(size.inner, size.width)
        self.dilation = dilation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side = len(self.time) // 2 * self.dilation
        count = x.shape[1]
        padded = torch.cat([x[:, :1].expand(-1, side, -1), x, x[:, -1:].expand(-1, side, -1)], 1)
        mixed = x
        for k, weight in enumerate(self.time):
            mixed = torch.addcmul(mixed, padded[:, k * self.dilation : k * self.dilation + count], weight)
        return x + self.down(functional.gelu(self.up(self.norm(mixed)), approximate="tanh"))


class LiftNetwork(nn.Module):
    """The network; see the module's text. `mean` and `spread` (COUNT,) of the features are part of its weights."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(COUNT))
        self.register_buffer("spread", torch.ones(COUNT))
        self.stem = nn.Linear(COUNT, size.width)
        self.blocks = nn.ModuleList(_Block(size, dilation) for dilation in size.dilations)
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, sum(SIZES))
        for name, values in (("features_of", mirror_table()), ("answers_of", _mirrored_answers())):
            self.register_buffer(f"{name}_mirrored", values[0], persistent=False)
            self.register_buffer(f"{name}_signs", values[1], persistent=False)
        self.register_buffer("start", _start(), persistent=False)

    def forward(self, values: torch.Tensor) -> Answer:
        """Of features (B,T,COUNT), as they are."""
        return self._answer(self._raw(values))

    def symmetric(self, values: torch.Tensor) -> Answer:
        """The mean of what is said of the person and of the mirror image."""
        mirrored = values[..., self.features_of_mirrored] * self.features_of_signs
        own, other = self._raw(torch.cat([values, mirrored])).chunk(2)
        return self._answer(0.5 * (own + other[..., self.answers_of_mirrored] * self.answers_of_signs))

    def _raw(self, values: torch.Tensor) -> torch.Tensor:
        x = self.stem(((values - self.mean) / self.spread).clamp(-8.0, 8.0))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).float()

    def _answer(self, raw: torch.Tensor) -> Answer:
        rotations, angles, place, lengths, log_sigma = raw.split(SIZES, -1)
        turns, rest = (self.start[: SIZES[0]], self.start[SIZES[0] :])
        return Answer((orthonormal((rotations + turns).unflatten(-1, (len(ROTATED), 2, 3))), angles + rest, _PLACE_SCALE * place,
                       _SHAPE_SCALE * lengths, log_sigma.clamp(-5.0, 2.0) - 1.0))  # fmt: skip


def _start() -> torch.Tensor:
    """What an answer of zeros means: the pelvis faces as the trunk does, the relaxed stance."""
    pose = torch.as_tensor(relaxed_pose()).float()
    turns = [torch.eye(3)[:2].flatten()]
    for side in "rl":
        about_x = pose[SHOULDERS[side][0]]
        turns.append(torch.tensor([1.0, 0, 0, 0, about_x.cos(), -about_x.sin()]))
    return torch.cat([*turns, pose[list(ANGLES)]])


def _mirrored_answers() -> tuple[torch.Tensor, torch.Tensor]:
    """(sum(SIZES),) which number of an answer each of the mirrored answer's is, and its sign.

    The pelvis is mirrored at x, in local axes, a shoulder's rotation at z, the side of its joint's frame.
    """
    sign = [1.0, -1, -1, -1, 1, 1] + 4 * [1.0, 1, -1]
    index = [*range(6), *range(12, 18), *range(6, 12)]
    partner = [ANGLES.index(DOFS[dof].mirror) for dof in ANGLES]
    index += [18 + k for k in partner]
    sign += [float(DOFS[dof].mirror_sign) for dof in ANGLES]
    index += range(len(index), len(index) + _PLACE + len(LENGTHS))
    sign += [-1.0] + [1.0] * (_PLACE - 1 + len(LENGTHS))
    start = len(index)
    index += [start, start + 2, start + 1] + [start + len(ROTATED) + k for k in partner]
    sign += [1.0] * SIZES[-1]
    return torch.tensor(index), torch.tensor(sign)
