# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands still stands on straight legs: a second opinion on knees, whose bend one view from before or behind hardly tells.

Muscles hold a bent knee, hardly anything a straight one; so people who wait let at least one leg be straight (Perry, Gait Analysis, 1992).
A regressor that does not see the bend says what motion usually has, and that it is not sure.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import binary_closing, binary_opening, binary_propagation, find_objects, label, uniform_filter1d

from ...anatomy import DOF_INDEX
from .observations import Observations

_STILL, _SLOW = 0.06, 0.12  # m/s, the pelvis of somebody who stands still, and as long as he does no more than shift his weight
_LEAST_S, _WINDOW_S = 0.5, 0.5  # he stands still for at least so long, his speed as a mean over so long
_FADE_S = 1.0  # how long what is said of him takes to come and go
_STRAIGHT = 0.07, 0.1  # rad, the straighter knee of people who wait, and its deviation
_BENT = 0.7, 0.35  # and of those who wait on bent knees, as for a ball,
_RARE = 0.05  # which are so many of them
_RATHER = 4  # power of the odds: who may be the one or the other is not half of each, but rather the likelier
_KNEES = [DOF_INDEX["knee_angle_r"], DOF_INDEX["knee_angle_l"]]
_WITH = [DOF_INDEX[f"{name}_{side}"] for name in ("hip_flexion", "ankle_angle") for side in "rl"]  # bend half as far


def waits(resting: np.ndarray, over_feet: np.ndarray, pelvis: np.ndarray, fps: float) -> np.ndarray:
    """(T,) bool: a foot rests, soles' points (T,6) bool, he is over his feet (T,), and the pelvis (T,3) m stands still, or sways before or
    after it did. Nobody waits who is seen for a moment only."""
    least = max(2, round(_LEAST_S * fps))
    if len(pelvis) < least:
        return np.zeros(len(pelvis), dtype=bool)
    velocity = np.gradient(pelvis, axis=0) * fps
    speed = np.linalg.norm(uniform_filter1d(velocity, max(1, round(_WINDOW_S * fps)), axis=0, mode="nearest"), axis=1)
    stands = over_feet & binary_closing(np.pad(resting.any(axis=1), least, mode="edge"), np.ones(least))[least:-least]
    return binary_propagation(binary_opening(stands & (speed < _STILL), np.ones(least)), mask=stands & (speed < _SLOW))


def straightened(seen: Observations, waiting: np.ndarray) -> Observations:
    """What a regressor says (`prior_poses`, `prior_sigma`) of one person, where he is `waiting` (T,) together with what is known of that.

    The straighter of his knees is one that is straight, or one of few that are bent. As far as the first is the likelier, it counts as a
    second measurement, of the deviation that straight knees have. The other knee keeps its difference, and his trunk its tilt.
    """
    if seen.prior_poses is None or not waiting.any():
        return seen
    poses, sigma = seen.prior_poses.clone(), seen.prior_sigma.clone()
    said, straighter = poses[:, _KNEES].min(dim=1)
    precision = sigma[:, _KNEES].gather(1, straighter[:, None])[:, 0] ** -2
    usual, second = _STRAIGHT[0], _STRAIGHT[1] ** -2
    straight = np.zeros(len(waiting))
    for (spell,) in find_objects(label(waiting)[0]):
        straight[spell] = _straight(*(float(part[spell].median()) for part in (said, precision)))
    straight = torch.as_tensor(uniform_filter1d(straight, max(1, round(_FADE_S * seen.fps)), mode="nearest")).to(said) * (precision > 0)
    change = (straight * (usual - said) * second / (precision + second)).clamp(max=0.0)[:, None]
    poses[:, _KNEES] += change
    poses[:, _WITH] += 0.5 * change
    knees = torch.as_tensor(_KNEES).to(straighter.device)[straighter]
    sigma.scatter_(1, knees[:, None], ((precision + straight * second) ** -0.5)[:, None])
    return replace(seen, prior_poses=poses, prior_sigma=sigma)


def _straight(said: float, precision: float) -> float:
    """0..1, whether a knee of which so much is `said` (rad), with this `precision` (rad^-2), is rather a straight one."""
    if precision <= 0.0:
        return 0.0
    densities = [np.exp(-0.5 * (said - usual) ** 2 / variance) / variance**0.5
                 for usual, variance in ((usual, spread**2 + 1.0 / precision) for usual, spread in (_STRAIGHT, _BENT))]  # fmt: skip
    odds = (_RARE * densities[1] / max((1 - _RARE) * densities[0], 1e-30)) ** _RATHER
    return float(1.0 / (1.0 + odds))
