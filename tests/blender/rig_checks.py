# SPDX-License-Identifier: GPL-3.0-or-later
"""What drive.py asks of a rig in the real Blender."""

from __future__ import annotations

import bpy
import numpy as np

from skel_blender import kinematics
from skel_blender.rig import build
from tests.bpy import bodies
from tests.bpy.evaluated import TO_ZUP, degrees_apart, joint_positions, joint_turns, mesh_points, model_skin


def state(name: str) -> tuple:
    """What tells one state of a rig from another: action, keys, a limit, a switch, and where a hand is."""
    rig = bpy.data.objects[name]
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    place = tuple(round(value, 3) for value in posed.pose.bones["hand_r"].head)
    limit = round(rig.pose.bones["tibia_r"].constraints["Limit Rotation"].max_x, 3)
    return rig.animation_data.action.name, len(bpy.data.actions), limit, round(rig["foot_ik_r_on"], 1), place


def greatest_errors(name: str, frames: int = 100) -> tuple[float, float, float]:
    """Joints (m), joint frames (degrees) and skin (m, on every tenth frame) of the open body of that name in random poses."""
    take = bodies.random_take(bodies.open_body(name, "large"), frames, seed=11)
    (handle,) = build(take)
    transforms = take.people[0].transforms()
    found = np.zeros(3)
    for frame in range(frames):
        bpy.context.scene.frame_set(frame + 1)
        expected = kinematics.z_up(transforms[frame, :, :3, 3])
        joints = np.linalg.norm(joint_positions(handle.armature) - expected, axis=1).max()
        turns = degrees_apart(joint_turns(handle.armature), TO_ZUP @ transforms[frame, :, :3, :3] @ TO_ZUP.T)
        skin = 0.0
        if frame % 10 == 0:
            model = model_skin(take.people[0].body, transforms[frame])
            skin = np.linalg.norm(mesh_points(handle.skin) - model, axis=1).max()
        found = np.maximum(found, [joints, turns, skin])
    return tuple(found)
