# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are made beside their places and get there whole; what a killed process left of them is cleared away. Standard library only."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .messages import SkelError

_HELD = ".held"  # file of a workfolder that its process holds
_PATIENCE_S = 2.0 if os.name == "nt" else 0.0


@contextmanager
def workfolder(place: Path) -> Iterator[Path]:
    """A new hidden folder beside `place`, so on the same disk, gone afterwards; those that killed processes left for `place` go as well.

    Not by tempfile: on Windows what is made in its folders stays for its maker's eyes only, wherever it is moved. Hidden files in it
    are not for `place`. Raises OSError if it can't be made.
    """
    for left in place.parent.glob(f".{glob.escape(place.name)}.*.part/{_HELD}"):
        with suppress(OSError):
            with open(left, "r+") as handle:
                deserted = try_to_hold(handle.fileno())
            if deserted:
                shutil.rmtree(left.parent)
    folder = place.parent / f".{place.name}.{secrets.token_hex(4)}.part"
    folder.mkdir()
    try:
        with open(folder / _HELD, "w") as handle:
            with suppress(OSError):  # a file system without locks, on which nothing is cleared away either
                try_to_hold(handle.fileno())
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def try_to_hold(descriptor: int) -> bool:
    """Take an open file's lock, unless somebody else has it; the system lets go of it when the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # as POSIX and as Windows say that somebody else has it
        return False
    return True


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
        reason = getattr(error, "strerror", None) or (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise SkelError("unwritable", f"{place} could not be written ({reason}).",
                        "Choose another folder or make room on the disk.") from error  # fmt: skip
    finally:
        with suppress(OSError):  # it is not there, or can't go: either way the error above is the one to tell
            part.unlink()
