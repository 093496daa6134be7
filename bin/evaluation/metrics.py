# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a reconstructed motion is from a true one, and how it behaves: what the field reports, in the units it reports them.

Points come in as (T,K,3) in metres, T frames of K points that correspond; errors go out in millimetres, per-frame accelerations in
mm/frame^2. NaN points are left out of every mean. numpy only.
"""

from __future__ import annotations

import numpy as np

MM = 1000.0
_PEAKS = 0.02  # share of all readings that are a motion's peaks
_TOLERANCE = 1e-6  # rad, by which an angle on its limit may be rounded


def centred(points: np.ndarray, roots: tuple[int, ...]) -> np.ndarray:
    """Points (T,K,3) relative to the middle of the points `roots` (say both hips), frame by frame."""
    return points - points[:, list(roots)].mean(axis=1, keepdims=True)


def distances(found: np.ndarray, truth: np.ndarray, roots: tuple[int, ...] | None = (0,)) -> np.ndarray:
    """(T,K) mm between corresponding points (T,K,3) m, after both were moved so that the middle of `roots` is at 0; None: as they lie."""
    if roots is not None:
        found, truth = centred(found, roots), centred(truth, roots)
    return np.linalg.norm(found - truth, axis=-1) * MM


def mpjpe(found: np.ndarray, truth: np.ndarray, roots: tuple[int, ...] | None = (0,)) -> float:
    """Mean per-joint position error, mm: the mean of `distances`."""
    return float(np.nanmean(distances(found, truth, roots)))


def similarity(found: np.ndarray, truth: np.ndarray, scale: bool = True) -> np.ndarray:
    """`found` (T,K,3) moved onto `truth` by each frame's best rotation, shift and (unless `scale` is False) scale (Umeyama 1991).

    Points that are NaN in either take no part in the fit. A frame needs three of them.
    """
    known = np.isfinite(found).all(-1) & np.isfinite(truth).all(-1)
    weight = known / known.sum(axis=1, keepdims=True)
    a, b = np.where(known[..., None], found, 0.0), np.where(known[..., None], truth, 0.0)
    middle_a, middle_b = (weight[:, None] @ points for points in (a, b))
    a, b = (a - middle_a) * known[..., None], (b - middle_b) * known[..., None]
    u, singular, vt = np.linalg.svd(b.swapaxes(1, 2) @ a)
    flip = np.ones_like(singular)
    flip[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))  # a rotation, never a mirror image
    rotation = (u * flip[:, None]) @ vt
    spread = (a**2).sum(axis=(1, 2))
    size = (singular * flip).sum(axis=1) / np.where(spread > 0, spread, 1.0) if scale else np.ones(len(a))
    return size[:, None, None] * ((found - middle_a) @ rotation.swapaxes(1, 2)) + middle_b


def pa_mpjpe(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean per-joint position error, mm, after each frame's best similarity transform (Procrustes)."""
    return mpjpe(similarity(found, truth), truth, roots=None)


def accelerations(points: np.ndarray) -> np.ndarray:
    """(T-2,K,3) mm/frame^2, second differences of points (T,K,3) m."""
    return MM * (points[2:] - 2 * points[1:-1] + points[:-2])


def acceleration(points: np.ndarray) -> float:
    """Mean magnitude of the acceleration, mm/frame^2: how restless a motion is."""
    return float(np.nanmean(np.linalg.norm(accelerations(points), axis=-1)))


def acceleration_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean magnitude of the difference of the accelerations, mm/frame^2."""
    return float(np.nanmean(np.linalg.norm(accelerations(found) - accelerations(truth), axis=-1)))


def peak_kept(found: np.ndarray, truth: np.ndarray, order: int = 1) -> float:
    """How much of the truth's peaks is left, 1 = all of it.

    The mean speed (`order` 1) or magnitude of acceleration (2) of the found points over the truth's, at the 2 % of all
    (frame, point) pairs where the truth's is largest. Both are read within a frame, so that a peak may come a frame early or late.
    """
    real, seen = (np.linalg.norm(np.diff(points, order, axis=0), axis=-1) for points in (truth, found))
    peaks = real >= np.nanquantile(real, 1.0 - _PEAKS)
    return float(np.nanmean(_highest_around(seen)[peaks]) / np.nanmean(_highest_around(real)[peaks]))


def _highest_around(values: np.ndarray) -> np.ndarray:
    """(T,K) the largest of a frame and its two neighbours."""
    around = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    return np.maximum(np.maximum(around[:-2], around[1:-1]), around[2:])


def floor_penetration(soles: np.ndarray) -> float:
    """Mean over the frames of how deep, mm, the lowest of the points (T,M,3) m lies under the floor y = 0; 0 for a frame above it."""
    return float(np.maximum(0.0, -soles[..., 1].min(axis=1)).mean() * MM)


def limit_violations(poses: np.ndarray, limits: np.ndarray) -> tuple[float, float]:
    """Share of frames in which any of the DoFs (T,Q) rad is beyond its limits (Q,2), and the mean over these frames of the largest
    excess in degrees; (0, 0) if there are none."""
    beyond = np.maximum(0.0, np.maximum(limits[:, 0] - poses, poses - limits[:, 1])).max(axis=1)
    violated = beyond > _TOLERANCE
    return float(violated.mean()), float(np.degrees(beyond[violated].mean())) if violated.any() else 0.0


def angle_errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T,Q) degrees between angles (T,Q) rad, full turns taken out."""
    return np.degrees(np.abs(np.angle(np.exp(1j * (found - truth)))))


def pck(found: np.ndarray, truth: np.ndarray, known: np.ndarray, size: np.ndarray, share: float) -> float:
    """Percentage of correct keypoints, 0..1, as MMPose counts it (Andriluka et al. 2014): those nearer than `share` of the person's size.

    found, truth (N,K,2) px; known (N,K) bool, which of the truth's are annotated; size (N,) px. The mean over the keypoints of each
    one's own share, keypoints that are never annotated left out; NaN if that leaves none.
    """
    correct = np.linalg.norm(found - truth, axis=-1) < share * size[:, None]
    count = known.sum(axis=0)
    return float(((correct & known).sum(axis=0)[count > 0] / count[count > 0]).mean()) if count.any() else float("nan")


def drift(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance, mm, of a path (T,3) m from the true one in the same axes, once both start at the same point."""
    return float(np.linalg.norm((found - found[0]) - (truth - truth[0]), axis=-1).mean() * MM)


def angle_between(found: np.ndarray, truth: np.ndarray) -> float:
    """Degrees between two directions (3,)."""
    cosine = found @ truth / (np.linalg.norm(found) * np.linalg.norm(truth))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
