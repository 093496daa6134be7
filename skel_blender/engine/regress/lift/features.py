# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lifting network is shown of each frame: landmarks as an upright camera that points at the person sees them.

The ray to the middle of the hips is taken out, and distance by the one translation under which the metric landmarks are imaged where
they were seen; so neither lens nor place in the image changes what the network sees. Local axes are the model's: x to the right of the
image, y up, z toward the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...blazepose import HIPS, LANDMARKS, PARTNERS
from ...body.landmarks import trunk_axes
from ...camera import R_CAM_LEVEL, toward

_NEAREST, _FARTHEST = 0.3, 60.0  # m
_WIDEST = 3.0  # m, tangent: what a guess beyond the image may be at most
_USUAL_FPS = 30.0
COUNT = LANDMARKS * (3 + 3 + 2 + 1) + 9 + 4


@dataclass(frozen=True)
class Local:
    """The camera that points at the person: turns (...,T,3,3) local axes to camera axes; `depth` (...,T) m of the middle of the hips
    as landmarks and image tell it; `facing` (...,T,3,3) the trunk's left, up and forward in local axes, as columns."""

    turns: torch.Tensor
    depth: torch.Tensor
    facing: torch.Tensor


class Features(NamedTuple):
    values: torch.Tensor  # (...,T,COUNT)
    local: Local


def features(keypoints: torch.Tensor, landmarks: torch.Tensor, observed: torch.Tensor, K: torch.Tensor, fps: torch.Tensor) -> Features:
    """Of tracks (...,T): keypoints_2d (...,T,33,3) px px confidence, landmarks_3d (...,T,33,3) m in the axes of a camera that points at the
    person, relative to mid-hip; observed (...,T) 0 or 1; K (3,3) or (...,T,3,3) px; fps (...)."""
    flip = torch.as_tensor(R_CAM_LEVEL).to(landmarks)
    focal = torch.stack([K[..., 0, 0], K[..., 1, 1]], -1)
    rays = torch.cat([(keypoints[..., :2] - K[..., None, :2, 2]) / focal[..., None, :], torch.ones_like(keypoints[..., :1])], -1)
    aimed = toward(rays[..., HIPS, :].mean(-2))
    turned = rays @ aimed
    seen = (turned[..., :2] / turned[..., 2:].clamp(min=0.1)).clamp(-_WIDEST, _WIDEST)
    confidence = keypoints[..., 2].clamp(0, 1) * observed[..., None]
    depth = _depth(seen, landmarks, confidence)
    along = (depth[..., None] + landmarks[..., 2]).clamp(min=0.1)
    points = torch.cat([(seen * along[..., None]).clamp(-_WIDEST, _WIDEST), landmarks[..., 2:]], -1) @ flip
    metric = landmarks @ flip
    facing = trunk_axes(metric)
    scalars = torch.stack([observed, depth.log(), 1.0 / depth, (fps[..., None] / _USUAL_FPS).log().expand_as(depth)], -1)
    parts = (points, points @ facing, points[..., :2] - metric[..., :2], confidence, facing, scalars)
    return Features(torch.cat([part.flatten(observed.dim()) for part in parts], -1), Local(aimed @ flip, depth, facing))


def mirror_table() -> tuple[torch.Tensor, torch.Tensor]:
    """(COUNT,) which feature of a person each of the mirrored person's is, and (COUNT,) its sign."""
    index, sign, start = [], [], 0
    for axes in (3, 3, 2, 1):
        index += [start + axes * PARTNERS[k] + axis for k in range(LANDMARKS) for axis in range(axes)]
        sign += [-1.0 if axis == 0 and axes > 1 else 1.0 for _ in range(LANDMARKS) for axis in range(axes)]
        start += axes * LANDMARKS
    index += range(start, COUNT)
    sign += [1, -1, -1, -1, 1, 1, -1, 1, 1, 1, 1, 1, 1]
    return torch.tensor(index), torch.tensor(sign)


def _depth(seen: torch.Tensor, landmarks: torch.Tensor, confidence: torch.Tensor) -> torch.Tensor:
    """(...,T) m: of the translation (X, Y, Z) that solves u (Z + z) = X + x by least squares, the depth. X and Y are eliminated."""
    weight = (confidence + 1e-3)[..., None]
    sides = seen * landmarks[..., 2:] - landmarks[..., :2]
    total = weight.sum(-2, keepdim=True)
    centred, wanted = (part - (weight * part).sum(-2, keepdim=True) / total for part in (seen, sides))
    depth = -(weight * centred * wanted).sum((-2, -1)) / (weight * centred.square()).sum((-2, -1)).clamp(min=1e-9)
    return depth.clamp(_NEAREST, _FARTHEST)
