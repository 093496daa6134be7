# SPDX-License-Identifier: GPL-3.0-or-later
"""What the editing rigs do, as arrays: their bones on every frame, as Blender evaluates them with IK, limits and drivers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from ..anatomy import JOINT_NAMES
from ..messages import SkelError
from ..rig import compat, record, unkeyed
from ..rig.editing import motion
from ..rig.editing.steps import Steps, within
from . import rotations, stage

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

    name: str  # no two people that are exported together have the same, nor one that `plain` makes the same
    rig: bpy.types.Object
    rest: np.ndarray  # (24,4,4)
    lengths: np.ndarray  # (24,) m, of the bones
    scale: float  # of the rig as it stands in the scene, in metres a unit of its own, already in `rest` and `lengths`
    clips: tuple[Clip, ...]
    fps: float


def people(scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object], clips: str, span: str) -> Steps[list[Person]]:
    """Evaluate the rigs in `scene`'s clock; all have the same frames in the clips of one name.

    `clips` is 'current' or 'all' (every version of the motion), `span` 'keys' or 'scene'. Raises SkelError if a rig has no motion or
    a bone is scaled.
    """
    chosen = [versions(rig, clips, scene.name) for rig in rigs]
    spans = {title: _span(scene, [(rig, own[title]) for rig, own in zip(rigs, chosen) if title in own], span)
             for titles in chosen for title in titles}  # fmt: skip
    fps = scene.render.fps / scene.render.fps_base
    result = []
    for number, (rig, name, actions) in enumerate(zip(rigs, called(rigs), chosen)):
        reading = _person(rig, name, actions, spans, fps)
        result.append((yield from within(reading, number / len(rigs), (number + 1) / len(rigs))))
    return result


def called(rigs: Sequence[bpy.types.Object]) -> list[str]:
    """What the people are called in files: as their rigs are, without the numbers that Blender puts behind names that are taken, but no
    two alike, also where a file system knows no capitals."""
    result: list[str] = []
    taken: set[str] = set()
    for rig in rigs:
        name = unique = unnumbered(rig.name)
        number = 1
        while plain(unique).casefold() in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(plain(unique).casefold())
        result.append(unique)
    return result


def unnumbered(name: str) -> str:
    """A datablock's name without the number that Blender puts behind one that is taken."""
    return re.sub(r"\.\d{3,}$", "", name)


def plain(name: str) -> str:
    """A name as a part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)


def frames(scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object], span: str) -> np.ndarray:
    """(T,) the scene frames of the rigs' current motions together. Raises SkelError if one has none."""
    return _span(scene, [(rig, compat.action(rig)) for rig in rigs], span)


def _span(scene: bpy.types.Scene, playing: Sequence[tuple[bpy.types.Object, bpy.types.Action | None]], span: str) -> np.ndarray:
    if span == "scene":
        return np.arange(scene.frame_start, scene.frame_end + 1)
    found = []
    for rig, action in playing:
        with _playing(rig, action):
            found.append(motion.span_of(rig))
    return np.arange(min(own[0] for own in found), max(own[-1] for own in found) + 1)


def versions(rig: bpy.types.Object, clips: str, title: str) -> dict[str, bpy.types.Action | None]:
    """Clip name -> action, the current one as `title`: None where the NLA alone plays. Raises SkelError if the rig has no motion."""
    record.of(rig)
    motion.span_of(rig)
    current = compat.action(rig)
    if clips == "current":
        return {title: current}
    result: dict[str, bpy.types.Action | None] = {title: current} if motion.is_layered(rig) else {}
    for action in record.versions(rig) or ([] if result else [current]):
        kind = str(action.get(record.KIND, title)) if action else title
        same = sum(name.partition(" ")[0] == kind for name in result)
        result[f"{kind} {same + 1}" if same else kind] = action
    return result


def _person(
    rig: bpy.types.Object, name: str, actions: dict[str, bpy.types.Action | None], spans: dict[str, np.ndarray], fps: float
) -> Steps[Person]:
    own = np.array([rig.data.bones[name].matrix_local for name in JOINT_NAMES])
    lengths = np.array([rig.data.bones[name].length for name in JOINT_NAMES])
    clips, scale = [], None
    for number, (title, action) in enumerate(actions.items()):
        with _playing(rig, action):
            own_frames = motion.span_of(rig)  # outside them the rig may be hidden, which is not evaluated then; it stands still
            shown = np.clip(spans[title], own_frames[0], own_frames[-1])
            looking = stage.look(rig, shown, JOINT_NAMES, f"Reading the motion of {name}")
            world = yield from within(looking, number / len(actions), (number + 1) / len(actions))
        sizes = np.linalg.norm(world[..., :3, :3], axis=-2)  # of the columns
        scale = float(np.median(sizes)) if scale is None else scale
        off = (np.abs(sizes - scale) > _LIKE * scale).any(axis=(0, 2)) | (np.linalg.det(world[..., :3, :3]) <= 0.0).any(axis=0)
        if np.ptp(sizes) > _LIKE * scale and (np.ptp(sizes, axis=(1, 2)) <= _LIKE * scale).all():
            raise SkelError("growing", f"{rig.name} changes size during its motion, but files hold only one size.",
                            "Delete the keys of its scale, or of a parent's scale, such as that of the take's empty.")  # fmt: skip
        if off.any():
            bone = JOINT_NAMES[int(np.argmax(off))]
            raise SkelError("scaled", f"The bone {bone} of {rig.name} is scaled along one axis, to nothing, or mirrored.",
                            "Clear its scale and that of its parents, including the take's empty.")  # fmt: skip
        clips.append(Clip(title, spans[title], _without_scale(world)))
    rest = _without_scale(own)
    rest[:, :3, 3] *= scale
    return Person(name, rig, rest, lengths * scale, scale, tuple(clips), fps)


def _without_scale(matrices: np.ndarray) -> np.ndarray:
    """The same places with the nearest rotations."""
    result = matrices.astype(float)
    result[..., :3, :3] = rotations.orthonormal(result[..., :3, :3])
    return result


@contextmanager
def _playing(rig: bpy.types.Object, action: bpy.types.Action | None) -> Iterator[None]:
    """Let `rig` play `action`, alone if it is not the present one; afterwards it plays what it played, in the slot it played."""
    data = rig.animation_data
    before, slot, blend, nla = data.action, getattr(data, "action_slot", None), data.action_blend_type, data.use_nla
    if action == before:
        yield
        return
    with unkeyed.at_rest(rig) as values:
        compat.use_action(rig, action)
    data.action_blend_type, data.use_nla = "REPLACE", False
    try:
        yield
    finally:
        data.action, data.action_blend_type, data.use_nla = before, blend, nla
        if slot is not None:
            data.action_slot = slot
        unkeyed.put(rig, values)
