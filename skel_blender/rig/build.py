# SPDX-License-Identifier: GPL-3.0-or-later
"""A Take becomes a collection in the scene: per person an armature, skin, skeleton and action, and one camera with the footage."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..take import Person, Take
from . import armature, bones, camera, coupling, keyframes, limits, skin

_IVORY = (0.80, 0.74, 0.60)


def build_take(
    context: bpy.types.Context, take: Take, clip_path: Path | str | None = None, collection_name: str | None = None
) -> bpy.types.Collection:
    """Build a valid Take in the context's scene and return its new collection.

    Other contents of the scene stay as they are; only its clock, frame range, picture size and active camera become the Take's.
    Building again makes a second version, named apart by Blender's suffix. `clip_path` is the footage (None: the Take's source, if
    it still lies there). Raises SkelError if the footage can't be shown, before anything is built.
    """
    footage = camera.load_footage(take, clip_path)
    name = collection_name or Path(take.source).stem or "take"
    collection = bpy.data.collections.new(name)
    context.scene.collection.children.link(collection)
    eye = camera.build(f"{name}_camera", take, collection)
    camera.set_scene(context.scene, take, eye)
    if footage is not None:
        camera.show_footage(eye, footage)
    ivory = skin.plain_material(f"{name}_bone", _IVORY, 0.5)
    for index, person in enumerate(take.people):
        colour = skin.plain_material(f"{person.name}_skin", skin.COLOURS[index % len(skin.COLOURS)], 0.6)
        _build_person(context, person, collection, colour, ivory)
    collection["skel_source"], collection["skel_producer"], collection["skel_settings"] = take.source, take.producer, take.settings
    context.view_layer.update()
    return collection


def _build_person(
    context: bpy.types.Context,
    person: Person,
    collection: bpy.types.Collection,
    colour: bpy.types.Material,
    ivory: bpy.types.Material,
) -> bpy.types.Object:
    rig = armature.build(context, person.name, person.body, collection)
    skin.build(f"{person.name}_skin", person.body, rig, colour, collection)
    bones.build(person.name, person.body, rig, ivory, collection)
    coupling.build(rig, person.body)
    limits.build(rig, person.body)
    keyframes.key_person(rig, person)
    rig["skel_body"], rig["skel_betas"] = person.body_name, person.betas.tolist()
    rig["skel_limit_violations"] = limits.count_violations(person)
    return rig
