# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of footage and sound, as the .blend file keeps them and as the system knows them."""

from __future__ import annotations

import os
from pathlib import Path

import bpy


def kept(path: Path) -> str:
    """A path as the .blend file is to keep it: relative to its folder, if the user prefers that and both lie on one drive."""
    if not bpy.data.filepath or not bpy.context.preferences.filepaths.use_relative_paths:
        return str(path)
    try:
        relative = bpy.path.relpath(str(path), start=str(Path(bpy.data.filepath).parent.resolve()))
    except ValueError:  # another drive
        return str(path)
    return relative if absolute(relative) == path.resolve() else str(path)  # which a link on the way leads elsewhere


def absolute(text: str, library: bpy.types.Library | None = None) -> Path:
    """The path that this file, or the one that something is linked from, keeps as `text`: `..` is what it says, before links are followed,
    as Blender has it."""
    return Path(os.path.normpath(bpy.path.abspath(text, library=library))).resolve()
