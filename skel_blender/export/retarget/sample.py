# SPDX-License-Identifier: GPL-3.0-or-later
"""The source: what Blender shows of a SKEL rig on every frame of its action, IK and limits included, as arrays in world axes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy
import numpy as np

from ...anatomy import JOINT_INDEX, JOINT_NAMES
from ...rig.assemble import in_metres, scene_of
from ...rig.editing import layers, motion
from ...rig.editing.steps import Steps
from .. import rotations, stage
from . import feet
from .align import Rest

_TIPS = ("hand_r", "hand_l", "toes_r", "toes_l")


@dataclass(frozen=True)
class Motion:
    """A SKEL motion: scene frames (T,), turns (T,24,3,3) of the joints from the T pose and their centres (T,24,3) m, world axes;
    contacts (T,6) bool, points as in take.CONTACT_NAMES; levels (T,2) m over the floor on which the right and the left foot rest."""

    frames: np.ndarray
    turns: np.ndarray
    places: np.ndarray
    contacts: np.ndarray
    levels: np.ndarray
    fps: float

    def turn(self, joint: str) -> np.ndarray:
        """(T,3,3) of one joint."""
        return self.turns[:, JOINT_INDEX[joint]]

    def place(self, joint: str) -> np.ndarray:
        """(T,3) m of one joint."""
        return self.places[:, JOINT_INDEX[joint]]


def sample(scene: bpy.types.Scene, rig: bpy.types.Object) -> Steps[tuple[Motion, Rest]]:
    """Look at the rig on every frame of its action. Raises SkelError if it has no motion."""
    frames = motion.span_of(rig)
    posed = yield from stage.look(rig, frames, JOINT_NAMES, "Reading the motion")
    rest, bases = _rest(rig)
    turns = rotations.orthonormal(posed[..., :3, :3]) @ rotations.transpose(bases)
    fps, unknown = scene.render.fps / scene.render.fps_base, np.zeros((len(frames), 0))
    result = Motion(frames, turns, posed[..., :3, 3], unknown, unknown, fps)
    known = layers.resting(rig, frames)
    known = known if known is not None and known.any() else None
    size = np.linalg.norm(in_metres(rig.matrix_world, scene_of(rig))[:3, 0])  # of a take that was made larger or smaller
    touching, levels = feet.contacts(sole(result, rest) / size, rest.origin[2] / size, fps, known)
    return replace(result, contacts=touching, levels=levels * size), rest


def _rest(rig: bpy.types.Object) -> tuple[Rest, np.ndarray]:
    """The T pose in the world, and each joint's bone axes there (24,3,3)."""
    world = in_metres(rig.matrix_world, scene_of(rig))
    turned = rotations.orthonormal(world[:3, :3])
    bones = [rig.data.bones[name] for name in JOINT_NAMES]
    bases = turned @ rotations.orthonormal(np.array([bone.matrix_local for bone in bones])[:, :3, :3])
    heads = np.array([bone.head_local for bone in bones]) @ world[:3, :3].T + world[:3, 3]
    size = np.linalg.norm(world[:3, 0])
    along = {name: size * bases[JOINT_INDEX[name], :, 1] * rig.data.bones[name].length for name in _TIPS}
    return Rest(dict(zip(JOINT_NAMES, heads)), along, turned, world[:3, 3].copy()), bases


def sole(moves: Motion, rest: Rest) -> np.ndarray:
    """(T,6,3) m: heel, ball and tip of the toes of the right and the left foot, which lie on the floor at rest."""
    result = []
    for side in "rl":
        for joint, along in (("calcn", 0.0), ("toes", 0.0), ("toes", 1.0)):
            name = f"{joint}_{side}"
            spot = rest.joints[name] + along * rest.along[f"toes_{side}"]
            below = np.array([spot[0], spot[1], rest.origin[2]]) - rest.joints[name]
            result.append(moves.place(name) + rotations.apply(moves.turn(name), below))
    return np.stack(result, axis=1)
