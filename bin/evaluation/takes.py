# SPDX-License-Identifier: GPL-3.0-or-later
"""A person of a Take as samples, in the axes of the camera that saw them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bin.evaluation.bodies import from_skel
from bin.evaluation.samples import Maker, Points, Rows, Samples
from skel_blender import kinematics, take
from skel_blender.anatomy import JOINT_INDEX
from skel_blender.engine.body import BodyModel
from skel_blender.take import Person

# Of HSMR's 44 keypoints those that are a joint's centre on any body; the pelvis is the middle of the hips.
_LIMBS = {25: "talus_r", 26: "tibia_r", 27: "femur_r", 28: "femur_l", 29: "tibia_l", 30: "talus_l", 31: "hand_r", 32: "ulna_r",
          33: "humerus_r", 34: "humerus_l", 35: "ulna_l", 36: "hand_l"}  # fmt: skip
_PELVIS = 39


def read_take(path: Path, number: int, skel: BodyModel | None) -> Samples:
    """Person `number` of a Take. Where he has SKEL's own skin and the file is at hand, its 44 keypoints are exact; else twelve
    limb joints and the middle of the hips stand for them."""
    shot = take.load(path)
    person = shot.people[take.index_of([one.name for one in shot.people], number)]
    count = len(person.frames)
    turns = shot.camera.world_to_cam[person.frames - shot.frames[0], :3, :3] @ kinematics.R_ZUP_YUP
    if skel is not None and person.body_name == skel.name:
        sets, posed = from_skel(skel, person.poses, np.tile(person.betas, (count, 1)))
    else:
        sets, posed = ("skel24", "hsmr44", "vertices"), _of_rest_body(person)

    def make(rows: Rows, wanted: set[str]) -> Points:
        return {name: np.einsum("tij,tkj->tki", turns[rows], points) for name, points in posed(rows, wanted).items()}

    frames = np.array([f"frame {frame}" for frame in person.frames])
    return Samples(str(path), count, frames, {}, sets, make, numbered=True, poses=person.poses, runs_on=np.ones(max(0, count - 2), bool))


def _of_rest_body(person: Person) -> Maker:
    """Joints and skin (model axes) of the rest body that a Take carries."""
    body = person.body

    def make(rows: Rows, wanted: set[str]) -> Points:
        transforms = kinematics.forward(person.poses[rows], body.joints, body.frames)
        joints = transforms[..., :3, 3]
        points = {"skel24": joints, "hsmr44": _stand_in(joints)}
        if "vertices" in wanted:
            points["vertices"] = np.stack([kinematics.skin(one, body.joints, body.skin_verts, body.weight_index, body.weight_value)
                                           for one in transforms])  # fmt: skip
        return {name: values for name, values in points.items() if name in wanted}

    return make


def _stand_in(joints: np.ndarray) -> np.ndarray:
    """(T,44,3) of SKEL's joints (T,24,3): limbs and pelvis, NaN elsewhere."""
    points = np.full((len(joints), 44, 3), np.nan)
    points[:, list(_LIMBS)] = joints[:, [JOINT_INDEX[name] for name in _LIMBS.values()]]
    points[:, _PELVIS] = joints[:, [JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"]]].mean(1)
    return points
