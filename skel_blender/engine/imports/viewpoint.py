# SPDX-License-Identifier: GPL-3.0-or-later
"""The Take's camera for an imported motion: the one that filmed it where the file tells of it, else one that sees all of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...kinematics import R_ZUP_YUP, z_up
from ...take import Camera, Person
from .motion import SmplMotion
from .source_body import SourceBody

_SIZE = (1280, 720)
_FOCAL = 1.4 * _SIZE[0]  # px: about 39 degrees across, as a 50 mm lens
_MARGIN = 1.15
_NEAREST_M = 3.0
_LOOK_DOWN = np.radians(8.0)
_SAMPLE = 200  # frames that tell how much room the motion takes
_FROM_FRONT = 0.3  # how much farther a camera may be for showing the face rather than the back


def seen_from(motion: SmplMotion, source: SourceBody) -> SmplMotion:
    """The motion with the way of its camera, where the file tells that only by where the camera saw the person, whose body is `source`.

    A body turns about its pelvis, so how the places in the world and in the camera's axes go together takes its rest pelvis.
    """
    if motion.lens is None or motion.lens.root_in_camera is None:
        return motion
    pelvis, seen = source.joints[0], motion.lens.root_in_camera
    cam_to_world = np.tile(np.eye(4), (motion.frames[-1] + 1, 1, 1))
    turns = motion.rotations[:, 0] @ seen[:, :3, :3].swapaxes(1, 2)
    cam_to_world[motion.frames, :3, :3] = turns
    cam_to_world[motion.frames, :3, 3] = motion.trans + pelvis - (turns @ (seen[:, :3, 3] + pelvis)[..., None])[..., 0]
    return replace(motion, lens=replace(motion.lens, cam_to_world=cam_to_world))


def filming(motion: SmplMotion, floor: float, frames: np.ndarray) -> Camera:
    """The camera that filmed the motion, in the Take's world, for frames (T,); `floor` m is how much the motion was let down."""
    lens = motion.lens
    moved = np.tile(np.eye(4), (len(frames), 1, 1)) if lens.cam_to_world is None else lens.cam_to_world[frames]
    file_to_world = np.eye(4)
    file_to_world[:3, :3] = R_ZUP_YUP @ motion.to_y_up()
    file_to_world[:3, 3] = z_up(np.array([0.0, -floor, 0.0]))
    return Camera(lens.K, np.linalg.inv(file_to_world @ moved))


def unseen(count: int) -> dict[str, np.ndarray]:
    """What a Person of so many frames has of images, at none of which anybody looked."""
    points = np.zeros((count, 33, 3))
    return {"keypoints_2d": points, "landmarks_3d": points.copy(), "reprojection_error": np.full(count, np.nan)}


def watching(people: list[Person], frames: np.ndarray) -> tuple[Camera, tuple[int, int]]:
    """A still camera that sees the people all the time, from as near as may be and rather from the front, and its image size."""
    shown = [person.transforms()[:: max(1, len(person.frames) // _SAMPLE)] for person in people]
    joints = np.concatenate([z_up(transforms[..., :3, 3]).reshape(-1, 3) for transforms in shown])
    middle = (joints.min(axis=0) + joints.max(axis=0)) / 2
    facing = np.concatenate([z_up(transforms[:, 0, :3, 2]) for transforms in shown]).mean(axis=0)
    views = []
    for azimuth in np.arange(0, 2 * np.pi, np.pi / 8):
        away = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
        right = np.array([-away[1], away[0], 0.0])  # of the picture
        forward = -away * np.cos(_LOOK_DOWN) - np.array([0.0, 0.0, np.sin(_LOOK_DOWN)])
        turn = np.stack([right, np.cross(forward, right), forward])
        seen = (joints - middle) @ turn.T
        room = [(np.abs(seen[:, axis]) + 0.2) * _FOCAL / (_SIZE[axis] / 2) * _MARGIN - seen[:, 2] for axis in (0, 1)]
        distance = max(_NEAREST_M, float(np.max(room)))
        views.append((distance * (1 - _FROM_FRONT * float(facing @ away)), turn, distance))
    _, turn, distance = min(views, key=lambda view: view[0])
    world_to_cam = np.eye(4)
    world_to_cam[:3, :3], world_to_cam[:3, 3] = turn, -turn @ middle + [0.0, 0.0, distance]
    K = np.array([[_FOCAL, 0.0, _SIZE[0] / 2], [0.0, _FOCAL, _SIZE[1] / 2], [0.0, 0.0, 1.0]])
    return Camera(K, np.tile(world_to_cam, (len(frames), 1, 1))), _SIZE
