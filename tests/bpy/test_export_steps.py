# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports bit by bit: they say how far they are, and one that is ended on the way leaves no trace, in the scene or on the disk."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace

import bpy
import pytest

from skel_blender.export import opensim, presets, writing
from skel_blender.messages import SkelError
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import motion
from skel_blender.rig.editing.steps import finish
from skel_blender.ui import export_operators, stepped
from tests import synthetic
from tests.bpy import dump
from tests.bpy.evaluated import rig_of

FRAMES = 6
KINDS = {"fbx": {"clips": "all"}, "glb": {"camera": True}, "usdc": {"camera": True}, "bvh": {"clips": "all"}, "abc": {"camera": True},
         "osim": {}}  # fmt: skip


@pytest.fixture
def rigs(context):
    """Two people, the first of whom has two versions, is posed without a key, and is in Pose Mode on the third frame."""
    collection = build_take(context, synthetic.random_take(frames=FRAMES))
    rig = rig_of(collection)
    motion.smooth(rig, 0.2, 29.97, {"ARM_R"})
    context.scene.frame_set(3)
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    rig.pose.bones["humerus_r"].rotation_euler = (0.1, 0.2, 0.3)
    context.view_layer.update()
    return writing.rigs_of(collection.all_objects)


def steps(rigs, path):
    if path.suffix == ".osim":
        return opensim.steps(rigs, path, overwrite=True)
    preset = presets.choose("generic", separate=path.suffix != ".abc", **KINDS[path.suffix[1:]])
    return writing.steps(bpy.context.scene, rigs, path, preset, overwrite=True)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("ending", KINDS)
def test_an_export_that_is_ended_anywhere_leaves_all_as_it_was(rigs, context, tmp_path, ending):
    """Blender draws the scene between steps, hence evaluates it."""
    path = tmp_path / f"shot.{ending}"
    told = list(steps(rigs, path))
    assert [step.done for step in told] == sorted(step.done for step in told) and 0.0 <= told[0].done <= told[-1].done <= 1.0
    blocking = [number for number, step in enumerate(told) if step.blocks]
    assert all(told[number].what.startswith("Writing ") for number in blocking)
    made, before = contents(tmp_path), dump.dump()
    assert len([file for file in made if file.parent == tmp_path]) == {"bvh": 3, "abc": 1, "osim": 6}.get(ending, 2)
    for file in made:
        file.write_text("the one before")
    made = contents(tmp_path)
    for ended in sorted({0, 1, FRAMES - 1, FRAMES, len(told) // 2, *blocking}):
        with closing(steps(rigs, path)) as work:
            for _ in range(ended + 1):
                next(work)
                context.view_layer.update()
        assert dump.differences(before, dump.dump()) == [], ended
        assert contents(tmp_path) == made, ended


@pytest.mark.parametrize("ending", ["fbx", "bvh", "osim"])
def test_where_one_file_fails_no_other_takes_its_place(rigs, tmp_path, ending, monkeypatch):
    path = tmp_path / f"shot.{ending}"
    finish(steps(rigs, path))
    before = contents(tmp_path)
    module, name = {"fbx": (writing.skeleton, "build"), "bvh": (writing.bvh, "write"), "osim": (opensim, "rest_body")}[ending]
    real, calls = getattr(module, name), []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise SkelError("full", "It is full.", "Make room.") if ending == "osim" else OSError(28, "It is full")
        return real(*arguments)

    monkeypatch.setattr(module, name, full)
    motion.smooth(rigs[0], 0.4, 29.97, {"ARM_L"})  # other files than before
    with pytest.raises(SkelError, match="It is full"):
        finish(steps(rigs, path))
    assert contents(tmp_path) == before


def test_the_export_of_a_file_that_was_chosen_in_a_window_shows_how_far_it_is(rigs, context, tmp_path, monkeypatch):
    """Blender's file browser executes the operator; a script does all at once."""
    shown, ends = [], []
    monkeypatch.setattr(stepped, "_SLICE_S", 60.0)
    manager = SimpleNamespace(
        event_timer_add=lambda *_, **__: "timer", event_timer_remove=ends.append, progress_begin=lambda *_: None,
        progress_update=lambda done: None, progress_end=lambda: None, modal_handler_add=lambda operator: None,
    )  # fmt: skip
    window = SimpleNamespace(window_manager=manager, window=None, scene=context.scene, view_layer=context.view_layer,
                             workspace=SimpleNamespace(status_text_set=shown.append), object=context.object)  # fmt: skip
    operator = Button(str(tmp_path / "shot.glb"))
    operator._asked = True
    assert operator.execute(window) == {"RUNNING_MODAL"} and not list(tmp_path.iterdir())
    timer = SimpleNamespace(type="TIMER", value="NOTHING")
    assert operator.modal(window, timer) == {"RUNNING_MODAL"}
    assert shown == ["Writing shot.glb: 30 %    (Esc: cancel)"]  # seen before Blender's exporter holds the window
    assert operator.modal(window, timer) == {"FINISHED"} and shown[-1] is None and ends == ["timer"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["shot.glb"] and operator.reports[0].startswith("Wrote shot.glb")


class Button(export_operators.SteppedOperator):
    """The export operator's own methods with its options, outside of Blender's registration."""

    people, preset, overwrite, filename_ext = "ALL", "godot", False, ".glb"
    properties = SimpleNamespace(is_property_set=lambda name: False)
    steps, done, execute = (getattr(export_operators.SKEL_OT_export, name) for name in ("steps", "done", "execute"))

    def __init__(self, filepath):
        self.filepath, self.reports = filepath, []

    def report(self, kind, text):
        self.reports.append(text)
