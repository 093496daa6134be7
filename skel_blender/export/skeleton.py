# SPDX-License-Identifier: GPL-3.0-or-later
"""What is delivered, built in a scene that is thrown away: an armature of plain bones, its skin in the new rest pose, baked actions."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from .. import kinematics
from ..anatomy import JOINT_INDEX, JOINT_NAMES
from ..rig import compat, controls, keyframes, record, restposes, skin
from ..rig.armature import set_mode
from . import delivery, rotations, sample
from .presets import Preset

REST_FRAME = -1  # of the delivered scene: exporters take the pose that they find for that of the file, beside its clips
_CARRIED_BY = JOINT_INDEX | {limb.control: limb.tip for limb in controls.LIMBS}  # what hangs on a control goes with the limb that it leads
_SMALL = 1e-7  # m; a bone that moves less from its place needs no keys for it


@dataclass(frozen=True)
class Plan:
    """One person as they will be delivered."""

    name: str  # of the armature
    skeleton: delivery.Skeleton
    clips: dict[str, tuple[np.ndarray, np.ndarray]]  # name -> scene frames (T,), bones (T,B,4,4) in file space
    person: sample.Person


def plan(person: sample.Person, preset: Preset, space: delivery.Space) -> Plan:
    """Skeleton and motion of a person in the file's space."""
    first = person.clips[0].world
    if preset.rest == "t":
        pose = None
    elif preset.rest == "a":
        pose = _a_pose(person)
    else:
        way, _ = delivery.root_motion(first, person.rest, delivery.Travel("root", preset.heading, person.fps))
        pose = np.linalg.inv(way[0]) @ first[0]
    deform = delivery.rest_deform(person.rest, pose)
    frame = delivery.skeleton(person.rest, person.lengths, deform, preset.names, preset.axes, space)
    travel, clips = delivery.Travel(preset.travel, preset.heading, person.fps), {}
    for clip in person.clips:
        clips[clip.name] = clip.frames, delivery.poses(frame, clip.world, person.rest, preset.names, preset.axes, space, travel)
    return Plan(preset.armature or person.name, frame, clips, person)


def _a_pose(person: sample.Person) -> np.ndarray:
    """(24,4,4) the joints in the A pose, armature space, z up, m."""
    kept = record.of(person.rig)
    turned = kinematics.forward(restposes.angles("SKEL A Pose"), kept.joints, kept.frames)
    change = np.eye(4)
    change[:3, :3] = kinematics.R_ZUP_YUP
    turned = change @ turned @ change.T  # rotations from the T pose, and places
    result = person.rest.copy()
    result[:, :3, :3] = turned[:, :3, :3] @ person.rest[:, :3, :3]
    result[:, :3, 3] = person.scale * (turned[:, :3, 3] + [0.0, 0.0, kept.ground])
    return result


def names(made: Plan, preset: Preset) -> dict[str, set[str]]:
    """The names of datablocks that `build` takes."""
    meshes = {name for _, name in _meshes(made, preset)}
    return {"objects": {made.name, *meshes}, "armatures": {made.name}, "meshes": meshes}


def build(context: bpy.types.Context, made: Plan, preset: Preset, space: delivery.Space, several: bool) -> bpy.types.Object:
    """The armature object with its meshes and actions, in the scene that the context shows; frame 0 is the clips' first. `several`:
    actions become tracks, since somebody in the file has more than one."""
    data = bpy.data.armatures.new(made.name)
    rig = bpy.data.objects.new(made.name, data)
    context.scene.collection.objects.link(rig)
    context.view_layer.objects.active = rig
    set_mode(context, "EDIT")
    try:
        _bones(data, made.skeleton)
    finally:
        set_mode(context, "OBJECT")
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION"
    for things, name in _meshes(made, preset):
        _mesh(context, rig, things, name, made, preset, space)
    actions = {name: _key(rig, name, made.skeleton, bones, space.unit) for name, (_, bones) in made.clips.items()}
    if several:
        _stack(rig, actions)
    return rig


def _meshes(made: Plan, preset: Preset) -> list[tuple[list[bpy.types.Object], str]]:
    """The meshes of the rig that are delivered as one, and its name."""
    rig = made.person.rig
    wanted = [(preset.skin, "skin"), (preset.bones, "bone")]
    parts = [(record.parts(rig, kind), f"{made.person.name}_{'skin' if kind == 'skin' else 'skeleton'}") for on, kind in wanted if on]
    return [(things, name) for things, name in parts if things]


def _bones(data: bpy.types.Armature, skeleton: delivery.Skeleton) -> None:
    for name, parent, rest, length in zip(skeleton.names, skeleton.parents, skeleton.rest, skeleton.lengths):
        bone = data.edit_bones.new(name)
        bone.tail = (0.0, float(length), 0.0)
        bone.matrix = Matrix(rest.tolist())
        bone.parent = data.edit_bones[parent] if parent >= 0 else None
        bone.use_connect, bone.use_deform = False, True


def _mesh(
    context: bpy.types.Context, rig: bpy.types.Object, things: list[bpy.types.Object], name: str, made: Plan, preset: Preset,
    space: delivery.Space,
) -> None:  # fmt: skip
    """One object of the rig's meshes, in the delivered rest pose and with the delivered names of groups."""
    most = len(JOINT_NAMES) if preset.influences == "all" else int(preset.influences)
    copies = [_copy(thing, made, most, space) for thing in things]
    for copy in copies:
        context.scene.collection.objects.link(copy)
    target = copies[0]
    if len(copies) > 1:
        with context.temp_override(active_object=target, object=target, selected_objects=copies, selected_editable_objects=copies):
            bpy.ops.object.join()
    target.name = target.data.name = name
    skin.deform(target, rig)


def _copy(thing: bpy.types.Object, made: Plan, most: int, space: delivery.Space) -> bpy.types.Object:
    """The object's own mesh at rest, moved to the new rest pose by its weights, of which a vertex has at most so many."""
    mesh = bpy.data.meshes.new_from_object(thing, preserve_all_data_layers=True)  # unlike a copy, it has no shape keys
    copy = bpy.data.objects.new(mesh.name, mesh)
    points = record.rest_points(thing) * made.person.scale
    shares, deform = limited(weights(thing), most), made.skeleton.rest_deform
    moved = np.einsum("vij,vj->vi", np.einsum("vb,bij->vij", shares, deform[:, :3]), np.c_[points, np.ones(len(points))])
    mesh.vertices.foreach_set("co", np.ascontiguousarray(space.points(moved), dtype=np.float32).ravel())
    mesh.update()
    called = dict(zip(made.skeleton.joints, made.skeleton.names))
    copy.vertex_groups.clear()
    skin.weigh(copy, [called[joint] for joint in range(len(JOINT_NAMES))], shares)
    return copy


def weights(thing: bpy.types.Object) -> np.ndarray:
    """(V,24) shares of the joints in each vertex, which sum to 1; those of a bone that was added go to the joint that carries it. What no
    joint moves, as in a mesh that was joined to the skin, rides the pelvis."""
    joint = {group.index: _joint(thing.parent.data.bones.get(group.name)) for group in thing.vertex_groups}
    result = np.zeros((len(thing.data.vertices), len(JOINT_NAMES)))
    for vertex in thing.data.vertices:
        for element in vertex.groups:
            if joint.get(element.group) is not None:
                result[vertex.index, joint[element.group]] += element.weight
    result[~result.any(axis=1), 0] = 1.0
    return _normal(result)


def _joint(bone: bpy.types.Bone | None) -> int | None:
    """The joint that a bone is, or by which one that was added and moves the skin is carried; None of other groups of vertices."""
    if bone is None or not (bone.name in JOINT_INDEX or bone.use_deform):
        return None
    while bone is not None and bone.name not in _CARRIED_BY:
        bone = bone.parent
    return bone and _CARRIED_BY[bone.name]


def limited(shares: np.ndarray, most: int) -> np.ndarray:
    """(V,24) the `most` greatest shares of each vertex, which again sum to 1."""
    result = shares.copy()
    np.put_along_axis(result, np.argsort(shares, axis=1)[:, :-most], 0.0, axis=1)
    return _normal(result)


def _normal(shares: np.ndarray) -> np.ndarray:
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)


def _key(rig: bpy.types.Object, name: str, skeleton: delivery.Skeleton, bones: np.ndarray, unit: float) -> bpy.types.Action:
    """A new action of the rig with a key on every frame from 0 on, and the rest pose on the frame before."""
    holder = compat.new_action(rig, name)
    locations, turned = delivery.local(skeleton, np.concatenate([skeleton.rest[None], bones]))
    turns, frames = rotations.continuous_quaternions(turned), np.arange(REST_FRAME, len(bones))
    for index, bone in enumerate(skeleton.names):
        path = f'pose.bones["{bone}"].'
        if index < 2 or np.abs(locations[:, index]).max() * unit > _SMALL:
            for axis in range(3):
                keyframes.write(holder, keyframes.Curve(f"{path}location", axis, bone, frames, locations[:, index, axis]))
        for axis in range(4):
            keyframes.write(holder, keyframes.Curve(f"{path}rotation_quaternion", axis, bone, frames, turns[:, index, axis]))
    return rig.animation_data.action


def _stack(rig: bpy.types.Object, actions: dict[str, bpy.types.Action]) -> None:
    """Every action as a track of its own, which exporters write as a clip of its name."""
    data = rig.animation_data
    data.action = None
    for name, action in actions.items():
        track = data.nla_tracks.new()
        strip = track.strips.new(name, 0, action)
        strip.action_frame_start, strip.frame_start = 0.0, 0.0
        strip.frame_end = strip.action_frame_end = action.frame_range[1]
        strip.extrapolation = "NOTHING"
        track.name = strip.name = name
