# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who, said in the People panel: kept with the take, shown, taken back, and asked of the engine with what the Take was made with."""

from __future__ import annotations

import json
from dataclasses import replace

import bpy
import pytest

from skel_blender import take as takes
from skel_blender import who
from skel_blender.rig import record
from skel_blender.rig.assemble import build_take
from skel_blender.rig.update import update_take
from tests import synthetic
from tests.bpy.panels import draw

PANEL = "SKEL_PT_people"


@pytest.fixture
def take(take):
    """People as the engine calls them."""
    for number, person in enumerate(take.people, 1):
        person.name = who.name(number)
    return take


@pytest.fixture
def shot(enabled, take, tmp_path, monkeypatch):
    """A Take of two people, source frames 4 to 33, made from a clip, built; their rigs, and what the engine is asked for."""
    from skel_blender.ui import engine
    from skel_blender.ui.runner import runner

    (tmp_path / "clip.mp4").touch()
    take = replace(take, settings=json.dumps({"inputs": [str(tmp_path / "clip.mp4")], "who": "1+3", "stature": [1.8], "body": ["male"]}))
    home = build_take(bpy.context, take, collection_name="shot")
    asked = []
    monkeypatch.setattr(engine, "start", asked.append)
    monkeypatch.setattr(runner, "ask", lambda job: job.launch())
    rigs = sorted(record.rigs(bpy.context.scene), key=lambda rig: rig.name)
    bpy.context.view_layer.objects.active = rigs[0]
    return home, rigs, asked, take


def _again(home, asked):
    assert bpy.ops.skel.reconstruct_again(name=home.name) == {"FINISHED"}
    return asked.pop().arguments()


def test_what_is_said_is_shown_by_scene_frames_and_asked_by_those_of_the_footage(shot):
    home, rigs, asked, _ = shot
    assert "skel.reconstruct_again" not in draw(PANEL).operators
    bpy.context.scene.frame_set(21)  # source frame 20: the first one is shown on frame 1
    assert bpy.ops.skel.who_change(other="Person 2") == {"FINISHED"}
    bpy.context.view_layer.objects.active = rigs[1]
    assert bpy.ops.skel.who_other() == bpy.ops.skel.who_same(other="Person 1") == bpy.ops.skel.who_without() == {"FINISHED"}
    shown = draw(PANEL)
    said = ["1 and 2 swap at frame 21", "2 is somebody else from frame 21", "2 and 1 are the same", "2 is left out"]
    assert [text for text in shown.labels if text in said] == said
    assert shown.operators.count("skel.who_forget") == 4 and "skel.reconstruct_again" in shown.operators
    assert {"--who=1+3,1x2@20,2@20,2+1,2-", "--stature=1.8", "--body=male"} <= set(_again(home, asked))


def test_who_is_missing_is_said_with_his_place(shot):
    """Whoever's rig is active; the click itself is tested with a window."""
    home, _, asked, _ = shot
    bpy.context.scene.frame_set(21)
    assert "skel.who_missing" in draw(PANEL).operators
    assert bpy.ops.skel.who_missing(place=(640, 300)) == {"FINISHED"}
    assert "Somebody is there at frame 21" in draw(PANEL).labels
    assert "--who=1+3,+640:300@20" in _again(home, asked)


def test_what_is_taken_back_is_not_asked(shot):
    """Whichever take's rig is active."""
    home, _, asked, take = shot
    assert bpy.ops.skel.who_without() == bpy.ops.skel.who_same(other="Person 2") == {"FINISHED"}
    other = build_take(bpy.context, take, collection_name="other")
    bpy.context.view_layer.objects.active = next(thing for thing in other.objects if record.is_rig(thing))
    assert bpy.ops.skel.who_forget(name=home.name, number=0) == {"FINISHED"}
    assert "--who=1+3,1+2" in _again(home, asked)
    assert bpy.ops.skel.who_forget(name=home.name, number=0) == {"FINISHED"}
    assert record.WHO not in home and "skel.reconstruct_again" not in draw(PANEL).operators


def test_a_height_that_is_said_leaves_those_of_others_as_they_were(shot):
    """Numbers may have gaps, where somebody was left out."""
    home, rigs, asked, take = shot
    rigs[1].skel.stature = 1.6
    assert "--stature=1.8,1.6" in _again(home, asked)
    take.people[1].name = "Person 4"
    rigs[1][record.PERSON] = "Person 4"
    update_take(bpy.context, take, home)
    rigs[1].skel.stature = 1.7
    assert "--stature=1.8,1.8,1.8,1.7" in _again(home, asked)


def test_a_take_that_is_switched_off_says_nothing(shot):
    assert bpy.ops.skel.who_without() == {"FINISHED"}
    bpy.context.view_layer.layer_collection.children["shot"].exclude = True
    shown = draw(PANEL)
    assert "skel.who_forget" not in shown.operators and "skel.reconstruct_again" not in shown.operators


def test_people_who_lie_in_another_collection_too_are_of_their_take(shot):
    """Collections come in the order of their names."""
    home, rigs, asked, _ = shot
    other = bpy.data.collections.new("characters")
    bpy.context.scene.collection.children.link(other)
    for rig in rigs:
        other.objects.link(rig)
    assert rigs[0].users_collection[0] == other
    assert bpy.ops.skel.who_without() == {"FINISHED"}
    shown = draw(PANEL)
    assert "1 is left out" in shown.labels and "skel.reconstruct_again" in shown.operators
    assert bpy.ops.skel.who_forget(name=home.name, number=0) == {"FINISHED"}
    assert "skel.who_forget" not in draw(PANEL).operators


def test_an_answer_has_heard_what_was_said(shot):
    home, _, _, take = shot
    assert bpy.ops.skel.who_without() == {"FINISHED"}
    update_take(bpy.context, take, home)
    assert not record.said_who(home)


def test_who_is_in_the_newer_take_no_more_is_named(enabled, take, tmp_path):
    from skel_blender.ui import arrival

    paths = [str(tmp_path / name) for name in ("both.npz", "one.npz")]
    take = replace(take, source="/clip.mp4")
    takes.save(take, paths[0])
    takes.save(replace(take, people=take.people[:1]), paths[1])
    enabled.again = "UPDATE"
    assert "no longer in the Take" not in arrival.build(bpy.context, paths[0])
    assert "Person 2 is no longer in the Take; Remove Person deletes the rig." in arrival.build(bpy.context, paths[1])
    assert len(record.rigs(bpy.context.scene)) == 2


def test_others_are_those_of_the_same_take(shot):
    from skel_blender.ui import who_operators

    alone = synthetic.random_take(people=1, seed=5)
    alone.people[0].name = "Person 1"
    other = build_take(bpy.context, alone, collection_name="other")
    assert [item[0] for item in who_operators._others(None, bpy.context)] == ["Person 2"]
    bpy.context.view_layer.objects.active = next(thing for thing in other.objects if record.is_rig(thing))
    assert not who_operators._others(None, bpy.context)
    assert bpy.ops.skel.who_without() == {"FINISHED"}
    assert not record.said_who(shot[0]) and [str(one) for one in record.said_who(other)] == ["1-"]


def test_who_was_not_found_in_footage_is_refused(shot):
    shot[1][0][record.PERSON] = "walk"
    with pytest.raises(RuntimeError, match="was not made from footage"):
        bpy.ops.skel.who_without()
