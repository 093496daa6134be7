# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of docs/retarget.md: `python -m tests.bpy.retarget_table`, in the root of the repository under a Python that has bpy."""

from __future__ import annotations

import time

import bpy
import numpy as np

from skel_blender.export.retarget import Options, retarget, skeleton
from skel_blender.export.retarget.guess import guess
from skel_blender.rig import program
from skel_blender.rig.armature import set_mode
from skel_blender.rig.assemble import build_take
from tests import walk
from tests.bpy import characters, walking
from tests.bpy.evaluated import rig_of


def metarig() -> bpy.types.Object:
    bpy.ops.object.armature_human_metarig_add()
    set_mode(bpy.context, "OBJECT")
    return bpy.context.object


def generated() -> bpy.types.Object:
    bpy.ops.object.armature_basic_human_metarig_add()
    set_mode(bpy.context, "OBJECT")
    bpy.ops.pose.rigify_generate()
    return bpy.context.object


TARGETS = {"Mixamo-like, T pose": characters.mixamo, "Manny-like, A pose": characters.manny,
           "Unity-like": lambda: characters.simple("Unity", characters.UNITY), "bones without names": characters.nameless,
           "Rigify, human metarig": metarig, "Rigify, generated": generated}  # fmt: skip


def deforming(mapping: dict[str, str]) -> dict[str, str]:
    """Of a generated rig the bones that move the skin, for the parts that are measured; of others the map itself."""
    if mapping["hips"] != "torso":
        return mapping
    return {f"{part}_{side}": f"DEF-{part}.{side.upper()}" for part in walking.JOINTS for side in "lr"}


def row(source: bpy.types.Object, before: walking.Seen, title: str) -> tuple[str, float]:
    """One line of the table but for its last column, and the seconds that go there."""
    target = TARGETS[title]()
    rest = skeleton.read(target)
    mapping = guess(rest)
    slides = {}
    for hold in (False, True):
        start = time.perf_counter()
        retarget(bpy.context.scene, source, target, mapping, Options(hold_feet=hold))
        took = time.perf_counter() - start
        seen = walking.look(target, deforming(mapping))
        slides[hold] = max(walking.slide(seen.heads[f"toe_{s}"][step]) for s in "lr" for step in walking.steps(before, s))
    limbs = {}
    for one, other in (("thigh", "shin"), ("upper_arm", "forearm"), ("forearm", "hand")):
        ends = [(f"{one}_{side}", f"{other}_{side}") for side in "lr"]
        limbs[one] = np.concatenate([walking.apart(seen.direction(*pair), before.direction(*pair)) for pair in ends])
    knees = np.concatenate([walking.knee_bend(seen, s) - walking.knee_bend(before, s) for s in "lr"])
    low = min(0.0, *(float(seen.heads[f"toe_{s}"][:, 2].min()) - rest.head(mapping[f"toe_{s}"])[2] for s in "lr"))
    ahead = min(float(walking.knee_ahead(seen, s).min()) for s in "lr")
    arms = max(limbs["upper_arm"].max(), limbs["forearm"].max())
    return (f"| {title} | {len(rest.names)} | {len(mapping)} | {1000 * slides[False]:.0f} | {1000 * slides[True]:.1f} | {-1000 * low:.1f} "
            f"| {1000 * ahead:.0f} | {np.abs(knees).mean():.1f} | {limbs['thigh'].mean():.1f} | {arms:.2f} |", took)  # fmt: skip


def walker(frames: int = 120) -> bpy.types.Object:
    """The SKEL rig that walks, there and back again for more than 120 frames, without its skin."""
    take = walk.take()
    person, rows = take.people[0], np.arange(frames) % 240
    rows = np.where(rows < 120, rows, 239 - rows)
    for name in ("poses", "trans", "confidence", "reprojection_error", "keypoints_2d", "landmarks_3d", "contacts"):
        setattr(person, name, getattr(person, name)[rows])
    person.frames = take.frames = np.arange(frames)
    take.camera.world_to_cam = take.camera.world_to_cam[rows]
    source = rig_of(build_take(bpy.context, take))
    for thing in list(source.children):
        bpy.data.objects.remove(thing)
    return source


def seconds(source: bpy.types.Object, target: bpy.types.Object) -> float:
    """How long a retarget takes."""
    start = time.perf_counter()
    retarget(bpy.context.scene, source, target, guess(skeleton.read(target)))
    return time.perf_counter() - start


def main() -> None:
    import addon_utils  # bpy brings it

    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon_utils.enable("rigify", default_set=True)
    source = walker()
    before = walking.look_at_source(source)
    print("| target | bones | parts found | slide without IK, mm | slide, mm | below the floor, mm | knee ahead, mm | knee bend off, deg "
          "| thighs off, deg | arms off, deg | time, of the first |\n|" + "---|" * 11)  # fmt: skip
    first = None
    for title in TARGETS:
        line, took = row(source, before, title)
        first = first or took
        print(f"{line} {took / first:.1f} |", flush=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon_utils.enable("rigify", default_set=True)
    source = walker(1000)
    for title in ("Mixamo-like, T pose", "Rigify, generated"):
        print(f"1000 frames, {title}: {seconds(source, TARGETS[title]()) / first:.1f} times the first time", flush=True)


if __name__ == "__main__":
    program.run(main)
