# SPDX-License-Identifier: GPL-3.0-or-later
"""Which points of the soles, and of the hands, rest on the floor: those that stand still in the image and are low. Which soles rest on
what is above it, and which hands hold on to something.

Speed is read from the image landmarks of heel, toe and knuckles, not from the fit: a camera sees motion across its view well, while a
fitted foot's depth is the least certain of all. Where a landmark is hidden for a moment, where it was before and comes back after tells.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_closing, binary_dilation, binary_erosion, binary_opening, uniform_filter1d
from scipy.signal import savgol_filter

from .observations import Observations

GRAVITY = 9.81  # m/s2
HANDS = ("right_index", "right_pinky", "left_index", "left_pinky")  # markers that can rest beside the soles
# BlazePose's heel or foot index for each of take.CONTACT_NAMES, then those of HANDS; and how low each must be, m above the floor.
_SOLES = (30, 32, 32, 29, 31, 31)
_LANDMARK = (*_SOLES, 20, 18, 19, 17)
_LOW_M = (0.10,) * 6 + (0.05,) * 4
_RAISED_M = 0.1  # who is as far above the floor with all of his soles, and does not fall, stands on something else
_SLOW = 0.4  # m/s at the person's depth
_SLIPS = 0.5  # m/s in space: what a fit could not keep slower does not rest
_WINDOW_S = 0.12  # a contact or a gap shorter than this is noise
_UNSEEN = 0.1  # confidence under which a landmark is a guess
SEEN = 0.3  # least confidence of a landmark that can tell
_FALL_S, _FALLS = 0.2, 0.33  # s over which it shows whether something falls, and by which part of gravity that may be off
ON_FLOOR_M = 0.03  # what is nearer is on it
# A hand that stands still for so long holds on to something if the hips move by so much across the view meanwhile, within an arm's reach.
_HOLDS_S, _HOLDS_SLOW, _HIPS_M, _REACH_M = 0.5, 0.2, 0.25, 1.2
_REGRIPS_S, _SWINGS_S = 0.3, 1.0  # nobody lets go and holds on again so soon; and who hangs again so soon did not come down
_STANDS = 0.9  # part of a hold for which a foot stays still of somebody who stands, as on a bus
_HIDDEN_S = 0.5  # a landmark that can not for longer than this may have gone and come back


def contacts(seen: Observations, depth: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """(T,C) bool contacts of the soles' points (C = 6), or of theirs and the hands' (C = 10), of somebody `depth` (T,) m away.

    `heights` (T,C) m are above the floor.
    """
    count = heights.shape[1]
    touching = _still(seen, depth)[:, :count] & (heights < np.array(_LOW_M[:count]))
    return without_moments(touching, round(_WINDOW_S * seen.fps))


def raised(seen: Observations, depth: np.ndarray, heights: np.ndarray, upright: np.ndarray) -> np.ndarray:
    """(T,6) bool soles' points, `heights` (T,6) m above the floor, that rest on a wall, a box, a step: the lowest of somebody who is off
    the floor, if they stand still and he is `upright` (T,) over them. Who sits up there lets them hang."""
    lowest = heights.min(axis=1, keepdims=True)
    low = (heights - lowest < np.array(_LOW_M[: len(_SOLES)])) & (lowest > _RAISED_M) & upright[:, None]
    return without_moments(_still(seen, depth)[:, : len(_SOLES)] & low, round(_WINDOW_S * seen.fps))


def slipping(points: np.ndarray, fps: float) -> np.ndarray:
    """(T,C) bool: which of fitted points (T,C,3) m move, though they may have been held."""
    if len(points) < 2:
        return np.zeros(points.shape[:2], dtype=bool)
    return np.linalg.norm(_smoothed(np.gradient(points, axis=0) * fps, fps), axis=-1) > _SLIPS


def holding(seen: Observations, depth: np.ndarray, hips: np.ndarray) -> np.ndarray:
    """(T,4) bool points of the hands that hold on to something, as a bar, a rail or a rock, which stays where it is: they stand still in
    the image while the hips (T,3) m, move."""
    still = _still(seen, depth, _HOLDS_SLOW)[:, len(_SOLES) :].reshape(len(hips), 2, 2).all(axis=2)
    still = without_moments(still, round(_REGRIPS_S * seen.fps))
    R = np.broadcast_to(seen.view.R.cpu().numpy(), (len(hips), 3, 3))
    result = np.zeros_like(still)
    for hand in (0, 1):
        for spell in spells(still[:, hand], _HOLDS_S * seen.fps):
            across = hips[spell] @ R[spell[len(spell) // 2], :2].T
            result[spell, hand] = _HIPS_M < np.linalg.norm(np.ptp(across, axis=0)) < _REACH_M
    return result.repeat(2, axis=1)


def hanging(seen: Observations, depth: np.ndarray, holds: np.ndarray, hands: np.ndarray, neck: np.ndarray) -> np.ndarray:
    """(T,) bool: somebody `depth` (T,) m away holds on, as `holding` (T,4) tells, to what is mostly above the neck while no foot stands, or
    did so just before and does again. Heights, m: of the hands' points (T,4), of the neck (T,)."""
    hangs = np.zeros(len(holds), dtype=bool)
    still = _still(seen, depth, _HOLDS_SLOW)[:, : len(_SOLES)]
    for own, above in zip(holds.T, (hands > neck[:, None]).T):
        for spell in spells(own, 1):
            hangs[spell] |= above[spell].mean() > 0.5 and still[spell].mean(axis=0).max() < _STANDS
    width = 1 + int(_SWINGS_S * seen.fps)
    return binary_closing(np.pad(hangs, width, mode="edge"), np.ones(width, dtype=bool))[width:-width]


def airborne(seen: Observations, depth: np.ndarray, heights: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(T,) bool: no sole stands still, all points are off the floor by `heights` (T,C) m, and the centre of mass (T,3) m falls.

    That it falls as gravity has it tells flight from what nobody knows of: a ride, a swing, slow motion.
    """
    window = max(5, 2 * round(0.5 * _FALL_S * seen.fps) + 1)
    if len(centre) < window:
        return np.zeros(len(centre), dtype=bool)
    stands = without_moments(_still(seen, depth)[:, : len(_SOLES)].any(axis=1, keepdims=True), round(_WINDOW_S * seen.fps))[:, 0]
    acceleration = savgol_filter(centre[:, 1], window, 2, deriv=2, delta=1.0 / seen.fps)
    falls = np.abs(acceleration + GRAVITY) < _FALLS * GRAVITY
    shape = np.ones(window, dtype=bool)
    return binary_dilation(falls & binary_erosion(~stands & (heights.min(axis=1) > ON_FLOOR_M), shape), shape)


def _still(seen: Observations, depth: np.ndarray, slow_m_s: float = _SLOW) -> np.ndarray:
    """(T,10) bool: landmarks that hardly move in the image, and are seen or hidden for a moment only."""
    sure = seen.keypoints_2d[:, list(_LANDMARK), 2].cpu().numpy() > SEEN
    slow = _speed(seen, depth, sure) < slow_m_s
    return slow & (sure | binary_closing(sure, np.ones((1 + int(_HIDDEN_S * seen.fps), 1), dtype=bool)))


def without_moments(touching: np.ndarray, width: int) -> np.ndarray:
    """(T,C) bool without gaps and then without spells shorter than `width` frames.

    What is before and after the clip goes on as it began and ended; but half a spell must be in it, if so much of the clip is there.
    """
    if width < 2:
        return touching
    shape = np.ones((width, 1), dtype=bool)
    whole = binary_closing(_longer(touching, width), shape)[width:-width]
    beyond = width // 2 if len(touching) > width else width
    return binary_opening(_longer(whole, beyond), shape)[beyond:-beyond]


def _longer(touching: np.ndarray, beyond: int) -> np.ndarray:
    return np.pad(touching, ((beyond, beyond), (0, 0)), mode="edge")


def spells(flags: np.ndarray, shortest: float) -> list[np.ndarray]:
    """The frames of each run of (T,) bool that is at least so long."""
    edges = np.flatnonzero(np.diff(flags.astype(int), prepend=0, append=0))
    return [np.arange(start, end) for start, end in zip(edges[::2], edges[1::2]) if end - start >= shortest]


def unseen(seen: Observations, count: int) -> np.ndarray:
    """(T,count) bool: points whose landmark nobody saw, as legs beyond the image's border: the floor must not bend those."""
    return seen.keypoints_2d[..., 2].cpu().numpy()[:, list(_LANDMARK[:count])] < _UNSEEN


def _speed(seen: Observations, depth: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """(T,10) m/s across the view; that the camera turns and goes is taken out. Landmarks that are not `sure` (T,10) go straight on between
    those that are."""
    pixels = seen.keypoints_2d[..., :2].cpu().numpy()[:, list(_LANDMARK)]
    if len(pixels) < 2:
        return np.zeros(pixels.shape[:2])
    K, R = (part.cpu().numpy() for part in (seen.view.K, seen.view.R))
    rays = np.ones((*pixels.shape[:2], 3))
    rays[..., :2] = (pixels - K[..., None, :2, 2]) / np.stack([K[..., 0, 0], K[..., 1, 1]], -1)[..., None, :]
    R = np.broadcast_to(R, (len(rays), 3, 3))
    rays = _bridged(rays @ R, sure) @ R.swapaxes(-1, -2)
    velocity = (_shifts(rays, R) * depth[:, None, None] + _passed(rays, R, seen.view.eye.cpu().numpy())) * seen.fps
    return np.linalg.norm(_smoothed(velocity, seen.fps), axis=-1)


def _smoothed(velocity: np.ndarray, fps: float) -> np.ndarray:
    return uniform_filter1d(velocity, max(1, round(_WINDOW_S * fps)), axis=0, mode="nearest")


def _bridged(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(T,N,3) with those that are not `known` (T,N) on the way between those that are."""
    values, frames = values.copy(), np.arange(len(values))
    for k in np.flatnonzero(known.any(0) & ~known.all(0)):
        own = known[:, k]
        values[:, k] = np.column_stack([np.interp(frames, frames[own], axis) for axis in values[own, k].T])
    return values


def _shifts(rays: np.ndarray, R: np.ndarray) -> np.ndarray:
    """(T,N,2) by how much rays (T,N,3) move in a frame at depth 1, as the camera R (T,3,3) of that frame would see it if it stood still."""
    turns = R[1:] @ R[:-1].swapaxes(-1, -2)
    ahead = _flat(rays[1:] @ turns) - _flat(rays[:-1])
    behind = _flat(rays[1:]) - _flat(rays[:-1] @ turns.swapaxes(-1, -2))
    return np.concatenate([ahead[:1], 0.5 * (ahead[1:] + behind[:-1]), behind[-1:]])


def _passed(rays: np.ndarray, R: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """(T,N,2) m by which the camera itself, turned by R (T,3,3), in the place eye (T,3) or (3,), passes points on the rays (T,N,3) in a
    frame, across its view."""
    went = np.gradient(np.broadcast_to(eye, (len(R), 3)), axis=0)
    went = (R @ went[..., None])[:, None, :, 0]
    return went[..., :2] - _flat(rays) * went[..., 2:]


def _flat(rays: np.ndarray) -> np.ndarray:
    return rays[..., :2] / rays[..., 2:]
