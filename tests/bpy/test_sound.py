# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage that has sound is heard, from the take's first frame on."""

from __future__ import annotations

import math
import shutil
import wave
from pathlib import Path

import bpy
import pytest

from skel_blender.rig import assemble, compat, record, sound
from skel_blender.rig.editing import timing

DATA = Path(__file__).resolve().parents[1] / "data"
heard = pytest.mark.skipif(not bpy.app.build_options.audaspace, reason="this Blender plays no sound")


@pytest.fixture
def tone(tmp_path):
    """Half a second of a sound."""
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(int(8000 * math.sin(0.3 * k)).to_bytes(2, "little", signed=True) for k in range(4000)))
    return path


@pytest.fixture
def clip(context, tone, tmp_path):
    """A video with sound, which Blender's own sequencer has made."""
    scene = bpy.data.scenes.new("studio")
    strips = compat.strips(scene, create=True)
    strips.new_movie("picture", str(DATA / "tfjs_pose1.mp4"), 1, 1)
    strips.new_sound("tone", str(tone), 2, 1)
    scene.frame_end, scene.render.resolution_x, scene.render.resolution_y = 10, 64, 64
    image = scene.render.image_settings
    if hasattr(image, "media_type"):  # since 5.0
        image.media_type = "VIDEO"
    image.file_format = "FFMPEG"
    scene.render.ffmpeg.format, scene.render.ffmpeg.codec, scene.render.ffmpeg.audio_codec = "MPEG4", "MPEG4", "AAC"
    scene.render.filepath = str(tmp_path / "clip.mp4")
    scene.render.use_file_extension = False
    bpy.ops.render.render(animation=True, scene=scene.name)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return tmp_path / "clip.mp4"


def strips() -> list[tuple[str, int]]:
    return [(Path(strip.sound.filepath).name, round(compat.strip_start(strip))) for strip in compat.strips(bpy.context.scene)]


@heard
def test_a_take_brings_its_sound_once_and_it_moves_with_the_take(context, take, clip):
    scene = context.scene
    one = assemble.build_take(context, take, clip)
    assert strips() == [("clip.mp4", 1)] and len(bpy.data.sounds) == 1
    timing.move(scene, one, 101)
    assert strips() == [("clip.mp4", 101)]
    other = assemble.build_take(context, take, clip, before=one)  # another version in the same time
    assert strips() == [("clip.mp4", 101)]
    timing.move(scene, other, 501)
    assert sorted(strips()) == [("clip.mp4", 101), ("clip.mp4", 501)]
    compat.move_strip(sound.find(scene, clip, 501), 600)  # the user's now
    timing.move(scene, other, 1)
    assert sorted(strips()) == [("clip.mp4", 101), ("clip.mp4", 600)] and record.start_of(other) == 1


def test_footage_without_sound_leaves_the_sequencer_alone(context, take):
    assemble.build_take(context, take, DATA / "tfjs_pose1.mp4")
    assert not len(compat.strips(context.scene)) and not len(bpy.data.sounds)


@heard
def test_a_sound_goes_into_a_channel_of_its_own(context, tone, tmp_path):
    music = shutil.copy(tone, tmp_path / "music.wav")
    compat.strips(context.scene, create=True).new_sound("music", str(music), 3, 1)
    made = sound.lay(context.scene, tone, 1)
    assert made.channel == 4 and sound.lay(context.scene, tone, 1) == made
    assert sound.lay(context.scene, tmp_path / "gone.mp4", 1) is None
