# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Blender 4.2 and 5.x. The only file that may ask for a version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import bpy

from ..messages import SkelError


def action(owner: bpy.types.ID) -> bpy.types.Action | None:
    """The action that animates `owner`, if one does."""
    return owner.animation_data.action if owner.animation_data else None


def check_assignable(owner: bpy.types.ID) -> None:
    """Raise SkelError if Blender does not let another action animate `owner` now."""
    data = owner.animation_data
    if data is not None and data.use_tweak_mode:
        raise SkelError("tweaking", f"A strip of {owner.name} is in tweak mode.", "Leave tweak mode in the NLA editor.")


def new_action(owner: bpy.types.ID, name: str, slot_name: str = "") -> bpy.types.Action | bpy.types.ActionChannelbag:
    """Give `owner` a new action, with a slot of that name (else the owner's); returns what holds its `fcurves` and `groups` (the
    action itself before slots came in 4.4)."""
    check_assignable(owner)
    data = owner.animation_data or owner.animation_data_create()
    action = bpy.data.actions.new(name)
    data.action = action
    if not hasattr(action, "slots"):
        return action
    slot = action.slots.new(id_type=owner.id_type, name=slot_name or owner.name)
    data.action_slot = slot
    return action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)


@contextmanager
def spare_action(owner: bpy.types.Object, name: str) -> Iterator[bpy.types.Action | bpy.types.ActionChannelbag]:
    """A new action for `owner`, as `new_action` gives it; afterwards `owner` plays what it played before."""
    check_assignable(owner)
    data = owner.animation_data or owner.animation_data_create()
    before, slot = data.action, getattr(data, "action_slot", None)
    try:
        yield new_action(owner, name)
    finally:
        data.action = before
        if slot is not None:
            data.action_slot = slot


def holder(owner: bpy.types.Object) -> bpy.types.Action | bpy.types.ActionChannelbag | None:
    """What holds the `fcurves` and `groups` that animate `owner`; None without an action."""
    return holder_of(owner.animation_data)


def holder_of(player: bpy.types.AnimData | bpy.types.NlaStrip | None) -> bpy.types.Action | bpy.types.ActionChannelbag | None:
    """What holds the `fcurves` and `groups` that an object's own action or a strip plays; None without an action."""
    if player is None or player.action is None:
        return None
    if not hasattr(player.action, "slots"):
        return player.action
    bags = (strip.channelbag(player.action_slot) for layer in player.action.layers for strip in layer.strips if player.action_slot)
    return next((bag for bag in bags if bag is not None), None)


def curves(action: bpy.types.Action, owners: Collection[bpy.types.ID] | None = None) -> list[bpy.types.FCurve]:
    """All F-curves of an action, of all its slots; but not of those that only others than `owners` use."""
    if not hasattr(action, "slots"):
        return list(action.fcurves)
    bags = [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
    if owners is not None:
        users = bpy.data.user_map(subset=[action])[action]  # slots know their users, but 4.5 has crashed in telling them
        mine, others = ({slot for user in users if (user in owners) is own for slot in _played(user, action)} for own in (True, False))
        bags = [bag for bag in bags if bag.slot_handle in mine or bag.slot_handle not in others]
    return [curve for bag in bags for curve in bag.fcurves]


def _played(user: bpy.types.ID, action: bpy.types.Action) -> set[int]:
    """Handles of the slots of `action` that a user of it plays, by itself or in strips."""
    players, slots = [user.animation_data] if getattr(user, "animation_data", None) else [], set()
    while players:
        player = players.pop()
        if player.action == action:
            slots.add(player.action_slot_handle)
        tracks = getattr(player, "nla_tracks", [player])  # a meta strip has strips of its own
        players += [strip for track in tracks for strip in track.strips]
    return slots


def use_action(owner: bpy.types.Object, action: bpy.types.Action) -> None:
    """Let `action` animate `owner`, by the slot that Blender finds for it, such as that of the name of the last one, else by the first."""
    check_assignable(owner)
    data = owner.animation_data or owner.animation_data_create()
    data.action = action
    if hasattr(action, "slots") and data.action_slot is None:
        data.action_slot = next((slot for slot in action.slots if slot.target_id_type == owner.id_type), None)


def strips(scene: bpy.types.Scene, create: bool = False) -> Sequence[bpy.types.Strip] | bpy.types.StripsTopLevel:
    """What lies in a scene's Sequencer, which `create` makes if it has none."""
    editor = scene.sequence_editor or (scene.sequence_editor_create() if create else None)
    if editor is None:
        return ()
    return editor.strips if hasattr(editor, "strips") else editor.sequences  # before 4.4


def strip_start(strip: bpy.types.Strip) -> float:
    """The scene frame at which a strip's content begins."""
    return getattr(strip, _begins(strip))


def move_strip(strip: bpy.types.Strip, start: int) -> None:
    """Let a strip's content begin at a scene frame."""
    setattr(strip, _begins(strip), start)


def _begins(strip: bpy.types.Strip) -> str:
    return "content_start" if hasattr(strip, "content_start") else "frame_start"  # before 5.2


def select_bones(armature: bpy.types.Object, names: Sequence[str]) -> None:
    """Select the bones of these names and no others; the first one is active."""
    for bone in armature.pose.bones:
        owner = bone if hasattr(bone, "select") else bone.bone  # before 5.0
        owner.select = bone.name in names
    armature.data.bones.active = armature.data.bones[names[0]]


def use_nodes(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """Switch nodes on, which 5.0 does by itself, and return the node tree."""
    if bpy.app.version < (5, 0, 0):
        owner.use_nodes = True
    return owner.node_tree


def settle_context() -> None:
    """Let what `bpy.context` gives, as its window, belong to a scene that is alive: to 4.2 all of it belongs to the scene that it was last
    asked the tool settings or the layer collection of, as Rigify asks, and Blender ends if that is freed and the window set."""
    _ = bpy.context.tool_settings
