# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who, as an animator corrects it: tracks joined, exchanged, parted, left out."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from skel_blender import who  # noqa: E402
from skel_blender.engine import pipeline  # noqa: E402
from skel_blender.engine.fit import people  # noqa: E402
from skel_blender.engine.fit.people import fit_people  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.engine.people.who import sorted_out  # noqa: E402
from skel_blender.engine.pipeline import Options, reconstruct  # noqa: E402
from skel_blender.messages import Log, SkelError  # noqa: E402
from tests.engine import squatting  # noqa: E402


def _track(person, first, last, unseen=()):
    """Somebody whose values tell who he is, and in which frame, in frames first to last; as tracks are, between where he was seen."""
    frames = np.arange(first, last + 1)
    values = np.full((len(frames), 33, 3), 100.0 * person, np.float32) + frames[:, None, None].astype(np.float32) / 10
    observed = ~np.isin(frames, unseen)
    keypoints, landmarks = values.copy(), -values
    keypoints[..., 2] = np.where(observed, 0.9, 0)[:, None]
    outline = np.where(observed[:, None, None], values[:, :11, :1] + np.arange(4, dtype=np.float32), np.nan)
    return Track(frames, keypoints, landmarks, observed, outline=outline)


def _alike(track, other):
    names = ("keypoints_2d", "landmarks_3d", "outline")
    same = all(np.allclose(getattr(track, name), getattr(other, name), atol=1e-5, equal_nan=True) for name in names)
    return same and np.array_equal(track.frames, other.frames) and np.array_equal(track.observed, other.observed)


def _persons(track, first, last):
    """Whose values a track has in frames first to last."""
    rows = slice(first - track.frames[0], last + 1 - track.frames[0])
    assert np.allclose(track.landmarks_3d[rows], -track.keypoints_2d[rows, :, :1])
    return set((track.keypoints_2d[rows, 0, 0] // 100).astype(int))


def _nobody(one, known):
    raise AssertionError("Nobody is pointed at.")


def _said(tracks, text, cuts=(), pointed=_nobody):
    return {track.number: track for track in sorted_out(tracks, who.read(text), cuts, pointed)}


def test_without_corrections_people_are_numbered_in_their_order():
    tracks = [_track(1, 0, 9), _track(2, 3, 20, unseen=(5, 6))]
    found = sorted_out(tracks, (), (), _nobody)
    assert [track.number for track in found] == [1, 2] and all(map(_alike, found, tracks))


def test_who_is_one_has_what_was_seen_of_both_and_the_first_counts():
    found = _said([_track(1, 0, 9, unseen=(8,)), _track(2, 0, 30), _track(3, 5, 14)], "1+3")
    assert found.keys() == {1, 2}
    one = found[1]
    assert (one.frames[0], one.frames[-1]) == (0, 14) and one.observed.all()
    assert _persons(one, 0, 7) == _persons(one, 9, 9) == {1} and _persons(one, 8, 8) == _persons(one, 10, 14) == {3}
    later_first = _said([_track(1, 0, 9), _track(3, 5, 14)], "2+1")[2]
    assert _persons(later_first, 0, 4) == {1} and _persons(later_first, 5, 14) == {3}


def test_between_two_who_are_one_he_goes_straight_on_unseen():
    whole = _track(1, 0, 29, unseen=range(10, 20))
    found = _said([_track(1, 0, 9), _track(1, 20, 29)], "1+2")
    assert found.keys() == {1} and _alike(found[1], whole)


def test_who_change_places_are_each_other_from_that_frame_on():
    tracks = [_track(1, 0, 19), _track(2, 10, 39, unseen=(11,))]
    found = _said(tracks, "1x2@15")
    assert (found[1].frames[0], found[1].frames[-1]) == (0, 39) and (found[2].frames[0], found[2].frames[-1]) == (10, 19)
    assert _persons(found[1], 0, 14) == _persons(found[2], 15, 19) == {1}
    assert _persons(found[1], 15, 39) == _persons(found[2], 10, 14) == {2} and not found[2].observed[1]
    assert all(map(_alike, _said(tracks, "1x2@15,2x1@15").values(), tracks))


def test_who_was_taken_on_by_another_gets_what_is_his():
    """Person 2 was lost at frame 9, and Person 1 became him at frame 20."""
    found = _said([_track(1, 0, 39), _track(2, 0, 9)], "1x2@20")
    assert (found[1].frames[-1], found[2].frames[-1]) == (19, 39) and not found[2].observed[10:20].any()
    gone = _said([_track(1, 0, 9), _track(2, 20, 39)], "1x2@20")
    assert gone.keys() == {1} and gone[1].frames[-1] == 39, "nothing is left of Person 2"


def test_somebody_else_gets_a_number_that_nobody_ever_had():
    tracks = [_track(1, 0, 39), _track(2, 0, 39)]
    found = _said(tracks, "2-,1@20,3@30")
    assert found.keys() == {1, 3, 4}
    assert [(track.frames[0], track.frames[-1]) for track in found.values()] == [(0, 19), (20, 29), (30, 39)]
    assert _alike(_said(tracks, "1@20,1+3")[1], tracks[0])
    parted = _said([_track(1, 0, 39, unseen=(18, 19, 20, 21))], "1@20")
    assert (parted[1].frames[-1], parted[2].frames[0]) == (17, 22), "nobody begins or ends unseen"


def test_people_of_a_shot_stay_together():
    tracks = [_track(1, 0, 9), _track(2, 0, 9), _track(3, 10, 30)]
    assert [track.number for track in sorted_out(tracks, who.read("1@5"), [10], _nobody)] == [1, 2, 4, 3]


@pytest.mark.parametrize(("text", "reason"), [
    ("1+9", "no Person 9"),
    ("1+2,2-", "no Person 2"),
    ("1+3", "Person 1 and Person 3 are in two shots .*1[+]3"),
    ("1x3@5", "in two shots"),
    ("1x2@40", "Neither is seen from frame 40"),
    ("1@0", "not seen both before frame 0 and after"),
    ("1@10", "not seen both"),
    ("1-,2-,3-", "Everybody is left out"),
])  # fmt: skip
def test_what_cannot_be_is_told_with_what_was_said(text, reason):
    with pytest.raises(SkelError, match=reason):
        sorted_out([_track(1, 0, 9), _track(2, 0, 9), _track(3, 20, 30)], who.read(text), [20], _nobody)


@pytest.fixture
def clip(monkeypatch):
    """Options of a clip of the squats, in which she was taken for two; and what the fit is given."""
    whole = squatting.imaged().track
    parts = [Track(*(part[rows] for part in (whole.frames, whole.keypoints_2d, whole.landmarks_3d, whole.observed)))
             for rows in (slice(0, 20), slice(30, 60))]  # fmt: skip
    source = SimpleNamespace(
        size=squatting.SIZE, fps=Fraction(30), path=Path("clip.mp4"), frame_numbers=tuple(range(60)), cuts=[], focal_hints={}
    )
    monkeypatch.setattr(pipeline, "open_source", lambda *arguments: source)
    monkeypatch.setattr(pipeline, "find_people", lambda *arguments: parts)
    monkeypatch.setattr(people, "STAGES", tuple(replace(stage, iterations=6) for stage in people.STAGES))
    return Options(("clip.mp4",), "none", camera="still", fov=60.0)


def test_a_take_of_who_is_one_has_one_person_who_is_where_he_was_seen(clip):
    told = []
    (person,) = reconstruct(replace(clip, who="1+2"), told.append).people
    assert not any(getattr(event, "level", "") == "detail" for event in told)
    assert person.name == "Person 1" and np.array_equal(person.frames, np.arange(60))
    assert not person.confidence[20:30].any() and (person.confidence[:20] > 0).all()
    assert np.nanmedian(person.reprojection_error) < 4.0
    moves = np.linalg.norm(np.diff(person.joints(), axis=0), axis=-1).max(axis=1)
    assert moves[19:31].max() <= moves.max() < 0.1, "m a frame; where he is not seen he goes on as smoothly"


def test_where_everybody_is_can_be_read_without_a_scene(clip):
    told = []
    reconstruct(clip, told.append)
    assert Log("detail", "Found: Person 1 in frames 0 to 19, Person 2 in frames 30 to 59.") in told


def test_numbers_stay_who_they_are_where_somebody_is_left_out(clip, monkeypatch):
    """Heights and bodies are those of the numbers that the Take shows, and who could not be fitted is named."""
    asked, told = [], []

    def fit(tracks, *arguments, statures, bodies, **named):
        asked.extend(zip((track.number for track in tracks), statures, (body and body.name for body in bodies)))
        fits, view = fit_people(tracks[:1], *arguments)
        return [*fits, None], view

    monkeypatch.setattr(pipeline, "fit_people", fit)
    said = replace(clip, who="2@45,1-", stature=(1.7, 1.8, 1.9), body=("", "female"))
    take = reconstruct(said, told.append)
    assert asked == [(2, 1.8, "open female"), (3, 1.9, None)]
    assert [person.name for person in take.people] == ["Person 2"] and json.loads(take.settings)["who"] == "2@45,1-"
    assert "Left out, as no body explains what was seen: Person 3." in [getattr(event, "text", "") for event in told]
    with pytest.raises(SkelError, match="4 heights are given, for 3 people"):
        reconstruct(replace(said, stature=(1.7, 1.8, 1.9, 1.9)))


def test_who_is_pointed_at_where_nobody_was_found_is_reconstructed(clip, monkeypatch):
    """And a number that he gets may have a height."""
    [whole, *_] = pipeline.find_people()
    monkeypatch.setattr(pipeline, "find_people", lambda *arguments: [])
    monkeypatch.setattr(pipeline, "find_pointed", lambda *arguments: (whole, None))
    [person] = reconstruct(replace(clip, who="+640:300@10", stature=(1.7,))).people
    assert person.name == "Person 1" and np.array_equal(person.frames, whole.frames)
    with pytest.raises(SkelError, match="Nobody was found"):
        reconstruct(clip)


@pytest.mark.parametrize("text", ["2-", "1+2", "2@45,1+2,3-"])
def test_what_was_said_of_somebody_may_stay_when_he_is_left_out(clip, text):
    """As Blender asks for a Take once more, with the heights and bodies that it was made with."""
    heights, bodies = (1.7, 1.8, 1.9)[: 2 + ("@" in text)], ("female", "male")
    assert [person.body_name for person in reconstruct(replace(clip, who=text, stature=heights, body=bodies)).people] == ["open female"]


def test_what_says_nothing_is_refused_before_the_footage_is_opened(clip, monkeypatch):
    monkeypatch.setattr(pipeline, "open_source", lambda *arguments: pytest.fail("the footage was opened"))
    with pytest.raises(SkelError, match="'1[+]' is not a correction of who is who"):
        reconstruct(replace(clip, who="1+"))
