# SPDX-License-Identifier: GPL-3.0-or-later
"""A reconstruction whose scene was not written is not done again: the same command goes on with it, and no other does."""

from __future__ import annotations

import os

import pytest

from skel_blender import cli, environment
from skel_blender.cli import commands

POSIX = pytest.mark.skipif(os.name == "nt", reason="the engine's Python is played by a shell script")
pytestmark = POSIX


def reconstruct(folder, out: str = "shot.blend", *options: str) -> int:
    return cli.main(["reconstruct", str(folder / "clip.mp4"), "-o", str(folder / out), *options])


def kept() -> list:
    return sorted((environment.default_root() / "footage").glob("*"))


@pytest.fixture
def stopped(place, monkeypatch, capfd):
    """A place in which a run was stopped while it wrote a scene; from now on the engine crashes."""

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commands, "_write_with", interrupted)
        assert reconstruct(place) == 130
    said = capfd.readouterr().err.splitlines()
    assert said[-2:] == ["The reconstruction is kept: run the same command again to continue.", "Cancelled; nothing was written."]
    assert os.listdir(place) == ["clip.mp4"] and len(kept()) == 1
    monkeypatch.setenv("FAKE_ENGINE", "crash")
    return place


@pytest.mark.parametrize("out", ["shot.blend", "other.fbx", "shot.npz"])
def test_the_same_command_goes_on_where_it_was_stopped(stopped, out, capfd):
    assert reconstruct(stopped, out) == 0
    assert "An earlier run reconstructed this" in capfd.readouterr().err
    assert sorted(os.listdir(stopped)) == sorted(["clip.mp4", out]) and not kept()
    assert reconstruct(stopped, "again.blend") == 1, "it is kept for one run"


def test_no_other_command_does(stopped, monkeypatch):
    assert reconstruct(stopped, "shot.blend", "--fov", "50") == 1
    (stopped / "clip.mp4").write_bytes(b"other footage")
    assert reconstruct(stopped) == 1
    assert len(kept()) == 1


def test_a_kept_one_that_is_damaged_is_made_anew(stopped, monkeypatch):
    kept()[0].write_bytes(b"")
    monkeypatch.setenv("FAKE_BUILDER", "sentence")
    assert reconstruct(stopped) == 1 and not kept()
    monkeypatch.delenv("FAKE_BUILDER")
    monkeypatch.delenv("FAKE_ENGINE")
    assert reconstruct(stopped) == 0


def test_nothing_is_kept_of_a_run_that_was_not_stopped_nor_where_nothing_can_be_kept(place, monkeypatch):
    assert reconstruct(place) == 0 and not kept()
    (place / "home").write_text("no folder")
    monkeypatch.setenv("SKEL_BLENDER_HOME", str(place / "home"))
    assert reconstruct(place, "more.blend") == 0
