# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint centres of the 24 joints from a body in the T pose, and the rest frames."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skel_blender.anatomy import DOFS_OF_JOINT

from .makehuman import BODY_VERTICES, BaseMesh, cube
from .rotations import FLIP, axis_rotation, between, unit
from .tpose import X, hip_centre

NAMES = ("pelvis femur_r tibia_r talus_r calcn_r toes_r femur_l tibia_l talus_l calcn_l toes_l lumbar_body thorax head "
         "scapula_r humerus_r ulna_r radius_r hand_r scapula_l humerus_l ulna_l radius_l hand_l").split()
INDEX = {name: i for i, name in enumerate(NAMES)}
KNEE_FRACTION = 0.5


CERVICAL = {"male": (0.55, np.radians(8.0)), "female": (0.53, np.radians(14.0))}
"""C7/T1 by Reed 1999 in the form of Dumas 2007: from the skin over C7, this share of the way to the suprasternal notch, turned up by
the angle."""
CERVICALE = {"male": 0.864, "female": 0.857}
SUPRASTERNALE = {"male": 0.819, "female": 0.8165}
"""Heights of the two skin points, shares of stature: ANSUR II means."""
THORACOLUMBAR = 0.67
"""Height of the skin over T12/L1, share of stature: two thirds of the way from C7 down to the PSIS (Ernst 2013)."""
THORACOLUMBAR_DEPTH = 0.062


@dataclass
class Landmarks:
    """Points on the mid-line, chosen once on a reference body: (low, high) vertex ids and the blend towards high."""

    sex: str
    t12: tuple[int, int, float]
    c7: tuple[int, int, float]
    notch: tuple[int, int, float]


def find_landmarks(v: np.ndarray, sex: str) -> Landmarks:
    """Skin over T12/L1 and C7 on the back, and over the suprasternal notch, of body v (T pose)."""
    skin = v[:BODY_VERTICES]
    low, height = skin[:, 1].min(), np.ptp(skin[:, 1])

    def pick(fraction: float, front: bool = False) -> tuple[int, int, float]:
        y = low + fraction * height
        near = np.where((np.abs(skin[:, 0]) < 1e-6) & (np.abs(skin[:, 1] - y) < 0.03 * height))[0]
        middle = (skin[near, 2].min() + skin[near, 2].max()) / 2
        line = sorted(near[(skin[near, 2] > middle) == front], key=lambda i: skin[i, 1])
        above = next(k for k, i in enumerate(line) if skin[i, 1] > y)
        a, b = int(line[above - 1]), int(line[above])
        return a, b, float((y - skin[a, 1]) / (skin[b, 1] - skin[a, 1]))

    return Landmarks(sex, pick(THORACOLUMBAR), pick(CERVICALE[sex]), pick(SUPRASTERNALE[sex], front=True))


def cervical_centre(c7: np.ndarray, notch: np.ndarray, sex: str) -> np.ndarray:
    """(3,) C7/T1 from two skin points of the mid-line."""
    share, angle = CERVICAL[sex]
    return c7 + share * axis_rotation(X, -angle) @ (notch - c7)


def joint_centres(base: BaseMesh, v: np.ndarray, marks: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    """(24,3) joint centres with mid-ASIS as origin, and that origin (3,) in the frame of v (T pose body with cubes), metres."""
    j = np.zeros((24, 3))
    hip, leg = hip_centre(base, v)
    asis = np.array([0.0, hip[1] + 0.009 + 0.078 * leg, hip[2] - 0.011 + 0.063 * leg])
    size = leg / 0.893
    _leg_joints(base, v, hip, size, j)
    _arm_joints(base, v, size, j)

    def at(mark: tuple[int, int, float]) -> np.ndarray:
        a, b, t = mark
        return v[a] * (1 - t) + v[b] * t

    j[INDEX["pelvis"]] = asis
    j[INDEX["lumbar_body"]] = at(marks.t12) + [0.0, 0.0, THORACOLUMBAR_DEPTH * size]
    j[INDEX["thorax"]] = cervical_centre(at(marks.c7), at(marks.notch), marks.sex)
    j[INDEX["head"]] = cube(base, v, "head")
    j[[0, 11, 12, 13], 0] = 0.0
    for name in NAMES:
        if name.endswith("_r"):
            j[INDEX[name]] = j[INDEX[name[:-1] + "l"]] * FLIP
    return j - asis, asis


def _leg_joints(base: BaseMesh, v: np.ndarray, hip: np.ndarray, size: float, j: np.ndarray) -> None:
    ankle = cube(base, v, "l-ankle")
    toe = [cube(base, v, f"l-toe-{k}-1") for k in (1, 2, 3, 4, 5)]
    j[INDEX["femur_l"]] = hip
    j[INDEX["tibia_l"]] = hip + KNEE_FRACTION * (ankle - hip)
    j[INDEX["talus_l"]] = ankle
    j[INDEX["calcn_l"]] = ankle + size * np.array([0.0079, -0.0420, -0.0488])
    j[INDEX["toes_l"]] = np.array([toe[1][0], (toe[0][1] + toe[1][1]) / 2, (toe[1][2] + toe[2][2]) / 2 - 0.01 * size])


def _arm_joints(base: BaseMesh, v: np.ndarray, size: float, j: np.ndarray) -> None:
    shoulder, elbow, wrist = (cube(base, v, f"l-{n}") for n in ("shoulder", "elbow", "hand"))
    j[INDEX["scapula_l"]] = shoulder + size * np.array([-0.045, -0.032, -0.050])
    j[INDEX["humerus_l"]], j[INDEX["ulna_l"]], j[INDEX["hand_l"]] = shoulder, elbow, wrist
    j[INDEX["radius_l"]] = elbow + size * np.array([0.013, 0.018, -0.004])


ULNAR_HEAD = np.array([0.0, -0.004, -0.013])
"""From the wrist's centre to the ulna's end, right side, palm down, metres for a 893 mm leg."""


def rest_frames() -> np.ndarray:
    """(24,3,3) columns = osim axes in the model frame: legs, trunk, scapulae hang as in OpenSim; arms point sideways."""
    x, y, z = np.eye(3)
    frames = np.tile(np.stack([z, y, -x], 1), (24, 1, 1))
    for name in ("humerus", "ulna", "radius", "hand"):
        frames[INDEX[f"{name}_r"]] = np.stack([z, x, y], 1)
        frames[INDEX[f"{name}_l"]] = np.stack([z, -x, -y], 1)
    return frames


def fitted_rest_frames(j: np.ndarray) -> np.ndarray:
    """The rest frames, the radius turned so that on joints j (24,3) its axis runs from the head of the radius to the head of the ulna.

    In OpenSim the forearm leaves the upper arm at the carrying angle, here it is straight: unturned, the axis would miss the wrist
    by 5 cm. The two sides' axes of the list of angles do not mirror each other; turned, they do.
    """
    frames = rest_frames()
    size = np.linalg.norm(j[INDEX["hand_r"]] - j[INDEX["ulna_r"]]) / 0.24
    axis = unit(j[INDEX["radius_r"]] - j[INDEX["hand_r"]] - size * ULNAR_HEAD)
    for name, wanted in (("radius_r", axis), ("radius_l", -axis * FLIP)):
        k = INDEX[name]
        frames[k] = between(frames[k] @ unit(np.array(DOFS_OF_JOINT[k][0].axis)), wanted) @ frames[k]
    return frames
