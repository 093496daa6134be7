# SPDX-License-Identifier: GPL-3.0-or-later
"""What a landmarker's track tells about a person, and how much each part of it is trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..blazepose import EARS, HIPS
from ..body import BodyModel
from ..body.anthropometry import stature
from ..camera import toward
from ..people.tracks import Track
from .keypoint_sets import keypoint_points
from .observations import Observations, View
from .outline import edges_of

# What a person's size is read from: upper arms, forearms, thighs, shanks and both sides of the trunk.
_SIZE_BONES = ((11, 13), (12, 14), (13, 15), (14, 16), (23, 25), (24, 26), (25, 27), (26, 28), (11, 23), (12, 24))
# Trust in a BlazePose landmark, as a factor on its weight: limbs fully; hands and the inner face are noisy or redundant.
_TRUST = np.ones(33)
_TRUST[[1, 2, 3, 4, 5, 6, 9, 10]] = 0.3
_TRUST[[0, 7, 8]] = 0.7
_TRUST[17:23] = 0.5
_TRUST[29:33] = 0.8
_NOSE = 0
_FACE = [*range(7), 9, 10]  # all but the ears
_TURNED = 0.5  # cosine between the view and a face of which nothing is seen


def gather(track: Track, body: BodyModel, view: View, fps: float) -> Observations:
    """Observations of one track (33 BlazePose landmarks).

    A landmarker looks at a crop as if the camera pointed at it; its metric landmarks are turned by the ray to the person.
    """
    like = {"dtype": view.K.dtype, "device": view.K.device}
    keypoints = torch.as_tensor(track.keypoints_2d, **like)
    seen = torch.as_tensor(track.observed, **like)[:, None]
    confidence = keypoints[..., 2].clamp(0, 1) * seen
    landmarks, trust = torch.as_tensor(track.landmarks_3d, **like), torch.as_tensor(_TRUST, **like)
    shown = trust * _shown(landmarks)
    landmarks = _resized(landmarks, body)
    turn = toward(_rays(view.K, keypoints[:, HIPS, :2].mean(1)))
    return Observations(
        fps=fps, lengths=(len(keypoints),), view=view, keypoint_points=keypoint_points(body, "blazepose33"),
        keypoints_2d=torch.cat([keypoints[..., :2], (confidence * shown)[..., None]], -1),
        landmarks_3d=landmarks @ turn.mT, landmark_weight=(0.2 * seen + 0.8 * confidence) * trust, landmark_points=body.markers,
        edges=None if track.outline is None else edges_of(torch.as_tensor(track.outline).to(keypoints), keypoints),
    )  # fmt: skip


def _shown(landmarks: torch.Tensor) -> torch.Tensor:
    """(T,33) 0..1, of metric landmarks (T,33,3) in a camera that points at the person: less in a face that is turned away.

    The landmarker calls it as visible as any, and draws it in the image where faces usually are, however the head is bent.
    """
    ahead = torch.nn.functional.normalize(landmarks[:, _NOSE] - landmarks[:, EARS].mean(1), dim=-1)
    shown = torch.ones_like(landmarks[..., 0])
    shown[:, _FACE] = (1 - ahead[:, 2:].nan_to_num() / _TURNED).clamp(0, 1)
    return shown


def as_tall(seen: Observations, usual: BodyModel, body: BodyModel, metres: float) -> Observations:
    """Evidence that was gathered for the usual body, of somebody with a body of his own who is known to be so tall.

    A landmarker takes everybody for about an average adult: its metric landmarks are made larger by as much as he is than the mean body.
    """
    size = metres / float(stature(usual, torch.zeros_like(usual.J_shapedirs[:1, 0]))[0])
    return replace(
        seen, statures=(metres,), landmarks_3d=size * seen.landmarks_3d,
        keypoint_points=keypoint_points(body, "blazepose33"), landmark_points=body.markers,
    )  # fmt: skip


def _resized(landmarks: torch.Tensor, body: BodyModel) -> torch.Tensor:
    """Landmarks (T,33,3) scaled half-way to where their limbs and trunk are as long as the mean body's, in the median over the frames.

    One picture does not tell size from distance: the network guesses, the mean body guesses, and the truth lies between.
    """
    starts, ends = (list(indices) for indices in zip(*_SIZE_BONES))
    lengths = (landmarks[:, starts] - landmarks[:, ends]).norm(dim=-1).sum(-1).median()
    rest = body.markers.at_rest(torch.zeros_like(body.J_shapedirs[:1, 0]))[0]
    wanted = (rest[starts] - rest[ends]).norm(dim=-1).sum()
    return landmarks * (wanted / lengths).sqrt()


def _rays(K: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """(T,3) the rays on which pixels (T,2) lie, of a lens K (3,3) or (T,3,3)."""
    u, v = ((pixels[:, axis] - K[..., axis, 2]) / K[..., axis, axis] for axis in (0, 1))
    return torch.stack([u, v, torch.ones_like(u)], -1)
