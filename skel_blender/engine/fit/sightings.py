# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fitted person tells about the floor: feet that rest, a body that stands upright, a trunk that is roughly so."""

from __future__ import annotations

import numpy as np
import torch

from ...anatomy import DOF_INDEX, JOINT_INDEX
from ..body import BodyModel, Points
from ..body.chain import Posed, pose_chain, pose_points
from ..body.shape import Shape
from ..camera import Sightings
from .contacts import contacts
from .observations import Observations
from .problem import depth_of

_UPRIGHT_KNEE = 0.5  # rad, a person whose knees bend less than this may be standing
_UPRIGHT_TRUNK = 0.35  # rad, likewise the angle between trunk and legs
_ANKLES = [JOINT_INDEX["talus_r"], JOINT_INDEX["talus_l"]]
_KNEES = [3 + DOF_INDEX["knee_angle_r"], 3 + DOF_INDEX["knee_angle_l"]]


def sightings(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, observed: np.ndarray) -> Sightings:
    """Of a person fitted in a level camera's axes: state (T,49), betas (1,10), observed (T,) bool."""
    positions = _posed(body, state, betas)[1].positions
    ankles = positions[:, _ANKLES].mean(1)
    pelvis, neck = positions[:, JOINT_INDEX["pelvis"]], positions[:, JOINT_INDEX["thorax"]]
    trunk, legs, whole = (torch.nn.functional.normalize(axis, dim=-1) for axis in (neck - pelvis, pelvis - ankles, neck - ankles))
    upright = (state[:, _KNEES].amax(1) < _UPRIGHT_KNEE) & ((trunk * legs).sum(-1) > np.cos(_UPRIGHT_TRUNK))
    bodies, trunks = whole.cpu().numpy()[upright.cpu().numpy() & observed], trunk.cpu().numpy()[observed]
    soles = places(body, state, betas, body.soles)
    heights = soles @ (bodies if len(bodies) else trunks).mean(0)
    resting = contacts(seen, depth_of(seen.view, state).cpu().numpy(), heights - heights.min(axis=1, keepdims=True))
    return Sightings(soles[resting], bodies, trunks)


def places(body: BodyModel, state: torch.Tensor, betas: torch.Tensor, points: Points) -> np.ndarray:
    """(T,K,3) m, where the points of one person are, betas (1,10)."""
    shape, posed = _posed(body, state, betas)
    return pose_points(shape, _one(state), posed, points)[0].cpu().numpy()


def _posed(body: BodyModel, state: torch.Tensor, betas: torch.Tensor) -> tuple[Shape, Posed]:
    shape = body.shape(betas)
    return shape, pose_chain(shape, _one(state), state[:, 3:], state[:, :3])


def _one(state: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(state), dtype=torch.long, device=state.device)
