# SPDX-License-Identifier: GPL-3.0-or-later
"""The target's new action. Plain armatures need no evaluation; where constraints or drivers stand between bones, what Blender makes
of the keys is looked at and the keys are put right by it, until the bones are where they shall be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from ...rig import compat, keyframes
from ...rig.editing.steps import Steps
from .. import rotations, stage
from . import channels
from .aims import aims
from .body import Goals
from .channels import Goal
from .rigify import Switch
from .skeleton import Skeleton
from .slots import Mapping

_PASSES, _NEAR_RAD, _NEAR_M = 8, np.radians(0.05), 5e-4
_CHANNELS = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "scale")
Matrices = dict[str, np.ndarray]
"""Bone -> (T,4,4)."""


@dataclass(frozen=True)
class Baked:
    """What came of it: the action, and how far bones are at most from where they should be (0, 0 for plain armatures)."""

    action: bpy.types.Action
    off_rad: float
    off_m: float


@dataclass(frozen=True)
class _Work:
    """What is keyed: `holder` has the F-curves, `still` (B,4,4) is what the bones' channels said before."""

    target: bpy.types.Object
    holder: bpy.types.Action | bpy.types.ActionChannelbag
    skeleton: Skeleton
    still: np.ndarray
    frames: np.ndarray  # (T,) scene frames

    def hold(self, turns: dict[str, np.ndarray]) -> None:
        """Turn bones by (3,3) each in their own channels from the first frame on, with one key."""
        for name, turn in turns.items():
            basis = self.still[self.skeleton.index[name]].copy()
            basis[:3, :3] = turn
            mode = self.target.pose.bones[name].rotation_mode
            for curve in channels.curves(name, mode, basis[None], self.frames[:1]):
                keyframes.write(self.holder, curve)

    def key(self, given: Matrices, wanted: dict[str, Goal]) -> Matrices:
        """Key the bones so that they reach what is wanted from the frames X that are given; returns their bases."""
        result = {}
        for name, goal in wanted.items():
            result[name] = channels.bases(self.skeleton, given[name], self.still[self.skeleton.index[name]], goal)
            mode = self.target.pose.bones[name].rotation_mode
            located = None if goal.head is None else self.skeleton.located[self.skeleton.index[name]]
            for curve in channels.curves(name, mode, result[name], self.frames, located):
                keyframes.write(self.holder, curve)
        return result


def bake(
    target: bpy.types.Object, skeleton: Skeleton, mapping: Mapping, goals: Goals, frames: np.ndarray, switches: list[Switch], name: str
) -> Steps[Baked]:
    """Give the target a new action of that name with keys on the scene frames (T,); the one it had stays in the file."""
    still = np.array([bone.matrix_basis for bone in map(target.pose.bones.__getitem__, skeleton.names)])
    still[:, :3, 3] = rotations.apply(rotations.transpose(skeleton.located), still[:, :3, 3])
    with _as_before_unless_finished(target, switches):
        work = _Work(target, compat.new_action(target, name), skeleton, still, frames)
        target.animation_data.action_blend_type, target.animation_data.action_influence = "REPLACE", 1.0  # over the NLA's strips
        for switch in switches:
            keyframes.write(work.holder, keyframes.Curve(switch.path, 0, "FK", frames[:1], np.array([switch.value])), "CONSTANT")
            target.pose.bones[switch.bone][switch.prop] = switch.like(switch.value)
        work.hold(goals.held)
        given = channels.frames_from_parents(skeleton, still, goals.bones)
        bases = work.key(given, goals.bones)
        off = (0.0, 0.0)
        if moved_otherwise(target, skeleton, goals.bones):
            off = yield from _correct(work, mapping, goals, bases)
        else:
            beside = aims(skeleton, mapping, {name: given[name] @ basis for name, basis in bases.items()})
            work.key(channels.frames_from_parents(skeleton, still, goals.bones | beside), beside)
    target.update_tag()
    return Baked(target.animation_data.action, *off)


@contextmanager
def _as_before_unless_finished(target: bpy.types.Object, switches: list[Switch]) -> Iterator[None]:
    """Keep the target's old and new action in the file; if it does not come to the new one's end, all is as it was."""
    fresh = target.animation_data is None
    data = target.animation_data or target.animation_data_create()
    before, slot = data.action, getattr(data, "action_slot", None)
    blend = data.action_blend_type, data.action_influence
    pose = {bone: [tuple(getattr(bone, channel)) for channel in _CHANNELS] for bone in target.pose.bones}
    values = {switch: target.pose.bones[switch.bone][switch.prop] for switch in switches}
    try:
        yield
    except BaseException:
        made, data.action = data.action, before
        data.action_blend_type, data.action_influence = blend
        if slot is not None:
            data.action_slot = slot
        if made is not None and made != before:
            bpy.data.actions.remove(made)
        if fresh:
            target.animation_data_clear()
        for switch, value in values.items():
            target.pose.bones[switch.bone][switch.prop] = value
        for bone, kept in pose.items():
            for channel, value in zip(_CHANNELS, kept):
                setattr(bone, channel, value)
        raise
    for action in (before, data.action):
        if action is not None:
            action.use_fake_user = True


def moved_otherwise(target: bpy.types.Object, skeleton: Skeleton, goals: dict[str, Goal]) -> bool:
    """Whether a constraint or a driver moves a bone of `goals` or an ancestor of one."""
    names = {skeleton.names[number] for name in goals for number in skeleton.path(skeleton.index[name])}
    if any(target.pose.bones[name].constraints for name in names):
        return True
    drivers = target.animation_data.drivers if target.animation_data else ()
    bones = {curve.data_path.split('"')[1] for curve in drivers if curve.data_path.startswith('pose.bones["')}
    return bool(bones & names)


def _correct(work: _Work, mapping: Mapping, goals: Goals, bases: Matrices) -> Steps[tuple[float, float]]:
    """Look, take X from what is seen, key again; returns the greatest angle (rad) and distance of the hips (m) that are left."""
    wanted, hips = dict(goals.bones), mapping["hips"]
    names, thighs = list(wanted), [mapping["thigh_l"], mapping["thigh_r"]]
    back = np.linalg.inv(work.skeleton.object_matrix)
    for step in range(_PASSES):
        matrices = yield from stage.look(work.target, work.frames, names, f"Correcting for constraints, pass {step + 1}")
        seen = dict(zip(names, np.moveaxis(matrices, 1, 0)))
        miss = goals.middle - np.mean([seen[name][:, :3, 3] for name in thighs], axis=0)
        off = max(_angle(seen[name], wanted[name]) for name in names), float(np.linalg.norm(miss, axis=-1).max())
        if off[0] < _NEAR_RAD and off[1] < _NEAR_M or step == _PASSES - 1:
            break
        wanted[hips] = Goal(wanted[hips].turned, wanted[hips].head + miss)
        given = _carried(work, {name: back @ where for name, where in seen.items()}, bases, wanted)
        bases = work.key(given, wanted)
    return off


def _angle(seen: np.ndarray, goal: Goal) -> float:
    """The greatest angle (rad) between matrices (T,4,4) that are seen and a goal."""
    turned = rotations.orthonormal(seen[:, :3, :3])
    return float(np.linalg.norm(rotations.rotvec(turned @ rotations.transpose(goal.turned)), axis=-1).max())


def _carried(work: _Work, seen: Matrices, bases: Matrices, wanted: dict[str, Goal]) -> Matrices:
    """Bone -> X as seen, moved along with the nearest ancestor of `wanted` from where that is seen to where it will be."""
    skeleton, result, will = work.skeleton, {}, {}
    for bone in sorted(wanted, key=skeleton.index.__getitem__):
        number = skeleton.index[bone]
        frame = seen[bone] @ np.linalg.inv(bases[bone])
        above = [skeleton.names[k] for k in skeleton.path(number)[:-1] if skeleton.names[k] in wanted]
        result[bone] = will[above[-1]] @ np.linalg.inv(seen[above[-1]]) @ frame if above else frame
        will[bone] = result[bone] @ channels.bases(skeleton, result[bone], work.still[number], wanted[bone])
    return result
