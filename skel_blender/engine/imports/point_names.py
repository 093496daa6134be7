# SPDX-License-Identifier: GPL-3.0-or-later
"""What points of a person are called, and where they lie on a body: keypoints that several cameras saw, and joint centres.

| names | who writes them |
|---|---|
| RHip, RKnee, RAnkle, RBigToe, RHeel, RShoulder, Nose ... | OpenPose, Pose2Sim, OpenCap |
| right_hip, right_foot_index ... | MediaPipe |
| RHJC, RKJC, RAJC, RSJC, REJC, RWJC | marker capture whose joint centres were computed |
| femur_r_jc ... | this program's own .trc |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from ...anatomy import JOINT_NAMES
from ...messages import SkelError
from ..body import BodyModel, Points
from ..body.points import joints_as_points

# Part of a side -> point of a body, and how surely it is told beside the joint of a limb.
_SIDED = {
    "shoulder": ("{side}_shoulder", 1.0), "elbow": ("{side}_elbow", 1.0), "wrist": ("{side}_wrist", 1.0), "hip": ("{side}_hip", 1.0),
    "knee": ("{side}_knee", 1.0), "ankle": ("{side}_ankle", 1.0), "heel": ("heel_{s}", 0.5), "bigtoe": ("big_toe_{s}", 0.5),
    "smalltoe": ("small_toe_{s}", 0.5), "footindex": ("{side}_foot_index", 0.5), "eye": ("{side}_eye", 0.2), "ear": ("{side}_ear", 0.3),
    "index": ("{side}_index", 0.2), "pinky": ("{side}_pinky", 0.2), "thumb": ("{side}_thumb", 0.1),
}  # fmt: skip
_CENTRES = {"sjc": "shoulder", "ejc": "elbow", "wjc": "wrist", "hjc": "hip", "kjc": "knee", "ajc": "ankle"}
_MIDDLE = {"nose": ("nose", 0.3), "head": ("head_top", 0.3), "headtop": ("head_top", 0.3)}
_OWN = {"femur": "hip", "tibia": "knee", "talus": "ankle", "humerus": "shoulder", "ulna": "elbow", "hand": "wrist"}
# Where detectors see a point: what it is a sum of beside itself. Hips outside of their joints and heels above the sole, as Pose2Sim's own
# model has them; ends of feet deeper in the body, as BlazePose's are (fit/keypoint_sets.py).
_TOES = {"{side}_ankle": 0.06, "heel_{s}": 0.05}
_SEEN = {"hip": {"{other}_hip": -0.18}, "heel": {"{side}_ankle": 0.25}, "bigtoe": _TOES, "smalltoe": _TOES, "footindex": _TOES}
TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")  # no pose can be told without
_LIMBS = ("elbow", "wrist", "knee", "ankle")
_SHOWN = 4  # names of a file that are told


@dataclass(frozen=True)
class Spot:
    """A point of a body, how surely it is told beside the joint of a limb, and of what else it is a sum, by how much."""

    landmark: str
    weight: float
    parts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Known:
    """What is known of a file's points: its columns (K,), and where each lies."""

    columns: tuple[int, ...]
    spots: tuple[Spot, ...]

    def row(self, landmark: str) -> int:
        """The first of the points that has this place on a body."""
        return next(number for number, spot in enumerate(self.spots) if spot.landmark == landmark)

    def untold(self) -> list[str]:
        """Joints of limbs that no point tells of."""
        told = {spot.landmark for spot in self.spots}
        return [f"{side} {limb}" for limb in _LIMBS for side in ("left", "right") if f"{side}_{limb}" not in told]

    def points(self, body: BodyModel) -> Points:
        """The points (K) on a body."""
        every = body.markers.joined(joints_as_points(body.J_template, body.J_shapedirs)).joined(body.surface)
        shares = np.zeros((len(self.spots), len(every.names)))
        for row, spot in enumerate(self.spots):
            for name, share in ((spot.landmark, 1.0 - sum(share for _, share in spot.parts)), *spot.parts):
                shares[row, every.names.index(name)] += share
        return every.mixed(tuple(spot.landmark for spot in self.spots), shares)


def known_points(names: tuple[str, ...], file: str) -> Known:
    """What is known of a file's names. Raises SkelError, naming the file, where shoulders or hips are not among them."""
    found = {column: _SPOTS[_plain(name)] for column, name in enumerate(names) if _plain(name) in _SPOTS}
    told = {spot.landmark for spot in found.values()}
    missing = [name.replace("_", " ") for name in TRUNK if name not in told]
    if missing:
        shown = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
        raise SkelError("bad_motion", f"{file} has no {' and no '.join(missing)} among its points ({shown}).",
                        "Give keypoints that several cameras saw (RShoulder, RHip, RKnee ...), or joint centres (RSJC, RHJC, RKJC ...).",
                        )  # fmt: skip
    return Known(tuple(found), tuple(found.values()))


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _spots() -> dict[str, Spot]:
    """By every spelling, without capitals, dots and underscores."""
    spots = {name: Spot(*spot) for name, spot in _MIDDLE.items()}
    spots |= {_plain(f"{name}_jc"): Spot(name, 1.0) for name in JOINT_NAMES}
    for side, other in (("left", "right"), ("right", "left")):
        s = side[0]
        for part, (landmark, weight) in _SIDED.items():
            parts = tuple((name.format(side=side, other=other, s=s), share) for name, share in _SEEN.get(part, {}).items())
            spot = Spot(landmark.format(side=side, s=s), weight, parts)
            joint = replace(spot, parts=()) if part == "hip" else spot  # MediaPipe's hips are the joints
            spots |= {f"{s}{part}": spot, f"{side}{part}": joint}
        spots |= {f"{s}{ending}": Spot(f"{side}_{part}", 1.0) for ending, part in _CENTRES.items()}
        spots |= {f"{joint}{s}jc": Spot(f"{side}_{part}", 1.0) for joint, part in _OWN.items()}
    return spots


_SPOTS = _spots()
