# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine can be asked, and the command lines that ask it. Standard library only."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .job import PACKAGE
from .messages import SkelError

STATURES = 0.5, 2.5  # m, the least and the most that somebody may be said to be tall
RATES = 0.1, 10000.0  # frames a second, the least and the most that may be said
_MEANT = 0.005  # what rates with two digits are off by


@dataclass(frozen=True)
class Request:
    """What to reconstruct and how. A field left at its default leaves the choice to the engine."""

    inputs: tuple[str, ...]
    out: str
    frames: str = ""  # 'A:B', source frames A..B-1 counted from 0
    people: int = 0  # 0: everyone
    body: str = ""  # as `bodies` reads it
    device: str = ""
    fov: float | None = None  # degrees
    focal_length: float | None = None  # px
    fps: float | None = None  # frames a second at which it was filmed
    camera: str = ""  # auto or still
    cuts: str = ""  # auto or off
    seed: int | None = None
    model: str = ""  # path of the landmark model
    regressor: str = ""  # lift, hsmr or stance
    hsmr: str = ""  # path of HSMR's checkpoint
    memory: str = ""  # folder that remembers what was seen of footage, so that a run that was stopped goes on
    stature: str = ""  # m, as `statures` reads it
    who: str = ""  # who is who where that was mistaken, as who.py reads it

    @property
    def label(self) -> str:
        """What is shown of it: the footage's name, and which of its frames, counted from 1."""
        first, _, end = self.frames.partition(":")
        return Path(self.inputs[0]).name + (f" {int(first or 0) + 1}-{end}" if self.frames else "")

    def arguments(self) -> list[str]:
        """The engine's command line after `-m skel_blender.engine`."""
        options = _options(
            out=self.out, frames=self.frames, people=self.people or None, body=self.body, device=self.device, fov=self.fov,
            focal_length=self.focal_length, fps=self.fps, stature=self.stature, who=self.who, camera=self.camera, cuts=self.cuts,
            seed=self.seed, model=self.model, regressor=self.regressor, hsmr=self.hsmr and os.path.abspath(self.hsmr), memory=self.memory,
        )  # fmt: skip
        return ["reconstruct", *(os.path.abspath(path) for path in self.inputs), *options, "--events"]


@dataclass(frozen=True)
class ImportRequest:
    """Which motion file to import and how. A field left at its default leaves the choice to the engine."""

    motion: str
    out: str
    model: str = ""  # SMPL, SMPL-H or SMPL-X model file, or a folder of such
    people: int = 0  # 0: everyone
    body: str = ""
    fps: float | None = None
    up: str = ""  # 'y', 'z' or '-y'
    limits: bool = False  # keep every angle inside its limits

    @property
    def label(self) -> str:
        """What is shown of it."""
        return Path(self.motion).name

    def arguments(self) -> list[str]:
        """The engine's command line after `-m skel_blender.engine`."""
        options = _options(out=self.out, model=self.model and os.path.abspath(self.model), people=self.people or None, body=self.body,
                           fps=self.fps, up=self.up)  # fmt: skip
        return ["import", os.path.abspath(self.motion), *options, *["--limits"] * self.limits, "--events"]


@dataclass(frozen=True)
class RefitRequest:
    """Which stretch of a Take to fit again around frames set by hand."""

    take: str
    corrections: str  # .npz with frames, poses and trans
    out: str
    person: int = 0
    frames: str = ""  # 'A:B', source frames
    body: str = ""  # the SKEL file, where the person has that body

    def arguments(self) -> list[str]:
        """The engine's command line after `-m skel_blender.engine`."""
        options = _options(set=self.corrections, out=self.out, person=self.person, frames=self.frames, body=self.body)
        return ["refit", os.path.abspath(self.take), *options, "--events"]


def frame_range(text: str) -> tuple[int | None, int | None]:
    """'A:B' to (A, B), either may be empty; counted from 0, B is not included. Raises argparse's ArgumentTypeError for anything else."""
    match = re.fullmatch(r"(\d*):(\d*)", text, re.ASCII)
    if not match or (match[2] and int(match[1] or 0) >= int(match[2])):
        raise argparse.ArgumentTypeError(f"'{text}' is not a range of frames such as 0:120, 30: or :90")
    return int(match[1]) if match[1] else None, int(match[2]) if match[2] else None


def count(text: str) -> int:
    """A number of people, or one of them counted from 1. Raises argparse's ArgumentTypeError for anything else."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of people")
    return int(text)


def rate(fps: float) -> Fraction:
    """Frames a second as they are meant: 23.976, 29.97 and their like are 1000/1001 of a whole number. Raises SkelError for what is not
    within RATES."""
    if not RATES[0] <= fps <= RATES[1]:
        raise SkelError("usage", f"{fps:g} is not a number of frames a second between {RATES[0]:g} and {RATES[1]:g}.",
                        "Give one such as 25 or 29.97.")  # fmt: skip
    whole = round(1.001 * fps)
    if fps != round(fps) and abs(whole / 1.001 - fps) < _MEANT:
        return Fraction(1000 * whole, 1001)
    return Fraction(fps).limit_denominator(1001)


def statures(text: str) -> tuple[float | None, ...]:
    """How tall people are, m: '1.8' everybody, '1.8,,1.65' the first and the third person. Raises SkelError for anything else."""
    values = tuple(_stature(item) for item in text.split(","))
    if not any(values):
        raise SkelError("usage", "No height is given.", "Give metres, such as 1.8, or one for each person, such as 1.8,1.65.")
    return values


def stature_text(values: Iterable[float | None]) -> str:
    """What `statures` reads, and raises SkelError for if it would not; nothing where nobody's is known."""
    text = ",".join(f"{metres:.4g}" if metres else "" for metres in values)
    return text if text.strip(",") and statures(text) else ""


def bodies(text: str) -> tuple[str, ...]:
    """Names of bodies and paths: 'female' everybody's, 'female,,male' the first and the third person's. A path may hold commas if it is
    everybody's."""
    return (text,) if os.path.isfile(text) else tuple(name.strip() for name in text.split(","))


def body_text(names: Iterable[str]) -> str:
    """What `bodies` reads. Raises SkelError for what it would read otherwise."""
    names = tuple(names)
    if len(set(names)) < 2:
        return "".join(names[:1])
    comma = next((name for name in names if "," in name), None)
    if comma is not None:
        raise SkelError("usage", f"The path {comma} contains a comma.", "Give the file another name, or the same body to everybody.")
    return ",".join(names)


def _stature(item: str) -> float | None:
    if not item.strip():
        return None
    with contextlib.suppress(ValueError):
        if STATURES[0] <= float(item) <= STATURES[1]:
            return float(item)
    least, most = STATURES
    raise SkelError("usage", f"'{item.strip()}' is not a height between {least} and {most} metres.", "Give metres, such as 1.8.")


def engine_command(python: str | Path, request: Request | ImportRequest | RefitRequest) -> list[str]:
    """The command that does what is asked for with the engine's Python."""
    return [str(python), "-m", f"{PACKAGE.name}.engine", *request.arguments()]


def _options(**values: object) -> list[str]:
    """Those that were given: '--focal-length=900.0' of focal_length=900.0, nothing of None and of an empty text."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value not in (None, "")]
