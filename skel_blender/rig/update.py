# SPDX-License-Identifier: GPL-3.0-or-later
"""A newer Take for rigs that are in the scene already, and the removal of a person. No action is changed: each Take brings its own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import bpy
import numpy as np

from ..take import Person, Take
from . import (
    armature,
    assemble,
    camera,
    clock,
    compat,
    coupling,
    embedded,
    ik,
    limits,
    meshes,
    nla,
    presence,
    record,
    shapes,
    unkeyed,
)


def update_take(
    context: bpy.types.Context, take: Take, collection: bpy.types.Collection, options: assemble.Options | None = None
) -> list[str]:
    """Bring a collection that `assemble.build_take` made up to date: camera, shapes and motion of the people of the same name. The names
    of meshes that keep their shape, see `meshes.reshape`.

    Who is new in the Take is added with `options`, which say too whether the scene is set; who is not in it any more stays. Rigs keep what
    was added to them, and their limits if those were changed; the actions that they had stay in the file.
    """
    options = options or assemble.Options()
    rigs = {rig[record.PERSON]: rig for rig in reversed(collection.objects) if record.is_rig(rig)}  # of duplicates the first
    for rig in rigs.values():
        compat.check_assignable(rig)
    eye, left = assemble.camera_of(collection), []
    if eye is not None:
        time = clock.of(collection)
        camera.aim(eye, take, time)
        if options.set_scene:
            camera.set_scene(context.scene, take, eye, time)
    with armature.object_mode(context):
        for index, person in enumerate(take.people):
            if person.name in rigs:
                left += _update(context, rigs[person.name], person, collection)
            else:
                assemble.add_person(context, person, index, collection, options)
    record.say_who(collection, ())
    assemble.shelve(collection)
    assemble.keep_span(collection, take)
    embedded.embed(collection, take)
    context.view_layer.update()
    return left


def find_built(context: bpy.types.Context, take: Take) -> bpy.types.Collection | None:
    """The newest collection of the scene that was built from a Take's footage, in this file, also where that was moved and is shown from
    there; one of other frames, or one that is switched off, only if all are."""
    source = take.source
    homes = [home for home in context.scene.collection.children_recursive if home.library is None]
    built = [home for home in homes if source and (home.get("skel_source") == source or _shows(home, source))]
    built = [home for home in built if has_frames_of(home, take)] or built
    views = [assemble.layer_of(context.view_layer, home) for home in built]
    shown = [home for home, layer in zip(built, views) if layer is not None and not layer.exclude]
    return next(reversed(shown or built), None)


def has_frames_of(home: bpy.types.Collection, take: Take) -> bool:
    """Whether a take's collection has frames of the source in common with a Take, and so is an earlier version of it, or of a part."""
    first, count = home.get(record.SPAN, (int(take.frames[0]), 1))
    return first <= take.frames[-1] and take.frames[0] < first + count


def _shows(home: bpy.types.Collection, source: str) -> bool:
    eye = assemble.camera_of(home)
    return eye is not None and camera.footage_of(eye) == Path(source)


def remove_person(rig: bpy.types.Object) -> None:
    """Take a person out of the file: armature, skin, bones and, unless a duplicate has them too, all versions of the motion."""
    twins = [other for other in bpy.data.objects if record.is_rig(other) and other != rig and other[record.ID] == rig[record.ID]]
    actions = [] if twins else record.actions(rig)
    things = [rig, *record.parts(rig, "skin"), *record.parts(rig, "bone")]
    data, hiding = {thing.data for thing in things}, presence.action_of(rig)
    materials = {material for block in data if isinstance(block, bpy.types.Mesh) for material in block.materials}
    for thing in things:
        bpy.data.objects.remove(thing)
    _drop(data)
    for action in actions:
        action.use_fake_user = False
    _drop([*actions, hiding, *materials])


def _update(context: bpy.types.Context, rig: bpy.types.Object, person: Person, collection: bpy.types.Collection) -> list[str]:
    if rig.animation_data and rig.animation_data.action:
        rig.animation_data.action.use_fake_user = True
    left = [] if _same_body(rig, person) else _reshape(context, rig, person, collection)
    record.unsay(rig)
    presence.keep(rig, person, clock.rate(context.scene))
    with unkeyed.at_rest(rig):
        nla.leave(rig)
        assemble.key_raw(rig, person)
    if person.beyond_limits().any():
        limits.apply(rig, record.limits(rig), rig[record.TABLE], enabled=False)  # captured motion is not clipped
    return left


def _same_body(rig: bpy.types.Object, person: Person) -> bool:
    """Whether a rig was made for the person's body, by what it remembers: points may have been added to its skin, or taken away."""
    kept = record.of(rig)
    told = np.append(kept.betas, rig.get(record.STATURE, 0.0)), np.append(person.betas, np.ptp(person.body.skin_verts[:, 1]))
    same = record.body_name(rig) == person.body_name and np.allclose(*told, atol=1e-6)
    return same and np.allclose(kept.joints, person.body.joints, atol=1e-6)


def _reshape(context: bpy.types.Context, rig: bpy.types.Object, person: Person, collection: bpy.types.Collection) -> list[str]:
    """Give a rig the bones and meshes of another body; the names of meshes that keep their shape. All is built as a new person's, whose
    objects are then thrown away."""
    table, name, enabled, horizontal = record.limits(rig), rig[record.TABLE], limits.are_on(rig), record.is_horizontal(rig)
    spare = assemble.build_person(context, person, collection, None, None, assemble.Options(horizontal))
    actions = record.actions(spare)
    _carry_bones(context, rig, spare)
    _carry_look(rig.data, spare.data)
    old, rig.data = rig.data, spare.data
    left = meshes.reshape(rig, spare, old, person)
    things = [*record.parts(spare, "skin"), *record.parts(spare, "bone"), spare]
    unused = [thing.data for thing in things]
    for thing in things:
        bpy.data.objects.remove(thing)
    for action in actions:
        bpy.data.actions.remove(action)
    called = old.name
    _drop([old, *unused])
    rig.data.name = called
    record.keep(rig, person, horizontal)
    coupling.build(rig, person.body.joints)
    ik.measure(rig)
    limits.apply(rig, *((person.body.limits, "body") if name == "body" else (table, name)), enabled)
    shapes.build(rig, person.body)
    return left


def _carry_bones(context: bpy.types.Context, rig: bpy.types.Object, spare: bpy.types.Object) -> None:
    """Bones that were added to a rig, such as a prop's, come into the armature that will be its: each lies to its parent as it did."""
    added = [bone for bone in rig.data.bones if bone.name not in spare.data.bones]  # parents first
    with armature.editing(context, spare) if added else nullcontext():
        bones = spare.data.edit_bones
        for bone in added:
            made = bones.new(bone.name)
            made.tail = (0.0, bone.length, 0.0)
            if bone.parent is None:
                made.matrix = bone.matrix_local
            else:
                made.parent = bones[bone.parent.name]
                made.matrix = made.parent.matrix @ bone.parent.matrix_local.inverted() @ bone.matrix_local
            made.use_connect, made.use_deform = bone.use_connect, bone.use_deform


def _carry_look(old: bpy.types.Armature, new: bpy.types.Armature) -> None:
    """What was set of how an armature is shown, its collections of bones and its custom properties."""
    for prop in old.bl_rna.properties:
        if prop.type in ("BOOLEAN", "ENUM") and not prop.is_readonly:
            setattr(new, prop.identifier, getattr(old, prop.identifier))
    for kept in old.collections_all:
        made = new.collections_all.get(kept.name) or new.collections.new(kept.name)
        made.is_visible = kept.is_visible
        for bone in kept.bones:
            made.assign(new.bones[bone.name])
    for key in old.keys():
        new[key] = old[key]


def _drop(blocks: Iterable[bpy.types.ID]) -> None:
    bpy.data.batch_remove([block for block in blocks if block is not None and block.users == 0])
