# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawn footage of the open body in a street, by a camera that goes: what nobody filmed is known exactly."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch

from bin.benchmarks.renders import clothes
from bin.openbody.render import layer
from skel_blender.engine.body import BodyModel
from tests.virtual_camera import Shot
from tests.virtual_scene import Board, frames, street

_START = np.array([0.0, 1.6, 12.0])  # m, the middle of the motion in the street's axes: y down, its ground at 1.6
_CLEAR_M, _HALF_M = 6.0, 9.0  # about the motion nothing stands: the camera may go there; and half of the street's width
_BLUR_PX, _NOISE = 0.7, 2.0  # of a lens, and of a sensor in grey levels


def drawn(poses: np.ndarray, betas: np.ndarray, trans: np.ndarray, body: BodyModel, R: np.ndarray, eye: np.ndarray, K: np.ndarray,
          size: tuple[int, int], rng: np.random.Generator) -> Iterator[np.ndarray]:  # fmt: skip
    """RGB frames (h,w,3) uint8 of a motion over the floor y = 0, poses (T,46) rad, betas (10,), trans (T,3) m, y up, seen by a camera
    R (T,3,3), eye (T,3), K (3,3) px, `size` px."""
    like, half_turn = body.J_template, np.diag([1.0, -1.0, -1.0])
    shapes = np.tile(betas, (len(poses), 1))
    verts = body.forward(*(torch.as_tensor(part).to(like) for part in (poses, shapes, trans)), skel=False).skin_verts
    middle = verts.numpy().mean(axis=(0, 1)) * [1, 0, 1]
    triangles = body.triangles
    colours = clothes(body, rng)[triangles].mean(1)
    scene = [board for board in street(half=_HALF_M) if not _in_the_way(board)]
    through = Shot(R @ half_turn, np.full(len(R), K[0, 0]), size, (eye - middle) @ half_turn + _START)
    for seen, turn, place, (behind, _) in zip(verts.numpy(), R, eye, frames(scene, through)):
        points = (seen - place) @ turn.T
        pixels = points[:, :2] / points[:, 2:] * K[0, 0] + K[:2, 2]
        towards = -(points[:, 2] - points[:, 2].mean()) * K[0, 0] / points[:, 2].mean()
        image, depth = layer(np.column_stack([pixels, towards]), triangles, colours, size)
        cover = np.isfinite(depth).astype(float)
        image, cover = (cv2.GaussianBlur(part, (0, 0), _BLUR_PX) for part in (image * cover[..., None], cover))
        image = 255 * np.clip(image, 0, 1) + behind * (1 - cover[..., None]) + rng.normal(0, _NOISE, behind.shape)
        yield np.clip(image, 0, 255).astype(np.uint8)


def _in_the_way(board: Board) -> bool:
    corners = board.corners()
    return np.ptp(corners[:, 1]) > 0 and np.linalg.norm((corners.mean(0) - _START)[[0, 2]]) < _CLEAR_M
