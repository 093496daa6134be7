# SPDX-License-Identifier: GPL-3.0-or-later
"""A walk on somebody's armature, measured as it is seen: feet, knees, directions. World, z up, m."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from skel_blender.anatomy import JOINT_NAMES
from skel_blender.export.retarget import Options, Result, retarget, skeleton
from skel_blender.export.retarget.guess import guess
from tests.bpy.evaluated import evaluated

FRAMES = np.arange(1, 121)
JOINTS = {"thigh": "femur", "shin": "tibia", "foot": "talus", "toe": "toes", "upper_arm": "humerus", "forearm": "ulna", "hand": "hand"}


@dataclass
class Seen:
    """Heads (T,B,3) m and turns (T,B,3,3) of bones on FRAMES, by what they stand for."""

    heads: dict[str, np.ndarray]
    turns: dict[str, np.ndarray]

    def direction(self, one: str, other: str) -> np.ndarray:
        step = self.heads[other] - self.heads[one]
        return step / np.linalg.norm(step, axis=-1, keepdims=True)


def look(thing: bpy.types.Object, bones: dict[str, str]) -> Seen:
    """The bones (what -> name) as the user sees them in the scene."""
    matrices = np.empty((len(FRAMES), len(bones), 4, 4))
    for row, frame in enumerate(FRAMES):
        bpy.context.scene.frame_set(int(frame))
        posed = evaluated(thing)
        matrices[row] = [posed.matrix_world @ posed.pose.bones[name].matrix for name in bones.values()]
    matrices[..., :3, :3] /= np.linalg.norm(matrices[..., :3, :3], axis=-2, keepdims=True)
    heads = {what: matrices[:, k, :3, 3] for k, what in enumerate(bones)}
    return Seen(heads, {what: matrices[:, k, :3, :3] for k, what in enumerate(bones)})


def put(source: bpy.types.Object, target: bpy.types.Object, **options: bool) -> tuple[Result, dict[str, str], Seen]:
    """Retarget with the guessed map; the result, the map and how the target is seen."""
    mapping = guess(skeleton.read(target))
    result = retarget(bpy.context.scene, source, target, mapping, Options(**options))
    return result, mapping, look(target, mapping)


def look_at_source(rig: bpy.types.Object) -> Seen:
    """The SKEL rig, its joints called as the parts of a bone map."""
    sided = {f"{part}_{side}": f"{joint}_{side}" for part, joint in JOINTS.items() for side in "lr"}
    return look(rig, {**{name: name for name in JOINT_NAMES}, **sided})


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(T,) degrees between directions (T,3)."""
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other), axis=-1), (one * other).sum(-1)))


def steps(seen: Seen, side: str, floor: float = 0.0) -> list[slice]:
    """The stretches in which the ball of the SKEL rig's foot stands: low and slow, by a measure of our own."""
    ball = seen.heads[f"toe_{side}"]
    speed = np.linalg.norm(np.gradient(ball, axis=0), axis=1) * 30
    still = (speed < 0.25) & (ball[:, 2] < floor + 0.05)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int))).reshape(-1, 2)
    return [slice(first, end) for first, end in edges if end - first > 6]


def slide(points: np.ndarray) -> float:
    """How far (m) points (T,3) spread over the floor."""
    return float(np.linalg.norm(np.ptp(points[:, :2], axis=0)))


def forward(seen: Seen) -> np.ndarray:
    """(T,3) where the hips face."""
    way = np.cross(seen.heads["thigh_l"] - seen.heads["thigh_r"], [0.0, 0.0, 1.0])
    return way / np.linalg.norm(way, axis=1, keepdims=True)


def knee_ahead(seen: Seen, side: str) -> np.ndarray:
    """(T,) m by which the knee lies in front of the line from hip to ankle."""
    hip, knee, ankle = (seen.heads[f"{part}_{side}"] for part in ("thigh", "shin", "foot"))
    line = ankle - hip
    nearest = hip + line * (((knee - hip) * line).sum(1) / (line * line).sum(1))[:, None]
    return ((knee - nearest) * forward(seen)).sum(1)


def knee_bend(seen: Seen, side: str) -> np.ndarray:
    """(T,) degrees."""
    return apart(seen.direction(f"thigh_{side}", f"shin_{side}"), seen.direction(f"shin_{side}", f"foot_{side}"))


def jerkiness(points: np.ndarray) -> float:
    """The greatest acceleration, m a frame squared."""
    return float(np.linalg.norm(np.diff(points, 2, axis=0), axis=1).max())
