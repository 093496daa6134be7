# SPDX-License-Identifier: GPL-3.0-or-later
"""The DoFs as an animator looks for them: by limb, with readable names. numpy only."""

from __future__ import annotations

import numpy as np

from ..anatomy import DOFS, JOINT_NAMES, Q

ROOT = "ROOT"
PARTS = {
    "TRUNK": ("pelvis", "lumbar_body", "thorax"),
    "HEAD": ("head",),
    "ARM_R": ("scapula_r", "humerus_r", "ulna_r", "radius_r", "hand_r"),
    "ARM_L": ("scapula_l", "humerus_l", "ulna_l", "radius_l", "hand_l"),
    "LEG_R": ("femur_r", "tibia_r", "talus_r", "calcn_r", "toes_r"),
    "LEG_L": ("femur_l", "tibia_l", "talus_l", "calcn_l", "toes_l"),
}
"""Limb -> its bones."""
TITLES = {
    ROOT: "Place", "TRUNK": "Trunk", "HEAD": "Head", "ARM_R": "Right Arm", "ARM_L": "Left Arm", "LEG_R": "Right Leg", "LEG_L": "Left Leg",
}  # fmt: skip
LIMBS = {limb: tuple(dof.index for dof in DOFS if JOINT_NAMES[dof.joint] in names) for limb, names in PARTS.items()}
"""Limb -> its DoFs."""
LIMB_OF_BONE = {name: limb for limb, names in PARTS.items() for name in names}
_SHORT = {"Abduction": "Abd.", "Elevation": "Elev.", "Rotation": "Rot.", "Extension": "Ext."}
_WIDEST = 15  # letters
_WORDS = {"mtp": "Toes", "pro": "Pronation", "rot": "Rotation"}


def label(dof: int) -> str:
    """A DoF's name for people, such as 'Hip Flexion'; the limb tells the side."""
    words = [word for word in DOFS[dof].name.split("_") if word not in ("r", "l", "sup", "angle")]
    return " ".join(_WORDS.get(word, word.capitalize()) for word in words)


def short_label(dof: int) -> str:
    """The same, for a slider in a sidebar as wide as Blender makes it."""
    words = label(dof).split(" ")
    return f"{words[0]} {_SHORT.get(words[-1], words[-1])}" if len(" ".join(words)) > _WIDEST else label(dof)


def channels(names: set[str]) -> np.ndarray:
    """(49,) bool: which of the 46 angles and three of `trans` belong to the limbs of these names."""
    result = np.zeros(Q + 3, dtype=bool)
    for name in names:
        result[list(LIMBS.get(name, ()))] = True
    result[Q:] = ROOT in names
    return result
