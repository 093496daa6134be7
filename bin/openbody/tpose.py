# SPDX-License-Identifier: GPL-3.0-or-later
"""From MakeHuman's A pose to the T pose of the model frame: straight legs and elbows, palms down, thumbs forward."""
from __future__ import annotations

import numpy as np

from .makehuman import BaseMesh, cube
from .rotations import FLIP, axis_rotation, between, frame, twist_angle, unit

X, Y, Z = np.eye(3)
CLAVICLE_LIFT = np.radians(5.0)
LEG_SPREAD = np.radians(2.0)
ELBOW_SHIFT = 0.022
LIMBS = {"clavicle": ("clavicle", "shoulder01"), "arm1": ("upperarm01",), "arm2": ("upperarm02",),
         "forearm1": ("lowerarm01",), "forearm2": ("lowerarm02",), "hand": ("wrist", "metacarpal", "finger"),
         "thigh": ("upperleg",), "shank": ("lowerleg",), "foot": ("foot", "toe")}


def limb_weights(base: BaseMesh) -> dict[str, np.ndarray]:
    """Rig weights summed per moving limb of the left side: name -> (19158,) in 0..1."""
    total = np.zeros(len(base.v))
    limbs = {name: np.zeros(len(base.v)) for name in LIMBS}
    for bone, (ids, values) in base.weights.items():
        np.add.at(total, ids, values)
        for name, prefixes in LIMBS.items():
            if bone.endswith(".L") and bone.startswith(prefixes):
                np.add.at(limbs[name], ids, values)
    limbs["thigh"][base.cubes["joint-l-upper-leg"]] = 0.0  # the hip cube stays with the pelvis
    return {name: w / np.maximum(total, 1e-9) for name, w in limbs.items()}


def hip_centre(base: BaseMesh, v: np.ndarray) -> tuple[np.ndarray, float]:
    """Left hip joint centre (3,) m and leg length m. Width by Hara 2016 from leg length; height and depth from the rig's cube.

    The rig's own hip cube lies some 4 cm too far out and 3 cm too high; leg length (ASIS to malleolus) is 1.065 cube distances.
    """
    hip, ankle = cube(base, v, "l-upper-leg"), cube(base, v, "l-ankle")
    span = float(np.linalg.norm(hip - ankle))
    leg = 1.065 * span
    return np.array([0.008 + 0.086 * leg, hip[1] - 0.038 * span, hip[2] + 0.012 * span]), leg


def knee_centre(base: BaseMesh, v: np.ndarray) -> np.ndarray:
    """(3,) left knee in the A pose, mid-epicondyles: below and behind the rig's cube."""
    knee, ankle = cube(base, v, "l-knee"), cube(base, v, "l-ankle")
    return knee + 0.056 * (ankle - knee) - 0.029 * np.linalg.norm(cube(base, v, "l-upper-leg") - ankle) * Z


def with_true_elbows(base: BaseMesh, v: np.ndarray) -> np.ndarray:
    """v with the elbow cubes 2.2 % of the upper arm further forward: the rig's own leave no room for the olecranon."""
    out = v.copy()
    for side in "lr":
        shoulder, elbow, wrist = (cube(base, v, f"{side}-{n}") for n in ("shoulder", "elbow", "hand"))
        arm, fore = elbow - shoulder, wrist - elbow
        forward = unit(fore - (fore @ unit(arm)) * unit(arm))
        out[base.cubes[f"joint-{side}-elbow"]] += ELBOW_SHIFT * np.linalg.norm(arm) * forward
    return out


def _arm_transforms(base: BaseMesh, v: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    def at(name: str) -> np.ndarray:
        return cube(base, v, f"l-{name}")

    collar, shoulder, elbow, wrist = at("clavicle"), at("shoulder"), at("elbow"), at("hand")
    lift = axis_rotation(Z, CLAVICLE_LIFT)
    shoulder_t = collar + lift @ (shoulder - collar)
    hinge = unit(np.cross(elbow - shoulder, wrist - elbow))
    upper = frame(X, -Y) @ frame(elbow - shoulder, hinge).T
    swing = between(elbow - shoulder, X)
    twist = twist_angle(upper @ swing.T, X)
    upper1 = axis_rotation(X, 0.35 * twist) @ swing
    fore = between(upper @ (wrist - elbow), X) @ upper
    hand = frame(X, Z) @ frame(at("finger-3-1") - wrist, at("finger-2-1") - at("finger-5-1")).T
    turn = twist_angle(hand @ fore.T, X)
    elbow_t = shoulder_t + np.linalg.norm(elbow - shoulder) * X
    wrist_t = elbow_t + np.linalg.norm(wrist - elbow) * X
    moves = {"clavicle": (lift, collar, collar), "arm1": (upper1, shoulder, shoulder_t),
             "arm2": (upper, shoulder, shoulder_t), "forearm1": (axis_rotation(X, 0.3 * turn) @ fore, elbow, elbow_t),
             "forearm2": (axis_rotation(X, 0.75 * turn) @ fore, elbow, elbow_t), "hand": (hand, wrist, wrist_t)}
    return {name: (r, to - r @ at_) for name, (r, at_, to) in moves.items()}


def _leg_transforms(base: BaseMesh, v: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    hip, _ = hip_centre(base, v)
    knee, ankle = knee_centre(base, v), cube(base, v, "l-ankle")
    down = np.array([np.sin(LEG_SPREAD), -np.cos(LEG_SPREAD), 0.0])
    knee_t = hip + np.linalg.norm(knee - hip) * down
    ankle_t = knee_t + np.linalg.norm(ankle - knee) * down
    moves = {"thigh": (between(knee - hip, down), hip, hip), "shank": (between(ankle - knee, down), knee, knee_t),
             "foot": (np.eye(3), ankle, ankle_t)}
    return {name: (r, to - r @ at_) for name, (r, at_, to) in moves.items()}


def to_t_pose(base: BaseMesh, v: np.ndarray, limbs: dict[str, np.ndarray]) -> np.ndarray:
    """(19158,3) body and joint cubes in the T pose, mirror-exact, by linear blending of the limbs' motions."""
    v = with_true_elbows(base, v)
    motions = {**_arm_transforms(base, v), **_leg_transforms(base, v)}
    shift = np.zeros_like(v)
    for name, (rotation, offset) in motions.items():
        move = v @ rotation.T + offset - v
        shift += limbs[name][:, None] * move + limbs[name][base.mirror][:, None] * move[base.mirror] * FLIP
    return v + shift
