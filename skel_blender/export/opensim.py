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
from ..anatomy import DOFS_OF_JOINT, JOINT_INDEX, JOINT_NAMES
from ..rig import controls, ik, layout, record
from ..rig.assemble import scene_of
from ..rig.editing import evaluation, following, matching, motion
from ..rig.editing.steps import Step, Steps, finish, within
from ..take import TRIANGLE, RestBody
from . import skeleton, writing

_TURNED = 1e-6  # of a rotation's entries; less is rounding


def write_people(
    rigs: Sequence[bpy.types.Object], path: Path, mass: float | None = None, overwrite: bool = False
) -> list[Path]:
    """All of `steps` at once."""
    return finish(steps(rigs, path, mass, overwrite))


def steps(rigs: Sequence[bpy.types.Object], path: Path, mass: float | None = None, overwrite: bool = False) -> Steps[list[Path]]:
    """The files of each rig: the first as `path`, the others as path_2, path_3 and so on; bit by bit, as `writing.steps`. Raises SkelError
    as `writing.write` does."""
    outs = opensim.numbered(path, len(rigs))
    writing.check_folder(path)
    writing.check_free([file for out in outs for file in opensim.targets(out)], path, overwrite)
    return (yield from _steps(rigs, outs, mass))


def write(armature: bpy.types.Object, path: Path | str, mass: float | None = None) -> list[Path]:
    """Write one rig, see `_texts`. Raises SkelError if the object is no rig or has no motion."""
    return finish(_steps([armature], [Path(path)], mass))


def _steps(rigs: Sequence[bpy.types.Object], outs: Sequence[Path], mass: float | None) -> Steps[list[Path]]:
    """Read all rigs, then write their files."""
    texts: dict[Path, bytes] = {}
    for number, (rig, out) in enumerate(zip(rigs, outs)):
        texts |= yield from within(_texts(rig, out, mass), number / len(rigs), (number + 1) / len(rigs))
    yield Step(f"Writing {outs[0].name}", 1.0, blocks=True)
    return opensim.put(texts)


def _texts(armature: bpy.types.Object, path: Path, mass: float | None) -> Steps[dict[Path, bytes]]:
    """The files of a rig's motion, layers and IK included, and of its body, as `opensim.texts` has them; times are those of the footage,
    wherever on the timeline the take begins, in the take's own world."""
    frames = motion.span_of(armature)
    poses, trans = motion.read(armature, frames)
    with evaluation.posed_armatures([armature]):
        yield from within(_follow_controls(armature, frames, poses), 0.0, 0.5)
        yield from within(_follow_root(armature, frames, poses, trans), 0.5, 1.0)
    render = scene_of(armature).render
    fps = Fraction(render.fps / render.fps_base).limit_denominator(1001)
    return opensim.texts(rest_body(armature), poses, trans, frames - record.start(armature), fps, path, name=armature.name,
                         body_name=str(armature.get("skel_body", "")), mass=mass)  # fmt: skip


def _follow_controls(armature: bpy.types.Object, frames: np.ndarray, poses: np.ndarray) -> Steps[None]:
    """Replace, in `poses` (T,46), the angles of limbs that IK controls lead by those that are seen."""
    limbs = yield from within(_led(armature, frames), 0.0, 0.5)
    joints = [joint for limb in limbs for joint in limb.joints]
    if not joints:
        return
    box, before = record.limits(armature), dict.fromkeys(joints)
    ranges = {joint: matching.ranges_of(box, joint) for joint in joints}
    with closing(evaluation.on_frames(armature, frames)) as shown:
        for row, (pose, posed) in enumerate(zip(poses, shown), 1):
            for joint in joints:
                angles = matching.seen_angles(posed, joint, before, ranges[joint])
                for dof in DOFS_OF_JOINT[joint]:
                    channel = layout.channel(dof.index)
                    pose[dof.index] = channel.sign * angles[channel.index]
            yield _step(armature, 0.5 + 0.5 * row / len(frames))


def _follow_root(armature: bpy.types.Object, frames: np.ndarray, poses: np.ndarray, trans: np.ndarray) -> Steps[None]:
    """Turn the pelvis in `poses` (T,46) as the bone on which it hangs, the root, is seen to be turned, and put `trans` (T,3) where the
    pelvis is seen."""
    kept, turns = record.of(armature), np.tile(np.eye(3), (len(frames), 1, 1))
    with closing(evaluation.on_frames(armature, frames)) as shown:
        for row, posed in enumerate(shown):
            pelvis = posed.pose.bones[JOINT_NAMES[0]]
            trans[row] = kinematics.y_up(pelvis.head) - kept.joints[0]
            if pelvis.parent is not None:
                turns[row] = (pelvis.parent.matrix @ pelvis.parent.bone.matrix_local.inverted()).to_3x3().normalized()
            yield _step(armature, (row + 1) / len(frames))
    if np.abs(turns - np.eye(3)).max() > _TURNED:
        model, rest = kinematics.R_ZUP_YUP, (kept.joints, kept.frames)
        poses[:], _ = following.moved(poses, trans, rest, model.T @ turns @ model, np.zeros(3))


def _led(armature: bpy.types.Object, frames: np.ndarray) -> Steps[list[controls.Limb]]:
    """The limbs that a control leads on one of the frames, by what the rig's action and the NLA's strips make of the switches."""
    if not motion.is_layered(armature):
        return ik.led(armature)
    limbs = ik.limbs(armature)
    on = np.zeros(len(limbs), dtype=bool)
    with closing(evaluation.on_frames(armature, frames)) as shown:
        for row, posed in enumerate(shown, 1):
            on |= [posed[limb.switch] != 0.0 for limb in limbs]
            yield _step(armature, row / len(frames))
    return [limb for limb, leads in zip(limbs, on) if leads]


def _step(armature: bpy.types.Object, done: float) -> Step:
    return Step(f"Reading the motion of {armature.name}", done)


def rest_body(armature: bpy.types.Object) -> RestBody:
    """The rig's body in the T pose (model frame, m) with the limits that hold now; each skin vertex bound to its main joint alone."""
    kept = record.of(armature)
    skins, bones = (record.parts(armature, kind) for kind in ("skin", "bone"))
    skin_verts, skin_faces = _joined([_mesh(thing, kept.ground) for thing in skins], 4)
    owner = np.concatenate([skeleton.weights(thing).argmax(axis=1) for thing in skins]) if skins else np.zeros(0, dtype=int)
    triangles = [(verts, _triangles(faces)) for verts, faces in (_mesh(thing, kept.ground) for thing in bones)]
    bone_verts, bone_faces = _joined(triangles, 3)
    joints = [np.full(len(thing.data.vertices), JOINT_INDEX[record.joint_of(thing)]) for thing in bones]
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
