# SPDX-License-Identifier: GPL-3.0-or-later
"""files.py: what was made gets to its place although others look at it for a moment, as they do on Windows."""

import os

import pytest

from skel_blender import files


@pytest.fixture
def made(tmp_path):
    (tmp_path / "made").write_text("new")
    (tmp_path / "place").write_text("old")
    return tmp_path / "made", tmp_path / "place"


def test_a_file_that_is_held_for_a_moment_is_waited_for(monkeypatch, made):
    held, replace = [True, True], os.replace

    def scanned(source, target):
        if held:
            held.pop()
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        replace(source, target)

    monkeypatch.setattr(files, "_PATIENCE_S", 5.0)
    monkeypatch.setattr(os, "replace", scanned)
    files.put_in_place(*made)
    assert made[1].read_text() == "new" and not made[0].exists()


def test_one_that_stays_held_is_an_error_and_the_old_one_stays(monkeypatch, made):
    def refused(source, target):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(files, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError):
        files.put_in_place(*made)
    assert made[1].read_text() == "old" and made[0].exists()


def test_what_is_made_in_a_workfolder_is_for_the_same_people_as_what_is_made_beside_it(tmp_path):
    folder = files.workfolder(tmp_path / "shot.blend")
    (tmp_path / "ordinary").mkdir()
    assert folder.parent == tmp_path and folder.name.startswith(".shot.blend.")
    assert folder.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert files.workfolder(tmp_path / "shot.blend") != folder
