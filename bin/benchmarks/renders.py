# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the open body whose landmarks are known, to see how a landmarker errs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from bin.benchmarks.posing import posed
from bin.openbody.render import layer
from skel_blender.anatomy import JOINT_INDEX, JOINT_NAMES
from skel_blender.engine.body import BodyModel
from skel_blender.engine.people.crops import Roi, between
from skel_blender.engine.people.landmarker import Networks, Pose
from skel_blender.engine.people.mirror import averaged
from skel_blender.engine.people.poses import scale
from skel_blender.kinematics import axis_rotation

SIDE = 480  # px
_FOV, _PITCH = (25.0, 60.0), (-5.0, 25.0)  # degrees, degrees down
_FILLS = 0.4  # the person's farthest point is this part of the side from the middle, or less
_SHAPES = 0.8  # standard deviation of the betas


@dataclass(frozen=True)
class Picture:
    """An RGB image (S,S,3) uint8, and the landmarks in it: pixels (33,2) and camera axes (33,3) m. Who is seen, from where: betas
    (10,), focal px; a model point X is at R X + t in camera axes."""

    image: np.ndarray
    pixels: np.ndarray
    points: np.ndarray
    betas: np.ndarray
    focal: float
    R: np.ndarray
    t: np.ndarray


def picture(body: BodyModel, pose: np.ndarray, rng: np.random.Generator, turn: float | None = None, R: np.ndarray | None = None,
            side: int = SIDE) -> Picture:  # fmt: skip
    """A random person in a pose (46,) rad, in random clothes, from anywhere around, or turned by `turn` rad about the vertical, or as R
    (3,3) turns the model's axes to the camera's, `side` px wide and high."""
    betas = np.clip(_SHAPES * rng.normal(size=body.J_shapedirs.shape[-1]), -2, 2)
    like = body.J_template
    still = torch.zeros(1, 3).to(like)
    verts = body.forward(*(torch.as_tensor(part).to(like)[None] for part in (pose, betas)), still, skel=False).skin_verts[0].numpy()
    markers = posed(body, pose[None], betas, np.zeros((1, 3)))[0][0]
    focal = side / (2 * np.tan(np.radians(rng.uniform(*_FOV)) / 2))
    tilt, anywhere = np.radians(rng.uniform(*_PITCH)), rng.uniform(0, 2 * np.pi)
    turn = anywhere if turn is None else turn
    R = around(turn, tilt) if R is None else R
    middle = 0.5 * (verts.min(0) + verts.max(0))
    aside = (verts - middle) @ R.T
    distance = (np.abs(aside[:, :2]) * focal / (_FILLS * side) - aside[:, 2:]).max() * rng.uniform(1.0, 1.3)
    seen, points = (((values - middle) @ R.T) + [0, 0, distance] for values in (verts, markers))
    t = np.array([0.0, 0.0, distance]) - R @ middle
    return Picture(_drawn(body, seen, focal, side, rng), _pixels(points, focal, side), points, betas, float(focal), R, t)


def around(turn: float, tilt: float) -> np.ndarray:
    """(3,3) from the model's axes to those of a camera that went `turn` rad about the vertical and looks `tilt` rad down."""
    x, y, _ = np.eye(3)
    return axis_rotation(x, np.array(tilt)) @ (np.diag([1.0, -1, -1]) @ axis_rotation(y, np.array(turn)))


def window(pixels: np.ndarray) -> Roi:
    """Where the landmark network would look first for the person whose landmarks are at pixels (33,2): finding people is another matter."""
    middle, reach = 0.5 * (pixels.min(0) + pixels.max(0)), 0.62 * np.ptp(pixels, axis=0).max()
    upward = pixels[[11, 12]].mean(0) - pixels[[23, 24]].mean(0)
    return between(middle, middle + upward / max(np.linalg.norm(upward), 1.0) * reach, 1.25)


def look(networks: Networks, image: np.ndarray, pixels: np.ndarray) -> Pose:
    """What a track would have of the person in an image whose landmarks are at pixels (33,2)."""
    pose = networks.landmarks(image, networks.landmarks(image, window(pixels)).next_roi)
    mirrored = networks.landmarks(image, pose.next_roi, True)
    [keypoints], [landmarks] = averaged(pose.keypoints_2d[None], pose.landmarks_3d[None], [mirrored], scale(pose)[0])
    return replace(pose, keypoints_2d=keypoints, landmarks_3d=landmarks)


def _pixels(points: np.ndarray, focal: float, side: int) -> np.ndarray:
    return points[:, :2] / points[:, 2:] * focal + side / 2


def _drawn(body: BodyModel, seen: np.ndarray, focal: float, side: int, rng: np.random.Generator) -> np.ndarray:
    """The skin (V,3) in camera axes over a blurred background, with a camera's blur and noise."""
    towards = -(seen[:, 2] - seen[:, 2].mean()) * focal / seen[:, 2].mean()
    triangles = body.triangles
    colours = clothes(body, rng)[triangles].mean(1)
    image, depth = layer(np.column_stack([_pixels(seen, focal, side), towards]), triangles, colours, (side, side))
    behind = cv2.resize(rng.uniform(0.2, 0.9, (6, 6, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
    image = cv2.GaussianBlur(np.clip(np.where(np.isfinite(depth)[..., None], image, behind), 0, 1), (0, 0), 0.7)
    return (np.clip(image + rng.normal(0, 0.01, image.shape), 0, 1) * 255).astype(np.uint8)


def clothes(body: BodyModel, rng: np.random.Generator) -> np.ndarray:
    """(V,3) 0..1: trousers or shorts, perhaps a shirt, hair, eyes and lips."""
    rest, markers = body.skin.template.numpy(), body.markers.at_rest(torch.zeros_like(body.J_shapedirs[:1, 0]))[0].numpy()
    part = np.array([name.removesuffix("_l").removesuffix("_r") for name in JOINT_NAMES])[body.skin.weights.numpy().argmax(1)]
    skin = np.array([0.85, 0.65, 0.55]) * rng.uniform(0.5, 1.05)
    colours = np.tile(skin, (len(rest), 1))
    trousers, shirt = rng.uniform(0.05, 0.9, 3) * rng.uniform(0.3, 1.0), rng.uniform(0.05, 0.95, 3)
    long_legs, long_arms, dressed = rng.random() < 0.5, rng.random() < 0.4, rng.random() < 0.8
    colours[np.isin(part, ["pelvis", "femur"] + ["tibia"] * long_legs)] = trousers
    if dressed:
        colours[np.isin(part, ["lumbar_body", "thorax", "scapula", "humerus"] + ["ulna", "radius"] * long_arms)] = shirt
    if long_legs:
        colours[np.isin(part, ["calcn", "toes", "talus"])] = 0.5 * trousers
    neck = body.J_template[JOINT_INDEX["head"]].numpy()
    top = (rest[:, 1] > neck[1] + 0.12) & ((rest[:, 2] < neck[2] + 0.06) | (rest[:, 1] > rest[:, 1].max() - 0.05))
    colours[top] = np.clip(np.array([0.2, 0.12, 0.08]) * rng.uniform(0.3, 2.5), 0, 1)
    lips = skin * [0.8, 0.45, 0.45]
    for number, radius, colour in ((2, 0.014, 0.08), (5, 0.014, 0.08), (9, 0.016, lips), (10, 0.016, lips)):
        colours[np.linalg.norm(rest - markers[number], axis=1) < radius] = colour
    return colours
