# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m skel_blender.rig take.npz --out shot.blend|.fbx|.glb ... [--clip PATH]`: build a Take in an empty scene and write it."""

from __future__ import annotations

import argparse
import secrets
from contextlib import suppress
from pathlib import Path

import bpy
from mathutils import Euler

from .. import take as takes
from ..export import presets
from ..export.writing import check_folder, chosen, rigs_of, whole_file, write
from ..messages import SkelError
from . import compat, program
from .assemble import build_take

_ENDINGS = (".blend", *presets.ENDINGS)


def main() -> None:
    """Raises SkelError for whatever the user can do something about."""
    parser = argparse.ArgumentParser(prog="python -m skel_blender.rig", description="Build the rig of a Take and write it.")
    parser.add_argument("take", type=Path, help="the .npz that the engine wrote")
    parser.add_argument("--out", type=Path, required=True, help="what to write: " + ", ".join(_ENDINGS))
    parser.add_argument("--clip", type=Path, help="the footage, if it is no longer where it was reconstructed from")
    parser.add_argument("--folder", type=Path, help="final folder of a .blend, from which it refers to its footage")
    parser.add_argument("--person", type=int, help="write Person N alone (default: everybody)")
    presets.add_arguments(parser)
    arguments = parser.parse_args()
    out, preset = arguments.out.absolute(), presets.given(arguments)
    ending = out.suffix.lower()
    if ending not in _ENDINGS:
        raise SkelError("ending", f"{out.name} is not a file type that can be written.", f"Choose one of {', '.join(_ENDINGS)}.")
    if ending == ".blend" and (arguments.person is not None or preset != presets.choose("generic")):
        raise SkelError("usage", "Export options have no effect on a .blend.", "Leave them out, or choose another ending.")
    check_folder(out)
    take = takes.load(arguments.take)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if ending == ".blend":
        _settle(arguments.folder or out.parent)
    collection = build_take(bpy.context, take, arguments.clip, out.stem, hide=ending == ".blend")
    if ending == ".blend":
        _make_presentable(bpy.context, collection)
        _save(out)
    else:
        write(bpy.context.scene, chosen(rigs_of(collection.all_objects), arguments.person), out, preset)


def _settle(folder: Path) -> None:
    """Let the open file be one of a folder, for what it refers to from there, by an empty scene that is gone at once. Where none can be
    written it is in no folder, and refers to what it shows by whole paths."""
    made = folder.absolute() / f".{secrets.token_hex(4)}.part.blend"
    with suppress(RuntimeError):
        bpy.ops.wm.save_as_mainfile(filepath=str(made), check_existing=False)
    for left in (made, made.with_name(f"{made.name}@")):  # which Blender may leave
        left.unlink(missing_ok=True)


def _make_presentable(context: bpy.types.Context, collection: bpy.types.Collection) -> None:
    """Light, a world, the first rig active, and views that look through the camera at the footage and the person."""
    scene = context.scene
    scene.world = bpy.data.worlds.new("World")
    background = next(node for node in compat.use_nodes(scene.world).nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.35, 0.36, 0.38, 1.0)
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.data.angle = 3.0, 0.2
    sun.rotation_euler = Euler((0.7, 0.2, 0.5))
    scene.collection.objects.link(sun)
    rigs = [thing for thing in collection.objects if thing.type == "ARMATURE"]
    for rig in rigs[:1]:
        rig.select_set(True)
        context.view_layer.objects.active = rig
    views = [area.spaces.active for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D"]
    for view in views:
        view.region_3d.view_perspective = "CAMERA"
        view.shading.type = "SOLID"
        view.clip_start, view.clip_end = 0.05, 1000.0


def _save(out: Path) -> None:
    with whole_file(out) as part:
        bpy.ops.wm.save_as_mainfile(filepath=str(part), compress=True, relative_remap=False, check_existing=False)


if __name__ == "__main__":
    program.run(main)
