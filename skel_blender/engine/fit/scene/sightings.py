# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fitted person tells about the floor: feet that rest, a body that stands upright, a trunk that is roughly so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ....anatomy import DOF_INDEX, JOINT_INDEX
from ...blazepose import ANKLES, KNEES
from ...body import BodyModel, Points
from ...body.chain import Posed, pose_chain, pose_points
from ...body.skeleton import Shape
from ...floor import Sightings
from ..contacts import SEEN, contacts
from ..observations import Observations
from ..problem import depth_of

_UPRIGHT_KNEE = 0.5  # rad, a person whose knees bend less than this may be standing
_UPRIGHT_TRUNK = 0.35  # rad, likewise the angle between trunk and legs
_OVER_FEET = 0.85  # least cosine between up and the way from the ankles to the hips of somebody who stands, and does not sit
_STANDS, _UP = 0.5, 0.3  # least cosine between the image's up and a body that stands, and a trunk that tells of up at all
_SKIN_M = 0.1  # by which a landmark inside the body may lie lower than a sole that rests
CLEAR_M = 0.2  # by which the floor stays below somebody who is never upright: farther than what is held to rest on it
_ANKLES = [JOINT_INDEX["talus_r"], JOINT_INDEX["talus_l"]]
_KNEES = [3 + DOF_INDEX["knee_angle_r"], 3 + DOF_INDEX["knee_angle_l"]]


@dataclass(frozen=True)
class Stance:
    """Of each of T frames: where the pelvis is (T,3) m, unit axes (T,3) from it and from the ankles to the neck, and whether somebody
    stands (T,)."""

    hips: np.ndarray
    trunk: np.ndarray
    whole: np.ndarray
    stands: np.ndarray


def sightings(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, observed: np.ndarray) -> Sightings:
    """Of a person fitted in a level camera's axes: state (T,49), betas (1,10), observed (T,) bool."""
    stance = stance_of(body, state, betas, _UPRIGHT_TRUNK)
    bodies = stance.whole[stance.stands & observed & legs_shown(seen)]
    upright = (stance.trunk[:, 1] > _UP) & observed
    trunks = stance.trunk[upright]
    up = next((axes.mean(0) for axes in (bodies, trunks) if len(axes)), np.array([0.0, 1.0, 0.0]))
    soles, others = places(body, state, betas, body.soles), places(body, state, betas, body.markers)
    heights = soles @ up
    lowest = np.minimum(heights.min(axis=1), (others @ up).min(axis=1) + _SKIN_M)  # who stands on the hands rests on no sole
    resting = contacts(seen, depth_of(seen.view, state).cpu().numpy(), heights - lowest[:, None])
    eyes = np.broadcast_to(seen.view.eye.cpu().numpy().reshape(-1, 1, 3), soles.shape)
    under = lowest_of(soles[upright], up) if upright.any() else lowest_of(np.concatenate([soles, others], 1)[observed], up) - CLEAR_M * up
    return Sightings(soles[resting], bodies, trunks, eyes[resting], any(seen.statures), under)


def lowest_of(points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(T,3) of points (T,K,3), in each frame the lowest."""
    return points[np.arange(len(points)), (points @ up).argmin(axis=1)]


def stance_of(body: BodyModel, state: torch.Tensor, betas: torch.Tensor, bent: float) -> Stance:
    """Of a person fitted in a level camera's axes, state (T,49), betas (1,10); who stands bends trunk from legs by less than `bent` rad."""
    positions = posed(body, state, betas)[1].positions.cpu().numpy()
    hips, neck, ankles = positions[:, JOINT_INDEX["pelvis"]], positions[:, JOINT_INDEX["thorax"]], positions[:, _ANKLES].mean(1)
    trunk, legs, whole = (axes / np.linalg.norm(axes, axis=1, keepdims=True) for axes in (neck - hips, hips - ankles, neck - ankles))
    straight = (state[:, _KNEES].amax(1).cpu().numpy() < _UPRIGHT_KNEE) & ((trunk * legs).sum(1) > np.cos(bent))
    return Stance(hips, trunk, whole, straight & (whole[:, 1] > _STANDS))


def legs_shown(seen: Observations) -> np.ndarray:
    """(T,) bool, of one person: a knee or an ankle was seen; legs behind a desk are straight ones by default, whoever sits there."""
    return (seen.keypoints_2d[:, KNEES + ANKLES, 2].amax(dim=1) > SEEN).cpu().numpy()


def over_feet(body: BodyModel, state: torch.Tensor, betas: torch.Tensor) -> np.ndarray:
    """(T,) bool: who stands, however bent, in a world whose y is up; who sits has the feet before him."""
    positions = posed(body, state, betas)[1].positions.cpu().numpy()
    legs = positions[:, JOINT_INDEX["pelvis"]] - positions[:, _ANKLES].mean(1)
    return legs[:, 1] > _OVER_FEET * np.linalg.norm(legs, axis=1)


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
