# SPDX-License-Identifier: GPL-3.0-or-later
"""The open body in postures on a floor, five metres before a level camera, and what a landmarker would say that never errs."""

from __future__ import annotations

import torch

from skel_blender.anatomy import DOF_INDEX
from skel_blender.engine.body import BodyModel
from skel_blender.engine.body.stance import relaxed_pose
from skel_blender.engine.fit import Observations, View
from skel_blender.engine.fit.scene.sightings import places

FPS = 30.0
NONE = torch.zeros(1, 10).double()  # betas
K = torch.tensor([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]).double()
VIEW = View(K, torch.diag(torch.tensor([1.0, -1, -1])).double(), torch.tensor([0.0, 1.0, 5.0]).double())


def standing(frames: int, **angles: float) -> torch.Tensor:
    """(T,49) of somebody relaxed, but for these angles (rad)."""
    state = torch.cat([torch.zeros(frames, 3).double(), torch.as_tensor(relaxed_pose()).repeat(frames, 1)], 1)
    for name, angle in angles.items():
        state[:, 3 + DOF_INDEX[name]] = angle
    return state


def on_floor(body: BodyModel, state: torch.Tensor) -> torch.Tensor:
    """(T,49) moved so that the lowest sole of the first frame is at y = 0."""
    state = state.clone()
    state[:, 1] -= float(places(body, state[:1], NONE, body.soles)[..., 1].min())
    return state


def evidence(body: BodyModel, state: torch.Tensor, landmarks: torch.Tensor | None = None, fps: float = FPS) -> Observations:
    """Keypoints of the true state, and metric landmarks (T,33,3) m, by default the true ones, both in camera axes."""
    true = torch.as_tensor(places(body, state, NONE, body.markers))
    eye = true @ VIEW.R.T + VIEW.t
    pixels = (eye @ K.T)[..., :2] / eye[..., 2:]
    local = (true if landmarks is None else landmarks) @ VIEW.R.T
    local = local - local[:, [23, 24]].mean(1, keepdim=True)
    return Observations(fps, (len(state),), VIEW, torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1), body.markers,
                        landmarks_3d=local, landmark_points=body.markers)  # fmt: skip
