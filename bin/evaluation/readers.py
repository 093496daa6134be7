# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions and ground truth out of files; the contents decide what a file is.

| layout | told by | what it is |
|---|---|---|
| Take | format | what skel_blender reconstructs |
| HSMR's own labels | img_paths, smpl | MOYO: SMPL parameters of every picture |
| HMR2.0's labels | imgname, center, scale | Human3.6M, 3DPW, COCO, LSP-Extended, PoseTrack |
| predictions | any of the arrays that docs/evaluate.md lists | a method's answers; as ground truth too |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bin.evaluation.arrays import Arrays
from bin.evaluation.bodies import from_skel, from_smpl
from bin.evaluation.samples import COUNTS, Samples, running
from bin.evaluation.smpl import read_smpl
from bin.evaluation.takes import read_take
from skel_blender.engine.body import BodyModel
from skel_blender.messages import SkelError

_SETS = {"hsmr44": ("joints44", "pred_keypoints_3d"), "smpl24": ("joints24_smpl",), "skel24": ("joints24",)}
_UNSEEN_GENDER = "neutral"
_GENDERS = {"m": "male", "f": "female", "n": "neutral"}


@dataclass(frozen=True)
class Models:
    """The user's model files: a SKEL body, and SMPL's file or folder."""

    skel: BodyModel | None = None
    smpl: Path | None = None


def read_samples(path: Path, models: Models, truth: bool, person: int = 1) -> Samples:
    """A file of either kind. Raises SkelError with one sentence that names the file and what it lacks."""
    what = "a ground truth file" if truth else "a predictions file"
    arrays = Arrays.read(path, what)
    if "format" in arrays:
        return read_take(path, person, models.skel)
    if "img_paths" in arrays and "smpl" in arrays:
        return _moyo(arrays, models)
    if truth and all(key in arrays for key in ("center", "scale")):
        return _labels(arrays, models)
    return _predictions(arrays, models)


def _predictions(arrays: Arrays, models: Models) -> Samples:
    name = arrays.first("imgname", "names")
    names = None if name is None else arrays.text(name)
    given: dict[str, np.ndarray] = {}
    for points, keys in _SETS.items():
        if key := arrays.first(*keys):
            given[points] = arrays.numbers(key, COUNTS[points], 3)
    if key := arrays.first("vertices", "pred_vertices"):
        given["vertices"] = arrays.numbers(key, None, 3)
    parts: dict[str, Any] = {}
    if key := arrays.first("keypoints_2d"):
        parts["keypoints_2d"] = _with_confidence(arrays, key, 44)
    if key := arrays.first("pred_keypoints_2d"):
        parts["patch_2d"] = arrays.numbers(key, 44, 2)
    if key := arrays.first("cam_t", "pred_cam_t", "pd_cam_t"):
        parts["cam_t"] = arrays.numbers(key, 3)
    if "poses" in arrays:
        parts["poses"] = arrays.numbers("poses", 46)
        if models.skel is not None:
            parts["sets"], parts["make"] = from_skel(models.skel, parts["poses"], arrays.betas())
    elif "body_pose" in arrays:
        rotations = _smpl_pose(arrays)
        parts["rotations"] = rotations[:, 1:]
        if models.smpl is not None:
            model = read_smpl(models.smpl)
            parts["sets"], parts["make"] = from_smpl([model], np.zeros(len(rotations), int), rotations, arrays.betas(), models.smpl)
    if not given and not parts:
        known = ", ".join(list(arrays.tree)[:6]) or "nothing"
        raise SkelError("bad_predictions", f"{arrays.path} has none of the arrays that are scored (it has {known}).",
                        "docs/evaluate.md has the layout.")  # fmt: skip
    if "sequence" in arrays and names is None:
        sequence = arrays.text("sequence")
        order = np.arange(len(sequence))
        parts["runs_on"] = running(np.array([f"{one}/{row}" for one, row in zip(sequence, order)]))
    elif names is not None:
        parts["runs_on"] = running(names)
    return Samples(str(arrays.path), arrays.count, names, given, **parts)


def _labels(arrays: Arrays, models: Models) -> Samples:
    """HMR2.0's evaluation labels: 25 keypoints of OpenPose and 19 more, in 2D and 3D, each with its confidence last."""
    names = arrays.text("imgname")
    scale = np.asarray(arrays.tree["scale"])
    scale = arrays.numbers("scale", *scale.shape[1:]).reshape(len(names), -1)
    size = np.repeat(scale, 2, axis=1) if scale.shape[1] == 1 else scale
    if size.shape[1] != 2 or (size <= 0).any():
        raise SkelError("bad_labels", f"In {arrays.path} the array 'scale' must be N, or N x 2, sizes of boxes in px.", "Check the file.")
    boxes = np.concatenate([arrays.numbers("center", 2), size], 1)
    parts: dict[str, Any] = {}
    flat = _both_parts(arrays, "keypoints_2d", 3)
    if flat is not None:
        parts["keypoints_2d"] = flat
    solid, given = _both_parts(arrays, "keypoints_3d", 4), {}
    if solid is not None:
        unknown = (solid == 0).all(-1) | ~np.isfinite(solid).all(-1)
        given["hsmr44"] = np.where(unknown[..., None], np.nan, solid[..., :3])
    if "body_pose" in arrays and np.any(has := _flags(arrays, "has_body_pose")):
        rotations = _smpl_pose(arrays)
        parts["rotations"] = rotations[:, 1:] if has.all() else None
        shaped = has & _flags(arrays, "has_betas")
        if models.smpl is not None and "betas" in arrays and shaped.any():
            which, genders = _genders(arrays, models.smpl)
            bodies = [read_smpl(models.smpl, gender) for gender in genders]
            made, make = from_smpl(bodies, which, rotations, arrays.betas(), models.smpl, shaped)
            parts["sets"], parts["make"] = made, make
    return Samples(str(arrays.path), arrays.count, names, given, boxes=boxes, runs_on=running(names), **parts)


def _moyo(arrays: Arrays, models: Models) -> Samples:
    """HSMR's evaluation labels of MOYO: SMPL's neutral body in every picture."""
    names, smpl = arrays.text("img_paths"), arrays.tree["smpl"]
    if not isinstance(smpl, dict):
        raise SkelError("bad_labels", f"In {arrays.path} 'smpl' must be a dict of global_orient, body_pose and betas.", "Check the file.")
    rows = {key: np.asarray(value).reshape(len(names), -1) for key, value in smpl.items() if np.size(value) % len(names) == 0}
    inner = Arrays(arrays.path, "the dict 'smpl' of HSMR's labels", rows, len(names))
    rotations = np.concatenate([inner.rotations("global_orient", 1), inner.rotations("body_pose", 23)], 1)
    parts: dict[str, Any] = {}
    if models.smpl is not None:
        model = read_smpl(models.smpl, _UNSEEN_GENDER)
        sets, parts["make"] = from_smpl([model], np.zeros(len(names), int), rotations, inner.betas(), models.smpl)
        parts["sets"] = tuple(name for name in sets if name != "hsmr44")
    return Samples(str(arrays.path), len(names), names, rotations=rotations[:, 1:], runs_on=running(names), **parts)


def _smpl_pose(arrays: Arrays) -> np.ndarray:
    """(N,24,3,3): global_orient and 23 joints, or all 24 in body_pose, as HMR2.0's labels have them."""
    if "global_orient" in arrays:
        return np.concatenate([arrays.rotations("global_orient", 1), arrays.rotations("body_pose", 23)], 1)
    return arrays.rotations("body_pose", 24)


def _both_parts(arrays: Arrays, name: str, width: int) -> np.ndarray | None:
    """(N,44,width) of body_* (25) and extra_* (19); zeros for the one that is missing, None where both are."""
    parts = []
    for kind, count in (("body", 25), ("extra", 19)):
        key = f"{kind}_{name}"
        parts.append(arrays.numbers(key, count, width, holes=True) if key in arrays else np.zeros((arrays.count, count, width)))
    return np.concatenate(parts, 1) if arrays.first(f"body_{name}", f"extra_{name}") else None


def _with_confidence(arrays: Arrays, key: str, count: int) -> np.ndarray:
    width = np.asarray(arrays.tree[key]).shape[-1]
    values = arrays.numbers(key, count, 3 if width == 3 else 2)
    return values if width == 3 else np.concatenate([values, np.ones_like(values[..., :1])], -1)


def _flags(arrays: Arrays, key: str) -> np.ndarray:
    if key not in arrays:
        return np.ones(arrays.count, dtype=bool)
    return np.asarray(arrays.tree[key]).reshape(arrays.count, -1)[:, 0] > 0


def _genders(arrays: Arrays, models: Path) -> tuple[np.ndarray, list[str]]:
    """Which body each row has, where the labels tell and a folder holds the models of all genders."""
    if "gender" not in arrays or not models.is_dir():
        return np.zeros(arrays.count, int), [_UNSEEN_GENDER]
    told = [_GENDERS.get(text[:1].lower(), _UNSEEN_GENDER) for text in arrays.text("gender")]
    kinds = sorted(set(told))
    return np.array([kinds.index(one) for one in told]), kinds
