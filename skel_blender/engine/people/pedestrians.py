# SPDX-License-Identifier: GPL-3.0-or-later
"""Where somebody upright may be, small people too: OpenCV's detector by histograms of oriented gradients (Dalal and Triggs, CVPR 2005).

BlazePose's detector looks for one person who fills a good part of its window. It misses who is small, seen from behind, or walks beside
somebody else. This one knows nothing but the outline of a person who stands or walks, whoever is beside him; it takes trees and posts for
people too, so what it says is only where to look.
"""

from __future__ import annotations

import cv2
import numpy as np

from .crops import Roi

_SIDE = 864  # px of the image's shorter side when it is looked at; people from a ninth of that on
_STEP = 1.15  # between the sizes that are looked for
_PERSON = 0.75  # height of a person in the detector's window of 64 x 128 px
_REACH = 1.25  # side of a landmark window to the person's height


class Pedestrians:
    """OpenCV's detector with the weights that come with it."""

    def __init__(self) -> None:
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def windows(self, image: np.ndarray) -> list[Roi]:
        """Windows of an RGB image (H,W,3) for the landmark network, the likeliest first; many are of one person."""
        height, width = image.shape[:2]
        factor = _SIDE / min(height, width)
        method = cv2.INTER_LINEAR if factor > 1 else cv2.INTER_AREA
        scaled = cv2.resize(image, (round(width * factor), round(height * factor)), interpolation=method)
        boxes, margins = self._hog.detectMultiScale(scaled, winStride=(8, 8), padding=(16, 16), scale=_STEP, groupThreshold=0)
        boxes, margins = np.reshape(boxes, (-1, 4)) / factor, np.ravel(margins)
        best_first = np.lexsort((*boxes.T, -margins))  # all of them: threads find them in any order
        return [_window(box) for box in boxes[best_first]]


def _window(box: np.ndarray) -> Roi:
    return Roi(box[:2] + box[2:] / 2, float(_REACH * _PERSON * box[3]), 0.0)
