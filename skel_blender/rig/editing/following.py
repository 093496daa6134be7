# SPDX-License-Identifier: GPL-3.0-or-later
"""People seen by a still camera, carried into the world of the camera that really moved: what each frame shows stays the same. numpy only.

Where the camera really was is known but for the size of the world. The floor tells it: feet that rest are at height 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ... import kinematics
from ...anatomy import J
from .sway import HELD

_STILL_M, _STILL_RAD = 0.01, 0.005
_FLAT = 0.02  # of a camera's way to the feet: one at their height sees no floor
_RAISED_M = 0.1  # feet that rest higher, on a wall or a step, say nothing of the floor
_PELVIS = 0


@dataclass(frozen=True)
class Walker:
    """A person's motion and feet: poses (T,46) rad, trans (T,3) m, model frame; contacts (T,6) bool or None."""

    frames: np.ndarray  # (T,) scene frames
    poses: np.ndarray
    trans: np.ndarray
    joints: np.ndarray  # (24,3) rest joints, m
    rest: np.ndarray  # (24,3,3) rest frames
    ground: float  # m from the rest body's lowest point up to its origin
    contacts: np.ndarray | None


def is_still(matrices: np.ndarray) -> bool:
    """Whether a camera with the world matrices (T,4,4) stands still."""
    turned = np.linalg.norm(matrices[:, :3, :3] - matrices[0, :3, :3], axis=(1, 2)) / np.sqrt(2)
    return bool(turned.max() < _STILL_RAD and keeps_place(matrices))


def keeps_place(matrices: np.ndarray) -> bool:
    """Whether a camera with the world matrices (T,4,4) stays where it is, turning or not."""
    return bool(np.ptp(matrices[:, :3, 3], axis=0).max() < _STILL_M)


def at_frames(matrices: dict[int, np.ndarray], frames: np.ndarray) -> np.ndarray:
    """(T,4,4) rigid world matrices at the frames (T,), beyond the known ones the nearest."""
    known = np.array(sorted(matrices))
    nearest = known[np.searchsorted((known[1:] + known[:-1]) / 2.0, frames)]
    result = np.array([matrices[frame] for frame in nearest], dtype=float)
    result[:, :3, :3] /= np.linalg.norm(result[:, :3, :3], axis=1, keepdims=True)
    return result


def world_size(walkers: list[Walker], old: dict[int, np.ndarray], new: dict[int, np.ndarray]) -> float:
    """What the new camera's places are to be multiplied by, so that resting feet are on the floor z = 0; 1 if none says so.

    `old` and `new`: frame -> (4,4) world matrices of the camera that the people were seen by, and of the one that moved.
    """
    found = []
    for walker in walkers:
        if walker.contacts is None:
            continue
        before, after = at_frames(old, walker.frames), at_frames(new, walker.frames)
        places = kinematics.z_up(kinematics.forward(walker.poses, walker.joints, walker.rest, walker.trans)[..., :3, 3])
        seen = np.einsum("tij,tkj->tki", np.linalg.inv(before), np.concatenate([places, np.ones((*places.shape[:2], 1))], axis=-1))
        lift = walker.joints[:, 1] + walker.ground
        down = np.einsum("tj,tkj->tk", after[:, 2, :3], seen[..., :3]) - lift  # from the camera, m
        held = _held(walker.contacts) & (places[..., 2] < lift + _RAISED_M) & (-down > _FLAT * np.linalg.norm(seen[..., :3], axis=-1))
        height = np.broadcast_to(after[:, 2, 3, None], held.shape)
        held &= height > 0.0
        found.append(-down[held] / height[held])
    sizes = np.concatenate([np.zeros(0), *found])
    return float(np.median(sizes)) if len(sizes) else 1.0


def carry(walker: Walker, old: dict[int, np.ndarray], new: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Poses (T,46) and trans (T,3) with which the new camera sees what the old one saw."""
    steps = at_frames(new, walker.frames) @ np.linalg.inv(at_frames(old, walker.frames))
    model = kinematics.R_ZUP_YUP
    turns, shifts = model.T @ steps[:, :3, :3] @ model, kinematics.y_up(steps[:, :3, 3])
    return moved(walker.poses, walker.trans, (walker.joints, walker.rest), turns, shifts)


def moved(
    poses: np.ndarray, trans: np.ndarray, rest: tuple[np.ndarray, np.ndarray], turns: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (T,46) and trans (T,3) of a body with those rest joints (24,3) and frames (24,3,3), turned as a whole by (T,3,3) about the
    origin and then shifted by (T,3) m, model frame."""
    frame, origin = rest[1][_PELVIS], rest[0][_PELVIS]
    angles = kinematics.joint_rotations(poses)[:, _PELVIS]
    poses = poses.copy()
    poses[:, :3] = kinematics.pelvis_angles(frame.T @ turns @ frame @ angles, poses[0, :3])
    return poses, np.einsum("tij,tj->ti", turns, trans + origin) + shifts - origin


def slide(walker: Walker, poses: np.ndarray, trans: np.ndarray) -> float:
    """m that a resting foot moves from frame to frame, median; 0 if none rests."""
    if walker.contacts is None:
        return 0.0
    places = kinematics.forward(poses, walker.joints, walker.rest, trans)[..., :3, 3]
    held = _held(walker.contacts)
    both = held[1:] & held[:-1]
    return float(np.median(np.linalg.norm(np.diff(places, axis=0), axis=-1)[both])) if both.any() else 0.0


def _held(contacts: np.ndarray) -> np.ndarray:
    """(T,24) bool: the joints that contacts (T,6) hold in place, those nearest to the floor."""
    result = np.zeros((len(contacts), J), dtype=bool)
    for point, joints in enumerate(HELD):
        result[:, joints[-1]] |= np.asarray(contacts)[:, point] > 0
    return result
