# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that take their places whole: what can be known to go wrong is said before any work, and nothing is half written."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..export import presets
from ..files import put_in_place, workfolder
from ..messages import SkelError
from ..status import Status
from .options import ENDINGS, OPENSIM

TAKE = ".take.npz"  # in a Work's folder, the Take on the way to a scene: hidden, and so not for the place


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
        raise SkelError("exists", f"{out} is the input itself.", "Choose another name.")
    if out.exists() and not given.overwrite:
        raise SkelError("exists", f"{out} exists already.", "Choose another name or add --overwrite.")
    if not os.access(out.parent, os.W_OK):
        raise SkelError("unwritable", f"The folder {out.parent} cannot be written to.", "Choose another.")
    _no_idle_options(out.suffix.lower(), given)
    return out


def _no_idle_options(ending: str, given: argparse.Namespace) -> None:
    """Raise SkelError for an option that changes nothing in a file of this ending."""
    if ending not in presets.ENDINGS and presets.given(given) != presets.choose("generic"):
        raise SkelError("usage", f"Export options have no effect on a {ending}.", "Leave them out, or choose another ending.")
    if ending in presets.ENDINGS:
        presets.check_camera(presets.given(given), ending)
    for name, endings in (("mass", OPENSIM), ("person", (*presets.ENDINGS, *OPENSIM))):
        if getattr(given, name, None) and ending not in endings:
            raise SkelError("usage", f"--{name} has no effect on a {ending}.", "Leave it out, or choose another ending.")


def no_neighbours(out: Path, given: argparse.Namespace) -> None:
    """Raise SkelError, before hours of work, if a file of OpenSim's exists that may have to be written beside OUT."""
    kinds = OPENSIM if out.suffix.lower() == OPENSIM[0] else (out.suffix.lower(),)
    if kinds[0] not in OPENSIM or given.overwrite:
        return
    for path in sorted(out.parent.iterdir()):
        if path.suffix in kinds and re.fullmatch(re.escape(out.stem) + r"(_\d+)?", path.stem):
            raise SkelError("exists", f"{path} exists already.", "Choose another name or add --overwrite.")


class Work(NamedTuple):
    """Where a result is made before it takes its place."""

    out: Path  # the place
    folder: Path  # hidden, beside OUT and so on the same disk
    made: Path  # in it, what is to become OUT; whatever is made beside it, a file for each person say, belongs beside OUT

    def files(self) -> dict[Path, Path]:
        """What was made -> where it belongs."""
        made = sorted(path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {path: self.out if path == self.made else self.out.parent / path.relative_to(self.folder) for path in made}


@contextlib.contextmanager
def workplace(out: Path) -> Iterator[Work]:
    """A folder to work in, gone afterwards."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(workfolder(out))
        except OSError as error:
            raise SkelError("unwritable", f"The folder {out.parent} cannot be written to ({error.strerror}).", "Choose another.") from error
        yield Work(out, folder, folder / f"{out.stem}{out.suffix.lower()}")  # a scene's collection has the name of its file


def put(work: Work, given: argparse.Namespace, status: Status) -> None:
    """Move what was made to its places, each file whole; meshes in a model's folder take the place of those that it had. Raises SkelError
    if one can't be written, and moves nothing if one has come to exist meanwhile."""
    files = work.files()
    beside = [place for place in files.values() if place.parent == work.out.parent]
    for place in beside:
        if place.exists() and not given.overwrite:
            raise SkelError("exists", f"{place} exists already.", "Choose another name or add --overwrite.")
    for path, place in files.items():
        try:
            place.parent.mkdir(exist_ok=True)  # OpenSim's meshes lie in a folder of their own
            put_in_place(path, place)
        except OSError as error:  # on Windows what another program has open
            raise SkelError("unwritable", f"{place} could not be written ({error.strerror or error}).", "Choose another name.") from error
    for place in beside:
        status.line(f"Wrote {place}")


def kept(take: Path, out: Path) -> Path:
    """A place beside OUT for a Take of which no scene could be made, as it may be the work of hours; nothing there is replaced."""
    stems = itertools.chain([out.stem], (f"{out.stem}_{number}" for number in itertools.count(2)))
    place = next(place for stem in stems if not (place := out.with_name(f"{stem}.npz")).exists())
    put_in_place(take, place)
    return place
