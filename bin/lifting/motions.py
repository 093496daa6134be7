# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of motion to learn from: drawn from the labels, at other rates and speeds, mirrored, mixed and varied."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from bin.lifting.labels import Labels
from bin.lifting.postures import moving
from skel_blender.anatomy import DOF_INDEX, DOFS, LIMITS_ANATOMICAL, Q

_RATES = torch.tensor([24.0, 25.0, 30.0, 50.0, 60.0])
_RATE_SHARES = torch.tensor([0.15, 0.2, 0.4, 0.1, 0.15])
_SPEEDS, _USUAL_SPEEDS = 2.0, 1.25  # the factor, either way, of half of the windows each
_MIXED = 0.2  # share of windows whose legs, and whose arms, are another window's
_LEGS, _ARMS = slice(3, 17), slice(26, 46)
_STRAIGHTENED, _STRAIGHTER = 0.7, 25.0  # share of windows whose knees are straightened, degrees at most
_ODD, _ODD_SPREAD = 0.15, 0.35  # share of windows with an unusual posture, rad
_POSTURED = 0.12  # share of windows whose posture is made up
_KNOTS = 4  # of the smooth variation in a window
# How far angles are varied (rad): much where motion capture's joint centres tell nothing, little elsewhere.
_VARIED = {"head": 0.35, "scapula": 0.12, "pro_sup": 0.5, "wrist": 0.3, "subtalar": 0.15, "mtp": 0.25, "lumbar": 0.12, "thorax": 0.12}
_USUAL_VARIED = 0.07


@dataclass(frozen=True)
class Windows:
    """poses (B,T,46) rad as another body may take them over; fps (B,) of the footage that shows them."""

    poses: torch.Tensor
    fps: torch.Tensor


class Motions:
    """Labels to draw windows from. Subjects count by the square root of their minutes, so that nobody's walking fills the set."""

    def __init__(self, labels: Labels) -> None:
        self.poses, self.fps = torch.as_tensor(labels.poses).float(), labels.fps
        self.first = torch.as_tensor(labels.starts[:-1])
        self.length = torch.as_tensor(labels.starts[1:]) - self.first
        numbers = torch.tensor([sorted(set(labels.subjects)).index(subject) for subject in labels.subjects])
        minutes = torch.zeros(int(numbers.max()) + 1).index_add_(0, numbers, self.length.float())
        self.share = self.length / minutes[numbers].sqrt()

    def plain(self, count: int, frames: int, random: torch.Generator) -> Windows:
        """Windows as they were captured."""
        return Windows(*self._drawn(count, frames, torch.full((count,), self.fps), torch.ones(count), random))

    def varied(self, count: int, frames: int, random: torch.Generator, postured: float = _POSTURED) -> Windows:
        """Windows with all that the module's text says; `postured` is the share of made-up postures."""
        fps = _RATES[torch.multinomial(_RATE_SHARES, count, True, generator=random)]
        widest = torch.where(torch.rand(count, generator=random) < 0.5, _SPEEDS, _USUAL_SPEEDS)
        speed = widest ** (2 * torch.rand(count, generator=random) - 1)
        poses, fps = self._drawn(count, frames, fps, speed, random)
        other = poses[torch.randperm(count, generator=random)]
        for dofs in (_LEGS, _ARMS):
            mixed = torch.rand(count, 1, 1, generator=random) < _MIXED
            poses[..., dofs] = torch.where(mixed, other[..., dofs], poses[..., dofs])
        poses = _straightened(poses, random)
        made_up = torch.rand(count, 1, 1, generator=random) < postured
        poses = torch.where(made_up, moving(count, frames, random), poses)
        mirrored = torch.rand(count, 1, 1, generator=random) < 0.5
        poses = torch.where(mirrored, mirror(poses), poses)
        low, up = torch.tensor(LIMITS_ANATOMICAL).T
        return Windows((poses + _variation(count, frames, random)).clamp(low, up), fps)

    def _drawn(self, count: int, frames: int, fps: torch.Tensor, speed: torch.Tensor, random: torch.Generator
               ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        clip = torch.multinomial(self.share, count, True, generator=random)
        last = (self.length[clip] - 1).float()
        step = speed * self.fps / fps
        start = torch.rand(count, generator=random) * (last - step * (frames - 1)).clamp(min=0)
        when = torch.minimum(start[:, None] + step[:, None] * torch.arange(frames), last[:, None])
        before = torch.minimum(when.floor(), last[:, None] - 1).clamp(min=0).long()
        share = (when - before)[..., None].clamp(0, 1)
        rows = self.first[clip][:, None] + before
        after = torch.minimum(rows + 1, (self.first + self.length - 1)[clip][:, None])
        return self.poses[rows] * (1 - share) + self.poses[after] * share, fps


def mirror(poses: torch.Tensor) -> torch.Tensor:
    """(...,46) of the person seen in a mirror."""
    return poses[..., [dof.mirror for dof in DOFS]] * torch.tensor([float(dof.mirror_sign) for dof in DOFS])


def smooth(shape: tuple[int, ...], frames: int, random: torch.Generator) -> torch.Tensor:
    """(*shape[:-1],frames,shape[-1]) unit noise that changes slowly: straight lines between a few knots."""
    knots = torch.randn(*shape[:-1], _KNOTS, shape[-1], generator=random)
    when = torch.linspace(0, _KNOTS - 1, frames)
    before = when.floor().clamp(max=_KNOTS - 2).long()
    share = (when - before)[:, None]
    return knots[..., before, :] * (1 - share) + knots[..., before + 1, :] * share


def _straightened(poses: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Windows (B,T,46) some of which have straighter legs, hip and ankle half as much each, so that feet stay below the hips: knees of
    motion capture are hardly ever straight, those of people who stand are."""
    count = len(poses)
    chosen = torch.rand(count, 1, generator=random) < _STRAIGHTENED
    most = chosen * math.radians(_STRAIGHTER) * torch.rand(count, 1, generator=random)
    result = poses.clone()
    for side in "rl":
        knee, hip, ankle = (DOF_INDEX[f"{name}_{side}"] for name in ("knee_angle", "hip_flexion", "ankle_angle"))
        less = torch.minimum(poses[..., knee], most).clamp(min=0)
        result[..., knee] -= less
        result[..., hip] -= 0.5 * less
        result[..., ankle] -= 0.5 * less
    return result


def _variation(count: int, frames: int, random: torch.Generator) -> torch.Tensor:
    """(B,T,46) rad; none of the pelvis, which the camera's place turns."""
    spread = torch.tensor([next((v for prefix, v in _VARIED.items() if dof.name.startswith(prefix)), _USUAL_VARIED) for dof in DOFS])
    constant, slow = torch.randn(count, 1, Q, generator=random), smooth((count, Q), frames, random)
    odd = (torch.rand(count, 1, 1, generator=random) < _ODD) * _ODD_SPREAD * torch.randn(count, 1, Q, generator=random)
    varied = spread * (0.8 * constant + 0.6 * slow) + odd
    varied[..., :3] = 0.0
    return varied
