# SPDX-License-Identifier: GPL-3.0-or-later
"""A place in which the command `skel-blender` runs with every environment played by one script."""

import sys

import pytest

from skel_blender import environment
from tests import fake_engine

# tests/fake_engine.py as the engine; this Python for what needs NumPy alone; else a Python with bpy that writes a scene, or fails as
# $FAKE_BUILDER says.
PYTHON = """#!/bin/sh
case "$2" in
  *.engine) exec "{engine}" "$@";;
  *.opensim) exec "{python}" "$@";;
  *.picture) test -f "$3" && mkdir "$4" && echo picture > "$4/camera.png"; exit;;
esac
case "$FAKE_BUILDER" in
  sentence) echo "Body 3 has no bones. Use another body." >&2; exit 1;;
  full) echo "Error: Cannot open file /x for writing: No space left on device" >&2; exit 1;;
  trace) printf 'Traceback (most recent call last):\\nKeyError: 0\\n' >&2; exit 1;;
  nothing) exit 0;;
  less) printf 'noise\\nLeft out: Fewer. Apply it.\\n';;
esac
test -f "$3" && echo "scene of $3, as told: $*" > "$5"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with footage."""
    tools = tmp_path / "tools"
    tools.mkdir()
    engine = fake_engine.as_python(tools)
    python = tools / "any_python"
    python.write_text(PYTHON.format(engine=engine, python=sys.executable))
    python.chmod(0o755)
    monkeypatch.setattr(environment, "install", lambda root, base, on_line, name="engine": python)
    monkeypatch.setattr(environment, "landmark_model", lambda root: tools / "model.task")
    monkeypatch.setenv("SKEL_BLENDER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(environment, "blender_of", lambda version: "blender-4.5")
    folder = tmp_path / "shots"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(b"footage")
    return folder
