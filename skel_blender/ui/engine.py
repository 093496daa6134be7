# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine's Python is, whether it is ready, and the commands that install and use it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import bpy

from .. import environment
from ..job import PACKAGE, Job
from ..messages import SkelError
from ..requests import ImportRequest, RefitRequest, Request, engine_command
from .gather import free_path, preferences, user_folder
from .runner import redraw


@dataclass
class State:
    """The engine's state as last looked at, so that drawing need not look."""

    ready: bool = False
    text: str = "Looking for the engine"


state = State()


def refresh() -> None:
    """Look for the engine again."""
    try:
        state.text, state.ready = f"The engine is ready: {python()}", True
    except SkelError as error:
        state.text, state.ready = error.what, False
    redraw()


def root() -> Path:
    """The folder of the engine's environment: where the command line has installed it, else this extension's own folder.

    On Windows always that of the command line: in an extension's folder torch's files have paths beyond the 260 characters allowed there.
    """
    shared = environment.default_root()
    return shared if os.name == "nt" or environment.is_ready(shared) else user_folder("engine")


def python() -> Path:
    """The Python that runs the engine: the one in the preferences, else the installed one. Raises SkelError if there is none."""
    chosen = preferences()
    if chosen and chosen.engine_python.strip():
        path = Path(bpy.path.abspath(chosen.engine_python))
        if not path.is_file():
            raise SkelError("no_engine", f"There is no Python at {path}.", "Correct the path in the add-on's preferences.")
        return path
    if not environment.is_ready(root()):
        older = any(root().glob("engine-*/.ready"))  # folders of other versions
        what = "This version of the add-on needs a newer engine." if older else "The engine is not installed yet."
        raise SkelError("no_engine", what, "Press Install Engine first.")
    return environment.engine_python(root())


def start(request: Request | ImportRequest | RefitRequest) -> Job:
    """Start the engine. Raises SkelError if it is not there."""
    return Job(engine_command(python(), request))


def launch(request: Request | ImportRequest) -> Job:
    """Start the engine on a request that may have waited: meanwhile its result's name may have been taken. Raises SkelError as `start`."""
    return start(replace(request, out=str(free_path(Path(request.out)))))


def install() -> Job:
    """Start to install the engine, if the user lets Blender go online. Raises SkelError if not."""
    if not bpy.app.online_access:
        where = ("Start Blender without --offline-mode." if bpy.app.online_access_override
                 else "Turn on Preferences > System > Network > Allow Online Access, then press the button again.")  # fmt: skip
        raise SkelError("offline", "Blender is not allowed to go online.", where)
    return Job([sys.executable, "-m", f"{PACKAGE.name}.install", str(root())])
