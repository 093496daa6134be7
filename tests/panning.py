# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip as a camera in the same place would have taken it that turns after somebody: exact, as turns need no depth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

FOCAL_PX = 1591.0  # taken for the source's; turns about a lens of another length would be no turns
_SIZE = (560, 560)


def follow(source: Path, out: Path, frames: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Write frames (T,) of a clip, turned so that the pixels (T,2) come to the middle where the source is wide enough.

    Returns the turns (T,3,3) from the source's camera to the new one, OpenCV axes; both have lenses of FOCAL_PX.
    """
    reader, turns, number = cv2.VideoCapture(str(source)), [], -1
    size = np.array([reader.get(cv2.CAP_PROP_FRAME_WIDTH), reader.get(cv2.CAP_PROP_FRAME_HEIGHT)])
    K, window = _lens(size), _lens(np.array(_SIZE))
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter_fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS), _SIZE)
    inside = np.clip(_smooth(pixels), np.array(_SIZE) / 2, size - np.array(_SIZE) / 2)
    while number < frames[-1]:
        number += 1
        good, image = reader.read()
        assert good
        if number >= frames[0]:
            right, down = (inside[number - frames[0]] - size / 2) / FOCAL_PX
            yaw, pitch = np.arctan(right), np.arctan(down * np.cos(np.arctan(right)))
            turns.append(cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))[0] @ cv2.Rodrigues(np.array([0.0, -yaw, 0.0]))[0])
            writer.write(cv2.warpPerspective(image, window @ turns[-1] @ np.linalg.inv(K), _SIZE))
    writer.release()
    return np.array(turns)


def _lens(size: np.ndarray) -> np.ndarray:
    return np.array([[FOCAL_PX, 0.0, size[0] / 2], [0.0, FOCAL_PX, size[1] / 2], [0.0, 0.0, 1.0]])


def _smooth(path: np.ndarray) -> np.ndarray:
    """A path (T,2) as a hand on a tripod follows it."""
    wide = np.pad(path, ((15, 15), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, np.full(31, 1 / 31), "valid") for column in wide.T], 1)
