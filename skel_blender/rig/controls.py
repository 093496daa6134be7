# SPDX-License-Identifier: GPL-3.0-or-later
"""The bones of the IK controls, derived from a rest body without bpy.

Each hand and foot has a control, a target that hangs on it, and a chain of bones that are solved: the joints of the limb again, a joint
of several DoFs as one bone per DoF, so that every bone turns about one axis and Blender's solver can hold every DoF's own limits.
The limb's bones copy the chain's when IK is on. Head and chest have a control for where they turn, and one bone that holds its limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import DOFS_OF_JOINT, JOINT_INDEX, JOINT_NAMES, PARENTS
from ..take import RestBody
from . import layout


@dataclass(frozen=True)
class Limb:
    """A limb that a control can lead; `joints` from the trunk outward. The last bone of those in TURNING only turns with it."""

    title: str
    control: str  # bone that the animator moves; its location and rotation_quaternion are keyed
    joints: tuple[int, ...]
    pivot: int  # joint at which the control sits

    @property
    def switch(self) -> str:
        """Custom property of the armature object: 0 the limb follows its own channels, 1 its control."""
        return f"{self.control}_on"

    @property
    def target(self) -> str:
        """Bone that hangs on the control and is where the limb's last bone shall be."""
        return self.control.replace("_ik", "_target")

    @property
    def base(self) -> str:
        """Bone at the limb's root that hangs on the trunk, from which the way to the control is measured."""
        return self.control.replace("_ik", "_base")

    @property
    def tip(self) -> int:
        """The joint whose bone follows the control."""
        return self.joints[-1]


def _limb(title: str, control: str, pivot: str, *names: str) -> Limb:
    return Limb(title, control, tuple(JOINT_INDEX[name] for name in names), JOINT_INDEX[pivot])


LIMBS = (
    _limb("Right Hand", "hand_ik_r", "hand_r", "humerus_r", "ulna_r", "radius_r", "hand_r"),
    _limb("Left Hand", "hand_ik_l", "hand_l", "humerus_l", "ulna_l", "radius_l", "hand_l"),
    _limb("Right Foot", "foot_ik_r", "talus_r", "femur_r", "tibia_r", "talus_r", "calcn_r"),
    _limb("Left Foot", "foot_ik_l", "talus_l", "femur_l", "tibia_l", "talus_l", "calcn_l"),
    _limb("Head", "head_ik", "head", "head"),
    _limb("Chest", "chest_ik", "thorax", "thorax"),
)
REACHING, TURNING = LIMBS[:4], LIMBS[4:]
COLLECTION = "Controls"  # of bones, out of sight until a limb is handed to its control
_LENGTHS = {"hand": 0.12, "foot": 0.2, "head": 0.25, "chest": 0.25}
_SOLVED_LENGTH = 0.03


@dataclass(frozen=True)
class Segment:
    """One bone of a solved chain: it turns about one local axis, as one channel of the limb's own bone does."""

    name: str
    dof: int


def segments(limb: Limb) -> tuple[tuple[Segment, ...], ...]:
    """Per joint of the limb its solved bones, outermost first: the DoF that acts last is the parent of the others."""
    result = []
    for joint in limb.joints:
        dofs = DOFS_OF_JOINT[joint][::-1]
        stem, side = JOINT_NAMES[joint].rsplit("_", 1)
        names = [f"ik_{stem}_{side}" if len(dofs) == 1 else f"ik_{stem}_{k + 1}_{side}" for k in range(len(dofs))]
        result.append(tuple(Segment(name, dof.index) for name, dof in zip(names, dofs)))
    return tuple(result)


def solved_name(limb: Limb, joint: int) -> str:
    """The solved bone that a joint's own bone copies."""
    return f"ik_{JOINT_NAMES[joint]}" if limb in TURNING else segments(limb)[limb.joints.index(joint)][-1].name


def shift_name(limb: Limb) -> str:
    """The bone that carries the translation which the angles cause that a limb of TURNING has by its control."""
    return f"ik_{JOINT_NAMES[limb.tip]}_shift"


def names() -> dict[str, tuple[str, ...]]:
    """COLLECTION and 'Solved': the bones of this module."""
    solved = [segment.name for limb in REACHING for joint in segments(limb) for segment in joint]
    solved += [name for limb in TURNING for name in (solved_name(limb, limb.tip), shift_name(limb))]
    solved += [*(limb.target for limb in LIMBS), *(limb.base for limb in REACHING)]
    return {COLLECTION: tuple(limb.control for limb in LIMBS), "Solved": tuple(solved)}


def rest_bones(body: RestBody, own: dict[str, layout.RestBone]) -> list[layout.RestBone]:
    """Controls, targets and solved chains, parents first; `own` are the rig's bones by name."""
    result = []
    heads = layout.rest_points(body.joints, body)
    for limb in LIMBS:
        tip = own[JOINT_NAMES[limb.tip]]
        length = _LENGTHS[limb.control.split("_")[0]]
        result.append(layout.RestBone(limb.control, None, heads[limb.pivot], np.eye(3), length, None))
        end = tip.head if limb in TURNING else tip.head + tip.length * tip.basis[:, 1]
        result.append(layout.RestBone(limb.target, limb.control, end, tip.basis, _SOLVED_LENGTH, None))
        if limb in TURNING:  # beside the driven bone that shifts head or chest, which follows it
            parent = JOINT_NAMES[PARENTS[limb.tip]]
            result.append(layout.RestBone(solved_name(limb, limb.tip), parent, tip.head, tip.basis, _SOLVED_LENGTH, None))
            result.append(layout.RestBone(shift_name(limb), parent, tip.head, np.eye(3), _SOLVED_LENGTH, None))
            continue
        parent = JOINT_NAMES[PARENTS[limb.joints[0]]]
        result.append(layout.RestBone(limb.base, parent, heads[limb.joints[0]], np.eye(3), _SOLVED_LENGTH, None))
        for joint, bones in zip(limb.joints, segments(limb)):
            like = own[JOINT_NAMES[joint]]
            for number, segment in enumerate(bones, 1):
                size = like.length if number == len(bones) else _SOLVED_LENGTH
                result.append(layout.RestBone(segment.name, parent, like.head, like.basis, size, None))
                parent = segment.name
    return result
