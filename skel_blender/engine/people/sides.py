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

# What is swapped with the other side: nothing, all, forearms with hands, lower legs with feet, these with hips, all above the hips.
_SWAPS = (range(0), range(LANDMARKS), range(13, 23), range(25, 33), range(23, 33), range(23))
SWAP_ORDERS = np.array([[PARTNERS[k] if k in swapped else k for k in range(LANDMARKS)] for swapped in _SWAPS])  # (6,33) landmarks
_SWAP_COST = np.array([0.0, 0.1, 0.2, 0.2, 0.2, 0.2])
_STEP_M = 0.1  # mean change of the limb joints that costs as much as half a unit of quality
_FAR_M = 0.5  # change from which more is no worse
_OUTLINE = slice(6, None)  # of a reading's columns
_NO_SIDE = [k for end, (first, *_) in ACROSS.items() if len(first) > 1 for k in {end, PARTNERS[end]}]  # the outline of the trunk


def exchanged(points: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Readings (...,33,10), of which each row is x, y, confidence, a place in space and the outline there, with landmarks in another order
    (33,)."""
    swapped = points[..., order, :]
    swapped[..., _NO_SIDE, _OUTLINE] = points[..., _NO_SIDE, _OUTLINE]
    return swapped


def steadiest(frames: np.ndarray, readings: list[list[Pose]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """keypoints_2d (T,33,3), landmarks_3d (T,33,3), outline (T,33,4) of the best path through the readings of frames (T,), increasing."""
    chosen = np.stack([_version(poses, state) for poses, state in zip(readings, _best_path(frames, readings), strict=True)])
    return chosen[..., :3], chosen[..., 3:6], chosen[..., _OUTLINE]


def _best_path(frames: np.ndarray, readings: list[list[Pose]]) -> list[int]:
    """Which state of each frame is on the path of least cost; a state is a reading in one of its swapped versions, see `_version`.

    Only the states of three frames are in memory at a time: a long track has too many.
    """
    px_per_m = np.median([scale(poses[0])[0] for poses in readings])
    here, cost = _joints(readings[0], px_per_m), _costs(readings[0])
    if len(readings) == 1:
        return [int(cost.argmin())]
    before, here = here, _joints(readings[1], px_per_m)
    total = cost[:, None] + _change(before, here) + _costs(readings[1])  # of the best path that ends in a pair of states
    back = []
    for t in range(2, len(readings)):
        after = _joints(readings[t], px_per_m)
        ratio = (frames[t] - frames[t - 1]) / (frames[t - 1] - frames[t - 2])
        ahead = here + min(ratio, 1.0) * (here - before[:, None])  # (A,B,12,6): where the joints would be by going on
        ahead[..., 5] = here[..., 5]
        turn = _change(ahead.reshape(-1, *ahead.shape[2:]), after).reshape(*total.shape, -1)
        step = total[:, :, None] + turn + _change(here, after)
        back.append(step.argmin(0).astype(np.uint16))
        total = step.min(0) + _costs(readings[t])
        before, here = here, after
    path = [int(state) for state in np.unravel_index(total.argmin(), total.shape)][::-1]
    for links in reversed(back):
        path.append(int(links[path[-1], path[-2]]))
    return path[::-1]


def _version(poses: list[Pose], state: int) -> np.ndarray:
    """(33,10) keypoints, landmarks and outline of a frame's state: of each reading there are as many as SWAP_ORDERS."""
    reading, order = divmod(state, len(_SWAPS))
    return exchanged(_row(poses[reading]), SWAP_ORDERS[order])


def _row(pose: Pose) -> np.ndarray:
    """(33,10), see `exchanged`."""
    return np.column_stack([pose.keypoints_2d, pose.landmarks_3d, pose.outline])


def _costs(poses: list[Pose]) -> np.ndarray:
    """(S,) what each of a frame's states costs by itself."""
    return np.concatenate([2 * (1 - quality(pose)) + _SWAP_COST for pose in poses])


def _joints(poses: list[Pose], px_per_m: float) -> np.ndarray:
    """(S,12,6) of a frame's states: the limb joints' place in the image in metres, in space in metres, and confidence last."""
    limbs = np.stack([_row(pose)[SWAP_ORDERS[:, LIMBS]] for pose in poses]).reshape(-1, len(LIMBS), 10)
    return np.concatenate([limbs[..., :2] / px_per_m, limbs[..., 3:6], limbs[..., 2:3]], axis=-1)


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(A,B): cost of the way from each of A joint sets to each of B (.,12,6); unsure joints weigh less."""
    a, b = before[:, None], after[None]
    weight = np.sqrt(a[..., 5] * b[..., 5]) + 0.05
    flat = np.linalg.norm(a[..., :2] - b[..., :2], axis=-1)
    deep = np.linalg.norm(a[..., 2:5] - b[..., 2:5], axis=-1)
    change = np.minimum(flat, _FAR_M) + np.minimum(deep, _FAR_M)
    return (weight * change).sum(-1) / weight.sum(-1) / _STEP_M
