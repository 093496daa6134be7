# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether files of USD and Alembic have room, and are whole. Where the disk is full USD's library writes less and says nothing, and
Alembic's takes Blender down with it. No bpy.

Both formats end in a table of what is where, to which the file's first bytes point.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
from pathlib import Path
from typing import BinaryIO

_CRATE, _OGAWA = b"PXR-USDC", b"Ogawa"
_TEXT_END = b"}"  # of a .usda, before line ends


def check_room(path: Path, needed: int) -> None:
    """Raise OSError, as of a full disk, if it has not so many bytes left."""
    if shutil.disk_usage(path.parent).free < needed:
        raise _full()


def check(path: Path) -> None:
    """Raise OSError, as of a full disk, if a .usd, .usdc, .usda or .abc breaks off."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(24)
        if head.startswith(_CRATE):
            whole = len(head) == 24 and _ends_with(file, struct.unpack_from("<Q", head, 16)[0], 32, size)
        elif head.startswith(_OGAWA):
            whole = len(head) == 24 and _ends_with(file, struct.unpack_from("<Q", head, 8)[0], 8, size)
        else:
            file.seek(max(0, size - 8))
            whole = file.read().rstrip().endswith(_TEXT_END)
    if not whole:
        raise _full()


def _ends_with(file: BinaryIO, begin: int, width: int, size: int) -> bool:
    """Whether a table of entries of `width` bytes, which their number comes before, begins at `begin` and ends within `size`."""
    if not 0 < begin <= size - 8:
        return False
    file.seek(begin)
    (count,) = struct.unpack("<Q", file.read(8))
    return begin + 8 + width * count <= size


def _full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
