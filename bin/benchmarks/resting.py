# SPDX-License-Identifier: GPL-3.0-or-later
"""Which points of true soles rest, how well flags agree with that, and how far points slide that should rest."""

from __future__ import annotations

import numpy as np

from skel_blender.engine.fit.contacts import spells

# What rests is lower and slower than so. Motion capture on the open body: no joint centre tells how a foot is tilted, and the floor lies at
# the lowest tenth of its lowest points. So points that stand still lie up to 5 cm over it; above, there are hardly any. Feet that roll and
# motion capture's noise are slower; feet that are put elsewhere pass at more than twice that.
LOW_M, SLOW_M_S = 0.05, 0.25
MOVES_M_S = 0.5  # what is faster is seen to move by anybody
SPELL_S = 0.2  # shorter spells are steps' beginnings and ends


def velocities(points: np.ndarray, fps: float) -> np.ndarray:
    """(T,M,3) m/s of points (T,M,3) m, over the frames before and after; one frame stands still."""
    return np.gradient(points, axis=0) * fps if len(points) > 1 else np.zeros_like(points)


def speeds(points: np.ndarray, fps: float) -> np.ndarray:
    """(T,M) m/s of points (T,M,3) m."""
    return np.linalg.norm(velocities(points, fps), axis=-1)


def rests(soles: np.ndarray, fps: float) -> np.ndarray:
    """(T,M) bool: which of true sole points (T,M,3) m, y up, floor at 0, rest on it."""
    return (soles[..., 1] < LOW_M) & (speeds(soles, fps) < SLOW_M_S)


def agreement(said: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Precision and recall of flags, 0..1; NaN where nothing is said, or true."""
    both = float((said & truth).sum())
    return tuple(both / count if (count := int(flags.sum())) else float("nan") for flags in (said, truth))


def slides(points: np.ndarray, resting: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """How points (T,M,3) m, y up, move along the floor while they should rest, `resting` (T,M): the speed, mm/s, from each such frame to
    the next (N,); and for each spell of SPELL_S or longer (S,) how far, mm, it gets from where it began."""
    flat = 1000 * points[..., [0, 2]]
    steps, ways = [np.zeros(0)], []
    for k in range(points.shape[1]):
        for spell in spells(resting[:, k], 1):
            path = flat[spell, k]
            steps.append(np.linalg.norm(np.diff(path, axis=0), axis=-1) * fps)
            if len(spell) >= SPELL_S * fps:
                ways.append(np.linalg.norm(path - path[0], axis=-1).max())
    return np.concatenate(steps), np.array(ways)
