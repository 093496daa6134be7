# SPDX-License-Identifier: GPL-3.0-or-later
"""Markers that ride the bodies: every joint centre, and points of the skin over what can be felt of a bone.

A surface marker is found in the T pose, whatever the topology of skin and bones: the vertex of the body's bone that lies farthest in a
direction, and from there the skin in the direction from which one feels for it. A body without bones takes the skin that it moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import JOINT_INDEX, JOINT_NAMES
from ..take import RestBody

CENTRE = "_jc"  # ending of a joint centre's name
_MIDLINE = 0.015  # m to either side of the joint, for markers of the middle
_SLANT = 0.3  # how much a centimetre along the line of feeling counts against one off it
_OUT, _IN, _AHEAD, _BACK, _UP, _DOWN = (0.0, 0, 1), (0.0, 0, -1), (1.0, 0, 0), (-1.0, 0, 0), (0.0, 1, 0), (0.0, -1, 0)
_HERE = (0.0, 0, 0)  # the joint centre itself

# Name, body, where on the bone, felt from; OpenSim's axes as the limb hangs: x forward, y up, z OUTWARD (to the right on the right side).
_MIDDLE = (
    ("SACR", "pelvis", _BACK, _BACK), ("LUMB", "lumbar_body", _BACK, _BACK), ("T10", "thorax", (-1.0, -0.3, 0), _BACK),
    ("C7", "thorax", _HERE, _BACK), ("STRN", "thorax", _AHEAD, _AHEAD), ("VERT", "head", _UP, _UP), ("OCCI", "head", _BACK, _BACK),
    ("FACE", "head", _AHEAD, _AHEAD),
)  # fmt: skip
_SIDES = (
    ("ASI", "pelvis", (1.0, 0, 0.5), _AHEAD), ("ILC", "pelvis", (0.0, 0.5, 1), _OUT), ("RIB", "thorax", (0.0, -0.5, 1), _OUT),
    ("EAR", "head", _OUT, _OUT), ("TRO", "femur", (0.0, 0.5, 1), _OUT), ("LFE", "femur", (0.0, -1, 1), _OUT),
    ("MFE", "femur", (0.0, -1, -1), _IN), ("PAT", "tibia", _AHEAD, _AHEAD), ("LMA", "tibia", (0.0, -1, 1), _OUT),
    ("MMA", "tibia", (0.0, -1, -1), _IN), ("HEE", "calcn", (-1.0, -0.3, 0), _BACK), ("MT1", "calcn", (1.0, 0, -1), _IN),
    ("MT5", "calcn", (1.0, 0, 1), _OUT), ("TOE", "toes", _AHEAD, _AHEAD), ("ACR", "scapula", (0.0, 0.5, 1), _UP),
    ("SIA", "scapula", (0.0, -1, -0.3), _BACK), ("STS", "scapula", (-1.0, 0.5, -0.5), _BACK), ("LEP", "humerus", (0.0, -1, 1), _OUT),
    ("MEP", "humerus", (0.0, -1, -1), _IN), ("OLE", "ulna", (-1.0, 1, 0), _BACK), ("UST", "ulna", (-0.3, -1, 0), _BACK),
    ("RST", "radius", (0.3, -1, 0), _AHEAD), ("THB", "hand", _AHEAD, _AHEAD), ("FIN", "hand", _DOWN, _DOWN),
    ("PNK", "hand", (-1.0, -0.3, 0), _BACK),
)  # fmt: skip


@dataclass(frozen=True)
class Marker:
    """A point that rides a joint: `location` (3,) m in the joint's frame."""

    name: str
    joint: int
    location: np.ndarray


def markers_of(body: RestBody) -> list[Marker]:
    """Joint centres in the order of the joints, then surface markers: those of the middle, then R and L of each pair."""
    main = body.owners()
    found = [Marker(f"{name}{CENTRE}", joint, np.zeros(3)) for joint, name in enumerate(JOINT_NAMES)]
    for name, part, where, felt in _MIDDLE:
        joint = JOINT_INDEX[part]
        aside = np.abs(body.skin_verts[:, 0] - body.joints[joint, 0]) < _MIDLINE
        found.append(_surface(body, main, name, joint, np.array(where), np.array(felt), aside))
    for name, part, where, felt in _SIDES:
        for letter, side, sign in (("R", "r", 1.0), ("L", "l", -1.0)):
            joint = JOINT_INDEX[part] if part in JOINT_INDEX else JOINT_INDEX[f"{part}_{side}"]
            mirror = np.array([1.0, 1.0, sign])
            found.append(_surface(body, main, letter + name, joint, where * mirror, felt * mirror, None))
    return found


def places(markers: list[Marker], body: RestBody, transforms: np.ndarray) -> np.ndarray:
    """(T,M,3) m, model frame, of markers under transforms (T,24,4,4) of kinematics.forward."""
    joint = np.array([marker.joint for marker in markers])
    local = np.einsum("mij,mj->mi", body.frames[joint], np.array([marker.location for marker in markers]))
    moved = transforms[:, joint]
    return np.einsum("tmij,mj->tmi", moved[..., :3, :3], local) + moved[..., :3, 3]


def _surface(
    body: RestBody, main: np.ndarray, name: str, joint: int, where: np.ndarray, felt: np.ndarray, middle: np.ndarray | None
) -> Marker:
    axes, centre = body.frames[joint], body.joints[joint]
    bone, skin = body.bone_verts[body.bone_joint == joint], body.skin_verts
    bone = bone if len(bone) else skin[main == joint]
    if middle is not None and middle.any():
        near = np.abs(bone[:, 0] - centre[0]) < _MIDLINE
        bone, skin = (bone[near] if near.any() else bone), skin[middle]
    landmark = bone[np.argmax(bone @ (axes @ where))] if len(bone) and where.any() else centre
    landmark = np.where([middle is not None, False, False], centre, landmark)  # of a left and a right vertex alike, neither
    line, away = axes @ felt, skin - landmark
    along = away @ line
    off = np.linalg.norm(away - along[:, None] * line, axis=1)
    point = skin[np.argmin(off**2 + (_SLANT * along) ** 2 + (along < -0.01))]
    point = np.where([middle is not None, False, False], centre, point)
    return Marker(name, joint, axes.T @ (point - centre))
