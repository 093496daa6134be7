# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs share that run under Blender's Python module: a scene to open, one sentence for an error, an end that does not hang."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import bpy

from ..messages import SkelError


def run(main: Callable[[], None]) -> NoReturn:
    """Run a command's `main` and end the process: code 0, or 1 after one sentence on standard error for a SkelError."""
    try:
        main()
    except SkelError as error:
        print(error, file=sys.stderr)
        leave(1)
    except SystemExit as stop:  # argparse, which has said why
        leave(stop.code if isinstance(stop.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        leave(1)
    leave(0)


def open_scene(path: Path) -> None:
    """Open a .blend without running what lies in it. Raises SkelError if it can't be read."""
    if not path.is_file():
        raise SkelError("no_file", f"There is no file {path}.", "Check its name.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path.absolute()), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise SkelError("bad_scene", f"{path} is not a scene that this Blender can open.", "Choose a .blend file.") from error


def leave(code: int) -> NoReturn:
    """End the process at once. Blender as a Python module can hang when the interpreter takes itself down; its folder for temporary files
    would stay."""
    sys.stdout.flush()
    sys.stderr.flush()
    own = Path(bpy.app.tempdir)
    if own.name.startswith("blender_"):  # not the one that all programs share
        shutil.rmtree(own, ignore_errors=True)
    if os.name == "nt":  # there os._exit takes Blender's libraries down too, which print what they leave behind after our last sentence
        ctypes.windll.kernel32.TerminateProcess(ctypes.c_void_p(-1), code)  # -1 is this process
    os._exit(code)
