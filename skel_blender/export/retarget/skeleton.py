# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature as arrays: its rest pose in world axes, and how its bones hang together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import bpy
import numpy as np

from ...messages import SkelError
from ...rig.assemble import in_metres, scene_of
from .. import rotations

_SKEW = 1e-3


@dataclass(frozen=True)
class Skeleton:
    """Bones, parents before children, at rest. World: z up, metres."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for none
    local: np.ndarray  # (B,4,4) rest matrices in armature space
    lengths: np.ndarray  # (B,) in armature space
    inherits: np.ndarray  # (B,) bool, whether a bone turns with its parent
    located: np.ndarray  # (B,3,3) to the axes of a bone's location from its own: the same unless Local Location is off, then its parent's
    object_matrix: np.ndarray  # (4,4) armature to world
    floor: float  # m, where the soles are at rest

    @cached_property
    def index(self) -> dict[str, int]:
        """Bone name -> number."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def scale(self) -> float:
        """Metres of the world to a unit of the armature."""
        return float(np.cbrt(np.linalg.det(self.object_matrix[:3, :3])))

    @cached_property
    def turned(self) -> np.ndarray:
        """(3,3) the rotation from armature to world axes."""
        return self.object_matrix[:3, :3] / self.scale

    @cached_property
    def heads(self) -> np.ndarray:
        """(B,3) world, m."""
        return self.to_world(self.local[:, :3, 3])

    @cached_property
    def tails(self) -> np.ndarray:
        """(B,3) world, m."""
        return self.to_world(self.local[:, :3, 3] + self.lengths[:, None] * self.local[:, :3, 1])

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """The children of each bone."""
        return tuple(tuple(child for child, parent in enumerate(self.parents) if parent == bone) for bone in range(len(self.names)))

    def head(self, name: str) -> np.ndarray:
        """(3,) of a bone, world, m."""
        return self.heads[self.index[name]]

    def tail(self, name: str) -> np.ndarray:
        """(3,) of a bone, world, m."""
        return self.tails[self.index[name]]

    def basis(self, name: str) -> np.ndarray:
        """(3,3) a bone's axes at rest as columns, world."""
        return self.turned @ self.local[self.index[name], :3, :3]

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """(...,3) points of the armature's space in the world."""
        return points @ self.object_matrix[:3, :3].T + self.object_matrix[:3, 3]

    def to_armature(self, points: np.ndarray) -> np.ndarray:
        """(...,3) points of the world in the armature's space."""
        return (points - self.object_matrix[:3, 3]) @ self.turned / self.scale

    def path(self, bone: int) -> list[int]:
        """A bone's ancestors from the top, and the bone."""
        result = []
        while bone >= 0:
            result.insert(0, bone)
            bone = self.parents[bone]
        return result


def read(target: bpy.types.Object) -> Skeleton:
    """The skeleton of an armature object. Raises SkelError if it has no bones or if its scale is negative or differs along its axes."""
    bones = list(target.data.bones)  # Blender lists parents first
    index = {bone.name: number for number, bone in enumerate(bones)}
    matrix = in_metres(target.matrix_world, scene_of(target))
    _check_scale(target, matrix[:3, :3])
    if not bones:
        raise SkelError("no_bones", f"{target.name} has no bones.", "Choose another armature.")
    local = np.array([bone.matrix_local for bone in bones])
    local[:, :3, :3] = rotations.orthonormal(local[:, :3, :3])
    parents = tuple(index[bone.parent.name] if bone.parent else -1 for bone in bones)
    turned = [local[parent, :3, :3].T @ own[:3, :3] if parent >= 0 else own[:3, :3] for parent, own in zip(parents, local)]
    located = np.array([np.eye(3) if bone.use_local_location else turn for bone, turn in zip(bones, turned)])
    skeleton = Skeleton(
        tuple(index), parents, local, np.array([bone.length for bone in bones]),
        np.array([bone.use_inherit_rotation for bone in bones]), located, matrix, 0.0,
    )  # fmt: skip
    return replace(skeleton, floor=_floor(target, skeleton))


def _check_scale(target: bpy.types.Object, matrix: np.ndarray) -> None:
    size = np.linalg.norm(matrix, axis=0)
    if size.min() <= 0.0 or np.linalg.det(matrix) <= 0.0:
        raise SkelError("mirrored", f"The scale of {target.name} is negative or zero.", "Apply its scale (Object > Apply > Scale).")
    skewed = np.abs(matrix.T @ matrix / size.max() ** 2 - np.eye(3)).max()
    if skewed > _SKEW:
        raise SkelError("skewed", f"The scale of {target.name} differs along its axes.", "Apply its scale (Object > Apply > Scale).")


def _floor(target: bpy.types.Object, skeleton: Skeleton) -> float:
    """Height (m) of the soles at rest: of its skin if it has one, else the armature's origin, else its lowest bone."""
    lowest = [_lowest(thing) for thing in target.children_recursive if _is_skin(thing, target)]
    if lowest:
        return min(lowest)
    carried = np.array(skeleton.parents) >= 0  # where a root bone's tail points says nothing: below the floor, as it may be
    ends = np.concatenate([skeleton.heads, skeleton.tails[carried]])[:, 2]
    origin, bottom, height = float(skeleton.object_matrix[2, 3]), float(ends.min()), float(np.ptp(ends))
    return origin if -0.02 * height < bottom - origin < 0.1 * height else bottom


def _is_skin(thing: bpy.types.Object, target: bpy.types.Object) -> bool:
    return thing.type == "MESH" and len(thing.data.vertices) > 0 and any(
        modifier.type == "ARMATURE" and modifier.object == target for modifier in thing.modifiers
    )  # fmt: skip


def _lowest(thing: bpy.types.Object) -> float:
    points = np.empty(len(thing.data.vertices) * 3, dtype=np.float32)
    thing.data.vertices.foreach_get("co", points)
    matrix = in_metres(thing.matrix_world, scene_of(thing))
    return float((points.reshape(-1, 3) @ matrix[2, :3]).min() + matrix[2, 3])
