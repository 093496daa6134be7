# SPDX-License-Identifier: GPL-3.0-or-later
"""A first pose from landmarks: where the body is and how it is turned; the limbs start relaxed.

No network is needed: orientation follows from hips and shoulders, the place from the one translation under which the metric
landmarks are imaged where they were seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ...anatomy import Q
from ...kinematics import axis_rotation
from ..body import BodyModel
from ..body.chain import pose_chain, pose_points
from .config import relaxed_pose
from .observations import Observations

_SHOULDERS, _HIPS = (11, 12), (23, 24)
_YAWS = (0.0, 0.5 * np.pi, np.pi, 1.5 * np.pi)
_NEAREST = 0.3  # m, a person's least distance


def first_state(body: BodyModel, seen: Observations) -> torch.Tensor:
    """(T,49) = (trans, poses) where a fit may start."""
    R = seen.view.R
    landmarks = seen.landmarks_3d @ R  # camera to model axes
    turned = pelvis_rotation(landmarks)
    poses = torch.as_tensor(relaxed_pose()).to(landmarks).repeat(len(landmarks), 1)
    frame = body.rest_frames[0]
    poses[:, :3] = torch.as_tensor(pelvis_angles((frame.T @ turned @ frame).cpu().numpy())).to(poses)
    rest = body.markers.at_rest(torch.zeros_like(body.J_shapedirs[:1, 0]))[0]
    hips = rest[list(_HIPS)].mean(0) - body.J_template[0]
    pelvis = (place(seen) - seen.view.t) @ R - turned @ hips
    return torch.cat([pelvis - body.J_template[0], poses.reshape(-1, Q)], dim=1)


def guesses(body: BodyModel, seen: Observations) -> list[torch.Tensor]:
    """States (F,49) that a fit without metric landmarks may start from: upright in the image, turned four ways, where their size says.

    The limbs are as the prior's poses, or relaxed. Raises ValueError where there is nothing to start from.
    """
    if seen.keypoints_2d is None:
        raise ValueError("without keypoints_2d a fit needs a start: pass init")
    poses = torch.as_tensor(relaxed_pose()).to(body.J_template).repeat(seen.frames, 1)
    if seen.prior_poses is not None:
        poses = torch.where(torch.isfinite(seen.prior_sigma), seen.prior_poses.to(poses), poses)
    toward = seen.view.R.T @ poses.new_tensor([[0.0, 0, 0], [0, -1, 0], [0, 0, -1]]).T  # the image's up, and the way to the camera
    facing = torch.stack([torch.linalg.cross(toward[:, 1], toward[:, 2]), toward[:, 1], toward[:, 2]], 1)
    return [_guess(body, seen, poses, facing @ torch.as_tensor(axis_rotation(np.array([0.0, 1.0, 0.0]), np.array(yaw))).to(poses))
            for yaw in _YAWS]  # fmt: skip


def _guess(body: BodyModel, seen: Observations, poses: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
    poses, frame = poses.clone(), body.rest_frames[0]
    poses[:, :3] = torch.as_tensor(pelvis_angles((frame.T @ turned @ frame)[None].cpu().numpy())).to(poses)
    none = torch.zeros_like(poses[:, 0], dtype=torch.long)
    shape = body.shape(torch.zeros_like(body.J_shapedirs[:1, 0]))
    posed = pose_chain(shape, none, poses, torch.zeros_like(poses[:, :3]))
    pelvis = posed.positions[:, :1]
    points = pose_points(shape, none, posed, seen.keypoint_points)[0] - pelvis
    found = place(replace(seen, landmarks_3d=points @ seen.view.R.T))
    return torch.cat([(found - seen.view.t) @ seen.view.R - pelvis[:, 0], poses], 1)


def pelvis_rotation(landmarks: torch.Tensor) -> torch.Tensor:
    """(T,3,3) rotation of the pelvis from the T pose, of landmarks (T,33,3) in model axes."""
    hips, shoulders = (landmarks[:, list(pair)] for pair in (_HIPS, _SHOULDERS))
    up = torch.nn.functional.normalize(shoulders.mean(1) - hips.mean(1), dim=-1)
    left = (hips[:, 0] - hips[:, 1]) + 0.5 * (shoulders[:, 0] - shoulders[:, 1])
    left = torch.nn.functional.normalize(left - (left * up).sum(-1, keepdim=True) * up, dim=-1)
    return torch.stack([left, up, torch.linalg.cross(left, up)], dim=-1)


def pelvis_angles(rotations: np.ndarray) -> np.ndarray:
    """(T,3) tilt, list, rotation of the pelvis' rotations (T,3,3) = Ry Rx Rz in its own frame, continuous in time.

    Each rotation has two triples (and their full turns); the one nearer to the frame before is taken.
    """
    tilt = np.arctan2(rotations[:, 1, 0], rotations[:, 1, 1])
    lean = np.arcsin(np.clip(-rotations[:, 1, 2], -1.0, 1.0))
    turn = np.arctan2(rotations[:, 0, 2], rotations[:, 2, 2])
    first = np.stack([tilt, lean, turn], axis=-1)
    both = np.stack([first, np.stack([tilt + np.pi, np.pi - lean, turn + np.pi], axis=-1)])
    result = first.copy()
    for t in range(1, len(first)):
        nearest = both[:, t] + 2 * np.pi * np.round((result[t - 1] - both[:, t]) / (2 * np.pi))
        result[t] = min(nearest, key=lambda angles: float(np.abs(angles - result[t - 1]).sum()))
    return result


def place(seen: Observations) -> torch.Tensor:
    """(T,3) m, camera axes: the middle of the hips by least squares of u (Z + z) = X + x over the landmarks."""
    K, landmarks = seen.view.K, seen.landmarks_3d
    u = (seen.keypoints_2d[..., :2] - K[:2, 2]) / torch.stack([K[0, 0], K[1, 1]])
    weight = (seen.keypoints_2d[..., 2] + 1e-3)[..., None]
    one, none = torch.ones_like(u[..., 0]), torch.zeros_like(u[..., 0])
    rows = torch.stack([torch.stack([one, none, -u[..., 0]], -1), torch.stack([none, one, -u[..., 1]], -1)], -2)
    sides = u * landmarks[..., 2:] - landmarks[..., :2]
    normal = torch.einsum("tkri,tkrj,tkr->tij", rows, rows, weight.expand_as(sides))
    right = torch.einsum("tkri,tkr->ti", rows, weight * sides)
    found = torch.linalg.solve(normal + 1e-6 * torch.eye(3).to(normal), right)
    found[:, 2] = found[:, 2].clamp(min=_NEAREST)
    return found
