# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that take their places whole: what can be known to go wrong is said before any work, and nothing is half written."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..messages import SkelError
from ..status import Status
from .options import ENDINGS, OPENSIM


def checked(given: argparse.Namespace) -> Path:
    """OUT as an absolute path. Raises SkelError for whatever can be known to go wrong before any work is done."""
    for text in given.inputs:
        path = Path(text)
        if not path.exists():
            raise SkelError("no_input", f"There is no file {text}.", "Check the path.")
        if path.is_dir() and not any(path.iterdir()):
            raise SkelError("no_input", f"The folder {text} is empty.", "Give a folder that holds the frames as images.")
    out = Path(os.path.abspath(given.out))
    if out.suffix.lower() not in ENDINGS:
        raise SkelError("ending", f"OUT must end in one of {', '.join(ENDINGS)}, not '{out.suffix}'.", "Choose one of them.")
    if not out.parent.is_dir():
        raise SkelError("no_folder", f"There is no folder {out.parent}.", "Make it or choose another.")
    if out.is_dir():
        raise SkelError("exists", f"{out} is a folder.", "Choose another name.")
    if any(Path(text).resolve() == out.resolve() for text in given.inputs):
        raise SkelError("exists", f"{out} is the footage itself.", "Choose another name.")
    if out.exists() and not given.overwrite:
        raise SkelError("exists", f"{out} exists already.", "Choose another name or add --overwrite.")
    if not os.access(out.parent, os.W_OK):
        raise SkelError("unwritable", f"The folder {out.parent} cannot be written to.", "Choose another.")
    return out


def no_neighbours(out: Path, given: argparse.Namespace) -> None:
    """Raise SkelError, before hours of work, if a file of OpenSim's exists that may have to be written beside OUT."""
    kinds = OPENSIM if out.suffix.lower() == OPENSIM[0] else (out.suffix.lower(),)
    if kinds[0] not in OPENSIM or given.overwrite:
        return
    for path in sorted(out.parent.iterdir()):
        if path.suffix in kinds and re.fullmatch(re.escape(out.stem) + r"(_\d+)?", path.stem):
            raise SkelError("exists", f"{path} exists already.", "Choose another name or add --overwrite.")


@contextlib.contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """A hidden folder beside OUT, on the same disk, gone afterwards."""
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise SkelError("unwritable", f"The folder {out.parent} cannot be written to ({error.strerror}).", "Choose another.") from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put(made: dict[Path, Path], given: argparse.Namespace, status: Status) -> None:
    """Move what was made to its places, all or nothing of it. Raises SkelError if one has come to exist."""
    taken = [place for place in made.values() if place.exists() and not given.overwrite]
    if taken:
        raise SkelError("exists", f"{taken[0]} exists already.", "Choose another name or add --overwrite.")
    for path, place in made.items():
        _open_as_usual(path)
        place.parent.mkdir(exist_ok=True)  # OpenSim's meshes lie in a folder of their own
        os.replace(path, place)
    for place in made.values():
        status.line(f"Wrote {place}")


def _open_as_usual(path: Path) -> None:
    """Give a file that was made as a temporary one, for its maker's eyes only, the permissions of any new file."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
