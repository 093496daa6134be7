# SPDX-License-Identifier: GPL-3.0-or-later
"""Exported files as programs of other people read them: bones, hierarchy, clock, joints on 21 frames and the skin on three."""

from __future__ import annotations

import json

import pytest

from skel_blender.export import presets
from tests.bpy import deliveries, importing
from tests.bpy.deliveries import Report
from tests.importers import programs


def arguments(take):
    return [json.dumps(deliveries.times(take, frames)) for frames in (deliveries.POSED, deliveries.SKINNED)]


def by_node(script):
    def read(path, take, preset):
        answer = programs.node(script, path, *arguments(take))
        answer["bones"].pop(preset.armature or take.people[0].name, None)  # assimp takes the armature's own node for one
        top = next(iter(deliveries.expected_bones(preset)))
        fbx = path.suffix == ".fbx"
        return Report(**answer | {"bones": answer["bones"] | {top: None}}, unit=preset.unit if fbx else 1.0, up=preset.up if fbx else "Y")

    return read


def by_usd(path, take, preset):
    answer = json.loads(programs.run(programs.HERE / "read_usd.py", path, *arguments(take)))
    (person,) = answer["people"].values()
    return Report(**person, unit=answer["unit"], up=answer["up"])


def by_bvhio(path, take, preset):
    answer = json.loads(programs.run(programs.HERE / "read_bvh.py", path, arguments(take)[0]))
    return Report(**answer, unit=preset.unit)


READERS = {
    "three.js": by_node("read_three.mjs"), "assimp": by_node("read_assimp.mjs"), "usd-core": by_usd, "bvhio": by_bvhio,
    "Blender": importing.by_blender, "Blender's new FBX": importing.by_new_fbx,
}  # fmt: skip
CASES = [
    *(("fbx", preset, reader) for preset in presets.PRESETS for reader in ("three.js", "assimp", "Blender", "Blender's new FBX")),
    *(("glb", preset, reader) for preset in ("generic", "godot") for reader in ("three.js", "assimp", "Blender")),
    *(("usdc", preset, reader) for preset in ("generic", "unreal") for reader in ("usd-core", "Blender")),
    *(("bvh", preset, reader) for preset in presets.PRESETS for reader in ("bvhio", "Blender")),
]


@pytest.mark.parametrize(("ending", "preset", "reader"), CASES)
def test_another_program_reads_what_the_take_holds(context, tmp_path, ending, preset, reader):
    if reader == "Blender's new FBX" and not importing.has_new_fbx():
        pytest.skip("this Blender has no second FBX importer")
    take, chosen = deliveries.take(), presets.choose(preset)
    (path,) = deliveries.deliver(take, tmp_path / f"shot.{ending}", chosen)
    report = READERS[reader](path, take, chosen)
    deliveries.check(report, take, take.people[0], chosen, (ending.rstrip("c"), preset, reader))
