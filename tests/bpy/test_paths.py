# SPDX-License-Identifier: GPL-3.0-or-later
"""The .blend refers to footage and sound by where they lie beside it, so that a project can be moved as a whole."""

from __future__ import annotations

import json
import wave
from dataclasses import replace

import bpy
import pytest

from skel_blender import take as takes
from skel_blender.rig import camera, compat, paths, sound
from skel_blender.rig.assemble import build_take
from tests import synthetic
from tests.bpy.pictures import save_picture

IMAGE = "frame_0007.png"


@pytest.fixture
def project(context, tmp_path):
    """A folder with a saved .blend, images, and a sound."""
    folder = tmp_path / "project"
    (folder / "footage").mkdir(parents=True)
    for number in range(7, 12):
        save_picture(folder / "footage" / f"frame_{number:04d}.png")
    with wave.open(str(folder / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(8000))
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    return folder


@pytest.fixture
def shot(project):
    """A Take of the images."""
    made_of = json.dumps({"inputs": [str(project / "footage")]})
    return replace(synthetic.random_take(frames=5, people=1), source=str(project / "footage" / IMAGE), settings=made_of)


def clip() -> bpy.types.MovieClip:
    """The one in the file."""
    (found,) = bpy.data.movieclips
    return found


def test_footage_and_sound_are_found_when_the_project_was_moved(project, shot, tmp_path):
    build_take(bpy.context, shot)
    assert clip().filepath.replace("\\", "/") == f"//footage/{IMAGE}"
    assert (clip().source, clip().frame_duration) == ("SEQUENCE", 5)
    assert camera.load_footage(shot, None) == clip() and camera.footage_of(bpy.context.scene.camera) == project / "footage" / IMAGE
    if bpy.app.build_options.audaspace:
        strip = sound.lay(bpy.context.scene, project / "tone.wav", 1)
        assert strip.sound.filepath == "//tone.wav" and sound.find(bpy.context.scene, project / "tone.wav", 1) == strip
    bpy.ops.wm.save_mainfile()
    moved = project.rename(tmp_path / "elsewhere")
    bpy.ops.wm.open_mainfile(filepath=str(moved / "shot.blend"))
    assert camera.footage_of(bpy.context.scene.camera) == moved / "footage" / IMAGE and tuple(clip().size) == (8, 4)
    for strip in compat.strips(bpy.context.scene):
        assert sound.find(bpy.context.scene, moved / "tone.wav", 1) == strip


def test_a_path_is_whole_where_the_user_prefers_it_or_nothing_else_is_right(project, context, monkeypatch):
    path = project / "footage" / IMAGE
    assert paths.kept(path) != str(path)

    def refuse(*arguments, **options):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    with monkeypatch.context() as patch:
        patch.setattr(bpy.path, "relpath", refuse)
        assert paths.kept(path) == str(path)
    context.preferences.filepaths.use_relative_paths = False
    assert paths.kept(path) == str(path)
    context.preferences.filepaths.use_relative_paths = True
    bpy.ops.wm.read_factory_settings(use_empty=True)  # not saved yet
    assert paths.kept(path) == str(path)


def test_a_folder_that_is_a_link_is_entered_but_not_left(project, tmp_path):
    """Blender goes from there to the link's own folder, the system to that of what it leads to."""
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "here").symlink_to(project, target_is_directory=True)
    (tmp_path / "outside").mkdir()
    for path in (tmp_path / "outside" / "a.png", project / "b.png"):
        save_picture(path)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "links" / "here" / "shot.blend"))
    assert paths.kept(project / "b.png") == "//b.png" and paths.kept(tmp_path / "outside" / "a.png") == str(tmp_path / "outside" / "a.png")


@pytest.mark.parametrize("hidden", [False, True])
def test_the_commands_scene_refers_to_footage_from_where_it_will_lie(project, shot, monkeypatch, hidden):
    """Also where it is written in a folder of its own before it takes its place."""
    from skel_blender.rig import __main__ as command

    (project / ".work").mkdir()
    takes.save(shot, project / "take.npz")
    out = project / (".work/made.blend" if hidden else "made.blend")
    monkeypatch.setattr("sys.argv", ["rig", str(project / "take.npz"), "--out", str(out), *[f"--folder={project}"] * hidden])
    before = {entry.name for entry in project.iterdir()}
    command.main()
    assert {entry.name for entry in project.iterdir()} - before == (set() if hidden else {"made.blend"})
    bpy.ops.wm.open_mainfile(filepath=str(out.rename(project / "made.blend")))
    assert clip().filepath.replace("\\", "/") == f"//footage/{IMAGE}" and tuple(clip().size) == (8, 4)
    assert camera.footage_of(bpy.context.scene.camera) == project / "footage" / IMAGE
