# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes as files, for the programs that work on one without a window."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..messages import SkelError


def open_scene(path: Path) -> None:
    """Open a .blend without running what lies in it. Raises SkelError if it can't be read."""
    if not path.is_file():
        raise SkelError("no_file", f"There is no file {path}.", "Check its name.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path.absolute()), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise SkelError("bad_scene", f"{path} is no scene that this Blender can open.", "Choose a .blend file.") from error
