# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's skeleton as OpenSim sees one: a body for each joint, with that joint's own axes, and a joint above it.

A joint turns by R(a_n, q_n) ... R(a_1, q_1), its first DoF acting first; OpenSim writes the product's leftmost factor as `rotation1`,
so the DoFs stand in reverse order. Coordinates keep their names, zero, sign and radians. The pelvis also moves: its translations
are the place of its joint centre in the ground, and so differ from a Take's `trans` by the pelvis' rest place.

OpenSim's ground: x forward, y up, z to the person's right, floor at y = 0. The model frame has x left, y up, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import DOFS, DOFS_OF_JOINT, JOINT_NAMES, PARENTS
from ..take import RestBody
from .couplings import Shift, shifts

TRANSLATIONS = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
COORDINATES = tuple(dof.name for dof in DOFS) + TRANSLATIONS
R_MODEL_GROUND = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
_REACH = 100.0  # m, the stated range of a translation
_TITLES = {
    "pelvis": "ground_pelvis", "femur": "hip", "tibia": "knee", "talus": "ankle", "calcn": "subtalar", "toes": "mtp",
    "lumbar_body": "lumbar", "thorax": "thorax", "head": "neck", "scapula": "scapulothoracic", "humerus": "glenohumeral",
    "ulna": "elbow", "radius": "radioulnar", "hand": "wrist",
}  # fmt: skip


@dataclass(frozen=True)
class Coordinate:
    """A coordinate with its range and the value at which OpenSim opens the model, rad or m."""

    name: str
    low: float
    up: float
    default: float = 0.0


@dataclass(frozen=True)
class Axis:
    """One of a joint's six motions: along or about `direction` (joint frame), by the coordinate itself or by a polynomial; or none."""

    direction: np.ndarray  # (3,)
    coordinate: str = ""
    shift: Shift | None = None


@dataclass(frozen=True)
class Joint:
    """What moves a body in its parent; the child's frame is the body's own."""

    name: str
    parent: str
    child: str
    translation: np.ndarray  # (3,) m, place of the joint in the parent
    orientation: np.ndarray  # (3,) rad, body-fixed x, y, z
    coordinates: tuple[Coordinate, ...]
    rotations: tuple[Axis, Axis, Axis]
    translations: tuple[Axis, Axis, Axis]


def ground(vectors: np.ndarray) -> np.ndarray:
    """(...,3) vectors of the model frame in OpenSim's ground: (x, y, z) -> (z, y, -x). Both floors are at y = 0."""
    return np.asarray(vectors, dtype=float) @ R_MODEL_GROUND


def joints_of(body: RestBody) -> list[Joint]:
    """The 24 joints, parents first."""
    moving = shifts(body.joints)
    return [_joint(body, number, moving.get(number)) for number in range(len(JOINT_NAMES))]


def coordinates(body: RestBody, poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(T,49) values of COORDINATES, rad and m, of poses (T,46) and trans (T,3). The pelvis, free to turn, never leaps by a turn."""
    free = len(DOFS_OF_JOINT[0])
    return np.concatenate([np.unwrap(poses[:, :free], axis=0), poses[:, free:], ground(body.joints[0] + trans)], axis=1)


def _joint(body: RestBody, number: int, moving: tuple[Shift, Shift, Shift] | None) -> Joint:
    name, parent, axes = JOINT_NAMES[number], PARENTS[number], body.frames[number]
    stem, _, side = name.rpartition("_") if name[-2:] in ("_r", "_l") else (name, "", "")
    own = [Coordinate(dof.name, *_range(body.limits[dof.index])) for dof in DOFS_OF_JOINT[number]]
    above = R_MODEL_GROUND if parent < 0 else body.frames[parent]
    straight = (axes.T @ R_MODEL_GROUND).T  # OpenSim's axes in the joint's frame
    place = np.zeros(3) if parent < 0 else above.T @ (body.joints[number] - body.joints[parent])
    if parent < 0:
        height = float(body.joints[0, 1] - body.skin_verts[:, 1].min())  # in the T pose on the floor
        own += [Coordinate(moved, -_REACH, _REACH, start) for moved, start in zip(TRANSLATIONS, (0.0, height, 0.0))]
        translations = [Axis(line, moved) for line, moved in zip(straight, TRANSLATIONS)]
    elif moving:
        translations = [Axis(line, shift=shift) for line, shift in zip(straight, moving)]
    else:
        translations = [Axis(line) for line in np.eye(3)]
    title = _TITLES[stem] + (f"_{side}" if side else "")
    return Joint(title, "ground" if parent < 0 else JOINT_NAMES[parent], name, place, body_fixed_angles(above.T @ axes),
                 tuple(own), _rotations(number), tuple(translations))  # fmt: skip


def _rotations(number: int) -> tuple[Axis, Axis, Axis]:
    """The DoFs, last first, and idle axes so that all three span space."""
    used = [Axis(np.array(dof.axis), dof.name) for dof in reversed(DOFS_OF_JOINT[number])]
    if len(used) == 1:
        first = used[0].direction
        second = np.cross(first, np.eye(3)[np.argmin(np.abs(first))])
        used.append(Axis(second / np.linalg.norm(second)))
    if len(used) == 2:
        used.append(Axis(np.cross(used[0].direction, used[1].direction)))
    return tuple(used)


def _range(limits: np.ndarray) -> tuple[float, float]:
    """A full turn to either side where a DoF is free: OpenSim wants a finite range."""
    low, up = np.clip(limits, -2 * np.pi, 2 * np.pi)
    return float(low), float(up)


def body_fixed_angles(rotation: np.ndarray) -> np.ndarray:
    """(3,) rad a, b, c of a matrix (3,3) = Rx(a) Ry(b) Rz(c), which is how OpenSim writes the orientation of an offset frame."""
    r = np.asarray(rotation, dtype=float)
    b = np.arcsin(np.clip(r[0, 2], -1.0, 1.0))
    if np.hypot(r[0, 0], r[0, 1]) < 1e-9:  # x and z turn about one line: all of it is x's
        return np.array([np.arctan2(r[2, 1], r[1, 1]), b, 0.0])
    return np.array([np.arctan2(-r[1, 2], r[2, 2]), b, np.arctan2(-r[0, 1], r[0, 0])])
