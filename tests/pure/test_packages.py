# SPDX-License-Identifier: GPL-3.0-or-later
"""packages.py: exact and hashed versions, one sentence for every failure. pip runs on a tiny wheel made here."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
import zipfile
from pathlib import Path

import pytest

from skel_blender import environment, packages
from skel_blender.messages import SkelError

LOCKS = sorted(packages.LOCKS.glob("*.txt"))


def quiet(line: str) -> None:
    """An `on_line` that nobody reads."""


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_locked_package_has_one_version_and_hashes(path):
    entries = re.split(r"\n(?=\S)", path.read_text().partition("\n")[2].strip())
    assert entries[0]
    for entry in entries:
        assert re.fullmatch(r'[a-z0-9.-]+==[\w.+]+( ; sys_platform [!=]= "linux")?(\s*\\\n    --hash=sha256:[0-9a-f]{64})+', entry), entry
    names = [entry.partition("\n")[0] for entry in entries]
    assert names == sorted(names) or path.stem == "torch-cpu"


@pytest.mark.parametrize("name, counts", [
    ("engine", {1, 3, 6}), *((name, {1, 3}) for name in environment.BLENDERS), ("torch-cpu", {2, 4}), ("torch-cuda-windows", {2}),
])  # fmt: skip
def test_every_locked_package_has_a_file_for_every_machine(name, counts):
    """One for all, or one for each of Linux, Windows and macOS, and that for each Python or for both; torch by its own lists."""
    entries = re.split(r"\n(?=\S)", (packages.LOCKS / f"{name}.txt").read_text().partition("\n")[2].strip())
    assert {entry.partition(" ")[0]: entry.count("sha256:") for entry in entries if entry.count("sha256:") not in counts} == {}


def test_the_locks_are_those_that_are_named():
    names = {"engine", "torch-cpu", "torch-cuda", "torch-cuda-windows", "test", "landmark-model", "importers", *environment.BLENDERS}
    assert {path.stem for path in LOCKS} == names


def test_of_what_pip_says_a_line_for_each_package_is_told(monkeypatch):
    pip = ["Looking in links: /here", "Collecting numpy==2.1 (from -r engine.txt (line 3))", "  Downloading numpy-2.1.whl (12 MB)", "",
           "Processing /here/tiny-1.0-py3-none-any.whl", "Installing collected packages: tiny, numpy"]  # fmt: skip
    monkeypatch.setattr(packages, "run", lambda command, on_line, kind: [on_line(line) for line in pip])
    said: list[str] = []
    packages.install(Path("python"), "engine", said.append)
    assert said == ["Collecting numpy==2.1", "Collecting tiny-1.0-py3-none-any.whl", "Installing collected packages: 2"]


@pytest.mark.parametrize("kind, text, code", [
    ("venv", "Error: Command '[...]' returned non-zero exit status 1.", "python"),
    ("pip", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk_full"),
    ("pip", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "install"),
    ("pip", "WARNING: Retry\nERROR: Could not find a version that satisfies the requirement numpy==2.4.6 (from versions: 1.0)", "network"),
    ("check", "Traceback\nImportError: libXi.so.6: cannot open shared object file: No such file or directory", "system_library"),
    ("pip", "", "install"),
    ("pip", "ERROR: Could not install packages due to an OSError: [WinError 112] There is not enough space on the disk", "disk_full"),
    ("pip", "ERROR: Could not install packages due to an OSError: [Errno 2] No such file or directory: 'C:\\\\a'\nHINT: This error might "
            "have occurred since this system does not have Windows Long Path support enabled.", "long_path"),
    ("check", "Traceback\nImportError: DLL load failed while importing _core: The specified module could not be found.", "system_library"),
])  # fmt: skip
def test_every_failure_becomes_one_sentence_and_what_to_do(kind, text, code):
    error = packages.explained(kind, text.splitlines(), 1)
    assert error.code == code
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)
    assert error.todo
    if code == "system_library":
        assert "libXi.so.6" in error.what or "Visual C++" in error.what
    if code == "network":
        assert error.what == "A package could not be fetched: Could not find a version that satisfies the requirement numpy==2.4.6."


def wheel(folder: Path, body: str) -> Path:
    """A package `tiny` 1.0 as a wheel."""
    folder.mkdir()
    path = folder / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", body)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def test_pip_takes_the_locked_file_and_refuses_any_other(tmp_path, monkeypatch):
    real, other = wheel(tmp_path / "real", "x = 1\n"), wheel(tmp_path / "other", "x = 2\n")
    (tmp_path / "tiny.txt").write_text(f"tiny==1.0 --hash=sha256:{hashlib.sha256(real.read_bytes()).hexdigest()}\n")
    monkeypatch.setattr(packages, "LOCKS", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "pip.conf").write_text("[global]\nuser = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for source, target in ((real, tmp_path / "good"), (other, tmp_path / "bad")):
        monkeypatch.setenv("PIP_FIND_LINKS", str(source.parent))
        if source is real:
            packages.install(Path(sys.executable), "tiny", quiet, "--target", str(target))
        else:
            with pytest.raises(SkelError, match="not the file that this version was tested with"):
                packages.install(Path(sys.executable), "tiny", quiet, "--target", str(target))
    assert (tmp_path / "good" / "tiny.py").read_text() == "x = 1\n"
    assert not (tmp_path / "bad" / "tiny.py").exists()


def test_a_step_that_is_interrupted_does_not_run_on(tmp_path):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        packages.run([sys.executable, "-c", code], interrupt, "pip")
    assert time.monotonic() - began < 20
    if os.name != "nt":  # where os.kill ends a process
        with pytest.raises(ProcessLookupError):
            os.kill(pids[0], 0)
