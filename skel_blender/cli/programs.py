# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of this package that run in processes of their own beside the engine, with what they say in one sentence."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..job import PACKAGE, child_environment
from ..messages import SkelError
from .outputs import Work


def write_with(module: str, python: Path, source: Path, work: Work, options: list[str]) -> None:
    """Let a program of this package read `source` and write `work.made`, or files beside it. Raises SkelError if it wrote nothing."""
    command = [str(python), "-m", f"{PACKAGE.name}.{module}", str(source), "--out", str(work.made), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          errors="replace", env=child_environment())  # fmt: skip
    if done.returncode == 0 and work.files():
        return
    said = done.stdout.strip().replace(str(work.made), str(work.out))
    last = said.splitlines()[-1].strip() if said else f"exit code {done.returncode}"
    if "No space left on device" in said:
        raise SkelError("disk_full", "The disk is full.", "Make room and run again.")
    if done.returncode == 1 and "Traceback" not in said:
        raise SkelError(module, last, "")
    raise SkelError(module, f"{work.out.name} could not be made ({last.rstrip('.')}).", "Report this line.")


def rendered(python: Path, blend: Path, folder: Path, frames: str | None) -> bool:
    """Let rig/picture.py render a scene; gives whether it did. What it says, why it did not too, goes to the terminal."""
    options = [f"--frames={frames}"] if frames else []
    command = [str(python), "-m", f"{PACKAGE.name}.rig.picture", str(blend), str(folder), *options]
    return subprocess.run(command, env=child_environment()).returncode == 0
