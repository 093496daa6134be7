# SPDX-License-Identifier: GPL-3.0-or-later
"""The take's camera in files: people who are read in with it lie over the same pixels as in the scene."""

from __future__ import annotations

import json
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from skel_blender.anatomy import JOINT_NAMES
from skel_blender.export import presets, writing
from skel_blender.messages import SkelError
from skel_blender.rig.assemble import build_take, camera_of, place_of
from tests import synthetic
from tests.bpy import dump, importing
from tests.bpy.evaluated import evaluated, mesh_points, rig_of
from tests.importers import programs

FRAMES, FIRST, RATE = 12, 4, 25
SEEN = (0, 1, 5, 11)
PIXEL = 0.5
USD_ZOOMS = bpy.app.version >= (4, 5, 0)  # whether Blender reads it back: 4.2 writes it, and reads the first frame's lens
LOST = {"glb": {"shift": False}, "usdc": {"zoom": USD_ZOOMS}}  # what of a camera does not come back


def moving_take(shift: bool = True, zoom: bool = True, upright: bool = False):
    """One person in random poses before a camera that pans, rises and zooms."""
    take = synthetic.random_take(frames=FRAMES, people=1, first=FIRST, fps=Fraction(RATE))
    synthetic.moving_camera(take)
    take.camera.zoom = np.linspace(1.0, 1.6, FRAMES) if zoom else None
    if upright:
        take.image_size = (720, 1280)
    if upright or not shift:
        take.camera.K[:2, 2] = np.array(take.image_size) / 2 + (np.array([7.0, -12.0]) if shift else 0.0)
    return take


def pixels(scene, camera, points):
    """(N,3) where points of the world are in the picture, px from the lower left corner, and how far before the camera."""
    seen = [world_to_camera_view(scene, camera, Vector(point)) for point in points]
    size = (scene.render.resolution_x, scene.render.resolution_y, 1.0)
    return np.array([tuple(point) for point in seen]) * size


def looked_at(rig, camera, frames):
    """(T,24,3) the pixels of the joints on scene frames (T,)."""
    scene, result = bpy.context.scene, []
    for frame in frames:
        scene.frame_set(int(frame), subframe=float(frame % 1.0))
        posed = evaluated(rig)
        result.append(pixels(scene, evaluated(camera), [posed.matrix_world @ posed.pose.bones[name].head for name in JOINT_NAMES]))
    return np.array(result)


def shown(context, take):
    """The take's rig, and the pixels of its joints in the scene on the frames that are compared."""
    rig = rig_of(build_take(context, take))
    return rig, looked_at(rig, camera_of(rig.users_collection[0]), [FIRST + 1 + frame for frame in SEEN])


def read_in(path, take, new_fbx=False):
    """A file in an empty scene with the footage's picture: its armature, its camera and the scene frame of its first."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    render = bpy.context.scene.render
    render.fps, render.fps_base = RATE, 1.0
    render.resolution_x, render.resolution_y = take.image_size
    name = str(path)
    if new_fbx:
        bpy.ops.wm.fbx_import(filepath=name, anim_offset=0.0)
    else:
        {".fbx": lambda: bpy.ops.import_scene.fbx(filepath=name, anim_offset=0.0),
         ".glb": lambda: bpy.ops.import_scene.gltf(filepath=name), ".usdc": lambda: bpy.ops.wm.usd_import(filepath=name),
         ".abc": lambda: bpy.ops.wm.alembic_import(filepath=name, as_background_job=False)}[path.suffix]()  # fmt: skip
    (camera,) = (thing for thing in bpy.data.objects if thing.type == "CAMERA")
    if path.suffix == ".fbx":
        camera.data.sensor_fit = "HORIZONTAL"  # as its GateFit says, which Blender's importers do not read
    return next((thing for thing in bpy.data.objects if thing.type == "ARMATURE"), None), camera


CASES = [("fbx", "generic"), ("fbx", "unreal"), ("fbx", "unity"), ("glb", "generic"), ("usdc", "generic"), ("usdc", "unreal")]


def apart(found, expected):
    """The greatest distance in the picture, px."""
    return np.linalg.norm((found - expected)[..., :2], axis=-1).max()


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize(("ending", "preset"), CASES)
def test_people_lie_over_the_same_pixels_in_a_file(context, tmp_path, ending, preset, upright):
    take = moving_take(**LOST.get(ending, {}), upright=upright)
    rig, expected = shown(context, take)
    (path,) = writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose(preset, camera=True, names="skel"))
    found = looked_at(*read_in(path, take), SEEN)
    assert apart(found, expected) < PIXEL
    unit = presets.PRESETS[preset].unit if ending == "fbx" else 1.0
    assert min(np.abs(found[..., 2] / expected[..., 2] - size).max() for size in (1.0, unit)) < 1e-3  # as far away
    assert np.ptp(expected[..., 0], axis=0).max() > 100  # the camera moves


def test_blenders_newer_importer_sees_the_same(context, tmp_path):
    if not importing.has_new_fbx():
        pytest.skip("this Blender has no second FBX importer")
    take = moving_take()
    rig, expected = shown(context, take)
    (path,) = writing.write(context.scene, [rig], tmp_path / "shot.fbx", presets.choose("unreal", camera=True, names="skel"))
    assert apart(looked_at(*read_in(path, take, new_fbx=True), SEEN), expected) < PIXEL


READERS = [("glb", "read_three.mjs"), ("glb", "read_assimp.mjs"), ("fbx", "read_assimp.mjs"), ("usdc", "read_usd.py")]


@pytest.mark.parametrize(("ending", "script"), READERS)
def test_other_programs_see_the_same(context, tmp_path, ending, script):
    """Of FBX, assimp leaves out how a lens is shifted and zooms; of glTF, three.js and assimp the latter."""
    take = moving_take(shift=ending == "usdc", zoom=ending == "usdc")
    rig, expected = shown(context, take)
    (path,) = writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose("generic", camera=True))
    times = (json.dumps([frame / RATE for frame in SEEN]), "[]")
    if script.endswith(".py"):
        answer = json.loads(programs.run(programs.HERE / script, path, *times))
        (answer["joints"],) = (person["joints"] for person in answer["people"].values())
    else:
        answer = programs.node(script, path, *times)
    size, found = np.array(take.image_size), []
    for cameras, joints in zip(answer["cameras"], answer["joints"]):
        ((name, seen),) = cameras.items()
        place, projection = (np.array(seen[kind]).reshape(4, 4) for kind in ("place", "projection"))
        points = np.array([[*joints[bone], 1.0] for bone in JOINT_NAMES])
        clipped = points @ np.linalg.inv(place).T @ projection.T
        found.append((clipped[:, :2] / clipped[:, 3:] + 1.0) / 2.0 * size)
    assert name == "take_camera"
    assert apart(np.array(found), expected[..., :2]) < PIXEL


@pytest.mark.parametrize("ending", ["fbx", "glb", "usdc"])
def test_a_take_that_was_moved_turned_and_scaled_in_a_scene_of_centimetres(context, tmp_path, ending):
    context.scene.unit_settings.scale_length = 0.01
    take = moving_take(**LOST.get(ending, {}))
    rig = rig_of(build_take(context, take))
    place = place_of(rig.users_collection[0])
    place.location, place.rotation_euler, place.scale = (30.0, -200.0, 50.0), (0.2, 0.1, 1.3), (150.0, 150.0, 150.0)
    context.view_layer.update()
    expected = looked_at(rig, camera_of(rig.users_collection[0]), [FIRST + 1 + frame for frame in SEEN])
    preset = presets.choose("generic", camera=True, skin=False)
    (path,) = writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", preset)
    found = looked_at(*read_in(path, take), SEEN)
    assert apart(found, expected) < PIXEL
    assert np.abs(0.01 * expected[..., 2] / found[..., 2] - 1.0).max() < 1e-3  # in metres


def test_a_cache_has_the_camera_on_the_scenes_frames(context, tmp_path):
    context.scene.unit_settings.scale_length = 0.01
    take = moving_take(zoom=False)  # of which Blender reads the first frame
    rig = rig_of(build_take(context, take))
    frames = [FIRST + 1 + frame for frame in SEEN]
    skin = next(thing for thing in rig.children if thing.get("skel_part") == "skin")

    def looked(mesh, camera):
        result = []
        for frame in frames:
            context.scene.frame_set(frame)
            result.append(pixels(context.scene, evaluated(camera), mesh_points(mesh)[::100]))
        return np.array(result)

    expected = looked(skin, camera_of(rig.users_collection[0]))
    (path,) = writing.write(context.scene, [rig], tmp_path / "shot.abc", presets.choose("generic", camera=True, travel="none"))
    _, camera = read_in(path, take)
    (mesh,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
    found = looked(mesh, camera)
    assert apart(found, expected) < PIXEL
    assert np.abs(0.01 * expected[..., 2] / found[..., 2] - 1.0).max() < 1e-3  # in metres
    assert np.allclose(evaluated(camera).matrix_world.to_scale(), 1.0, atol=1e-5)


def test_a_cache_holds_how_the_camera_zooms(context, tmp_path):
    take = moving_take()
    rig, _ = shown(context, take)
    (path,) = writing.write(context.scene, [rig], tmp_path / "shot.abc", presets.choose("generic", camera=True))
    held = path.read_bytes()
    numbers = np.concatenate([np.frombuffer(held[k : k + (len(held) - k) // 8 * 8], "<f8") for k in range(8)])
    numbers = numbers[np.isfinite(numbers)]
    assert all((np.abs(numbers - 1100.0 * 36.0 / 1280 * zoom) < 1e-4).any() for zoom in take.camera.zoom)


@pytest.mark.parametrize("ending", ["fbx", "glb", "usdc"])
def test_a_camera_that_stands_still(context, tmp_path, ending):
    take = synthetic.random_take(frames=FRAMES, people=1, first=FIRST, fps=Fraction(RATE))
    take.camera.K[:2, 2] = 640, 360
    rig, expected = shown(context, take)
    (path,) = writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose("generic", camera=True))
    rig, camera = read_in(path, take)
    assert apart(looked_at(rig, camera, SEEN), expected) < PIXEL
    if ending == "glb":  # its node too, which is what is seen where nothing plays
        camera.animation_data_clear()
        assert camera.data.animation_data is None and apart(looked_at(rig, camera, SEEN[:1]), expected[:1]) < PIXEL


@pytest.mark.parametrize(("fit", "upright"), [("AUTO", False), ("AUTO", True), ("VERTICAL", False), ("VERTICAL", True)])
def test_however_the_camera_says_what_it_sees(context, tmp_path, fit, upright):
    take = moving_take(zoom=USD_ZOOMS, upright=upright)
    rig = rig_of(build_take(context, take))
    eye = camera_of(rig.users_collection[0])
    eye.data.sensor_fit, eye.data.sensor_height, eye.scale = fit, 20.0, (1.0, 1.0, 2.0)
    expected = looked_at(rig, eye, [FIRST + 1 + frame for frame in SEEN])
    (path,) = writing.write(context.scene, [rig], tmp_path / "shot.usdc", presets.choose("generic", camera=True))
    assert apart(looked_at(*read_in(path, take), SEEN), expected) < PIXEL


def test_pixels_that_are_not_square(context, tmp_path):
    take = moving_take(zoom=USD_ZOOMS)
    take.camera.K[1, 1] = take.camera.K[0, 0] / 1.2
    rig, expected = shown(context, take)
    (path,) = writing.write(context.scene, [rig], tmp_path / "shot.usdc", presets.choose("generic", camera=True))
    rig, camera = read_in(path, take)
    context.scene.render.pixel_aspect_y = 1.2
    assert apart(looked_at(rig, camera, SEEN), expected) < PIXEL
    assert camera.data.sensor_height / camera.data.sensor_width == pytest.approx(720 * 1.2 / 1280)


def two_takes(context):
    takes = [synthetic.random_take(frames=3, people=1, seed=seed) for seed in (0, 1)]
    return [rig_of(build_take(context, take, collection_name=name)) for take, name in zip(takes, "ab")]


def test_a_file_for_each_person_has_the_camera_of_each(context, tmp_path):
    rigs = two_takes(context)
    with pytest.raises(SkelError, match="person_1 and person_1.001 belong to different takes, each with its own camera. Export one take"):
        writing.write(context.scene, rigs, tmp_path / "shot.glb", presets.choose("generic", camera=True))
    assert not list(tmp_path.iterdir())
    files = writing.write(context.scene, rigs, tmp_path / "shot.fbx", presets.choose("unity", camera=True))
    take = synthetic.random_take(frames=3, people=1)
    assert [read_in(file, take)[1].name for file in files] == ["a_camera", "b_camera"]


@pytest.mark.parametrize(("ending", "changes", "sentence"), [
    ("bvh", {}, "A .bvh holds no camera. Leave it out"),
    ("fbx", {"travel": "none"}, "With the motion in place, people are not where the camera sees them."),
    ("glb", {"clips": "all"}, "A camera can only be exported with one motion."),
])  # fmt: skip
def test_what_cannot_be_is_said_before_a_file_is_written(context, tmp_path, ending, changes, sentence):
    rig = rig_of(build_take(context, synthetic.random_take(frames=3, people=1)))
    with pytest.raises(SkelError, match=sentence):
        writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose("generic", camera=True, **changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["fbx", "abc"])
@pytest.mark.parametrize(("spoil", "sentence"), [
    (lambda eye: bpy.data.objects.remove(eye), "The take of person_1 no longer has a camera. Undo, or leave the camera out."),
    (lambda eye: setattr(eye.data, "type", "ORTHO"), "take_camera is not a perspective camera"),
    (lambda eye: setattr(eye, "scale", (-1.0, 1.0, 1.0)), "take_camera is mirrored"),
    (lambda eye: (eye.data.keyframe_insert("shift_x", frame=1), setattr(eye.data, "shift_x", 0.4),
                  eye.data.keyframe_insert("shift_x", frame=3)), "The shift of take_camera is animated"),
])  # fmt: skip
def test_a_camera_that_no_file_can_hold_is_said(context, tmp_path, ending, spoil, sentence):
    rig = rig_of(build_take(context, synthetic.random_take(frames=3, people=1)))
    spoil(camera_of(rig.users_collection[0]))
    for camera in (True, False):
        with pytest.raises(SkelError, match=sentence) if camera else nullcontext():
            writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose("generic", camera=camera))
        assert bool(list(tmp_path.iterdir())) is not camera


def test_the_scene_stays_as_it_was(context, tmp_path):
    rig, _ = shown(context, moving_take())
    eye = camera_of(rig.users_collection[0])
    eye.data.lens = 77.0  # not keyed
    before = dump.dump()
    for ending in ("fbx", "glb", "usdc", "abc"):
        writing.write(context.scene, [rig], tmp_path / f"shot.{ending}", presets.choose("unreal", camera=True))
        assert dump.differences(before, dump.dump()) == [], ending


def test_a_shift_that_a_file_lacks_is_told(context):
    rig, _ = shown(context, moving_take())

    def told(ending, **changes):
        return writing.left_out([rig], Path(f"shot{ending}"), presets.choose("generic", **changes))

    assert told(".glb", camera=True).startswith("Left out: the shift of take_camera. glTF cameras have none")
    assert told(".glb") == told(".fbx", camera=True) == ""
    eye = camera_of(rig.users_collection[0])
    eye.data.shift_x = eye.data.shift_y = 0.0
    assert told(".glb", camera=True) == ""
