# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of this package that run in processes of their own beside the engine, with what they say in one sentence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..job import PACKAGE, child_environment
from ..messages import SkelError
from ..status import Status


def in_blender(
    module: str, python: Path, source: Path, work: Path, out: Path, status: Status, options: list[str]
) -> dict[Path, Path]:
    """Let a program of this package that needs Blender read `source` and write into the folder `work`; gives the files that it wrote and
    where they belong. Raises SkelError if it did not."""
    scene = work / f"{out.stem}{out.suffix.lower()}"  # its collection has the name of its file
    status.show("building the scene" if module == "rig" else "exporting")
    command = [str(python), "-m", f"{PACKAGE.name}.{module}", str(source), "--out", str(scene), *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                               errors="replace", env=child_environment(), start_new_session=os.name != "nt")  # fmt: skip
    try:
        said = process.communicate()[0].strip()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    made = [path for path in sorted(work.rglob("*")) if path.is_file() and path != source]
    if process.returncode == 0 and made:
        return {path: out if path == scene else out.parent / path.relative_to(work) for path in made}
    said = said.replace(str(scene), str(out))
    last = said.splitlines()[-1].strip() if said else f"exit code {process.returncode}"
    if "No space left on device" in said:
        raise SkelError("disk_full", "The disk is full.", "Make room and run again.")
    if process.returncode == 1 and "Traceback" not in said:
        raise SkelError("rig", last, "")
    raise SkelError("rig", f"The scene could not be built ({last.rstrip('.')}).", "Write an .npz instead, and report this line.")


def write_opensim(python: Path, take: Path, out: Path, status: Status, options: list[str]) -> None:
    """OpenSim's files of a Take, each put in its place whole. Raises SkelError if they could not be written."""
    status.show("writing")
    command = [str(python), "-m", f"{PACKAGE.name}.opensim", str(take), str(out), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
                          env=child_environment())  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise SkelError("opensim", last, "" if "Traceback" not in done.stderr else "Report this line.")
    for line in done.stdout.splitlines():
        status.line(line)
