# SPDX-License-Identifier: GPL-3.0-or-later
"""How files that were made beside their places get there, on every system. Standard library only."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

_PATIENCE_S = 2.0 if os.name == "nt" else 0.0


def workfolder(place: Path) -> Path:
    """A new hidden folder beside `place`, so on the same disk.

    Not by tempfile: on Windows what is made in its folders stays for its maker's eyes only, wherever it is moved.
    """
    folder = place.parent / f".{place.name}.{secrets.token_hex(4)}.part"
    folder.mkdir()
    return folder


def put_in_place(made: Path | str, place: Path | str) -> None:
    """As os.replace; on Windows it waits for those who hold a file for a moment, as virus scanners do with what was just written."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            os.replace(made, place)
            return
        except PermissionError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.05)
