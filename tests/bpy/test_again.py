# SPDX-License-Identifier: GPL-3.0-or-later
"""How tall people are and which bodies they have: shown in the People list, said there, and asked of the engine with what the Take was
made with."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from skel_blender import take as takes
from skel_blender import who
from skel_blender.rig import assemble, camera, embedded, record, update
from skel_blender.rig.assemble import build_take
from skel_blender.rig.update import update_take
from tests.bpy.panels import draw
from tests.bpy.pictures import save_picture

PANEL = "SKEL_PT_people"


@pytest.fixture
def shot(enabled, take, tmp_path, monkeypatch):
    """A Take of two people made from a clip, built; its rigs, and what the engine is asked for."""
    from skel_blender.ui import engine
    from skel_blender.ui.runner import runner

    clip = tmp_path / "clip.mp4"
    clip.touch()
    made_with = {"inputs": [str(clip)], "model": "m.task", "frames": [4, None], "people": None, "body": "female", "device": "cuda",
                 "fov": 48.0, "focal_length": None, "seed": 3, "regressor": "stance", "hsmr": "", "camera": "still", "cuts": "off",
                 "memory": "/gone", "stature": [None, 1.6]}  # fmt: skip
    for number, person in enumerate(take.people, 1):
        person.name, person.body_name = who.name(number), "open female"
    take = replace(take, settings=json.dumps(made_with))
    home = build_take(bpy.context, take, collection_name="shot")
    asked = []
    monkeypatch.setattr(engine, "start", asked.append)
    monkeypatch.setattr(runner, "ask", lambda job: job.launch())
    return home, sorted(record.rigs(bpy.context.scene), key=lambda rig: rig.name), asked, take


def test_everybody_is_shown_as_tall_as_the_skin_is(shot):
    _, rigs, _, take = shot
    shown = draw(PANEL)
    assert [owner.id_data for owner, name in shown.props if name == "stature"] == rigs
    for rig, person in zip(rigs, take.people):
        assert rig.skel.stature == pytest.approx(np.ptp(person.body.skin_verts[:, 1]), abs=1e-5)
    assert "skel.reconstruct_again" not in shown.operators
    del rigs[0][record.STATURE]  # a rig from before there were heights
    assert [owner.id_data for owner, name in draw(PANEL).props if name == "stature"] == rigs[1:]


def test_a_height_that_is_said_is_asked_with_what_the_take_was_made_with(shot, tmp_path):
    home, rigs, asked, take = shot
    rigs[0].skel.stature = 1.87
    assert rigs[0].skel.stature == pytest.approx(1.87)
    assert "skel.reconstruct_again" in draw(PANEL).operators
    assert bpy.ops.skel.reconstruct_again(name=home.name) == {"FINISHED"}
    (request,) = asked
    said = set(request.arguments())
    assert {"--stature=1.87,1.6", "--frames=4:", "--body=female", "--fov=48.0", "--camera=still", "--cuts=off"} <= said
    assert {"--regressor=stance", "--seed=3"} <= said
    assert request.inputs == (str(Path(tmp_path / "clip.mp4").resolve()),) and request.memory != "/gone"
    assert not any(text.startswith(("--people", "--focal", "--hsmr", "--model")) for text in said)
    rigs[1].skel.stature = 0.0  # not known after all
    assert bpy.ops.skel.reconstruct_again(name=home.name) == {"FINISHED"}
    assert "--stature=1.87," in asked[-1].arguments()
    update_take(bpy.context, take, home)  # the answer says how tall he is now
    assert not record.is_said(rigs[0]) and not record.is_said(rigs[1]) and "skel.reconstruct_again" not in draw(PANEL).operators


def test_what_is_made_again_is_the_take_of_the_button(shot, enabled, tmp_path, monkeypatch):
    """Two versions are switched on; the older one is made again."""
    from skel_blender.ui.runner import runner

    home, rigs, _, take = shot
    take = replace(take, source="/clip.mp4")
    newer, home["skel_source"], finish = build_take(bpy.context, take, collection_name="newer"), take.source, []
    monkeypatch.setattr(runner, "ask", lambda job: finish.append(job.finish))
    takes.save(take, tmp_path / "again.npz")
    for choice, built in (("UPDATE", 2), ("VERSION", 3)):
        enabled.again, others = choice, [len(record.versions(rig)) for rig in newer.objects if record.is_rig(rig)]
        rigs[0].skel.stature = 1.87
        assert bpy.ops.skel.reconstruct_again(name=home.name) == {"FINISHED"}
        finish.pop()(str(tmp_path / "again.npz"))
        assert [len(record.versions(rig)) for rig in newer.objects if record.is_rig(rig)] == others
        assert len(record.rigs(bpy.context.scene)) == 2 * built
        layers = bpy.context.view_layer.layer_collection.children
        assert not layers["newer"].exclude and layers["shot"].exclude == (choice == "VERSION")
    assert len(record.versions(rigs[0])) == 2


def test_a_body_that_is_chosen_is_asked_beside_the_others(shot):
    home, rigs, asked, take = shot
    assert [owner.id_data for owner, name in draw(PANEL).props if name == "body"] == rigs
    assert [rig.skel.body for rig in rigs] == ["female", "female"]
    rigs[0].skel.body = "male"
    assert [rig.skel.body for rig in rigs] == ["male", "female"] and "skel.reconstruct_again" in draw(PANEL).operators
    assert bpy.ops.skel.reconstruct_again(name=home.name) == {"FINISHED"}
    assert {"--body=male,female", "--stature=,1.6"} <= set(asked[0].arguments())
    take.people[0].body_name = "open male"
    take.people[0].betas = take.people[0].betas + 1.0
    update_take(bpy.context, take, home)  # the answer has that body
    assert not record.is_said(rigs[0]) and [rig.skel.body for rig in rigs] == ["male", "female"]
    rigs[0].skel.body = "female"
    rigs[0].skel.body = "male"  # as it is
    assert not record.is_said(rigs[0]) and "skel.reconstruct_again" not in draw(PANEL).operators


@pytest.mark.parametrize("more", [who.Correction("here", frame=4, place=(10, 20)), who.Correction("other", (1,), 5)], ids=str)
def test_what_is_said_of_one_is_not_said_of_who_comes_in(shot, more):
    """Of a take of one person, who was the only one to be meant."""
    _, _, asked, take = shot
    settings = json.dumps(json.loads(take.settings) | {"stature": [], "body": []})
    home = build_take(bpy.context, replace(take, people=take.people[:1], settings=settings), collection_name="alone")
    (rig,) = (thing for thing in home.objects if record.is_rig(thing))
    rig.skel.stature, rig.skel.body = 1.2, "male"
    record.say_who(home, (more,))
    assert bpy.ops.skel.reconstruct_again(name=home.name) == {"FINISHED"}
    assert {"--stature=1.2,", "--body=male,"} <= set(asked[0].arguments())


def test_who_has_a_body_of_a_file_keeps_it(shot, tmp_path):
    """His rig offers no other; Re-fit has the file too."""
    from skel_blender.ui import gather

    home, rigs, asked, take = shot
    file = tmp_path / "skel_male.pkl"
    file.touch()
    take.people[0].body_name = "SKEL male"
    take = replace(take, settings=json.dumps(json.loads(take.settings) | {"body": [str(file), "male"]}))
    home = build_take(bpy.context, take, collection_name="again")
    rigs = sorted((thing for thing in home.objects if record.is_rig(thing)), key=lambda rig: rig.name)
    assert [owner.id_data for owner, name in draw(PANEL).props if name == "body" and owner.id_data in rigs] == rigs[1:]
    rigs[1].skel.body = "male"
    assert bpy.ops.skel.reconstruct_again(name=home.name) == {"FINISHED"}
    assert f"--body={file},male" in asked[0].arguments()
    bpy.context.scene.skel.body_file = "/other.pkl"
    assert [gather.model_file(bpy.context.scene, take, person) for person in take.people] == [str(file), "/other.pkl"]


def test_heights_are_metres_whatever_the_scene_is_measured_in(shot, enabled):
    _, rigs, asked, _ = shot
    units = bpy.context.scene.unit_settings
    units.scale_length = 0.01
    usual = rigs[1].skel.stature
    assert usual == pytest.approx(100 * rigs[1][record.STATURE])
    rigs[0].skel.stature = 175.0
    assert record.said(rigs[0], "stature") == pytest.approx(1.75)
    units.system = "NONE"
    assert rigs[0].skel.stature == pytest.approx(1.75)


def test_one_height_for_everybody_is_asked_of_the_engine(enabled, tmp_path):
    from skel_blender.ui import gather

    (tmp_path / "clip.mp4").touch()
    enabled.source, enabled.path = "FILE", str(tmp_path / "clip.mp4")
    assert not any(text.startswith("--stature") for text in gather.request(bpy.context.scene).arguments())
    enabled.stature = 1.7
    assert "--stature=1.7" in gather.request(bpy.context.scene).arguments()


@pytest.mark.parametrize(("metres", "said"), [(180.0, "'180' is not a height between 0.5 and 2.5 metres"), (0.2, "'0.2' is not a height")])
def test_what_is_no_height_is_said_before_the_engine_starts(shot, enabled, tmp_path, metres, said):
    home, rigs, asked, _ = shot
    rigs[0].skel.stature = metres
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.skel.reconstruct_again(name=home.name)
    enabled.source, enabled.path, enabled.stature = "FILE", str(tmp_path / "clip.mp4"), metres
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.skel.reconstruct()
    assert not asked


def test_takes_are_looked_for_where_they_are_kept(enabled, tmp_path, monkeypatch):
    from bpy_extras.io_utils import ImportHelper

    from skel_blender.ui.operators import SKEL_OT_load_take

    def opened(path):
        chosen = SimpleNamespace(filepath=path)
        SKEL_OT_load_take.invoke(chosen, bpy.context, None)
        return chosen.filepath

    monkeypatch.setattr(ImportHelper, "invoke", lambda self, context, event: {"RUNNING_MODAL"})
    assert opened("") == ""
    (tmp_path / "takes").mkdir()
    (tmp_path / "takes" / "shot_001.npz").touch()
    assert opened("") == str(tmp_path / "takes") + os.sep and opened("/mine.npz") == "/mine.npz"


@pytest.mark.parametrize("names", [["clip.mp4"], ["frames"], ["0001.png", "0003.png"], ["0001.png"]])
def test_footage_that_was_moved_is_found_by_the_clip_behind_the_camera(shot, tmp_path, names):
    home, rigs, asked, take = shot
    new = tmp_path / "new" / "frames" if names == ["frames"] else tmp_path / "new"
    new.mkdir(parents=True)
    for name in ["0001.png", "0002.png"] if names == ["frames"] else names:
        save_picture(new / name) if name.endswith(".png") else (new / name).touch()
    gone = [str(tmp_path / "old" / name) for name in names]
    take.settings = json.dumps(json.loads(take.settings) | {"inputs": gone})
    take.source = str(tmp_path / "old" / "clip.mp4")
    embedded.embed(home, take)
    home["skel_source"] = take.source
    rigs[0].skel.stature = 1.87
    with pytest.raises(RuntimeError, match="There is no file .*old.*. Relink the clip behind the take's camera"):
        bpy.ops.skel.reconstruct_again(name=home.name)
    file = new / ("0001.png" if names == ["frames"] else names[0])
    camera.show_footage(assemble.camera_of(home), bpy.data.movieclips.load(str(file)))
    assert bpy.ops.skel.reconstruct_again(name=home.name) == {"FINISHED"}
    assert asked[0].inputs == tuple(str((tmp_path / "new" / name).resolve()) for name in names)
    there, elsewhere = (replace(take, source=f"{file}{more}") for more in ("", "4"))
    assert update.find_built(bpy.context, there) == home == update.find_built(bpy.context, take)
    assert update.find_built(bpy.context, elsewhere) is None


def test_an_override_is_not_updated_and_has_a_version_beside_it(context, enabled, take, tmp_path):
    """Its objects are another file's."""
    from skel_blender.ui import arrival

    home = build_take(context, replace(take, source="/clip.mp4"), collection_name="shot")
    bpy.data.libraries.write(str(tmp_path / "lib.blend"), {home})
    bpy.data.batch_remove([*home.all_objects, home])
    with bpy.data.libraries.load(str(tmp_path / "lib.blend"), link=True) as (_, wanted):
        wanted.collections = ["shot"]
    mine = wanted.collections[0].override_hierarchy_create(context.scene, context.view_layer, do_fully_editable=True)
    for person in take.people:
        person.betas = person.betas + 1.0  # other bodies, which would be other bones
    takes.save(replace(take, source="/clip.mp4"), tmp_path / "again.npz")
    enabled.again = "UPDATE"
    assert f"{mine.name} is switched off" in arrival.build(context, str(tmp_path / "again.npz"))
    assert len(bpy.data.collections["again"].all_objects) == len(mine.all_objects)


def test_a_take_that_no_footage_made_says_so(context, enabled, take):
    home = build_take(bpy.context, replace(take, settings=json.dumps({"motion": "walk.npz"})))
    with pytest.raises(RuntimeError, match="was not made from footage"):
        bpy.ops.skel.reconstruct_again(name=home.name)
