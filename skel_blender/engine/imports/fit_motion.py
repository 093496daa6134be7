# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole motion of the SMPL family on a SKEL body: carried, started from the rotations, fitted, and measured against the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from ... import kinematics
from ...anatomy import DOFS_OF_JOINT, ELLIPSOIDS, JOINT_NAMES, Q
from ...anatomy import JOINT_INDEX as JOINT
from ...take import CONTACT_NAMES
from ..body import BodyModel
from ..fit.contacts import without_moments
from .calibrate import Calibration
from .carry import Carried, carry
from .motion import BODY, JOINT_INDEX, SmplMotion
from .rigid_fit import Wanted, fit
from .source_body import SMPL_OF_SKEL, SourceBody, chain, posed_skin
from .start_pose import follow

# Gauss-Newton steps, few as the start is near. After each round the feet's targets are moved on by what the soles still miss of the
# source's, as a foot that slides is seen first.
_ROUNDS = (3, 1, 1)
STEPS = sum(_ROUNDS)
_FEET = ((slice(0, 3), "calcn_r", "toes_r"), (slice(3, 6), "calcn_l", "toes_l"))  # rows of take.CONTACT_NAMES, segments
_PULL = 1.0  # 1/rad^2, toward the start: for what no point tells
_PULL_SCAPULA = 10.0  # SMPL's shoulder is one ball on a collar bone; how the blade turns beneath is not in it
_CHUNK = 512  # frames at a time
STILL = 0.25  # m/s, slower is at rest
_LOW_M = 0.05  # above the floor, lower is on it
_HELD = 0.4  # part of a resting point's drift that is taken out
_RAMP_S = 0.05  # over which that fades in and out
_FLOOR_PERCENTILE = 10.0  # of a foot's height while it is slow: feet may also rest on steps
_FEW = 0.05  # share of slow feet below which all feet tell
_BRIEF_S = 0.08  # a contact or a gap shorter than this is none


@dataclass(frozen=True)
class Fitted:
    """One person's motion on a SKEL body, y up, heights as in the source."""

    poses: np.ndarray  # (T,46) rad
    trans: np.ndarray  # (T,3) m
    joint_distance: np.ndarray  # (T,22) m, of the source's joints from where the body carries them
    soles: np.ndarray  # (T,6,3) m, the body's points of take.CONTACT_NAMES
    source_soles: np.ndarray  # (T,6,3) m, the same points on the source's feet


def fit_motion(body: BodyModel, source: SourceBody, found: Calibration, motion: SmplMotion, keep_limits: bool = False,
               on_step: Callable[[], None] = lambda: None) -> Fitted:  # fmt: skip
    """Fit the body, laid over the source's rest pose as `found` says, to the motion. Angles may leave their limits unless `keep_limits`.

    `on_step` hears of each of STEPS steps.
    """
    rotations, centres = chain(motion, source.joints)
    carried = carry(source, found)
    rest = found.rest
    start = follow(rotations, rest.frames, found.poses, rest.limits)
    sample = source.sample(carried.skin)
    parts = []
    for first in range(0, len(start), _CHUNK):
        rows = slice(first, first + _CHUNK)
        skin = posed_skin(sample, motion, rotations, centres, rows)
        targets = carried.targets(skin, centres[rows])
        parts.append(Wanted.of(*(torch.as_tensor(part) for part in (carried.segment, carried.arms, carried.weight, targets))))
    prior, pull = start.copy(), np.full(Q, _PULL)
    for joint in ELLIPSOIDS:
        for dof in DOFS_OF_JOINT[joint]:
            prior[:, dof.index], pull[dof.index] = found.poses[dof.index], _PULL_SCAPULA
    like = body.J_template.to(torch.float64)
    shape = body.to(torch.float64).shape(torch.as_tensor(found.betas[None]).to(like))
    limits = torch.as_tensor(rest.limits) if keep_limits else None
    wanted, poses = Wanted.joined(parts), start
    transforms = torch.as_tensor(kinematics.forward(start, rest.joints, rest.frames))
    trans = wanted.places(transforms[..., :3, :3], transforms[..., :3, 3]).numpy()
    theirs = _source_soles(body, found, source, rotations, centres)
    held, share = _held(theirs, float(motion.fps))
    for steps in _ROUNDS:
        fitted = fit(shape, torch.as_tensor(poses), torch.as_tensor(trans), wanted, torch.as_tensor(prior), torch.as_tensor(pull), limits,
                     steps, on_step)  # fmt: skip
        poses, trans = (part.numpy() for part in fitted)
        ours = _soles(body, found, poses, trans)
        for foot, *segments in _FEET:
            missed = torch.as_tensor(np.einsum("tm,tmi->ti", share[:, foot], (held - ours)[:, foot]))
            for segment in segments:
                wanted = wanted.shifted(JOINT[segment], missed)
    return Fitted(poses, trans, _joint_distance(found, carried, centres, poses, trans), ours, theirs)


def contacts(soles: np.ndarray, fps: float, floor: float | None = None) -> np.ndarray:
    """(T,6) bool which sole points (T,6,3) m, y up, rest: slow, and near to the floor, whose height m is read from them if not given."""
    floor = floor_height(soles, fps) if floor is None else floor
    resting = (_speeds(soles, fps) < STILL) & (soles[..., 1] < _LOW_M + floor)
    return without_moments(resting, round(_BRIEF_S * fps))


def foot_slide(soles: np.ndarray, contacts: np.ndarray) -> float:
    """Mean way, mm per frame, that sole points (T,M,3) m, y up, move along the floor while they rest, contacts (T,M) bool, in this frame
    and the next. NaN where nothing rests."""
    moved = np.diff(soles, axis=0)[..., [0, 2]]
    rests = contacts[1:] & contacts[:-1]
    return float(np.linalg.norm(moved, axis=-1)[rests].mean() * 1000) if rests.any() else float("nan")


def _held(soles: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the source's sole points (T,6,3) m shall go, and how much each counts (T,6) among its foot's three.

    What a resting point drifts is lessened by `_HELD`, so that the errors of the fit do not add to it; resting points lead their foot.
    """
    resting = contacts(soles, fps)
    width = max(1, round(_RAMP_S * fps))
    drift = np.zeros_like(soles)
    for point in range(soles.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], resting[:, point], [False]]).astype(int)))
        for first, end in zip(edges[::2], edges[1::2]):
            path = soles[first:end, point]
            drift[first:end, point] = path.mean(axis=0) - path
    soft = uniform_filter1d(resting.astype(float), 2 * width + 1, axis=0, mode="nearest")
    share = (0.1 + soft).reshape(len(soles), 2, 3)
    share = (share / share.sum(axis=2, keepdims=True)).reshape(len(soles), 6)
    return soles + _HELD * uniform_filter1d(drift, width, axis=0, mode="nearest"), share


def floor_height(soles: np.ndarray, fps: float, percentile: float = _FLOOR_PERCENTILE) -> float:
    """Height m of the floor under sole points (T,6,3): where the lower end of a foot is when it is slow, that percentile of it.

    A foot that dips deeper while it moves, as toes do that are longer than the performer's, does not lower the floor.
    """
    lowest = soles.reshape(len(soles), 2, 3, 3)[..., 1].argmin(axis=2)[..., None, None]
    ends = np.take_along_axis(soles.reshape(len(soles), 2, 3, 3), lowest, axis=2)[:, :, 0]
    slow = _speeds(soles, fps).reshape(len(soles), 2, 3).min(axis=2) < STILL
    heights = ends[..., 1][slow] if slow.sum() > _FEW * slow.size else ends[..., 1]
    return float(np.percentile(heights, percentile))


def _speeds(soles: np.ndarray, fps: float) -> np.ndarray:
    """(T,6) m/s."""
    return np.linalg.norm(np.gradient(soles, axis=0), axis=-1) * fps if len(soles) > 1 else np.zeros(soles.shape[:2])


def _places(found: Calibration, segment: np.ndarray, arms: np.ndarray, poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(T,K,3) m where points go that ride segments (K,) with arms (K,3) from their rest joints."""
    transforms = kinematics.forward(poses, found.rest.joints, found.rest.frames, trans)
    return (transforms[:, segment, :3, :3] @ arms[:, :, None])[..., 0] + transforms[..., :3, 3][:, segment]


def _joint_distance(found: Calibration, carried: Carried, centres: np.ndarray, poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(T,22) m; a joint that two segments carry is in the middle of where they carry it."""
    first = len(carried.skin)
    where = _places(found, carried.segment[first:], carried.arms[first:], poses, trans)
    shares = np.zeros((BODY, len(carried.smpl_joint)))
    shares[carried.smpl_joint, np.arange(shares.shape[1])] = 1.0
    return np.linalg.norm((shares / shares.sum(axis=1, keepdims=True)) @ where - centres, axis=-1)


def _sole_arms(body: BodyModel, found: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """The joints (6,) that the soles' points ride, and their arms (6,3) m from these joints' rest centres; a vertex that two joints
    share is taken as riding its foot's bone."""
    joint = np.array([JOINT[("toes" if name.startswith("toe") else "calcn") + name[-2:]] for name in CONTACT_NAMES])
    at_rest = body.soles.at_rest(torch.as_tensor(found.betas[None]).to(body.soles.template))[0].cpu().numpy()
    return joint, at_rest - found.rest.joints[joint]


def _soles(body: BodyModel, found: Calibration, poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(T,6,3) m, the soles' points of the body."""
    return _places(found, *_sole_arms(body, found), poses, trans)


def _source_soles(body: BodyModel, found: Calibration, source: SourceBody, rotations: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(T,6,3) m, the points of the source's feet that lie at the body's soles in the rest pose."""
    joint, arms = _sole_arms(body, found)
    at_rest = _places(found, joint, arms, found.poses[None], found.trans[None])[0]
    smpl = np.array([JOINT_INDEX[SMPL_OF_SKEL[JOINT_NAMES[number]]] for number in joint])
    return (rotations[:, smpl] @ (at_rest - source.joints[smpl])[:, :, None])[..., 0] + centres[:, smpl]
