# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m skel_blender.rig.picture shot.blend OUTDIR [--frames 1,40,80]`: pictures of a built take, rendered on the CPU.

For each scene frame `camera_####.png`, through the take's camera over the footage, and `side_####.png`, from the side on a
floor of half-metre squares. The skin is see-through, so that the bones show. The .blend file stays as it is.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..anatomy import JOINT_NAMES
from ..messages import SkelError
from . import compat, drivers, program, record

_COUNT, _SKIN_ALPHA, _SQUARE, _MARGIN = 4, 0.4, 0.5, 0.25  # pictures by default, -, m, m
_OVERLAP = 0.1
_LONGEST = 1048574  # frames, Blender's own bound


def main() -> None:
    """Raises SkelError for whatever the user can do something about."""
    parser = argparse.ArgumentParser(prog="python -m skel_blender.rig.picture", description="Render pictures of a built take.")
    parser.add_argument("blend", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=_numbers, help="scene frames, such as 1,40,80; by default four over the range")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--percent", type=int, default=50, help="size, in per cent of the footage's")
    arguments = parser.parse_args()
    program.open_scene(arguments.blend)
    scene = bpy.context.scene
    if scene.camera is None or not _armatures(scene):
        raise SkelError("no_take", f"{arguments.blend} has no camera, or nobody in it is switched on.", "Give the scene of a take.")
    frames = arguments.frames or np.linspace(scene.frame_start, scene.frame_end, _COUNT).round().astype(int).tolist()
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SkelError("unwritable", f"{arguments.folder} could not be made ({error.strerror}).", "Choose another folder.") from error
    empty = [frame for frame in frames if _is_empty(scene, frame)]
    if empty:
        text = f"Nobody is visible in frame {', '.join(map(str, empty))}: the scene has frames {scene.frame_start} to {scene.frame_end}."
        print(text, file=sys.stderr, flush=True)
    _set_render(scene, arguments.samples, arguments.percent)
    eye = scene.camera
    footage = _stand_footage(scene, eye)
    _render(scene, frames, arguments.folder, "camera")
    if footage is not None:
        footage.hide_render = True
    _lay_floor(scene)
    scene.camera = _side_camera(scene, eye, frames)
    _render(scene, frames, arguments.folder, "side")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _armatures(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Those of the scene that are switched on."""
    return [thing for thing in scene.view_layers[0].objects if thing.type == "ARMATURE"]


def _is_empty(scene: bpy.types.Scene, frame: int) -> bool:
    """Whether everybody is out of sight, as outside of the footage's frames."""
    scene.frame_set(frame)
    return all(rig.hide_render for rig in _armatures(scene))


def _set_render(scene: bpy.types.Scene, samples: int, percent: int) -> None:
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", samples, False  # it would smear the footage
    scene.cycles.use_adaptive_sampling, scene.cycles.adaptive_threshold = True, 0.05  # most of a picture is footage
    scene.cycles.max_bounces = 2
    render.resolution_percentage = percent
    render.image_settings.file_format = "PNG"
    render.use_file_extension, render.use_overwrite = True, True
    scene.view_settings.view_transform = "Standard"  # footage keeps its colours
    skins = (skin for rig in record.rigs(scene) for skin in record.parts(rig, "skin"))
    for material in {material for skin in skins for material in skin.data.materials if material is not None}:
        for node in material.node_tree.nodes if material.node_tree else ():
            if node.type == "BSDF_PRINCIPLED":
                node.inputs["Alpha"].default_value = _SKIN_ALPHA


def _render(scene: bpy.types.Scene, frames: list[int], folder: Path, title: str) -> None:
    for frame in frames:
        scene.frame_set(frame)
        scene.render.filepath = str(folder.resolve() / f"{title}_{frame:04d}.png")
        with _silence():
            bpy.ops.render.render(write_still=True)
        print(scene.render.filepath, flush=True)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what Blender prints while it renders off standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _stand_footage(scene: bpy.types.Scene, eye: bpy.types.Object) -> bpy.types.Object | None:
    """A screen with the footage, far behind everything, that lights nothing.

    It is a little larger than the camera's view, its picture is not: pixels at the edge also look past it.
    """
    clips = [background.clip for background in eye.data.background_images if background.clip is not None]
    if not clips:
        return None
    corners = np.array(eye.data.view_frame(scene=scene))  # upper right, lower right, lower left, upper left
    corners *= 0.9 * eye.data.clip_end / -corners[0, 2]
    corners += _OVERLAP * (corners - corners.mean(axis=0))
    places = np.array([[1, 1], [1, 0], [0, 0], [0, 1]]) * (1 + _OVERLAP) - _OVERLAP / 2
    mesh = bpy.data.meshes.new("footage")
    mesh.from_pydata(corners.tolist(), [], [(0, 1, 2, 3)])
    mesh.uv_layers.new().uv.foreach_set("vector", places.astype(np.float32).ravel())
    mesh.materials.append(_footage_material(clips[0]))
    screen = bpy.data.objects.new("footage", mesh)
    screen.parent = eye
    for ray in ("diffuse", "glossy", "transmission", "volume_scatter", "shadow"):
        setattr(screen, f"visible_{ray}", False)
    scene.collection.objects.link(screen)
    return screen


def _footage_material(clip: bpy.types.MovieClip) -> bpy.types.Material:
    material, tree, output = _empty_material("footage")
    texture, glow = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeEmission")
    image = bpy.data.images.load(bpy.path.abspath(clip.filepath))
    user = texture.image_user
    if clip.source == "MOVIE":
        image.source = "MOVIE"
    elif clip.frame_duration > 1 or compat.action(clip) is not None:
        image.source = "SEQUENCE"
        number = re.findall(r"[0-9]+", Path(clip.filepath).stem)[-1]  # by which Blender counts: `f0007_left.png` is the seventh
        user.frame_offset = int(number) - 1  # a sequence shows the file of that number
    texture.image, texture.interpolation, texture.extension = image, "Linear", "EXTEND"
    user.frame_start, user.frame_duration, user.use_auto_refresh = clip.frame_start, max(1, clip.frame_duration), True
    if compat.action(clip) is not None:  # its start is keyed (camera.load_footage): pictures with gaps in their numbers, or another rate
        user.frame_start, user.frame_duration = 1, _LONGEST
        drivers.add(user, "frame_offset", -1, f"{user.frame_offset + 1} - start", start=drivers.prop(clip, "frame_start"))
    tree.links.new(texture.outputs["Color"], glow.inputs["Color"])
    tree.links.new(glow.outputs["Emission"], output.inputs["Surface"])
    return material


def _empty_material(name: str) -> tuple[bpy.types.Material, bpy.types.NodeTree, bpy.types.Node]:
    material = bpy.data.materials.new(name)
    tree = compat.use_nodes(material)
    tree.nodes.clear()
    return material, tree, tree.nodes.new("ShaderNodeOutputMaterial")


def _lay_floor(scene: bpy.types.Scene) -> None:
    """The floor z = 0 as squares of half a metre."""
    material, tree, output = _empty_material("floor")
    place, squares = tree.nodes.new("ShaderNodeNewGeometry"), tree.nodes.new("ShaderNodeTexChecker")
    shader = tree.nodes.new("ShaderNodeBsdfDiffuse")
    squares.inputs["Scale"].default_value = 1.0 / _SQUARE
    squares.inputs["Color1"].default_value, squares.inputs["Color2"].default_value = (0.5, 0.5, 0.5, 1), (0.35, 0.35, 0.35, 1)
    shift = tree.nodes.new("ShaderNodeVectorMath")  # off the checker's own boundary, which would flicker at z = 0
    shift.inputs[1].default_value = (0.0, 0.0, 0.1)
    tree.links.new(place.outputs["Position"], shift.inputs[0])
    tree.links.new(shift.outputs["Vector"], squares.inputs["Vector"])
    tree.links.new(squares.outputs["Color"], shader.inputs["Color"])
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    mesh = bpy.data.meshes.new("floor")
    mesh.from_pydata([(-50, -50, 0), (50, -50, 0), (50, 50, 0), (-50, 50, 0)], [], [(0, 1, 2, 3)])
    mesh.materials.append(material)
    scene.collection.objects.link(bpy.data.objects.new("floor", mesh))


def _side_camera(scene: bpy.types.Scene, eye: bpy.types.Object, frames: list[int]) -> bpy.types.Object:
    """An orthographic camera square to the take's own, a little from above, that sees whoever is switched on in all the frames."""
    points = []
    for frame in frames:
        scene.frame_set(frame)
        for rig in _armatures(scene):
            ours = record.is_rig(rig)  # whose controls stay behind
            bones = [bone for bone in rig.pose.bones if not ours or bone.name in JOINT_NAMES]
            points += [rig.matrix_world @ point for bone in bones for point in (bone.head, bone.tail)]
    right = eye.matrix_world.to_3x3() @ Vector((1.0, 0.0, 0.0))
    back = Vector((right.x, right.y, 0.25)).normalized()
    side = Vector((0.0, 0.0, 1.0)).cross(back).normalized()
    axes = np.array([side, back.cross(side), back])  # rows: right, up and back of the new camera
    seen = np.array(points) @ axes.T
    low, up = seen.min(axis=0) - _MARGIN, seen.max(axis=0) + _MARGIN
    data = bpy.data.cameras.new("side")
    wide = scene.render.resolution_x / scene.render.resolution_y
    data.type, data.sensor_fit = "ORTHO", "HORIZONTAL"
    data.ortho_scale = float(max(up[0] - low[0], (up[1] - low[1]) * wide))
    data.clip_end = 1000.0
    camera = bpy.data.objects.new("side", data)
    middle = axes.T @ np.array([(low[0] + up[0]) / 2, (low[1] + up[1]) / 2, up[2] + 10.0])
    camera.matrix_world = Matrix.Translation(Vector(middle)) @ Matrix(axes.T.tolist()).to_4x4()
    scene.collection.objects.link(camera)
    return camera


if __name__ == "__main__":
    program.run(main)
