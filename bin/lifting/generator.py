# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches to learn from: windows of motion on bodies of both sexes, seen by cameras from all sides, told with a landmarker's errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch.utils.data import Dataset

from bin.lifting.cameras import about, cameras
from bin.lifting.errors import Known, landmarked
from bin.lifting.motions import Motions, mirror
from bin.lifting.pictures import SEXES, Pictures
from skel_blender.anatomy import JOINT_INDEX, LIMITS_ANATOMICAL, PARENTS, Q
from skel_blender.engine.blazepose import PARTNERS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.body.articulate import articulate
from skel_blender.engine.body.skeleton import Skeleton
from skel_blender.engine.camera import toward
from skel_blender.engine.regress.lift.features import features
from skel_blender.engine.regress.lift.network import LENGTHS

_SHAPES = 0.8  # standard deviation of the betas
_PICTURED = 0.5  # share of windows whose errors are those of a picture
_HELD, _HELD_NOISE, _MOVING_NOISE = 0.4, 0.15, 0.7  # share of these that are still, and the noise on top of the picture's errors
# How far from the picture's: angles in rad, betas, logarithm of the distance, roll in degrees.
_OTHER_POSE, _OTHER_SHAPE, _OTHER_DISTANCE, _OTHER_ROLL = 0.06, 0.3, 0.1, 8.0
_SEED_STEP = 1_000_003


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


@dataclass(frozen=True)
class Scenes:
    """B windows of T frames before anybody looks: poses (B,T,46) rad, fps (B,), betas (B,10), rotations from the world to the camera
    (B,T,3,3), mid-hip in camera axes (B,T,3) m, the image's border (B,2) at focal length 1, and what is known of the errors."""

    poses: torch.Tensor
    fps: torch.Tensor
    betas: torch.Tensor
    view: torch.Tensor
    place: torch.Tensor
    border: torch.Tensor
    known: Known


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

    def __init__(self, motions: Motions, seed: int, size: int, frames: int, count: int, varied: bool = True,
                 pictures: Pictures | None = None) -> None:  # fmt: skip
        self.motions, self.seed, self.size, self.frames, self.count, self.varied = motions, seed, size, frames, count, varied
        self.figures = [Figures(load_body("open", sex)) for sex in SEXES]
        self.pictures = [pictures and pictures.rows(pictures.female == female) for female in (False, True)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Batch:
        random = torch.Generator().manual_seed(self.seed * _SEED_STEP + number)  # the generator hears of 32 bits only
        halves = (self.size - self.size // 2, self.size // 2)
        with torch.no_grad():
            parts = [_batch(scenes, figures, random) for half, figures, pictures in zip(halves, self.figures, self.pictures)
                     for scenes in self._scenes(half, pictures, random)]  # fmt: skip
        return Batch(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Batch)))

    def _scenes(self, count: int, pictures: Pictures | None, random: torch.Generator) -> list[Scenes]:
        draw = self.motions.varied if self.varied else self.motions.plain
        pictured = round(_PICTURED * count) if pictures else 0
        windows = draw(count - pictured, self.frames, random)
        betas = (_SHAPES * torch.randn(count - pictured, 10, generator=random)).clamp(-2, 2)
        where = cameras(count - pictured, self.frames, windows.fps, self.varied, random)
        scenes = [Scenes(windows.poses, windows.fps, betas, *where, Known.nothing(count - pictured))]
        if pictured:
            scenes.append(_pictured(pictures.rows(torch.randint(len(pictures), (pictured,), generator=random)), random))
        return scenes


def _pictured(told: Pictures, random: torch.Generator) -> Scenes:
    """Windows about pictures, turned a little, from another distance, anywhere in the image; half of them mirrored."""
    count, frames = told.poses.shape[:2]

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=random)

    mirrored = torch.rand(count, generator=random) < 0.5
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    side, other = mirrored[:, None, None], PARTNERS
    poses = torch.where(side, mirror(told.poses), told.poses)
    view = torch.where(side, flip @ told.view @ flip, told.view)
    image = torch.where(side, told.image[:, other] @ flip[:2, :2], told.image)
    metric = torch.where(side, told.metric[:, other] @ flip, told.metric)
    confidence = torch.where(mirrored[:, None], told.confidence[:, other], told.confidence)
    held = torch.rand(count, generator=random) < _HELD
    poses = torch.where(held[:, None, None], poses[:, frames // 2, None], poses) + _OTHER_POSE * normal(1, Q)
    low, up = torch.tensor(LIMITS_ANATOMICAL).T
    roll = about(torch.eye(3)[2], math.radians(_OTHER_ROLL) * normal())
    _, place, border = cameras(count, frames, told.fps, True, random)
    middle = place[:, frames // 2]
    distance = told.distance * (_OTHER_DISTANCE * normal()).exp()
    place = place * (distance / middle.norm(dim=-1))[:, None, None]
    known = Known(image @ roll.mT[:, :2, :2], metric @ roll.mT, confidence, torch.ones(count),
                  torch.where(held, _HELD_NOISE, _MOVING_NOISE))  # fmt: skip
    view = (toward(middle) @ roll @ view)[:, None].expand(-1, frames, -1, -1)
    betas, boundless = told.betas + _OTHER_SHAPE * normal(10), torch.full_like(border, math.inf)
    return Scenes(poses.clamp(low, up), told.fps, betas, view, place, boundless, known)


def _batch(scenes: Scenes, figures: Figures, random: torch.Generator) -> Batch:
    count, frames = scenes.poses.shape[:2]
    posed = figures.posed(scenes.poses.flatten(0, 1), scenes.betas.repeat_interleave(frames, 0))
    joints, rotations, markers = (part.unflatten(0, (count, frames)) for part in posed)
    hips = markers[..., [23, 24], :].mean(-2, keepdim=True)
    seen = landmarked((markers - hips) @ scenes.view.mT + scenes.place[..., None, :], scenes.border, scenes.fps, random, scenes.known)
    shown, local = features(seen.keypoints, seen.landmarks, seen.observed, torch.eye(3), scenes.fps)
    to_local = local.turns.mT @ scenes.view
    where = (local.turns.mT @ scenes.place[..., None])[..., 0]
    above = list(PARENTS[1:])
    offsets = torch.zeros_like(joints)
    offsets[:, :, 1:] = (rotations[:, :, above].mT @ (joints[:, :, 1:] - joints[:, :, above])[..., None])[..., 0]
    target = torch.cat([where[..., :2], (-where[..., 2:]).clamp(min=0.2).log() - local.depth.log()[..., None]], -1)
    return Batch(shown, scenes.poses, local.facing.mT @ to_local @ rotations[:, :, 0], local.facing, target.clamp(-1, 1),
                 figures.lengths(scenes.betas), offsets, (joints - joints[:, :, :1]) @ to_local.mT)  # fmt: skip
