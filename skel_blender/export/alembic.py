# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic: every point of the skins on every frame, as Blender shows them with all modifiers. Metres, y up, the scene's own times."""

from __future__ import annotations

from pathlib import Path

import bpy


def write(context: bpy.types.Context, path: Path, first: int, last: int) -> None:
    """Write the meshes of the context's scene for its frames from `first` to `last`."""
    bpy.ops.wm.alembic_export(
        filepath=str(path), start=first, end=last, selected=False, flatten=True, uvs=True, packuv=True, normals=True,
        export_hair=False, export_particles=False, export_custom_properties=False, as_background_job=False, evaluation_mode="RENDER",
    )  # fmt: skip
