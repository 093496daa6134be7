# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are made beside their places and get there whole, on every system. Standard library only."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .messages import SkelError

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


@contextmanager
def whole_file(place: Path, *also: type[Exception]) -> Iterator[Path]:
    """A hidden name beside `place`, of the same ending, to write to: it takes its place when all went well, and is gone when not.

    Raises SkelError for an OSError, or an error of the kinds `also`, that the writing ends in.
    """
    part = place.with_name(f".{place.stem}.{secrets.token_hex(4)}.part{place.suffix}")
    try:
        yield part
        put_in_place(part, place)
    except (OSError, *also) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        raise SkelError("unwritable", f"{place} could not be written ({reason}).",
                        "Choose another folder or make room on the disk.") from error  # fmt: skip
    finally:
        with suppress(OSError):  # it is not there, or can't go: either way the error above is the one to tell
            part.unlink()
