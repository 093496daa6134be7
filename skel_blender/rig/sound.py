# SPDX-License-Identifier: GPL-3.0-or-later
"""The sound of the footage, on the scene's timeline: a strip of the Sequencer, which is heard while the scene plays or is scrubbed."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import compat, paths


def lay(scene: bpy.types.Scene, path: Path, start: int) -> bpy.types.Strip | None:
    """Let the sound of the footage at `path` begin at the scene frame `start`, once; None if it has no sound, or Blender plays none."""
    found = find(scene, path, start)
    if found is not None or not _is_heard(path):
        return found
    strips = compat.strips(scene, create=True)
    channel = 1 + max((strip.channel for strip in strips), default=0)
    return strips.new_sound(path.stem, paths.kept(path), channel, start)


def find(scene: bpy.types.Scene, path: Path, start: int) -> bpy.types.Strip | None:
    """The strip with the footage's sound that begins at a scene frame; one that the user has put elsewhere is his."""
    for strip in compat.strips(scene):
        if strip.type == "SOUND" and strip.sound is not None and round(compat.strip_start(strip)) == start:
            if paths.absolute(strip.sound.filepath, strip.sound.library) == path:
                return strip
    return None


def _is_heard(path: Path) -> bool:
    """Whether Blender finds sound in a file."""
    try:
        sound = bpy.data.sounds.load(str(path))
    except RuntimeError:
        return False
    heard = sound.samplerate > 0
    bpy.data.sounds.remove(sound)
    return heard
