# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine can be asked, and the command lines that ask it. Standard library only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .job import PACKAGE


@dataclass(frozen=True)
class Request:
    """What to reconstruct and how. A field left at its default leaves the choice to the engine."""

    inputs: tuple[str, ...]
    out: str
    frames: str = ""  # 'A:B', source frames A..B-1 counted from 0
    people: int = 0  # 0: everyone
    body: str = ""
    device: str = ""
    fov: float | None = None  # degrees
    focal_length: float | None = None  # px
    camera: str = ""  # auto or still
    seed: int | None = None
    model: str = ""  # path of the landmark model
    regressor: str = ""  # lift, hsmr or stance
    hsmr: str = ""  # path of HSMR's checkpoint
    memory: str = ""  # folder that remembers what was seen of footage, so that a run that was stopped goes on

    def arguments(self) -> list[str]:
        """The engine's command line after `-m skel_blender.engine`."""
        options = _options(
            out=self.out, frames=self.frames, people=self.people or None, body=self.body, device=self.device, fov=self.fov,
            focal_length=self.focal_length, camera=self.camera, seed=self.seed, model=self.model, regressor=self.regressor,
            hsmr=self.hsmr and os.path.abspath(self.hsmr), memory=self.memory,
        )  # fmt: skip
        return ["reconstruct", *(os.path.abspath(path) for path in self.inputs), *options, "--events"]


@dataclass(frozen=True)
class ImportRequest:
    """Which motion file of the SMPL family to import and how. A field left at its default leaves the choice to the engine."""

    motion: str
    out: str
    model: str = ""  # SMPL, SMPL-H or SMPL-X model file, or a folder of such
    people: int = 0  # 0: everyone
    body: str = ""
    fps: float | None = None
    up: str = ""  # 'y', 'z' or '-y'
    limits: bool = False  # keep every angle inside its limits

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


def engine_command(python: str | Path, request: Request | ImportRequest | RefitRequest) -> list[str]:
    """The command that does what is asked for with the engine's Python."""
    return [str(python), "-m", f"{PACKAGE.name}.engine", *request.arguments()]


def _options(**values: object) -> list[str]:
    """Those that were given: '--focal-length=900.0' of focal_length=900.0, nothing of None and of an empty text."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value not in (None, "")]
