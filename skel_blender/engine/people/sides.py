# SPDX-License-Identifier: GPL-3.0-or-later
"""Which reading of each frame, and which side is left: the choice over a whole track that moves least.

The landmark network takes each frame by itself. It mistakes left for right now and then, in the whole body or in the
limbs, and a hard frame has several readings. The shortest path through all readings and their swapped versions settles
both (Viterbi over pairs of frames, so that limbs that pass each other go on, and do not turn back as each other).
"""

from __future__ import annotations

import numpy as np

from ..blazepose import ACROSS, LANDMARKS, LIMBS, PARTNERS
from .landmarker import Pose
from .poses import quality, scale

_SWAPS = (range(0), range(LANDMARKS), range(13, 23), range(25, 33), range(23, 33), range(23))
_SWAP_COST = np.array([0.0, 0.1, 0.2, 0.2, 0.2, 0.2])
_STEP_M = 0.1  # mean change of the limb joints that costs as much as half a unit of quality
_FAR_M = 0.5  # change from which more is no worse
_OUTLINE = slice(6, None)  # of a reading's columns
_NO_SIDE = [k for end, (first, *_) in ACROSS.items() if len(first) > 1 for k in {end, PARTNERS[end]}]  # the outline of the trunk


def swap_orders() -> np.ndarray:
    """(6,33): landmark orders as read, with all sides swapped, with those of forearms and hands, of lower legs and feet, of legs and hips,
    and of all that is above the hips."""
    return np.array([[PARTNERS[k] if k in swapped else k for k in range(LANDMARKS)] for swapped in _SWAPS])


def exchanged(points: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Readings (...,33,10), of which each row is x, y, confidence, a place in space and the outline there, with landmarks in another order
    (33,)."""
    swapped = points[..., order, :]
    swapped[..., _NO_SIDE, _OUTLINE] = points[..., _NO_SIDE, _OUTLINE]
    return swapped


def steadiest(frames: np.ndarray, readings: list[list[Pose]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """keypoints_2d (T,33,3), landmarks_3d (T,33,3), outline (T,33,4) of the best path through the readings of frames (T,), increasing."""
    states, costs = _states(readings)
    px_per_m = np.median([scale(poses[0])[0] for poses in readings])
    joints = [_joints(state, px_per_m) for state in states]
    if len(states) == 1:
        return _parts(states[0][[int(costs[0].argmin())]])
    total = costs[0][:, None] + _change(joints[0], joints[1]) + costs[1]  # of the best path that ends in a pair of states
    back = []
    for t in range(2, len(states)):
        ratio = (frames[t] - frames[t - 1]) / (frames[t - 1] - frames[t - 2])
        ahead = joints[t - 1] + min(ratio, 1.0) * (joints[t - 1] - joints[t - 2][:, None])  # (A,B,12,6)
        ahead[..., 5] = joints[t - 1][..., 5]
        turn = _change(ahead.reshape(-1, *ahead.shape[2:]), joints[t]).reshape(*total.shape, -1)
        step = total[:, :, None] + turn + _change(joints[t - 1], joints[t])
        back.append(step.argmin(0))
        total = step.min(0) + costs[t]
    before, last = np.unravel_index(total.argmin(), total.shape)
    path = [last, before]
    for links in reversed(back):
        path.append(links[path[-1], path[-2]])
    return _parts(np.stack([state[i] for state, i in zip(states, reversed(path), strict=True)]))


def _parts(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return chosen[..., :3], chosen[..., 3:6], chosen[..., _OUTLINE]


def _states(readings: list[list[Pose]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Per frame the readings in all swapped versions (S,33,10), keypoints, landmarks and outline, and what each costs by itself (S,)."""
    orders = swap_orders()
    states, costs = [], []
    for poses in readings:
        rows = [np.column_stack([p.keypoints_2d, p.landmarks_3d, p.outline]) for p in poses]
        states.append(np.stack([exchanged(pose, order) for pose in rows for order in orders]))
        costs.append(np.concatenate([2 * (1 - quality(p)) + _SWAP_COST for p in poses]))
    return states, costs


def _joints(states: np.ndarray, px_per_m: float) -> np.ndarray:
    """(S,12,6) of states (S,33,10): the limb joints' place in the image in metres, in space in metres, and confidence last."""
    limbs = states[:, LIMBS]
    return np.concatenate([limbs[..., :2] / px_per_m, limbs[..., 3:6], limbs[..., 2:3]], axis=-1)


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(A,B): cost of the way from each of A joint sets to each of B (.,12,6); unsure joints weigh less."""
    a, b = before[:, None], after[None]
    weight = np.sqrt(a[..., 5] * b[..., 5]) + 0.05
    flat = np.linalg.norm(a[..., :2] - b[..., :2], axis=-1)
    deep = np.linalg.norm(a[..., 2:5] - b[..., 2:5], axis=-1)
    change = np.minimum(flat, _FAR_M) + np.minimum(deep, _FAR_M)
    return (weight * change).sum(-1) / weight.sum(-1) / _STEP_M
