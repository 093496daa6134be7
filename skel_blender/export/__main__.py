# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m skel_blender.export shot.blend --out shot.fbx [--preset unity] ...`: write the people of a scene for another program."""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy

from ..messages import SkelError
from ..opensim import ENDINGS as OPENSIM
from ..rig import program
from . import opensim, presets
from .writing import chosen, left_out, rigs_of, write


def main() -> None:
    """Raises SkelError for whatever the user can do something about."""
    parser = argparse.ArgumentParser(prog="python -m skel_blender.export", description="Write the people of a scene for another program.")
    parser.add_argument("blend", type=Path, help="the scene")
    parser.add_argument("--out", type=Path, required=True, help="what to write: " + ", ".join((*presets.ENDINGS, *OPENSIM)))
    parser.add_argument("--person", type=int, help="Person N alone (default: everybody)")
    parser.add_argument("--mass", type=float, help="for OpenSim: the person's mass in kg")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    presets.add_arguments(parser)
    given = parser.parse_args()
    out = given.out.absolute()
    if out.exists() and not given.overwrite:
        raise SkelError("exists", f"{out} exists already.", "Choose another name or add --overwrite.")
    program.open_scene(given.blend)
    rigs = chosen(rigs_of(bpy.context.view_layer.objects), given.person)
    if out.suffix.lower() in OPENSIM:
        files = opensim.write_people(rigs, out, given.mass, given.overwrite)
    else:
        preset = presets.given(given)
        files = write(bpy.context.scene, rigs, out, preset, given.overwrite)
        if without := left_out(rigs, out, preset):
            print(without)
    for file in files:
        print(f"Wrote {file}")


if __name__ == "__main__":
    program.run(main)
