# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's own importers make of an exported file."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from skel_blender.export import presets
from skel_blender.take import Take
from tests.bpy import deliveries
from tests.bpy.deliveries import Report
from tests.bpy.evaluated import curves, evaluated, mesh_points

RATE = 100  # frames a second of the scene that files are read into, so that none is the file's own


def has_new_fbx() -> bool:
    """Whether this Blender has the importer that came with 4.5, made of other code than the exporter."""
    return "fbx_import" in dir(bpy.ops.wm)


def by_new_fbx(path: Path, take: Take, preset: presets.Preset) -> Report:
    """The file as the newer FBX importer reads it."""
    return _read(lambda: bpy.ops.wm.fbx_import(filepath=str(path), anim_offset=0.0), path, take, preset)


def read(path: Path, take: Take, preset: str = "generic", **changes: str | bool) -> Report:
    """A file that was written by a preset of this name, as the importer of its format reads it."""
    return by_blender(path, take, presets.choose(preset, **changes))


def by_blender(path: Path, take: Take, preset: presets.Preset) -> Report:
    """The file as the importer of its format reads it; what it does to match the scene's unit lies on the armature's object."""
    name = str(path)
    readers = {
        ".fbx": lambda: bpy.ops.import_scene.fbx(filepath=name, anim_offset=0.0),
        ".glb": lambda: bpy.ops.import_scene.gltf(filepath=name),
        ".usdc": lambda: bpy.ops.wm.usd_import(filepath=name, set_frame_range=True),
        ".bvh": lambda: bpy.ops.import_anim.bvh(filepath=name, frame_start=0, global_scale=preset.unit, update_scene_fps=True,
                                                use_fps_scale=False),
    }  # fmt: skip
    clocks = {
        ".fbx": lambda: bpy.context.scene.render.fps,  # this importer forgets fps_base
        ".usdc": lambda: float(take.fps),  # this one takes the file's time codes for frames, of which usd-core knows the rate
    }  # fmt: skip
    return _read(readers[path.suffix], path, take, preset, clocks.get(path.suffix))


def _read(importer, path: Path, take: Take, preset: presets.Preset, clock=None) -> Report:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    render = bpy.context.scene.render
    render.fps, render.fps_base = RATE, 1.0
    importer()
    (rig,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    places = np.array([key.co[0] for curve in curves(rig) if len(curve.keyframe_points) > 2 for key in curve.keyframe_points])
    keys = places[np.unique(np.round(places, 2), return_index=True)[1]]
    start = keys[0]
    keys -= keys[0] if path.suffix == ".bvh" else 0.0  # which has no times, only frames
    first, last = keys[0], keys[-1]
    joints, skins, scale = [], [], 0.0
    for frame in deliveries.POSED:
        place = start + (last - first) * frame / (deliveries.FRAMES - 1)
        bpy.context.scene.frame_set(int(place), subframe=place - int(place))
        posed = evaluated(rig)
        size = np.array(rig.matrix_world.to_scale()).mean()
        joints.append({bone.name: list(posed.matrix_world @ bone.head) for bone in posed.pose.bones})
        sizes = [bone.matrix.to_scale() for bone in posed.pose.bones]
        scale = max(scale, float(np.abs(np.array(sizes) - 1.0).max()), min(abs(size - 1.0), abs(size / preset.unit - 1.0)))
        if frame in deliveries.SKINNED:
            skins.append({thing.name: mesh_points(thing) for thing in bpy.data.objects if thing.find_armature()})
    bones = {bone.name: bone.parent.name if bone.parent else None for bone in rig.data.bones}
    rate = clock() if clock else bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    clip = {"keys": len(keys), "first": first / rate, "last": last / rate}
    return Report(joints=joints, bones=bones, clips=[clip], skins=skins if skins[0] else [], scale=scale, up="Z")
