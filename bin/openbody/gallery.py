# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets of the shipped bodies: python -m openbody.gallery --data DIR OUT [--only bodies,shapes,...]."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from skel_blender.anatomy import DOF_INDEX, LIMITS_ANATOMICAL

from .joints import INDEX
from .picture import POSES, VIEWS, draw
from .posing import OpenBody
from .rotations import axis_rotation

SEXES = ("male", "female")
FINE = 2
"""Tiles are drawn this many times larger and averaged down."""
TOP = axis_rotation(np.array([1.0, 0, 0]), np.pi / 2)
VIEW = VIEWS | {"other": axis_rotation(np.array([0, 1.0, 0]), -np.pi / 2), "top": TOP, "below": TOP.T}
BENDS = {  # angle: joint in the middle, view, degrees besides 0, other angles in degrees that make room
    "knee_angle_l": ("tibia_l", "other", (45, 90, 155), {"hip_flexion_l": 40}),
    "hip_flexion_l": ("femur_l", "other", (45, 90, 140), {"knee_angle_l": 60}),
    "hip_adduction_l": ("femur_l", "front", (35, -45, -60), {}),
    "hip_rotation_l": ("femur_l", "front", (-50, 50), {"hip_flexion_l": 45, "knee_angle_l": 90}),
    "elbow_flexion_l": ("ulna_l", "top", (45, 90, 150), {}),
    "pro_sup_l": ("radius_l", "front", (-90, -45, 45, 90), {}),
    "shoulder_l_x": ("humerus_l", "front", (-80, -40, 45, 80), {}),
    "shoulder_l_y": ("humerus_l", "top", (-45, -90, 30), {}),
    "shoulder_l_z": ("humerus_l", "front", (-90, 90), {}),
    "scapula_upward_rot_l": ("humerus_l", "back", (-20, 50), {"shoulder_l_x": -10}),
    "wrist_flexion_l": ("hand_l", "front", (-85, -45, 45, 85), {}),
    "ankle_angle_l": ("talus_l", "other", (-55, -25, 40), {}),
    "mtp_angle_l": ("toes_l", "other", (-70, -35, 40), {}),
    "lumbar_extension": ("lumbar_body", "other", (-65, -30, 35), {}),
    "lumbar_bending": ("lumbar_body", "front", (-35, 35), {}),
    "thorax_extension": ("lumbar_body", "other", (-45, 30), {}),
    "thorax_bending": ("lumbar_body", "front", (-35, 35), {}),
    "thorax_twist": ("lumbar_body", "front", (-45, 45), {}),
    "head_extension": ("head", "other", (-60, 60), {}),
    "head_twist": ("head", "front", (-75, 75), {}),
}
LIMBS = ("knee_angle_l", "hip_flexion_l", "elbow_flexion_l", "shoulder_l_x")


def tile(body: OpenBody, q: np.ndarray, view: str, size: tuple[int, int], scale: float, centre: np.ndarray, opacity: float,
         title: str) -> Image.Image:
    """One labelled picture of size (w,h) pixels; scale in pixels a metre, centre (3,) m."""
    big = (size[0] * FINE, size[1] * FINE)
    image = Image.fromarray(draw(body, q, VIEW[view], big, scale * FINE, centre, opacity)).resize(size, Image.Resampling.BOX)
    ImageDraw.Draw(image).text((4, 2), title, fill=(0, 0, 0))
    return image


def grid(rows: list[list[Image.Image]]) -> Image.Image:
    """Tiles in rows, on white."""
    width, height = max(sum(t.width for t in row) for row in rows), sum(row[0].height for row in rows)
    sheet = Image.new("RGB", (width, height), "white")
    y = 0
    for row in rows:
        x = 0
        for one in row:
            sheet.paste(one, (x, y))
            x += one.width
        y += row[0].height
    return sheet


def middle(body: OpenBody) -> np.ndarray:
    """(3,) centre of the body's height."""
    return np.array([0, (body.v[:, 1].min() + body.v[:, 1].max()) / 2, 0])


def bodies(data: Path) -> Image.Image:
    """Both sexes from the front, the side and behind: bones through the skin, and the skin."""
    rows = []
    for sex in SEXES:
        body = OpenBody(data / f"open_{sex}.npz", np.zeros(10))
        rows.append([tile(body, POSES["t"], view, (w, 330), 165.0, middle(body), opacity, f"{sex}, {view}")
                     for opacity in (0.35, 1.0) for view, w in (("front", 320), ("side", 150), ("back", 320))])
    return grid(rows)


def shapes(data: Path) -> Image.Image:
    """The mean and each of the first five betas at +2 and -2, arms down, bones through the skin."""
    rows = []
    for sex in SEXES:
        for sign in (2.0, -2.0):
            row = []
            for k in range(6):
                betas = np.zeros(10)
                if k:
                    betas[k - 1] = sign
                body = OpenBody(data / f"open_{sex}.npz", betas)
                title = f"{sex}, beta {k} = {sign:+.0f}" if k else f"{sex}, mean"
                row += [tile(body, POSES["down"], view, (w, 270), 127.0, middle(body), 0.4, title if view == "front" else "")
                        for view, w in (("front", 106), ("side", 74))]
            rows.append(row)
    return grid(rows)


def bends(data: Path, sex: str, names: tuple[str, ...] = tuple(BENDS)) -> Image.Image:
    """Single angles from rest to their limits: the skin, and the bones through it."""
    body = OpenBody(data / f"open_{sex}.npz", np.zeros(10))
    rows = []
    for name in names:
        joint, view, angles, others = BENDS[name]
        row = []
        for degrees in (0, *angles):
            q = np.zeros(46)
            for dof, value in (others | {name: degrees}).items():
                low, high = LIMITS_ANATOMICAL[DOF_INDEX[dof]]
                q[DOF_INDEX[dof]] = np.clip(np.radians(value), low, high)
            at = body.posed_joints(q)[INDEX[joint]]
            row += [tile(body, q, view, (160, 160), 270.0, at, opacity, f"{name} {degrees}" if opacity == 1 else "")
                    for opacity in (1.0, 0.4)]
        rows.append(row)
    return grid(rows)


def details(data: Path) -> Image.Image:
    """Hands, feet, skull and hip bones from near."""
    spots = (("hand_l", "top", (0.07, 0, 0), 900), ("hand_l", "front", (0.07, 0, 0), 900), ("talus_l", "top", (0, 0, 0.05), 800),
             ("talus_l", "side", (0, -0.03, 0.06), 800), ("head", "front", (0, 0.09, 0), 700), ("head", "side", (0, 0.09, 0.02), 700),
             ("pelvis", "front", (0, -0.02, 0), 550), ("thorax", "back", (0.09, -0.1, 0), 550))
    rows = []
    for sex in SEXES:
        for betas in (np.zeros(10), 2 * np.eye(10)[1], -2 * np.eye(10)[1]):
            body = OpenBody(data / f"open_{sex}.npz", betas)
            rows.append([tile(body, POSES["t"], view, (230, 230), scale, body.joints[INDEX[joint]] + shift, 0.4,
                              f"{sex}, beta 2 = {betas[1]:+.0f}, {view}") for joint, view, shift, scale in spots])
    return grid(rows)


def poses(data: Path) -> Image.Image:
    """Whole-body poses."""
    rows = []
    for sex in SEXES:
        body = OpenBody(data / f"open_{sex}.npz", np.zeros(10))
        rows.append([tile(body, POSES[name], view, (w, 300), 130.0, np.array([0, -0.05, 0]), opacity,
                          f"{sex}, {name}" if view == "front" else "")
                     for name in ("walk", "bent", "squat", "up") for opacity in (0.4, 1.0) for view, w in (("front", 170), ("side", 130))])
    return grid(rows)


SHEETS = {"bodies": bodies, "shapes": shapes, "limbs": lambda data: bends(data, "male", LIMBS), "poses": poses, "details": details,
          "bends_male": lambda data: bends(data, "male"), "bends_female": lambda data: bends(data, "female")}


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default=",".join(SHEETS), help="which sheets, of: " + ", ".join(SHEETS))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.only.split(","):
        path = args.out / f"open-body-{name.replace('_', '-')}.png"
        SHEETS[name](args.data).quantize(128).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
