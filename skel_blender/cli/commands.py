# SPDX-License-Identifier: GPL-3.0-or-later
"""What each command does."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .. import environment
from ..export import presets
from ..job import PACKAGE, ImportRequest, Job, Request, child_environment, engine_command, run
from ..messages import Failed, SkelError
from ..status import Status
from .options import OPENSIM, SCENES
from .outputs import checked, no_neighbours, put, workplace
from .programs import in_blender, write_opensim


def _reconstruct(given: argparse.Namespace, status: Status) -> int:
    def request(take: Path) -> Request:
        return Request(
            inputs=tuple(given.inputs), out=str(take), frames=given.frames or "", people=given.people, body=_path_or_name(given.body),
            device=given.device, fov=given.fov, focal_length=given.focal_length, camera=given.camera, seed=given.seed,
            model=str(environment.landmark_model(environment.default_root())), regressor=given.regressor, hsmr=given.hsmr,
            memory=str(environment.default_root() / "footage"),
        )  # fmt: skip

    return _make(given, status, request)


def _import(given: argparse.Namespace, status: Status) -> int:
    if given.model and not os.path.exists(given.model):
        raise SkelError("no_input", f"There is no file {given.model}.", "Check the path.")

    def request(take: Path) -> ImportRequest:
        return ImportRequest(motion=given.inputs[0], out=str(take), model=given.model, people=given.people, body=_path_or_name(given.body),
                             fps=given.fps, up=given.up, limits=given.limits)  # fmt: skip

    return _make(given, status, request)


def _path_or_name(body: str) -> str:
    return os.path.abspath(body) if os.path.exists(body) else body


def _make(given: argparse.Namespace, status: Status, request: Callable[[Path], Request | ImportRequest]) -> int:
    """Run the engine for a Take, build the scene that OUT's ending asks for, and put the result in its place."""
    out = checked(given)
    no_neighbours(out, given)
    with workplace(out) as work:
        root = environment.default_root()
        python = environment.install(root, sys.executable, status.installing)
        blender = None
        if out.suffix.lower() in SCENES:
            name = environment.blender_of(sys.version_info[:2])
            blender = environment.install(root, sys.executable, status.installing, name)
        take = work / "take.npz"
        command = engine_command(python, request(take))
        status.show("starting")
        result = run(Job(command), status.event)
        if isinstance(result, Failed):
            if result.code == "cancelled":
                raise KeyboardInterrupt
            raise SkelError(result.code, result.what.replace(str(take), str(out)), result.todo)
        if out.suffix.lower() in OPENSIM:
            write_opensim(python, take, out, status, ["--overwrite"] if given.overwrite else [])
            return 0
        if blender is None:
            put({take: out}, given, status)
        else:
            put(in_blender("rig", blender, take, work, out, status, presets.options(given)), given, status)
    return 0


def _export(given: argparse.Namespace, status: Status) -> int:
    out, source = checked(given), Path(os.path.abspath(given.inputs[0]))
    ending, kind = out.suffix.lower(), source.suffix.lower()
    if ending not in (*presets.ENDINGS, *OPENSIM):
        raise SkelError("ending", f"An export ends in one of {', '.join((*presets.ENDINGS, *OPENSIM))}, not '{out.suffix}'.", "Choose one.")
    if kind not in (".blend", ".npz"):
        raise SkelError("no_input", f"{source.name} is neither a .blend nor a Take.", "Give a file that this program wrote.")
    root, opensim = environment.default_root(), []
    if ending in OPENSIM:
        opensim = [f"--{name}={value}" for name in ("person", "mass") if (value := getattr(given, name)) is not None]
        opensim += ["--overwrite"] * given.overwrite
    if ending in OPENSIM and kind == ".npz":
        write_opensim(environment.install(root, sys.executable, status.installing), source, out, status, opensim)
        return 0
    python = environment.install(root, sys.executable, status.installing, environment.blender_of(sys.version_info[:2]))
    person = [f"--person={given.person}"] if given.person else []
    with workplace(out) as work:
        module = "export" if kind == ".blend" else "rig"
        put(in_blender(module, python, source, work, out, status, [*presets.options(given), *(opensim or person)]), given, status)
    return 0


def _env(given: argparse.Namespace, status: Status) -> int:
    python = environment.install(environment.default_root(), sys.executable, status.installing)
    status.clear()
    print(python)
    return 0


def _picture(given: argparse.Namespace, status: Status) -> int:
    python = environment.install(environment.default_root(), sys.executable, status.installing,
                                 environment.blender_of(sys.version_info[:2]))  # fmt: skip
    status.show("rendering")
    frames = [f"--frames={given.frames}"] if given.frames else []
    command = [str(python), "-m", f"{PACKAGE.name}.rig.picture", os.path.abspath(given.blend), os.path.abspath(given.folder), *frames]
    code = subprocess.run(command, env=child_environment()).returncode
    status.clear()
    return code


COMMANDS = {"reconstruct": _reconstruct, "import": _import, "export": _export, "env": _env, "picture": _picture}
