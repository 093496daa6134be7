# SPDX-License-Identifier: GPL-3.0-or-later
"""Which points of the source's body ride which SKEL segment, and how much each counts.

A point of the skin belongs to the SKEL segment of the place where it lies, and only as far as one segment moves it on either body; the
joints belong to the segments on both sides. Each segment's points together weigh as much as a handful of points that are a few millimetres
certain, so that neither a large segment nor a dense mesh outweighs the feet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...anatomy import JOINT_INDEX as SKEL
from ...anatomy import JOINT_NAMES, J
from .calibrate import Calibration, corresponding, spread
from .motion import BODY, JOINT_INDEX
from .source_body import SMPL_OF_SKEL, SourceBody

_MOST = 800  # vertices of the source that take part
_SKIN_M, _JOINT_M = 0.010, 0.010  # standard deviation of a segment's skin as a whole, and of a joint
# Times as much: feet that slide are seen first; the skin over a shoulder blade slides on it.
_FACTOR = {"calcn_r": 3.0, "calcn_l": 3.0, "toes_r": 2.0, "toes_l": 2.0, "scapula_r": 0.1, "scapula_l": 0.1}
_RIGID = 0.6  # share of one segment from which on a point counts

# The SKEL segments on the two sides of each of SMPL's joints.
_SIDES = {
    "pelvis": ("pelvis",), "left_hip": ("pelvis", "femur_l"), "right_hip": ("pelvis", "femur_r"), "spine1": ("pelvis", "lumbar_body"),
    "left_knee": ("femur_l", "tibia_l"), "right_knee": ("femur_r", "tibia_r"), "spine2": ("lumbar_body",),
    "left_ankle": ("tibia_l", "calcn_l"), "right_ankle": ("tibia_r", "calcn_r"), "spine3": ("lumbar_body", "thorax"),
    "left_foot": ("calcn_l", "toes_l"), "right_foot": ("calcn_r", "toes_r"), "neck": ("thorax", "head"), "left_collar": ("thorax",),
    "right_collar": ("thorax",), "head": ("head",), "left_shoulder": ("scapula_l", "humerus_l"),
    "right_shoulder": ("scapula_r", "humerus_r"), "left_elbow": ("humerus_l", "ulna_l"), "right_elbow": ("humerus_r", "ulna_r"),
    "left_wrist": ("radius_l", "hand_l"), "right_wrist": ("radius_r", "hand_r"),
}  # fmt: skip


@dataclass(frozen=True)
class Carried:
    """K points of the source's body and the SKEL segments that they ride."""

    skin: np.ndarray  # (Ks,) vertices of the source; the first Ks points
    smpl_joint: np.ndarray  # (Kj,) joints of the source; the points after those
    segment: np.ndarray  # (K,) SKEL joint
    arms: np.ndarray  # (K,3) m from the segment's rest joint, in its rest axes
    weight: np.ndarray  # (K,) 1/m^2

    def targets(self, skin: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """(T,K,3) m, of the posed vertices (T,Ks,3) and joint centres (T,22,3)."""
        return np.concatenate([skin, centres[:, self.smpl_joint]], axis=1)


def carry(source: SourceBody, found: Calibration) -> Carried:
    """Let the body that was laid over the source carry its points."""
    transforms = found.transforms()
    skin, segment, certain = _on_skin(source, found)
    joints = [(JOINT_INDEX[name], SKEL[side]) for name, sides in _SIDES.items() for side in sides]
    smpl_joint, beside = np.array(joints).T
    segments = np.concatenate([segment, beside])
    places = np.concatenate([source.verts[skin], source.joints[smpl_joint]])
    arms = np.einsum("kba,kb->ka", transforms[segments, :3, :3], places - transforms[segments, :3, 3])
    total = np.bincount(segment, weights=certain, minlength=J)
    factor = np.array([_FACTOR.get(name, 1.0) for name in JOINT_NAMES]) / _SKIN_M**2
    shares = np.bincount(smpl_joint, minlength=BODY)[smpl_joint]
    weight = np.concatenate([factor[segment] * certain / total[segment], 1 / (_JOINT_M**2 * shares)])
    return Carried(skin, smpl_joint, segments, arms, weight)


def _on_skin(source: SourceBody, found: Calibration) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of the source (K,), the SKEL segments (K,) that they ride, and how surely (K,), 0 to 1."""
    rest = found.rest
    owned = np.zeros((len(rest.skin_verts), J))
    np.add.at(owned, (np.arange(len(owned))[:, None], rest.weight_index), rest.weight_value)
    rows = spread(source.verts, np.arange(len(source.verts)), _MOST)
    owned = owned[corresponding(found, source, rows)[0]]
    segment = owned.argmax(axis=1)
    same = np.array([JOINT_INDEX[SMPL_OF_SKEL[name]] for name in JOINT_NAMES])[segment]
    theirs = source.weights[rows]
    trunk = np.isin(segment, [SKEL["lumbar_body"], SKEL["thorax"], SKEL["head"], SKEL["scapula_r"], SKEL["scapula_l"]])
    # the trunk is cut in other places; there the mesh itself is the better witness of what moves together
    agreed = np.where(trunk, theirs.max(axis=1), theirs[np.arange(len(rows)), same])
    certain = np.clip((np.minimum(owned.max(axis=1), agreed) - _RIGID) / (1 - _RIGID), 0.0, 1.0)
    kept = certain > 0
    return rows[kept], segment[kept], certain[kept]
