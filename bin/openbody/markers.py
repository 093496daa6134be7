# SPDX-License-Identifier: GPL-3.0-or-later
"""The 33 BlazePose landmarks, points for other keypoint sets and the six sole contact points of a body, each rigid on one joint."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .joints import INDEX
from .makehuman import BODY_VERTICES, BaseMesh, cube
from .rotations import FLIP

FACE = ("nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
        "left_ear", "right_ear", "mouth_left", "mouth_right")
LIMB = ("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "foot_index")
NAMES = FACE + tuple(f"{side}_{name}" for name in LIMB for side in ("left", "right"))
RIDES = {"shoulder": "humerus", "elbow": "ulna", "wrist": "hand", "pinky": "hand", "index": "hand", "thumb": "hand",
         "hip": "femur", "knee": "tibia", "ankle": "talus", "heel": "calcn", "foot_index": "toes"}
KNUCKLES = {"pinky": "finger-5-1", "index": "finger-2-1", "thumb": "finger-1-3"}
SURFACE = ("head_top", "nose", "eye_r", "eye_l", "ear_r", "ear_l", "heel_r", "heel_l",
           "big_toe_r", "big_toe_l", "small_toe_r", "small_toe_l")
SURFACE_RIDES = {"heel": "calcn", "big_toe": "toes", "small_toe": "toes"}
SOLES = ("heel_r", "ball_r", "toe_r", "heel_l", "ball_l", "toe_l")


def marker_joints() -> np.ndarray:
    """(33,) uint8 joint of each landmark."""
    names = ["head" if n in FACE else RIDES[n.split("_", 1)[1]] + "_" + n[0] for n in NAMES]
    return np.array([INDEX[n] for n in names], np.uint8)


def sole_joints() -> np.ndarray:
    """(6,) uint8 joint of each sole point: heel and ball ride the calcaneus, toe the toes."""
    return np.array([INDEX[("toes_" if n.startswith("toe") else "calcn_") + n[-1]] for n in SOLES], np.uint8)


def surface_joints() -> np.ndarray:
    """(12,) uint8 joint of each point of SURFACE."""
    return np.array([INDEX[f"{SURFACE_RIDES[n[:-2]]}_{n[-1]}" if n[:-2] in SURFACE_RIDES else "head"] for n in SURFACE], np.uint8)


@dataclass
class Spots:
    """Base vertex ids of the left-side and mid-line skin points; a name's position is the mean of its ids."""

    ids: dict[str, np.ndarray]


def find_spots(base: BaseMesh, v: np.ndarray, j: np.ndarray, weights: np.ndarray, loops: list[np.ndarray]) -> Spots:
    """Choose skin points on a T-pose body v (19158,3) with joints j, weights (19158,24) and the rims of mouth and eyes."""
    skin = v[:BODY_VERTICES]
    w = weights[:BODY_VERTICES]
    eye = next(loop for loop in loops if v[loop, 0].min() > 0.005)
    mouth = next(loop for loop in loops if v[loop, 0].min() < 0 < v[loop, 0].max())
    head = w[:, INDEX["head"]] > 0.5
    ids = {"nose": _best(head & (np.abs(skin[:, 0]) < 1e-6) & (np.abs(skin[:, 1] - v[eye, 1].mean() + 0.04) < 0.03), skin[:, 2]),
           "eye": eye, "eye_inner": eye[[v[eye, 0].argmin()]], "eye_outer": eye[[v[eye, 0].argmax()]],
           "mouth": mouth[[v[mouth, 0].argmax()]]}
    brow = head & (skin[:, 1] > v[eye, 1].mean() + 0.05)
    ids["ear"] = np.where(head & (skin[:, 0] > skin[brow, 0].max() + 0.004) & (skin[:, 1] > v[mouth, 1].mean()))[0]
    foot = (w[:, INDEX["calcn_l"]] + w[:, INDEX["talus_l"]] + w[:, INDEX["toes_l"]]) > 0.5
    toes = j[INDEX["toes_l"]]
    low = skin[foot, 1].min()
    ids["heel"] = _best(foot & (np.abs(skin[:, 1] - low - 0.02) < 0.01), -skin[:, 2])
    ids["foot_index"] = _best(foot & (skin[:, 0] < toes[0]), skin[:, 2])
    ids["small_toe"] = _best(foot, -np.linalg.norm(skin - v[base.cubes["joint-l-toe-5-4"]].mean(0), axis=1))
    ids["head_top"] = _best(head & (np.abs(skin[:, 0]) < 1e-6), skin[:, 1])
    tip = skin[ids["foot_index"][0]]
    ids["sole_heel"] = _best(foot & (skin[:, 2] < j[INDEX["talus_l"], 2] - 0.01), -skin[:, 1])
    ids["sole_ball"] = _best(foot & (np.abs(skin[:, 2] - toes[2] + 0.015) < 0.012) & (skin[:, 0] < toes[0] + 0.005), -skin[:, 1])
    ids["sole_toe"] = _best(foot & (skin[:, 2] > tip[2] - 0.045) & (skin[:, 0] < toes[0] + 0.005), -skin[:, 1])
    return Spots(ids)


def _best(mask: np.ndarray, score: np.ndarray) -> np.ndarray:
    ids = np.where(mask)[0]
    return ids[[score[ids].argmax()]]


def markers(base: BaseMesh, v: np.ndarray, j: np.ndarray, origin: np.ndarray, spots: Spots) -> np.ndarray:
    """(33,3) landmarks about mid-ASIS of the T-pose body v (19158,3) with joints j (about mid-ASIS)."""
    at = {n: v[ids].mean(0) - origin for n, ids in spots.ids.items()}
    out = []
    for name in NAMES:
        part = name.replace("left_", "").replace("right_", "").replace("_left", "").replace("_right", "")
        if part in KNUCKLES:
            point = cube(base, v, f"l-{KNUCKLES[part]}") - origin
        elif part in at:
            point = at[part]
        else:
            point = j[INDEX[RIDES[part] + "_l"]]
        out.append(point * FLIP if "right" in name else point)
    return np.array(out)


def surface(v: np.ndarray, origin: np.ndarray, spots: Spots) -> np.ndarray:
    """(12,3) points of the skin about mid-ASIS in the order of SURFACE."""
    own = {"big_toe": "foot_index"}
    out = []
    for name in SURFACE:
        part = name[:-2] if name[-2] == "_" else name
        point = v[spots.ids[own.get(part, part)]].mean(0) - origin
        out.append(point * FLIP if name.endswith("_r") else point)
    return np.array(out)


def soles(v: np.ndarray, origin: np.ndarray, spots: Spots) -> np.ndarray:
    """(6,3) sole contact points about mid-ASIS in the order of SOLES."""
    left = np.array([v[spots.ids[f"sole_{n}"][0]] - origin for n in ("heel", "ball", "toe")])
    return np.concatenate([left * FLIP, left])
