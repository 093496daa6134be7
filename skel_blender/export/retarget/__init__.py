# SPDX-License-Identifier: GPL-3.0-or-later
"""Retarget: the motion of a SKEL rig on the animator's own armature, as a new action of it."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ...messages import SkelError
from ...rig import compat
from ...rig.editing.steps import Steps, finish
from . import body, rigify, sample, skeleton
from .bake import bake
from .body import Options
from .slots import BY_NAME, SIDES, SLOTS, Mapping

_UPRIGHT = 0.5  # least cosine between up and the legs


@dataclass(frozen=True)
class Result:
    """What retargeting made: the target's new action, how far its legs' length is from the source's, and how far bones still are
    from where they should be (zero for armatures without constraints)."""

    action: bpy.types.Action
    frames: int
    ratio: float
    off_rad: float
    off_m: float


def retarget(
    scene: bpy.types.Scene, source: bpy.types.Object, target: bpy.types.Object, mapping: Mapping, options: Options | None = None
) -> Result:
    """Put the action of the SKEL rig `source` on the armature `target`, whose bones `mapping` names.

    The target gets a new action and keeps its place, rest pose and rotation modes; nothing else changes. Raises SkelError if that
    can't be done, before anything is changed.
    """
    return finish(steps(scene, source, target, mapping, options))


def steps(
    scene: bpy.types.Scene, source: bpy.types.Object, target: bpy.types.Object, mapping: Mapping, options: Options | None = None
) -> Steps[Result]:
    """`retarget` bit by bit; closed before its end, it leaves everything as it was."""
    options = options or Options()
    mapping = checked(target, mapping, options)
    bones = skeleton.read(target)
    _check_upright(target, bones, mapping)
    motion, rest = yield from sample.sample(scene, source)
    goals = body.goals(motion, rest, bones, mapping, options)
    switches = rigify.switches(target, set(mapping.values()))
    played = compat.action(source)
    name = f"{target.name} {played.name if played else source.name}"
    baked = yield from bake(target, bones, mapping, goals, motion.frames, switches, name)
    return Result(baked.action, len(motion.frames), goals.ratio, baked.off_rad, baked.off_m)


def check_target(target: bpy.types.Object | None, source: bpy.types.Object | None = None) -> None:
    """Raise SkelError if the motion of `source` can't be put on `target`."""
    if target is None or target.type != "ARMATURE":
        raise SkelError("no_target", "No target is chosen.", "Choose your character's armature.")
    if target == source:
        raise SkelError("same_rig", "The target is the source itself.", "Choose your character's armature as the target.")
    for thing in (target, source):
        if thing is not None and not thing.users_collection:  # the panel's choice keeps it in the file
            raise SkelError("deleted", f"{thing.name} was deleted.", "Choose another armature, or undo.")
    if target.library is not None:
        raise SkelError("linked", f"{target.name} is linked from another file.",
                        "Make a library override of it (Object > Library Override > Make).")  # fmt: skip
    if target.data.is_editmode:  # what was changed there is not on the bones yet
        raise SkelError("edit_mode", f"{target.name} is in Edit Mode.", "Leave Edit Mode.")
    data = target.animation_data
    if data is not None and data.use_tweak_mode:
        raise SkelError("tweaking", f"A strip of {target.name} is in tweak mode.", "Leave tweak mode in the NLA editor.")


def _check_scale(target: bpy.types.Object, bones: list[str]) -> None:
    """Raise SkelError if the pose scales one of the bones or an ancestor: places are told by the rest pose."""
    for bone in (above for name in bones for above in (target.pose.bones[name], *target.pose.bones[name].parent_recursive)):
        if max(abs(size - 1.0) for size in bone.scale) > 1e-3:
            raise SkelError("scaled", f"The bone {bone.name} of {target.name} is scaled.",
                            "Clear its scale (Pose > Clear Transform > Scale), or scale the rest pose.")  # fmt: skip


def _check_free(target: bpy.types.Object, bones: list[str]) -> None:
    """Raise SkelError if one of the bones hangs on its parent's tip: Blender pays no heed to such a bone's location."""
    for bone in (target.data.bones[name] for name in bones):
        if bone.use_connect and bone.parent is not None:
            raise SkelError("connected", f"{bone.name} of {target.name} is connected to {bone.parent.name}, so it can't travel.",
                            "In Edit Mode untick Connected in its Bone properties, under Relations.")  # fmt: skip


def _check_upright(target: bpy.types.Object, bones: skeleton.Skeleton, mapping: Mapping) -> None:
    """Raise SkelError if the rest pose lies, as of a file whose axes were not converted: then nothing tells where its floor is."""
    up = np.sum([bones.head(mapping[f"thigh_{side}"]) - bones.head(mapping[f"foot_{side}"]) for side in SIDES], axis=0)
    if up[2] < _UPRIGHT * np.linalg.norm(up):
        raise SkelError("lying", f"{target.name} does not stand upright in its rest pose.", "Turn the object (R) until it does.")


def checked(target: bpy.types.Object, mapping: Mapping, options: Options) -> Mapping:
    """The mapping without empty slots. Raises SkelError if the target can't be animated or a needed bone is missing or named twice."""
    check_target(target)
    mapping = {slot: bone for slot, bone in mapping.items() if bone}
    for slot, bone in mapping.items():
        if bone not in target.data.bones:
            raise SkelError("no_bone", f"{target.name} has no bone {bone}.", f"Choose another one for {BY_NAME[slot].title}.")
    for slot in SLOTS:
        if slot.needed and slot.name not in mapping:
            raise SkelError("unmapped", f"{slot.title} has no bone.", "Choose one in the list, or press Guess.")
    if options.root_travels and "root" not in mapping:
        raise SkelError("unmapped", "Root has no bone.", "Choose one in the list, or let the hips travel.")
    names = list(mapping.values())
    _check_scale(target, [mapping[slot.name] for slot in SLOTS if slot.needed])
    _check_free(target, [mapping[slot] for slot in ("hips", "root") if slot == "hips" or options.root_travels])
    twice = next((bone for bone in names if names.count(bone) > 1), None)
    if twice is not None:
        titles = " and ".join(BY_NAME[slot].title for slot, bone in mapping.items() if bone == twice)
        raise SkelError("twice", f"{twice} stands for {titles}.", "Give each part a bone of its own.")
    return mapping
