# SPDX-License-Identifier: GPL-3.0-or-later
"""Skinning weights of the 24 joints: MakeHuman's rig weights regrouped, blends recentred on the true joint centres."""
from __future__ import annotations

import numpy as np

from .joints import INDEX
from .makehuman import BODY_VERTICES, BaseMesh, cube

GROUPS = {"femur": ("upperleg",), "tibia": ("lowerleg",), "foot": ("foot", "toe"), "scapula": ("clavicle", "shoulder01"),
          "humerus": ("upperarm",), "forearm": ("lowerarm",), "hand": ("wrist", "metacarpal", "finger"),
          "thorax": ("breast",), "trunk": ("root", "pelvis", "spine", "neck")}

HIP_DROP, GLUTEAL = 0.03, 1.1
KNEE_WIDTH, KNEECAP = 0.042, 0.7
ELBOW_WIDTH, OLECRANON = 0.032, 0.9
"""Half width in metres of the blend along the limb, and how far it leans (GLUTEAL too): skin in front of the knee, behind the elbow and
behind the hip follows the lower segment from that much times its distance above the joint. Chosen by `openbody.bends`, for the volume
that a limb keeps and the bones that stay in it."""
STEEPNESS = 1.6
SMOOTHING_STEPS = 8


def smooth(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, cubic between."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _grouped(base: BaseMesh) -> dict[str, np.ndarray]:
    """Rig weights summed per (group, side); what is in no group belongs to the head."""
    out: dict[str, np.ndarray] = {}
    for bone, (ids, values) in base.weights.items():
        group = next((g for g, p in GROUPS.items() if bone.startswith(p)), "head")
        side = bone[-2:].lower().replace(".", "_") if bone[-2:] in (".L", ".R") else ""
        key = group if group in ("head", "thorax", "trunk") else group + side
        np.add.at(out.setdefault(key, np.zeros(len(base.v))), ids, values)
    total = sum(out.values())
    return {k: w / np.maximum(total, 1e-9) for k, w in out.items()}


def skin_weights(base: BaseMesh, v: np.ndarray, j: np.ndarray) -> np.ndarray:
    """(19158,24) weights summing to one on the body; v: T-pose body and cubes, j (24,3) its joints, same frame."""
    groups = _grouped(base)
    w = np.zeros((len(v), 24))
    for side in ("_r", "_l"):
        _leg(base, v, j, groups, side, w)
        _arm(v, j, groups, side, w)
        _shoulder_cap(v, j[INDEX["humerus" + side]], side, w)
    given_up = groups["femur_r"] + groups["femur_l"] + groups["tibia_r"] + groups["tibia_l"] - sum(
        w[:, INDEX[n]] for n in ("femur_r", "tibia_r", "femur_l", "tibia_l"))
    _trunk(v, j, groups["trunk"] + given_up, groups, w)
    for side in ("_r", "_l"):
        _narrow(w, [INDEX[n + side] for n in ("femur", "tibia")])
        _narrow(w, [INDEX[n + side] for n in ("humerus", "ulna", "radius", "hand")])
    w = 0.5 * (w + _swap_sides(w[base.mirror]))
    total = w.sum(1, keepdims=True)
    return _smoothed(base, w / np.where(total > 0, total, 1))


def _smoothed(base: BaseMesh, w: np.ndarray) -> np.ndarray:
    """Weights averaged with their neighbours' on trunk, shoulders and hips, where several blends meet; fine parts stay as they are."""
    half = np.concatenate([base.faces[:, [k, (k + 1) % 4]] for k in range(4)])
    a, b = np.unique(np.sort(half, 1), axis=0).T
    count = np.maximum(np.bincount(np.concatenate([a, b]), minlength=len(w)), 1)[:, None]
    fixed = [INDEX[n + s] for n in ("ulna", "radius", "hand", "tibia", "talus", "calcn", "toes") for s in ("_r", "_l")] + [INDEX["head"]]
    free = (w[:, fixed].sum(1) < 0.02)[:, None]
    for _ in range(SMOOTHING_STEPS):
        around = np.zeros_like(w)
        np.add.at(around, a, w[b])
        np.add.at(around, b, w[a])
        w = np.where(free, 0.5 * w + 0.5 * around / count, w)
    return w


def _swap_sides(w: np.ndarray) -> np.ndarray:
    order = [INDEX[n[:-1] + ("l" if n.endswith("_r") else "r")] if n[-2:] in ("_r", "_l") else i for n, i in INDEX.items()]
    return w[:, order]


def _leg(base: BaseMesh, v: np.ndarray, j: np.ndarray, groups: dict[str, np.ndarray], side: str, w: np.ndarray) -> None:
    hip, knee, ankle, toes = (j[INDEX[n + side]] for n in ("femur", "tibia", "talus", "toes"))
    thigh_shank = _lowered(v, groups["femur" + side] + groups["tibia" + side], hip)
    axis = (ankle - hip) / np.linalg.norm(ankle - hip)
    kneecap = KNEECAP * np.maximum(v[:, 2] - knee[2], 0)
    below_knee = smooth(((v - knee) @ axis + kneecap + KNEE_WIDTH) / (2 * KNEE_WIDTH))
    w[:, INDEX["femur" + side]] = thigh_shank * (1 - below_knee)
    w[:, INDEX["tibia" + side]] = thigh_shank * below_knee
    heads = [cube(base, v, f"{side[1]}-toe-{k}-1") for k in (1, 5)]
    line = heads[1] - heads[0]
    forward = np.array([-line[2], 0.0, line[0]]) / np.hypot(line[0], line[2])
    forward *= np.sign(forward[2])
    beyond = smooth(((v - toes) @ forward + 0.015) / 0.03)
    foot = groups["foot" + side]
    talus = 0.5 * np.exp(-((v - ankle) ** 2).sum(1) / 0.05**2)
    w[:, INDEX["toes" + side]] = foot * beyond
    w[:, INDEX["talus" + side]] = foot * (1 - beyond) * talus
    w[:, INDEX["calcn" + side]] = foot * (1 - beyond) * (1 - talus)


def _lowered(v: np.ndarray, leg: np.ndarray, hip: np.ndarray) -> np.ndarray:
    """The leg's share moved down to the true hip centre outside and behind, where the rig's blend is centred 3 cm too high, and up the
    farther behind the joint the skin is: the buttock follows the thigh."""
    lateral = smooth((np.abs(v[:, 0]) - 0.3 * abs(hip[0])) / abs(hip[0])) * (1 - smooth((v[:, 2] - hip[2] + 0.02) / 0.08))
    side = v[:, 0] * hip[0] > 0
    near = np.where(side & (np.abs(v[:, 1] - hip[1]) < 0.25) & (np.arange(len(v)) < BODY_VERTICES) & (np.abs(v[:, 0]) < 0.35))[0]
    out = leg.copy()
    for k in range(0, len(near), 256):
        ids = near[k:k + 256]
        wanted = v[ids] + (HIP_DROP * lateral[ids] - GLUTEAL * np.maximum(hip[2] - v[ids, 2], 0))[:, None] * [0, 1, 0]
        square = ((wanted[:, None] - v[near][None]) ** 2).sum(2)
        closest = np.argpartition(square, 6, 1)[:, :6]
        share = 1 / (np.take_along_axis(square, closest, 1) + 1e-6)
        out[ids] = (share * leg[near[closest]]).sum(1) / share.sum(1)
    return out


def _arm(v: np.ndarray, j: np.ndarray, groups: dict[str, np.ndarray], side: str, w: np.ndarray) -> None:
    elbow, wrist = j[INDEX["ulna" + side]], j[INDEX["hand" + side]]
    along = (v - elbow) @ (wrist - elbow) / ((wrist - elbow) @ (wrist - elbow))
    turning = np.clip((along - 0.15) / 0.75, 0, 1)
    beyond = along * np.linalg.norm(wrist - elbow)
    arm = groups["humerus" + side] + groups["forearm" + side]
    fore = arm * smooth((beyond + OLECRANON * np.maximum(elbow[2] - v[:, 2], 0) + ELBOW_WIDTH) / (2 * ELBOW_WIDTH))
    w[:, INDEX["ulna" + side]] = fore * (1 - turning)
    w[:, INDEX["radius" + side]] = fore * turning
    w[:, INDEX["humerus" + side]] = arm - fore
    for name in ("scapula", "hand"):
        w[:, INDEX[name + side]] = groups[name + side]


def _shoulder_cap(v: np.ndarray, centre: np.ndarray, side: str, w: np.ndarray) -> None:
    """Above the shoulder centre the rig lets the upper arm pull skin from 5 cm medial of it: that part goes to the scapula."""
    lateral = np.abs(v[:, 0]) - abs(centre[0])
    above = smooth((v[:, 1] - centre[1] + 0.03) / 0.05)
    limit = 1 - above * (1 - smooth((lateral + 0.065) / 0.12))
    humerus, scapula = w[:, INDEX["humerus" + side]], w[:, INDEX["scapula" + side]]
    excess = humerus * (1 - limit) * (humerus > 0)
    scapula += excess
    humerus -= excess


def _trunk(v: np.ndarray, j: np.ndarray, trunk: np.ndarray, groups: dict[str, np.ndarray], w: np.ndarray) -> None:
    y = v[:, 1]
    low = j[INDEX["femur_r"], 1] + 0.05
    lumbar, thorax, head = (j[INDEX[n], 1] for n in ("lumbar_body", "thorax", "head"))
    up = [smooth((y - low) / (lumbar - low)), smooth((y - lumbar) / (thorax - lumbar) / 0.45 + 0.35),
          smooth((y - thorax) / (head - thorax))]
    trunk = np.maximum(trunk, 0.0)
    w[:, INDEX["pelvis"]] += trunk * (1 - up[0])
    w[:, INDEX["lumbar_body"]] += trunk * up[0] * (1 - up[1])
    w[:, INDEX["thorax"]] += trunk * up[1] * (1 - up[2]) + groups["thorax"]
    w[:, INDEX["head"]] += trunk * up[2] + groups["head"]


def _narrow(w: np.ndarray, limb: list[int]) -> None:
    """Make the blend of a limb (joint numbers) with the trunk steeper, in place: the rig's wide one loses volume as the limb bends."""
    total = w.sum(1)
    share = w[:, limb].sum(1) / np.where(total > 0, total, 1)
    mixed = (share > 1e-6) & (share < 1 - 1e-6)
    share = share[mixed, None]
    steep = share**STEEPNESS / (share**STEEPNESS + (1 - share) ** STEEPNESS)
    inside = np.isin(np.arange(24), limb)
    w[mixed] *= np.where(inside, steep / share, (1 - steep) / (1 - share))


def packed(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest four weights of (V,24): indices (V,4) and values (V,4) uint8 that sum to 255 exactly."""
    w = np.round(w, 9)  # equal weights keep their order whatever the last bits are
    index = np.argsort(-w, 1, kind="stable")[:, :4]
    value = np.take_along_axis(w, index, 1)
    value = value / value.sum(1, keepdims=True) * 255
    whole = np.floor(value).astype(int)
    for row, rest in zip(whole, np.argsort(-(value - whole), 1, kind="stable"), strict=True):
        row[rest[: 255 - row.sum()]] += 1
    index = np.where(whole > 0, index, 0)
    return index.astype(np.uint8), whole.astype(np.uint8)
