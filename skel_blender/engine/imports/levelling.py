# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way is up in a motion that a file gives in its camera's axes: as the feet that rest and the bodies that stand tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..floor import Sightings, find_floor, level_world
from .fit_motion import STILL
from .motion import JOINT_INDEX, SmplMotion
from .source_body import SourceBody, chain

CAMERA = "-y"  # how UP_AXES calls a camera's axes
_STRAIGHT = np.cos(0.35)  # of the angle between trunk and legs, and between thigh and shank, of who stands
_FEET = [JOINT_INDEX["left_foot"], JOINT_INDEX["right_foot"]]
_LEGS = [[JOINT_INDEX[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle")] for side in ("left", "right")]


def levelled(motions: list[SmplMotion], sources: list[SourceBody]) -> tuple[list[SmplMotion], float]:
    """The motions of one camera with its tilt taken out, and the tilt in degrees; those in other axes as they are."""
    filmed = [k for k, motion in enumerate(motions) if motion.up == CAMERA]
    if not filmed:
        return motions, 0.0
    floor = find_floor([_sightings(motions[k], sources[k]) for k in filmed])
    turn, _ = level_world(floor, np.zeros(3))
    tilt = float(np.degrees(np.arccos(np.clip(floor.up[1], -1.0, 1.0))))
    return [replace(motion, level=turn) if k in filmed else motion for k, motion in enumerate(motions)], tilt


def _sightings(motion: SmplMotion, source: SourceBody) -> Sightings:
    _, centres = chain(motion, source.joints)
    ankles = centres[:, [leg[2] for leg in _LEGS]].mean(axis=1)
    pelvis, neck = centres[:, JOINT_INDEX["pelvis"]], centres[:, JOINT_INDEX["neck"]]
    trunk, legs, whole = (_unit(axis) for axis in (neck - pelvis, pelvis - ankles, neck - ankles))
    knees = [(_unit(centres[:, a] - centres[:, b]) * _unit(centres[:, b] - centres[:, c])).sum(-1) for a, b, c in _LEGS]
    standing = (np.minimum(*knees) > _STRAIGHT) & ((trunk * legs).sum(-1) > _STRAIGHT) & motion.seen
    feet = centres[:, _FEET]
    if len(feet) < 2:
        return Sightings(feet[:0, 0], whole[standing], trunk)
    speed = np.linalg.norm(np.gradient(feet, axis=0)[..., :2], axis=-1) * float(motion.fps)  # a camera hardly sees motion along its view
    lower = feet[..., 1] <= feet[..., 1].min(axis=1, keepdims=True) + 0.1
    return Sightings(feet[(speed < STILL) & lower & motion.seen[:, None]], whole[standing], trunk[motion.seen])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
