# SPDX-License-Identifier: GPL-3.0-or-later
"""From a track to a first pose by the lifting network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from ....anatomy import JOINT_INDEX, Q
from ....kinematics import pelvis_angles
from ...blazepose import HIPS
from ...body import BodyModel, load_body
from ...body.chain import pose_chain, pose_points
from ...camera import R_CAM_LEVEL
from ...footage.source import Source
from ...interpolation import interpolated
from ...people.tracks import Track
from ..guess import N_BETAS, Guess, Guesser
from .arms import arm_angles
from .features import Features, features
from .network import ANGLES, LENGTHS, ROTATED, SHOULDERS, Answer, LiftNetwork

_LENGTH_SPREAD = 0.03  # of the logarithm of a length: how well the network tells them, against betas of unit spread
_STEPS = 5
_PART = 4096  # frames that pass through the network at a time


class Lift:
    """The network with its weights, as a function of tracks. `info` is what its file says of itself."""

    def __init__(self, network: LiftNetwork, info: dict[str, str]) -> None:
        self.network, self.info = network.eval(), info

    def __call__(self, track: Track, body: BodyModel, K: np.ndarray, fps: float) -> Guess:
        """A first pose of every frame. K is (3,3) px or (T,3,3). Values that are not finite count as unseen; where nothing was seen within
        the network's reach, sigma is infinite."""
        return self.seen(track, K, fps)(body)

    def seen(self, track: Track, K: np.ndarray, fps: float) -> Guesser:
        """The same, of any body."""
        keypoints, landmarks, observed = whole(track)
        like = next(self.network.parameters())
        with torch.inference_mode():  # not the body's part: what bodies keep must serve those who differentiate too
            given = features(*(torch.as_tensor(part).to(like) for part in (keypoints, landmarks, observed, K)), like.new_tensor(fps))
            answer = self._answers(given.values)
        return partial(_guess, answer, given, observed, self.network.size.reach)

    def _answers(self, values: torch.Tensor) -> Answer:
        """(T,...) of features (T,COUNT). Long tracks go in parts that overlap by the reach, which changes nothing."""
        reach, parts = self.network.size.reach, []
        for start in range(0, len(values), _PART):
            before = min(start, reach)
            answer = self.network.symmetric(values[None, start - before : start + _PART + reach])
            parts.append([part[0, before : before + _PART] for part in answer])
        return Answer(torch.cat(column) for column in zip(*parts))


class LiftRegressor:
    """The Regressor that needs no licence and no second look at the footage."""

    def __init__(self, lift: Lift) -> None:
        self.lift = lift

    def __call__(
        self, source: Source, tracks: list[Track], lenses: list[np.ndarray], on_frame: Callable[[int, int], None]
    ) -> list[Guesser]:
        """One Guesser for each track; `source` tells the frame rate."""
        return [self.lift.seen(track, K, float(source.fps)) for track, K in zip(tracks, lenses)]


def whole(track: Track) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """keypoints_2d, landmarks_3d and observed (T,) of a track, float64, with frames that are not finite drawn between their neighbours."""
    keypoints, landmarks = (np.asarray(part, dtype=float) for part in (track.keypoints_2d, track.landmarks_3d))
    good = np.isfinite(keypoints).all((1, 2)) & np.isfinite(landmarks).all((1, 2))
    observed = np.asarray(track.observed, dtype=bool) & good
    if good.all():
        return keypoints, landmarks, observed.astype(float)
    if not good.any():
        raise ValueError("a track without a finite frame has no pose")
    frames = np.arange(len(good))
    filled = (interpolated(frames, frames[good], part[good]) for part in (keypoints, landmarks))
    return *filled, observed.astype(float)


def _guess(answer: Answer, given: Features, observed: np.ndarray, reach: int, body: BodyModel) -> Guess:
    local, flip = given.local, R_CAM_LEVEL
    rotations, facing, turns = (part.double().cpu().numpy() for part in (answer.rotations, local.facing, local.turns))
    limits, frames = body.limits.cpu().numpy(), body.rest_frames.cpu().numpy()
    poses, sigma = np.zeros((len(observed), Q)), np.empty((len(observed), Q))
    turned = flip.T @ turns @ facing @ rotations[:, 0]
    poses[:, :3] = pelvis_angles(frames[0].T @ turned @ frames[0])
    poses[:, ANGLES] = answer.angles.double().cpu().numpy()
    for k, side in enumerate("rl", start=1):
        poses[:, SHOULDERS[side]] = arm_angles(_own_frame(rotations[:, k], JOINT_INDEX[f"humerus_{side}"], body), limits[SHOULDERS[side]])
    spread = answer.log_sigma.exp().double().cpu().numpy()
    for k, dofs in enumerate(([0, 1, 2], SHOULDERS["r"], SHOULDERS["l"])):
        sigma[:, dofs] = spread[:, k : k + 1]
    sigma[:, ANGLES] = spread[:, len(ROTATED) :]
    sigma[~_near(observed > 0, reach)] = np.inf
    poses = np.clip(poses, limits[:, 0], limits[:, 1])
    betas = shape_of((answer.lengths.double().cpu().numpy() * observed[:, None]).sum(0) / max(observed.sum(), 1.0), body)
    place, depth = answer.place.double().cpu().numpy(), local.depth.double().cpu().numpy()
    hips = np.concatenate([place[:, :2], -(depth * np.exp(place[:, 2]))[:, None]], 1)
    trans = np.einsum("ij,tjk,tk->ti", flip.T, turns, hips) - _hips(body, poses, betas)
    return Guess(poses, betas, trans, sigma)


def _own_frame(rotations: np.ndarray, joint: int, body: BodyModel) -> np.ndarray:
    """Rotations (T,3,3) in the open body's joint frame, in that of another kind of body."""
    if body.source is None:
        return rotations
    change = body.rest_frames[joint].cpu().numpy().T @ load_body("open").rest_frames[joint].numpy()
    return change @ rotations @ change.T


def _near(observed: np.ndarray, reach: int) -> np.ndarray:
    """(T,) whether a frame was observed within `reach` frames."""
    counts = np.concatenate([[0], np.cumsum(observed)])
    frames = np.arange(len(observed))
    return counts[np.minimum(frames + reach + 1, len(observed))] > counts[np.maximum(frames - reach, 0)]


def shape_of(lengths: np.ndarray, body: BodyModel) -> np.ndarray:
    """(10,) the betas of a body whose LENGTHS are those (9,), as logarithms against its mean's, by ridge regression (Gauss-Newton)."""
    first, second = ([JOINT_INDEX[pair[end]] for pair in LENGTHS] for end in (0, 1))
    steps = (body.J_template[first] - body.J_template[second]).double().cpu().numpy()
    by_betas = (body.J_shapedirs[first] - body.J_shapedirs[second]).double().cpu().numpy()
    usual, betas = np.linalg.norm(steps, axis=1), np.zeros(N_BETAS)
    for _ in range(_STEPS):
        now = steps + by_betas @ betas
        size = np.linalg.norm(now, axis=1)
        slopes = np.einsum("li,lik->lk", now, by_betas) / size[:, None] ** 2 / _LENGTH_SPREAD
        missed = (lengths - np.log(size / usual)) / _LENGTH_SPREAD
        betas = betas + np.linalg.solve(slopes.T @ slopes + np.eye(N_BETAS), slopes.T @ missed - betas)
    return betas


def _hips(body: BodyModel, poses: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """(T,3) m the middle of the hips' landmarks, model axes, of a body that is not moved."""
    like = body.J_template
    shape = body.shape(torch.as_tensor(betas).to(like)[None])
    owner = torch.zeros(len(poses), dtype=torch.long, device=like.device)
    posed = pose_chain(shape, owner, torch.as_tensor(poses).to(like), like.new_zeros(len(poses), 3))
    return pose_points(shape, owner, posed, body.markers.select(HIPS))[0].mean(1).double().cpu().numpy()
