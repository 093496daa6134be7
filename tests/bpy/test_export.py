# SPDX-License-Identifier: GPL-3.0-or-later
"""FBX and glTF, read back by Blender's own importers: joints where the Take has them on every frame, at the Take's times."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest

from skel_blender.anatomy import JOINT_NAMES
from skel_blender.export import fbx, gltf
from skel_blender.messages import SkelError
from skel_blender.rig.assemble import build_take
from tests import synthetic
from tests.bpy.evaluated import evaluated, mesh_points, model_skin

WRITERS = {"fbx": fbx, "glb": gltf}
READERS = {"fbx": lambda path: bpy.ops.import_scene.fbx(filepath=path), "glb": lambda path: bpy.ops.import_scene.gltf(filepath=path)}


def export(context, kind, path):
    take = synthetic.random_take(frames=12, first=4)
    collection = build_take(context, take)
    WRITERS[kind].write(context, collection, path)
    return take, collection


def read_back(context, kind, path, take):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    context.scene.render.fps, context.scene.render.fps_base = 30, 1.001
    READERS[kind](str(path))


def show(context, kind, take, frame):
    """Go to where Blender's importers put the Take's frame of that number.

    A glTF begins at time zero and is read with fps * fps_base frames a second, FBX one frame late and without fps_base.
    """
    render = context.scene.render
    if kind == "glb":
        place = float(frame / take.fps) * render.fps * render.fps_base
    else:
        place = 1 + float((take.frames[frame] + 1) / take.fps) * render.fps
    context.scene.frame_set(int(place + 1e-5), subframe=max(0.0, place - int(place + 1e-5)))


def world_heads(rig):
    posed = evaluated(rig)
    return np.array([posed.matrix_world @ posed.pose.bones[name].head for name in JOINT_NAMES])


@pytest.mark.parametrize("kind", WRITERS)
def test_exported_motion_is_the_takes(context, tmp_path, kind):
    path = tmp_path / f"shot.{kind}"
    take, _ = export(context, kind, path)
    read_back(context, kind, path, take)
    rigs = [bpy.data.objects[person.name] for person in take.people]
    assert context.scene.render.fps / context.scene.render.fps_base == pytest.approx(float(take.fps), rel=1e-6)
    for frame in range(12):
        show(context, kind, take, frame)
        for person, rig in zip(take.people, rigs):
            assert rig.type == "ARMATURE"
            assert np.linalg.norm(world_heads(rig) - person.joints()[frame], axis=1).max() < 5e-4


def test_gltf_has_one_animation_on_the_takes_clock(context, tmp_path):
    take, _ = export(context, "glb", tmp_path / "shot.glb")
    content = (tmp_path / "shot.glb").read_bytes()
    length = int.from_bytes(content[12:16], "little")
    tree = json.loads(content[20 : 20 + length])
    (animation,) = tree["animations"]
    times = [tree["accessors"][sampler["input"]] for sampler in animation["samplers"]]
    assert {clock["count"] for clock in times} == {12}
    assert {clock["min"][0] for clock in times} == {0}
    assert [clock["max"][0] for clock in times] == pytest.approx([float(11 / take.fps)] * len(times), rel=1e-6)
    assert len(tree["skins"]) == 2


@pytest.mark.parametrize("kind", WRITERS)
def test_exported_skin_deforms_as_the_model(context, tmp_path, kind):
    path = tmp_path / f"shot.{kind}"
    take, _ = export(context, kind, path)
    read_back(context, kind, path, take)
    show(context, kind, take, 7)
    for person in take.people:
        points = mesh_points(bpy.data.objects[f"{person.name}_skin"])
        expected = model_skin(person.body, person.transforms()[7])
        apart = np.linalg.norm(points[:, None] - expected[None], axis=2)  # importers may split and reorder vertices
        assert apart.min(axis=1).max() < 1e-3 and apart.min(axis=0).max() < 1e-3


@pytest.mark.parametrize("kind", WRITERS)
def test_exported_objects_are_not_scaled_and_have_no_leaf_bones(context, tmp_path, kind):
    path = tmp_path / f"shot.{kind}"
    take, _ = export(context, kind, path)
    read_back(context, kind, path, take)
    for person in take.people:
        rig = bpy.data.objects[person.name]
        assert np.allclose(rig.matrix_world.to_scale(), 1.0, atol=1e-5)
        assert not [bone.name for bone in rig.data.bones if bone.name.endswith("_end")]
        assert set(JOINT_NAMES) <= set(rig.data.bones.keys())


@pytest.mark.parametrize("kind", WRITERS)
def test_export_leaves_the_scene_as_it_was(context, tmp_path, kind):
    _, collection = export(context, kind, tmp_path / f"first.{kind}")
    eye = context.scene.camera
    eye.select_set(True)
    context.view_layer.objects.active = eye
    context.scene.frame_set(9)
    names = {block.name for block in [*bpy.data.objects, *bpy.data.meshes, *bpy.data.actions]}
    WRITERS[kind].write(context, collection, tmp_path / f"again.{kind}")
    assert context.selected_objects == [eye] and context.view_layer.objects.active == eye
    assert context.scene.frame_current == 9 and context.scene.render.fps_base == pytest.approx(1.001)
    assert {block.name for block in [*bpy.data.objects, *bpy.data.meshes, *bpy.data.actions]} == names
    assert not [entry for entry in tmp_path.iterdir() if "part" in entry.name]


@pytest.mark.parametrize("kind", WRITERS)
def test_export_that_cannot_be_written_says_so_and_leaves_the_old_file(context, tmp_path, kind):
    collection = build_take(context, synthetic.random_take(frames=3, people=1))
    old = tmp_path / f"shot.{kind}"
    old.mkdir()  # nothing can take the place of a folder
    with pytest.raises(SkelError, match="could not be written"):
        WRITERS[kind].write(context, collection, old)
    assert [entry.name for entry in tmp_path.iterdir()] == [old.name]
