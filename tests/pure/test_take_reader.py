# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader in docs/take.md, run as it stands there by somebody who has NumPy alone, and the page's list of angles."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skel_blender import take
from skel_blender.anatomy import DOFS
from tests import synthetic

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "take.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("zoom", [None, np.array([1.0, 1.2, 1.5, 1.1])])
def test_the_reader_in_the_docs_reads_a_take(tmp_path, zoom):
    made = synthetic.random_take(frames=4, people=2, first=6)
    synthetic.moving_camera(made)
    made.camera.zoom = zoom
    take.save(made, tmp_path / "shot.npz")
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "import numpy" in block)
    assert "skel_blender." not in code and 15 <= len(code.splitlines()) <= 25
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    assert [words[0] for words in said] == [person.name for person in made.people for _ in person.frames]
    found = np.array([[float(word) for word in words[1:]] for words in said])
    world = np.concatenate([person.joints()[:, 0] for person in made.people])
    camera, lenses = np.concatenate([made.camera.world_to_cam] * 2), np.concatenate([made.camera.lenses()] * 2)
    seen = np.einsum("tij,tj->ti", camera[:, :3], np.c_[world, np.ones(len(world))])
    pixels = np.einsum("tij,tj->ti", lenses, seen)
    assert found[:, 0] == pytest.approx(np.tile(made.frames, 2) * 1.001 / 30, abs=1e-4)
    assert found[:, 1:4] == pytest.approx(world, abs=1e-4)
    assert found[:, 4:6] == pytest.approx(pixels[:, :2] / pixels[:, 2:], abs=1e-4)
    knee = next(dof.index for dof in DOFS if dof.name == "knee_angle_r")
    assert found[:, 6] == pytest.approx(np.degrees(np.concatenate([person.poses[:, knee] for person in made.people])), abs=1e-4)


def test_the_docs_list_the_angles_in_their_order():
    listed = PAGE.partition("## The order of `poses`")[2]
    assert re.findall(r"(\d+) ([a-z]\w+)", listed) == [(str(dof.index), dof.name) for dof in DOFS]
