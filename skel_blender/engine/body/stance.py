# SPDX-License-Identifier: GPL-3.0-or-later
"""The relaxed stance, and how far people stray from it: what is believed of a pose before anything is seen."""

from __future__ import annotations

from math import inf

import numpy as np

from ...anatomy import DOF_INDEX, Q

# How far a DoF strays from a relaxed stance (rad); what BlazePose does not see gets a tight one.
_SPREAD = {
    "lumbar": 0.35, "thorax": 0.3, "head": 0.6, "scapula": 0.2, "subtalar": 0.2, "mtp": 0.3, "wrist": 0.5, "pro_sup": 0.7,
    "hip_rotation": 0.6, "hip": 1.5, "knee": 1.5, "ankle": 0.5, "shoulder": 1.2, "elbow": 1.5, "pelvis": inf,
}  # fmt: skip
# The relaxed stance (rad) where it is not zero: arms hang at the sides, elbows a little bent.
_RELAXED = {
    "shoulder_r_x": 1.35, "shoulder_l_x": -1.35, "elbow_flexion_r": 0.3, "elbow_flexion_l": 0.3,
    "knee_angle_r": 0.1, "knee_angle_l": 0.1,
}  # fmt: skip


def relaxed_pose() -> np.ndarray:
    """(46,) rad."""
    pose = np.zeros(Q)
    for name, angle in _RELAXED.items():
        pose[DOF_INDEX[name]] = angle
    return pose


def prior_spread() -> np.ndarray:
    """(46,) rad, infinite for the pelvis."""
    spread = np.empty(Q)
    for name, index in DOF_INDEX.items():
        spread[index] = next(value for prefix, value in _SPREAD.items() if name.startswith(prefix))
    return spread
