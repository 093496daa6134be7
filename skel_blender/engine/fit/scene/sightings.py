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
from ..contacts import HANDS, SEEN, contacts, hanging, holding
from ..observations import Observations
from ..problem import depth_of

_UPRIGHT_KNEE = 0.5  # rad, a person whose knees bend less than this may be standing
_UPRIGHT_TRUNK = 0.35  # rad, likewise the angle between trunk and legs
_OVER_FEET = 0.85  # least cosine between up and the way from the ankles to the hips of somebody who stands, and does not sit
_STANDS, _UP = 0.5, 0.3  # least cosine between the image's up and a body that stands, and a trunk that tells of up at all
_SKIN_M = 0.1  # by which a landmark inside the body may lie lower than a sole that rests
CLEAR_M = 0.2  # by which the floor stays below somebody who is never upright: farther than what is held to rest on it
_HIPS_NECK = [JOINT_INDEX["pelvis"], JOINT_INDEX["thorax"]]
_ANKLES = [JOINT_INDEX["talus_r"], JOINT_INDEX["talus_l"]]
_KNEES = [3 + DOF_INDEX["knee_angle_r"], 3 + DOF_INDEX["knee_angle_l"]]
_SHOULDERS, _WRISTS = ([JOINT_INDEX[f"{name}_{side}"] for side in "rl"] for name in ("humerus", "hand"))
_DOWN, _BESIDE = 0.7, 0.7  # cosines: arms that point down in the image are nearer to it than so, arms beside a trunk nearer to that


@dataclass(frozen=True)
class Stance:
    """Of each of T frames: where pelvis and neck are (T,3) m, unit axes (T,3) from the pelvis and from the ankles to the neck, whether
    somebody stands (T,), and whether his trunk is bent over (T,): his arms point down beside none of it, as in a push-up, on all fours or
    in a bow."""

    hips: np.ndarray
    neck: np.ndarray
    trunk: np.ndarray
    whole: np.ndarray
    stands: np.ndarray
    bent_over: np.ndarray


def sightings(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, observed: np.ndarray) -> Sightings:
    """Of a person fitted in a level camera's axes: state (T,49), betas (1,10), observed (T,) bool."""
    stance = stance_of(body, state, betas, _UPRIGHT_TRUNK)
    bodies = _standing(stance, seen, observed)
    upright = (stance.trunk[:, 1] > _UP) & ~stance.bent_over & observed
    trunks = stance.trunk[upright]
    up = next((axes.mean(0) for axes in (bodies, trunks) if len(axes)), np.array([0.0, 1.0, 0.0]))
    soles, others = places(body, state, betas, body.soles), places(body, state, betas, body.markers)
    heights = soles @ up
    lowest = np.minimum(heights.min(axis=1), (others @ up).min(axis=1) + _SKIN_M)  # who stands on the hands rests on no sole
    hands = places(body, state, betas, body.markers.select(list(HANDS)))
    leans = _on_hands(hands @ up, seen, stance, lowest)
    supports, depth = np.concatenate([soles, hands], 1), depth_of(seen.view, state).cpu().numpy()
    resting = contacts(seen, depth, np.concatenate([heights - lowest[:, None], leans], 1))
    hangs = hanging(seen, depth, holding(seen, depth, stance.hips), hands @ up, stance.neck @ up)
    resting[hangs] = False
    eyes = np.broadcast_to(seen.view.eye.cpu().numpy().reshape(-1, 1, 3), supports.shape)
    if (upright & ~hangs).any():
        under = lowest_of(soles[upright & ~hangs], up)
    elif upright.any():  # who hangs all the time does so over the floor, even at his lowest
        under = lowest_of(soles[upright].reshape(1, -1, 3), up)
    else:
        under = lowest_of(np.concatenate([soles, others], 1)[observed], up) - CLEAR_M * up
    on_hands = bool(resting.any()) and not resting[:, : soles.shape[1]].any()
    return Sightings(supports[resting], bodies, trunks, eyes[resting], any(seen.statures), under, on_hands)


def standing_bodies(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, observed: np.ndarray) -> np.ndarray:
    """(M,3) unit axes of a person's body in the frames in which he stands; arguments as for `sightings`."""
    return _standing(stance_of(body, state, betas, _UPRIGHT_TRUNK), seen, observed)


def _standing(stance: Stance, seen: Observations, observed: np.ndarray) -> np.ndarray:
    return stance.whole[stance.stands & observed & legs_shown(seen)]


def _on_hands(heights: np.ndarray, seen: Observations, stance: Stance, lowest: np.ndarray) -> np.ndarray:
    """(T,4) m by which the points of the hands, at `heights` (T,4), are over what is lowest of somebody who is bent over, `lowest` (T,);
    infinity of others, whose hands may rest on anything. Legs that nobody saw, as beyond the image's edge, are not lower than hands."""
    lowest = np.where(legs_shown(seen), np.minimum(lowest, heights.min(axis=1)), heights.min(axis=1))
    return np.where(stance.bent_over[:, None], heights - lowest[:, None], np.inf)


def lowest_of(points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(T,3) of points (T,K,3), in each frame the lowest."""
    return points[np.arange(len(points)), (points @ up).argmin(axis=1)]


def stance_of(body: BodyModel, state: torch.Tensor, betas: torch.Tensor, bent: float) -> Stance:
    """Of a person fitted in a level camera's axes, state (T,49), betas (1,10); who stands bends trunk from legs by less than `bent` rad."""
    positions = posed(body, state, betas)[1].positions.cpu().numpy()
    (hips, neck), ankles = positions[:, _HIPS_NECK].swapaxes(0, 1), positions[:, _ANKLES].mean(1)
    trunk, legs, whole = (axes / np.linalg.norm(axes, axis=1, keepdims=True) for axes in (neck - hips, hips - ankles, neck - ankles))
    straight = (state[:, _KNEES].amax(1).cpu().numpy() < _UPRIGHT_KNEE) & ((trunk * legs).sum(1) > np.cos(bent))
    arms = (positions[:, _WRISTS] - positions[:, _SHOULDERS]).mean(1)
    arms /= np.linalg.norm(arms, axis=1, keepdims=True)
    bent_over = (-arms[:, 1] > _DOWN) & (-(arms * trunk).sum(1) < _BESIDE)
    return Stance(hips, neck, trunk, whole, straight & (whole[:, 1] > _STANDS) & ~bent_over, bent_over)


def legs_shown(seen: Observations) -> np.ndarray:
    """(T,) bool, of one person: a knee or an ankle was seen; legs behind a desk are straight ones by default, whoever sits there."""
    return (seen.keypoints_2d[:, KNEES + ANKLES, 2].amax(dim=1) > SEEN).cpu().numpy()


def over_feet(body: BodyModel, state: torch.Tensor, betas: torch.Tensor) -> np.ndarray:
    """(T,) bool: who stands, however bent, in a world whose y is up; who sits has the feet before him."""
    positions = posed(body, state, betas)[1].positions.cpu().numpy()
    legs = positions[:, JOINT_INDEX["pelvis"]] - positions[:, _ANKLES].mean(1)
    return legs[:, 1] > _OVER_FEET * np.linalg.norm(legs, axis=1)


def hips_and_neck(body: BodyModel, state: torch.Tensor, betas: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(T,3) m each, where pelvis and neck of one person are."""
    hips, neck = posed(body, state, betas)[1].positions[:, _HIPS_NECK].cpu().numpy().swapaxes(0, 1)
    return hips, neck


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
