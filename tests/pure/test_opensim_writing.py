# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m skel_blender.opensim`: which files are written for whom, and what can't be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skel_blender import opensim, take
from skel_blender.messages import SkelError
from tests import synthetic

ROOT = Path(__file__).resolve().parents[2]


def test_names_of_what_is_written():
    assert opensim.targets("a/shot.osim") == [Path("a/shot.osim"), Path("a/shot.mot"), Path("a/shot.trc")]
    assert opensim.targets("shot.mot") == [Path("shot.mot")]
    assert opensim.targets("shot") == opensim.targets("shot.OSIM") == opensim.targets("shot.osim")  # an ending is written small
    assert opensim.numbered(Path("a/shot.osim"), 3) == [Path("a/shot.osim"), Path("a/shot_2.osim"), Path("a/shot_3.osim")]


def command(source: Path, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "skel_blender.opensim", str(source), "--out", str(out), *map(str, options)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)


def test_the_command_writes_everybody_and_overwrites_nobody(tmp_path):
    take.save(synthetic.random_take(frames=3, people=2), tmp_path / "shot.npz")
    done = command(tmp_path / "shot.npz", tmp_path / "out.osim")
    assert done.returncode == 0, done.stderr
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {"shot.npz", "Geometry", *(f"out{number}.{kind}" for number in ("", "_2") for kind in ("osim", "mot", "trc"))}
    again = command(tmp_path / "shot.npz", tmp_path / "out.osim")
    assert again.returncode == 1 and "exists already" in again.stderr and len(again.stderr.splitlines()) == 1
    assert command(tmp_path / "shot.npz", tmp_path / "out.osim", "--overwrite").returncode == 0
    second = command(tmp_path / "shot.npz", tmp_path / "b.mot", "--person", 2)
    assert second.returncode == 0 and (tmp_path / "b.mot").read_text() == (tmp_path / "out_2.mot").read_text()


@pytest.mark.parametrize("arguments,sentence", [
    (("shot.npz", "out.osim", "--person", "3"), "no person 3"),
    (("shot.npz", "out.c3d"), "must end in"),
    (("nothing.npz", "out.mot"), "There is no file"),
    (("shot.npz", "nowhere/out.mot"), "no folder"),
    (("shot.npz", "out.osim", "--mass", "-3"), "not a mass"),
])  # fmt: skip
def test_what_cannot_be_written_is_said_in_a_sentence(tmp_path, arguments, sentence):
    take.save(synthetic.random_take(frames=2, people=2), tmp_path / "shot.npz")
    source, out, *options = arguments
    done = command(tmp_path / source, tmp_path / out, *options)
    assert done.returncode == 1 and sentence in done.stderr and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["shot.npz"]


def test_names_that_opensim_does_not_bear_and_endings_that_are_missing(tmp_path):
    made = synthetic.random_take(frames=1, people=1)
    for name, label in (("Zoë / left", "Zo_left"), ("山田", "person")):
        made.people[0].name = name
        assert opensim.write(made, 0, tmp_path / "shot")[0] == tmp_path / "shot.osim"
        assert (tmp_path / "shot.mot").read_text().splitlines()[0] == label


def test_models_of_different_names_have_meshes_of_their_own(tmp_path):
    made = synthetic.random_take(frames=1, people=2)
    outs = [tmp_path / f"{name}.osim" for name in ("прыжок", "бег", "my clip", "my_clip")]
    for out in outs:
        opensim.write(made, outs.index(out) % 2, out)
    found = [re.findall("<mesh_file>(.*)</mesh_file>", out.read_text(encoding="utf-8")) for out in outs]
    assert all(len(names) == 24 for names in found) and "my_clip_femur_r.obj" in found[3]
    assert sorted(sum(found, [])) == sorted(path.name for path in (tmp_path / "Geometry").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_is_written_all_the_same(tmp_path):
    out = Path(os.fsdecode(os.fsencode(tmp_path / "shot") + b"\xff.osim"))
    assert all(path.is_file() for path in opensim.write(synthetic.random_take(frames=1, people=1), 0, out))


def test_a_body_without_bones_has_no_meshes_and_one_without_a_skin_is_refused(tmp_path):
    made = synthetic.random_take(frames=1, people=1)
    body = made.people[0].body
    body.bone_verts, body.bone_faces, body.bone_joint = body.bone_verts[:0], body.bone_faces[:0], body.bone_joint[:0]
    opensim.write(made, 0, tmp_path / "shot.osim")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shot.mot", "shot.osim", "shot.trc"]
    assert "mesh_file" not in (tmp_path / "shot.osim").read_text()
    body.skin_verts = body.skin_verts[:0]
    with pytest.raises(SkelError, match="has no skin"):
        opensim.write(made, 0, tmp_path / "bare.osim")
    assert opensim.write(made, 0, tmp_path / "bare.mot") == [tmp_path / "bare.mot"]
    with pytest.raises(SkelError, match="shot.c3d is not an OpenSim file"):
        opensim.write(made, 0, tmp_path / "shot.c3d")


def test_a_folder_that_takes_no_files_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SkelError, match="could not be written"):
        opensim.write(synthetic.random_take(frames=2, people=1), 0, tmp_path / "file" / "shot.osim")
