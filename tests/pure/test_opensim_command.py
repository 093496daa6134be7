# SPDX-License-Identifier: GPL-3.0-or-later
"""`skel-blender reconstruct CLIP -o shot.osim` and `skel-blender export TAKE.npz -o shot.osim`, with tests/fake_engine.py as the engine."""

from __future__ import annotations

import os

import pytest

from skel_blender import cli, environment, take
from skel_blender.messages import SkelError
from tests import synthetic

WRITTEN = ["Geometry", "clip.mp4", "shot.mot", "shot.osim", "shot.trc", "shot_2.mot", "shot_2.osim", "shot_2.trc"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the engine's Python is played by a shell script")


def test_footage_becomes_models_motions_and_markers(place, capfd):
    words = ["reconstruct", str(place / "clip.mp4"), "-o", str(place / "shot.osim")]
    assert cli.main(words) == 0
    assert sorted(os.listdir(place)) == WRITTEN and len(os.listdir(place / "Geometry")) == 2 * 24
    said = capfd.readouterr().err
    assert all(f"Wrote {place / name}" in said for name in WRITTEN if name.startswith("shot"))
    assert cli.main(words) == 1 and "exists already" in capfd.readouterr().err
    assert cli.main([*words, "--overwrite"]) == 0
    assert sorted(os.listdir(place)) == WRITTEN


def test_a_neighbour_is_not_overwritten_unasked_nor_found_too_late(place, capfd, monkeypatch):
    (place / "shot_2.trc").write_text("mine")
    monkeypatch.setattr(environment, "install", None)  # no work is begun
    assert cli.main(["reconstruct", str(place / "clip.mp4"), "-o", str(place / "shot.osim")]) == 1
    assert "shot_2.trc exists already" in capfd.readouterr().err
    assert sorted(os.listdir(place)) == ["clip.mp4", "shot_2.trc"] and (place / "shot_2.trc").read_text() == "mine"


def test_what_was_reconstructed_outlives_a_place_that_cannot_be_written(place, capfd):
    (place / "Geometry").write_text("mine")  # where the bones' folder belongs
    assert cli.main(["reconstruct", str(place / "clip.mp4"), "-o", str(place / "shot.osim")]) == 1
    said = capfd.readouterr().err
    assert "could not be written (File exists)" in said and f"The reconstruction is kept as {place / 'shot.npz'}." in said
    assert take.load(place / "shot.npz").people and (place / "Geometry").read_text() == "mine"


def test_bones_of_a_model_that_is_gone_do_not_stand_in_the_way(place, capfd):
    words = ["reconstruct", str(place / "clip.mp4"), "-o", str(place / "shot.osim")]
    assert cli.main(words) == 0
    for name in WRITTEN:
        if name.startswith("shot"):
            (place / name).unlink()
    (place / "Geometry" / "shot_femur_r.obj").write_text("old")
    assert cli.main(words) == 0, capfd.readouterr().err
    assert sorted(os.listdir(place)) == WRITTEN and (place / "Geometry" / "shot_femur_r.obj").read_text() != "old"


def test_files_of_other_names_or_kinds_are_no_neighbours(place, capfd, monkeypatch):
    def begun(*arguments: object) -> None:
        raise SkelError("begun", "Work has begun.", "")

    for name in ("other.osim", "shot.blend", "shot_two.mot", "shots.trc"):
        (place / name).write_text("mine")
    monkeypatch.setattr(environment, "install", begun)
    assert cli.main(["reconstruct", str(place / "clip.mp4"), "-o", str(place / "shot.osim")]) == 1
    assert "Work has begun." in capfd.readouterr().err


def test_a_saved_take_is_exported(place, capfd):
    take.save(synthetic.random_take(frames=3, people=2), place / "shot.npz")
    words = ["export", str(place / "shot.npz"), "-o"]
    assert cli.main([*words, str(place / "one.osim"), "--person", "2", "--mass", "60"]) == 0
    assert sorted(os.listdir(place)) == ["Geometry", "clip.mp4", "one.mot", "one.osim", "one.trc", "shot.npz"]
    assert cli.main([*words, str(place / "one.mot"), "--person", "1"]) == 1
    assert cli.main([*words, str(place / "two.trc"), "--person", "3"]) == 1
    assert cli.main([*words, str(place / "two.osim"), "--mass", "heavy"]) == 1
    said = capfd.readouterr().err
    assert "exists already" in said and "no person 3" in said and "not a mass" in said
    assert not [name for name in os.listdir(place) if name.startswith("two")]
