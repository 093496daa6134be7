# SPDX-License-Identifier: GPL-3.0-or-later
"""What a delivered file should hold, from the Take alone, and what readers say that it holds, in the Take's world (z up, m)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from skel_blender import kinematics
from skel_blender.anatomy import JOINT_INDEX, JOINT_NAMES
from skel_blender.export import names, presets, writing
from skel_blender.rig.assemble import build_take
from skel_blender.take import Person, Take
from tests import synthetic
from tests.bpy.evaluated import model_skin

FRAMES, FIRST = 24, 4
POSED = tuple(range(0, FRAMES - 4)) + (FRAMES - 1,)  # frames on which joints are compared, the last one among them
SKINNED = (0, 9, FRAMES - 1)
UNITS = {"fbx": lambda preset: preset.unit, "bvh": lambda preset: preset.unit}
Y_UP = kinematics.R_ZUP_YUP


@dataclass
class Report:
    """What a reader found in a file: one person, the file's axes and unit."""

    joints: list[dict[str, list[float]]]  # for each time, bone -> place
    bones: dict[str, str | None]  # bone -> parent
    clips: list[dict[str, Any]]
    skins: list[dict[str, list[list[float]]]] = field(default_factory=list)
    cameras: list[dict[str, dict[str, list[float]]]] = field(default_factory=list)  # for each time, what the readers' programs say of them
    scale: float = 0.0
    unit: float = 1.0
    up: str = "Y"

    def places(self, bones: list[str]) -> np.ndarray:
        """(T,B,3) joints in the world."""
        return self.world(np.array([[row[name] for name in bones] for row in self.joints]))

    def world(self, points: np.ndarray) -> np.ndarray:
        """(...,3) z up, m, of points in the file's axes and unit."""
        points = np.asarray(points, dtype=float) * self.unit
        return points @ Y_UP.T if self.up == "Y" else points


def times(take: Take, frames: tuple[int, ...]) -> list[float]:
    """Seconds from the file's beginning of these frames of the Take."""
    return [float(frame / take.fps) for frame in frames]


def take(people: int = 1) -> Take:
    """People in random poses, a new one on every frame: as hard as it gets for angles that should not jump."""
    return synthetic.random_take(frames=FRAMES, first=FIRST, people=people)


def deliver(made: Take, path: Path, preset: presets.Preset) -> list[Path]:
    """Build a Take in the present scene and export it."""
    collection = build_take(bpy.context, made)
    return writing.write(bpy.context.scene, writing.rigs_of(collection.all_objects), path, preset)


def export(made: Take, path: Path, preset: str = "generic", **changes: str | bool) -> list[Path]:
    """Build a Take in the present scene and export it by a preset's name."""
    return deliver(made, path, presets.choose(preset, **changes))


def expected_bones(preset: presets.Preset) -> dict[str, str | None]:
    """Bone -> parent, the root bone first."""
    root = names.root(preset.names)
    return {root: None} | {bone.name: bone.parent or root for bone in names.bones(preset.names)}


def bones_of_joints(preset: presets.Preset) -> list[str]:
    """The bone that moves with each of the 24 joints."""
    called = {bone.joint: bone.name for bone in names.bones(preset.names)}
    return [called[joint] for joint in JOINT_NAMES]


def expected_joints(person: Person, preset: presets.Preset, frames: tuple[int, ...] = POSED) -> np.ndarray:
    """(T,B,3) where the bones of `expected_bones` are, z up, m."""
    transforms, body = person.transforms()[list(frames)], person.body
    root = kinematics.z_up(transforms[:, [1, 6]][..., :3, 3].mean(axis=1)) * [1.0, 1.0, 0.0]  # under the middle of the hips
    result = [root]
    for bone in names.bones(preset.names):
        joint, head = JOINT_INDEX[bone.joint], JOINT_INDEX[bone.head]
        local = body.joints[head] - body.joints[joint]
        result.append(kinematics.z_up(transforms[:, joint, :3, :3] @ local + transforms[:, joint, :3, 3]))
    return np.stack(result, axis=1)


def ordered(expected: np.ndarray, report: Report, table: str = names.SKEL) -> np.ndarray:
    """The joints (T,B,3) of `expected_joints` in the order in which a reader found the bones."""
    order = list(expected_bones(presets.choose("generic", names=table)))
    return expected[:, [order.index(name) for name in report.bones]]


def apart(points: np.ndarray, expected: np.ndarray) -> float:
    """The greatest distance (m) between two clouds; readers split vertices where their normals or textures differ, and reorder them."""
    rows = np.concatenate([np.linalg.norm(part[:, None] - expected[None], axis=2) for part in np.array_split(points, 20)])
    return float(max(rows.min(axis=1).max(), rows.min(axis=0).max()))


FIGURES: list[tuple[str, ...]] = []  # format, preset, reader, joints mm, skin mm, bones, keys, scale off 1


def check(report: Report, made: Take, person: Person, preset: presets.Preset, title: tuple[str, str, str]) -> None:
    """Assert that a reader found the person as the Take has them, and note the figures."""
    bones = expected_bones(preset)
    assert report.bones == bones
    joints = np.linalg.norm(report.places(list(bones)) - expected_joints(person, preset), axis=-1).max()
    skin = max((apart(report.world(np.concatenate([np.array(mesh) for mesh in meshes.values()])),
                      model_skin(person.body, person.transforms()[frame]))
                for meshes, frame in zip(report.skins, SKINNED)), default=float("nan"))  # fmt: skip
    clip = report.clips[0]
    FIGURES.append((*title, f"{1000 * joints:.3f}", "-" if np.isnan(skin) else f"{1000 * skin:.3f}", str(len(report.bones)),
                    f"{clip['keys']} of {FRAMES}", f"{report.scale:.0e}"))  # fmt: skip
    assert joints < 1e-3
    assert not skin > 1e-3
    assert report.scale < 1e-4
    assert len(report.clips) == 1
    assert clip["keys"] == FRAMES
    assert clip["first"] == 0.0 or abs(clip["first"]) < 1e-6
    assert abs(clip["last"] - times(made, (FRAMES - 1,))[0]) < 1e-4


def table() -> str:
    """The figures as a markdown table."""
    head = ("Format", "Preset", "Reader", "Joints, mm", "Skin, mm", "Bones", "Keys", "Scale off 1")
    rows = [head, ("---",) * len(head), *FIGURES]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


Reader = Callable[[Path, Take, presets.Preset], Report]
