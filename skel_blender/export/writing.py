# SPDX-License-Identifier: GPL-3.0-or-later
"""Write people into a file of another program: what `write` does for every ending."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import bpy
import numpy as np

from .. import files
from ..anatomy import JOINT_INDEX
from ..messages import SkelError
from ..rig import record
from ..rig.assemble import metres
from ..rig.editing import evaluation
from ..rig.editing.steps import Step, Steps, finish, within
from ..sequence import natural_key
from ..take import index_of
from . import bvh, filmed, sample, skeleton, stage
from .delivery import Space
from .exporters import EXPORTERS, Exporter, alembic
from .presets import ENDINGS, LEFT_OUT, Preset, check_camera

_BUILT = {ending: lambda: bpy.app.build_options.usd for ending in (".usd", ".usdc", ".usda")} | {
    ".abc": lambda: bpy.app.build_options.alembic}  # fmt: skip
_ADDONS = {".fbx": ("EXPORT_SCENE_OT_fbx", "FBX format"), ".glb": ("EXPORT_SCENE_OT_gltf", "glTF 2.0 format")}  # Blender's own
_SHOWN = {"MESH", "CURVE", "CURVES", "SURFACE", "META", "FONT"}
_CARRYING = {"CHILD_OF", "COPY_TRANSFORMS", "COPY_LOCATION", "ARMATURE"}  # constraints
_P = TypeVar("_P", bpy.types.Object, sample.Person)
_READ = 0.3  # of an export is read when it comes to writing
_CLIPS = (".fbx", ".glb", ".bvh")  # formats that hold several clips, or a file for each


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """As files.whole_file, for what Blender writes: its RuntimeErrors count too, and the file `part@` that it may leave goes."""
    with files.whole_file(path, RuntimeError) as part:
        try:
            yield part
        finally:
            part.with_name(part.name + "@").unlink(missing_ok=True)


def rigs_of(things: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    """The rigs among objects, in the order of their names, Person 2 before Person 10. Raises SkelError if there is none."""
    rigs = sorted((thing for thing in things if record.is_rig(thing)), key=lambda rig: natural_key(rig.name))
    if not rigs:
        raise SkelError("no_rig", "There is no reconstructed person to export.", "Load a Take or reconstruct a clip first.")
    return rigs


def chosen(rigs: Sequence[bpy.types.Object], person: int | None) -> Sequence[bpy.types.Object]:
    """The rigs, or the one of that number, see `take.index_of`, which raises SkelError if there is none."""
    return rigs if person is None else [rigs[index_of([rig.get(record.PERSON, rig.name) for rig in rigs], person)]]


def check_folder(path: Path) -> None:
    """Raise SkelError, before any work, if `path` lies in a folder that there is not or that can't be written to."""
    if not path.parent.is_dir():
        raise SkelError("no_folder", f"There is no folder {path.parent}.", "Make it or choose another.")
    if not os.access(path.parent, os.W_OK):
        raise SkelError("unwritable", f"The folder {path.parent} can't be written to.", "Choose another.")


def check_built(ending: str) -> None:
    """Raise SkelError if this Blender can't write files of that ending, or was told not to."""
    if not _BUILT.get(ending, lambda: True)():
        raise SkelError("build", f"This Blender was built without {ending}.", "Use Blender from blender.org, or another format.")
    operator, addon = _ADDONS.get(ending, ("", ""))
    if addon and not hasattr(bpy.types, operator):
        raise SkelError("switched_off", f"Blender's add-on {addon} is switched off.", "Switch it on in Edit > Preferences > Add-ons.")


def check_free(files: Iterable[Path], path: Path, overwrite: bool) -> None:
    """Raise SkelError if one of the files exists that is not `path`, which whoever chose it was asked about, and may not be replaced."""
    taken = next((file for file in files if file != path and file.exists()), None)
    if taken is not None and not overwrite:
        raise SkelError("exists", f"{taken} exists already.", "Choose another name, or let it be overwritten.")


def write(scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object], path: Path, preset: Preset, overwrite: bool = False) -> list[Path]:
    """Write the rigs of `scene` as the preset and the ending of `path` say; gives the files, several where a file holds one person.

    A file at `path` is replaced, those whose names are made from it only with `overwrite`. Raises SkelError for an unknown ending or
    one that this Blender lacks, a rig without motion or with a scaled bone, a take without its camera, and a file that can't be written.
    """
    return finish(steps(scene, rigs, path, preset, overwrite))


def steps(
    scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object], path: Path, preset: Preset, overwrite: bool = False
) -> Steps[list[Path]]:
    """`write` bit by bit; closed before its end, it leaves the scene as it was and no file: all take their places at the end. What
    Blender's exporter does for a file is one step."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise SkelError("ending", f"{path.name} is not a file type that can be exported.", f"Choose one of {', '.join(ENDINGS)}.")
    check_built(ending)
    if preset.clips == "all" and ending not in _CLIPS:
        raise SkelError("clips", f"A {ending} file holds only one motion.",
                        f"Export the current motion, or choose one of {', '.join(_CLIPS)}.")  # fmt: skip
    check_camera(preset, ending)
    check_folder(path)
    if ending == ".abc":
        with evaluation.kept_values():
            return (yield from _cache(scene, rigs, path, preset))
    files = _files(scene, rigs, path, preset, ending)
    check_free(files, path, overwrite)
    eyes = [filmed.camera_of(group) if preset.camera else None for group in _groups(rigs, preset)]
    with evaluation.kept_values():
        share = _READ / (1 + sum(eye is not None for eye in eyes))
        people = yield from within(sample.people(scene, rigs, preset.clips, preset.range), 0.0, share)
        if ending == ".bvh":
            return (yield from _bvh(people, files, preset))
        films = []
        for number, eye in enumerate(eyes, 1):
            films.append(eye and (yield from within(
                filmed.sample(scene, eye, people[0].clips[0].frames), number * share, (number + 1) * share)))  # fmt: skip
        with ExitStack() as whole:
            for number, (group, film, file) in enumerate(zip(_groups(people, preset), films, files)):
                part = whole.enter_context(whole_file(file))
                yield _writing(file, number / len(files))
                _scene(scene, group, film, part, EXPORTERS[ending], preset, path.stem)
    return files


def _writing(file: Path, done: float) -> Step:
    return Step(f"Writing {file.name}", _READ + (1.0 - _READ) * done, blocks=True)


def _groups(people: Sequence[_P], preset: Preset) -> list[Sequence[_P]]:
    """Those who share a file."""
    return [[person] for person in people] if preset.separate else [people]


def left_out(rigs: Sequence[bpy.types.Object], path: Path, preset: Preset) -> str:
    """Sentences for the user: what people have in the scene that a file of this ending lacks; empty if nothing."""
    ending, said = path.suffix.lower(), {}
    kinds = [kind for kind, on in (("skin", preset.skin), ("bone", preset.bones)) if on]
    if ending in EXPORTERS:
        things = [thing for rig in rigs for kind in kinds for thing in record.parts(rig, kind)]
        names = {modifier.name for thing in things for modifier in thing.modifiers if modifier.type != "ARMATURE" and modifier.show_render}
        names |= {"Shape Keys" for thing in things if thing.data.shape_keys}
        said["Apply those that you need in the file, or export Alembic."] = names
    if ending != ".abc":
        names = {bone.name for rig in rigs for bone in rig.data.bones if bone.use_deform and bone.name not in JOINT_INDEX}
        said["Only joints are written as bones; skin weighted to other bones goes with the joint above."] = names
    if ending != ".bvh" and preset.skin:
        said["To include them, weight them to bones and join them to the skin."] = {
            thing.name for thing in bpy.data.objects if _is_shown(thing) and any(_hangs(thing, rig) for rig in rigs)
        }
    if ending == ".glb" and preset.camera:
        names = {f"the shift of {name}" for name in filmed.shifted(rigs)}
        said["glTF cameras have none, so people are offset from the footage by that much; choose FBX or USD."] = names
    return " ".join(f"{LEFT_OUT}{', '.join(sorted(names))}. {what}" for what, names in said.items() if names)


def _is_shown(thing: bpy.types.Object) -> bool:
    """Whether an object of a scene shows something, and is no part of a person."""
    shows = thing.type in _SHOWN or thing.instance_type == "COLLECTION"
    return shows and record.PART not in thing and bool(thing.users_scene)


def _hangs(thing: bpy.types.Object, rig: bpy.types.Object) -> bool:
    """Whether a rig carries or deforms an object, or carries what it hangs on."""
    carriers = [modifier.object for modifier in thing.modifiers if modifier.type == "ARMATURE"]
    for constraint in thing.constraints:
        if constraint.type in _CARRYING and not constraint.mute:
            carriers += [each.target for each in getattr(constraint, "targets", [constraint])]
    return rig in carriers or thing.parent is not None and (thing.parent == rig or _hangs(thing.parent, rig))


def _files(scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object], path: Path, preset: Preset, ending: str) -> list[Path]:
    """What will be written: the people's files one after the other, each with those of his clips; `path` itself if it is but one."""
    if ending != ".bvh" and not preset.separate:
        return [path]
    result = []
    for rig, name in zip(rigs, sample.called(rigs)):
        titles = list(sample.versions(rig, preset.clips, scene.name)) if ending == ".bvh" else [""]
        for title in titles:
            parts = [name] * (len(rigs) > 1) + [title] * (len(titles) > 1)
            result.append(path.with_stem("_".join([path.stem, *map(sample.plain, parts)])))
    return result


def _scene(
    scene: bpy.types.Scene, people: Sequence[sample.Person], film: filmed.Film | None, path: Path, exporter: Exporter, preset: Preset,
    title: str,
) -> None:  # fmt: skip
    """Build people, and what filmed them, in a scene of their own and let Blender write it."""
    space = exporter.space(preset)
    plans = [skeleton.plan(person, preset, space) for person in people]
    several = any(len(plan.clips) > 1 for plan in plans)
    wanted: dict[str, set[str]] = {"scenes": {title}}
    for taken in (*(skeleton.names(plan, preset) for plan in plans), filmed.names(film)):
        for kind, names in taken.items():
            wanted.setdefault(kind, set()).update(names)
    with stage.free_names(wanted), evaluation.empty_scene(scene, title) as place, stage.in_scene(place) as context:
        for plan in plans:
            skeleton.build(context, plan, preset, space, several)
        if film is not None:
            filmed.build(place, film, space, 0, exporter.turned)
        clips = [clip for plan in plans for clip in plan.clips.values()]
        place.frame_start, place.frame_end = 0, max(len(frames) for frames, _ in clips) - 1
        place.frame_set(skeleton.REST_FRAME)
        exporter.write(context, path, preset, several)


def _bvh(people: list[sample.Person], files: list[Path], preset: Preset) -> Steps[list[Path]]:
    """A file for each person and clip."""
    space, preset = bvh.space(preset), replace(preset, axes="YX")  # the format has no axes of bones; what ends a chain lies along y
    plans = [skeleton.plan(person, preset, space) for person in people]
    motions = [(plan, bones) for plan in plans for _, bones in plan.clips.values()]
    with ExitStack() as whole:
        for number, ((plan, bones), file) in enumerate(zip(motions, files)):
            part = whole.enter_context(whole_file(file))
            yield _writing(file, number / len(files))
            bvh.write(part, plan.skeleton, bones, space.unit, plan.person.fps)
    return files


def _cache(scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object], path: Path, preset: Preset) -> Steps[list[Path]]:
    """The rigs' meshes, evaluated in a scene that holds nothing else. They stay in sight: Blender's exporter leaves out the points of
    what is hidden on a frame, and so what comes later would be played too early."""
    kinds = [kind for kind, on in (("skin", preset.skin), ("bone", preset.bones)) if on]
    things = [thing for rig in rigs for kind in kinds for thing in record.parts(rig, kind)]
    if not things:
        raise SkelError("no_mesh", "There is no mesh to export.", "Choose the skin or the skeleton.")
    eye = filmed.camera_of(rigs) if preset.camera else None
    frames, names = sample.frames(scene, rigs, preset.range), {thing: thing.name for thing in things}
    film = eye and (yield from within(filmed.sample(scene, eye, frames), 0.0, _READ))
    yield _writing(path, 0.0)
    wanted = filmed.names(film)
    wanted["objects"] = wanted.get("objects", set()) | set(names.values())
    with (whole_file(path) as part, evaluation.posed_armatures(rigs), stage.free_names(wanted),
          evaluation.empty_scene(scene, "skel cache") as place):  # fmt: skip
        for thing, name in names.items():
            shown = stage.in_sight(thing)
            shown.name = name
            place.collection.objects.link(shown)
        if film is not None:
            made = filmed.build(place, film, Space(metres(scene), "Z"), int(frames[0]), np.eye(4))
            made.scale = (1.0 / metres(scene),) * 3  # the exporter's factor goes for the camera itself as well
        with stage.in_scene(place) as context:
            alembic(context, part, int(frames[0]), int(frames[-1]), metres(scene))
    return [path]
