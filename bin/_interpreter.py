# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the calling script again under a Python that this project supports. Must be readable to any Python 3."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

SUPPORTED = ((3, 11), (3, 13))
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ASK = "import ensurepip, sys, venv; print(*sys.version_info[:2])"


def ensure():
    """Return under a supported Python, with the repository importable; else replace this process or end it with one sentence."""
    sys.dont_write_bytecode = True
    if sys.version_info[:2] in SUPPORTED and find_spec("ensurepip") and find_spec("venv"):
        sys.path.insert(0, ROOT)
        return
    for version in SUPPORTED:
        found = find(version)
        if found and os.path.realpath(found) != os.path.realpath(sys.executable):
            if os.name == "nt":
                sys.exit(subprocess.call([found] + sys.argv))
            os.execv(found, [found] + sys.argv)
    sys.exit("skel_blender needs Python 3.11 or 3.13 with its venv module (on Debian and Ubuntu: sudo apt install python3-venv).")


def find(version):
    """The first program on PATH that is this Python and can make environments, or None. A wrapper of an absent Python is passed by."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which("python{}.{}".format(*version), path=folder)
        if found and _answer(found) == version:
            return found
    if os.name == "nt":  # where no program has a version in its name, but one knows them all
        found = _said(["py", "-{}.{}".format(*version), "-X", "utf8", "-c", "import sys; print(sys.executable)"])
        if found and _answer(found) == version:
            return found
    return None


def _answer(program):
    """The version that this Python says it is; empty if it says nothing or cannot make environments."""
    try:
        return tuple(int(number) for number in _said([program, "-c", _ASK]).split())
    except ValueError:
        return ()


def _said(command):
    """What a program prints; nothing if it cannot be run."""
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        return os.fsdecode(result.stdout).strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
