# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who squats twice, as a landmarker sees it through a camera that stands still, or that turns and zooms: the truth and a track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from skel_blender.anatomy import DOF_INDEX
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.body.chain import pose_chain, pose_points
from skel_blender.engine.body.stance import relaxed_pose
from skel_blender.engine.camera import R_CAM_LEVEL, CameraMotion, intrinsics
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE
from skel_blender.engine.people.tracks import Track
from skel_blender.kinematics import axis_rotation

SIZE, FPS, FRAMES = (1280, 720), 30.0, 60
HIDDEN = slice(25, 31)  # frames in which nobody sees him
_HIPS = [23, 24]


@dataclass(frozen=True)
class Squat:
    """`joints` (T,24,3) m in the axes of the camera that `motion` is counted from, which the world's axes come to by R (3,3)."""

    body: BodyModel
    K: np.ndarray
    track: Track
    joints: np.ndarray
    R: np.ndarray


def imaged(motion: CameraMotion | None = None, beside: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Squat:
    """The squats before a camera that looks down by 10 degrees and moves, its places in metres, with noise of 2 px and of 20 mm. They are
    so far `beside` (m, y up) where they usually are."""
    body = load_body("male")
    poses, trans = _squats(body)
    trans = trans + torch.tensor(beside)
    shape, one = body.shape(torch.zeros(1, 10, dtype=torch.float64)), torch.zeros(FRAMES, dtype=torch.long)
    posed = pose_chain(shape, one, poses, trans)
    R = axis_rotation(np.array([1.0, 0, 0]), np.array(np.radians(10))) @ R_CAM_LEVEL
    t = -R @ [0.3, 1.7, 4.0]
    joints, markers = (where.numpy() @ R.T + t for where in (posed.positions, pose_points(shape, one, posed, body.markers)[0]))
    frames = np.arange(FRAMES)
    lenses = np.tile(intrinsics(SIZE), (FRAMES, 1, 1)) if motion is None else motion.lenses(frames)
    if motion is not None:
        markers = (markers - motion.placed(frames)[:, None]) @ motion.turned(frames).swapaxes(-1, -2)
    return Squat(body, intrinsics(SIZE), _track(markers, lenses), joints, R)


def _squats(body: BodyModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Poses (T,46) and trans (T,3), the lower sole on the floor."""
    bend = 0.5 - 0.5 * np.cos(np.linspace(0, 4 * np.pi, FRAMES))
    poses = np.tile(relaxed_pose(), (FRAMES, 1))
    for side in "rl":
        poses[:, DOF_INDEX[f"hip_flexion_{side}"]] = 1.4 * bend
        poses[:, DOF_INDEX[f"knee_angle_{side}"]] = 0.1 + 1.7 * bend
        poses[:, DOF_INDEX[f"ankle_angle_{side}"]] = 0.1 + 0.4 * bend
        poses[:, DOF_INDEX[f"elbow_flexion_{side}"]] = 0.3 + bend
    poses[:, DOF_INDEX["pelvis_tilt"]] = -0.1 * bend
    poses[:, DOF_INDEX["pelvis_rotation"]] = 0.4
    poses, shape, one = torch.as_tensor(poses), body.shape(torch.zeros(1, 10).double()), torch.zeros(FRAMES, dtype=torch.long)
    soles, _ = pose_points(shape, one, pose_chain(shape, one, poses, torch.zeros(FRAMES, 3, dtype=torch.float64)), body.soles)
    trans = -soles[:, [0, 3]].mean(1)
    trans[:, 1] = -soles[:, :, 1].amin(1)
    return poses, trans


def _track(markers: np.ndarray, lenses: np.ndarray) -> Track:
    """Of markers (T,33,3) m in the axes of each frame's camera."""
    rng = np.random.default_rng(0)
    focal, middle = lenses[:, None, [0, 1], [0, 1]], lenses[:, None, :2, 2]
    imaged = BLAZEPOSE @ markers
    pixels = imaged[..., :2] / imaged[..., 2:] * focal + middle + rng.normal(0, 2.0, (FRAMES, 33, 2))
    keypoints = np.concatenate([pixels, np.full((FRAMES, 33, 1), 0.95)], axis=-1)
    hips = markers[:, _HIPS].mean(1)
    local = markers - hips[:, None] + rng.normal(0, 0.02, (FRAMES, 33, 3))
    observed = np.ones(FRAMES, dtype=bool)
    observed[HIDDEN] = False
    keypoints[HIDDEN, :, 2] = 0
    return Track(np.arange(FRAMES), keypoints, 0.93 * _facing_crop(local, hips), observed)


def _facing_crop(points: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """What a landmarker says that looks along the ray to the person."""
    turned = np.empty_like(points)
    for i, ray in enumerate(rays / np.linalg.norm(rays, axis=1, keepdims=True)):
        axis = np.cross(ray, [0, 0, 1.0])
        angle = np.arcsin(np.linalg.norm(axis))
        turned[i] = points[i] @ axis_rotation(axis / np.linalg.norm(axis), angle).T
    return turned
