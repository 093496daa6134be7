# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own exporters, each told to write the scene that its context shows as it is: that scene already has the file's axes and unit,
so that nothing is turned or scaled. `several` clips lie in NLA tracks, and tracks of one name are one clip of all people.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import bpy
import numpy as np

from ..rig import compat
from . import complete
from .delivery import Space
from .presets import Preset

_POINT_BYTES = 12  # of a point on a frame in Alembic
_FORWARD = {"Y": "-Z", "Z": "Y"}  # FBX: Blender's name for the axis that goes with the one that points up


class Exporter(NamedTuple):
    """How a format is written: the axes and unit of its files, and the writer of a scene of that space. A camera that it shall write has
    `turned` (4,4) behind its matrices wherever it is keyed."""

    space: Callable[[Preset], Space]
    write: Callable[[bpy.types.Context, Path, Preset, bool], None]
    turned: np.ndarray = np.eye(4)


def _fbx(context: bpy.types.Context, path: Path, preset: Preset, several: bool) -> None:
    """Armatures, skins and a key on every frame."""
    context.scene.unit_settings.scale_length = preset.unit
    _undeformed(context.scene)
    bpy.ops.export_scene.fbx(
        filepath=str(path), use_selection=False, object_types={"ARMATURE", "MESH", "CAMERA"}, apply_scale_options="FBX_SCALE_UNITS",
        use_space_transform=False, axis_up=preset.up, axis_forward=_FORWARD[preset.up], add_leaf_bones=False,
        use_armature_deform_only=False, mesh_smooth_type="FACE", bake_anim=True, bake_anim_use_all_bones=True,
        bake_anim_use_nla_strips=several, bake_anim_use_all_actions=False, bake_anim_force_startend_keying=True, bake_anim_step=1.0,
        bake_anim_simplify_factor=0.0,
    )  # fmt: skip
    if preset.unit != 1.0:
        _exact_unit(path, 100.0 * context.scene.unit_settings.scale_length, 100.0 * preset.unit)


def _undeformed(scene: bpy.types.Scene) -> None:
    """Spare an exporter that reads weights the skins that Blender would deform on every frame."""
    for modifier in (modifier for thing in scene.objects for modifier in thing.modifiers):
        modifier.show_viewport = modifier.show_render = False


def _exact_unit(path: Path, written: float, meant: float) -> None:
    """Put right the file's unit, in cm. Blender keeps it in single precision, 0.99999998 for a centimetre: a program that takes that for
    another unit than its own would scale the armature by it."""
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<d", written), struct.pack("<d", meant), 2))  # as it is and as it was, at the top


def _gltf(context: bpy.types.Context, path: Path, preset: Preset, several: bool) -> None:
    """Binary; armatures as skins, clips sampled on every frame."""
    render, eye = context.scene.render, next((thing.data for thing in context.scene.objects if thing.type == "CAMERA"), None)
    render.fps_base = 1.0 / render.fps_base  # Blender's exporter (4.2 to 5.2) takes fps * fps_base for the frame rate
    _undeformed(context.scene)
    bpy.ops.export_scene.gltf(
        filepath=str(path), export_format="GLB", use_selection=False, use_active_scene=True, export_yup=False, export_apply=False,
        export_cameras=True, export_pointer_animation=eye is not None and compat.action(eye) is not None,  # zooms
        export_skins=True, export_influence_nb=_influences(context.scene), export_animations=True,
        export_animation_mode="NLA_TRACKS" if several else "SCENE", export_anim_scene_split_object=False, export_force_sampling=True,
        export_anim_slide_to_zero=True, export_optimize_animation_size=False, export_def_bones=False, export_rest_position_armature=True,
        export_current_frame=True,
    )  # fmt: skip


def _influences(scene: bpy.types.Scene) -> int:
    """Joints that move a vertex, rounded up to sets of four as the format has them."""
    counts = (len(vertex.groups) for thing in scene.objects if thing.type == "MESH" for vertex in thing.data.vertices)
    return 4 * max(1, -(-max(counts, default=4) // 4))


def _usd(context: bpy.types.Context, path: Path, preset: Preset, several: bool) -> None:
    """UsdSkel skeletons with skinned meshes and one animation."""
    bpy.ops.wm.usd_export(
        filepath=str(path), selected_objects_only=False, export_animation=True, export_armatures=True, only_deform_bones=False,
        export_meshes=True, export_uvmaps=True, export_materials=True, export_hair=False, export_custom_properties=False,
        author_blender_name=False, evaluation_mode="RENDER",
    )  # fmt: skip
    complete.check(path)


def alembic(context: bpy.types.Context, path: Path, first: int, last: int, metres: float) -> None:
    """Every point of the meshes of the context's scene on its frames from `first` to `last`, as Blender shows them with all modifiers;
    metres, of which there are so many in a unit of the meshes, y up, the scene's own times."""
    moving = sum(len(thing.data.vertices) for thing in context.scene.objects if thing.modifiers)
    complete.check_room(path, _POINT_BYTES * moving * (last - first + 1))
    bpy.ops.wm.alembic_export(
        filepath=str(path), start=first, end=last, global_scale=metres, selected=False, flatten=True, uvs=True, packuv=True, normals=True,
        export_hair=False, export_particles=False, export_custom_properties=False, as_background_job=False, evaluation_mode="RENDER",
    )  # fmt: skip
    complete.check(path)


# Blender's exporter (4.2 to 5.2) turns the keys of cameras to y up, though told not to; the node itself it leaves as it is.
_KEYS_TURNED = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])

_USD = Exporter(lambda preset: Space(1.0, "Z"), _usd)
EXPORTERS = {
    ".fbx": Exporter(lambda preset: Space(preset.unit, preset.up), _fbx),
    ".glb": Exporter(lambda preset: Space(1.0, "Y"), _gltf, _KEYS_TURNED),
    ".usd": _USD, ".usdc": _USD, ".usda": _USD,
}  # fmt: skip
