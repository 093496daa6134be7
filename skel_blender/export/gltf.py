# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF binary: armatures as skins, a clip sampled on every frame, metres and y up as the format asks."""

from __future__ import annotations

from pathlib import Path

import bpy

from .delivery import Space
from .presets import Preset


def space(preset: Preset) -> Space:
    """Axes and unit of the file."""
    return Space(1.0, "Y")


def write(context: bpy.types.Context, path: Path, preset: Preset, several: bool) -> None:
    """Write the context's scene; `several` clips lie in NLA tracks, and tracks of one name are one clip of all people."""
    render = context.scene.render
    render.fps_base = 1.0 / render.fps_base  # Blender's exporter (4.2 to 5.2) takes fps * fps_base for the frame rate
    bpy.ops.export_scene.gltf(
        filepath=str(path), export_format="GLB", use_selection=False, use_active_scene=True, export_yup=False, export_apply=False,
        export_skins=True, export_influence_nb=_influences(context.scene), export_animations=True,
        export_animation_mode="NLA_TRACKS" if several else "SCENE", export_anim_scene_split_object=False, export_force_sampling=True,
        export_anim_slide_to_zero=True, export_optimize_animation_size=False, export_def_bones=False, export_rest_position_armature=True,
    )  # fmt: skip


def _influences(scene: bpy.types.Scene) -> int:
    """Joints that move a vertex, rounded up to sets of four as the format has them."""
    counts = (len(vertex.groups) for thing in scene.objects if thing.type == "MESH" for vertex in thing.data.vertices)
    return 4 * max(1, -(-max(counts, default=4) // 4))
