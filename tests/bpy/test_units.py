# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene whose unit is a centimetre, as many make them for games: people are as tall as Blender's rulers say, and files are in metres."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.export import presets, writing
from skel_blender.export.retarget import sample, skeleton
from skel_blender.rig import camera
from skel_blender.rig.assemble import build_take, camera_of, place_of
from skel_blender.rig.editing import placement
from skel_blender.rig.editing.steps import finish
from tests import synthetic, walk
from tests.bpy import characters, deliveries, importing, walking
from tests.bpy.evaluated import evaluated, joint_positions, mesh_points, model_skin, rig_of
from tests.bpy.test_camera import pixels_projected, pixels_seen

CENTIMETRE = 0.01


@pytest.fixture
def scene(context):
    context.scene.unit_settings.scale_length = CENTIMETRE
    return context.scene


def test_people_and_camera_are_as_large_as_the_scenes_rulers_say(scene, take):
    rig = rig_of(build_take(bpy.context, take))
    scene.frame_set(int(take.frames[13]) + 1)
    assert np.abs(CENTIMETRE * joint_positions(rig) - kinematics.z_up(take.people[0].transforms()[13, :, :3, 3])).max() < 1e-4
    points = take.people[0].joints()[13]
    assert np.abs(pixels_seen(scene, points / CENTIMETRE) - pixels_projected(take, points, 13)).max() < 0.1
    assert CENTIMETRE * scene.camera.data.clip_end == pytest.approx(1000.0)


def test_a_scene_keeps_its_units(scene, take):
    scene.unit_settings.system, scene.unit_settings.length_unit = "IMPERIAL", "FEET"
    build_take(bpy.context, take)
    assert (scene.unit_settings.system, scene.unit_settings.length_unit) == ("IMPERIAL", "FEET")


@pytest.mark.parametrize("ending", ["fbx", "glb"])
def test_files_are_in_metres(scene, tmp_path, ending):
    made, preset = deliveries.take(), presets.choose("generic")
    (path,) = deliveries.export(made, tmp_path / f"shot.{ending}")
    found = importing.read(path, made)
    bones = list(deliveries.expected_bones(preset))
    assert np.linalg.norm(found.places(bones) - deliveries.expected_joints(made.people[0], preset), axis=-1).max() < 1e-3
    skin = found.world(np.concatenate([np.array(mesh) for mesh in found.skins[1].values()]))
    assert deliveries.apart(skin, model_skin(made.people[0].body, made.people[0].transforms()[deliveries.SKINNED[1]])) < 1e-3


def test_a_cache_is_in_metres(scene, tmp_path):
    made = deliveries.take()
    rigs = writing.rigs_of(build_take(bpy.context, made).all_objects)
    writing.write(scene, rigs, tmp_path / "shot.abc", presets.choose("generic"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    render = bpy.context.scene.render
    render.fps, render.fps_base = 30, 1.001
    bpy.ops.wm.alembic_import(filepath=str(tmp_path / "shot.abc"))
    bpy.context.scene.frame_set(int(made.people[0].frames[9]) + 1)
    (mesh,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
    expected = model_skin(made.people[0].body, made.people[0].transforms()[9])
    assert np.linalg.norm(mesh_points(mesh) - expected, axis=1).max() < 1e-3


def test_a_unit_is_that_of_the_scene_in_which_people_are(scene, tmp_path):
    """As where a script exports the shots in several scenes, of which one is active at most."""
    rig = rig_of(build_take(bpy.context, walk.take()))
    target, other = characters.mixamo(), bpy.data.scenes.new("other")
    bpy.context.view_layer.update()
    found = []
    for active in (scene, other):
        with bpy.context.temp_override(scene=active, view_layer=active.view_layers[0]):
            (path,) = writing.write(scene, [rig], tmp_path / f"{active.name}.bvh", presets.choose("generic"))
            moves, rest = finish(sample.sample(scene, rig))
            found.append((path.read_text(), moves.places, rest.joints["head"], skeleton.read(target).object_matrix))
    assert found[0][0] == found[1][0]
    assert all(np.array_equal(one, same) for one, same in zip(found[0][1:], found[1][1:]))


def test_feet_stand_on_a_character_of_centimetres(scene):
    source = rig_of(build_take(bpy.context, walk.take()))
    for thing in list(source.children):
        bpy.data.objects.remove(thing)
    target = characters.mixamo()
    target.scale = (1.0, 1.0, 1.0)
    bpy.context.view_layer.update()
    made, _, seen = walking.put(source, target)
    walker = walking.look_at_source(source)
    for one in (walker, seen):
        for places in one.heads.values():
            places *= CENTIMETRE
    assert made.ratio == pytest.approx(0.99, abs=0.01)
    steps = [(side, step) for side in "lr" for step in walking.steps(walker, side)]
    assert len(steps) > 4 and max(walking.slide(seen.heads[f"toe_{side}"][step]) for side, step in steps) < 1e-3


def test_a_solved_camera_is_met(scene, monkeypatch):
    """By a take whose camera stood a turn and a step away from where the solved one does."""
    take = synthetic.random_take(people=1)
    home = build_take(bpy.context, take)
    eye = camera.camera_to_world(take.camera)[0]
    eye[:2, 3] = (eye[:2, 3] + [2.0, -1.0]) / CENTIMETRE
    eye[2, 3] /= CENTIMETRE
    monkeypatch.setattr(placement, "solved_matrices", lambda scene, clip: dict.fromkeys(range(1, 41), eye))
    found = placement.place(scene, home, None)
    bpy.context.view_layer.update()
    assert found.shift == pytest.approx((2.0, -1.0), abs=1e-4) and found.off < 1e-4 and found.height == pytest.approx(1.0, abs=1e-4)
    assert np.abs(np.array(evaluated(camera_of(home)).matrix_world.translation) - eye[:3, 3]).max() < 1e-2
    assert tuple(place_of(home).scale) == pytest.approx((100.0, 100.0, 100.0))


@pytest.mark.parametrize("button, fields", [("smooth", ["most"]), ("thin_keys", ["joint", "contact"])])
def test_distances_that_are_metres_are_not_shown_in_the_scenes_unit(enabled, button, fields):
    properties = getattr(bpy.ops.skel, button).get_rna_type().properties
    assert all(properties[field].unit == "NONE" and properties[field].name.endswith("(m)") for field in fields)
