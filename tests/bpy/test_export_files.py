# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files an export writes: people and clips share one or get one each, and none takes the place of another unasked."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.export import opensim, presets, writing
from skel_blender.messages import SkelError
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
