# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every command, and what their values may be."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import sys
from collections.abc import Sequence

from .. import who
from ..export import presets
from ..messages import SkelError
from ..requests import bodies, body_text, count, frame_range, rate, stature_text, statures

SCENES = (".blend", *presets.ENDINGS)
OPENSIM = (".osim", ".mot", ".trc")
ENDINGS = (*SCENES, ".npz", *OPENSIM)


class _Once(argparse.Action):
    """Stores a value; of two for one option neither would be right alone."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None) -> None:
        given = vars(namespace).setdefault("_given", set())
        if self.dest in given:
            raise argparse.ArgumentError(self, "given twice")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """Whose errors are SkelErrors, and who takes `-y` after --up, and `-3,4` after --frames, for a value, not for an option. No option is
    taken twice."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.register("action", None, _Once)

    def parse_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None) -> argparse.Namespace:
        words: list[str] = []
        for word in sys.argv[1:] if args is None else args:
            if words and words[-1] in ("--up", "--frames") and re.match(r"-(y$|\d)", word):
                word = f"{words.pop()}={word}"
            words.append(word)
        return super().parse_args(words, namespace)

    def error(self, message: str) -> None:
        raise SkelError("usage", f"{message[:1].upper()}{message[1:].rstrip('.')}.", f"See {self.prog} --help.")


def parser() -> Parser:
    """Of the whole command line; the name of the command is `command` of what it parses."""
    result = Parser(prog="skel-blender", description="Footage of people in, a keyed anatomical rig for Blender out.")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_reconstruct, _import, _export, _env, _picture):
        add(commands)
    return result


def _reconstruct(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("reconstruct", help="make a scene from footage", description="Make a scene from footage.")
    command.add_argument("inputs", nargs="+", metavar="INPUT", help="a video, an image, several images or a folder of frames")
    command.add_argument("--frames", type=_frames, metavar="A:B", help="frames A to B-1, counted from 0")
    command.add_argument("--people", type=count, default=0, metavar="N", help="the N most prominent people of each shot (default: all)")
    command.add_argument("--body", type=_bodies, default="", metavar="NAME[,NAME...]",
                         help="male (default), female or a SKEL model file, for everybody or for Person 1, Person 2, ...")  # fmt: skip
    command.add_argument("--device", default="", choices=("auto", "cpu", "cuda"), help="device to compute on")
    lens = command.add_mutually_exclusive_group()
    lens.add_argument("--fov", type=_angle, metavar="DEGREES", help="the camera's horizontal field of view")
    lens.add_argument("--focal-length", type=_length, metavar="PX", help="the camera's focal length in pixels")
    command.add_argument("--fps", type=_rate, metavar="RATE",
                         help="frames a second at which it was filmed: for images (default: 24) or slow motion")  # fmt: skip
    command.add_argument("--stature", type=_statures, metavar="M[,M...]",
                         help="height in metres, for everybody or for Person 1, Person 2, ...; leave an item empty if unknown")  # fmt: skip
    command.add_argument("--who", type=_who, default="", metavar="WHO[,WHO...]",
                         help="corrections of who is who: 1+4 are the same, 2x3@120 change places at frame 120, 3@120 is "
                              "somebody else from frame 120 on, 5- is left out, +640:300@120 was not found "
                              "and is at that pixel of frame 120")  # fmt: skip
    command.add_argument("--camera", default="", choices=("auto", "still"),
                         help="read the camera's turns, zoom and travel from the background (default), or treat it as still")  # fmt: skip
    command.add_argument("--cuts", default="", choices=("auto", "off"),
                         help="find the cuts in the footage (default), or treat it as one shot")  # fmt: skip
    command.add_argument("--regressor", default="", choices=("lift", "hsmr", "stance"),
                         help="where first poses come from: the lifting network (default), HSMR, or the relaxed stance")  # fmt: skip
    command.add_argument("--hsmr", default="", metavar="FILE", help="your HSMR checkpoint, for --regressor hsmr with a SKEL file as body")
    command.add_argument("--seed", type=_seed, metavar="N", help="seed of all random numbers")
    _add_out(command, ENDINGS)


def _import(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("import", help="make a scene from a motion of the SMPL family, or of points in space",
                                  description="Make a scene from a motion file: AMASS, SMPL, 4D-Humans, WHAM, GVHMR, TRAM, SLAHMR or "
                                              "3DPW; or a .trc of keypoints, as of several cameras.")  # fmt: skip
    command.add_argument("inputs", nargs=1, metavar="MOTION", help="a .npz, .npy, .pkl, .pt or .trc that such a program wrote")
    command.add_argument("--model", default="", metavar="SMPL_FILE", help="your SMPL, SMPL-H or SMPL-X model file, or a folder of them")
    command.add_argument("--body", type=_body, default="", metavar="NAME",
                         help="male, female or a SKEL model file (default: by the motion's gender)")  # fmt: skip
    command.add_argument("--people", type=count, default=0, metavar="N", help="the N people seen longest (default: all)")
    command.add_argument("--fps", type=_rate, metavar="RATE", help="frames a second, if the file does not say or is wrong")
    command.add_argument("--up", default="", choices=("y", "z", "-y"), help="the axis of the file that points up, if not its layout's")
    command.add_argument("--limits", action="store_true", help="keep every angle inside its limits (default: only count violations)")
    _add_out(command, ENDINGS)


def _export(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("export", help="write a scene or a saved Take for another program",
                                  description="Write a scene or a saved Take for another program.")  # fmt: skip
    command.add_argument("inputs", nargs=1, metavar="INPUT", help="a .blend, or the .npz that `reconstruct` or `import` wrote")
    command.add_argument("--person", type=count, metavar="N", help="Person N alone (default: everybody)")
    command.add_argument("--mass", type=_mass, metavar="KG", help="for OpenSim: the person's mass (default: from the volume of the skin)")
    _add_out(command, (*SCENES, *OPENSIM))


def _env(commands: argparse._SubParsersAction) -> None:
    commands.add_parser("env", help="print the path of the engine's Python, making its environment if needed")


def _picture(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("picture", help="render a scene through its camera over the footage, and from the side")
    command.add_argument("blend", metavar="SHOT.blend", help="a scene that this program wrote")
    command.add_argument("folder", nargs="?", metavar="FOLDER", default="build/pictures", help="output folder (default: %(default)s)")
    command.add_argument("--frames", type=_numbers, metavar="N,N,...", help="scene frames (default: four over the range)")
    command.add_argument("--samples", type=_samples, metavar="N", help="samples a pixel; more give less noise (default: 64)")


def _add_out(command: argparse.ArgumentParser, endings: tuple[str, ...]) -> None:
    """Where a command writes, and how."""
    command.add_argument("-o", "--out", required=True, help="what to write, by its ending: " + ", ".join(endings))
    command.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    presets.add_arguments(command)


def _samples(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,4}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of samples")
    return int(text)


def _frames(text: str) -> str:
    frame_range(text)
    return text


def _numbers(text: str) -> str:
    if not re.fullmatch(r"-?\d+(,-?\d+)*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of frames such as 1,40,80")
    return text


def _statures(text: str) -> str:
    return stature_text(statures(text))


def _who(text: str) -> str:
    return who.write(who.read(text))


def _bodies(text: str) -> str:
    return body_text(map(_body, bodies(text)))


def _body(text: str) -> str:
    return os.path.abspath(text) if os.path.isfile(text) else text


def _seed(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of up to 18 digits")
    return int(text)


def _number(text: str, low: float, up: float, what: str) -> float:
    with contextlib.suppress(ValueError):
        if low < float(text) < up:
            return float(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not {what}")


def _angle(text: str) -> float:
    return _number(text, 0.0, 180.0, "an angle between 0 and 180 degrees")


def _rate(text: str) -> float:
    fps = _number(text, -math.inf, math.inf, "a number of frames a second")
    rate(fps)
    return fps


def _mass(text: str) -> float:
    return _number(text, 0.0, 1000.0, "a mass in kilograms")


def _length(text: str) -> float:
    return _number(text, 0.0, 1e7, "a focal length in pixels")
