# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSim's files of a rig as it is now: its edited motion, its own body. Reads the scene, changes nothing in it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np

from .. import kinematics, opensim
from ..anatomy import DOFS_OF_JOINT, JOINT_INDEX, JOINT_NAMES, PARENTS
from ..rig import controls, ik, layout, record
from ..rig.editing import evaluation, motion
from ..rig.editing.steps import finish
from ..take import TRIANGLE, RestBody
from . import rotations, stage, writing


def write_people(rigs: Sequence[bpy.types.Object], path: Path, mass: float | None = None, overwrite: bool = False) -> list[Path]:
    """The files of each rig: the first as `path`, the others as path_2, path_3 and so on. Raises SkelError as `writing.write` does."""
    outs = opensim.numbered(path, len(rigs))
    writing.check_folder(path)
    writing.check_free([file for out in outs for file in opensim.targets(out)], path, overwrite)
    return [file for rig, out in zip(rigs, outs) for file in write(rig, out, mass)]


def write(armature: bpy.types.Object, path: Path | str, mass: float | None = None) -> list[Path]:
    """Write a rig's motion, layers and IK included, and its body as `opensim.write_motion` does; times are those of the footage, wherever
    on the timeline the take begins, in the take's own world. Raises SkelError if the object is no rig or has no motion."""
    frames = motion.span_of(armature)
    poses, trans = motion.read(armature, frames)
    _follow_controls(armature, frames, poses)
    render = bpy.context.scene.render
    fps = Fraction(render.fps / render.fps_base).limit_denominator(1001)
    return opensim.write_motion(rest_body(armature), poses, trans, frames - record.start(armature), fps, path, name=armature.name,
                                body_name=str(armature.get("skel_body", "")), mass=mass)  # fmt: skip


def _follow_controls(armature: bpy.types.Object, frames: np.ndarray, poses: np.ndarray) -> None:
    """Replace, in `poses` (T,46), the angles of limbs that IK controls lead by those that are seen."""
    joints = [joint for limb in _led(armature, frames) for joint in limb.joints]
    if not joints:
        return
    turned = finish(stage.look(armature, frames, JOINT_NAMES, "Reading the motion"))[..., :3, :3]
    rest = np.array([armature.data.bones[name].matrix_local for name in JOINT_NAMES])[:, :3, :3]
    moved = rotations.orthonormal(turned @ rotations.transpose(rest))
    for joint in joints:
        own = rotations.transpose(rest[joint]) @ rotations.transpose(moved[:, PARENTS[joint]]) @ moved[:, joint] @ rest[joint]
        channels = {dof.index: layout.channel(dof.index) for dof in DOFS_OF_JOINT[joint]}
        near = np.zeros(3)
        for dof, channel in channels.items():
            near[channel.index] = channel.sign * poses[0, dof]
        angles = kinematics.eulers(own, layout.euler_order(joint), near)
        for dof, channel in channels.items():
            poses[:, dof] = channel.sign * angles[:, channel.index]


def _led(armature: bpy.types.Object, frames: np.ndarray) -> list[controls.Limb]:
    """The limbs that a control leads on one of the frames, by what the rig's action and the NLA's strips make of the switches."""
    if not motion.is_layered(armature):
        return ik.led(armature)
    limbs = ik.limbs(armature)
    with closing(evaluation.on_frames(armature, frames)) as shown:
        switches = np.array([[posed[limb.switch] for limb in limbs] for posed in shown])
    return [limb for limb, on in zip(limbs, switches.T) if on.any()]


def rest_body(armature: bpy.types.Object) -> RestBody:
    """The rig's body in the T pose (model frame, m) with the limits that hold now; each skin vertex bound to its main joint alone."""
    kept = record.of(armature)
    skins, bones = (record.parts(armature, kind) for kind in ("skin", "bone"))
    skin_verts, skin_faces = _joined([_mesh(thing, kept.ground) for thing in skins], 4)
    owner = np.concatenate([_main_joint(thing) for thing in skins]) if skins else np.zeros(0, dtype=int)
    triangles = [(verts, _triangles(faces)) for verts, faces in (_mesh(thing, kept.ground) for thing in bones)]
    bone_verts, bone_faces = _joined(triangles, 3)
    joints = [np.full(len(thing.data.vertices), JOINT_INDEX[thing.vertex_groups[0].name]) for thing in bones]
    return RestBody(
        skin_verts=skin_verts, skin_faces=skin_faces, skin_uv=np.zeros((len(skin_faces), 4, 2)),
        weight_index=owner[:, None], weight_value=np.ones((len(owner), 1)), joints=kept.joints, frames=kept.frames,
        bone_verts=bone_verts, bone_faces=bone_faces, bone_joint=np.concatenate(joints) if joints else np.zeros(0, dtype=int),
        limits=record.limits(armature),
    )  # fmt: skip


def _mesh(thing: bpy.types.Object, ground: float) -> tuple[np.ndarray, np.ndarray]:
    """(V,3) m, model frame, and (F,4) faces with TRIANGLE as fourth index of a triangle; a face of more corners as a fan."""
    rows = []
    for polygon in thing.data.polygons:
        first, *rest = polygon.vertices
        rows += [(first, *rest)] if len(rest) == 3 else [(first, a, b, TRIANGLE) for a, b in zip(rest, rest[1:])]
    return kinematics.y_up(record.rest_points(thing) - [0.0, 0.0, ground]), np.array(rows, dtype=int).reshape(-1, 4)


def _joined(meshes: list[tuple[np.ndarray, np.ndarray]], corners: int) -> tuple[np.ndarray, np.ndarray]:
    verts, faces, count = [np.zeros((0, 3))], [np.zeros((0, corners), dtype=int)], 0
    for points, rows in meshes:
        verts.append(points)
        faces.append(np.where(rows == TRIANGLE, TRIANGLE, rows + count))
        count += len(points)
    return np.concatenate(verts), np.concatenate(faces)


def _triangles(faces: np.ndarray) -> np.ndarray:
    quads = faces[faces[:, 3] != TRIANGLE]
    return np.concatenate([faces[:, :3], quads[:, [0, 2, 3]]])


def _main_joint(skin: bpy.types.Object) -> np.ndarray:
    """(V,) the joint that moves a vertex most."""
    joint = {group.index: JOINT_INDEX[group.name] for group in skin.vertex_groups if group.name in JOINT_INDEX}
    shares = (((part.weight, joint[part.group]) for part in vertex.groups if part.group in joint) for vertex in skin.data.vertices)
    return np.array([max(share, default=(0.0, 0))[1] for share in shares], dtype=int)
