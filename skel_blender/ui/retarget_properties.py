# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user chooses for a retarget: source, target, a bone for each part of the body, options. Kept in the scene."""

import bpy
from bpy.props import BoolProperty, CollectionProperty, IntProperty, PointerProperty, StringProperty

from ..export.retarget import guess, skeleton, slots
from ..messages import SkelError
from ..rig import record


def fill(settings: bpy.types.PropertyGroup, mapping: slots.Mapping) -> None:
    """Show a bone map in the list: a row for each part, empty where it has no bone."""
    settings.rows.clear()
    for slot in slots.SLOTS:
        row = settings.rows.add()
        row.name, row.bone = slot.name, mapping.get(slot.name, "")


def bone_map(settings: bpy.types.PropertyGroup) -> slots.Mapping:
    """The list's bone map."""
    return {row.name: row.bone for row in settings.rows if row.bone}


def _target_chosen(settings: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    """Another target: guess anew, so that most users need press nothing; why it can't be guessed is said on a press of Guess."""
    mapping = {}
    if settings.target is not None:
        try:
            mapping = guess.guess(skeleton.read(settings.target))
        except SkelError:
            mapping = {}
    fill(settings, mapping)


class SKEL_PG_slot(bpy.types.PropertyGroup):
    """A part of the body, by the name of its slot, and the target's bone for it."""

    bone: StringProperty(name="Bone", description="The target's bone that does what this part of the body does; empty for none")


class SKEL_PG_retarget(bpy.types.PropertyGroup):
    """The choices of the Retarget panel."""

    source: PointerProperty(
        name="Source", description="The person whose motion to use; if empty, the active or only one", type=bpy.types.Object,
        poll=lambda self, thing: record.is_rig(thing),
    )  # fmt: skip
    target: PointerProperty(
        name="Target", description="The armature of your character", type=bpy.types.Object,
        poll=lambda self, thing: thing.type == "ARMATURE" and not record.is_rig(thing), update=_target_chosen,
    )  # fmt: skip
    rows: CollectionProperty(type=SKEL_PG_slot)
    active: IntProperty(options={"HIDDEN"})
    hold_feet: BoolProperty(
        name="Keep Feet on the Floor", default=True,
        description="Lock planted feet in place by IK, whatever the proportions",
    )  # fmt: skip
    root_travels: BoolProperty(
        name="Root Carries Travel", description="Let the root bone travel over the floor, as game engines expect, and the hips do the rest",
    )  # fmt: skip
    root_turns: BoolProperty(
        name="Root Turns", default=True, description="Let the travelling root bone also turn with the body",
    )  # fmt: skip
    relax_fingers: BoolProperty(
        name="Relax Fingers", default=True,
        description="Bend the fingers, which are not reconstructed, as in an empty hand; otherwise they stay as you pose them",
    )  # fmt: skip


CLASSES = (SKEL_PG_slot, SKEL_PG_retarget)


def register() -> None:
    """Add `Scene.skel_retarget`; its classes are registered already."""
    bpy.types.Scene.skel_retarget = PointerProperty(type=SKEL_PG_retarget)


def unregister() -> None:
    """Remove it."""
    del bpy.types.Scene.skel_retarget
