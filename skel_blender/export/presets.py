# SPDX-License-Identifier: GPL-3.0-or-later
"""What each target wants of a file, as a table. Standard library only."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..messages import SkelError
from . import names as maps

ENDINGS = (".fbx", ".glb", ".usd", ".usdc", ".usda", ".bvh", ".abc")
RESTS = {"t": "T Pose", "a": "A Pose", "first": "First Frame"}
TRAVELS = {"root": "Root Bone", "hips": "Hips", "none": "In Place"}
CLIPS = {"current": "Current Motion", "all": "All Versions"}
RANGES = {"keys": "Keyed Frames", "scene": "Scene Range"}
INFLUENCES = {"all": "All", "8": "8", "4": "4"}
LEFT_OUT = "Left out: "  # begins what the user is told of a file that lacks something


@dataclass(frozen=True)
class Preset:
    """How people are delivered. `unit`, `up` and `axes` hold for FBX; BVH takes the unit; the other formats fix theirs themselves."""

    title: str
    unit: float = 1.0  # m that the file's unit stands for
    up: str = "Y"  # the file's axis that points up; people face its +Z, or -Y where Z is up
    axes: str = "YX"  # the bones' local axes that run along the bone and about which it bends
    names: str = maps.SKEL  # one of names.TITLES
    armature: str = ""  # what the armature's node is called; the person's name if empty
    rest: str = "t"  # one of RESTS: the pose in which skin and bones are bound
    travel: str = "root"  # one of TRAVELS: which bone carries the way over the floor
    heading: bool = False  # whether the root bone also turns as the body does
    separate: bool = False  # a file for each person
    skin: bool = True
    bones: bool = False  # the meshes of the skeleton
    camera: bool = False  # the take's, beside the people
    clips: str = "current"  # one of CLIPS
    range: str = "keys"  # one of RANGES
    influences: str = "all"  # one of INFLUENCES: the most bones that move a vertex of the skin


PRESETS: Mapping[str, Preset] = {
    "generic": Preset("Generic"),
    "unreal": Preset("Unreal Engine 5", unit=0.01, up="Z", axes="XZ", names="ue5", armature="Armature", heading=True, separate=True,
                     influences="8"),
    "unity": Preset("Unity", unit=0.01, names="humanoid", heading=True, separate=True, influences="4"),
    "godot": Preset("Godot 4", names="humanoid", heading=True, influences="8"),
}  # fmt: skip
"""Unreal leaves out an armature's node that is called 'Armature', so that its root bone is ours. Engines take root motion from the root
bone's way and turn; the influences are what each keeps unless told otherwise."""

_ALLOWED = {"names": maps.TITLES, "rest": RESTS, "travel": TRAVELS, "clips": CLIPS, "range": RANGES, "influences": INFLUENCES}

_SWITCHES = {
    "heading": "let the root bone also turn with the body", "separate": "a file for each person", "skin": "write the skin",
    "bones": "write the meshes of the skeleton", "camera": "also write the take's camera, through which it was filmed",
}  # fmt: skip
_WORDS = {"camera": "take-camera"}  # what a switch is called on the command line, where --camera says how footage was filmed


def choose(name: str, **changes: str | bool) -> Preset:
    """A preset with some of its fields changed. Raises SkelError for a name or value that there is not."""
    if name not in PRESETS:
        raise SkelError("preset", f"There is no preset {name}.", f"Choose one of {', '.join(PRESETS)}.")
    for field, value in changes.items():
        if field in _ALLOWED and value not in _ALLOWED[field]:
            raise SkelError("preset", f"'{field}' of an export can't be '{value}'.", f"Choose one of {', '.join(_ALLOWED[field])}.")
    return replace(PRESETS[name], **changes)


def check_camera(preset: Preset, ending: str) -> None:
    """Raise SkelError if the take's camera is asked for in a file that can't hold it, or that shows people elsewhere than it does."""
    if not preset.camera:
        return
    if ending == ".bvh":
        raise SkelError("camera", "A .bvh holds no camera.", "Leave it out, or choose another format.")
    if preset.travel == "none" and ending != ".abc":  # whose skin is where it is in the scene
        raise SkelError("camera", "With the motion in place, people are not where the camera sees them.",
                        f"Choose {TRAVELS['root']} for Travel Carried By (--travel root), or leave the camera out.")  # fmt: skip
    if preset.clips == "all":
        raise SkelError("camera", "A camera can only be exported with one motion.", "Export the current motion, or leave the camera out.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of an export. What is not given stays as the preset has it."""
    group = parser.add_argument_group("export", "how people are written into a file of another program")
    group.add_argument("--preset", default="generic", choices=tuple(PRESETS), help="what the file is for (default: %(default)s)")
    group.add_argument("--names", choices=tuple(maps.TITLES), help="bone names")
    group.add_argument("--rest", choices=tuple(RESTS), help="the rest pose: T, A or that of the first frame")
    group.add_argument("--travel", choices=tuple(TRAVELS), help="what carries the travel over the floor; none: in place")
    group.add_argument("--influences", choices=tuple(INFLUENCES), help="maximum number of bones that move a vertex of the skin")
    group.add_argument("--range", choices=tuple(RANGES), help="the frames that have keys, or the scene's range")
    group.add_argument("--clips", choices=tuple(CLIPS), help="the current motion, or every version of it as a clip")
    for name, what in _SWITCHES.items():
        group.add_argument(f"--{_word(name)}", dest=_kept(name), action=argparse.BooleanOptionalAction, default=None, help=what)


def given(arguments: argparse.Namespace) -> Preset:
    """The preset that the options of `add_arguments` describe."""
    values = {name: getattr(arguments, _kept(name)) for name in (*_ALLOWED, *_SWITCHES)}
    return choose(arguments.preset, **{name: value for name, value in values.items() if value is not None})


def options(arguments: argparse.Namespace) -> list[str]:
    """The same options as words, for another program's command line."""
    words = [f"--preset={arguments.preset}"]
    words += [f"--{name}={value}" for name in _ALLOWED if (value := getattr(arguments, name)) is not None]
    return words + [
        f"--{'' if value else 'no-'}{_word(name)}" for name in _SWITCHES if (value := getattr(arguments, _kept(name))) is not None
    ]


def _word(name: str) -> str:
    return _WORDS.get(name, name)


def _kept(name: str) -> str:
    """Under which name what is parsed has an option."""
    return _word(name).replace("-", "_")
