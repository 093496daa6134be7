# SPDX-License-Identifier: GPL-3.0-or-later
"""USD: UsdSkel skeletons with skinned meshes and one animation, metres and z up."""

from __future__ import annotations

from pathlib import Path

import bpy

from .delivery import Space
from .presets import Preset


def space(preset: Preset) -> Space:
    """Axes and unit of the file."""
    return Space(1.0, "Z")


def write(context: bpy.types.Context, path: Path, preset: Preset, several: bool) -> None:
    """Write the context's scene, one clip."""
    bpy.ops.wm.usd_export(
        filepath=str(path), selected_objects_only=False, export_animation=True, export_armatures=True, only_deform_bones=False,
        export_meshes=True, export_uvmaps=True, export_materials=True, export_hair=False, export_custom_properties=False,
        author_blender_name=False, evaluation_mode="RENDER",
    )  # fmt: skip
