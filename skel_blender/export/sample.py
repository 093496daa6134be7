# SPDX-License-Identifier: GPL-3.0-or-later
"""What the editing rigs do, as arrays: their bones on every frame, as Blender evaluates them with IK, limits and drivers.

The rigs are evaluated in a scene of their own, so that the editing scene keeps its frame, and poses that are not keyed stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from ..anatomy import JOINT_NAMES
from ..messages import SkelError
from ..rig import compat, motion, record
from . import stage

_LIKE = 1e-3  # scales that differ by less are the same


@dataclass(frozen=True)
class Clip:
    """One motion of a person: world matrices of the joints' bones, without scale."""

    name: str
    frames: np.ndarray  # (T,) scene frames
    world: np.ndarray  # (T,24,4,4) z up, m


@dataclass(frozen=True)
class Person:
    """A rig at rest (armature space, z up, m, in the size in which it stands in the scene) and its motions."""

    name: str
    rig: bpy.types.Object
    rest: np.ndarray  # (24,4,4)
    lengths: np.ndarray  # (24,) m, of the bones
    scale: float  # of the rig as it stands in the scene, already in `rest` and `lengths`
    clips: tuple[Clip, ...]


def people(scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object], clips: str, span: str) -> list[Person]:
    """Evaluate the rigs in `scene`'s clock; all have the same frames in the clips of one name.

    `clips` is 'current' or 'all' (every version of the motion), `span` 'keys' or 'scene'. Raises SkelError if a rig has no motion or
    a bone is scaled.
    """
    chosen = [_versions(rig, clips, scene.name) for rig in rigs]
    spans = {name: _span(scene, [(rig, own[name]) for rig, own in zip(rigs, chosen) if name in own], span)
             for versions in chosen for name in versions}  # fmt: skip
    with stage.empty_scene(scene, "skel sample") as place:
        for rig in rigs:
            place.collection.objects.link(rig)
        return [_person(place, rig, versions, spans) for rig, versions in zip(rigs, chosen)]


def frames(scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object], span: str) -> np.ndarray:
    """(T,) the scene frames of the rigs' current motions together. Raises SkelError if one has none."""
    return _span(scene, [(rig, motion.action_of(rig)) for rig in rigs], span)


def _span(scene: bpy.types.Scene, playing: Sequence[tuple[bpy.types.Object, bpy.types.Action]], span: str) -> np.ndarray:
    if span == "scene":
        return np.arange(scene.frame_start, scene.frame_end + 1)
    found = []
    for rig, action in playing:
        with _playing(rig, action):
            found.append(motion.frames_of(rig))
    return np.arange(min(own[0] for own in found), max(own[-1] for own in found) + 1)


def _versions(rig: bpy.types.Object, clips: str, title: str) -> dict[str, bpy.types.Action]:
    """Clip name -> action."""
    current = motion.action_of(rig)
    if clips == "current":
        return {title: current}
    result: dict[str, bpy.types.Action] = {}
    for action in record.versions(rig) or [current]:
        kind = str(action.get(record.KIND, title))
        same = sum(name.partition(" ")[0] == kind for name in result)
        result[f"{kind} {same + 1}" if same else kind] = action
    return result


def _person(
    place: bpy.types.Scene, rig: bpy.types.Object, versions: dict[str, bpy.types.Action], spans: dict[str, np.ndarray]
) -> Person:
    own = np.array([rig.data.bones[name].matrix_local for name in JOINT_NAMES])
    lengths = np.array([rig.data.bones[name].length for name in JOINT_NAMES])
    clips, scale = [], None
    for name, action in versions.items():
        with _playing(rig, action):
            own_frames = motion.frames_of(rig)  # outside them the rig may be hidden, which is not evaluated then; it stands still
            world = _matrices(place, rig, np.clip(spans[name], own_frames[0], own_frames[-1]))
        sizes = np.linalg.norm(world[..., :3, :3], axis=-2)  # of the columns
        scale = float(np.median(sizes)) if scale is None else scale
        off = np.abs(sizes - scale).max(axis=(0, 2)) > _LIKE * scale
        if off.any():
            bone = JOINT_NAMES[int(np.argmax(off))]
            raise SkelError("scaled", f"The bone {bone} of {rig.name} is scaled or sheared.", "Clear the scale of it and of its parents.")
        clips.append(Clip(name, spans[name], _without_scale(world)))
    rest = _without_scale(own)
    rest[:, :3, 3] *= scale
    return Person(str(rig.get(record.PERSON, rig.name)), rig, rest, lengths * scale, scale, tuple(clips))


def _matrices(place: bpy.types.Scene, rig: bpy.types.Object, frames: np.ndarray) -> np.ndarray:
    """(T,24,4,4) world matrices of the joints' bones."""
    layer, result = place.view_layers[0], np.empty((len(frames), len(JOINT_NAMES), 4, 4))
    for k, frame in enumerate(frames):
        place.frame_set(int(frame))
        posed = rig.evaluated_get(layer.depsgraph)
        bones = np.array([posed.pose.bones[name].matrix for name in JOINT_NAMES])
        result[k] = np.array(posed.matrix_world) @ bones
    return result


def _without_scale(matrices: np.ndarray) -> np.ndarray:
    """The same places with the nearest rotations."""
    u, _, v = np.linalg.svd(matrices[..., :3, :3])
    result = matrices.astype(float)
    result[..., :3, :3] = u @ v
    return result


@contextmanager
def _playing(rig: bpy.types.Object, action: bpy.types.Action) -> Iterator[None]:
    """Let `rig` play `action`; afterwards it plays what it played, in the slot it played."""
    data = rig.animation_data
    before, slot = data.action, getattr(data, "action_slot", None)
    if action == before:
        yield
        return
    compat.use_action(rig, action)
    try:
        yield
    finally:
        data.action = before
        if slot is not None:
            data.action_slot = slot

