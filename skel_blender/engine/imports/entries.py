# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands under a name in a motion file, as the numbers that it should be (rotations, frame rates, places), and a person of these."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...messages import SkelError
from ...requests import rate
from .motion import BODY, SmplMotion, bridged, nearest_rotations, rotation_matrices

_WIDTHS = {72: "smpl", 66: "smplh", 69: "smpl", 156: "smplh", 165: "smplx"}  # numbers a frame, as axis times angle
_OTHERS = {joints * numbers for joints in (22, 24, 52, 55) for numbers in (4, 6)}  # quaternions, and the first two columns of matrices
_LIKELY = (1.0, 10000.0)  # frames a second; a file that says less or more does not know
_LONGEST = 500_000  # frames from a track's first to its last: an hour at 120 a second, and 10 GB of targets
_FARTHEST_M = 1e4  # from the origin; beyond, the fit's digits end

Tree = dict[Any, Any]


def rotations_of(poses: np.ndarray, path: Path) -> tuple[np.ndarray, str]:
    """(T,22,3,3) and the model, of poses (T,72..165), (T,J,3) or (T,J,3,3)."""
    if poses.ndim == 4 and poses.shape[2:] == (3, 3) and poses.shape[1] >= BODY:
        return nearest_rotations(poses[:, :BODY], path.name), _WIDTHS.get(3 * poses.shape[1], "smplh")
    flat = poses.reshape(len(poses), -1) if poses.ndim == 3 and poses.shape[2] == 3 else poses
    width = flat.shape[1] if flat.ndim == 2 and len(flat) else 0
    if not 3 * BODY <= width <= max(_WIDTHS) or width % 3 or width in _OTHERS:
        raise SkelError("bad_motion", f"The poses in {path.name} are {poses.shape} numbers; 66, 72, 156 or 165 a frame were expected.",
                        "Export the motion again.")  # fmt: skip
    return rotation_matrices(flat[:, : 3 * BODY].reshape(-1, BODY, 3)), _WIDTHS.get(width, "smplh")


def rotations_of_parts(tree: Tree, path: Path) -> tuple[np.ndarray, str]:
    """Rotations of a file that keeps the root apart from the body."""
    names = [next(name for name in pair if name in tree) for pair in (("root_orient", "global_orient"), ("pose_body", "body_pose"))
             if any(name in tree for name in pair)]  # fmt: skip
    if len(names) < 2:
        raise SkelError("bad_motion", f"{path.name} lacks global_orient or body_pose.", "Export the motion again.")
    root, body = (numbers_of(tree, name, path) for name in names)
    count = len(body)
    matrices = body.shape[-2:] == (3, 3) and body.ndim == 4
    parts = [part.reshape(count, -1, 3, 3) if matrices else part.reshape(count, -1) for part in (root, body)]
    rotations, model = rotations_of(np.concatenate(parts, axis=1), path)
    return rotations, "smpl" if model == "smpl" else "smplx"


def numbers_of(tree: Tree, key: str, path: Path) -> np.ndarray:
    """Finite numbers under a name, one or more dimensions. Raises SkelError if there are none."""
    value = np.asarray(tree[key]) if key in tree else None
    if value is None or value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        what = "values that are not numbers" if value is not None and value.dtype.kind == "f" else "no numbers"
        raise SkelError("bad_motion", f"{path.name} has {what} under '{key}'.", "Export the motion again.")
    return np.atleast_1d(value.astype(float))


def first_of(tree: Tree, *names: str) -> Any:
    """What is under the first of the names that has anything, None if none has."""
    return next((tree[name] for name in names if tree.get(name) is not None), None)


def rate_of(tree: Tree, *names: str) -> Fraction | None:
    """Frames a second, under one of the names; None if the file does not know."""
    stated = first_of(tree, *names)
    fps = None if stated is None else float(np.ravel(stated)[0])
    return rate(fps) if fps is not None and _LIKELY[0] <= fps <= _LIKELY[1] else None


def motion_of(name: str, layout: str, path: Path, rotations: np.ndarray, trans: Any, betas: Any, model: str, tree: Tree,
              fps: Fraction | None, up: str, has_floor: bool, frames: Any = None) -> SmplMotion:  # fmt: skip
    """One person's motion, made whole and checked. Raises SkelError for what can't be one."""
    trans = np.asarray(trans, dtype=float)
    count = len(rotations)
    if trans.shape != (count, 3):
        raise SkelError("bad_motion", f"{path.name} has {count} poses, but its place is {trans.shape} numbers instead of {(count, 3)}.",
                        "Export the motion again.")  # fmt: skip
    if not np.isfinite(trans).all():
        raise SkelError("bad_motion", f"{path.name} has positions that are not numbers.", "Export the motion again.")
    if np.abs(trans).max() > _FARTHEST_M:
        raise SkelError("bad_motion", f"{path.name} has places {np.abs(trans).max():.0f} m from its origin.", "Export it in metres.")
    numbers = np.arange(count) if frames is None else np.ravel(np.asarray(frames)).astype(int)
    if len(numbers) != count or np.any(np.diff(numbers) <= 0) or numbers[-1] - numbers[0] > _LONGEST:
        raise SkelError("bad_motion", f"{path.name} has {count} poses, but its frame numbers do not count up to as many.",
                        "Export the motion again.")  # fmt: skip
    betas = np.zeros(10) if betas is None else np.asarray(betas, dtype=float)
    betas = betas.reshape(-1, betas.shape[-1]).mean(axis=0) if betas.ndim > 1 else np.ravel(betas)
    if not np.isfinite(betas).all():
        raise SkelError("bad_motion", f"{path.name} has betas that are not numbers.", "Export the motion again.")
    gender = np.ravel(tree.get("gender", "neutral"))[0]
    gender = (gender.decode("latin1") if isinstance(gender, bytes) else str(gender)).lower()
    gender = next((known for known in ("female", "male") if gender.startswith(known[0]) or known == gender.strip("b'")), "neutral")
    numbers, rotations, trans, seen = bridged(numbers, rotations, trans)
    return SmplMotion(name, model, gender, fps or Fraction(30), numbers, rotations, trans, betas, seen, up, has_floor, layout,
                      knows_rate=fps is not None)  # fmt: skip
