# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m skel_blender.export shot.blend --out shot.fbx [--preset unity] ...`: write the people of a scene for another program."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import bpy

from ..rig import compat
from ..rig.scenes import open_scene
from . import opensim, presets
from .writing import chosen, rigs_of, write

_OPENSIM = (".osim", ".mot", ".trc")


def main() -> None:
    """Raises SkelError for whatever the user can do something about."""
    parser = argparse.ArgumentParser(prog="python -m skel_blender.export", description="Write the people of a scene for another program.")
    parser.add_argument("blend", type=Path, help="the scene")
    parser.add_argument("--out", type=Path, required=True, help="what to write: " + ", ".join((*presets.ENDINGS, *_OPENSIM)))
    parser.add_argument("--person", type=int, help="one person, counted from 1 in the order of their names")
    parser.add_argument("--mass", type=float, help="for OpenSim: the person's mass in kg")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    presets.add_arguments(parser)
    given = parser.parse_args()
    open_scene(given.blend)
    rigs = chosen(rigs_of(bpy.context.scene.objects), given.person)
    out = given.out.absolute()
    if out.suffix.lower() in _OPENSIM:
        files = write_opensim(rigs, out, given.mass)
    else:
        files = write(bpy.context.scene, rigs, out, presets.given(given))
    for file in files:
        print(f"Wrote {file}")


def write_opensim(rigs: Sequence[bpy.types.Object], out: Path, mass: float | None) -> list[Path]:
    """OpenSim's files of each rig: the first as OUT, the others as OUT_2, OUT_3 and so on."""
    names = [out if not index else out.with_stem(f"{out.stem}_{index + 1}") for index in range(len(rigs))]
    return [file for rig, name in zip(rigs, names) for file in opensim.write(rig, name, mass)]


if __name__ == "__main__":
    compat.run(main)
