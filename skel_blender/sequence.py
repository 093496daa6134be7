# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as a sequence: which files are some, in which order, and the numbers in their names, by which Blender shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".jp2", ".j2c", ".bmp", ".tga", ".tif", ".tiff", ".webp", ".exr", ".hdr", ".dpx"}


def images_of(folder: Path) -> list[Path]:
    """The images of a folder, in order; hidden files are none, such as `._frame1.png` that macOS leaves beside an image."""
    images = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith("."))
    return sorted(images, key=lambda path: natural_key(path.name))


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts frame2 before frame10, and Person 2 before Person 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.findall(r"\d+|\D+", name)]


def numbers(paths: Sequence[Path]) -> list[int]:
    """The numbers of the images, up to the first that is none of the first one's sequence: in one folder, named alike but for the last
    number of the name, in as many digits."""
    found = re.search(r"(\d+)(\D*)$", paths[0].stem, re.ASCII)
    if found is None:
        return [0]
    head, (digits, tail) = paths[0].stem[: found.start()], found.groups()
    result = []
    for path in paths:
        inside = path.stem[len(head) : len(path.stem) - len(tail)]
        number = int(inside) if inside.isascii() and inside.isdigit() else -1
        if path != paths[0].with_name(f"{head}{number:0{len(digits)}d}{tail}{paths[0].suffix}"):
            break
        result.append(number)
    return result
