# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame of a rig costs, and which part of it: `blender -b --python tests/bpy/playback.py`, or with the bpy wheel as a module.

One person of 1000 frames on the open body; the time of going from frame to frame, the best of three passes, as parts are taken away.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from skel_blender.rig import controls, matching, record  # noqa: E402
from skel_blender.rig.assemble import build_take  # noqa: E402
from tests.bpy import bodies  # noqa: E402

FRAMES, SHOWN = 1000, 200


def milliseconds() -> float:
    """For one frame."""
    scene, best = bpy.context.scene, float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for frame in range(1, SHOWN + 1):
            scene.frame_set(frame)
        best = min(best, time.perf_counter() - start)
    return 1000.0 * best / SHOWN


def parts(rig: bpy.types.Object) -> list[tuple[str, Callable[[], None]]]:
    """What is done to the rig, one after the other."""

    def hide(kind: str) -> None:
        for thing in record.parts(rig, kind):
            thing.hide_viewport = True

    def mute() -> None:
        for bone in rig.pose.bones:
            for constraint in bone.constraints:
                constraint.driver_remove("influence")
                constraint.mute = True

    def undrive() -> None:
        for curve in list(rig.animation_data.drivers):
            rig.animation_data.drivers.remove(curve)

    limbs, frames = controls.LIMBS, np.arange(1, SHOWN + 1)
    return [
        ("all", lambda: None), ("bone meshes hidden", lambda: hide("bone")), ("skin hidden as well", lambda: hide("skin")),
        ("all limbs led by IK", lambda: matching.to_control(bpy.context.scene, rig, limbs, frames)),
        ("no constraints", mute), ("no drivers", undrive),
    ]  # fmt: skip


def main() -> None:
    """Print a markdown table."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    collection = build_take(bpy.context, bodies.random_take(bodies.open_body("open_male", "mean"), FRAMES, seed=3))
    rig = next(thing for thing in collection.objects if record.is_rig(thing))
    print(f"\nBlender {bpy.app.version_string}\n\n| | ms a frame |\n|---|---|")
    for title, change in parts(rig):
        change()
        print(f"| {title} | {milliseconds():.2f} |", flush=True)


if __name__ == "__main__":
    main()
