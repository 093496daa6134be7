# SPDX-License-Identifier: GPL-3.0-or-later
"""requests.py: command lines hold what was asked, and no more."""

import argparse
import math
from fractions import Fraction

import pytest

from skel_blender import requests
from skel_blender.messages import SkelError


def test_what_was_not_chosen_is_left_to_the_engine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin = ["py", "-m", "skel_blender.engine"]
    plain = requests.engine_command("py", requests.Request(("clip.mp4",), "t.npz"))
    assert plain == [*begin, "reconstruct", str(tmp_path / "clip.mp4"), "--out=t.npz", "--events"]
    motion = requests.engine_command("py", requests.ImportRequest("dance.npz", "t.npz"))
    assert motion == [*begin, "import", str(tmp_path / "dance.npz"), "--out=t.npz", "--events"]
    again = requests.engine_command("py", requests.RefitRequest("shot.npz", "set.npz", "t.npz"))
    assert again == [*begin, "refit", str(tmp_path / "shot.npz"), "--set=set.npz", "--out=t.npz", "--person=0", "--events"]


def test_all_that_was_chosen_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full = requests.Request(
        ("a", "b"), "t", "3:9", 2, "male,female", "cpu", 50.0, 900.0, 29.97, "still", "off", 0, "m.task", "hsmr",
        "h.ckpt", "memory", "1.8,,1.6", "1+2,3-",
    )  # fmt: skip
    assert full.arguments()[3:] == [
        "--out=t", "--frames=3:9", "--people=2", "--body=male,female", "--device=cpu", "--fov=50.0", "--focal-length=900.0",
        "--fps=29.97", "--stature=1.8,,1.6", "--who=1+2,3-", "--camera=still", "--cuts=off", "--seed=0", "--model=m.task",
        "--regressor=hsmr", f"--hsmr={tmp_path / 'h.ckpt'}", "--memory=memory", "--events",
    ]  # fmt: skip
    motion = requests.ImportRequest("m.npz", "t", "SMPL.pkl", 1, "female", 59.94, "-y", True)
    assert motion.arguments()[2:] == [
        "--out=t", f"--model={tmp_path / 'SMPL.pkl'}", "--people=1", "--body=female", "--fps=59.94", "--up=-y", "--limits", "--events",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "meant"),
    [(25.0, 25), (23.976, Fraction(24000, 1001)), (23.98, Fraction(24000, 1001)), (29.97, Fraction(30000, 1001)), (12.5, Fraction(25, 2)),
     (30 / 1.001, Fraction(30000, 1001)), (119.88, Fraction(120000, 1001)), (0.1, Fraction(1, 10)), (240.0, 240), (10000.0, 10000)],
)  # fmt: skip
def test_rates_are_those_that_are_meant(said, meant):
    assert requests.rate(said) == meant


@pytest.mark.parametrize("said", [0.0, 0.0004, -25.0, 10001.0, math.inf, math.nan])
def test_what_is_no_rate_is_refused(said):
    with pytest.raises(SkelError, match="is not a number of frames a second between 0.1 and 10000"):
        requests.rate(said)


@pytest.mark.parametrize(
    ("text", "values"), [("1.8", (1.8,)), ("1.8, 1.655", (1.8, 1.655)), (",,0.5", (None, None, 0.5)), ("2.5,", (2.5, None))]
)
def test_heights_are_everybodys_or_one_after_the_other(text, values):
    assert requests.statures(text) == values
    assert requests.statures(requests.stature_text(values)) == values


@pytest.mark.parametrize("text", ["", ",", "0.4", "2.6", "1,80", "nan", "-1.8", "1.8 m", "1.8;1.7"])
def test_what_is_no_height_is_refused(text):
    with pytest.raises(SkelError, match="No height is given|is not a height between 0.5 and 2.5 metres"):
        requests.statures(text)


def test_nothing_is_said_of_heights_that_are_not_known():
    assert requests.stature_text([None, 0.0]) == requests.stature_text([]) == ""


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ("",)), ("female", ("female",)), ("female,, male", ("female", "", "male")), ("/a/skel.pkl,", ("/a/skel.pkl", ""))],
)
def test_bodies_are_everybodys_or_one_after_the_other(text, names):
    assert requests.bodies(text) == names
    assert requests.bodies(requests.body_text(names)) == names


def test_one_body_of_all_is_everybodys():
    assert requests.body_text(["female"] * 3) == "female" and requests.body_text(["", ""]) == requests.body_text([]) == ""


def test_a_path_with_a_comma_is_everybodys_body_alone(tmp_path):
    path = tmp_path / "one, two.pkl"
    path.touch()
    assert requests.bodies(requests.body_text([str(path)] * 2)) == (str(path),)
    with pytest.raises(SkelError, match="one, two.pkl contains a comma"):
        requests.body_text([str(path), "female"])


@pytest.mark.parametrize(
    ("text", "values"), [("3:9", (3, 9)), (":90", (None, 90)), ("30:", (30, None)), (":", (None, None)), ("0:1", (0, 1))]
)
def test_a_range_of_frames_may_be_open(text, values):
    assert requests.frame_range(text) == values


@pytest.mark.parametrize("text", ["", "3", "9:3", "3:3", ":0", "-1:4", "a:b", "1:2:3", "1.5:3", "٣:٤"])
def test_what_is_no_range_of_frames_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a range of frames"):
        requests.frame_range(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "two", "٣"])
def test_what_is_no_number_of_people_is_refused(text):
    assert requests.count("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number of people"):
        requests.count(text)
