# SPDX-License-Identifier: GPL-3.0-or-later
"""Postures that a start from an upright stance is far from: on the hands, on the floor, deep in the knees."""

from __future__ import annotations

import numpy as np

from skel_blender.anatomy import DOF_INDEX, LIMITS_ANATOMICAL, Q

_LEGS = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
_ARMS = ("shoulder_x", "shoulder_y", "shoulder_z", "elbow_flexion", "pro_sup")
_OVERHEAD, _FORWARD, _DOWN = {"shoulder_x": -75.0}, {"shoulder_z": 85.0}, {"shoulder_x": 75.0}
# Degrees; names without a side are both sides', a shoulder's x raises the arm where it is negative. pelvis_tilt: 90 lies on the back.
POSTURES: dict[str, dict[str, float]] = {
    "handstand": {"pelvis_tilt": 180, **_OVERHEAD},
    "handstand, legs apart": {"pelvis_tilt": 175, **_OVERHEAD, "hip_flexion_l": 60, "hip_flexion_r": -30},
    "handstand, tucked": {"pelvis_tilt": 170, **_OVERHEAD, "hip_flexion": 110, "knee_angle": 120},
    "cartwheel": {"pelvis_list": 90, "hip_adduction": -45, "shoulder_x": -10},
    "lying on the back": {"pelvis_tilt": 90, **_DOWN},
    "sit-up, down": {"pelvis_tilt": 85, "hip_flexion": 50, "knee_angle": 90, "shoulder_x": -30, "elbow_flexion": 130},
    "sit-up, half": {"pelvis_tilt": 60, "lumbar_extension": -25, "thorax_extension": -20, "hip_flexion": 75, "knee_angle": 90, **_FORWARD},
    "sit-up, up": {"pelvis_tilt": 25, "lumbar_extension": -25, "thorax_extension": -20, "hip_flexion": 105, "knee_angle": 95, **_FORWARD},
    "sitting on the floor": {"pelvis_tilt": 5, "hip_flexion": 85, "knee_angle": 5, "shoulder_x": 60},
    "plank": {"pelvis_tilt": -85, **_FORWARD},
    "bridge": {"pelvis_tilt": 95, "hip_flexion": -30, "knee_angle": 75, "lumbar_extension": 30, "thorax_extension": 25, **_OVERHEAD},
    "deep crouch": {"pelvis_tilt": -30, "hip_flexion": 125, "knee_angle": 140, "ankle_angle": 30, **_FORWARD},
    "crouch, curled up": {"pelvis_tilt": -45, "lumbar_extension": -40, "thorax_extension": -35, "hip_flexion": 130, "knee_angle": 150,
                          "ankle_angle": 30, "shoulder_z": 70, "shoulder_x": 40, "elbow_flexion": 90},
    "crouch on one knee": {"pelvis_tilt": -15, "hip_flexion_l": 100, "knee_angle_l": 100, "hip_flexion_r": 0, "knee_angle_r": 100, **_DOWN},
    "fold, hands to feet": {"pelvis_tilt": -95, "lumbar_extension": -35, "thorax_extension": -30, "hip_flexion": 100, **_FORWARD},
    "flip, tucked": {"pelvis_tilt": 120, "hip_flexion": 120, "knee_angle": 130, "shoulder_z": 70, "elbow_flexion": 60},
}  # fmt: skip


def pose_of(name: str) -> np.ndarray:
    """(46,) rad of a posture, inside the limits; knees and elbows are never quite straight."""
    pose = np.zeros(Q)
    told = {"knee_angle": 5.0, "elbow_flexion": 10.0} | POSTURES[name]
    for dof, degrees in told.items():
        for full, sign in _sides(dof):
            pose[DOF_INDEX[full]] = sign * np.radians(degrees)
    low, up = np.array(LIMITS_ANATOMICAL).T
    return np.clip(pose, low, up)


def _sides(dof: str) -> list[tuple[str, int]]:
    """The DoFs that a name means, with their signs: raising the left arm turns the other way."""
    if dof in _LEGS:
        return [(f"{dof}_r", 1), (f"{dof}_l", 1)]
    if dof in _ARMS:
        axis = dof.rpartition("_")[2]
        if dof.startswith("shoulder"):
            return [(f"shoulder_r_{axis}", 1), (f"shoulder_l_{axis}", 1 if axis == "z" else -1)]
        return [(f"{dof}_r", 1), (f"{dof}_l", 1)]
    return [(dof, 1)]
