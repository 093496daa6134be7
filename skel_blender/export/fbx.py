# SPDX-License-Identifier: GPL-3.0-or-later
"""FBX for game engines: armatures, skinned meshes and a key on every frame, in metres."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import only_selected, rigs_and_meshes, whole_file


def write(context: bpy.types.Context, collection: bpy.types.Collection, path: Path) -> None:
    """Write a take's collection. Constraints and driven translations are baked; the unit goes into the file, so that no object is
    scaled by 100. Raises SkelError if the file can't be written."""
    with whole_file(path) as part, only_selected(context, rigs_and_meshes(collection)):
        bpy.ops.export_scene.fbx(
            filepath=str(part), use_selection=True, object_types={"ARMATURE", "MESH"}, apply_scale_options="FBX_SCALE_UNITS",
            add_leaf_bones=False, use_armature_deform_only=True, mesh_smooth_type="OFF", bake_anim=True,
            bake_anim_use_all_bones=True, bake_anim_use_nla_strips=False, bake_anim_use_all_actions=False,
            bake_anim_force_startend_keying=True, bake_anim_step=1.0, bake_anim_simplify_factor=0.0,
        )  # fmt: skip
