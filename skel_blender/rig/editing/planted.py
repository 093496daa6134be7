# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed motion, held back: joints go no farther than they may, and feet that rest stay where they were. numpy only."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...anatomy import DOFS_OF_JOINT, Q
from .. import limbs
from .sway import HELD, Bounds, Moving

_EASE = np.array([1.0] * Q + [0.1] * 3)  # rad, m: how readily a channel gives way to the feet, so that legs bend before the body moves
_FIRM_M = 2e-4  # deviation of a resting foot
_ROUNDS, _DAMPING, _LESS, _MORE = 6, 1e-3, 10.0, 20.0
_AT_ONCE = 500  # frames
_LEGS = limbs.channels({"LEG_R", "LEG_L"})
_FEET = sorted({joint for joints in HELD for joint in joints})
_CARRIERS = [*(dof.index for dof in DOFS_OF_JOINT[0]), *np.flatnonzero(limbs.channels({limbs.ROOT, "LEG_R", "LEG_L"}))]  # move the feet


def held_back(before: np.ndarray, after: np.ndarray, rest: tuple[np.ndarray, np.ndarray], most: float, spread: int) -> np.ndarray:
    """Channels (49,T) between `before` and `after`, so that joints move by about `most` (m) at most.

    What is too far at a frame is held back for `spread` frames to either side, less and less. `rest` is as of `Moving`.
    """
    moved = np.linalg.norm(Moving(before, rest, None, Bounds()).off(after), axis=-1).max(axis=1)
    share = np.minimum(1.0, most / np.maximum(moved, 1e-9))
    lowest = sliding_window_view(np.pad(share, spread, mode="edge"), 2 * spread + 1).min(axis=1)
    eased = sliding_window_view(np.pad(lowest, spread, mode="edge"), 2 * spread + 1).mean(axis=1)
    return before + eased * (after - before)


def plant(before: np.ndarray, after: np.ndarray, rest: tuple[np.ndarray, np.ndarray], contacts: np.ndarray, chosen: np.ndarray,
          fade: int) -> np.ndarray:  # fmt: skip
    """Channels (49,T) like `after` in which feet that rest, contacts (T,6), are where they are in `before`.

    The channels `chosen` (49,) bool and the legs' give way, least in all; the change comes and goes within `fade` frames of a contact.
    `rest` is as of `Moving`.
    """
    there = Moving(before, rest, contacts, Bounds(joint=np.inf, contact=_FIRM_M))
    pull = _faded(np.isfinite(there.allowed), fade)
    frames = np.flatnonzero(pull.any(axis=1))
    result = after.copy()
    if len(frames):
        wanted = Moving(after, rest, None, Bounds()).places - pull[..., None] * there.off(after)
        ease = np.where(chosen | _LEGS, _EASE, 0.0)[_CARRIERS]
        for begin in range(0, len(frames), _AT_ONCE):
            part = frames[begin : begin + _AT_ONCE]
            firm = pull[np.ix_(part, _FEET)] ** 3 / _FIRM_M
            result[:, part] = _reached(after[:, part], rest, wanted[np.ix_(part, _FEET)], firm, ease)
    return result


def _reached(values: np.ndarray, rest: tuple[np.ndarray, np.ndarray], wanted: np.ndarray, firm: np.ndarray, ease: np.ndarray) -> np.ndarray:
    """Channels (49,F) near `values` with the feet's joints where `wanted` (F,N,3), as firm as (F,N) says; each frame by Levenberg and
    Marquardt. `ease` (C,) is of the channels that carry the feet."""
    count = len(ease)
    eased, damping = np.zeros((values.shape[1], count)), np.full(values.shape[1], _DAMPING)

    def moved(eased: np.ndarray) -> np.ndarray:
        result = values.copy()
        result[_CARRIERS] += ease[:, None] * eased.T
        return result

    def missed(eased: np.ndarray) -> tuple[Moving, np.ndarray, np.ndarray]:
        now = Moving(moved(eased), rest, None, Bounds())
        off = (firm[..., None] * (wanted - now.places[:, _FEET])).reshape(len(eased), -1)
        return now, off, (off**2).sum(axis=1) + (eased**2).sum(axis=1)

    for _ in range(_ROUNDS):
        now, off, cost = missed(eased)
        rows = (firm[..., None, None] * now.carried(_FEET, _CARRIERS) * ease).reshape(*off.shape, count)
        normal = rows.swapaxes(1, 2) @ rows + np.eye(count)
        damped = normal + damping[:, None, None] * np.eye(count) * np.diagonal(normal, axis1=1, axis2=2)[:, None]
        tried = eased + np.linalg.solve(damped, (off[:, None] @ rows)[:, 0, :, None] - eased[..., None])[..., 0]
        _, _, found = missed(tried)
        better = found < cost
        eased = np.where(better[:, None], tried, eased)
        damping = np.where(better, damping / _LESS, damping * _MORE)
    return moved(eased)


def _faded(held: np.ndarray, fade: int) -> np.ndarray:
    """(T,N) 1 where `held` (T,N), falling to 0 within `fade` frames as half a cosine does."""
    frames = np.arange(len(held))
    result = np.zeros(held.shape)
    for column in np.flatnonzero(held.any(axis=0)):
        known = np.flatnonzero(held[:, column])
        away = np.abs(frames - known[np.searchsorted((known[1:] + known[:-1]) / 2.0, frames)])
        result[:, column] = 0.5 + 0.5 * np.cos(np.pi * np.minimum(away / (fade + 1), 1.0))
    return result
