# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a body faces over the floor: what a root bone that turns with it is turned by. numpy only.

The hips' lateral axis tells: unlike the forward one it stays level in a bow, a flip, a forward roll and on all fours. Where it does not say
where somebody will face when he is up again (it stands steep, as in a cartwheel, or he lies on his back or is upside down), the yaw goes on
evenly from the last frame that does to the next. A low-pass then takes out the swing of each step, without delay; the ends of the clip
keep their yaw.
"""

from __future__ import annotations

import numpy as np

_UP = 0.5  # how upright or face down (1: wholly, 0: on the back or a side, -1: upside down) hips that have a heading are at least
_LEVEL = 0.6  # how much of their lateral axis is level at least
_SPREAD_S = 0.25  # of the low-pass, a Gaussian's standard deviation: lets through 29% of the hips' swing at one stride a second
_FORWARD, _VERTICAL = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])


def headings(turns: np.ndarray, fps: float, forward: np.ndarray = _FORWARD) -> np.ndarray:
    """(T,) rad about z, never jumping by whole turns, for hips turned by (T,3,3) from standing upright and facing `forward` (3,)."""
    return _smooth(_unwrapped(turns, forward), _SPREAD_S * fps)


def _unwrapped(turns: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """(T,) the same before the low-pass: all zero if it is never clear."""
    sideways = np.cross(forward, _VERTICAL)
    across = turns @ sideways
    up = turns[:, 2, 2] + np.maximum(0.0, -(turns @ forward)[:, 2])
    clear = (up > _UP) & (np.linalg.norm(across[:, :2], axis=1) > _LEVEL)
    if not clear.any():
        return np.zeros(len(turns))
    yaw = np.arctan2(across @ np.cross(_VERTICAL, sideways), across @ sideways)[clear]
    return np.interp(np.arange(len(turns)), np.flatnonzero(clear), np.unwrap(yaw))


def _smooth(angles: np.ndarray, spread: float) -> np.ndarray:
    """(T,) the angles through a Gaussian of `spread` frames; beyond its ends the clip goes on as its mirror image through them."""
    reach = min(int(np.ceil(3.0 * spread)), len(angles) - 1)
    if reach < 1:
        return angles
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / spread) ** 2)
    longer = np.concatenate([2.0 * angles[0] - angles[reach:0:-1], angles, 2.0 * angles[-1] - angles[-2 : -reach - 2 : -1]])
    return np.convolve(longer, kernel / kernel.sum(), mode="valid")
