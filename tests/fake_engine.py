# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the engine's place in tests of those who start it: same command line and events, a made-up Take, in no time.

$FAKE_ENGINE says how it ends: done, fail, crash, or deaf (runs on, does not listen to SIGINT). $FAKE_ENGINE_SECONDS: how long it takes.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
STEPS = 40


def as_python(folder: Path, python: str = sys.executable) -> Path:
    """An executable in `folder` that takes the place of the engine's Python."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec "{python}" "{Path(__file__).resolve()}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(REPOSITORY))
    from skel_blender import messages, take
    from tests import synthetic

    assert arguments[:2] == ["-m", "skel_blender.engine"] and arguments[2] in ("reconstruct", "import"), arguments
    parser = argparse.ArgumentParser()
    parser.add_argument("inputs", nargs="+")
    names = ("out", "frames", "people", "body", "device", "fov", "focal-length", "stature", "camera", "seed", "model", "regressor", "hsmr")
    for name in (*names, "fps", "memory", "cuts", "who"):
        parser.add_argument(f"--{name}")
    if arguments[2] == "import":
        parser.add_argument("--up", choices=("y", "z", "-y"))
        parser.add_argument("--limits", action="store_true")
    parser.add_argument("--events", action="store_true", required=True)
    given = parser.parse_args(arguments[3:])
    end = os.environ.get("FAKE_ENGINE", "done")
    if end == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    pause = float(os.environ.get("FAKE_ENGINE_SECONDS", "0.2")) / STEPS
    try:
        for step in range(10**9 if end == "deaf" else STEPS):
            messages.write(messages.Progress("detect", step, STEPS, (STEPS - step) * pause), sys.stdout)
            time.sleep(pause)
    except KeyboardInterrupt:
        messages.write(messages.Failed("cancelled", "It was stopped.", "Nothing was written."), sys.stdout)
        return 130
    if end == "crash":
        raise RuntimeError("the tensor is gone")
    if end == "fail":
        messages.write(messages.Failed("no_person", "Nobody was found in clip.mp4.", "Choose a clip that shows a person."), sys.stdout)
        return 1
    made = synthetic.random_take(frames=20, people=int(given.people or 2))
    made.source = given.inputs[0]
    take.save(made, given.out)
    messages.write(messages.Log("warning", "Two frames could not be decoded."), sys.stdout)
    messages.write(messages.Log("detail", "Found: Person 1 in frames 0 to 9."), sys.stdout)
    messages.write(messages.Done(given.out), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
