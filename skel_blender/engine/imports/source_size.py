# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the person of a motion is whose body is not at hand: as large as lets the feet stand still.

The pelvis moves as measured, the legs turn as measured; only legs of the right length bring a resting foot's speed to nothing.
"""

from __future__ import annotations

import numpy as np

from .motion import JOINT_INDEX, SmplMotion
from .source_body import SourceBody, chain

_SCALES = np.arange(0.75, 1.301, 0.01)
_FEET = [JOINT_INDEX[name] for name in ("left_ankle", "right_ankle", "left_foot", "right_foot")]
_MOVING = 0.3  # m/s of the pelvis; who stands tells nothing
_ENOUGH = 40  # frames, or as many as make a second
_CLEAR = 0.7  # the best size must leave less than this part of the speed that sizes at both ends leave


def estimate(motion: SmplMotion, source: SourceBody) -> float | None:
    """The size relative to `source`, within 0.75 and 1.3; None where too little walking tells."""
    fps = float(motion.fps)
    _, centres = chain(motion, source.joints)
    stride = max(1, round(fps / 30.0))  # finer steps are noise
    centres = centres[::stride]
    if len(centres) < _ENOUGH:
        return None
    root = np.diff(centres[:, 0], axis=0) * fps / stride
    feet = np.diff(centres[:, _FEET] - centres[:, :1], axis=0) * fps / stride
    moving = np.linalg.norm(root, axis=1) > _MOVING
    if moving.sum() < _ENOUGH:
        return None
    speed = np.linalg.norm(root[moving, None] + _SCALES[:, None, None, None] * feet[moving], axis=-1).min(axis=-1)
    left = np.median(speed, axis=1)  # of the slowest foot, per size
    best = int(left.argmin())
    if best in (0, len(left) - 1) or left[best] > _CLEAR * min(left[0], left[-1]):
        return None
    a, b, c = left[best - 1 : best + 2]
    return float(_SCALES[best] + 0.005 * (a - c) / max(a - 2 * b + c, 1e-9))
