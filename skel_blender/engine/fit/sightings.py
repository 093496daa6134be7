# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fitted person tells about the floor: feet that rest, a body that stands upright, a trunk that is roughly so."""

from __future__ import annotations

import numpy as np
import torch

from ...anatomy import DOF_INDEX, JOINT_INDEX
from ..body import BodyModel
from ..body.chain import pose_chain, pose_points
from ..camera import Sightings
from .contacts import contacts
from .evidence import Evidence, View

_UPRIGHT_KNEE = 0.5  # rad, a person whose knees bend less than this may be standing
_UPRIGHT_TRUNK = 0.35  # rad, likewise the angle between trunk and legs
_NEAREST_M = 0.3
_ANKLES = [JOINT_INDEX["talus_r"], JOINT_INDEX["talus_l"]]
_KNEES = [3 + DOF_INDEX["knee_angle_r"], 3 + DOF_INDEX["knee_angle_l"]]


def sightings(body: BodyModel, evidence: Evidence, state: torch.Tensor, betas: torch.Tensor, seen: np.ndarray) -> Sightings:
    """Of a person fitted in a level camera's axes: state (T,49), betas (10,), seen (T,) bool."""
    positions = pose_chain(body, betas, state[:, 3:], state[:, :3]).positions
    ankles = positions[:, _ANKLES].mean(1)
    pelvis, neck = positions[:, JOINT_INDEX["pelvis"]], positions[:, JOINT_INDEX["thorax"]]
    trunk, legs, whole = (torch.nn.functional.normalize(axis, dim=-1) for axis in (neck - pelvis, pelvis - ankles, neck - ankles))
    upright = (state[:, _KNEES].amax(1) < _UPRIGHT_KNEE) & ((trunk * legs).sum(-1) > np.cos(_UPRIGHT_TRUNK))
    bodies, trunks = whole.cpu().numpy()[upright.cpu().numpy() & seen], trunk.cpu().numpy()[seen]
    soles = sole_points(body, state, betas)
    heights = soles @ (bodies if len(bodies) else trunks).mean(0)
    resting = contacts(evidence, depth_of(evidence.view, state).cpu().numpy(), heights - heights.min(axis=1, keepdims=True))
    return Sightings(soles[resting], bodies, trunks)


def sole_points(body: BodyModel, state: torch.Tensor, betas: torch.Tensor) -> np.ndarray:
    """(T,6,3) m, the points of take.CONTACT_NAMES."""
    return pose_points(body, betas, pose_chain(body, betas, state[:, 3:], state[:, :3]), body.soles).cpu().numpy()


def depth_of(view: View, state: torch.Tensor) -> torch.Tensor:
    """(T,) m, about how far a person is along the view."""
    return (state[:, :3] @ view.R[2] + view.t[2]).clamp(min=_NEAREST_M)
