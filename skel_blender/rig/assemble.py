# SPDX-License-Identifier: GPL-3.0-or-later
"""A Take becomes a collection in the scene: per person an armature, skin, skeleton and action, and one camera with the footage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..take import Person, Take
from . import (
    armature,
    bones,
    camera,
    clock,
    contacts,
    correctives,
    coupling,
    doubt,
    embedded,
    ik,
    keyframes,
    limits,
    presence,
    record,
    shapes,
    skin,
    sound,
)

_IVORY = (0.80, 0.74, 0.60)
_SHELVES = {"skin": "skins", "bone": "skeletons"}
_SOLID = 0.5  # of the skin in the viewport: bones and footage are seen through it


@dataclass(frozen=True)
class Handle:
    """One person in the scene."""

    armature: bpy.types.Object
    skin: bpy.types.Object
    bones: list[bpy.types.Object]
    action: bpy.types.Action


@dataclass(frozen=True)
class Options:
    """How rigs are built: `horizontal` leaves the height to the pelvis, so that the root stays on the floor; `correct` gives the
    skin of a SKEL body its pose blend shapes; `hide` takes people out of sight before they come and after they go. `set_scene` gives the
    scene what the take has: frame range, picture size, camera, and the rate of the first take."""

    horizontal: bool = True
    correct: bool = False
    hide: bool = False
    set_scene: bool = True


def build_take(
    context: bpy.types.Context,
    take: Take,
    clip_path: Path | str | None = None,
    collection_name: str | None = None,
    horizontal: bool = True,
    correct: bool = False,
    hide: bool = False,
    embed: bool = True,
    before: bpy.types.Collection | None = None,
    chosen: bpy.types.MovieClip | None = None,
    set_scene: bool = True,
) -> bpy.types.Collection:
    """Build a valid Take in the context's scene and return its new collection.

    Other contents of the scene stay as they are; only its frame range, picture size and active camera become the Take's, of the first
    Take its rate as well, and where nothing was animated its first frame is shown; none of these without `set_scene`. The footage's
    sound comes onto its timeline.
    All hangs on an empty, so that the whole take can be moved; in a scene whose unit is no metre it is scaled, for people in their size.
    Building again makes a second version, named apart by Blender's suffix. `clip_path` is the footage (None: the Take's source, if
    it still lies there); a version of the take `before` has the frames of that one, any other begins where the movie clip `chosen` does,
    which shows its footage; the rest are `Options`, and whether the .blend file shall hold the Take itself. Raises SkelError if the
    footage can't be shown, before anything is built.
    """
    time, animated = clock.for_take(context.scene, take, before, chosen, set_scene), clock.is_animated(context.scene)
    footage = camera.load_footage(take, clip_path, time, chosen)
    if set_scene and clock.is_empty(context.scene):
        clock.give_rate(context.scene, take.fps)
    name = collection_name or Path(take.source).stem or "take"
    collection = bpy.data.collections.new(name)
    clock.keep(collection, time, clock.rate(context.scene) if before is None else time.pace * float(take.fps))
    keep_span(collection, take)
    context.scene.collection.children.link(collection)
    place = bpy.data.objects.new(f"{name}_place", None)
    place.empty_display_type, place.empty_display_size, place[record.PLACE] = "PLAIN_AXES", 0.5, True
    place.scale = (1.0 / metres(context.scene),) * 3
    collection.objects.link(place)
    eye = camera.build(f"{name}_camera", take, collection, time, metres(context.scene))
    eye.parent = place
    if set_scene:
        camera.set_scene(context.scene, take, eye, time)
    if footage is not None:
        camera.show_footage(eye, footage)
        if footage.source == "MOVIE":
            sound.lay(context.scene, camera.footage_of(eye), time.start)
    for index, person in enumerate(take.people):
        add_person(context, person, index, collection, Options(horizontal, correct, hide))
    if embed:
        embedded.embed(collection, take)
    collection["skel_source"], collection["skel_producer"], collection["skel_settings"] = take.source, take.producer, take.settings
    context.view_layer.update()
    if set_scene and not animated:
        context.scene.frame_set(context.scene.frame_start)
    return collection


def add_person(
    context: bpy.types.Context, person: Person, index: int, collection: bpy.types.Collection, options: Options
) -> bpy.types.Object:
    """One person's rig in a take's collection, in the colour of that index."""
    name = f"{collection.name}_bone"
    used = (material for thing in collection.all_objects if thing.get(record.PART) == "bone" for material in thing.data.materials)
    ivory = next(used, None) or skin.plain_material(name, _IVORY, 0.5)
    colour = skin.plain_material(f"{person.name}_skin", skin.COLOURS[index % len(skin.COLOURS)], 0.6, _SOLID)
    return build_person(context, person, collection, colour, ivory, options)


def build_person(
    context: bpy.types.Context,
    person: Person,
    collection: bpy.types.Collection,
    colour: bpy.types.Material | None,
    ivory: bpy.types.Material | None,
    options: Options,
) -> bpy.types.Object:
    """One person's rig, skin, bones and raw action, in a collection of the context's view layer."""
    rig = armature.build(context, person.name, person.body, collection)
    rig.parent = place_of(collection)
    record.keep(rig, person, options.horizontal)
    surface = skin.build(f"{person.name}_skin", person.body, rig, colour, shelf(collection, "skin"))
    surface[record.PART] = "skin"
    for bone in bones.build(person.name, person.body, rig, ivory, shelf(collection, "bone")):
        bone[record.PART] = "bone"
    coupling.build(rig, person.body.joints)
    limits.build(rig)
    ik.build(rig)  # its constraints come last
    limits.apply(rig, person.body.limits, "body", enabled=not person.beyond_limits().any())  # captured motion is not clipped
    shapes.build(rig, person.body)
    if options.correct:
        correctives.build(surface, rig, person.body)
    presence.keep(rig, person, clock.rate(context.scene))
    if options.hide:
        presence.apply(rig, True)
    key_raw(rig, person)
    return rig


def shelf(collection: bpy.types.Collection, kind: str) -> bpy.types.Collection:
    """The collection in a take's that holds its skins or its bone meshes, made on its first use: all of either are switched on and off by
    its icons in the Outliner, which nothing keys, unlike those of the meshes themselves (see presence)."""
    found = next((child for child in collection.children if child.get(record.PART) == kind), None)
    if found is None:
        found = bpy.data.collections.new(f"{collection.name}_{_SHELVES[kind]}")
        found[record.PART] = kind
        collection.children.link(found)
    return found


def shelve(collection: bpy.types.Collection) -> None:
    """Put the meshes of a take's people that lie in its collection itself, as those of an older version do, where `shelf` has them."""
    for thing in [thing for thing in collection.objects if thing.get(record.PART) in _SHELVES]:
        home = shelf(collection, thing[record.PART])
        if thing.name not in home.objects:
            home.objects.link(thing)
        collection.objects.unlink(thing)


def key_raw(rig: bpy.types.Object, person: Person) -> bpy.types.Action:
    """A new action with the person's motion as the engine found it."""
    action = keyframes.key_person(rig, person)
    record.mark(action, rig, record.RAW)
    played = clock.of_rig(rig).play(person)
    contacts.keep(rig, int(played.frames[0]), played.contacts)
    doubt.keep(rig, person)
    return action


def metres(scene: bpy.types.Scene) -> float:
    """How many there are to one of the scene's units of length."""
    return 1.0 if scene.unit_settings.system == "NONE" else scene.unit_settings.scale_length


def scene_of(thing: bpy.types.Object) -> bpy.types.Scene:
    """The scene whose unit and rate hold for an object: the context's, but one where it is if it is not in that."""
    current, scenes = bpy.context.scene, thing.users_scene
    return scenes[0] if scenes and current not in scenes else current


def in_metres(matrix: Matrix, scene: bpy.types.Scene) -> np.ndarray:
    """(4,4) an object's world matrix, to metres from the units of its scene."""
    result = np.array(matrix)
    result[:3] *= metres(scene)
    return result


def keep_span(collection: bpy.types.Collection, take: Take) -> None:
    """Write down which frames of the source the Take has."""
    collection[record.SPAN] = [int(take.frames[0]), len(take.frames)]


def place_of(collection: bpy.types.Collection) -> bpy.types.Object | None:
    """The empty that carries a take's people and camera: moving it moves the take."""
    return next((thing for thing in collection.objects if record.PLACE in thing), None)


def camera_of(collection: bpy.types.Collection) -> bpy.types.Object | None:
    """The camera of a take, in its collection; None if only others are there."""
    return next((thing for thing in collection.objects if thing.type == "CAMERA" and record.FOLLOWS in thing), None)


def layer_of(view_layer: bpy.types.ViewLayer, collection: bpy.types.Collection) -> bpy.types.LayerCollection | None:
    """What a view layer shows of a collection, which can be switched off there."""
    pending = list(view_layer.layer_collection.children)
    while pending:
        found = pending.pop()
        if found.collection == collection:
            return found
        pending.extend(found.children)
    return None


def switch(layer: bpy.types.LayerCollection, off: bool) -> None:
    """Switch a collection off or on in a view layer. Done twice, Blender takes those inside of it along, as the skins that are off."""
    if layer.exclude != off:
        layer.exclude = off


def handles(collection: bpy.types.Collection) -> list[Handle]:
    """The people of a take's collection."""
    rigs = [thing for thing in collection.objects if record.is_rig(thing)]
    return [Handle(rig, record.parts(rig, "skin")[0], record.parts(rig, "bone"), rig.animation_data.action) for rig in rigs]
