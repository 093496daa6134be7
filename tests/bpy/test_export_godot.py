# SPDX-License-Identifier: GPL-3.0-or-later
"""FBX and GLB in a real Godot 4, imported as a game project imports them. Heavy, hence only with every version (bin/test --all)."""

from __future__ import annotations

import json
import os
import subprocess
from fractions import Fraction

import pytest

from skel_blender.export import presets
from tests.bpy import deliveries
from tests.bpy.deliveries import Report
from tests.importers import programs

pytestmark = pytest.mark.skipif("SKEL_BLENDER_ALL" not in os.environ, reason="sets up Godot (bin/test --all)")

FILES = {("fbx", preset): f"{preset}.fbx" for preset in presets.PRESETS}
FILES |= {("glb", preset): f"{preset}.glb" for preset in ("godot", "generic")}
# Godot samples glTF clips at 30 frames a second unless told otherwise, and its optimizer leaves out keys where 1 cm is near enough.
SETTINGS = """[remap]
importer="scene"
importer_version=1
type="PackedScene"

[deps]
source_file="res://{file}"

[params]
animation/fps=30
animation/trimming=false
fbx/importer=0
fbx/naming_version=2
gltf/naming_version=2
_subresources={{"nodes": {{"PATH:AnimationPlayer": {{"optimizer/enabled": false}}}}}}
"""


def godot(folder, *arguments):
    done = subprocess.run(["bash", programs.HERE / "godot.sh", folder, *map(str, arguments)], capture_output=True, text=True, timeout=1200)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_godot_reads_what_the_take_holds(context, tmp_path):
    take = deliveries.take()
    take.fps = Fraction(30)
    for (_, preset), file in FILES.items():
        deliveries.deliver(take, tmp_path / file, presets.choose(preset))
        (tmp_path / f"{file}.import").write_text(SETTINGS.format(file=file))
    (tmp_path / "project.godot").write_text('config_version=5\n\n[application]\nconfig/name="importers"\n')
    (tmp_path / "read.gd").write_text((programs.HERE / "read_godot.gd").read_text())
    godot(tmp_path, "--headless", "--path", tmp_path, "--import")
    seconds = [json.dumps(deliveries.times(take, frames)) for frames in (deliveries.POSED, deliveries.SKINNED)]
    godot(tmp_path, "--headless", "--path", tmp_path, "-s", "read.gd", "--", tmp_path / "answer.json", *seconds, *FILES.values())
    answers = json.loads((tmp_path / "answer.json").read_text())
    for (ending, preset), file in FILES.items():
        deliveries.check(Report(**answers[file]), take, take.people[0], presets.choose(preset), (ending, preset, "Godot 4"))
