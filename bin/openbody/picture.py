# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a shipped body: python -m openbody.picture --data DIR --out DIR [--betas b1,b2,...] [--poses t,walk,...]."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from .posing import OpenBody, pose
from .render import layer, over
from .rotations import axis_rotation

DOWN = {"humerus_r": (78, 0, 0), "humerus_l": (-78, 0, 0)}
POSES = {
    "t": pose(),
    "walk": pose(femur_r=(28, 0, 0), tibia_r=12, talus_r=3, femur_l=(-18, 0, 0), tibia_l=38, talus_l=-5, toes_l=-15,
                 humerus_r=(75, 0, -15), humerus_l=(-75, 0, 20), ulna_r=20, ulna_l=25),
    "bent": pose(femur_r=(90, 0, 0), tibia_r=100, femur_l=(10, 0, 0), tibia_l=60, ulna_r=110, ulna_l=60, radius_r=0),
    "squat": pose(lumbar_body=(0, -15, 0), thorax=(0, -10, 0), femur_r=(95, -10, 0), tibia_r=110, talus_r=20, femur_l=(95, -10, 0),
                  tibia_l=110, talus_l=20, humerus_r=(20, 70, 0), humerus_l=(-20, -70, 0)),
    "down": pose(**DOWN),
    "up": pose(humerus_r=(-70, 0, 0), humerus_l=(70, 0, 0), scapula_r=(0, 0, 15), scapula_l=(0, 0, 15)),
}
SKIN = np.array([0.93, 0.78, 0.70])
VIEWS = {"front": np.eye(3), "side": axis_rotation(np.array([0, 1.0, 0]), np.pi / 2), "back": axis_rotation(np.array([0, 1.0, 0]), np.pi)}


def draw(body: OpenBody, q: np.ndarray, view: np.ndarray, size: tuple[int, int], scale: float, centre: np.ndarray,
         opacity: float) -> np.ndarray:
    """(h,w,3) uint8: bones coloured by joint under translucent skin; scale in pixels a metre, centre (3,) m in the middle."""
    skin, bones = body.posed(q)
    palette = np.array([[0.95, 0.93, 0.82], [0.55, 0.75, 0.95], [0.65, 0.9, 0.6], [0.95, 0.6, 0.6], [0.8, 0.65, 0.95], [1, 0.75, 0.4]])

    def to_pixels(v: np.ndarray) -> np.ndarray:
        p = (v - centre) @ view.T * scale
        return np.stack([size[0] / 2 + p[:, 0], size[1] / 2 - p[:, 1], p[:, 2]], 1)

    faces = body.data["skel_faces"].astype(int)
    colour = palette[body.data["skel_joint"][faces[:, 0]] % 6]
    picture = over(layer(to_pixels(bones), faces, colour, size),
                   layer(to_pixels(skin), body.tris, np.tile(SKIN, (len(body.tris), 1)), size), opacity)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def sheet(body: OpenBody, names: list[str], opacity: float) -> Image.Image:
    """Front and side of every named pose, side by side, halves averaged down for smooth edges."""
    tiles = []
    for name in names:
        for view, width in (("front", 1900 if name in ("t", "bent") else 1100), ("side", 1300)):
            tiles.append(draw(body, POSES[name], VIEWS[view], (width, 1900), 950.0, np.array([0, -0.1, 0]), opacity))
    image = Image.fromarray(np.concatenate(tiles, 1))
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sex", default="male", choices=("male", "female"))
    parser.add_argument("--betas", default="", help="comma-separated, missing ones are 0")
    parser.add_argument("--poses", default="t,walk,bent")
    parser.add_argument("--opacity", type=float, default=0.35)
    args = parser.parse_args()
    betas = np.zeros(10)
    given = [float(x) for x in args.betas.split(",") if x]
    betas[: len(given)] = given
    args.out.mkdir(parents=True, exist_ok=True)
    body = OpenBody(args.data / f"open_{args.sex}.npz", betas)
    path = args.out / f"open_{args.sex}_{args.poses.replace(',', '_')}.png"
    sheet(body, args.poses.split(","), args.opacity).save(path)
    print(path)


if __name__ == "__main__":
    main()
