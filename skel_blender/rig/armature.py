# SPDX-License-Identifier: GPL-3.0-or-later
"""The armature object: bones exactly at SKEL's joints, Euler orders, locks, collections and colours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
from mathutils import Vector

from ..anatomy import DOFS_OF_JOINT, Dof
from ..take import RestBody
from . import colours, compat, controls, layout, limbs

COLLECTIONS = {
    "Root": (layout.ROOT,),
    **{limbs.TITLES[limb]: names for limb, names in limbs.PARTS.items()},
    controls.COLLECTION: controls.names()[controls.COLLECTION],
    "Helpers": (*layout.HELPERS, *controls.names()["Solved"]),
}


def build(context: bpy.types.Context, name: str, body: RestBody, collection: bpy.types.Collection) -> bpy.types.Object:
    """A new armature object in `collection`, which must be in the context's view layer. Rest pose = SKEL's T pose, metres, z up."""
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    collection.objects.link(armature)
    own = layout.rest_bones(body)
    bones = [*own, *controls.rest_bones(body, {bone.name: bone for bone in own})]
    with editing(context, armature):
        for bone in bones:
            _add(data, bone)
    for bone in bones:
        if bone.joint is not None:
            pose_bone = armature.pose.bones[bone.name]
            _lock(pose_bone, layout.euler_order(bone.joint), DOFS_OF_JOINT[bone.joint])
    orders = {helper: layout.euler_order(joint) for joint, helper in layout.CLAMPS.items()}
    for helper in layout.HELPERS:
        _lock(armature.pose.bones[helper], orders.get(helper, "XYZ"), ())
    armature.pose.bones[layout.ROOT].rotation_mode = "XYZ"
    armature.pose.bones["pelvis"].lock_location = (False, False, False)  # the hips are moved by it while hands and feet are held
    _dress(data)
    return armature


def _add(data: bpy.types.Armature, bone: layout.RestBone) -> None:
    edit_bone = data.edit_bones.new(bone.name)
    edit_bone.head = Vector(bone.head)
    edit_bone.tail = Vector(bone.head + bone.length * bone.basis[:, 1])
    edit_bone.align_roll(Vector(bone.basis[:, 2]))
    edit_bone.parent = data.edit_bones[bone.parent] if bone.parent else None
    edit_bone.use_connect = False
    edit_bone.use_deform = bone.joint is not None


def _lock(pose_bone: bpy.types.PoseBone, order: str, dofs: tuple[Dof, ...]) -> None:
    """Leave only the channels of `dofs` open to the animator's hand."""
    free = {layout.channel(dof.index).index for dof in dofs}
    pose_bone.rotation_mode = order
    pose_bone.lock_location = (True, True, True)
    pose_bone.lock_scale = (True, True, True)
    pose_bone.lock_rotation = tuple(index not in free for index in range(3))


def _dress(data: bpy.types.Armature) -> None:
    """Bone collections and colours; the helper bones out of sight."""
    for title, names in COLLECTIONS.items():
        bones = data.collections.new(title)
        for name in names:
            bones.assign(data.bones[name])
        bones.is_visible = title not in ("Helpers", controls.COLLECTION)
    for bone in data.bones:
        colour = colours.of(bone.name)
        if colour is not None:
            colours.give(bone.color, colour)
    data.display_type = "OCTAHEDRAL"


@contextmanager
def editing(context: bpy.types.Context, armature: bpy.types.Object) -> Iterator[None]:
    """Edit mode for `armature`, the only way to make bones; then the user's active object, selection and mode are back."""
    with object_mode(context):
        context.view_layer.objects.active = armature
        set_mode(context, "EDIT")
        try:
            yield
        finally:
            set_mode(context, "OBJECT")


@contextmanager
def object_mode(context: bpy.types.Context) -> Iterator[None]:
    """Object mode; then the view layer's active object, its mode and the selection are as they were."""
    objects = context.view_layer.objects
    active, selected = objects.active, set(objects.selected)
    mode = active.mode if active else "OBJECT"
    if mode != "OBJECT":
        set_mode(context, "OBJECT")
    try:
        yield
    finally:
        if objects.active != active:  # asked first: until then what was removed meanwhile is listed still, and Blender ends over it
            objects.active = active
        for other in objects:
            other.select_set(other in selected, view_layer=context.view_layer)
        if mode != "OBJECT":
            set_mode(context, mode)


def select(context: bpy.types.Context, rig: bpy.types.Object) -> None:
    """Make a rig active and alone selected; who was in Pose Mode stays in it, another mode ends."""
    layer = context.view_layer
    mode = layer.objects.active.mode if layer.objects.active else "OBJECT"
    if mode != "OBJECT":
        set_mode(context, "OBJECT")
    for other in list(layer.objects.selected):
        other.select_set(False, view_layer=layer)
    rig.select_set(True, view_layer=layer)
    layer.objects.active = rig
    if mode == "POSE" and can_be_posed(rig, layer):
        set_mode(context, mode)


def can_be_posed(rig: bpy.types.Object, layer: bpy.types.ViewLayer) -> bool:
    """Whether Blender lets a rig into Pose Mode: it is seen in the view layer, and neither linked nor an override that is not editable."""
    override = rig.override_library
    return rig.library is None and not (override and override.is_system_override) and rig.visible_get(view_layer=layer)


def set_mode(context: bpy.types.Context, mode: str) -> None:
    """Change the mode of the view layer's active object. Said explicitly, since a timer or another scene has no active object."""
    active = context.view_layer.objects.active
    with in_sight(active), context.temp_override(active_object=active, object=active):
        bpy.ops.object.mode_set(mode=mode)


@contextmanager
def in_sight(thing: bpy.types.Object) -> Iterator[None]:
    """Show an object that is hidden, as a rig is once its person has left the footage: Blender neither changes modes of those, nor poses
    them."""
    hidden, data, holder = thing.hide_viewport, thing.animation_data, compat.holder(thing)
    curves = [*(data.drivers if data else ()), *(holder.fcurves if holder else ())]
    muting = [curve for curve in curves if curve.data_path == "hide_viewport" and not curve.mute]
    for curve in muting:
        curve.mute = True
    thing.hide_viewport = False
    try:
        yield
    finally:
        for curve in muting:
            curve.mute = False
        thing.hide_viewport = hidden
