# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures whose place in a clip can be told from what they show."""

from collections.abc import Iterable

import numpy as np

STEP = 8  # grey levels between the pictures of a test clip: picture k is STEP * k grey


def picture(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A grey picture whose top left quarter is white, so that a turn shows."""
    image = np.full((height, width, 3), level, np.uint8)
    image[: height // 2, : width // 2] = 255
    return image


def seen(source: Iterable[tuple[int, np.ndarray]]) -> list[tuple[int, int]]:
    """(frame number, which picture it shows) of every frame."""
    return [(number, round(float(image[-4:, -4:].mean()) / STEP)) for number, image in source]
