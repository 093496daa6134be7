# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the engine's environment in a process of its own: `PYTHON -m skel_blender.install ROOT`, events on standard output.

The add-on's button runs this, so that Blender never waits for pip; an engine that is there already is made anew. ROOT is environment.py's
folder of environments.
"""

from __future__ import annotations

import re
import shutil
import signal
import sys
from pathlib import Path

from . import environment, packages
from .messages import Done, Failed, Progress, SkelError, write

_PACKAGE_LINE = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)


def main(root: str) -> int:
    """Install and say so; the exit code is 0, 1 for a failure, 130 for a cancel."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGBREAK"):
        signal.signal(signal.SIGBREAK, signal.default_int_handler)
    try:
        again = environment.is_ready(Path(root))  # as when a GPU has come since, or something was damaged
        python = environment.install(Path(root), suitable_python(), Reporter(), again=again)
    except KeyboardInterrupt:
        write(Failed("cancelled", "The installation was cancelled.", "Start it again when you like."), sys.stdout)
        return 130
    except SkelError as error:
        write(Failed(error.code, error.what, error.todo), sys.stdout)
        return 1
    write(Done(str(python)), sys.stdout)
    return 0


class Reporter:
    """Turns the lines of an installation into progress, by the packages that pip has come to; the lines go to standard error."""

    def __init__(self) -> None:
        lists = [(packages.LOCKS / f"{name}.txt").read_text("utf-8") for name in ("engine", "torch-cpu")]
        self.total = len({name for text in lists for name in _PACKAGE_LINE.findall(text)})
        self.done = 0

    def __call__(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        if line.startswith("Collecting "):
            name = re.split(r"[=<>!~; (\[]", line.removeprefix("Collecting "))[0]
            self.done += 1
            self.total = max(self.total, self.done)
            write(Progress(f"fetching {name}", self.done, self.total), sys.stdout)
        elif line.startswith("Installing collected packages"):
            write(Progress("unpacking", self.done, self.total), sys.stdout)


def suitable_python() -> str:
    """This Python if the locked lists hold wheels for it, else one of the right version on the path, else this one for the error's sake."""
    if sys.version_info[:2] in environment.PYTHONS:
        return sys.executable
    names = (f"python{major}.{minor}" for major, minor in reversed(environment.PYTHONS))
    return next(filter(None, map(shutil.which, names)), sys.executable)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
