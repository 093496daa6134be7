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
from ...kinematics import axis_rotation, pelvis_angles
from ..blazepose import HIPS
from ..body import BodyModel
from ..body.chain import pose_chain, pose_points
from ..body.landmarks import trunk_axes
from ..body.stance import relaxed_pose
from .observations import Observations, View

_YAWS = (0.0, 0.5 * np.pi, np.pi, 1.5 * np.pi)
_NEAREST = 0.3  # m, a person's least distance


def first_state(body: BodyModel, seen: Observations) -> torch.Tensor:
    """(T,49) = (trans, poses) where a fit may start."""
    R = seen.view.R
    landmarks = seen.landmarks_3d @ R  # camera to model axes
    turned = trunk_axes(landmarks)
    poses = torch.as_tensor(relaxed_pose()).to(landmarks).repeat(len(landmarks), 1)
    frame = body.rest_frames[0]
    poses[:, :3] = torch.as_tensor(pelvis_angles((frame.T @ turned @ frame).cpu().numpy())).to(poses)
    rest = body.markers.at_rest(torch.zeros_like(body.J_shapedirs[:1, 0]))[0]
    hips = rest[HIPS].mean(0) - body.J_template[0]
    pelvis = _in_world(seen.view, place(seen)) - turned @ hips
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
    toward = seen.view.R.mT @ poses.new_tensor([[0.0, 0, 0], [0, -1, 0], [0, 0, -1]]).T  # the image's up, and the way to the camera
    facing = torch.stack([torch.linalg.cross(toward[..., 1], toward[..., 2]), toward[..., 1], toward[..., 2]], -1)
    return [_guess(body, seen, poses, facing @ torch.as_tensor(axis_rotation(np.array([0.0, 1.0, 0.0]), np.array(yaw))).to(poses))
            for yaw in _YAWS]  # fmt: skip


def _guess(body: BodyModel, seen: Observations, poses: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
    poses, frame = poses.clone(), body.rest_frames[0]
    poses[:, :3] = torch.as_tensor(pelvis_angles((frame.T @ turned @ frame).reshape(-1, 3, 3).cpu().numpy())).to(poses)
    none = torch.zeros_like(poses[:, 0], dtype=torch.long)
    shape = body.shape(torch.zeros_like(body.J_shapedirs[:1, 0]))
    posed = pose_chain(shape, none, poses, torch.zeros_like(poses[:, :3]))
    pelvis = posed.positions[:, :1]
    points = pose_points(shape, none, posed, seen.keypoint_points)[0] - pelvis
    found = place(replace(seen, landmarks_3d=points @ seen.view.R.mT))
    return torch.cat([_in_world(seen.view, found) - pelvis[:, 0], poses], 1)


def _in_world(view: View, points: torch.Tensor) -> torch.Tensor:
    """Camera points (F,3), one of each frame, in the world."""
    return ((points - view.t)[..., None, :] @ view.R)[..., 0, :]


def place(seen: Observations) -> torch.Tensor:
    """(T,3) m, camera axes: the middle of the hips by least squares of u (Z + z) = X + x over the landmarks."""
    K, landmarks = seen.view.K, seen.landmarks_3d
    u = (seen.keypoints_2d[..., :2] - K[..., None, :2, 2]) / torch.stack([K[..., 0, 0], K[..., 1, 1]], -1)[..., None, :]
    weight = (seen.keypoints_2d[..., 2] + 1e-3)[..., None]
    one, none = torch.ones_like(u[..., 0]), torch.zeros_like(u[..., 0])
    rows = torch.stack([torch.stack([one, none, -u[..., 0]], -1), torch.stack([none, one, -u[..., 1]], -1)], -2)
    sides = u * landmarks[..., 2:] - landmarks[..., :2]
    normal = torch.einsum("tkri,tkrj,tkr->tij", rows, rows, weight.expand_as(sides))
    right = torch.einsum("tkri,tkr->ti", rows, weight * sides)
    found = torch.linalg.solve(normal + 1e-6 * torch.eye(3).to(normal), right)
    found[:, 2] = found[:, 2].clamp(min=_NEAREST)
    return found
