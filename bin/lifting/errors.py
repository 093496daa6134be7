# SPDX-License-Identifier: GPL-3.0-or-later
"""BlazePose's errors for windows of many people at once: those of `bin/benchmarks/noise`, measured after the landmarks' correction, with
more mishaps. What is chosen here, not measured: landmarks of a limb err together, and people are cut off by the image's border.

Those errors know nothing of posture and view. Where a picture of a window's middle frame was looked at, what BlazePose said of it takes
their place, as far as frames are like the middle one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bin.benchmarks.noise import OCCLUDED, Mishaps, Noise, by_landmark
from skel_blender.engine.blazepose import HIPS, PARTNERS
from skel_blender.engine.camera import toward

_TOGETHER = ((tuple(range(11)), 0.7), ((15, 17, 19, 21), 0.8), ((16, 18, 20, 22), 0.8), ((27, 29, 31), 0.7), ((28, 30, 32), 0.7))
_LEGS = tuple(range(25, 33))
_LOUDNESS = 0.35  # of the logarithm of a clip's noise against the measured one
_SIZE = 0.06  # of the logarithm of the metric landmarks' size: the network guesses it
_DIM, _DIM_NOISE = 0.2, 1.6  # share of limbs that are seen badly, and how much more they err
_ALIKE_M, _TELLS = 0.2, 0.95  # how far landmarks may move for a picture's errors to hold; the part of a bias' square that it tells
_STILL = 0.5  # windows with less noise than this have no mishaps
_OUTSIDE_M = 0.12  # how far off a guess beyond the border is
_LONG, _LONG_S = 0.1, 1.0  # share of windows with a long dropout
_TURNED, _TURNED_S = 0.1, 0.1  # times a second that left and right of everything are exchanged


@dataclass(frozen=True)
class Seen:
    """What a landmarker says: keypoints (B,T,33,3) of a camera of focal length 1, landmarks (B,T,33,3) m, observed (B,T)."""

    keypoints: torch.Tensor
    landmarks: torch.Tensor
    observed: torch.Tensor


@dataclass(frozen=True)
class Known:
    """What BlazePose said of the middle frames of windows: how far it was off in the image (B,33,2), m at mid-hip's depth, and in its
    metric landmarks (B,33,3) m, in the axes of a camera that points at mid-hip; confidence (B,33). `counts` (B,) is 0 where there
    was no picture, else 1; `noise` (B,) is the part of made-up noise that comes on top."""

    image: torch.Tensor
    metric: torch.Tensor
    confidence: torch.Tensor
    counts: torch.Tensor
    noise: torch.Tensor

    @staticmethod
    def nothing(count: int) -> Known:
        """Of windows without a picture."""
        return Known(torch.zeros(count, 33, 2), torch.zeros(count, 33, 3), torch.zeros(count, 33), torch.zeros(count), torch.ones(count))

    def share(self, markers: torch.Tensor) -> torch.Tensor:
        """(B,T) 1 where a frame's markers (B,T,33,3) m about mid-hip are the middle frame's, less the farther they are from there."""
        placed = markers - markers[..., HIPS, :].mean(-2, keepdim=True)
        off = (placed - placed[:, placed.shape[1] // 2, None]).square().sum(-1).mean(-1)
        return self.counts[:, None] * torch.exp(-off / _ALIKE_M**2)


def landmarked(markers: torch.Tensor, border: torch.Tensor, fps: torch.Tensor, random: torch.Generator, known: Known | None = None) -> Seen:
    """Of markers (B,T,33,3) m in camera axes, an image that ends at +-border (B,2) and rates (B,)."""
    noise, hips = Noise(), markers[..., HIPS, :].mean(-2)
    count, frames = markers.shape[:2]
    known = known or Known.nothing(count)
    share, quiet = known.share(markers)[..., None, None], known.noise[:, None, None, None]
    unknown = (1 - _TELLS * share.square()).sqrt()
    flat = markers[..., :2] / markers[..., 2:].clamp(min=0.2)
    outside = (flat.abs() > border[:, None, None]).any(-1)
    loud = (_LOUDNESS * torch.randn(count, 1, 1, 1, generator=random)).exp()
    dim = _of_limbs(torch.rand(count, len(OCCLUDED), generator=random) < _DIM)[:, None, :, None]
    loud = loud * torch.where(dim, _DIM_NOISE, 1.0)

    def errors(bias: tuple[float, ...], wave: tuple[float, ...], axes: int, memory_s: float) -> torch.Tensor:
        scales = [torch.as_tensor(by_landmark(one)).float()[:, None] for one in (bias, wave)]
        constant = _together(torch.randn(count, 1, 33, axes, generator=random))
        waves = _together(_wave((count, frames, 33, axes), torch.exp(-1.0 / (fps * memory_s)), random))
        return loud * (scales[0] * unknown * constant + scales[1] * quiet * waves)

    guessed = outside[..., None] * _OUTSIDE_M * torch.randn(count, 1, 33, 3, generator=random)
    image = errors(noise.image_bias, noise.image_wave, 2, noise.image_memory_s) + guessed[..., :2]
    keypoints = flat + (image + share * known.image[:, None]) / hips[..., None, 2:]
    size = (_SIZE * quiet * torch.randn(count, 1, 1, 1, generator=random)).exp()
    landmarks = (markers - hips[..., None, :]) @ toward(hips) * size + guessed
    across = errors(noise.across_bias, noise.across_wave, 2, noise.metric_memory_s)
    along = errors(noise.depth_bias, noise.depth_wave, 1, noise.metric_memory_s)
    landmarks = landmarks + share * known.metric[:, None] + torch.cat([across, along], -1)
    visible = (1 - share[..., 0]) * torch.as_tensor(by_landmark(noise.visibility)).float() + share[..., 0] * known.confidence[:, None]
    confidence = visible + 0.1 * quiet[..., 0] * _wave((count, frames, 33), torch.full((count,), 0.9), random)
    confidence = (confidence * torch.where(dim[..., 0], 0.5, 1.0)).clamp(0.05, 1.0)
    mishaps = _mishaps(keypoints, landmarks, confidence, hips, fps, random)
    still = quiet[..., 0] < _STILL
    keypoints, landmarks = (torch.where(still[..., None], before, after) for before, after in zip((keypoints, landmarks), mishaps))
    confidence = torch.where(still, confidence, mishaps[2])
    cut = (share[..., 0] > 0.5) & (known.confidence[:, None] == 0)
    confidence = torch.where(outside | cut, 0.0, confidence)
    landmarks = landmarks - landmarks[..., HIPS, :].mean(-2, keepdim=True)
    return _dropped(keypoints, landmarks, confidence, fps, random)


def _mishaps(keypoints: torch.Tensor, landmarks: torch.Tensor, confidence: torch.Tensor, hips: torch.Tensor, fps: torch.Tensor,
             random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """A limb that is guessed for a while, legs that are taken for each other, left and right exchanged."""
    rates, (count, frames) = Mishaps(), keypoints.shape[:2]
    during = _spell(count, frames, fps, rates.occlusions, rates.occlusion_s, random)
    limb = _of_limbs(torch.nn.functional.one_hot(torch.randint(len(OCCLUDED), (count,), generator=random), len(OCCLUDED)).bool())
    hidden = (during[..., None] & limb[:, None])[..., None]
    off = rates.occlusion_m * torch.randn(count, 1, 1, 3, generator=random)
    keypoints = keypoints + hidden * off[..., :2] / hips[..., None, 2:]
    landmarks = landmarks + hidden * off
    confidence = torch.where(hidden[..., 0], 0.3 * confidence, confidence)
    legs = torch.zeros(33, dtype=torch.bool)
    legs[list(_LEGS)] = True
    for rate, length, which in ((rates.swaps, rates.swap_s, legs), (_TURNED, _TURNED_S, torch.ones(33, dtype=torch.bool))):
        swapped = (_spell(count, frames, fps, rate, length, random)[..., None] & which)[..., None]
        keypoints = torch.where(swapped, keypoints[:, :, PARTNERS], keypoints)
        landmarks = torch.where(swapped, landmarks[:, :, PARTNERS], landmarks)
    return keypoints, landmarks, confidence


def _dropped(keypoints: torch.Tensor, landmarks: torch.Tensor, confidence: torch.Tensor, fps: torch.Tensor,
             random: torch.Generator) -> Seen:  # fmt: skip
    """Frames in which nobody was seen, drawn between their neighbours as tracks are."""
    rates, (count, frames) = Mishaps(), keypoints.shape[:2]
    long = torch.rand(count, generator=random) < _LONG
    gone = torch.where(long[:, None], _spell(count, frames, fps, 1e3, _LONG_S, random),
                       _spell(count, frames, fps, rates.dropouts, rates.dropout_s, random))  # fmt: skip
    gone[:, [0, -1]] = False
    when = torch.arange(frames).expand(count, -1)
    before = torch.where(gone, 0, when).cummax(1).values
    after = torch.where(gone, frames - 1, when).flip(1).cummin(1).values.flip(1)
    share = ((when - before) / (after - before).clamp(min=1))[..., None, None]
    rows = torch.arange(count)[:, None]
    keypoints, landmarks = (values[rows, before] * (1 - share) + values[rows, after] * share for values in (keypoints, landmarks))
    confidence = torch.where(gone[..., None], 0.0, confidence)
    return Seen(torch.cat([keypoints, confidence[..., None]], -1), landmarks, (~gone).float())


def _spell(count: int, frames: int, fps: torch.Tensor, rate: float, length_s: float, random: torch.Generator) -> torch.Tensor:
    """(B,T) bool: at most one span in a window, as often as `rate` a second says, of about `length_s`."""
    happens = torch.rand(count, generator=random) < 1 - torch.exp(-rate * frames / fps)
    start = frames * torch.rand(count, generator=random)
    length = (length_s * fps * (0.5 + torch.rand(count, generator=random))).clamp(min=1.0)
    when = torch.arange(frames)
    return happens[:, None] & (when >= start[:, None].floor()) & (when < (start + length)[:, None].floor())


def _wave(shape: tuple[int, ...], memory: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """(B,T,...) autoregressive noise of unit deviation in time; memory (B,)."""
    values = torch.randn(*shape, generator=random)
    memory = memory.reshape(-1, *[1] * (len(shape) - 2))
    fresh = (1 - memory**2).sqrt()
    result = [values[:, 0]]
    for t in range(1, shape[1]):
        result.append(torch.addcmul(fresh * values[:, t], memory, result[-1]))
    return torch.stack(result, 1)


def _together(values: torch.Tensor) -> torch.Tensor:
    """Unit noise (...,33,axes) whose landmarks on the face, hands and feet have a part in common."""
    values = values.clone()
    for members, share in _TOGETHER:
        first = values[..., members[:1], :]
        values[..., members[1:], :] = share * first + (1 - share**2) ** 0.5 * values[..., members[1:], :]
    return values


def _of_limbs(chosen: torch.Tensor) -> torch.Tensor:
    """(B,33) bool of limbs (B,4)."""
    table = torch.zeros(len(OCCLUDED), 33)
    for k, members in enumerate(OCCLUDED):
        table[k, list(members)] = 1.0
    return (chosen.float() @ table) > 0
