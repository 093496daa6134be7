# SPDX-License-Identifier: GPL-3.0-or-later
"""How often elbows and knees bend in ways that no joint does: the table of Xia et al. (CVPR 2025), as their evaluation code counts.

SKEL: flexion of knee and elbow and the forearm's pronation against HSMR's limits. SMPL: the joint's rotation as three successive turns,
the first about the hinge, of which the other two should be none (a knee's) or within 67.5 degrees (a forearm's twist).
"""

from __future__ import annotations

import numpy as np

from skel_blender.anatomy import DOF_INDEX, LIMITS_HSMR

THRESHOLDS = (10, 20, 30)  # degrees
_DOFS = {
    "left elbow": ("elbow_flexion_l", "pro_sup_l"), "right elbow": ("elbow_flexion_r", "pro_sup_r"),
    "left knee": ("knee_angle_l",), "right knee": ("knee_angle_r",),
}  # fmt: skip
PARTS = tuple(_DOFS)
_BEND, _TWIST = 0.75 * np.pi, 0.375 * np.pi
# SMPL's joint, less the root; the axes of its turns, the hinge first, and how far each may go (rad).
_HINGES = {
    "left elbow": (17, "yzx", ((-_BEND, 0.0), (0.0, 0.0), (-_TWIST, _TWIST))),
    "right elbow": (18, "yzx", ((0.0, _BEND), (0.0, 0.0), (-_TWIST, _TWIST))),
    "left knee": (3, "xzy", ((0.0, _BEND), (0.0, 0.0), (0.0, 0.0))),
    "right knee": (4, "xzy", ((0.0, _BEND), (0.0, 0.0), (0.0, 0.0))),
}


def of_skel(poses: np.ndarray) -> dict[str, np.ndarray]:
    """Part -> (N,) rad by which the farthest of its angles is beyond its limits; poses (N,46) rad."""
    indices = {part: [DOF_INDEX[name] for name in names] for part, names in _DOFS.items()}
    return {part: _beyond(_within_half_turn(poses[:, dofs]), np.array(LIMITS_HSMR)[dofs]) for part, dofs in indices.items()}


def of_smpl(rotations: np.ndarray) -> dict[str, np.ndarray]:
    """Part -> (N,) rad by which the farthest of its turns is beyond its limits; rotations (N,23,3,3) of SMPL's joints but the root.

    A rotation has a second triple of turns, whose middle one is beyond a right angle: never the better of the two.
    """
    turns = {"xzy": _xzy, "yzx": _yzx}
    return {part: _beyond(turns[order](rotations[:, joint]), np.array(limits)) for part, (joint, order, limits) in _HINGES.items()}


def shares(beyond: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Part -> share of the rows, 0..1, that are beyond by more than each of THRESHOLDS; and 'any of them'."""
    table = {part: [float((values > np.radians(limit)).mean()) for limit in THRESHOLDS] for part, values in beyond.items()}
    worst = np.max(list(beyond.values()), axis=0)
    return table | {"any of them": [float((worst > np.radians(limit)).mean()) for limit in THRESHOLDS]}


def _beyond(angles: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(N,) the largest excess of angles (N,K) over limits (K,2)."""
    return np.maximum(0.0, np.maximum(limits[:, 0] - angles, angles - limits[:, 1])).max(axis=1)


def _within_half_turn(angles: np.ndarray) -> np.ndarray:
    return (angles + np.pi) % (2 * np.pi) - np.pi


def _xzy(m: np.ndarray) -> np.ndarray:
    """(N,3) turns about x, z and y of rotations (N,3,3) = Rx Rz Ry."""
    return np.stack([np.arctan2(m[:, 2, 1], m[:, 1, 1]), np.arcsin(np.clip(-m[:, 0, 1], -1, 1)), np.arctan2(m[:, 0, 2], m[:, 0, 0])], 1)


def _yzx(m: np.ndarray) -> np.ndarray:
    """(N,3) turns about y, z and x of rotations (N,3,3) = Ry Rz Rx."""
    return np.stack([np.arctan2(-m[:, 2, 0], m[:, 0, 0]), np.arcsin(np.clip(m[:, 1, 0], -1, 1)), np.arctan2(-m[:, 1, 2], m[:, 1, 1])], 1)
