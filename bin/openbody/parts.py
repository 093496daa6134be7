# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of bone parts: which mesh, which joint it rides. Right side and mid-line; left parts are mirror images."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .rajagopal import CARPALS, FINGERS, HAND_SCALE, SPINE_LEVELS, Bone, components, joined, read_ply, subdivided

METATARSALS, CALCANEUS = (10, 9, 8, 5, 2), 0
TARSALS = {"cuboid": 1, "navicular": 3, "cuneiform3": 4, "cuneiform2": 6, "cuneiform1": 7}
TOE_PIECES = ((5, 12), (4, 11, 13), (2, 9, 10), (1, 7, 8), (0, 3, 6))
HEAD_LEVELS, THORAX_CERVICAL = ("C1", "C2", "C3", "C4"), ("C5", "C6", "C7")


@dataclass
class Part:
    """One rigid bone: mesh in its source frame and the joint it rides (right or mid-line name)."""

    name: str
    joint: str
    bone: Bone

    @property
    def paired(self) -> bool:
        """Whether a mirrored left twin exists."""
        return self.name.endswith("_r")


def read_parts(geometry: Path) -> list[Part]:
    """All right and mid-line parts from the folder of Rajagopal PLY files."""
    def mesh(name: str) -> Bone:
        return read_ply(geometry / f"{name}.vtp.ply")

    def fine(name: str) -> Bone:
        return subdivided(mesh(name))

    parts = [Part("hip_r", "pelvis", fine("r_pelvis")), Part("sacrum", "pelvis", fine("sacrum")),
             Part("femur_r", "femur_r", fine("r_femur")), Part("patella_r", "tibia_r", fine("r_patella")),
             Part("tibia_r", "tibia_r", fine("r_tibia")), Part("fibula_r", "tibia_r", fine("r_fibula")),
             Part("talus_r", "talus_r", fine("r_talus")), Part("skull", "head", mesh("hat_skull")),
             Part("mandible", "head", mesh("hat_jaw")), Part("humerus_r", "humerus_r", fine("humerus_rv")),
             Part("ulna_r", "ulna_r", fine("ulna_rv")), Part("radius_r", "radius_r", fine("radius_rv"))]
    return parts + _foot_parts(mesh) + _hand_parts(mesh) + _spine_parts(mesh) + _chest_parts(mesh)


def _foot_parts(mesh) -> list[Part]:
    foot, toes = components(mesh("r_foot")), components(mesh("r_bofoot"))
    parts = [Part("calcaneus_r", "calcn_r", foot[CALCANEUS])]
    parts += [Part(f"{name}_r", "calcn_r", foot[k]) for name, k in TARSALS.items()]
    parts += [Part(f"metatarsal{ray + 1}_r", "calcn_r", foot[k]) for ray, k in enumerate(METATARSALS)]
    parts += [Part(f"toe{ray + 1}_{n + 1}_r", "toes_r", toes[k])
              for ray, pieces in enumerate(TOE_PIECES) for n, k in enumerate(pieces)]
    return parts


def _hand_parts(mesh) -> list[Part]:
    names = list(CARPALS)
    for k, finger in enumerate(FINGERS):
        names += [f"metacarpal{k + 1}"] + [f"{finger}_{p}" for p in ("proximal", "medial", "distal")
                                           if finger != "thumb" or p != "medial"]
    parts = []
    for name in names:
        bone = mesh(f"{name}_rvs")
        parts.append(Part(f"{name}_r", "hand_r", Bone(bone.v * HAND_SCALE, bone.f)))
    return parts


def _spine_parts(mesh) -> list[Part]:
    pieces = components(mesh("hat_spine"))
    vertebrae = sorted((p for p in pieces if len(p.v) > 100), key=lambda p: -p.centre[1])
    discs = sorted((p for p in pieces if len(p.v) <= 100), key=lambda p: -p.centre[1])
    parts = [Part(level, level_joint(level), bone) for level, bone in zip(SPINE_LEVELS, vertebrae, strict=True)]
    for k, disc in enumerate(discs):
        above = min(parts[:24], key=lambda p: abs(p.bone.v[:, 1].min() - disc.v[:, 1].min() - 0.008))
        parts.append(Part(f"disc{k + 1}", above.joint, disc))
    return parts


def level_joint(level: str) -> str:
    """The joint that a vertebra rides: the nearest of head, thorax, lumbar_body and pelvis."""
    if level in HEAD_LEVELS:
        return "head"
    if level in THORAX_CERVICAL or level[0] == "T" and level != "T12":
        return "thorax"
    return "pelvis" if level in ("L4", "L5") else "lumbar_body"


def _chest_parts(mesh) -> list[Part]:
    pieces = components(mesh("hat_ribs_scap"))
    right = [p for p in pieces if p.v[:, 0].max() < 0]
    sternum = [p for p in pieces if p.v[:, 0].max() > 0 > p.v[:, 0].min()]
    by_size = sorted(right, key=lambda p: -len(p.v))
    ribs = sorted(by_size[2:], key=lambda p: -p.v[:, 1].max())
    parts = [Part("scapula_r", "scapula_r", by_size[0]), Part("clavicle_r", "scapula_r", by_size[1]),
             Part("sternum", "thorax", joined(sternum))]
    return parts + [Part(f"rib{k + 1}_r", "thorax", rib) for k, rib in enumerate(ribs)]


def long_ends(bone: Bone, toward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(near, far) end points of a long bone along its principal axis, far in the direction `toward`."""
    centre = bone.v.mean(0)
    axis = np.linalg.svd(bone.v - centre, full_matrices=False)[2][0]
    axis = axis if axis @ toward >= 0 else -axis
    along = (bone.v - centre) @ axis
    low, high = along.min(), along.max()
    edge = 0.06 * (high - low)
    return bone.v[along < low + edge].mean(0), bone.v[along > high - edge].mean(0)
