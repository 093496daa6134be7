# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF binary: armatures as skins, and one animation of the whole take, sampled on every frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from . import only_selected, rigs_and_meshes, whole_file


def write(context: bpy.types.Context, collection: bpy.types.Collection, path: Path) -> None:
    """Write a take's collection as .glb; its first frame is at time zero. Raises SkelError if the file can't be written."""
    with whole_file(path) as part, only_selected(context, rigs_and_meshes(collection)), _true_seconds(context.scene):
        bpy.ops.export_scene.gltf(
            filepath=str(part), export_format="GLB", use_selection=True, export_yup=True, export_apply=False,
            export_skins=True, export_influence_nb=4, export_animations=True, export_animation_mode="SCENE",
            export_anim_scene_split_object=False, export_force_sampling=True, export_anim_slide_to_zero=True,
            export_optimize_animation_size=False, export_def_bones=True,
        )  # fmt: skip


@contextmanager
def _true_seconds(scene: bpy.types.Scene) -> Iterator[None]:
    """Blender's exporter (4.2 to 5.2) takes fps * fps_base for the frame rate, which is fps / fps_base: give it the inverse base."""
    base = scene.render.fps_base
    scene.render.fps_base = 1.0 / base
    try:
        yield
    finally:
        scene.render.fps_base = base
