# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's landmarks to his box in a frame, and that to the 256 x 256 patch that HSMR looks at, pixel for pixel as HSMR cuts it.

Corners are truncated to whole pixels toward zero and the image is black outside, so neighbouring boxes can give the same patch; the
square's unrounded centre and side are what the camera (cameras.py) is worked out from. Source: HSMR (Xia et al., CVPR 2025; MIT).
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ...blazepose import EARS, SHOULDERS
from ...memo import memoised

SIDE = 256  # px of a patch
SEEN = slice(32, 224)  # the columns of it that the backbone sees
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_TALL = 256 / 192  # least height of a box by its width
# Fitted to the open body in a few hundred random poses: the crown is this far beyond the ears, by the distance from the shoulders to
# them, and the skin this far around the landmarks, by the longer side.
_CROWN, _MARGIN = 0.6, 0.015
_LEAST = 8.0  # px


def person_boxes(keypoints_2d: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes (T,4) left, top, right, bottom px of BlazePose landmarks (T,33,>=2) px, within an image of `size` px: of whole people, as a
    detector would draw them, where landmarks end at ears, fingers and toes."""
    points = np.asarray(keypoints_2d[..., :2], float)
    ears = points[:, EARS].mean(1)
    crown = ears + _CROWN * (ears - points[:, SHOULDERS].mean(1))
    points = np.concatenate([points, crown[:, None]], 1)
    low, high = points.min(1), points.max(1)
    margin = np.maximum(_MARGIN * (high - low).max(1, keepdims=True), _LEAST / 2)
    low = np.clip(low - margin, 0, np.asarray(size) - _LEAST)
    return np.concatenate([low, np.clip(high + margin, low + _LEAST, size)], 1)


def squares(boxes: np.ndarray) -> np.ndarray:
    """Boxes (...,4) left, top, right, bottom px -> (...,3) centre x, y and side px of the squares that are cut out."""
    boxes = np.asarray(boxes, float)
    low, high = boxes[..., :2], boxes[..., 2:]
    width, height = np.moveaxis(high - low, -1, 0)
    return np.concatenate([0.5 * (low + high), np.maximum(height, width * _TALL)[..., None]], -1)


def cut(image: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The patch (256,256,3) uint8 of an image (H,W,3) uint8 RGB and a square (3,): centre x, y and side px."""
    low = np.trunc(square[:2] - 0.5 * square[2]).astype(int)
    high = np.trunc(square[:2] + 0.5 * square[2]).astype(int)
    width, height = np.maximum(high - low, 1)
    window = np.zeros((height, width, 3), np.uint8)
    first, last = np.clip(low, 0, image.shape[1::-1]), np.clip(high, 0, image.shape[1::-1])
    if (last > first).all():
        (x, y), (right, bottom) = first - low, last - low
        window[y:bottom, x:right] = image[first[1] : last[1], first[0] : last[0]]
    return cv2.resize(window, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels (...,H,W,3) uint8 RGB -> (...,3,H,W) float32, less the mean and by the deviation of ImageNet's colours."""
    mean, std = _colours(pixels.device)
    return (pixels.to(torch.float32).movedim(-1, -3) / 255 - mean) / std


@memoised
def _colours(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (3,1,1), made once: a card that is sent numbers waits for all that it has to do."""
    mean, std = (torch.tensor(part, device=device)[:, None, None] for part in (_MEAN, _STD))
    return mean, std
