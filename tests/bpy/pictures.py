# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage and renderings: pictures of one colour, and what a picture shows."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np


def save_picture(path: Path, colour: tuple[float, float, float] = (0.0, 0.0, 0.0), size: tuple[int, int] = (8, 4)) -> None:
    """Write a PNG of one colour (0 to 1) and size (w, h) px."""
    picture = bpy.data.images.new(path.name, *size)
    picture.generated_color = (*colour, 1.0)
    picture.filepath_raw, picture.file_format = str(path), "PNG"
    picture.save()
    bpy.data.images.remove(picture)


def corner(path: Path) -> np.ndarray:
    """(4,) the colour of a picture's lower left pixel, 0 to 1, with alpha."""
    return np.array(bpy.data.images.load(str(path)).pixels[:4])
