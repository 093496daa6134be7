# SPDX-License-Identifier: GPL-3.0-or-later
"""FBX for game engines and studios: the delivered scene already has the file's axes and unit, so that nothing is turned or scaled."""

from __future__ import annotations

import struct
from pathlib import Path

import bpy

from .delivery import Space
from .presets import Preset

FORWARD = {"Y": "-Z", "Z": "Y"}  # Blender's name for the axis that goes with the one that points up


def space(preset: Preset) -> Space:
    """Axes and unit of the file."""
    return Space(preset.unit, preset.up)


def write(context: bpy.types.Context, path: Path, preset: Preset, several: bool) -> None:
    """Write the context's scene: armatures, skins and a key on every frame; `several` clips lie in NLA tracks."""
    context.scene.unit_settings.scale_length = preset.unit
    for thing in context.scene.objects:
        for modifier in thing.modifiers:  # the exporter reads weights and needs no skin deformed on every frame
            modifier.show_viewport = modifier.show_render = False
    bpy.ops.export_scene.fbx(
        filepath=str(path), use_selection=False, object_types={"ARMATURE", "MESH"}, apply_scale_options="FBX_SCALE_UNITS",
        use_space_transform=False, axis_up=preset.up, axis_forward=FORWARD[preset.up], add_leaf_bones=False,
        use_armature_deform_only=False, mesh_smooth_type="FACE", bake_anim=True, bake_anim_use_all_bones=True,
        bake_anim_use_nla_strips=several, bake_anim_use_all_actions=False, bake_anim_force_startend_keying=True, bake_anim_step=1.0,
        bake_anim_simplify_factor=0.0,
    )  # fmt: skip
    if preset.unit != 1.0:
        _exact_unit(path, 100.0 * context.scene.unit_settings.scale_length, 100.0 * preset.unit)


def _exact_unit(path: Path, written: float, meant: float) -> None:
    """Put right the file's unit, in cm. Blender keeps it in single precision, 0.99999998 for a centimetre: a program that takes that for
    another unit than its own would scale the armature by it."""
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<d", written), struct.pack("<d", meant), 2))  # as it is and as it was, at the top
