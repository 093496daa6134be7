# SPDX-License-Identifier: GPL-3.0-or-later
"""The one source of truth about SKEL's anatomy: 24 joints, 46 DoFs, limits, mirror partners and bone axes.

Joint axes are given in the joint's own frame of OpenSim's convention (x forward, y up along a hanging limb, z to the right),
flips folded in. Source: the SKEL body model (Keller et al., SIGGRAPH Asia 2023) as used by HSMR (Xia et al., CVPR 2025); the
oblique axes are the pin joints of the Rajagopal 2016 model. The first DoF of a joint acts first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

J, Q = 24, 46

JOINT_NAMES = (
    "pelvis", "femur_r", "tibia_r", "talus_r", "calcn_r", "toes_r",
    "femur_l", "tibia_l", "talus_l", "calcn_l", "toes_l",
    "lumbar_body", "thorax", "head",
    "scapula_r", "humerus_r", "ulna_r", "radius_r", "hand_r",
    "scapula_l", "humerus_l", "ulna_l", "radius_l", "hand_l",
)  # fmt: skip
PARENTS = (-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 12, 14, 15, 16, 17, 12, 19, 20, 21, 22)
JOINT_INDEX = {name: index for index, name in enumerate(JOINT_NAMES)}


@dataclass(frozen=True)
class Dof:
    """One pose parameter: a rotation about `axis` (joint frame) of joint `joint`, and where the rig keys it.

    In Blender it is rotation_euler[`channel`] of the bone named `bone`, times `sign`. `limits` are the anatomical ones, rad, infinite
    where free. `mirror` is the index of the DoF that takes this one's value, times `mirror_sign`, when a pose is mirrored left to right.
    """

    index: int
    name: str
    joint: int
    axis: tuple[float, float, float]
    bone: str
    channel: int
    sign: int
    limits: tuple[float, float]
    mirror: int
    mirror_sign: int


_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_NX, _NY, _NZ = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)


def _pin(about_x: float, about_y: float) -> tuple[float, float, float]:
    """The axis of an OpenSim pin joint: z after turns about x, then y, by its frame's Euler angles."""
    return (math.sin(about_y), -math.sin(about_x) * math.cos(about_y), math.cos(about_x) * math.cos(about_y))


_TALUS = _pin(0.175895, -0.105208)  # the released model uses the right ankle's axis on both sides
_CALCN_R, _CALCN_L = _pin(-1.76818999, 0.906223), _pin(1.768189999, -0.906223)
_TOES_R, _TOES_L = _pin(-3.141589999, 0.6199010), _pin(-3.141589999, -0.6199010)
_ELBOW_R, _ELBOW_L = (0.0494, 0.0366, 0.99810825), (-0.0494, -0.0366, 0.99810825)
_PRO_R, _PRO_L = (-0.01716099, 0.99266564, -0.11966796), (0.01716099, -0.99266564, -0.11966796)

# name, joint, axis, the rig's channel with its sign, name of the mirror partner, sign under mirroring
_DOF_TABLE = (
    ("pelvis_tilt", 0, _Z, "+X", "pelvis_tilt", 1),
    ("pelvis_list", 0, _X, "-Z", "pelvis_list", -1),
    ("pelvis_rotation", 0, _Y, "+Y", "pelvis_rotation", -1),
    ("hip_flexion_r", 1, _Z, "+X", "hip_flexion_l", 1),
    ("hip_adduction_r", 1, _X, "+Z", "hip_adduction_l", 1),
    ("hip_rotation_r", 1, _Y, "-Y", "hip_rotation_l", 1),
    ("knee_angle_r", 2, _NZ, "+X", "knee_angle_l", 1),
    ("ankle_angle_r", 3, _TALUS, "+X", "ankle_angle_l", 1),
    ("subtalar_angle_r", 4, _CALCN_R, "+X", "subtalar_angle_l", 1),
    ("mtp_angle_r", 5, _TOES_R, "+X", "mtp_angle_l", 1),
    ("hip_flexion_l", 6, _Z, "+X", "hip_flexion_r", 1),
    ("hip_adduction_l", 6, _NX, "-Z", "hip_adduction_r", 1),
    ("hip_rotation_l", 6, _NY, "+Y", "hip_rotation_r", 1),
    ("knee_angle_l", 7, _NZ, "+X", "knee_angle_r", 1),
    ("ankle_angle_l", 8, _TALUS, "+X", "ankle_angle_r", 1),
    ("subtalar_angle_l", 9, _CALCN_L, "+X", "subtalar_angle_r", 1),
    ("mtp_angle_l", 10, _TOES_L, "+X", "mtp_angle_r", 1),
    ("lumbar_bending", 11, _X, "-Z", "lumbar_bending", -1),
    ("lumbar_extension", 11, _Z, "+X", "lumbar_extension", 1),
    ("lumbar_twist", 11, _Y, "+Y", "lumbar_twist", -1),
    ("thorax_bending", 12, _X, "-Z", "thorax_bending", -1),
    ("thorax_extension", 12, _Z, "+X", "thorax_extension", 1),
    ("thorax_twist", 12, _Y, "+Y", "thorax_twist", -1),
    ("head_bending", 13, _X, "-Z", "head_bending", -1),
    ("head_extension", 13, _Z, "+X", "head_extension", 1),
    ("head_twist", 13, _Y, "+Y", "head_twist", -1),
    ("scapula_abduction_r", 14, _Y, "-Z", "scapula_abduction_l", -1),
    ("scapula_elevation_r", 14, _NZ, "-Y", "scapula_elevation_l", -1),
    ("scapula_upward_rot_r", 14, _NX, "-X", "scapula_upward_rot_l", 1),
    ("shoulder_r_x", 15, _X, "+Z", "shoulder_l_x", -1),
    ("shoulder_r_y", 15, _Y, "-Y", "shoulder_l_y", -1),
    ("shoulder_r_z", 15, _Z, "+X", "shoulder_l_z", 1),
    ("elbow_flexion_r", 16, _ELBOW_R, "+X", "elbow_flexion_l", 1),
    ("pro_sup_r", 17, _PRO_R, "-Y", "pro_sup_l", 1),
    ("wrist_flexion_r", 18, _X, "+X", "wrist_flexion_l", 1),
    ("wrist_deviation_r", 18, _NZ, "+Z", "wrist_deviation_l", 1),
    ("scapula_abduction_l", 19, _Y, "-Z", "scapula_abduction_r", -1),
    ("scapula_elevation_l", 19, _Z, "-Y", "scapula_elevation_r", -1),
    ("scapula_upward_rot_l", 19, _X, "-X", "scapula_upward_rot_r", 1),
    ("shoulder_l_x", 20, _X, "+Z", "shoulder_r_x", -1),
    ("shoulder_l_y", 20, _Y, "-Y", "shoulder_r_y", -1),
    ("shoulder_l_z", 20, _Z, "+X", "shoulder_r_z", 1),
    ("elbow_flexion_l", 21, _ELBOW_L, "+X", "elbow_flexion_r", 1),
    ("pro_sup_l", 22, _PRO_L, "+Y", "pro_sup_r", 1),
    ("wrist_flexion_l", 23, _NX, "+X", "wrist_flexion_r", 1),
    ("wrist_deviation_l", 23, _NZ, "-Z", "wrist_deviation_r", 1),
)
_DOF_NAMES = [row[0] for row in _DOF_TABLE]
_MIRRORS = [(_DOF_NAMES.index(partner), sign) for *_, partner, sign in _DOF_TABLE]
_D = math.radians
FREE = (-math.inf, math.inf)


def mirror_limits(table: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """The limits (46 pairs, radians) of the left-right mirrored person."""
    partners = [(table[mirror], sign) for mirror, sign in _MIRRORS]
    return tuple((low, up) if sign > 0 else (-up, -low) for (low, up), sign in partners)


def _both(right: dict[str, tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """All 46 limits from those of the right side and the trunk; the left side is their mirror image."""
    table = tuple(right.get(name, FREE) for name in _DOF_NAMES)
    return tuple(own if own != FREE else other for own, other in zip(table, mirror_limits(table)))


# Symmetric anatomical ranges (radians), for all bodies and the rig's default: the norms in limit_sources.NORMS, widened to what athletes
# and dancers reach. `shoulder_*_y` goes beyond a right angle so that an arm can rise in front of the body to overhead without leaving
# its Euler branch.
LIMITS_ANATOMICAL = _both({
    "hip_flexion_r": (_D(-40), _D(140)), "hip_adduction_r": (_D(-60), _D(35)), "hip_rotation_r": (_D(-50), _D(50)),
    "knee_angle_r": (_D(0), _D(155)), "ankle_angle_r": (_D(-55), _D(40)), "subtalar_angle_r": (_D(-25), _D(35)),
    "mtp_angle_r": (_D(-70), _D(40)),
    "lumbar_bending": (_D(-35), _D(35)), "lumbar_extension": (_D(-65), _D(35)), "lumbar_twist": (_D(-30), _D(30)),
    "thorax_bending": (_D(-35), _D(35)), "thorax_extension": (_D(-45), _D(30)), "thorax_twist": (_D(-45), _D(45)),
    "head_bending": (_D(-45), _D(45)), "head_extension": (_D(-60), _D(60)), "head_twist": (_D(-75), _D(75)),
    "scapula_abduction_r": (-0.628, 0.628), "scapula_elevation_r": (-0.45, 0.25), "scapula_upward_rot_r": (-0.35, 0.9),
    "shoulder_r_x": (_D(-110), _D(160)), "shoulder_r_y": (_D(-170), _D(100)), "shoulder_r_z": (_D(-110), _D(140)),
    "elbow_flexion_r": (_D(0), _D(150)), "pro_sup_r": (_D(-90), _D(90)),
    "wrist_flexion_r": (_D(-85), _D(85)), "wrist_deviation_r": (_D(-30), _D(45)),
})  # fmt: skip

DOFS = tuple(
    Dof(index, name, joint, axis, JOINT_NAMES[joint], "XYZ".index(channel[1]), 1 if channel[0] == "+" else -1,
        LIMITS_ANATOMICAL[index], *_MIRRORS[index])
    for index, (name, joint, axis, channel, _, _) in enumerate(_DOF_TABLE)
)  # fmt: skip
DOF_INDEX = {dof.name: dof.index for dof in DOFS}
DOFS_OF_JOINT = tuple(tuple(dof for dof in DOFS if dof.joint == joint) for joint in range(J))

# Bone axes: local X is the main bending axis, Y runs along the bone toward its child; both in the joint frame, Z completes them.
# Left is the mirror image of right (Blender's X-mirror: X keeps its angle, Y and Z change sign). A joint with one DoF is not
# listed: its axis is local X and Y is the direction to the child made perpendicular to it; where the axis runs along the bone, as the
# forearm's does, it is local Y.
_TRUNK = (_Z, _Y)
BONE_AXES = {
    0: _TRUNK, 11: _TRUNK, 12: _TRUNK, 13: _TRUNK,
    1: (_Z, _NY), 6: (_Z, _NY),
    14: (_X, _Z), 19: (_NX, _NZ),
    15: (_Z, _NY), 20: (_Z, _NY),
    18: (_X, _NY), 23: (_NX, _NY),
}  # fmt: skip

# The joints whose rotations bend the skin's shape, by SMPL's joints 1 to 23, which take part in the model's pose blend shapes with nine
# numbers each: the rotation less the identity, row by row. -1: SMPL's 9, 12, 22 and 23 have no joint and no part.
SMPL_FEATURE_JOINTS = (6, 1, 11, 7, 2, 12, 9, 4, -1, 10, 5, -1, 19, 14, 13, 20, 15, 21, 16, 23, 18, -1, -1)
FEATURE_JOINTS = tuple(joint for joint in SMPL_FEATURE_JOINTS if joint >= 0)
FEATURES = 9 * len(FEATURE_JOINTS)

# Translations that SKEL couples to angles (kinematics.py evaluates them): arcs of constant curvature, joint -> (bottom, top),
# their vertical distance is the arc's length; and the ellipsoid that a shoulder blade slides on, joint -> side sign.
ARCS = {11: (0, 11), 12: (11, 12), 13: (12, 13)}
ELLIPSOIDS = {14: -1, 19: 1}

# The table that HSMR and SKELify use (HSMR repository, MIT), its oddities kept: unlike sides in pronation and in the upward
# rotation of the shoulder blade, and one sign of elevation on both sides although mirroring flips it (limit_sources.LIMIT_FAULTS).
LIMITS_HSMR = tuple(
    [FREE] * 3
    + 2 * [
        (_D(-45), _D(135)), (_D(-45), _D(30)), (_D(-45), _D(45)), (0.0, _D(135)),
        (_D(-45), _D(45)), (_D(-45), _D(45)), (_D(-45), _D(45)),
    ]
    + [(_D(-30), _D(30))] + 8 * [(_D(-45), _D(45))]
    + [(-0.628, 0.628), (-0.4, -0.1), (-0.190, 0.319), (_D(-90), _D(90) + 1.5), (_D(-90), _D(90)), (_D(-90), _D(90))]
    + [(0.0, _D(135)), (_D(-67.5), _D(67.5)), (_D(-90), _D(90)), (_D(-45), _D(45))]
    + [(-0.628, 0.628), (-0.4, -0.1), (-0.210, 0.219), (_D(-90) - 1.5, _D(90)), (_D(-90), _D(90)), (_D(-90), _D(90))]
    + [(0.0, _D(135)), (_D(-90), _D(90)), (_D(-90), _D(90)), (_D(-45), _D(45))]
)  # fmt: skip

# The table in the SKEL repository: HSMR's, but for hips and shoulders, where only the right shoulder's y has a limit, and for the left
# blade's elevation, whose pair is written upper limit first.
LIMITS_SKEL = tuple(
    (-0.1, -0.4) if dof.name == "scapula_elevation_l"
    else FREE if dof.name.startswith(("hip_", "shoulder_")) and dof.name != "shoulder_r_y"
    else LIMITS_HSMR[dof.index]
    for dof in DOFS
)  # fmt: skip

# As published. A pair may be inverted (low above up): take `limits`, which puts it in order, or sort it yourself; a clamp to the raw
# pair would set the angle to one of its ends whatever it was.
LIMIT_TABLES = {"anatomical": LIMITS_ANATOMICAL, "hsmr": LIMITS_HSMR, "skel": LIMITS_SKEL}
LIMIT_TOLERANCE = math.radians(0.05)  # rounding of a key that lies on its limit is no violation


def limits(table: str) -> tuple[tuple[float, float], ...]:
    """The 46 limits (radians, infinite where free) of a table of LIMIT_TABLES, each low <= up: an inverted pair is turned round."""
    return tuple((min(pair), max(pair)) for pair in LIMIT_TABLES[table])
