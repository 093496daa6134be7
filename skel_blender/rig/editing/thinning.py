# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys for the same motion: Bezier curves through few frames of each channel, held to bounds in space. numpy only.

Each channel gets the fewest keys (`fewest`) for a tolerance of its own on every frame: what its lever leaves of the joints' bound there.
Errors of several channels add up or cancel, so tolerances begin wide and shrink where a joint is too far from where it was. What is
left over, handles take back together: the knee makes up for what the hip misses. A last frame that resists gets keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...anatomy import Q
from .. import bezier
from . import fewest
from .steps import Step, Steps, finish
from .sway import Bounds, Moving

_PART = 250  # frames that are thinned at a time
_MARGIN = 0.98  # of the bounds: the rest is for Blender's rounding
_OWN = np.array([0.0375] * Q + [0.02] * 3)[:, None]  # rad, m that a channel may be off, wherever joints are: hands and heads have a length
_EXTREME = np.array([np.radians(8.0)] * Q + [0.03] * 3)  # turning points that stand out by this are keys
_OVERSHOOT = 2e-4  # rad that a curve may leave the limits by between keys
_WIDE = 2.0  # times what a channel alone may use, to begin with
_ROUNDS, _MENDED = 6, 2  # of narrower tolerances, the last with handles turned together
_SPREAD, _CALM = 3, 6  # frames around a bad one that get narrower; around a good one that must be good to get wider
_WIDEN = 1.06
_TURNS = 12  # of all handles, to bring joints back
_GOOD = 0.95  # of the bound: where they are brought back to
_HOLD = 0.05  # how much a channel resists that, in tolerances
_REPAIRS = 40
_BLAME = 0.9  # a channel gets a key if it adds this part of the worst channel's share
_NEAR = 2  # frames; of neighbouring bad frames only the worst gets keys


@dataclass(frozen=True)
class Thinned:
    """The result; `spline` has the 46 pose angles (rad) and three of `trans` (m) as channels."""

    spline: bezier.Spline
    error: float  # m, greatest of all joints and frames
    contact_error: float  # m, greatest of feet in contact
    share: float  # keys left, of all

    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """(T,46) poses and (T,3) trans of the thinned curves."""
        return self.spline.curve[:Q].T, self.spline.curve[Q:].T


def thin(*motion: np.ndarray | None, **options: object) -> Thinned:
    """All of `thinned` at once."""
    return finish(thinned(*motion, **options))


def thinned(
    poses: np.ndarray,
    trans: np.ndarray,
    rest_joints: np.ndarray,
    rest_frames: np.ndarray,
    contacts: np.ndarray | None = None,
    bounds: Bounds = Bounds(),
    limits: np.ndarray | None = None,
    kept: np.ndarray | None = None,
) -> Steps[Thinned]:
    """Thin poses (T,46) rad and trans (T,3) m of a person with that rest skeleton (`kinematics.forward`); contacts (T,6) bool.

    Keys have the values of their frames. First and last frame, and every channel's turning points that stand out, stay keys. Angles
    that keep `limits` (46,2) rad go on keeping them, but for a hundredth of a degree, since constraints would cut off what is beyond.
    Where `kept` (49,T) says so, channels have keys whatever is best.
    """
    values = np.concatenate([np.asarray(poses, dtype=float), np.asarray(trans, dtype=float)], axis=1).T
    count = values.shape[1]
    whole = Moving(values, (rest_joints, rest_frames), contacts, bounds)
    if count == 1:
        spline = bezier.Stretches(values, np.ones(values.shape, dtype=bool), np.zeros(values.shape, dtype=int)).spline()
        return Thinned(spline, 0.0, 0.0, 1.0)
    edges = np.linspace(0, count - 1, 1 + -(-(count - 1) // _PART)).round().astype(int)
    parts = []
    for first, last in zip(edges[:-1], edges[1:]):
        yield Step("Thinning", first / (count - 1))
        rows = slice(first, last + 1)
        part = Moving(values[:, rows], whole.rest, None if contacts is None else np.asarray(contacts)[rows], bounds)
        parts.append(_Search(part, limits, None if kept is None else kept[:, rows]).result())
    spline = bezier.joined(parts)
    away = np.linalg.norm(whole.off(spline.curve), axis=-1)
    held = whole.allowed < bounds.joint
    return Thinned(spline, float(away.max()), float(away[held].max(initial=0.0)), len(spline.keys) / values.size)


class _Search:
    """The search for few keys of one motion."""

    def __init__(self, motion: Moving, limits: np.ndarray | None, kept: np.ndarray | None) -> None:
        self.motion, self.values = motion, motion.values
        self.allowed = _MARGIN * motion.allowed
        self.carried = motion.carried()
        lever = (np.linalg.norm(self.carried, axis=2) / self.allowed[..., None]).max(axis=1).T
        self.tolerance = 1.0 / np.maximum(lever, 1.0 / _OWN)
        self.room = None if limits is None else _room(self.values, limits)
        self.table = fewest.Table(self.values, self.tolerance, self.room)
        self.forced = turning_points(self.values, _EXTREME)
        if kept is not None:
            self.forced |= kept

    def result(self) -> bezier.Stretches:
        widest = _OWN / self.tolerance
        loose = np.minimum(np.full(self.values.shape, _WIDE), widest)
        for number in range(_ROUNDS):
            chosen, shapes = self.table.choose(loose, self.forced)
            found = self._fitted(chosen, shapes)
            if number >= _ROUNDS - _MENDED:
                self._mend(found)
            ratio, off = self._ratio(found)
            if ratio.max() <= 1.0:
                break
            loose = np.minimum(loose * self._change(ratio, off, found.curve() - self.values), widest)
        return self._repaired(chosen)

    def _fitted(self, chosen: np.ndarray, shapes: np.ndarray) -> bezier.Stretches:
        found = bezier.Stretches(self.values, chosen, shapes)
        found.fit_evenly(self.tolerance)
        return found

    def _ratio(self, found: bezier.Stretches) -> tuple[np.ndarray, np.ndarray]:
        """(T,24) how far the joints are off, over what is allowed; and off (T,24,3) m."""
        off = self.motion.off(found.curve())
        return np.linalg.norm(off, axis=-1) / self.allowed, off

    def _shares(self, ratio: np.ndarray, off: np.ndarray, error: np.ndarray) -> np.ndarray:
        """(49,T) how much each channel's error moves each frame's worst joint away, over the most of any."""
        frames, worst = np.arange(len(ratio)), ratio.argmax(axis=1)
        share = np.einsum("tkc,tk->ct", self.carried[frames, worst], off[frames, worst]) * error
        return np.maximum(share, 0.0) / np.maximum(share.max(axis=0), 1e-12)

    def _change(self, ratio: np.ndarray, off: np.ndarray, error: np.ndarray) -> np.ndarray:
        """(49,T) what the tolerances are multiplied by."""
        worst = ratio.max(axis=1)
        narrow = np.maximum(worst, 1.0) ** (-0.5 * self._shares(ratio, off, error))
        around = sliding_window_view(np.pad(worst, _CALM, mode="edge"), 2 * _CALM + 1).max(axis=1)
        padded = np.pad(narrow, ((0, 0), (_SPREAD, _SPREAD)), constant_values=1.0)
        return sliding_window_view(padded, 2 * _SPREAD + 1, axis=1).min(axis=-1) * np.where(around < 0.9, _WIDEN, 1.0)

    def _repaired(self, chosen: np.ndarray) -> bezier.Stretches:
        """Bring what is still off within the bounds, by handles first, then by keys."""
        for number in range(_REPAIRS):
            found = self._fitted(chosen, self.table.shapes(chosen))
            self._mend(found)
            ratio, off = self._ratio(found)
            error, bad = found.curve() - self.values, ratio.max(axis=1)
            beyond = np.abs(error) > _OWN
            if self.room is not None:
                beyond |= (error < -self.room[0]) | (error > self.room[1])
            if bad.max() <= 1.0 and not beyond.any():
                break
            around = sliding_window_view(np.pad(bad, _NEAR), 2 * _NEAR + 1).max(axis=1)
            more = beyond | ((bad > 1.0) & (bad == around) & (self._shares(ratio, off, error) > _BLAME))
            if number > _REPAIRS // 2:  # keys that push the error about: from here on whole frames
                more |= (bad > 1.0) | beyond.any(axis=0)
            chosen = chosen | more
        return found

    def _mend(self, found: bezier.Stretches) -> None:
        """Turn all handles together until no joint is too far off, or for a while."""
        for _ in range(_TURNS):
            ratio, off = self._ratio(found)
            if ratio.max() <= 1.0:
                return
            self._turn(found, ratio, off)

    def _turn(self, found: bezier.Stretches, ratio: np.ndarray, off: np.ndarray) -> None:
        """One step, channel after channel, that brings the worst joints back with as little change as may be (least squares)."""
        count = len(self.values)
        near = np.nonzero(ratio.max(axis=1) > _GOOD)[0]
        weight = np.where(ratio[near] > _GOOD, 1.0 / self.allowed[near], 0.0)[..., None]
        carried = (self.carried[near] * weight[..., None]).reshape(len(near), -1, count).transpose(0, 2, 1)
        excess = (off[near] * weight * (1.0 - _GOOD / np.maximum(ratio[near], _GOOD))[..., None]).reshape(len(near), -1, 1)
        square, pull = carried @ carried.transpose(0, 2, 1), (carried @ excess)[..., 0]
        step = np.zeros((len(near), count))
        for channel, before in enumerate(found.curve()):
            rate = square[:, channel, channel]
            slope = pull[:, channel] + np.einsum("td,td->t", square[:, channel], step)
            hold, wanted = _HOLD * self.tolerance[channel] ** -2.0, before.copy()
            hold[near] += rate
            wanted[near] -= slope / hold[near]
            found.fit(wanted[None], hold[None], slice(channel, channel + 1))
            step[:, channel] = (found.curve_of(channel) - before)[near]


def _room(values: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(49,T) twice: how far a curve may go below and above the values without leaving the limits (46,2), or farther than they do."""
    free = np.full((len(values) - Q, values.shape[1]), np.inf)
    gaps = values[:Q] - limits[:, :1], limits[:, 1:] - values[:Q]
    return tuple(np.concatenate([np.maximum(gap, 0.0) + _OVERSHOOT, free]) for gap in gaps)


def turning_points(values: np.ndarray, prominence: np.ndarray) -> np.ndarray:
    """(C,T) bool: where values (C,T) turn by at least prominence (C,) both ways; zigzag from one to the next."""
    channels, count = values.shape
    result = np.zeros((channels, count), dtype=bool)
    rows = np.arange(channels)
    place = {1: np.zeros(channels, dtype=int), -1: np.zeros(channels, dtype=int)}  # of the highest and lowest since the last turn
    heading = np.zeros(channels, dtype=int)
    for frame in range(1, count):
        now = values[:, frame]
        for way in (1, -1):
            beyond = way * (now - values[rows, place[way]]) > 0
            place[way] = np.where(beyond, frame, place[way])
        for way in (1, -1):
            turned = (heading != -way) & (way * (values[rows, place[way]] - now) >= prominence)
            real = turned & (heading == way)
            result[rows[real], place[way][real]] = True
            heading = np.where(turned, -way, heading)
            place[-way] = np.where(turned, frame, place[-way])
    return result
