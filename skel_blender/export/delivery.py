# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton that is delivered, as arrays in the file's own axes and unit: bones at rest, and where each is on every frame. No bpy.

A bone B of the rig moves points by D = W R^-1, with R its rest and W its pose. The delivered bone has another place, other axes and
another rest pose E, but moves with the same D: its rest is E B0 and its pose D B0, with B0 the bone in the T pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import kinematics
from ..anatomy import JOINT_INDEX
from . import names as maps
from .heading import headings

_UP_TO_Y = kinematics.R_ZUP_YUP.T  # z-up world vectors in y-up axes
_HIPS = [JOINT_INDEX["femur_r"], JOINT_INDEX["femur_l"]]
_VERTICAL = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Space:
    """A file's axes and unit."""

    unit: float = 1.0  # m
    up: str = "Y"

    def matrices(self, world: np.ndarray) -> np.ndarray:
        """(...,4,4) z-up metre transforms of things, in this space; the things' own axes stay."""
        result = world.copy()
        result[..., :3, :] = self.axes @ world[..., :3, :]
        result[..., :3, 3] /= self.unit
        return result

    def points(self, world: np.ndarray) -> np.ndarray:
        """(...,3) z-up points (m) in this space."""
        return world @ self.axes.T / self.unit

    @property
    def axes(self) -> np.ndarray:
        """(3,3) file vectors from z-up ones."""
        return _UP_TO_Y if self.up == "Y" else np.eye(3)


@dataclass(frozen=True)
class Skeleton:
    """Bones with the root first and parents before children, in file axes and unit."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for the root
    joints: tuple[int, ...]  # whose weights a bone has, -1 for the root
    rest: np.ndarray  # (B,4,4)
    lengths: np.ndarray  # (B,)
    rest_deform: np.ndarray  # (24,4,4) the joints' movement from the T pose to this rest, z up, m


@dataclass(frozen=True)
class Travel:
    """What the root bone does: `by` is one of presets.TRAVELS, with `heading` it also turns; `fps` is the clock of the motion."""

    by: str
    heading: bool
    fps: float


def root_motion(world: np.ndarray, rest: np.ndarray, travel: Travel) -> tuple[np.ndarray, np.ndarray]:
    """Root bone (T,4,4) and the way taken out of everything (T,4,4), z up, m, for joints' matrices (T,24,4,4) and rest (24,4,4).

    By 'root', it has the way of the middle of the hip joints over the floor, with the yaw of the body; by 'hips' it stays at the origin;
    by 'none' it does so too and way and yaw are taken out. (The pelvis' own joint lies in front of that middle, which is as well:
    Blender's older FBX importer nails a bone to its parent's tip where it lies straight above it.)
    """
    way = np.tile(np.eye(4), (len(world), 1, 1))
    way[:, :2, 3] = world[:, _HIPS][..., :2, 3].mean(axis=1)
    if travel.heading:
        yaw = headings(world[:, 0, :3, :3] @ rest[0, :3, :3].T, travel.fps)
        way[:, :3, :3] = kinematics.axis_rotation(_VERTICAL, yaw)
    still = np.tile(np.eye(4), (len(world), 1, 1))
    return (way, still) if travel.by == "root" else (still, still) if travel.by == "hips" else (still, way)


def rest_deform(rest: np.ndarray, pose: np.ndarray | None) -> np.ndarray:
    """(24,4,4) movement from the T pose `rest` (24,4,4) to `pose` (None: itself) put over the origin, z up, m."""
    result = np.tile(np.eye(4), (len(rest), 1, 1)) if pose is None else pose @ np.linalg.inv(rest)
    result[:, :2, 3] -= (result @ rest)[_HIPS][:, :2, 3].mean(axis=0)
    return result


def skeleton(rest: np.ndarray, lengths: np.ndarray, deform: np.ndarray, table: str, axes: str, space: Space) -> Skeleton:
    """The bones of a map: `rest` (24,4,4) the rig's joints in the T pose, `deform` as `rest_deform` gives it."""
    rows = maps.bones(table)
    index = {row.name: k + 1 for k, row in enumerate(rows)}
    joints = [JOINT_INDEX[row.joint] for row in rows]
    first = space.matrices(deform[joints] @ tpose(rest, table, axes))
    return Skeleton(
        (maps.root(table), *(row.name for row in rows)), (-1, *(0 if row.parent is None else index[row.parent] for row in rows)),
        (-1, *joints), np.concatenate([np.eye(4)[None], first]),
        np.concatenate([[0.3 / space.unit], lengths[joints] / space.unit]), deform,
    )  # fmt: skip


def tpose(rest: np.ndarray, table: str, axes: str) -> np.ndarray:
    """(B-1,4,4) the delivered bones but the root in the T pose, z up, m."""
    rows = maps.bones(table)
    result = rest[[JOINT_INDEX[row.joint] for row in rows]].copy()
    if axes == "XZ":  # x along the bone and z for bending, where the rig has y and x
        result[:, :3, :3] = result[:, :3, [1, 2, 0]]
    result[:, :3, 3] = rest[[JOINT_INDEX[row.head] for row in rows], :3, 3]
    return result


def poses(skeleton: Skeleton, world: np.ndarray, rest: np.ndarray, table: str, axes: str, space: Space, travel: Travel) -> np.ndarray:
    """(T,B,4,4) the bones in file space for the joints' world matrices (T,24,4,4)."""
    root, taken = root_motion(world, rest, travel)
    moved = np.linalg.inv(taken)[:, None] @ world @ np.linalg.inv(rest)
    turned = space.matrices(root)
    turned[:, :3, :3] = turned[:, :3, :3] @ space.axes.T
    return np.concatenate([turned[:, None], space.matrices(moved[:, skeleton.joints[1:]] @ tpose(rest, table, axes))], axis=1)


def local(skeleton: Skeleton, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blender's pose channels for bones at (T,B,4,4): locations (T,B,3) and rotations (T,B,3,3), both from rest."""

    def relative(matrices: np.ndarray) -> np.ndarray:
        above = matrices[..., np.maximum(skeleton.parents, 0), :, :]
        return np.concatenate([matrices[..., :1, :, :], (np.linalg.inv(above) @ matrices)[..., 1:, :, :]], axis=-3)

    basis = np.linalg.inv(relative(skeleton.rest)) @ relative(world)
    return basis[..., :3, 3], basis[..., :3, :3]
