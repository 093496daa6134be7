# SPDX-License-Identifier: GPL-3.0-or-later
"""pip under any Python, from the hashed lists in locks/, and what its failures mean to the user. Standard library only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from .job import child_environment
from .messages import SkelError

LOCKS = Path(__file__).resolve().parent / "locks"
STAMP = ".ready"  # says of an environment's folder that it is whole, and which build of torch is in the engine's
_EXACTLY = ("--no-deps", "--only-binary", ":all:", "--require-hashes", "--disable-pip-version-check", "--no-input")
# Of the builds of torch that are not on the package index. Such an index is only one of the places where one may be: a mirror or a local
# folder will do as well.
_INDEXES = {
    ("linux", "torch-cpu"): "https://download.pytorch.org/whl/cpu",
    ("win32", "torch-cuda-windows"): "https://download.pytorch.org/whl/cu130",
}
_SYSTEM_PACKAGES = "libegl1 libgles2 libgl1 libsm6 libxi6 libxxf86vm1 libxfixes3 libxrender1 libxkbcommon0"

OnLine = Callable[[str], None]


def install(python: Path, lock: str, on_line: OnLine, *options: str) -> str:
    """Install exactly what the list says, every file checked against its hash; gives the list's name. Raises SkelError, as `run`.

    `on_line` gets a line 'Collecting NAME==VERSION' for every package as pip comes to it, and 'Installing collected packages: N'.
    """
    run([str(python), "-m", "pip", "install", *_EXACTLY, *options, "-r", str(LOCKS / f"{lock}.txt")], _Brief(on_line), "pip")
    return lock


def install_engine(python: Path, on_line: OnLine) -> str:
    """torch, then everything else; gives the name of the torch build."""
    choices = torch_builds(has_nvidia_gpu())
    for choice in choices:
        try:
            index = _INDEXES.get((sys.platform, choice))
            install(python, choice, on_line, *(["--extra-index-url", index, "--retries", "1"] if index else []))
            break
        except SkelError as error:
            if choice == choices[-1] or error.code not in ("network", "install"):
                raise
            on_line(f"The build {choice} cannot be downloaded; using {choices[-1]} instead. ({error.what})")
    install(python, "engine", on_line)
    return choice


def torch_builds(gpu: bool) -> list[str]:
    """The lists of torch builds to try on this system, best first: what is always within reach, as on the package index, comes last."""
    if sys.platform == "linux":
        return ["torch-cuda"] if gpu else ["torch-cpu", "torch-cuda"]
    return ["torch-cuda-windows", "torch-cpu"] if gpu and sys.platform == "win32" else ["torch-cpu"]


def download(python: Path, lock: str, folder: Path) -> Path:
    """The wheel that a list of one package names, fetched into an empty folder."""
    options = [*_EXACTLY, "--ignore-requires-python", "-d", str(folder)]
    run([str(python), "-m", "pip", "download", *options, "-r", str(LOCKS / f"{lock}.txt")], lambda line: None, "pip")
    (wheel,) = folder.glob("*.whl")
    return wheel


def has_nvidia_gpu() -> bool:
    """Whether an NVIDIA driver answers."""
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run(command: list[str], on_line: OnLine, kind: str) -> None:
    """Run one step ('venv', 'pip' or 'check') and hand on its lines. It does not outlive this call.

    Raises SkelError (python, network, disk_full, long_path, system_library, install) if it fails.
    """
    environ = {name: value for name, value in child_environment().items() if name not in ("PIP_TARGET", "PIP_PREFIX", "PYTHONPATH")}
    environ["PIP_USER"] = "0"  # also where the user's pip.conf says otherwise
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
        raise explained(kind, list(said), code)


def explained(kind: str, said: list[str], code: int) -> SkelError:
    """What a failed step means to the user."""
    text, last = "\n".join(said), next((line for line in reversed(said) if line.strip()), f"exit code {code}")
    if "No space left on device" in text or "Errno 28" in text or "WinError 112" in text:
        return SkelError("disk_full", "The disk is full.", "Make room (setting up takes up to 7 GB) and run again.")
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in text:
        return SkelError("install", "A package is not the file that this version was tested with, so it was not installed.",
                         "Check which package index is used, or run again.")  # fmt: skip
    if kind == "venv":
        return SkelError("python", "This Python cannot make environments.",
                         "Install its venv module (on Debian and Ubuntu: sudo apt install python3-venv) and run again.")  # fmt: skip
    if "Windows Long Path" in text:  # pip's hint
        return SkelError("long_path", "The folder's path is too long for Windows.",
                         "Set the environment variable SKEL_BLENDER_HOME to a short folder, such as C:\\skel, and run again.")  # fmt: skip
    if kind == "check" and ("DLL load failed" in text or "WinError 126" in text):
        return SkelError("system_library", "Windows lacks a library that the packages need, most likely Microsoft's Visual C++ runtime.",
                         "Install https://aka.ms/vs/17/release/vc_redist.x64.exe and run again.")  # fmt: skip
    if "cannot open shared object file" in text:
        library = last.split(": cannot open")[0].split()[-1]
        return SkelError("system_library", f"The system library {library} is missing.",
                         f"Install it (on Debian and Ubuntu: sudo apt install {_SYSTEM_PACKAGES}) and run again.")  # fmt: skip
    errors = [line for line in said if line.startswith("ERROR: ")]
    why = (errors[0].removeprefix("ERROR: ") if errors else last).partition(" (from versions:")[0]
    if "No matching distribution" in text or "Could not find a version" in text or "Connection" in text or "timed out" in text:
        return SkelError("network", f"A package could not be fetched: {why.rstrip('.')}.", "Check the network connection and run again.")
    return SkelError("install", f"The installation failed: {why.rstrip('.')}.", "Run again; if it fails again, report this line.")


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
