# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender makes of a rig, as arrays, and what the model says, in the same axes."""

from __future__ import annotations

import bpy
import numpy as np

from skel_blender import kinematics
from skel_blender.anatomy import JOINT_NAMES
from skel_blender.rig import layout
from skel_blender.take import RestBody

TO_ZUP = kinematics.R_ZUP_YUP


def rig_of(collection: bpy.types.Collection, person: int = 0) -> bpy.types.Object:
    """The armature of the collection's person of that number."""
    return [thing for thing in collection.objects if thing.type == "ARMATURE"][person]


def pose(rig: bpy.types.Object, angles: np.ndarray) -> None:
    """Set the channels of `rig` by hand to the pose angles (46,) and update."""
    for channel, angle in zip(layout.channels(), angles):
        rig.pose.bones[channel.bone].rotation_euler[channel.index] = channel.sign * angle
    bpy.context.view_layer.update()


def put(rig: bpy.types.Object, body: RestBody, trans: np.ndarray) -> None:
    """Put a rig that plays nothing where `trans` (3,), model frame, does; shown with the next pose."""
    rig.animation_data.action = None
    rig.pose.bones["pelvis"].location = (0.0, 0.0, 0.0)
    rig.pose.bones[layout.ROOT].location = kinematics.z_up(trans) - [0.0, 0.0, layout.ground(body)]


def evaluated(thing: bpy.types.Object) -> bpy.types.Object:
    return thing.evaluated_get(bpy.context.evaluated_depsgraph_get())


def joint_positions(rig: bpy.types.Object) -> np.ndarray:
    """(24,3) world positions of the joints' bones, m."""
    return _posed(rig)[:, :3, 3]


def joint_turns(rig: bpy.types.Object) -> np.ndarray:
    """(24,3,3) world rotation of each bone from its rest pose, as its rest matrix really is."""
    rest = np.array([rig.data.bones[name].matrix_local for name in JOINT_NAMES])[:, :3, :3]
    return _posed(rig)[:, :3, :3] @ np.swapaxes(rest, 1, 2)


def _posed(rig: bpy.types.Object) -> np.ndarray:
    """(24,4,4) world matrices of the joints' bones."""
    posed = evaluated(rig)
    return np.array([posed.matrix_world @ posed.pose.bones[name].matrix for name in JOINT_NAMES])


def curves(owner: bpy.types.Object) -> list[bpy.types.FCurve]:
    """The F-curves that animate `owner`, none if it has no action; before and after slots came."""
    data = owner.animation_data
    if data is None or data.action is None:
        return []
    if not hasattr(data.action, "slots"):
        return list(data.action.fcurves)
    bags = (strip.channelbag(data.action_slot) for layer in data.action.layers for strip in layer.strips)
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def mesh_points(thing: bpy.types.Object) -> np.ndarray:
    """(V,3) world positions of the deformed mesh, m."""
    deformed = evaluated(thing)
    mesh = deformed.to_mesh()
    points = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    deformed.to_mesh_clear()
    matrix = np.array(deformed.matrix_world)
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def model_skin(body: RestBody, transforms: np.ndarray) -> np.ndarray:
    """(V,3) the model's linear blend skinning for joint transforms (24,4,4) of the model frame; z up, m."""
    return kinematics.z_up(kinematics.skin(transforms, body.joints, body.skin_verts, body.weight_index, body.weight_value))


def model_bone(body: RestBody, transforms: np.ndarray, joint: int) -> np.ndarray:
    """(N,3) the model's bone mesh vertices of one joint for joint transforms (24,4,4), z up, m, in the body's order."""
    points = body.bone_verts[body.bone_joint == joint] - body.joints[joint]
    return kinematics.z_up(points @ transforms[joint, :3, :3].T + transforms[joint, :3, 3])


def degrees_apart(one: np.ndarray, other: np.ndarray) -> float:
    """The greatest angle between rotations (...,3,3), exact for small angles."""
    return float(np.degrees(np.linalg.norm(one - other, axis=(-2, -1)) / np.sqrt(2)).max())
