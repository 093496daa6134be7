# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion of the SMPL family as this package holds it, whichever file it came from, and the rotations that such files write.

SMPL, SMPL-H and SMPL-X share their first 22 joints (Loper et al. 2015, Romero et al. 2017, Pavlakos et al. 2019); fingers, jaw and eyes
are left out here. Each joint turns by a local rotation about the axes of the rest pose: x left, y up, z forward; joint 0 turns the
person in the file's world. A point v that rides joint j ends at G_j (v - J_j) + p_j + trans, where p is the chain of the rest joints J.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.spatial.transform import Rotation

from ...messages import SkelError

JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3",
    "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
BODY = len(JOINTS)  # 22
JOINT_INDEX = {name: index for index, name in enumerate(JOINTS)}

UP_AXES = {  # the rotation that takes a file's axes to y up
    "y": np.eye(3),
    "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "-y": np.diag([1.0, -1.0, -1.0]),  # a camera's: x right, y down, z away
}

_ORTHOGONAL = 1e-2  # how far a matrix that claims to be a rotation may be from one


@dataclass(frozen=True)
class Lens:
    """The camera that a motion was seen by."""

    K: np.ndarray  # (3,3) px
    size: tuple[int, int]  # width, height px
    cam_to_world: np.ndarray | None = None  # (N,4,4) by frame number, where the camera moves; else the camera's axes are the world
    people_in_world: bool = False  # whether the file tells people in that world, not in the moving camera's axes
    root_in_camera: np.ndarray | None = None  # (T,4,4) turn and trans of the person in the camera's axes, where these alone tell its way


@dataclass(frozen=True)
class SmplMotion:
    """One person over consecutive frames, in the file's own world."""

    name: str
    model: str  # 'smpl', 'smplh' or 'smplx'
    gender: str  # 'male', 'female' or 'neutral'
    fps: Fraction
    frames: np.ndarray  # (T,) consecutive frame numbers of the source
    rotations: np.ndarray  # (T,22,3,3) local
    trans: np.ndarray  # (T,3) m
    betas: np.ndarray  # (N,) one shape for all frames
    seen: np.ndarray  # (T,) bool, false where a gap of the track was bridged
    up: str  # which axis of the file points up, a key of UP_AXES
    has_floor: bool  # whether height 0 of the file is its floor
    layout: str  # which program's layout the file has
    knows_rate: bool = True  # whether the file says its frame rate, or the program has only one
    level: np.ndarray | None = None  # (3,3) the turn that takes a camera's tilt out, once y is up
    lens: Lens | None = None

    def to_y_up(self) -> np.ndarray:
        """(3,3) the rotation from the file's axes to a world whose y is up."""
        return UP_AXES[self.up] if self.level is None else self.level @ UP_AXES[self.up]


def rotation_matrices(vectors: np.ndarray) -> np.ndarray:
    """(...,3) axis times angle, rad -> (...,3,3)."""
    return Rotation.from_rotvec(np.reshape(vectors, (-1, 3))).as_matrix().reshape(*np.shape(vectors), 3)


def rotation_vectors(matrices: np.ndarray) -> np.ndarray:
    """(...,3,3) -> (...,3) axis times angle, angle at most pi."""
    return Rotation.from_matrix(np.reshape(matrices, (-1, 3, 3))).as_rotvec().reshape(np.shape(matrices)[:-1])


def nearest_rotations(matrices: np.ndarray, name: str) -> np.ndarray:
    """(...,3,3) matrices that are rotations up to rounding, made exact. Raises SkelError naming the file if they are none."""
    matrices = np.asarray(matrices, dtype=float)
    u, singular, vt = np.linalg.svd(matrices)
    found = u @ vt
    if np.abs(singular - 1).max(initial=0.0) > _ORTHOGONAL or np.linalg.det(found).min(initial=1.0) < 0:
        raise SkelError("bad_motion", f"{name} holds 3x3 matrices that are not rotations.", "Export the motion again.")
    return found


def bridged(frames: np.ndarray, rotations: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Consecutive (frames, rotations, trans, seen) of a track with gaps: places run straight, rotations turn evenly between both ends.

    frames (T,) distinct and ascending, rotations (T,22,3,3), trans (T,3) m.
    """
    every = np.arange(frames[0], frames[-1] + 1)
    if len(every) == len(frames):
        return every, rotations, trans, np.ones(len(every), dtype=bool)
    after = np.clip(np.searchsorted(frames, every), 1, len(frames) - 1)
    before = after - 1
    part = (every - frames[before]) / (frames[after] - frames[before])
    turn = rotation_vectors(np.swapaxes(rotations[before], -1, -2) @ rotations[after])
    turned = rotations[before] @ rotation_matrices(turn * part[:, None, None])
    moved = trans[before] + (trans[after] - trans[before]) * part[:, None]
    return every, turned, moved, np.isin(every, frames)
