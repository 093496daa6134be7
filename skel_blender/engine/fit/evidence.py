# SPDX-License-Identifier: GPL-3.0-or-later
"""What a track tells about a person, and how much each part of it is trusted.

All lengths in metres: image errors are turned into metres at the person's depth, so that one scale serves near and far people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...anatomy import DOF_INDEX, Q
from ..body import BodyModel
from ..tracks import Track

LIMB_LANDMARKS = tuple(range(11, 17)) + tuple(range(23, 29))  # shoulders, elbows, wrists, hips, knees, ankles
HIPS = (23, 24)
# What a person's size is read from: upper arms, forearms, thighs, shanks and both sides of the trunk.
_SIZE_BONES = ((11, 13), (12, 14), (13, 15), (14, 16), (23, 25), (24, 26), (25, 27), (26, 28), (11, 23), (12, 24))
# Trust in a BlazePose landmark, as a factor on its weight: limbs fully; hands and the inner face are noisy or redundant.
_TRUST = np.ones(33)
_TRUST[[1, 2, 3, 4, 5, 6, 9, 10]] = 0.3
_TRUST[[0, 7, 8]] = 0.7
_TRUST[17:23] = 0.5
_TRUST[29:33] = 0.8


@dataclass(frozen=True)
class Weights:
    """Standard deviations of the fit's residuals. Rates are per second, so a clip's frame rate does not change their meaning."""

    keypoint_m: float = 0.02  # image landmarks, at the person's depth
    landmark_m: float = 0.06  # metric landmarks, across the view
    landmark_depth_m: float = 0.12  # and along it
    robust: float = 4.0  # residuals beyond this many deviations fade out (Geman-McClure)
    prior: float = 1.0  # factor on the pull to a relaxed stance
    angle_rate: float = 12.0  # rad/s, joint speeds
    angle_acceleration: float = 60.0  # rad/s2
    angle_leap: float = 0.8  # rad from a frame to the next: what goes beyond is a swap of limbs or of Euler's branches, whatever the rate
    angle_leap_spread: float = 0.02  # rad
    travel_rate: float = 5.0  # m/s
    travel_acceleration: float = 12.0  # m/s2
    contact_height_m: float = 0.006
    contact_slide_m: float = 0.004  # per frame
    below_floor_m: float = 0.01
    shape: float = 2.0


# How far a DoF strays from a relaxed stance (rad); what BlazePose does not see gets a tight one.
_SPREAD = {
    "lumbar": 0.35, "thorax": 0.3, "head": 0.6, "scapula": 0.2, "subtalar": 0.2, "mtp": 0.3, "wrist": 0.5, "pro_sup": 0.7,
    "hip_rotation": 0.6, "hip": 1.5, "knee": 1.5, "ankle": 0.5, "shoulder": 1.2, "elbow": 1.5, "pelvis": np.inf,
}  # fmt: skip
# The relaxed stance (rad) where it is not zero: arms hang at the sides, elbows a little bent.
_RELAXED = {
    "shoulder_r_x": 1.35, "shoulder_l_x": -1.35, "elbow_flexion_r": 0.3, "elbow_flexion_l": 0.3,
    "knee_angle_r": 0.1, "knee_angle_l": 0.1,
}  # fmt: skip


def relaxed_pose() -> np.ndarray:
    """(46,) the stance that the prior pulls to."""
    pose = np.zeros(Q)
    for name, angle in _RELAXED.items():
        pose[DOF_INDEX[name]] = angle
    return pose


def prior_spread() -> np.ndarray:
    """(46,) rad, infinite for the pelvis."""
    spread = np.empty(Q)
    for name, index in DOF_INDEX.items():
        spread[index] = next(value for prefix, value in _SPREAD.items() if name.startswith(prefix))
    return spread


@dataclass(frozen=True)
class View:
    """A static pinhole camera: K (3,3) px; a model-frame point X is at R X + t in camera axes (OpenCV)."""

    K: torch.Tensor
    R: torch.Tensor
    t: torch.Tensor


@dataclass(frozen=True)
class Evidence:
    """A track as tensors. T consecutive frames, `dt` seconds apart."""

    keypoints: torch.Tensor  # (T,33,2) px
    keypoint_weight: torch.Tensor  # (T,33) 0..1
    landmarks: torch.Tensor  # (T,33,3) m, camera axes, relative to the middle of the hips
    landmark_weight: torch.Tensor  # (T,33) 0..1
    view: View
    dt: float


def gather(track: Track, body: BodyModel, view: View, fps: float) -> Evidence:
    """Evidence from a track.

    A landmarker looks at a crop as if the camera pointed at it; its metric landmarks are turned by the ray to the person. It also
    guesses the person's size; as one picture cannot tell size from distance, the body's mean size is taken and proportions are fitted.
    """
    like = {"dtype": view.K.dtype, "device": view.K.device}
    keypoints = torch.as_tensor(track.keypoints_2d, **like)
    seen = torch.as_tensor(track.observed, **like)[:, None]
    trust = torch.as_tensor(_TRUST, **like)
    confidence = keypoints[..., 2].clamp(0, 1) * seen
    turned = _toward_ray(_resized(torch.as_tensor(track.landmarks_3d, **like), body), keypoints[:, list(HIPS), :2].mean(1), view.K)
    return Evidence(keypoints[..., :2], confidence * trust, turned, (0.2 * seen + 0.8 * confidence) * trust, view, 1.0 / fps)


def _resized(landmarks: torch.Tensor, body: BodyModel) -> torch.Tensor:
    """Landmarks (T,33,3) scaled so that their limbs and trunk are as long as the mean body's, in the median over the frames."""
    starts, ends = (list(indices) for indices in zip(*_SIZE_BONES))
    lengths = (landmarks[:, starts] - landmarks[:, ends]).norm(dim=-1).sum(-1).median()
    wanted = (body.markers.template[starts] - body.markers.template[ends]).norm(dim=-1).sum()
    return landmarks * (wanted / lengths)


def _toward_ray(landmarks: torch.Tensor, center: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Turn landmarks (T,33,3) by the smallest rotation that takes the optical axis to the ray through `center` (T,2) px."""
    rays = torch.stack([(center[:, 0] - K[0, 2]) / K[0, 0], (center[:, 1] - K[1, 2]) / K[1, 1], torch.ones_like(center[:, 0])], -1)
    rays = torch.nn.functional.normalize(rays, dim=-1)
    x, y, z = rays.unbind(-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, none, x, none, none, y, -x, -y, none], -1).reshape(-1, 3, 3)
    turn = torch.eye(3).to(landmarks) + cross + cross @ cross / (1 + z)[:, None, None]
    return torch.einsum("tij,tkj->tki", turn, landmarks)
