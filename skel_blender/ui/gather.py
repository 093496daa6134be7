# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the user chose to what the engine is asked: paths and options, checked before anything starts."""

from __future__ import annotations

import glob
import json
import math
from pathlib import Path

import bpy

from .. import requests, sequence, who
from ..job import PACKAGE
from ..messages import SkelError
from ..requests import Request
from ..rig import clock, paths, record
from ..rig.assemble import metres
from ..take import Person, Take

ADDON = __package__.rpartition(".")[0]
_KEPT = ("people", "fov", "focal_length", "fps", "camera", "cuts", "seed", "regressor", "hsmr")
"""What a Take's settings call as a request does."""
_DISTORTION = {
    "POLYNOMIAL": ("k1", "k2", "k3"), "DIVISION": ("division_k1", "division_k2"), "NUKE": ("nuke_k1", "nuke_k2"),
    "BROWN": ("brown_k1", "brown_k2", "brown_k3", "brown_k4", "brown_p1", "brown_p2"),
}  # fmt: skip
_OFF_CENTRE = 0.01  # of the image's width, that a lens' middle may be off


def preferences() -> bpy.types.AddonPreferences | None:
    """The add-on's preferences; None where the package was registered without being enabled as an add-on."""
    addon = bpy.context.preferences.addons.get(ADDON)
    return addon.preferences if addon else None


def user_folder(name: str) -> Path:
    """A writable folder of this extension that outlives its updates."""
    try:
        return Path(bpy.utils.extension_path_user(ADDON, path=name, create=True))
    except ValueError:  # not installed as an extension
        return Path(bpy.utils.user_resource("DATAFILES", path=f"{PACKAGE.name}/{name}", create=True))


def active_rig(context: bpy.types.Context) -> bpy.types.Object | None:
    """The rig that the user works on: the active object, or the armature that the active mesh belongs to."""
    thing = context.object
    if thing is not None and thing.type == "MESH":
        thing = thing.parent
    return thing if record.is_rig(thing) else None


def source_rig(context: bpy.types.Context) -> bpy.types.Object | None:
    """The rig whose motion is retargeted: the one that was chosen, else the active one, else the only one that is switched on."""
    chosen = context.scene.skel_retarget.source or active_rig(context)
    if chosen is None:
        rigs = [thing for thing in context.view_layer.objects if record.is_rig(thing)]
        chosen = rigs[0] if len(rigs) == 1 else None
    return chosen


def editable_rig(context: bpy.types.Context) -> bpy.types.Object:
    """The rig that the user works on, to be changed. Raises SkelError if it is none, or lies in another file."""
    rig = active_rig(context)
    record.of(rig)
    if rig.library is not None:
        raise SkelError("linked", f"{rig.name} is linked from another file.",
                        "Make a library override of its collection (Object > Library Override > Make).")  # fmt: skip
    return rig


def request(scene: bpy.types.Scene) -> Request:
    """What the engine is to do for this scene's settings. Raises SkelError if they can't be followed."""
    settings = scene.skel
    footage = clip_files(settings.clip) if settings.source == "CLIP" else [file_path(settings.path)]
    chosen = preferences()
    return Request(
        inputs=tuple(map(str, footage)),
        out=str(new_take_path(footage[0])),
        frames=frame_range(settings),
        people=0 if settings.everyone else settings.people,
        body=_chosen_file(settings.body_file, "SKEL model file") if settings.body == "FILE" else settings.body,
        device=chosen.device if chosen else "",
        fps=settings.fps or _images_rate(scene, footage[0]),
        camera=settings.camera,
        cuts=settings.cuts,
        regressor=settings.regressor,
        hsmr=_chosen_file(settings.hsmr, "HSMR checkpoint") if settings.regressor == "hsmr" else "",
        memory=str(user_folder("footage")),
        stature=requests.stature_text([settings.stature * metres(scene)]),
        **lens(settings),
    )


def asked(take: Take, what: str) -> list:
    """The 'stature' or 'body' that was asked for when a Take was made: one of everybody, or several by people's numbers."""
    values = json.loads(take.settings).get(what) or []
    return [values] if isinstance(values, str) else values  # an older Take's body


def model_file(scene: bpy.types.Scene, take: Take, person: Person) -> str:
    """The SKEL file of one of a Take's people: the one that it was made with, if that is still there, else the one that is chosen."""
    bodies, place = asked(take, "body"), (who.number(person.name) or 1) - 1
    made_with = bodies[0] if len(bodies) == 1 else next(iter(bodies[place:]), "")
    return made_with if Path(made_with).is_file() else bpy.path.abspath(scene.skel.body_file)


def again(
    take: Take, statures: list[float | None], bodies: list[str], corrected: tuple[who.Correction, ...], shown: Path | None = None
) -> Request:
    """The request that made a Take once more, of people who are so tall, m, with these bodies, and corrected, beyond what it was made with,
    in who is who; `shown` is the file behind its camera. Raises SkelError if it can't be made."""
    asked, chosen = json.loads(take.settings), preferences()
    if not asked.get("inputs"):
        raise SkelError("no_clip", "This take was not made from footage.", "Choose a take that was reconstructed from footage.")
    footage = _found([Path(path) for path in asked["inputs"]], shown)
    first, end = asked.get("frames") or (None, None)
    return Request(
        inputs=tuple(map(str, footage)),
        out=str(new_take_path(footage[0])),
        frames="" if first is end is None else f"{'' if first is None else first}:{'' if end is None else end}",
        device=chosen.device if chosen else "",
        memory=str(user_folder("footage")),
        stature=requests.stature_text(statures),
        body=requests.body_text(bodies),
        who=who.write((*who.read(asked.get("who", "")), *corrected)),
        **{name: asked[name] for name in _KEPT if asked.get(name) is not None},
    )


def _found(footage: list[Path], shown: Path | None) -> list[Path]:
    """The footage of a Take where it was, else, since it was moved, where the clip behind the take's camera is now."""
    lost = next((path for path in footage if not path.exists()), None)
    if lost is None:
        return [path.resolve() for path in footage]
    if shown is None or not shown.exists():
        raise SkelError("no_file", f"There is no file {lost}.",
                        "Relink the clip behind the take's camera: File > External Data > Find Missing Files.")  # fmt: skip
    if len(footage) > 1:
        return [file_path(str(shown.with_name(path.name))) for path in footage]
    is_folder = shown.suffix.lower() in sequence.IMAGE_ENDINGS and lost.suffix.lower() not in sequence.IMAGE_ENDINGS
    return [shown.parent if is_folder else shown]


def _images_rate(scene: bpy.types.Scene, footage: Path) -> float | None:
    """Frames a second of images, which Blender shows at the scene's rate; None of a video, which has its own."""
    images = footage.is_dir() or footage.suffix.lower() in sequence.IMAGE_ENDINGS
    return clock.rate(scene) if images else None


def _chosen_file(text: str, what: str) -> str:
    """The absolute path of a file other than footage."""
    path = paths.absolute(text) if text.strip() else None
    if path is None or not path.is_file():
        raise SkelError("no_file", f"No {what} is chosen, or the file is gone.", "Choose the file in the SKEL sidebar.")
    return str(path)


def clip_files(clip: bpy.types.MovieClip | None) -> list[Path]:
    """The file of a movie clip; the folder of an image sequence, or its images where it begins with a later one, as Blender shows it."""
    if clip is None:
        raise SkelError("no_clip", "No clip is chosen.", "Choose or open a movie clip in the SKEL sidebar.")
    path = file_path(clip.filepath, clip.library)
    if clip.source != "SEQUENCE" or clip.frame_duration <= 1:
        return [path]
    images = sequence.images_of(path.parent)
    stranger = next((image.name for image in images if len(sequence.numbers([path, image])) < 2), None)
    if stranger is not None:
        raise SkelError("mixed_folder", f"Other images, such as {stranger}, lie beside the sequence.",
                        "Move the sequence to a folder of its own.")  # fmt: skip
    return images[images.index(path) :] if path in images[1:] else [path.parent]


def file_path(text: str, library: bpy.types.Library | None = None) -> Path:
    """An absolute path to something that exists, from one as Blender keeps it."""
    if not text.strip():
        raise SkelError("no_clip", "No footage is chosen.", "Choose a video, an image or a folder of frames in the SKEL sidebar.")
    path = paths.absolute(text, library)
    if not path.exists():
        raise SkelError("no_file", f"There is no file {path}.", "Choose the footage again.")
    return path


def frame_range(settings: bpy.types.PropertyGroup) -> str:
    """The engine's A:B (from 0, B excluded) for Blender's first and last frame (from 1, last included)."""
    if not settings.use_range:
        return ""
    if settings.frame_end < settings.frame_start:
        raise SkelError("frame_range", "The last frame lies before the first.", "Set the frame range again.")
    return f"{settings.frame_start - 1}:{settings.frame_end}"


def lens(settings: bpy.types.PropertyGroup) -> dict[str, float]:
    """The engine's option for the chosen lens; empty if the engine shall find out."""
    if settings.lens == "FOV":
        return {"fov": round(math.degrees(settings.fov), 4)}
    if settings.lens == "PIXELS":
        return {"focal_length": settings.focal_length}
    if settings.lens == "CLIP":
        if settings.source != "CLIP" or settings.clip is None:
            raise SkelError("no_lens", "The lens of a clip needs a movie clip.", "Choose a movie clip or another lens.")
        return {"focal_length": settings.clip.tracking.camera.focal_length_pixels}
    return {}


def not_asked(settings: bpy.types.PropertyGroup) -> str:
    """A sentence about what is set for the chosen clip's lens and will not be taken; empty if that is nothing."""
    if settings.lens != "CLIP" or settings.clip is None:
        return ""
    camera, (width, height) = settings.clip.tracking.camera, settings.clip.size
    x, y = camera.principal_point_pixels
    off = math.hypot(x - width / 2, y - height / 2) > _OFF_CENTRE * width
    bent = any(getattr(camera, name) for name in _DISTORTION.get(camera.distortion_model, ()))
    left = [what for what, is_set in (("its distortion", bent), ("its centre", off)) if is_set]
    if not left:
        return ""
    return f"Of the clip's lens only the focal length is used, not {' or '.join(left)}. Use an undistorted, uncropped copy of the footage."


def take_folder() -> Path:
    """Where Takes go: a folder `takes` beside the .blend file, or the add-on's own folder while that is not saved."""
    return Path(bpy.data.filepath).parent / "takes" if bpy.data.filepath else user_folder("takes")


def new_take_path(footage: Path) -> Path:
    """A free name for the Take."""
    return free_path(take_folder() / f"{footage.stem}_001.npz")


def free_path(path: Path) -> Path:
    """A free name for a Take in the place of one such as NAME_001.npz: its number follows the greatest that is there. Makes the folder."""
    folder, name = path.parent, path.stem.rpartition("_")[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SkelError("unwritable", f"{folder} could not be made ({error.strerror}).",
                        "Save the .blend file in a folder that you can write to.") from error  # fmt: skip
    numbers = (there.stem.rpartition("_")[2] for there in folder.glob(f"{glob.escape(name)}_*.npz"))
    last = max((int(number) for number in numbers if number.isdigit()), default=0)
    return folder / f"{name}_{last + 1:03d}.npz"
