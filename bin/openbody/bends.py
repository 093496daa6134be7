# SPDX-License-Identifier: GPL-3.0-or-later
"""How the skin bends: python -m openbody.bends --data DIR. For single angles: the volume that the body gains or loses, as a share of what
lies within REACH of the joint; the smallest distance from the joint's centre to the skin beside that at rest; bones of the two
segments outside the skin."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from skel_blender.anatomy import DOF_INDEX, PARENTS

from .inside import depth, winding
from .joints import INDEX
from .posing import OpenBody

REACH = 0.15
BENDS = {"knee_angle_l": ("tibia_l", (45, 90, 120, 155)), "elbow_flexion_l": ("ulna_l", (45, 90, 120, 150)),
         "hip_flexion_l": ("femur_l", (45, 90, 120, 140)), "hip_adduction_l": ("femur_l", (35, -45, -60)),
         "shoulder_l_x": ("humerus_l", (-80, -45, 45, 80)), "shoulder_l_y": ("humerus_l", (-90, -45, 90)),
         "shoulder_l_z": ("humerus_l", (-90, -45, 45, 90)), "pro_sup_l": ("radius_l", (-90, -45, 45, 90)),
         "wrist_flexion_l": ("hand_l", (-85, 85)), "ankle_angle_l": ("talus_l", (-55, 40))}


def volume(v: np.ndarray, tris: np.ndarray) -> float:
    """m^3 of a closed mesh."""
    a, b, c = (v[tris[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def nearby(body: OpenBody, centre: np.ndarray) -> float:
    """m^3 of the body at rest within REACH of a point."""
    step = REACH / 15
    side = np.arange(-REACH, REACH + step / 2, step)
    points = np.stack(np.meshgrid(side, side, side), -1).reshape(-1, 3)
    points = points[np.linalg.norm(points, axis=1) <= REACH] + centre
    return float((winding(points, body.v, body.tris) > 0.5).sum() * step**3)


def bend(body: OpenBody, dof: str, joint: int, angles: tuple[int, ...]) -> list[str]:
    """One cell of text an angle."""
    centre = body.joints[joint]
    whole, near, closest = volume(body.v, body.tris), nearby(body, centre), np.linalg.norm(body.v - centre, axis=1).min()
    bones = np.isin(body.data["skel_joint"], (joint, PARENTS[joint]))
    bones &= np.linalg.norm(body.skel - centre, axis=1) < 2 * REACH
    cells = []
    for degrees in angles:
        q = np.zeros(46)
        q[DOF_INDEX[dof]] = np.radians(degrees)
        skin, skel = body.posed(q)
        out = winding(skel[bones], skin, body.tris) < 0.5
        deepest = 1000 * depth(skel[bones][out], skin, body.tris).max(initial=0.0)
        left = np.linalg.norm(skin - body.posed_joints(q)[joint], axis=1).min() / closest
        change = (volume(skin, body.tris) - whole) / near
        cells.append(f"{degrees:5d}: {100 * change:+5.1f} % {left:5.2f} {100 * out.mean():4.1f} % {deepest:3.0f} mm")
    return cells


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    print(f"degrees: change of volume (share of what lies within {100 * REACH:.0f} cm), skin's distance from the joint (1 = at rest), "
          "bones outside: share, deepest")
    for sex in ("male", "female"):
        body = OpenBody(args.data / f"open_{sex}.npz", np.zeros(10))
        for dof, (joint, angles) in BENDS.items():
            print(f"{sex:6s} {dof:16s} " + "  |".join(bend(body, dof, INDEX[joint], angles)))


if __name__ == "__main__":
    main()
