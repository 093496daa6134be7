# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `skel_blender.rig`, `skel_blender.rig.picture` and `skel_blender.export`: each once as a user's shell runs it, since that
takes Blender's start each time; else their `main` here."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import bpy
import numpy as np
import pytest

from skel_blender import take as takes
from skel_blender.messages import SkelError
from skel_blender.rig import picture, presence, record
from skel_blender.rig.assemble import build_take
from tests import synthetic
from tests.bpy.pictures import corner, save_picture


@pytest.fixture
def saved(tmp_path):
    """Path of a saved Take of 5 frames."""
    path = tmp_path / "take.npz"
    take = synthetic.random_take(frames=5, first=2)
    take.image_size = (128, 72)
    take.camera.K[:2] *= 0.1
    takes.save(take, path)
    return path


def run(repository, *arguments, module="skel_blender.rig"):
    """In a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.fixture
def main(monkeypatch):
    """A command's `main` in this process."""

    def called(*arguments, module="skel_blender.rig"):
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        importlib.import_module(module if module.endswith("picture") else f"{module}.__main__").main()

    return called


def test_saved_file_opens_ready_to_look_at(repository, saved, tmp_path, tmp_path_factory, monkeypatch):
    out, temporary = tmp_path / "shot.blend", tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    done = run(repository, saved, "--out", out)
    assert done.returncode == 0, done.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["shot.blend", "take.npz"]
    assert not list(temporary.iterdir()), "Blender's folder goes too"
    bpy.ops.wm.open_mainfile(filepath=str(out))
    scene = bpy.context.scene
    collection = bpy.data.collections["shot"]
    assert sum(thing.type == "ARMATURE" for thing in collection.objects) == 2
    assert (scene.frame_start, scene.frame_end) == (3, 7)
    assert scene.camera in list(collection.objects)
    assert scene.world and [thing for thing in scene.objects if thing.type == "LIGHT"]
    assert bpy.context.view_layer.objects.active == collection.objects["person_1"]
    assert not collection.objects["person_1"].show_in_front
    scene.frame_set(5)
    evaluated = collection.objects["person_2"].evaluated_get(bpy.context.evaluated_depsgraph_get())
    heads = np.array([evaluated.pose.bones[name].head for name in ("hand_r", "toes_l")])
    expected = takes.load(saved).people[1].joints()[2]
    assert np.abs(heads - expected[[18, 10]]).max() < 1e-4
    scene.frame_set(8)
    evaluated = collection.objects["person_2"].evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert evaluated.hide_viewport and evaluated.hide_render, "out of sight where he was not seen"


def test_an_ending_in_capitals_is_the_same(main, saved, tmp_path):
    main(saved, "--out", tmp_path / "SHOT.BLEND")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "SHOT.BLEND"))
    assert presence.is_on(bpy.data.objects["person_1"])


@pytest.mark.parametrize("ending", ["fbx", "usdc"])
def test_exports_by_ending(main, saved, tmp_path, ending):
    out = tmp_path / f"shot.{ending}"
    main(saved, "--out", out)
    assert out.stat().st_size > 10_000


def test_a_scene_is_exported_by_preset(repository, main, saved, tmp_path):
    main(saved, "--out", tmp_path / "shot.blend")
    done = run(repository, tmp_path / "shot.blend", "--out", tmp_path / "game.fbx", "--preset=unity", module="skel_blender.export")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("game*")) == ["game_person_1.fbx", "game_person_2.fbx"]
    main(tmp_path / "shot.blend", "--out", tmp_path / "one.bvh", "--person=2", "--names=mixamo", module="skel_blender.export")
    assert "mixamorig:Hips" in (tmp_path / "one.bvh").read_text()


def test_the_takes_camera_goes_into_a_file_that_asks_for_it(main, saved, tmp_path):
    main(saved, "--out", tmp_path / "shot.blend")
    for module, source in (("skel_blender.rig", saved), ("skel_blender.export", tmp_path / "shot.blend")):
        for asked in ("--take-camera", "--no-take-camera"):
            main(source, "--out", tmp_path / "shot.fbx", asked, *["--overwrite"] * module.endswith("export"), module=module)
            assert (b"CameraProjectionType" in (tmp_path / "shot.fbx").read_bytes()) is (asked == "--take-camera")


def test_what_a_file_lacks_of_a_skin_is_told(main, saved, tmp_path, capfd):
    main(saved, "--out", tmp_path / "shot.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    skin = next(thing for thing in bpy.data.objects if thing.get("skel_part") == "skin")
    skin.shape_key_add(name="Basis")
    skin.modifiers.new("Fewer", "DECIMATE")
    bpy.ops.wm.save_mainfile()
    capfd.readouterr()
    for name, told in (("game.fbx", True), ("game.abc", False), ("game.bvh", False)):
        main(tmp_path / "shot.blend", "--out", tmp_path / name, module="skel_blender.export")
        assert ("Left out: Fewer, Shape Keys. Apply" in capfd.readouterr().out) == told


@pytest.mark.parametrize(
    ("blend", "options", "sentence"),
    [
        ("missing.blend", ("--out", "x.fbx"), "There is no file"),
        ("broken.blend", ("--out", "x.fbx"), "is not a scene that this Blender can open"),
        ("empty.blend", ("--out", "x.fbx"), "no reconstructed person"),
    ],
)
def test_a_scene_that_cannot_be_exported_is_one_sentence(context, main, tmp_path, blend, options, sentence):
    (tmp_path / "broken.blend").write_bytes(b"broken")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "empty.blend"))
    with pytest.raises(SkelError, match=sentence):
        main(tmp_path / blend, "--out", tmp_path / options[1], module="skel_blender.export")
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize(
    ("take", "out", "extra", "sentence"),
    [
        ("missing.npz", "shot.blend", (), "There is no file"),
        ("broken.npz", "shot.blend", (), "is not a Take"),
        ("take.npz", "shot.obj", (), "Choose one of .blend, .fbx, .glb,"),
        ("take.npz", "nowhere/shot.blend", (), "Make it or choose another."),
        ("take.npz", "shot.blend", ("--clip", "gone.mp4"), "gone.mp4"),
        ("take.npz", "shot.blend", ("--person", "2"), "have no effect on a .blend"),
        ("take.npz", "shot.blend", ("--no-skin",), "have no effect on a .blend"),
    ],
)
def test_bad_input_gets_one_sentence_and_writes_nothing(main, saved, tmp_path, take, out, extra, sentence):
    (tmp_path / "broken.npz").write_bytes(b"broken")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SkelError, match=sentence):
        main(tmp_path / take, "--out", tmp_path / out, *extra)
    assert sorted(tmp_path.iterdir()) == before


def test_a_users_error_ends_the_process_with_its_sentence_alone(repository, saved, tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"broken")
    done = run(repository, tmp_path / "broken.npz", "--out", tmp_path / "shot.blend")
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path / 'broken.npz'} is not a Take or is damaged. Reconstruct the clip again.\n"


@pytest.mark.parametrize("step", [1, 3])
def test_pictures_show_person_and_footage(repository, main, saved, tmp_path, step):
    """Footage behind the camera in step with the scene, whatever its numbers; the picture from the side has none."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(8):
        save_picture(frames / f"f{number * step:03d}_left.png", (0.0, number / 8, 1.0), (16, 9))
    take = takes.load(saved)
    take.source = str(frames / "f000_left.png")
    takes.save(take, saved)
    main(saved, "--out", tmp_path / "shot.blend")
    done = run(repository, tmp_path / "shot.blend", tmp_path / "out", "--frames", "3,6", "--samples", "2", "--percent", "100",
               module="skel_blender.rig.picture")  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr  # nor what Blender says of drivers
    for number in (3, 6):
        shown = corner(tmp_path / "out" / f"camera_{number:04d}.png")
        expected = corner(frames / f"f{(number - 1) * step:03d}_left.png")
        assert np.abs(shown - expected).max() < 0.02
        assert np.ptp(corner(tmp_path / "out" / f"side_{number:04d}.png")[:3]) < 0.1  # a grey floor


@pytest.fixture
def unrendered(monkeypatch):
    """Pictures are not rendered; what would be is told: title, frames, the camera's width on the floor or None."""
    told = []

    def render(scene, frames, folder, title):
        lens = scene.camera.data
        told.append((title, frames, lens.ortho_scale if lens.type == "ORTHO" else None))

    monkeypatch.setattr(picture, "_render", render)
    return told


def test_from_the_side_people_fill_the_picture_wherever_they_are(main, context, tmp_path, unrendered):
    """The controls of limbs that follow their angles stand at the world's origin."""
    for number, away in enumerate((0.0, 50.0)):
        take = synthetic.random_take(frames=5, people=1)
        take.people[0].trans[:, 0] += away
        bpy.ops.wm.read_factory_settings(use_empty=True)
        home = build_take(context, take)
        own = bpy.data.materials.new("Body_skin")  # somebody's, without nodes
        skin = record.parts(next(thing for thing in home.objects if record.is_rig(thing)), "skin")[0]
        for material in (own, None):
            skin.data.materials.append(material)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / f"{number}.blend"))
        main(tmp_path / f"{number}.blend", tmp_path / "out", module="skel_blender.rig.picture")
    assert [title for title, *_ in unrendered] == ["camera", "side"] * 2
    assert unrendered[3][2] == pytest.approx(unrendered[1][2], rel=1e-3)


def test_a_picture_in_which_nobody_is_says_so(main, saved, tmp_path, unrendered, capfd):
    main(saved, "--out", tmp_path / "shot.blend")
    first, last = bpy.context.scene.frame_start, bpy.context.scene.frame_end
    there = f"visible in frame {last + 1}, 900: the scene has frames {first} to {last}."
    for frames, said in ((f"{first},{last}", ""), (f"{first},{last + 1},900", there)):
        capfd.readouterr()
        main(tmp_path / "shot.blend", tmp_path / "out", "--frames", frames, module="skel_blender.rig.picture")
        told = capfd.readouterr().err
        assert said in told and ("Nobody" in told) == bool(said)


@pytest.mark.parametrize(("blend", "folder", "sentence"), [
    ("shot.blend", "shot.blend", "shot.blend could not be made"), ("empty.blend", "out", "has no camera, or nobody in it is switched on"),
    ("off.blend", "out", "has no camera, or nobody in it is switched on"), ("missing.blend", "out", "There is no file"),
])  # fmt: skip
def test_a_scene_of_which_no_pictures_are_made_is_one_sentence(main, saved, tmp_path, unrendered, blend, folder, sentence):
    main(saved, "--out", tmp_path / "shot.blend")
    bpy.context.view_layer.layer_collection.children["shot"].exclude = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "off.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "empty.blend"))
    with pytest.raises(SkelError, match=sentence):
        main(tmp_path / blend, tmp_path / folder, module="skel_blender.rig.picture")
    assert not unrendered
