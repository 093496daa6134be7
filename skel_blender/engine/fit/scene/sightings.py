# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fitted person tells about the floor: feet that rest, a body that stands upright, a trunk that is roughly so."""

from __future__ import annotations

import numpy as np
import torch

from ....anatomy import DOF_INDEX, JOINT_INDEX
from ...body import BodyModel, Points
from ...body.chain import Posed, pose_chain, pose_points
from ...body.skeleton import Shape
from ...camera import Sightings
from ..contacts import contacts
from ..observations import Observations
from ..problem import depth_of

_UPRIGHT_KNEE = 0.5  # rad, a person whose knees bend less than this may be standing
_UPRIGHT_TRUNK = 0.35  # rad, likewise the angle between trunk and legs
_STANDS, _UP = 0.5, 0.3  # least cosine between the image's up and a body that stands, and a trunk that tells of up at all
_SKIN_M = 0.1  # by which a landmark inside the body may lie lower than a sole that rests
_ANKLES = [JOINT_INDEX["talus_r"], JOINT_INDEX["talus_l"]]
_KNEES = [3 + DOF_INDEX["knee_angle_r"], 3 + DOF_INDEX["knee_angle_l"]]


def sightings(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, observed: np.ndarray) -> Sightings:
    """Of a person fitted in a level camera's axes: state (T,49), betas (1,10), observed (T,) bool."""
    positions = posed(body, state, betas)[1].positions
    ankles = positions[:, _ANKLES].mean(1)
    pelvis, neck = positions[:, JOINT_INDEX["pelvis"]], positions[:, JOINT_INDEX["thorax"]]
    trunk, legs, whole = (torch.nn.functional.normalize(axis, dim=-1) for axis in (neck - pelvis, pelvis - ankles, neck - ankles))
    stands = (state[:, _KNEES].amax(1) < _UPRIGHT_KNEE) & ((trunk * legs).sum(-1) > np.cos(_UPRIGHT_TRUNK)) & (whole[:, 1] > _STANDS)
    seen_now = torch.as_tensor(observed, device=state.device)
    bodies, trunks = (axes.cpu().numpy() for axes in (whole[stands & seen_now], trunk[(trunk[:, 1] > _UP) & seen_now]))
    up = next((axes.mean(0) for axes in (bodies, trunks) if len(axes)), np.array([0.0, 1.0, 0.0]))
    soles, others = places(body, state, betas, body.soles), places(body, state, betas, body.markers)
    heights = soles @ up
    lowest = np.minimum(heights.min(axis=1), (others @ up).min(axis=1) + _SKIN_M)  # who stands on the hands rests on no sole
    resting = contacts(seen, depth_of(seen.view, state).cpu().numpy(), heights - lowest[:, None])
    eyes = np.broadcast_to(seen.view.eye.cpu().numpy().reshape(-1, 1, 3), soles.shape)
    return Sightings(soles[resting], bodies, trunks, eyes[resting], any(seen.statures))


def places(body: BodyModel, state: torch.Tensor, betas: torch.Tensor, points: Points) -> np.ndarray:
    """(T,K,3) m, where the points of one person are, betas (1,10)."""
    shape, chains = posed(body, state, betas)
    return pose_points(shape, _one(state), chains, points)[0].cpu().numpy()


def posed(body: BodyModel, state: torch.Tensor, betas: torch.Tensor) -> tuple[Shape, Posed]:
    """The shape and the chains of one person, state (T,49), betas (1,10)."""
    shape = body.shape(betas)
    return shape, pose_chain(shape, _one(state), state[:, 3:], state[:, :3])


def _one(state: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(state), dtype=torch.long, device=state.device)
