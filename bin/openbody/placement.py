# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each bone part sits in a body: one affine map per part from its source frame into the T pose (mid-ASIS origin)."""
from __future__ import annotations

import numpy as np

from . import rajagopal as raj
from .joints import INDEX, rest_frames
from .measures import Body
from .parts import Part, long_ends
from .rotations import FLIP, axis_rotation, between, unit

X, Y, Z = NO_TURN = np.eye(3)
ARM = rest_frames()[INDEX["humerus_r"]] @ raj.TO_MODEL.T
PRONE = axis_rotation(X, np.pi / 2) @ ARM
T12_L1, C7_T1, C0_C1 = np.array([0, 0.108, -0.001]), np.array([0, 0.4215, -0.012]), np.array([0, 0.500, -0.010])
L5_S1 = np.array([0, -0.0065, 0.008])
LUMBOSACRAL_DEPTH = 0.050
"""Metres from the skin of the back to the middle of the lumbosacral disc, for a 893 mm leg."""


def affine(linear: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3,4) map with this linear part that takes point `source` to `target`."""
    return np.concatenate([linear, (target - linear @ source)[:, None]], 1)


def apply(a: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (...,3) through a (3,4) map."""
    return points @ a[:, :3].T + a[:, 3]


def segment(a: np.ndarray, b: np.ndarray, to_a: np.ndarray, to_b: np.ndarray, across: float,
            turn: np.ndarray = NO_TURN) -> np.ndarray:
    """(3,4): turn first, then the smallest rotation of a->b onto to_a->to_b, stretched to fit along it, `across` sideways."""
    way, goal = turn @ (b - a), to_b - to_a
    u = unit(way)
    stretch = across * np.eye(3) + (np.linalg.norm(goal) / np.linalg.norm(way) - across) * np.outer(u, u)
    return affine(between(way, goal) @ stretch @ turn, a, to_a)


def bone_ends(parts: list[Part]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Near and far end (3,) of every part in its source frame: feet point along z, clavicles sideways, the rest hangs down.

    Mid-line parts have no long axis: both ends are their middle.
    """
    forward = ("metatarsal", "toe")
    out = {p.name: long_ends(p.bone, Z if p.name.startswith(forward) else -X if p.name == "clavicle_r" else -Y) for p in parts if p.paired}
    return {p.name: out.get(p.name, (p.bone.v.mean(0),) * 2) for p in parts}


def place(ends: dict[str, tuple[np.ndarray, np.ndarray]], body: Body) -> dict[str, np.ndarray]:
    """(3,4) map of every right and mid-line part of one body; `ends` from `bone_ends`."""
    maps = {**_pelvis(body), **_leg(body), **_foot(body, ends), **_arm(body, ends), **_hand(body, ends)}
    thorax = _thorax(body)
    maps.update({name: thorax for name in ends if name.startswith("rib")} | {"sternum": thorax})
    maps.update(_spine(body, ends, thorax, maps["sacrum"]))
    maps.update(_head(body))
    maps.update(_shoulder(body, ends, thorax))
    return maps


def _pelvis(body: Body) -> dict[str, np.ndarray]:
    scale = body.joint("femur_r") / raj.HIP
    sacral = (body.spot["low_back"][2] + LUMBOSACRAL_DEPTH * body.size) / (raj.LUMBOSACRAL + L5_S1)[2]
    return {"hip_r": affine(np.diag(scale), np.zeros(3), np.zeros(3)),
            "sacrum": affine(np.diag([scale[0], scale[1], sacral]), np.zeros(3), np.zeros(3))}


def _leg(body: Body) -> dict[str, np.ndarray]:
    hip, knee, ankle = (body.joint(n) for n in ("femur_r", "tibia_r", "talus_r"))
    thigh = segment(np.zeros(3), raj.KNEE_IN_FEMUR, hip, knee, body.size)
    shank = segment(raj.KNEE_IN_TIBIA, raj.ANKLE_IN_TIBIA, knee, ankle, 0.92 * body.size)
    patella = affine(thigh[:, :3], np.zeros(3), apply(thigh, raj.PATELLA_IN_FEMUR) + body.size * np.array([0, -0.008, -0.006]))
    return {"femur_r": thigh, "tibia_r": shank, "fibula_r": shank, "patella_r": patella,
            "talus_r": affine(body.size * np.eye(3), np.zeros(3), ankle)}


def _foot(body: Body, ends: dict) -> dict[str, np.ndarray]:
    """Tarsals between the ankle, the heel and the sole; every ray along its own toe joints."""
    ankle, s, c = body.joint("talus_r"), body.spot, body.cubes
    talus = -raj.CALCN_IN_TALUS
    sz = (ankle[2] - s["heel"][2] - 0.011) / (talus[2] + 0.010)
    sy = (ankle[1] - s["sole"][1] - 0.012) / (talus[1] + 0.010)
    hind = affine(np.diag([0.85 * body.size, sy, sz]), talus, ankle)
    maps = {name: hind for name in ends if name.startswith(("calcaneus", "cuboid", "navicular", "cuneiform"))}
    for ray in range(1, 6):
        names = [f"metatarsal{ray}_r"] + [f"toe{ray}_{n}_r" for n in range(1, 3 if ray == 1 else 4)]
        points = [c[f"r-toe-{ray}-{n}"] - [0, 0.002 * body.size, 0] for n in range(1, len(names) + 1)]
        inward = {1: -0.002, 5: 0.005}.get(ray, 0.0)
        points.insert(0, apply(hind, ends[names[0]][0]) + [inward * body.size, 0, 0])
        points[-1] = points[-2] + 0.85 * (points[-1] - points[-2])
        for name, a, b in zip(names, points[:-1], points[1:], strict=True):
            near, far = ends[name]
            maps[name] = segment(near, far, a, b, 0.85 * body.size)
    return maps


def _arm(body: Body, ends: dict) -> dict[str, np.ndarray]:
    shoulder, elbow, wrist = (body.joint(n) for n in ("humerus_r", "ulna_r", "hand_r"))
    upper = segment(np.zeros(3), raj.ELBOW_IN_HUMERUS, shoulder, elbow, body.size, ARM)
    ulna_tip, radius_tip = ends["ulna_r"][1], raj.HAND_IN_RADIUS
    head = elbow + body.size * (ARM @ raj.RADIUS_IN_ULNA)
    ulna = segment(np.zeros(3), ulna_tip, elbow, wrist + body.size * np.array([0.006, -0.004, -0.013]), body.size, ARM)
    radius = segment(np.zeros(3), radius_tip, head, wrist + body.size * np.array([0, 0, -0.003]), body.size, PRONE)
    return {"humerus_r": upper, "ulna_r": ulna, "radius_r": radius}


def _hand(body: Body, ends: dict) -> dict[str, np.ndarray]:
    wrist, c = body.joint("hand_r"), body.cubes
    knuckle = ends["metacarpal3_r"][1]
    across = body.size * 0.95
    palmar = body.size * np.array([0, -0.004, 0])  # the rig's finger joints lie close under the back of the hand
    c = {n: p + palmar * (0 if "finger-1" in n else 0.25 if n.endswith("-4") else 1) for n, p in c.items()}
    wrist = wrist + palmar
    carpus = segment(np.zeros(3), knuckle, wrist, c["r-finger-3-1"], across, PRONE)
    maps = {f"{name}_r": carpus for name in raj.CARPALS}
    for k, finger in enumerate(raj.FINGERS):
        thumb = finger == "thumb"
        names = [f"metacarpal{k + 1}_r"] + [f"{finger}_{p}_r" for p in ("proximal", "medial", "distal") if not thumb or p != "medial"]
        points = [c[f"r-finger-{k + 1}-{n}"] for n in (1, 2, 3, 4)]
        if not thumb:
            points.insert(0, apply(carpus, ends[names[0]][0]))
        points[-1] = points[-2] + 0.85 * (points[-1] - points[-2])
        for name, a, b in zip(names, points[:-1], points[1:], strict=True):
            near, far = ends[name]
            maps[name] = segment(near, far, a, b, across, PRONE)
    return maps


def _thorax(body: Body) -> np.ndarray:
    low, high = body.joint("lumbar_body"), body.joint("thorax")
    src = C7_T1 - T12_L1
    sy = (high - low)[1] / src[1]
    sx = (-body.spot["chest_side"][0] - 0.030) / 0.137
    middle = (low + high)[2] / 2
    sz = min(body.size * 1.05, (body.spot["chest_front"][2] - 0.025 - middle) / 0.100)
    shear = ((high - low)[2] - sz * src[2]) / src[1]
    return affine(np.array([[sx, 0, 0], [0, sy, 0], [0, shear, sz]]), T12_L1, low)


def _spine(body: Body, ends: dict, thorax: np.ndarray, pelvis: np.ndarray) -> dict[str, np.ndarray]:
    knots = [apply(pelvis, raj.LUMBOSACRAL + L5_S1), body.joint("lumbar_body"), body.joint("thorax"), body.joint("head")]
    lumbar = segment(L5_S1, T12_L1, knots[0], knots[1], 0.9 * body.size)
    neck = segment(C7_T1, C0_C1, knots[2], knots[3], body.size)
    maps = {}
    for name, (middle, _) in ends.items():
        if name[0] in "CTL" and name[1:].isdigit() or name.startswith("disc"):
            y = middle[1]
            maps[name] = lumbar if y < T12_L1[1] - 0.004 else thorax if y < C7_T1[1] - 0.004 else neck
    return maps


def _head(body: Body) -> dict[str, np.ndarray]:
    s = body.spot
    top, chin = s["crown"][1] - 0.008, s["chin"][1] + 0.010
    front, back = s["glabella"][2] - 0.011, s["occiput"][2] + 0.009
    sy, sz, sx = (top - chin) / (0.651 - 0.457), (front - back) / (0.083 + 0.081), (-s["temple"][0] - 0.008) / 0.070
    a = np.array([[sx, 0, 0, 0], [0, sy, 0, chin - sy * 0.457], [0, 0, sz, back + sz * 0.081]])
    return {"skull": a, "mandible": a}


def _shoulder(body: Body, ends: dict, thorax: np.ndarray) -> dict[str, np.ndarray]:
    glenoid = raj.SHOULDER_IN_TORSO + [0.008, 0, 0]  # the source's shoulder centre lies outside its own acromion
    scapula = affine(body.size * np.diag([1.12, 0.96, 0.90]), glenoid, body.joint("humerus_r"))
    near, far = ends["clavicle_r"]
    clavicle = segment(near, far, apply(thorax, near), apply(scapula, far), body.size)
    return {"scapula_r": scapula, "clavicle_r": clavicle}


def mirrored_map(a: np.ndarray) -> np.ndarray:
    """The map of the left twin, for a mesh mirrored in its own frame too."""
    return np.concatenate([a[:, :3] * np.outer(FLIP, FLIP), (a[:, 3] * FLIP)[:, None]], 1)
