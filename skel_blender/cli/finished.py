# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes of which no scene has been written yet, kept beside what was seen of footage: who stops the program while it writes the scene has
the same command go on there. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ..files import whole_file
from ..job import PACKAGE
from ..messages import SkelError
from ..requests import ImportRequest, Request

_ELSEWHERE = "--out=", "--memory="  # what a Take does not depend on


def place_of(request: Request | ImportRequest, folder: Path) -> Path:
    """Where in `folder` the Take of this request is kept, by what is asked for, the files that are named, and this program."""
    asked = [text for text in request.arguments() if not text.startswith(_ELSEWHERE)]
    files = set(PACKAGE.rglob("*.py"))
    for name in (name for text in asked for name in (text, *text.partition("=")[2].split(","))):
        with suppress(OSError):  # what can't be read, or is no path, is the engine's to tell
            files |= set(Path(name).iterdir()) if os.path.isdir(name) else {Path(name)}
    stated = sorted((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if os.path.isfile(file))
    return folder / f"{hashlib.sha256(json.dumps([asked, stated]).encode()).hexdigest()[:24]}.npz"


def keep(take: Path, place: Path) -> None:
    """Keep a Take, unless there is no room for it."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(take, place)
        return
    with suppress(SkelError), whole_file(place) as part:
        shutil.copyfile(take, part)


def fetch(place: Path, take: Path) -> bool:
    """Put the Take that is kept at `place`, if there is one, where this run would make it."""
    try:
        shutil.copyfile(place, take)
        return True
    except OSError:
        return False


def forget(place: Path) -> None:
    """Let go of the Take at `place`, if there is one."""
    with suppress(OSError):
        place.unlink()
