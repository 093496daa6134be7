# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones of delivered skeletons as tables: what other programs call them, which joint moves them, what they hang on.

SKEL has joints that others lack: the forearm's two bones turn about each other and the foot has an ankle joint above its heel. Under a
foreign map the radius becomes a twist bone beside the hand, and the foot has the heel's movement but lies at the ankle, where programs
look for it; nothing is lost, since every bone keeps the weights of its joint.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..anatomy import JOINT_NAMES, PARENTS

SKEL = "skel"


@dataclass(frozen=True)
class Bone:
    """A bone that moves with `joint` and lies at `head`; `parent` is another bone's name, None for the root bone."""

    name: str
    joint: str
    parent: str | None
    head: str


# part, joint that moves it, part that it hangs on, joint at which it lies if another one. {} is the side, of joints r or l.
_PLAN = (
    ("hips", "pelvis", None, ""), ("spine", "lumbar_body", "hips", ""), ("chest", "thorax", "spine", ""), ("head", "head", "chest", ""),
    ("clavicle{}", "scapula_{}", "chest", ""), ("upper_arm{}", "humerus_{}", "clavicle{}", ""),
    ("forearm{}", "ulna_{}", "upper_arm{}", ""), ("twist{}", "radius_{}", "forearm{}", ""), ("hand{}", "hand_{}", "forearm{}", ""),
    ("thigh{}", "femur_{}", "hips", ""), ("shin{}", "tibia_{}", "thigh{}", ""), ("ankle{}", "talus_{}", "shin{}", ""),
    ("foot{}", "calcn_{}", "shin{}", "talus_{}"), ("toes{}", "toes_{}", "foot{}", ""),
)  # fmt: skip

MIXAMO = {
    "root": "root", "hips": "mixamorig:Hips", "spine": "mixamorig:Spine", "chest": "mixamorig:Spine2", "head": "mixamorig:Head",
    "clavicle": "mixamorig:{}Shoulder", "upper_arm": "mixamorig:{}Arm", "forearm": "mixamorig:{}ForeArm",
    "twist": "mixamorig:{}ForeArmTwist", "hand": "mixamorig:{}Hand", "thigh": "mixamorig:{}UpLeg", "shin": "mixamorig:{}Leg",
    "ankle": "mixamorig:{}Ankle", "foot": "mixamorig:{}Foot", "toes": "mixamorig:{}ToeBase", "sides": ("Right", "Left"),
}  # fmt: skip
UE5 = {
    "root": "root", "hips": "pelvis", "spine": "spine_01", "chest": "spine_05", "head": "head", "clavicle": "clavicle_{}",
    "upper_arm": "upperarm_{}", "forearm": "lowerarm_{}", "twist": "lowerarm_twist_01_{}", "hand": "hand_{}", "thigh": "thigh_{}",
    "shin": "calf_{}", "ankle": "ankle_{}", "foot": "foot_{}", "toes": "ball_{}", "sides": ("r", "l"),
}  # fmt: skip
HUMANOID = {  # Unity's human body bones, which are also those of Godot's humanoid profile
    "root": "Root", "hips": "Hips", "spine": "Spine", "chest": "Chest", "head": "Head", "clavicle": "{}Shoulder",
    "upper_arm": "{}UpperArm", "forearm": "{}LowerArm", "twist": "{}LowerArmTwist", "hand": "{}Hand", "thigh": "{}UpperLeg",
    "shin": "{}LowerLeg", "ankle": "{}Ankle", "foot": "{}Foot", "toes": "{}Toes", "sides": ("Right", "Left"),
}  # fmt: skip
RIGIFY = {
    "root": "root", "hips": "spine", "spine": "spine.001", "chest": "spine.003", "head": "spine.006", "clavicle": "shoulder.{}",
    "upper_arm": "upper_arm.{}", "forearm": "forearm.{}", "twist": "forearm_twist.{}", "hand": "hand.{}", "thigh": "thigh.{}",
    "shin": "shin.{}", "ankle": "ankle.{}", "foot": "foot.{}", "toes": "toe.{}", "sides": ("R", "L"),
}  # fmt: skip
MAPS = {"mixamo": MIXAMO, "ue5": UE5, "humanoid": HUMANOID, "rigify": RIGIFY}

TITLES = {SKEL: "SKEL", "mixamo": "Mixamo", "ue5": "UE5 Manny", "humanoid": "Unity and Godot Humanoid", "rigify": "Rigify"}
"""Every map with its title for people."""


def root(table: str) -> str:
    """What a map calls the root bone."""
    return "root" if table == SKEL else MAPS[table]["root"]


def bones(table: str) -> tuple[Bone, ...]:
    """The bones of a map under the root, parents first."""
    if table == SKEL:
        parents = [JOINT_NAMES[parent] if parent >= 0 else None for parent in PARENTS]
        return tuple(Bone(name, name, parent, name) for name, parent in zip(JOINT_NAMES, parents))
    words = MAPS[table]

    def called(part: str | None, side: str) -> str | None:
        return part and words[part.removesuffix("{}")].format(side)

    result = []
    for part, joint, parent, head in _PLAN:
        sides = zip("rl", words["sides"]) if "{}" in joint else [("", "")]
        for letter, side in sides:
            own = joint.format(letter)
            result.append(Bone(called(part, side), own, called(parent, side), head.format(letter) if head else own))
    return tuple(result)
