# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files an export writes: people and clips share one or get one each, and none takes the place of another unasked."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest

from skel_blender.export import names, opensim, presets, writing
from skel_blender.messages import SkelError
from skel_blender.rig import armature
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import motion
from tests import synthetic
from tests.bpy import deliveries, importing
from tests.bpy.evaluated import rig_of


@pytest.mark.parametrize("ending", ["fbx", "glb", "usdc"])
def test_people_share_a_file_or_get_one_each(context, tmp_path, ending):
    take = deliveries.take(people=2)
    assert deliveries.export(take, tmp_path / f"both.{ending}") == [tmp_path / f"both.{ending}"]
    files = deliveries.export(take, tmp_path / f"each.{ending}", separate=True)
    assert [file.name for file in files] == [f"each_person_{k}.{ending}" for k in (1, 2)]
    preset = presets.choose("generic")
    for person, file in zip(take.people, files):
        report = importing.read(file, take)
        expected = deliveries.expected_joints(person, preset)
        assert np.linalg.norm(report.places(list(report.bones)) - deliveries.ordered(expected, report), axis=-1).max() < 1e-3
    bpy.ops.wm.read_factory_settings(use_empty=True)
    {"fbx": bpy.ops.import_scene.fbx, "glb": bpy.ops.import_scene.gltf, "usdc": bpy.ops.wm.usd_import}[ending](
        filepath=str(tmp_path / f"both.{ending}"))  # fmt: skip
    assert sum(thing.type == "ARMATURE" for thing in bpy.data.objects) == 2


def test_all_versions_become_clips_of_their_names(context, tmp_path):
    collection = build_take(context, deliveries.take())
    rig = rig_of(collection)
    motion.smooth(rig, 0.3, 29.97, {"arm_r", "leg_r"})
    preset = presets.choose("generic", clips="all")
    assert [file.name for file in writing.write(context.scene, [rig], tmp_path / "shot.bvh", preset)] == [
        "shot_raw.bvh", "shot_smoothed.bvh"]  # fmt: skip
    for ending in ("fbx", "glb"):
        writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", preset)
    for ending, read_in in (("fbx", bpy.ops.import_scene.fbx), ("glb", bpy.ops.import_scene.gltf)):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.scene.render.fps = importing.RATE
        read_in(filepath=str(tmp_path / f"shot.{ending}"))
        found = {action.name: action.frame_range for action in bpy.data.actions}
        assert {name.split("|")[1] if "|" in name else name.removesuffix("_person_1") for name in found} == {"raw", "smoothed"}


def two_takes(context):
    """Two takes with one person each, both called person_1; the rigs in the order of their names."""
    for seed in (0, 1):
        build_take(context, synthetic.random_take(frames=3, people=1, seed=seed))
    return writing.rigs_of(context.scene.objects)


def test_people_of_one_name_get_files_and_names_of_their_own(context, tmp_path):
    rigs = two_takes(context)
    files = writing.write(context.scene, rigs, tmp_path / "shot.fbx", presets.choose("unity"))
    assert [file.name for file in files] == ["shot_person_1.fbx", "shot_person_1_2.fbx"]
    rigs[0].name, rigs[1].name = "Dancer", "dancer"  # one name where capitals do not count
    files = writing.write(context.scene, rigs, tmp_path / "shot.bvh", presets.choose("generic"))
    assert [file.name for file in files] == ["shot_Dancer.bvh", "shot_dancer_2.bvh"]
    (path,) = writing.write(context.scene, rigs, tmp_path / "both.glb", presets.choose("godot"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(path))
    assert sorted(thing.name for thing in bpy.data.objects if thing.type == "ARMATURE") == ["Dancer", "dancer_2"]


def test_person_2_comes_before_person_10_and_is_who_is_meant_by_2(context):
    take = synthetic.random_take(frames=3, people=1)
    take.people = [replace(take.people[0], name=f"Person {number}") for number in (1, 2, 10, 11)]
    rigs = writing.rigs_of(build_take(context, take).all_objects)
    assert [rig.name for rig in rigs] == ["Person 1", "Person 2", "Person 10", "Person 11"]
    rigs[1].name = "Anna"
    assert writing.chosen(rigs, 2) == [rigs[1]] and writing.chosen(rigs, 10) == [rigs[2]] and writing.chosen(rigs, None) == rigs
    with pytest.raises(SkelError, match="no person 3; who is there: Person 1, Person 2, Person 10"):
        writing.chosen(rigs, 3)


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_a_chain_of_bones_in_bvh_ends_where_its_last_bone_does(context, tmp_path, preset):
    """Whichever axis of the bones a preset lets run along them in other formats."""
    take, chosen = deliveries.take(), presets.choose(preset)
    (path,) = deliveries.export(take, tmp_path / "shot.bvh", preset)
    called = {bone.joint: bone.name for bone in names.bones(chosen.names)}
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    for joint, way in (("head", (0, 1, 0)), ("hand_l", (1, 0, 0)), ("hand_r", (-1, 0, 0))):
        text = path.read_text().partition(f"JOINT {called[joint]}\n")[2].partition("End Site")[2]
        end = np.array([float(number) for number in text.splitlines()[2].split()[1:]])
        assert np.abs(end * chosen.unit - np.array(way) * rig.data.bones[joint].length).max() < 1e-4


@pytest.mark.parametrize(("ending", "there"), [("fbx", "shot_person_1_2.fbx"), ("bvh", "shot_person_1_2.bvh"), ("osim", "shot_2.mot")])
def test_no_file_is_replaced_that_nobody_was_asked_about(context, tmp_path, ending, there):
    rigs, out = two_takes(context), tmp_path / f"shot.{ending}"
    (tmp_path / there).write_text("mine")

    def export(overwrite):
        if ending == "osim":
            return opensim.write_people(rigs, out, overwrite=overwrite)
        return writing.write(context.scene, rigs, out, presets.choose("unity"), overwrite)

    with pytest.raises(SkelError, match=f"{there} exists already. Choose another name, or let it be overwritten."):
        export(False)
    assert [path.name for path in tmp_path.iterdir()] == [there] and (tmp_path / there).read_text() == "mine"
    assert tmp_path / there in export(True)
    assert (tmp_path / there).read_bytes() != b"mine"


def test_the_file_that_was_chosen_is_replaced(context, tmp_path):
    rigs = two_takes(context)[:1]
    for ending in (".fbx", ".GLB"):
        path = tmp_path / f"shot{ending}"
        path.write_text("old")
        assert writing.write(context.scene, rigs, path, presets.choose("unity")) == [path]
        assert path.stat().st_size > 10_000


EXPORTERS = [("fbx", "io_scene_fbx", "FBX format"), ("glb", "io_scene_gltf2", "glTF 2.0 format")]


@pytest.mark.parametrize(("ending", "addon", "title"), EXPORTERS)
def test_an_exporter_that_is_switched_off_is_named(context, tmp_path, ending, addon, title):
    import addon_utils  # bpy brings it

    addon_utils.disable(addon)
    rigs = two_takes(context)[:1]
    try:
        with pytest.raises(SkelError, match=f"add-on {title} is switched off. Switch it on in Edit > Preferences > Add-ons."):
            writing.write(context.scene, rigs, tmp_path / f"shot.{ending}", presets.choose("generic"))
    finally:
        addon_utils.enable(addon)
    assert addon_utils.module_bl_info(sys.modules[addon])["name"] == title and not list(tmp_path.iterdir())
    writing.write(context.scene, rigs, tmp_path / f"shot.{ending}", presets.choose("generic"))


def test_folders_that_cannot_be_written_to_are_said_before_any_work(context, tmp_path, monkeypatch):
    rigs = two_takes(context)[:1]

    def export(path):
        if path.suffix == ".osim":
            return opensim.write_people(rigs, path)
        return writing.write(context.scene, rigs, path, presets.choose("generic"))

    names = [f"shot{ending}" for ending in (*presets.ENDINGS, ".osim")]
    for name in names:
        with pytest.raises(SkelError, match="There is no folder .*nowhere. Make it or choose another."):
            export(tmp_path / "nowhere" / name)
    monkeypatch.setattr("skel_blender.export.writing.os.access", lambda *_: False)
    for name in names:
        with pytest.raises(SkelError, match="can't be written to. Choose another."):
            export(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_hangs_on_a_person_and_is_not_in_a_file_is_told(context):
    """By a bone, a parent, a modifier or a constraint, as an instance of a collection too; not what only looks at him or lies elsewhere."""
    rigs = writing.rigs_of(build_take(context, synthetic.random_take(frames=3, people=2)).all_objects)
    things = {name: bpy.data.objects.new(name, bpy.data.meshes.new(name)) for name in (
        "hat", "feather", "jacket", "sword", "shield", "wall", "lamp", "deleted")}  # fmt: skip
    things["bag"] = bpy.data.objects.new("bag", None)
    for thing in things.values():
        thing.parent = rigs[1] if thing.name in ("deleted", "bag") else None
        if thing.name != "deleted":
            context.scene.collection.objects.link(thing)
    things["bag"].instance_type = "COLLECTION"
    things["hat"].parent, things["hat"].parent_type, things["hat"].parent_bone = rigs[0], "BONE", "head"
    things["feather"].parent = things["hat"]
    things["jacket"].modifiers.new("Armature", "ARMATURE").object = rigs[0]
    things["sword"].constraints.new("CHILD_OF").target = rigs[0]
    things["shield"].constraints.new("ARMATURE").targets.new().target = rigs[1]
    things["lamp"].constraints.new("TRACK_TO").target = rigs[0]
    with armature.editing(context, rigs[0]):
        for name in ("grip", "helper"):
            bone = rigs[0].data.edit_bones.new(name)
            bone.tail, bone.use_deform = (0.0, 0.0, 1.0), name == "grip"

    def told(ending, rigs, **changes):
        text = writing.left_out(rigs, Path(f"shot{ending}"), presets.choose("generic", **changes))
        return [line.partition(".")[0] for line in text.split("Left out: ")[1:]]

    everything = "bag, feather, hat, jacket, shield, sword"
    assert told(".glb", rigs) == told(".fbx", rigs) == ["grip", everything]
    assert told(".abc", rigs) == [everything] and told(".bvh", rigs) == told(".glb", rigs, skin=False) == ["grip"]
    assert told(".glb", rigs[1:]) == ["bag, shield"] and told(".bvh", rigs[1:]) == []
