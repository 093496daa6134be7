# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user is told of a reconstruction."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine import pipeline, progress, remarks  # noqa: E402
from skel_blender.engine.blazepose import ANKLES, HIPS, KNEES, SHOULDERS  # noqa: E402
from skel_blender.engine.fit.observations import View  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.take import Person  # noqa: E402
from tests import walk  # noqa: E402


@pytest.mark.parametrize(("metres", "level", "text"), [
    (1.24, "info", "The camera travels 2.5 m; that is removed from people's motion."),
    (0.002, "warning", "The camera travels, but no resting feet show how far"),
])  # fmt: skip
def test_how_far_a_camera_goes_there_and_back(metres, level, text):
    view = View(torch.eye(3), torch.eye(3), torch.tensor([[0.0, 0, 0], [metres, 0, 0], [0, 0, 0]]))
    told = remarks.way(view)
    assert told.level == level and told.text.startswith(text)


def test_who_is_left_out_is_named_up_to_a_few():
    assert remarks.left_out([2]).text == "Left out, as no body explains what was seen: Person 2."
    assert remarks.left_out(list(range(1, 9))).text.endswith("Person 7, Person 8.")
    assert remarks.left_out(list(range(1, 12))).text.endswith("Person 7, Person 8 and 3 more.")


def _seen(degrees: float, knees: float = 0.0, frames: int = 20, unseen: int = 0) -> Track:
    """Somebody whose trunk is turned by so much in the image, clockwise from upright, and whose legs by `knees` more."""
    def down(angle: float) -> np.ndarray:
        return 100 * np.array([-np.sin(np.radians(angle)), np.cos(np.radians(angle))])

    keypoints = np.ones((frames, 33, 3))
    for pair, place in ((SHOULDERS, np.zeros(2)), (HIPS, down(degrees)), (ANKLES, down(degrees) + down(degrees + knees))):
        keypoints[:, pair, :2] = 500 + place
    keypoints[frames - unseen :, :, :2] = 0
    return Track(np.arange(frames), keypoints, np.zeros((frames, 33, 3)), np.arange(frames) < frames - unseen)


@pytest.mark.parametrize(("tracks", "how"), [
    ([_seen(170)], "upside down, stretched out, nearly all the time. If the footage is rotated, turn it upright, for example with "
                   "`ffmpeg -i a.mp4 -vf hflip,vflip upright.mp4`"),
    ([_seen(90, unseen=8)], "-vf transpose=2 "), ([_seen(-80), _seen(-100)], "-vf transpose=1 "),
    ([_seen(0)], ""), ([_seen(180), _seen(0, frames=4)], ""), ([_seen(90, 90)], ""), ([_seen(180, 180)], ""), ([_seen(90, frames=0)], ""),
])  # fmt: skip
def test_footage_that_seems_turned_is_told_and_how_to_turn_it(tracks, how):
    told = remarks.turned(tracks, Path("a.mp4"))
    assert (told is not None) == bool(how) and (told is None or (how in told.text and told.level == "warning"))


@pytest.mark.parametrize(("name", "how"), [
    ("my clip (1).mp4", 'turn it upright, for example with `ffmpeg -i "my clip (1).mp4" -vf hflip,vflip upright.mp4`, and use that.'),
    ("Überfahrt_01-a.MOV", "`ffmpeg -i Überfahrt_01-a.MOV -vf"), ("f1.png", "turn the images upright and use those."),
    ("photo.JPG", "turn the images upright and use those."),
])  # fmt: skip
def test_how_footage_is_turned_is_a_command_that_can_be_typed_and_none_for_images(name, how):
    assert how in remarks.turned([_seen(170)], Path(name)).text


@pytest.mark.parametrize(("lower", "told"), [((0.0, 0.5), "Person 2: under the floor."), ((0.0, 0.2), ""), ((0.0, -1.0), ""), ((0.5,), "")])
def test_who_stands_under_the_floor_is_told(lower, told):
    walker = walk.take().people[0]
    down = np.array([0.0, 1.0, 0.0])
    people = [replace(walker, name=f"Person {k}", trans=walker.trans - metres * down) for k, metres in enumerate(lower, 1)]
    said = remarks.under(people)
    assert (said is not None) == bool(told) and (said is None or said.text.startswith(told))


def test_whose_legs_are_rarely_seen_is_told():
    def seen(frames: int, name: str) -> Person:
        walker = walk.take().people[0]
        keypoints = walker.keypoints_2d.copy()
        keypoints[:, KNEES + ANKLES, 2] = 0.2
        keypoints[:frames, KNEES[0], 2] = 0.5
        return replace(walker, name=name, keypoints_2d=keypoints)

    assert len(walk.take().people[0].frames) == 120
    assert remarks.unseen_legs([seen(30, "Person 1"), seen(120, "Person 2")]) is None
    said = remarks.unseen_legs([seen(29, "Person 1"), seen(120, "Person 2"), seen(0, "Person 3")])
    assert said.text.startswith("Person 1, Person 3: legs are rarely seen") and said.level == "warning"


@pytest.mark.parametrize(("files", "lens", "told"), [
    (1, {}, "Use footage in which the limbs can be told apart."),
    (1, {"fov": 9.0}, "Check the lens that was given, or use footage in which the limbs can be told apart."),
    (4, {}, "Say with --fps (in Blender: Filmed At) how many images were taken a second, if not 24, or use footage in which the limbs can "
            "be told apart."),
])  # fmt: skip
def test_what_may_help_where_no_body_explains_anybody(files, lens, told):
    source = SimpleNamespace(files=["a"] * files, fps=24)
    assert pipeline._mends(source, pipeline.Options(("a",), "", **lens)) == told


def test_the_time_left_is_that_of_a_stage_that_begins_again(monkeypatch):
    """Footage is read in 150 s, and then as fast once more for somebody who is pointed at."""
    now, told = [0.0], []
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    clock = progress.Clock(told.append)
    for first in (1, 2):
        for done in range(first, 301):
            now[0] += 0.5
            clock.tell("people", done, 300, 7.0)
        assert [event.eta_s for event in told[-299:] if event.done in (150, 300)] == [pytest.approx(75 + 7, abs=1), 7]
