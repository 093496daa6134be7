# SPDX-License-Identifier: GPL-3.0-or-later
"""files.py: what was made gets to its place although others look at it for a moment, as they do on Windows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from skel_blender import files
from skel_blender.messages import SkelError

ROOT = Path(__file__).resolve().parents[2]


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
    (tmp_path / "ordinary").mkdir()
    with files.workfolder(tmp_path / "shot.blend") as folder, files.workfolder(tmp_path / "shot.blend") as other:
        assert folder.parent == tmp_path and folder.name.startswith(".shot.blend.")
        assert folder.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
        assert other != folder and folder.is_dir()
    assert os.listdir(tmp_path) == ["ordinary"]


def test_what_a_killed_process_left_is_cleared_away_at_the_next_start(tmp_path):
    """Not what belongs to one that still works, to another place, or to nobody that holds it."""
    code = "import sys; from pathlib import Path; from skel_blender import files\n"
    code += "with files.workfolder(Path(sys.argv[1])) as folder: print(folder, flush=True); sys.stdin.read()"
    place, found = tmp_path / "sh[o]t.blend", []
    for name in (place, place, tmp_path / "other.blend"):
        process = subprocess.Popen([sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        found.append((process, Path(process.stdout.readline().strip())))
    (killed, left), (working, used), (gone, another) = found
    (left / "shot.blend").write_text("half")
    (mine := tmp_path / ".sh[o]t.blend.mine.part").mkdir()
    for process in (killed, gone):
        process.kill()
        process.wait()
    with files.workfolder(place):
        assert not left.exists() and used.is_dir() and another.is_dir() and mine.is_dir()
    working.communicate()
    assert not used.exists()


def test_a_whole_file_takes_its_place_or_leaves_nothing(tmp_path):
    place = tmp_path / "map.json"
    with files.whole_file(place) as part:
        part.write_text("new")
        assert not place.exists() and part.suffix == ".json" and part.name.startswith(".")
    assert place.read_text() == "new" and list(tmp_path.iterdir()) == [place]
    broke = RuntimeError("Error: it broke")
    full = OSError(28, "No space left")
    silent = MemoryError()
    for error, also, caught in ((full, (), SkelError), (broke, (RuntimeError,), SkelError), (broke, (), RuntimeError),
                                (silent, (MemoryError,), SkelError)):  # fmt: skip
        with pytest.raises(caught) as told, files.whole_file(place, *also) as part:
            part.write_text("half")
            raise error
        assert caught is not SkelError or str([type(error).__name__, *error.args][-1]) in told.value.what
        assert place.read_text() == "new" and list(tmp_path.iterdir()) == [place]


def test_a_place_that_can_be_none_is_named(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "a.json", tmp_path / "nowhere" / "a.json"):
        with pytest.raises(SkelError, match="a.json could not be written"), files.whole_file(place) as part:
            part.write_text("new")


@pytest.mark.skipif(os.name == "nt", reason="modes")
def test_a_whole_file_is_for_the_same_people_as_any_new_one(tmp_path):
    with files.whole_file(tmp_path / "a") as part:
        part.touch()
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
