# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks made up with BlazePose's errors, as `blazepose_noise` measured them.

An error is the sum of a bias (constant in a clip, another one for each view), and a wave that forgets itself at a known rate
(a first-order autoregressive process). White noise is next to nothing: errors of neighbouring frames are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from skel_blender.engine import camera
from skel_blender.engine.blazepose import HIPS
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE

GROUPS = {
    "face": tuple(range(11)), "shoulders": (11, 12), "elbows": (13, 14), "wrists": (15, 16), "hands": tuple(range(17, 23)),
    "hips": (23, 24), "knees": (25, 26), "ankles": (27, 28), "feet": (29, 30, 31, 32),
}  # fmt: skip


@dataclass(frozen=True)
class Noise:
    """Standard deviations per axis, for each of GROUPS. Printed by `./bin/benchmark blazepose_noise` on Pose2Sim's Demo_SinglePerson
    before people were looked at in a mirror too; since then it prints metric ones that are smaller by a tenth on average.

    image_*: metres at the person's depth; across_*, depth_*: metric landmarks relative to the middle of the hips, across the
    view and along it, in the axes of a camera that points at the person.
    """

    image_bias: tuple[float, ...] = (0.017, 0.014, 0.014, 0.014, 0.015, 0.021, 0.016, 0.016, 0.014)
    image_wave: tuple[float, ...] = (0.010, 0.007, 0.013, 0.015, 0.017, 0.011, 0.014, 0.009, 0.012)
    across_bias: tuple[float, ...] = (0.019, 0.026, 0.024, 0.032, 0.039, 0.012, 0.019, 0.025, 0.032)
    across_wave: tuple[float, ...] = (0.025, 0.024, 0.028, 0.030, 0.033, 0.007, 0.022, 0.028, 0.032)
    depth_bias: tuple[float, ...] = (0.061, 0.054, 0.084, 0.105, 0.123, 0.009, 0.034, 0.051, 0.062)
    depth_wave: tuple[float, ...] = (0.083, 0.066, 0.067, 0.086, 0.094, 0.007, 0.055, 0.075, 0.081)
    visibility: tuple[float, ...] = (1.00, 1.00, 0.93, 0.91, 0.88, 1.00, 0.85, 0.86, 0.81)
    image_memory_s: float = 0.1  # in which a wave falls to 1/e
    metric_memory_s: float = 0.18
    scale: float = 0.01  # of the logarithm of the metric landmarks' size, per clip


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong beyond noise, chosen, not measured: the measured clips have (almost) none of it. Rates are per second."""

    dropouts: float = 0.3  # times that the person is not seen at all
    dropout_s: float = 0.15
    occlusions: float = 0.5  # times that one limb's landmarks are guesses
    occlusion_s: float = 0.3
    occlusion_m: float = 0.15  # how far off such a guess is
    swaps: float = 0.1  # times that the legs are taken for each other
    swap_s: float = 0.07


OCCLUDED = ((13, 15, 17, 19, 21), (14, 16, 18, 20, 22), (25, 27, 29, 31), (26, 28, 30, 32))  # limbs that are guessed together
_MIRRORED_LEGS = (25, 26, 27, 28, 29, 30, 31, 32), (26, 25, 28, 27, 30, 29, 32, 31)


def synthesize(markers: np.ndarray, K: np.ndarray, rng: np.random.Generator, fps: float = 30.0, noise: Noise | None = None,
               mishaps: Mishaps | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """What BlazePose would say of markers (T,33,3) m in camera axes, seen by K (3,3) px, the metric landmarks corrected already.

    Returns keypoints_2d (T,33,3) px px confidence, landmarks_3d (T,33,3) m relative to the middle of the hips, in the axes of a camera that
    points at them, and observed (T,) bool; where it is False the other two are interpolated and the confidence is 0. The same `rng`
    state gives the same answer.
    """
    noise, mishaps, count = noise or Noise(), mishaps or Mishaps(), len(markers)
    hips = markers[:, HIPS].mean(1)

    def errors(bias: tuple[float, ...], wave: tuple[float, ...], axes: int, memory_s: float) -> np.ndarray:
        constant = by_landmark(bias)[:, None] * rng.normal(size=(33, axes))
        return constant + by_landmark(wave)[:, None] * _wave(rng, (count, 33, axes), np.exp(-1.0 / (fps * memory_s)))

    flat = (BLAZEPOSE @ markers) @ K.T
    keypoints = flat[..., :2] / flat[..., 2:]
    keypoints = keypoints + errors(noise.image_bias, noise.image_wave, 2, noise.image_memory_s) * (K[0, 0] / hips[:, 2])[:, None, None]
    landmarks = np.einsum("tji,tkj->tki", toward(hips), markers - hips[:, None]) * np.exp(noise.scale * rng.normal())
    landmarks[..., :2] += errors(noise.across_bias, noise.across_wave, 2, noise.metric_memory_s)
    landmarks[..., 2:] += errors(noise.depth_bias, noise.depth_wave, 1, noise.metric_memory_s)
    confidence = np.clip(by_landmark(noise.visibility) + 0.1 * _wave(rng, (count, 33), 0.9), 0.05, 1.0)
    for start, end in _spells(rng, count / fps, mishaps.occlusions, mishaps.occlusion_s, fps):
        limb = list(OCCLUDED[rng.integers(len(OCCLUDED))])
        off = mishaps.occlusion_m * rng.normal(size=3)
        keypoints[start:end, limb] += off[:2] * K[0, 0] / hips[start:end, None, 2:]
        landmarks[start:end, limb] += off
        confidence[start:end, limb] *= 0.3
    for start, end in _spells(rng, count / fps, mishaps.swaps, mishaps.swap_s, fps):
        own, other = (list(side) for side in _MIRRORED_LEGS)
        for values in (keypoints, landmarks):
            values[start:end, own] = values[start:end, other]
    landmarks -= landmarks[:, HIPS].mean(1, keepdims=True)
    observed = np.ones(count, dtype=bool)
    for start, end in _spells(rng, count / fps, mishaps.dropouts, mishaps.dropout_s, fps):
        observed[max(start, 1) : min(end, count - 1)] = False
    confidence[~observed] = 0.0
    keypoints, landmarks = (_bridged(values, observed) for values in (keypoints, landmarks))
    return np.concatenate([keypoints, confidence[..., None]], -1), landmarks, observed


def by_landmark(groups: tuple[float, ...]) -> np.ndarray:
    """(33,) of values for each of GROUPS."""
    values = np.empty(33)
    for value, members in zip(groups, GROUPS.values()):
        values[list(members)] = value
    return values


def toward(points: np.ndarray) -> np.ndarray:
    """(T,3,3) the smallest rotations that take the optical axis to the rays through points (T,3)."""
    return camera.toward(torch.as_tensor(points)).numpy()


def _wave(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> np.ndarray:
    """Autoregressive noise of unit deviation along the first axis."""
    values = rng.normal(size=shape)
    values[1:] *= np.sqrt(1 - memory**2)
    for t in range(1, len(values)):
        values[t] += memory * values[t - 1]
    return values


def _spells(rng: np.random.Generator, seconds: float, rate: float, length_s: float, fps: float) -> list[tuple[int, int]]:
    """Random spans of frames, `rate` per second, of about `length_s`."""
    starts = rng.uniform(0, seconds * fps, rng.poisson(rate * seconds)).astype(int)
    return [(int(start), int(start) + max(1, round(length_s * fps * rng.uniform(0.5, 1.5)))) for start in starts]


def _bridged(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    frames, flat = np.arange(len(values)), values.reshape(len(values), -1)
    return np.stack([np.interp(frames, frames[known], column[known]) for column in flat.T], 1).reshape(values.shape)
