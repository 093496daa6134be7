# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys for the same motion: smooth curves through few frames of each channel, held to bounds in space. numpy only.

Keys are added where they are needed until the bounds hold: first where a channel alone leaves its tolerance, then, at frames where
a joint is too far from where it was, in the channels that carry it away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import kinematics
from ..anatomy import DOFS, PARENTS, J, Q
from . import hermite

CHANNELS = Q + 3  # the pose angles, then `trans`
_ROUNDS = 80
_SAME = 1e-6  # rad, m
_OVERSHOOT = 2e-4  # rad that a curve may leave the limits by between keys
_MARGIN = 0.98  # of the bounds: the rest is for the cut at the limits and for Blender's rounding
_SHARE = 1.5  # of the joints' bound, for the place of the farthest joint that one channel moves; errors of several mostly cancel
_EXTREME = 4.0  # turning points that stand out by this many tolerances are keys
_LEAST_REACH = 0.2  # m; hands, head and toes have no joint beyond them, but a length
_BLAME = 0.9  # a channel gets a key if it adds this part of the worst channel's share
_NEAR = 2  # frames; of neighbouring bad frames only the worst gets keys in one round
# Points of take.CONTACT_NAMES -> the joints that must not slide while the point rests on the floor.
_HELD = ((3, 4), (4, 5), (4, 5), (8, 9), (9, 10), (9, 10))


@dataclass(frozen=True)
class Bounds:
    """How far (m) a joint may move by thinning: anywhere, and in a foot that rests on the floor."""

    joint: float = 0.005
    contact: float = 0.001


@dataclass(frozen=True)
class Thinned:
    """The result; `spline` has the 46 pose angles (rad) and three of `trans` (m) as channels."""

    spline: hermite.Spline
    error: float  # m, greatest of all joints and frames
    contact_error: float  # m, greatest of feet in contact
    share: float  # keys left, of all

    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """(T,46) poses and (T,3) trans of the thinned curves."""
        return self.spline.curve[:Q].T, self.spline.curve[Q:].T


def thin(
    poses: np.ndarray,
    trans: np.ndarray,
    rest_joints: np.ndarray,
    rest_frames: np.ndarray,
    contacts: np.ndarray | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008, frozen
    limits: np.ndarray | None = None,
) -> Thinned:
    """Thin poses (T,46) rad and trans (T,3) m of a person with that rest skeleton (`kinematics.forward`); contacts (T,6) bool.

    First and last frame, and every channel's turning points that stand out, stay keys, the latter with level handles. Angles that
    keep `limits` (46,2) rad go on keeping them, but for a hundredth of a degree, since constraints would cut off what is beyond.
    """
    values = np.concatenate([np.asarray(poses, dtype=float), np.asarray(trans, dtype=float)], axis=1).T
    count = values.shape[1]
    truth = kinematics.forward(values[:Q].T, rest_joints, rest_frames, values[Q:].T)
    axes = np.stack([rest_frames[dof.joint] @ np.array(dof.axis) for dof in DOFS])
    allowed = _allowed(count, contacts, bounds)
    box = None if limits is None else (np.minimum(limits[:, :1], values[:Q]), np.maximum(limits[:, 1:], values[:Q]))
    tolerance = (_SHARE * bounds.joint / _reaches(rest_joints))[:, None]
    flat = turning_points(values, _EXTREME * tolerance[:, 0])
    chosen = flat.copy()
    chosen[:, [0, -1]] = True
    moved, seen = truth.copy(), values.copy()
    for number in range(_ROUNDS):
        spline = hermite.fit(values, chosen, flat)
        ratio = np.abs(spline.curve - values) / tolerance
        if box is not None:
            ratio[:Q] = np.maximum(ratio[:Q], np.maximum(box[0] - spline.curve[:Q], spline.curve[:Q] - box[1]) / _OVERSHOOT)
        more = _worst_between(ratio, chosen)
        if np.count_nonzero(more) < 0.01 * np.count_nonzero(chosen):
            stale = (np.abs(spline.curve - seen) > _SAME).any(axis=0)
            seen[:, stale] = spline.curve[:, stale]
            moved[stale] = kinematics.forward(seen[:Q, stale].T, rest_joints, rest_frames, seen[Q:, stale].T)
            more |= _blamed(truth, moved, axes, spline.curve - values, _MARGIN * allowed, chosen)
            if number > _ROUNDS // 2:  # keys that push the error about: from here on whole frames
                more |= ~chosen & more.any(axis=0)
        if not more.any():
            break
        chosen |= more
    spline = hermite.fit(values, chosen, flat)
    moved = kinematics.forward(spline.curve[:Q].T, rest_joints, rest_frames, spline.curve[Q:].T)
    away = np.linalg.norm(moved[..., :3, 3] - truth[..., :3, 3], axis=-1)
    held = allowed < bounds.joint
    return Thinned(spline, float(away.max()), float(away[held].max(initial=0.0)), len(spline.keys) / values.size)


def turning_points(values: np.ndarray, prominence: np.ndarray) -> np.ndarray:
    """(C,T) bool: where values (C,T) turn by at least prominence (C,) both ways; zigzag from one to the next."""
    channels, count = values.shape
    result = np.zeros((channels, count), dtype=bool)
    rows = np.arange(channels)
    place = {1: np.zeros(channels, dtype=int), -1: np.zeros(channels, dtype=int)}  # of the highest and lowest since the last turn
    heading = np.zeros(channels, dtype=int)
    for frame in range(1, count):
        now = values[:, frame]
        for way in (1, -1):
            beyond = way * (now - values[rows, place[way]]) > 0
            place[way] = np.where(beyond, frame, place[way])
        for way in (1, -1):
            turned = (heading != -way) & (way * (values[rows, place[way]] - now) >= prominence)
            real = turned & (heading == way)
            result[rows[real], place[way][real]] = True
            heading = np.where(turned, -way, heading)
            place[-way] = np.where(turned, frame, place[-way])
    return result


def _reaches(rest_joints: np.ndarray) -> np.ndarray:
    """(49,) m: how far a unit of a channel moves the farthest joint that it carries, at most; 1 for the translations."""
    reach = np.full(J, 0.0)
    for joint in range(J - 1, 0, -1):
        parent = PARENTS[joint]
        reach[parent] = max(reach[parent], reach[joint] + np.linalg.norm(rest_joints[joint] - rest_joints[parent]))
    reach = np.maximum(reach, _LEAST_REACH)
    return np.concatenate([reach[[dof.joint for dof in DOFS]], np.ones(3)])


def _allowed(count: int, contacts: np.ndarray | None, bounds: Bounds) -> np.ndarray:
    """(T,24) m: how far each joint may be off."""
    result = np.full((count, J), bounds.joint)
    if contacts is not None:
        for point, joints in enumerate(_HELD):
            for joint in joints:
                result[np.asarray(contacts)[:, point] > 0, joint] = bounds.contact
    return result


def _worst_between(ratio: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(C,T) bool: of each stretch between keys the frame with the greatest ratio, where that exceeds 1."""
    row = np.where(chosen, 0.0, ratio).ravel()
    starts = np.nonzero(chosen.ravel())[0]
    greatest = np.maximum.reduceat(row, starts)
    segment = np.cumsum(chosen.ravel()) - 1
    worst = np.nonzero((row > 1.0) & (row == greatest[segment]))[0]
    result = np.zeros(row.shape, dtype=bool)
    _, first = np.unique(segment[worst], return_index=True)
    result[worst[first]] = True
    return result.reshape(ratio.shape)


def _blamed(
    truth: np.ndarray, moved: np.ndarray, axes: np.ndarray, error: np.ndarray, allowed: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """(C,T) bool: the channels that carry a joint beyond what is allowed, at the worst of the bad frames."""
    off = moved[..., :3, 3] - truth[..., :3, 3]
    ratio = np.linalg.norm(off, axis=-1) / allowed
    worst = ratio.max(axis=1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(worst, _NEAR), 2 * _NEAR + 1).max(axis=1)
    frames = np.nonzero((worst > 1.0) & (worst == around))[0]
    joints = ratio[frames].argmax(axis=1)
    shut = chosen[:, frames]
    share = np.where(shut, 0.0, _shares(moved[frames], axes, joints, error[:, frames], off[frames, joints]))
    most = share.max(axis=0)
    result = np.zeros(chosen.shape, dtype=bool)
    result[:, frames] = ~shut & np.where(most > 0.0, share >= _BLAME * most, error[:, frames] != 0.0)
    return result


def _shares(transforms: np.ndarray, axes: np.ndarray, joints: np.ndarray, error: np.ndarray, off: np.ndarray) -> np.ndarray:
    """(49,F) how much each channel's error (49,F) (rad, m) moves the frames' joints (F,) along off (F,3), to first order.

    transforms (F,24,4,4) of the frames, axes (46,3) of the DoFs in the T pose. The couplings are left out.
    """
    result = np.zeros(error.shape)
    result[Q:] = error[Q:] * off.T
    places = transforms[np.arange(len(joints)), joints, :3, 3]
    for dof in DOFS:
        carried = _ABOVE[joints, dof.joint]
        axis = transforms[carried, dof.joint, :3, :3] @ axes[dof.index]
        arm = places[carried] - transforms[carried, dof.joint, :3, 3]
        result[dof.index, carried] = error[dof.index, carried] * np.sum(np.cross(axis, arm) * off[carried], axis=1)
    return result


def _ancestry() -> np.ndarray:
    """(24,24) bool: whether the second joint lies between the first and the root."""
    result = np.zeros((J, J), dtype=bool)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            result[joint] = result[parent]
            result[joint, parent] = True
    return result


_ABOVE = _ancestry()
