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
from ..job import PACKAGE, Job, child_environment, run
from ..messages import Failed, SkelError
from ..requests import ImportRequest, Request, engine_command
from ..status import Status
from . import finished
from .options import OPENSIM, SCENES
from .outputs import TAKE, Work, checked, kept, no_neighbours, put, workplace


def _reconstruct(given: argparse.Namespace, status: Status) -> int:
    if given.hsmr and given.regressor != "hsmr":
        raise SkelError("usage", "An HSMR checkpoint is given, but HSMR is not the regressor.",
                        "Add --regressor hsmr, or leave --hsmr out.")  # fmt: skip

    def request(take: Path) -> Request:
        return Request(
            inputs=tuple(given.inputs), out=str(take), frames=given.frames or "", people=given.people, body=given.body,
            device=given.device, fov=given.fov, focal_length=given.focal_length, fps=given.fps, camera=given.camera, cuts=given.cuts,
            seed=given.seed, model=str(environment.landmark_model(environment.default_root())), regressor=given.regressor, hsmr=given.hsmr,
            memory=str(environment.default_root() / "footage"), stature=given.stature or "", who=given.who,
        )  # fmt: skip

    return _make(given, status, request)


def _import(given: argparse.Namespace, status: Status) -> int:
    if given.model and not os.path.exists(given.model):
        raise SkelError("no_input", f"There is no file {given.model}.", "Check the path.")

    def request(take: Path) -> ImportRequest:
        return ImportRequest(motion=given.inputs[0], out=str(take), model=given.model, people=given.people, body=given.body,
                             fps=given.fps, up=given.up, limits=given.limits)  # fmt: skip

    return _make(given, status, request)


def _make(given: argparse.Namespace, status: Status, request: Callable[[Path], Request | ImportRequest]) -> int:
    """Run the engine for a Take, build the scene that OUT's ending asks for, and put the result in its place."""
    out = checked(given)
    no_neighbours(out, given)
    ending = out.suffix.lower()
    with workplace(out) as work:
        python = _python(status)
        builder = _python(status, _blender()) if ending in SCENES else python  # whatever can fail comes before the work
        take = work.made if ending == ".npz" else work.folder / TAKE
        place = finished.place_of(request(take), environment.default_root() / "footage")
        fetched = finished.fetch(place, take)
        if fetched:
            status.line("An earlier run reconstructed this but was stopped before writing it; its result is used.")
        else:
            status.show("starting")
            result = run(Job(engine_command(python, request(take))), status.event)
            if isinstance(result, Failed):
                if result.code == "cancelled":
                    raise KeyboardInterrupt
                raise SkelError(result.code, result.what.replace(str(take), str(out)), result.todo)
            finished.keep(take, place)
        status.show("writing")
        try:
            if ending in SCENES:
                _write_with("rig", builder, take, work, presets.options(given), status)
            elif ending in OPENSIM:
                _write_with("opensim", builder, take, work, [], status)
            put(work, given, status)
        except KeyboardInterrupt:
            if place.exists():
                status.line("The reconstruction is kept: run the same command again to continue.")
            raise
        except SkelError as error:
            if fetched:
                finished.forget(place)  # which may be damaged
            raise SkelError(error.code, error.what, f"{error.todo} The reconstruction is kept as {kept(take, out)}.".lstrip()) from error
    finished.forget(place)
    return 0


def _export(given: argparse.Namespace, status: Status) -> int:
    out, source = checked(given), Path(os.path.abspath(given.inputs[0]))
    ending, kind = out.suffix.lower(), source.suffix.lower()
    if kind not in (".blend", ".npz"):
        raise SkelError("no_input", f"{source.name} is neither a .blend nor a Take.", "Give a file that this program wrote.")
    endings = (*(SCENES if kind == ".npz" else presets.ENDINGS), *OPENSIM)
    if ending not in endings:
        raise SkelError("ending", f"An export of {source.name} ends in one of {', '.join(endings)}, not '{out.suffix}'.", "Choose one.")
    asked = ("person", "mass") if ending in OPENSIM else ("person",)
    options = [f"--{name}={value}" for name in asked if (value := getattr(given, name)) is not None]
    module = "export" if kind == ".blend" else "opensim" if ending in OPENSIM else "rig"
    python = _python(status) if module == "opensim" else _python(status, _blender())
    said = options if module == "opensim" else [*presets.options(given), *options]
    with workplace(out) as work:
        status.show("exporting")
        _write_with(module, python, source, work, said, status)
        put(work, given, status)
    return 0


def _env(given: argparse.Namespace, status: Status) -> int:
    python = _python(status)
    status.clear()
    print(python)
    return 0


def _picture(given: argparse.Namespace, status: Status) -> int:
    python = _python(status, _blender())
    status.show("rendering")
    paths = (os.path.abspath(path) for path in (given.blend, given.folder))
    options = [f"--{name}={getattr(given, name)}" for name in ("frames", "samples") if getattr(given, name)]
    done = subprocess.run([str(python), "-m", f"{PACKAGE.name}.rig.picture", *paths, *options], env=child_environment())
    status.clear()
    return 1 if done.returncode else 0


def _write_with(module: str, python: Path, source: Path, work: Work, options: list[str], status: Status) -> None:
    """Let a program of this package read `source` and write `work.made`, or files beside it. Raises SkelError if it wrote nothing."""
    command = [str(python), "-m", f"{PACKAGE.name}.{module}", str(source), "--out", str(work.made), *options]
    if module == "rig":
        command.append(f"--folder={work.out.parent}")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          errors="replace", env=child_environment())  # fmt: skip
    if done.returncode == 0 and work.files():
        for line in done.stdout.splitlines():
            if line.startswith(presets.LEFT_OUT):
                status.line(line)
        return
    said = done.stdout.strip().replace(str(work.made), str(work.out))
    last = said.splitlines()[-1].strip() if said else f"exit code {done.returncode}"
    if "No space left on device" in said:
        raise SkelError("disk_full", "The disk is full.", "Make room and run again.")
    if done.returncode == 1 and "Traceback" not in said:
        raise SkelError(module, last, "")
    raise SkelError(module, f"{work.out.name} could not be made ({last.rstrip('.')}).", "Report this line.")


def _python(status: Status, name: str = "engine") -> Path:
    return environment.install(environment.default_root(), sys.executable, status.installing, name)


def _blender() -> str:
    return environment.blender_of(sys.version_info[:2])


COMMANDS = {"reconstruct": _reconstruct, "import": _import, "export": _export, "env": _env, "picture": _picture}
