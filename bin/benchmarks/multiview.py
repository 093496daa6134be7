# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibrated cameras and what several of them see together: the reference that one camera is measured against."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from skel_blender.engine.blazepose import HIPS, LIMBS
from skel_blender.engine.people.tracks import Track

_FIRST_PX, _OUTLIER_PX = 120.0, 30.0  # Geman-McClure scale of a view's residual at first and at last, at 1080 px across
_SURE = 0.3  # least confidence with which a view takes part
_STEPS = 15
_SAMPLES = 12  # frames that are looked at to find out which tracks are the same person
_QUALISYS_SUBPIXELS = 64.0
LIMB_HIPS = tuple(map(LIMBS.index, HIPS))


@dataclass(frozen=True)
class CalibratedCamera:
    """K (3,3) px, `distortion` (4,) OpenCV's k1 k2 p1 p2, and the pose: world point X (m) is at R X + t in camera axes."""

    name: str
    K: np.ndarray
    distortion: np.ndarray
    R: np.ndarray
    t: np.ndarray

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """(...,2) px -> (...,2) the undistorted direction x/z, y/z."""
        flat = np.asarray(pixels, dtype=float).reshape(-1, 1, 2)
        return cv2.undistortPoints(flat, self.K, self.distortion).reshape(pixels.shape)


def read_qualisys(path: Path) -> list[CalibratedCamera]:
    """The cameras of a Qualisys calibration file (.qca.txt): millimetres, 64ths of a pixel, camera axes y up and z to the viewer."""
    cameras = []
    for entry in ElementTree.parse(path).getroot().iter("camera"):
        place, lens = ({key: _number(value) for key, value in entry.find(tag).attrib.items()} for tag in ("transform", "intrinsic"))
        R = np.diag([1.0, -1.0, -1.0]) @ np.array([[place[f"r{row}{column}"] for column in (1, 2, 3)] for row in (1, 2, 3)])
        K = np.eye(3)
        K[0, 0], K[1, 1], K[0, 2], K[1, 2] = (
            lens[name] / _QUALISYS_SUBPIXELS for name in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
        )
        names = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
        distortion = np.array([lens[name] for name in names]) / _QUALISYS_SUBPIXELS
        centre = np.array([place[axis] for axis in "xyz"]) / 1000.0
        cameras.append(CalibratedCamera(entry.attrib["serial"], K, distortion, R, -R @ centre))
    return cameras


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def triangulate(pixels: np.ndarray, weight: np.ndarray, cameras: list[CalibratedCamera]) -> tuple[np.ndarray, np.ndarray]:
    """Points of `pixels` (C,T,K,2) with confidences `weight` (C,T,K): (T,K,3) m in the world, and their residuals (C,T,K) px.

    Linear least squares, then robust Gauss-Newton on the pixels with a scale that shrinks, so that a view that tells something else (a swap
    of sides, an occlusion) drops out without a jump from frame to frame. NaN where less than two views are sure.
    """
    rays = np.stack([camera.rays(view) for camera, view in zip(cameras, pixels)])
    focal = np.array([camera.K[0, 0] for camera in cameras])[:, None, None]
    weight = np.where(weight > _SURE, weight, 0.0)
    points = _linear(rays, weight, cameras)
    for scale in np.geomspace(_FIRST_PX, _OUTLIER_PX, _STEPS):
        residual, jacobian = _residuals(points, rays, cameras)
        square = ((residual * focal[..., None]) ** 2).sum(-1)
        share = weight / (1.0 + square / scale**2) ** 2
        normal = np.einsum("ctk,ctkri,ctkrj->tkij", share, jacobian, jacobian) + 1e-9 * np.eye(3)
        points = points - np.linalg.solve(normal, np.einsum("ctk,ctkri,ctkr->tki", share, jacobian, residual)[..., None])[..., 0]
    distance = np.linalg.norm(_residuals(points, rays, cameras)[0], axis=-1) * focal
    agreeing = ((distance < 2 * _OUTLIER_PX) & (weight > 0)).sum(0) >= 2
    return np.where(agreeing[..., None], points, np.nan), distance


def _linear(rays: np.ndarray, weight: np.ndarray, cameras: list[CalibratedCamera]) -> np.ndarray:
    """(T,K,3) weighted linear triangulation of rays (C,T,K,2): x (r3 X + t3) = r1 X + t1, and likewise y."""
    rows = np.stack([view[..., None] * camera.R[2] - camera.R[:2] for camera, view in zip(cameras, rays)])
    sides = np.stack([camera.t[:2] - view * camera.t[2] for camera, view in zip(cameras, rays)])
    normal = np.einsum("ctk,ctkri,ctkrj->tkij", weight, rows, rows) + 1e-9 * np.eye(3)
    return np.linalg.solve(normal, np.einsum("ctk,ctkri,ctkr->tki", weight, rows, sides)[..., None])[..., 0]


def _residuals(points: np.ndarray, rays: np.ndarray, cameras: list[CalibratedCamera]) -> tuple[np.ndarray, np.ndarray]:
    """Of points (T,K,3): residuals (C,T,K,2) as directions, and derivatives (C,T,K,2,3)."""
    residuals, jacobians = [], []
    for camera, view in zip(cameras, rays):
        seen = points @ camera.R.T + camera.t
        depth = np.maximum(seen[..., 2:], 0.1)
        flat = seen[..., :2] / depth
        residuals.append(flat - view)
        jacobians.append((camera.R[:2] - flat[..., None] * camera.R[2]) / depth[..., None])
    return np.stack(residuals), np.stack(jacobians)


def same_person(tracks: list[list[Track]], cameras: list[CalibratedCamera]) -> list[Track]:
    """Of each camera's tracks the one that, with the others', is one person: the combination whose landmarks meet best.

    The most prominent track of the first camera is who is looked for. Raises ValueError if a camera has no track.
    """
    if not all(tracks):
        raise ValueError("A camera sees nobody.")
    candidates = [tracks[0][:1], *(people[:4] for people in tracks[1:])]
    frames = sorted(set.intersection(*(set.union(*(set(map(int, track.frames)) for track in people)) for people in candidates)))
    frames = frames[:: max(1, len(frames) // _SAMPLES)]

    def misfit(combination: tuple[Track, ...]) -> float:
        chosen = [frame for frame in frames if all(track.frames[0] <= frame <= track.frames[-1] for track in combination)]
        if not chosen:
            return np.inf
        seen = np.stack([track.keypoints_2d[np.array(chosen) - track.frames[0]][:, LIMBS] for track in combination])
        return float(np.median(triangulate(seen[..., :2], seen[..., 2], cameras)[1], axis=(1, 2)).mean())  # no view may be left out

    return list(min(itertools.product(*candidates), key=misfit))


def reference(tracks: list[Track], cameras: list[CalibratedCamera]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One person's landmarks from all views, in the frames in which all have him: frame numbers (T,), points (T,33,3) m in the world,
    residuals (C,T,33) px."""
    first, last = max(track.frames[0] for track in tracks), min(track.frames[-1] for track in tracks)
    seen = np.stack([track.keypoints_2d[first - track.frames[0] : last + 1 - track.frames[0]] for track in tracks])
    points, residual = triangulate(seen[..., :2], seen[..., 2], cameras)
    return np.arange(first, last + 1), points, residual
