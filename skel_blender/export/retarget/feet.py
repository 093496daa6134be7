# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet that stand where they stand: when they do, a footprint per step, the heel, ball or toes held on it, eased in and out. numpy only.

World axes, m. A foot is its ankle (T,3) and two turns (T,3,3) from the target's rest pose, of foot and toes. Where it lies flat it takes
the heading and place of its footprint, the mean of what it would have had; while it rolls, the point that is down stays on the print.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from .align import Foot

HEEL, BALL, TIP = range(3)
_LOW_M, _SLOW_M_S = 0.05, 0.35
_LIFTED_M, _MOVED_M_S = 0.12, 1.2  # a contact of the Take that an edit has lifted this far, or moves this fast, is none any more
_SHORTEST_S = 0.1
_SLIDES, _SLIDES_RAD = 0.1, np.radians(30.0)  # of the leg's length; a foot that goes farther while it is down takes another print
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Track:
    """Where a foot goes."""

    ankle: np.ndarray  # (T,3)
    turn: np.ndarray  # (T,3,3)
    toe_turn: np.ndarray  # (T,3,3)


def contacts(points: np.ndarray, floor: float, fps: float, known: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(T,6) bool when points (T,6,3) m of the soles rest, and (T,2) m how high over the floor at height `floor` that is, right and left:
    as the Take says, `known` (T,6) bool, or, where it does not, on the floor, from how low and slow they are."""
    height = points[..., 2] - floor
    speed = np.linalg.norm(np.gradient(points, axis=0), axis=-1) * fps if len(points) > 1 else np.zeros_like(height)
    levels = np.zeros((len(points), 2))
    if known is not None:
        still = known & (speed < _MOVED_M_S)
        down = still & (height < _LIFTED_M)
        return down | _raised(height, still & ~down.any(axis=1, keepdims=True), levels), levels
    width = max(1, round(_SHORTEST_S * fps))
    return _opened(~_opened(~((height < _LOW_M) & (speed < _SLOW_M_S)), width), width), levels


def _raised(height: np.ndarray, still: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(T,6) bool the `still` points of somebody who is off the floor that rest on a wall or a step, whose height over the floor goes into
    `levels` (T,2): each foot at one height as long as it is down. Whom an edit lets rise does not stand there."""
    result = np.zeros_like(still)
    for foot in range(2):
        own = slice(3 * foot, 3 * foot + 3)
        for first, end in runs(still[:, own].any(axis=1)):
            part = slice(first, end)
            low = np.where(still[part, own], height[part, own], np.inf).min(axis=1)
            level = np.median(low)
            near = np.abs(low - level) < _LOW_M
            if near.mean() > 0.5:
                result[part, own] = still[part, own] & near[:, None]
                levels[part, foot] = level
    return result


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and end (not included) of each run of a mask (T,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def plant(foot: Foot, track: Track, offset: np.ndarray, touching: np.ndarray, floor: np.ndarray, fade: int, leg: float) -> Track:
    """The foot held to what it stands on (height `floor` (T,) m) while its sole touches (T,3) bool; `offset` (3,3) takes the resting foot
    to where it heads at zero yaw, `fade` is how many frames the way back to the free motion takes, `leg` the leg's length, m."""
    touching = touching.copy()
    flat = touching[:, HEEL] & (touching[:, BALL] | touching[:, TIP])
    yaw = _yaw(track.turn @ offset.T)
    for first, end in runs(touching.any(axis=1)):
        _free_slides(track.ankle[first:end], yaw[first:end], touching[first:end], flat[first:end], fade, _SLIDES * leg)
    prints = runs(touching.any(axis=1))
    heading = yaw.copy()
    for first, end in prints:
        inside = flat[first:end]
        if inside.any():
            heading[first:end] = _mean_angle(yaw[first:end][inside])
    level = rotations.turn(heading[:, None] * _UP) @ offset
    turn = _eased_turn(track.turn, level, flat, fade)
    toes_flat = touching[:, BALL] & (touching[:, HEEL] | touching[:, TIP])
    toe_turn = _eased_turn(track.toe_turn, level, toes_flat, fade)
    free = Track(track.ankle, turn, toe_turn)
    shift = np.zeros_like(track.ankle)
    for first, end in prints:
        shift[first:end] = _held(foot, free, level, touching, flat, floor, first, end)
    shift = _eased(shift, touching.any(axis=1), fade)
    return _above(foot, Track(track.ankle + shift, turn, toe_turn), floor)


def points(foot: Foot, track: Track) -> np.ndarray:
    """(T,3,3) heel, ball and tip of the toes."""
    heel, ball = (track.ankle + rotations.apply(track.turn, point) for point in foot.sole[:TIP])
    return np.stack([heel, ball, ball + rotations.apply(track.toe_turn, foot.sole[TIP] - foot.sole[BALL])], axis=1)


def _opened(mask: np.ndarray, width: int) -> np.ndarray:
    """(T,C) bool without runs shorter than `width`; what touches an end of the clip goes on beyond it."""
    result = mask.copy()
    for column in range(mask.shape[1]):
        for first, end in runs(mask[:, column]):
            if end - first < width and first > 0 and end < len(mask):
                result[first:end, column] = False
    return result


def _held(
    foot: Foot, track: Track, level: np.ndarray, touching: np.ndarray, flat: np.ndarray, floor: np.ndarray, first: int, end: int
) -> np.ndarray:
    """(N,3) what brings the points that are down in frames `first` to `end` - 1 onto their footprint."""
    part = slice(first, end)
    seen, down, lies = points(foot, track)[part], touching[part].astype(float), flat[part]
    if lies.any():
        marks = track.ankle[part][lies].mean(axis=0) + foot.sole @ level[first].T
    else:
        marks = (seen * down[..., None]).sum(axis=0) / np.maximum(down.sum(axis=0), 1.0)[:, None]
        down = np.stack([np.convolve(np.pad(column, 1, mode="edge"), np.ones(3), mode="valid") for column in down.T], axis=1)
    marks[:, 2] = floor[first] + foot.heights
    return ((marks - seen) * down[..., None]).sum(axis=1) / down.sum(axis=1, keepdims=True)


def _free_slides(ankle: np.ndarray, yaw: np.ndarray, touching: np.ndarray, flat: np.ndarray, fade: int, most: float) -> None:
    """Clear contacts, in place, around the frames at which a foot that is down has slid (`most` m) or turned too far from where it came
    down."""
    facing = np.exp(1j * yaw)
    first, place, heading = 0, ankle[0, :2].copy(), facing[0]  # sums of the frames from `first` on
    for row in range(1, len(ankle)):
        far = np.linalg.norm(ankle[row, :2] - place / (row - first)) > most and flat[row]
        turned = abs(np.angle(facing[row] * heading.conjugate())) > _SLIDES_RAD and flat[row]
        if far or turned:
            gap = slice(max(0, row - fade // 2), row + fade // 2 + 1)
            touching[gap], flat[gap] = False, False
            first, place, heading = row, np.zeros(2), 0j
        place += ankle[row, :2]
        heading += facing[row]


def _above(foot: Foot, track: Track, floor: np.ndarray) -> Track:
    """The same with toes bent up, and then the foot lifted, where it would go below the floor."""
    joint = track.ankle + rotations.apply(track.turn, foot.sole[BALL])
    tip = rotations.apply(track.toe_turn, foot.sole[TIP] - foot.sole[BALL])
    reach = np.linalg.norm(tip, axis=1)
    sunk = (joint[:, 2] + tip[:, 2] < floor) & (joint[:, 2] - floor < 0.9 * reach) & (joint[:, 2] > floor)
    rise = np.clip(floor - joint[:, 2], -0.99 * reach, 0.0)
    flat = rotations.unit(tip * [1.0, 1.0, 0.0]) * np.sqrt(reach**2 - rise**2)[:, None] + rise[:, None] * _UP
    bent = np.where(sunk[:, None, None], rotations.between(tip, flat), np.eye(3)) @ track.toe_turn
    low = points(foot, Track(track.ankle, track.turn, bent))[..., 2] - foot.heights
    lift = np.maximum(0.0, floor - low.min(axis=1))
    return Track(track.ankle + lift[:, None] * _UP, track.turn, bent)


def _eased_turn(turn: np.ndarray, wanted: np.ndarray, inside: np.ndarray, fade: int) -> np.ndarray:
    """(T,3,3) `wanted` where `inside` (T,) bool, from and to `turn` over `fade` frames."""
    change = np.where(inside[:, None], rotations.rotvec(wanted @ rotations.transpose(turn)), 0.0)
    return rotations.turn(_eased(change, inside, fade)) @ turn


def _eased(values: np.ndarray, inside: np.ndarray, fade: int) -> np.ndarray:
    """(T,3) `values` where `inside` (T,) bool; around it the values at its edges die away over `fade` frames."""
    result = np.where(inside[:, None], values, 0.0)
    for first, end in runs(~inside):
        steps = np.arange(1, end - first + 1)
        sides = [(steps, values[first - 1])] if first > 0 else []
        sides += [(steps[::-1], values[end])] if end < len(values) else []
        weights = [_fall(step / (fade + 1.0)) for step, _ in sides]
        total = np.maximum(1.0, np.sum(weights, axis=0)) if sides else 1.0
        for weight, (_, value) in zip(weights, sides):
            result[first:end] += (weight / total)[:, None] * value
    return result


def _fall(part: np.ndarray) -> np.ndarray:
    """From 1 to 0 as `part` goes from 0 to 1, with level ends."""
    part = np.clip(part, 0.0, 1.0)
    return 1.0 - part * part * (3.0 - 2.0 * part)


def _yaw(turns: np.ndarray) -> np.ndarray:
    """(T,) rad about the vertical: of where level directions go."""
    return np.arctan2(turns[:, 1, 0] - turns[:, 0, 1], turns[:, 0, 0] + turns[:, 1, 1])


def _mean_angle(angles: np.ndarray) -> float:
    return float(np.angle(np.exp(1j * angles).sum()))
