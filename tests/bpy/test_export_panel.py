# SPDX-License-Identifier: GPL-3.0-or-later
"""The Export panel without a window: its buttons write what they say, and options count."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest

import skel_blender
from skel_blender.export import writing
from skel_blender.rig.editing.steps import finish
from skel_blender.ui import export_operators
from tests import synthetic


@pytest.fixture
def take():
    """Two people, 4 frames."""
    return synthetic.random_take(frames=4)


@pytest.mark.parametrize(("preset", "ending", "title"), export_operators.TARGETS)
def test_a_button_writes_its_target(rig, tmp_path, preset, ending, title):
    path = tmp_path / f"shot{ending}"
    assert bpy.ops.skel.export(filepath=str(path), preset=preset, filename_ext=ending, people="ACTIVE") == {"FINISHED"}
    assert path.is_file()
    assert not [entry for entry in tmp_path.iterdir() if ".part" in entry.name]


def test_an_option_goes_before_the_preset(rig, tmp_path):
    bpy.ops.skel.export(filepath=str(tmp_path / "shot.bvh"), preset="unity", filename_ext=".bvh", people="ACTIVE", names="mixamo")
    assert "mixamorig:LeftForeArm" in (tmp_path / "shot.bvh").read_text()
    bpy.ops.skel.export(filepath=str(tmp_path / "own.bvh"), preset="unity", filename_ext=".bvh", people="ACTIVE")
    assert "LeftLowerArm" in (tmp_path / "own.bvh").read_text()


@pytest.mark.parametrize("ending", [".fbx", ".abc"])
def test_the_camera_is_in_a_file_when_it_is_chosen(rig, tmp_path, ending):
    path, held = tmp_path / f"shot{ending}", []
    for chosen in ({}, {"camera": False}, {"camera": True}):
        bpy.ops.skel.export(filepath=str(path), preset="generic", filename_ext=ending, people="ACTIVE", **chosen)
        held.append(b"take_camera" in path.read_bytes())
    assert held == [False, False, True]
    shown = {kind for _, kind, _ in export_operators.TARGETS if "camera" in export_operators._shown(kind)}
    assert shown == {".fbx", ".glb", ".usdc", ".abc"}


def test_a_failure_is_one_sentence(rig, tmp_path):
    (tmp_path / "shot.bvh").mkdir()
    with pytest.raises(RuntimeError, match="shot.bvh could not be written"):
        bpy.ops.skel.export(filepath=str(tmp_path / "shot.bvh"), preset="generic", filename_ext=".bvh", people="ACTIVE")


def test_what_this_blender_cannot_write_is_said_before_a_file_is_chosen(rig, monkeypatch):
    monkeypatch.setitem(writing._BUILT, ".usdc", lambda: False)
    said = []
    button = SimpleNamespace(filename_ext=".usdc", report=lambda kind, text: said.append((kind, text)))
    assert export_operators.SKEL_OT_export.invoke(button, bpy.context, None) == {"CANCELLED"}
    assert said == [({"ERROR"}, "This Blender was built without .usdc. Use Blender from blender.org, or another format.")]


def test_nobody_active_is_said_and_everybody_can_still_be_written(rig, context, tmp_path):
    context.view_layer.objects.active = None
    path = tmp_path / "shot.fbx"
    with pytest.raises(RuntimeError, match="No person is active. Click on one, or export everybody."):
        bpy.ops.skel.export(filepath=str(path), preset="unity", filename_ext=".fbx", people="ACTIVE")
    there = tmp_path / "shot_person_2.fbx"
    there.write_text("mine")
    with pytest.raises(RuntimeError, match="shot_person_2.fbx exists already. Choose another name, or let it be overwritten."):
        bpy.ops.skel.export(filepath=str(path), preset="unity", filename_ext=".fbx")
    assert [entry.name for entry in tmp_path.iterdir()] == [there.name] and there.read_text() == "mine"
    bpy.ops.skel.export(filepath=str(path), preset="unity", filename_ext=".fbx", overwrite=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["shot_person_1.fbx", there.name] and there.stat().st_size > 10_000


def test_there_is_no_button_without_a_person(context):
    skel_blender.register()
    try:
        assert not bpy.ops.skel.export.poll()
    finally:
        skel_blender.unregister()


def test_a_script_needs_to_say_no_more_than_the_file(rig, tmp_path):
    assert bpy.ops.skel.export(filepath=str(tmp_path / "shot.osim"), people="ACTIVE") == {"FINISHED"}
    assert (tmp_path / "shot.osim").is_file()


def test_what_a_file_lacks_is_told_after_what_was_written(rig, tmp_path):
    skin = next(thing for thing in bpy.data.objects if thing.get("skel_part") == "skin")
    skin.modifiers.new("Fewer", "DECIMATE")
    said = []
    button = SimpleNamespace(
        filename_ext=".glb", filepath=str(tmp_path / "shot.glb"), people="ALL", preset="godot", overwrite=False,
        properties=SimpleNamespace(is_property_set=lambda name: False), report=lambda kind, text: said.append((kind, text)),
    )  # fmt: skip
    operator = export_operators.SKEL_OT_export
    operator.done(button, bpy.context, finish(operator.steps(button, bpy.context)))
    assert [kind for kind, _ in said] == [{"INFO"}, {"WARNING"}] and said[1][1].startswith("Left out: Fewer.")
