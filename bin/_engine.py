# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a `main` of this repository under the engine's Python, whose installation its first run makes."""

import os
import subprocess
import sys
from typing import NoReturn

from skel_blender import environment
from skel_blender.job import child_environment
from skel_blender.messages import SkelError

_RUN = """
import sys
from importlib import import_module
from skel_blender.messages import SkelError
try:
    sys.exit(import_module(sys.argv[1]).main(sys.argv[2:]))
except SkelError as error:
    sys.exit(str(error))
"""


def end_with(module: str, arguments: list[str]) -> NoReturn:
    """End this process as `main(arguments)` of a module ends, in one thread. Packages on the caller's PYTHONPATH can be imported too."""
    environ = child_environment() | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, (environ["PYTHONPATH"], os.environ.get("PYTHONPATH"))))
    try:
        python = environment.install(environment.default_root(), sys.executable, _say)
        sys.exit(subprocess.run([str(python), "-c", _RUN, module, *arguments], env=environ).returncode)
    except SkelError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _say(line: str) -> None:
    print(f"   {line}", file=sys.stderr, flush=True)
