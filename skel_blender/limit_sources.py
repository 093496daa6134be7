# SPDX-License-Identifier: GPL-3.0-or-later
"""Where joint limits come from, as data: what the literature states of each angle, and what is wrong with the published tables.

The limits themselves are in anatomy.py. Ranges are degrees in the sense of SKEL's angles, of the right side and the trunk.
"""

from __future__ import annotations

SOURCES = {
    "AAOS": "Greene and Heckman (eds.), The Clinical Measurement of Joint Motion, American Academy of Orthopaedic Surgeons, 1994; "
            "tabulated in Norkin and White, Measurement of Joint Motion: A Guide to Goniometry",
    "Kapandji": "Kapandji, The Physiology of the Joints, volume 3: The Vertebral Column",
    "Rajagopal": "coordinate ranges of Rajagopal2015.osim: Rajagopal et al., Full-Body Musculoskeletal Model for Muscle-Driven "
                 "Simulation of Human Gait, IEEE Transactions on Biomedical Engineering 63(10), 2016",
    "HSMR": "pose limits of HSMR (Xia et al., CVPR 2025), whose shoulder blade is that of Seth et al., A Biomechanical Model of the "
            "Scapulothoracic Joint, PLoS ONE 11(1), 2016; the reverse of the left side's where mirroring asks for it",
    "none": "Euler angles from the T pose, which no norm is stated in: chosen so that an arm reaches overhead in front of the body "
            "without leaving its branch",
}  # fmt: skip

# Angle -> (low, up, source). The anatomical table contains each: it is widened to what athletes and dancers reach, and, in the trunk,
# as SKEL's lumbar and thoracic joints share what the whole spine does.
NORMS: dict[str, tuple[float, float, str]] = {
    "hip_flexion_r": (-30, 120, "AAOS"),  # extension, flexion
    "hip_adduction_r": (-45, 30, "AAOS"),  # abduction, adduction
    "hip_rotation_r": (-45, 45, "AAOS"),
    "knee_angle_r": (0, 135, "AAOS"),
    "ankle_angle_r": (-50, 20, "AAOS"),  # plantar flexion, dorsiflexion
    "subtalar_angle_r": (-20, 20, "Rajagopal"),
    "mtp_angle_r": (-30, 30, "Rajagopal"),
    "lumbar_bending": (-35, 35, "AAOS"),  # of the thoracic and lumbar spine together
    "lumbar_extension": (-60, 35, "Kapandji"),  # flexion, extension of the lumbar spine
    "lumbar_twist": (-5, 5, "Kapandji"),
    "thorax_bending": (-20, 20, "Kapandji"),
    "thorax_extension": (-45, 25, "Kapandji"),  # of the thoracic and lumbar spine, less the lumbar part
    "thorax_twist": (-35, 35, "Kapandji"),
    "head_bending": (-45, 45, "AAOS"),
    "head_extension": (-45, 45, "AAOS"),
    "head_twist": (-60, 60, "AAOS"),
    "scapula_abduction_r": (-35.98, 35.98, "HSMR"),
    "scapula_elevation_r": (-22.92, -5.73, "HSMR"),
    "scapula_upward_rot_r": (-10.89, 18.28, "HSMR"),
    "shoulder_r_x": (0, 0, "none"),
    "shoulder_r_y": (0, 0, "none"),
    "shoulder_r_z": (0, 0, "none"),
    "elbow_flexion_r": (0, 150, "AAOS"),
    "pro_sup_r": (-80, 80, "AAOS"),
    "wrist_flexion_r": (-80, 80, "AAOS"),  # flexion is 80, extension 70: the wider for both
    "wrist_deviation_r": (-25, 35, "Rajagopal"),
}

_UNLIKE = "the right side's range is not the mirror image of the left side's"
_ONE_SIGN = "both sides have one sign, although mirroring flips it, and zero, the T pose, lies outside"
_ROTATED = {f"pro_sup_{side}": _UNLIKE for side in "rl"} | {f"scapula_upward_rot_{side}": _UNLIKE for side in "rl"}
_MISSING = "there is no limit"

# Table -> angle -> what is wrong with it. The tables stay as they were published.
LIMIT_FAULTS: dict[str, dict[str, str]] = {
    "anatomical": {},
    "hsmr": _ROTATED | {f"scapula_elevation_{side}": _ONE_SIGN for side in "rl"},
    "skel": _ROTATED
    | {f"hip_{motion}_{side}": _MISSING for motion in ("flexion", "adduction", "rotation") for side in "rl"}
    | {f"shoulder_{side}_{axis}": _MISSING for side in "rl" for axis in "xyz" if (side, axis) != ("r", "y")}
    | {
        "shoulder_r_y": "only this of the six shoulder angles has a limit",
        "scapula_elevation_r": "zero, the T pose, lies outside",
        "scapula_elevation_l": "the pair is written upper limit first, and zero, the T pose, lies outside",
    },
}
