# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame of a rig costs, and which part of it: `blender -b --python tests/bpy/playback.py`, or with the bpy wheel as a module.

One person of 1000 frames on the open body; the processor's time of going from frame to frame, the best of three passes, as parts are
taken away, and how often that of a plain armature that was exported with the same skin, bone meshes and motion.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from skel_blender.export import writing  # noqa: E402
from skel_blender.export.presets import PRESETS  # noqa: E402
from skel_blender.rig import controls, presence, record
from skel_blender.rig.assemble import build_take  # noqa: E402
from skel_blender.rig.editing import matching  # noqa: E402
from tests.bpy import bodies  # noqa: E402

FRAMES, SHOWN = 1000, 200


def milliseconds() -> float:
    """For one frame."""
    scene, best = bpy.context.scene, float("inf")
    for _ in range(3):
        start = time.process_time()
        for frame in range(1, SHOWN + 1):
            scene.frame_set(frame)
        best = min(best, time.process_time() - start)
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
        ("one person", lambda: None), ("bone meshes hidden", lambda: hide("bone")), ("skin hidden as well", lambda: hide("skin")),
        ("all limbs led by IK", lambda: matching.to_control(bpy.context.scene, rig, limbs, frames)),
        ("no constraints", mute), ("no drivers", undrive),
    ]  # fmt: skip


def build(people: int) -> list[bpy.types.Object]:
    """The rigs of as many people in an empty scene; the first is there on all frames."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    take = bodies.random_take(bodies.open_body("open_male", "mean"), FRAMES, seed=3)
    take.people = [replace(take.people[0], name=f"person {k}") for k in range(people)]
    return [thing for thing in build_take(bpy.context, take, embed=False).objects if record.is_rig(thing)]


def plain(folder: Path) -> float:
    """Milliseconds for a frame of an armature without any constraint, driver or control, read from a file that was exported."""
    path = folder / "plain.glb"
    rigs = build(1)
    writing.write(bpy.context.scene, rigs, path, replace(PRESETS["generic"], bones=True))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(path))
    return milliseconds()


def main() -> None:
    """Print a markdown table."""
    with tempfile.TemporaryDirectory() as folder:
        base = plain(Path(folder))
    print(f"\nBlender {bpy.app.version_string}\n\n| | ms a frame | of the plain armature's |\n|---|---|---|")

    def row(title: str) -> None:
        spent = milliseconds()
        print(f"| {title} | {spent:.2f} | {spent / base:.2f} |", flush=True)

    print(f"| a plain armature | {base:.2f} | 1 |")
    rigs = build(6)
    row("six people")
    for rig in rigs:
        presence.apply(rig, True)
    row("six people, hidden when absent")
    for rig in rigs[1:]:
        presence.move(rig, FRAMES)
        rig.update_tag()
    row("the same, but five are absent")
    (rig,) = build(1)
    for title, change in parts(rig):
        change()
        row(title)


if __name__ == "__main__":
    main()
