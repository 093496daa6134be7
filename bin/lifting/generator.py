# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches to learn from: windows of motion on bodies of both sexes, seen by cameras from all sides, told with a landmarker's errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch.utils.data import Dataset

from bin.lifting.errors import landmarked
from bin.lifting.motions import Motions, Windows
from skel_blender.anatomy import JOINT_INDEX, PARENTS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.body.articulate import articulate
from skel_blender.engine.body.skeleton import Skeleton
from skel_blender.engine.regress.lift.features import features
from skel_blender.engine.regress.lift.network import LENGTHS

SEXES = ("male", "female")
_SHAPES = 0.8  # standard deviation of the betas
_FOV, _DISTANCE = (25.0, 90.0), (1.5, 12.0)  # degrees across the longer side, m
_PITCH, _ROLL = (6.0, 12.0), 5.0  # degrees: mean and deviation of most cameras' pitch (down), deviation of their roll
_ANY_PITCH, _ANY_PITCHES, _ANY_ROLL, _ANY_ROLLS = 0.25, (-60.0, 80.0), 0.12, 180.0  # shares of cameras that are anything
_TUMBLED, _SPUN, _SPIN = 0.12, 0.04, (2.0, 8.0)  # shares of windows in which the person is turned anyhow, and turns, rad/s
_SPEED = 0.8  # m/s, along each axis
_CENTRED, _ANYWHERE = 0.6, 0.15  # part of the image that most people's hips are in; share of people who may be at its very border
_SEED_STEP = 1_000_003
_ASPECTS = torch.tensor([[1.0, 9 / 16], [1.0, 3 / 4], [9 / 16, 1.0]])


@dataclass(frozen=True)
class Batch:
    """B windows of T frames: what the network is shown, and what it should have said. Axes are local (features.py)."""

    values: torch.Tensor  # (B,T,COUNT)
    poses: torch.Tensor  # (B,T,46) rad
    pelvis: torch.Tensor  # (B,T,3,3) from the T pose, seen from the trunk as the landmarks show it
    facing: torch.Tensor  # (B,T,3,3) that trunk in local axes
    place: torch.Tensor  # (B,T,3) of mid-hip: m right and up, logarithm of the depth's factor
    lengths: torch.Tensor  # (B,9) logarithms against the mean body's
    offsets: torch.Tensor  # (B,T,24,3) m of the joints in their parents
    joints: torch.Tensor  # (B,T,24,3) m about the pelvis


class Figures:
    """A body in single precision, as fast to pose as training needs."""

    def __init__(self, body: BodyModel) -> None:
        if not body.markers.is_rigid:
            raise ValueError("the lifting network learns from bodies whose landmarks ride one joint each")
        single = body.to(torch.float32)
        self.rest, self.by_betas = single.J_template, single.J_shapedirs
        self.skeleton = Skeleton.of(self.rest, self.by_betas, single.rest_frames, single.bone_frames)
        self.rides = body.markers.joint
        self.arm = single.markers.template - self.rest[self.rides]
        self.arm_by_betas = single.markers.shapedirs - self.by_betas[self.rides]

    def posed(self, poses: torch.Tensor, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Joints (F,24,3), their rotations (F,24,3,3) and landmarks (F,33,3) of poses (F,46) and betas (F,10)."""
        joints, rotations, _, _ = articulate(self.skeleton, poses, betas, torch.zeros_like(poses[:, :3]))
        rotations = rotations.permute(3, 0, 1, 2)
        arms = self.arm + torch.einsum("kib,fb->fki", self.arm_by_betas, betas)
        return joints, rotations, joints[:, self.rides] + (rotations[:, self.rides] * arms[:, :, None]).sum(-1)

    def lengths(self, betas: torch.Tensor) -> torch.Tensor:
        """(B,9) logarithms of LENGTHS against the mean body's."""
        first, second = ([JOINT_INDEX[pair[end]] for pair in LENGTHS] for end in (0, 1))
        steps = self.rest[first] - self.rest[second]
        by_betas = self.by_betas[first] - self.by_betas[second]
        return ((steps + torch.einsum("lib,nb->nli", by_betas, betas)).norm(dim=-1) / steps.norm(dim=-1)).log()


class Batches(Dataset):
    """Batch number i is a function of the seed and i alone."""

    def __init__(self, motions: Motions, seed: int, size: int, frames: int, count: int, varied: bool = True) -> None:
        self.motions, self.seed, self.size, self.frames, self.count, self.varied = motions, seed, size, frames, count, varied
        self.figures = [Figures(load_body("open", sex)) for sex in SEXES]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Batch:
        random = torch.Generator().manual_seed(self.seed * _SEED_STEP + number)  # the generator hears of 32 bits only
        draw = self.motions.varied if self.varied else self.motions.plain
        halves = (self.size - self.size // 2, self.size // 2)
        with torch.no_grad():
            parts = [_batch(draw(half, self.frames, random), figures, self.varied, random) for half, figures in zip(halves, self.figures)]
        return Batch(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Batch)))


def _batch(windows: Windows, figures: Figures, varied: bool, random: torch.Generator) -> Batch:
    count, frames = windows.poses.shape[:2]
    betas = (_SHAPES * torch.randn(count, 10, generator=random)).clamp(-2, 2)
    posed = figures.posed(windows.poses.flatten(0, 1), betas.repeat_interleave(frames, 0))
    joints, rotations, markers = (part.unflatten(0, (count, frames)) for part in posed)
    view, place, border = _camera(count, frames, windows.fps, varied, random)
    hips = markers[..., [23, 24], :].mean(-2, keepdim=True)
    seen = landmarked((markers - hips) @ view.mT + place[..., None, :], border, windows.fps, random)
    shown, local = features(seen.keypoints, seen.landmarks, seen.observed, torch.eye(3), windows.fps)
    to_local = local.turns.mT @ view
    where = (local.turns.mT @ place[..., None])[..., 0]
    above = list(PARENTS[1:])
    offsets = torch.zeros_like(joints)
    offsets[:, :, 1:] = (rotations[:, :, above].mT @ (joints[:, :, 1:] - joints[:, :, above])[..., None])[..., 0]
    target = torch.cat([where[..., :2], (-where[..., 2:]).clamp(min=0.2).log() - local.depth.log()[..., None]], -1)
    return Batch(shown, windows.poses, local.facing.mT @ to_local @ rotations[:, :, 0], local.facing, target.clamp(-1, 1),
                 figures.lengths(betas), offsets, (joints - joints[:, :, :1]) @ to_local.mT)  # fmt: skip


def _camera(count: int, frames: int, fps: torch.Tensor, varied: bool, random: torch.Generator
            ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """Rotations from the world to the camera (B,T,3,3), mid-hip in camera axes (B,T,3) m, the image's border (B,2) at focal length 1."""

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=random)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=random)

    rare = float(varied)
    pitch = torch.where(uniform(0, 1) < rare * _ANY_PITCH, uniform(*_ANY_PITCHES), _PITCH[0] + _PITCH[1] * normal())
    roll = torch.where(uniform(0, 1) < rare * _ANY_ROLL, uniform(-_ANY_ROLLS, _ANY_ROLLS), _ROLL * normal())
    axes = torch.eye(3)
    view = _about(axes[2], torch.deg2rad(roll)) @ _about(axes[0], torch.deg2rad(pitch)) @ torch.diag(torch.tensor([1.0, -1, -1]))
    view = view @ _about(axes[1], uniform(0, 2 * math.pi))
    axis = torch.nn.functional.normalize(normal(3), dim=-1)
    tumble = (uniform(0, 1) < rare * _TUMBLED) * uniform(0, math.pi)
    spin = (uniform(0, 1) < rare * _SPUN) * uniform(*_SPIN)
    time = torch.arange(frames) / fps[:, None]
    view = view[:, None] @ _about(axis[:, None], tumble[:, None] + spin[:, None] * time)
    distance = torch.exp(uniform(math.log(_DISTANCE[0]), math.log(_DISTANCE[1])))
    border = torch.tan(torch.deg2rad(uniform(*_FOV)) / 2)[:, None] * _ASPECTS[torch.randint(3, (count,), generator=random)]
    within = torch.where(uniform(0, 1) < rare * _ANYWHERE, 1.0, _CENTRED)[:, None] * border
    middle = torch.cat([within * uniform(-1, 1, 2), torch.ones(count, 1)], 1) * distance[:, None]
    path = _SPEED * normal(1, 3) * (time - time.mean(1, keepdim=True))[..., None]
    place = middle[:, None] + path
    return view, torch.cat([place[..., :2], place[..., 2:].clamp(min=1.0)], -1), border


def _about(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """(...,3,3) rotations by angle (...) about unit axes (...,3)."""
    x, y, z = axis.expand(*angle.shape, 3).unbind(-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).unflatten(-1, (3, 3))
    s, c = angle.sin()[..., None, None], angle.cos()[..., None, None]
    return torch.eye(3) + s * cross + (1 - c) * (cross @ cross)
