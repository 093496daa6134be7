# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of one comparison."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bin.evaluation import metrics, violations
from bin.evaluation.samples import H36M_14, ROOTS, Samples
from skel_blender.anatomy import DOFS, JOINT_NAMES
from skel_blender.messages import SkelError

_CHUNK = 256  # rows whose skin is in memory at once
_SHARES = (0.05, 0.1)
_PATCH = 256  # px
_FOCAL = 5000.0  # px of the patch, HMR2.0's and HSMR's
_ASPECT = 256 / 192  # to which a box is made higher before its longer side is cut out
_SURE = 0.5

_REGION = {
    "pelvis": "pelvis", "femur": "hips", "tibia": "knees", "talus": "ankles", "calcn": "feet", "toes": "feet", "lumbar_body": "spine",
    "thorax": "spine", "head": "head", "scapula": "shoulder blades", "humerus": "shoulders", "ulna": "elbows", "radius": "forearms",
    "hand": "wrists",
}  # fmt: skip


def _regions() -> dict[str, tuple[int, ...]]:
    """SKEL's 46 DoFs by region of the body."""
    found: dict[str, list[int]] = {name: [] for name in dict.fromkeys(_REGION.values())}
    for dof in DOFS:
        found[_REGION[JOINT_NAMES[dof.joint].removesuffix("_l").removesuffix("_r")]].append(dof.index)
    return {name: tuple(dofs) for name, dofs in found.items()}


REGIONS = _regions()


@dataclass
class Scores:
    """What was measured: name of a column -> value, mm or 0..1; and tables of joint violations, part -> shares."""

    count: int
    figures: dict[str, float] = field(default_factory=dict)
    violations: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    angles: dict[str, float] = field(default_factory=dict)  # DoF group -> degrees
    notes: list[str] = field(default_factory=list)


def score(found: Samples, truth: Samples, joints: tuple[int, ...] | None = None) -> Scores:
    """Everything that both files tell. `joints` are those of the 44 that 3D errors are averaged over. Raises SkelError if there is
    nothing to compare."""
    result = Scores(truth.count)
    protocol = next((name for name in ROOTS if found.has(name) and truth.has(name)), None)
    if joints is not None and protocol != "hsmr44":
        raise SkelError("usage", f"{found.name} and {truth.name} do not both have the 44 keypoints from which --joints selects.",
                        "Leave --joints out.")  # fmt: skip
    if protocol is not None:
        _solid(found, truth, protocol, joints or (H36M_14 if protocol == "hsmr44" else tuple(range(24))), result)
    _flat(found, truth, result)
    for who, samples in (("predictions", found), ("ground truth", truth)):
        if samples.poses is not None:
            result.violations[who] = violations.shares(violations.of_skel(samples.poses))
        elif samples.rotations is not None:
            result.violations[who] = violations.shares(violations.of_smpl(samples.rotations))
    if found.poses is not None and truth.poses is not None:
        result.angles = angle_groups(found.poses, truth.poses)
    if not result.figures:
        lacks = f"{found.name} and {truth.name} have no joints, skin or keypoints in common."
        todo = "Give the model files that make them (--skel, --smpl); docs/evaluate.md has the layouts."
        if "predictions" not in result.violations:
            raise SkelError("nothing_common", lacks, todo)
        result.notes.append(f"No errors in mm or px: {lacks} {todo}")
    return result


def _solid(found: Samples, truth: Samples, protocol: str, joints: tuple[int, ...], result: Scores) -> None:
    chosen, root = list(joints), ROOTS[protocol]
    no_skin = "" if found.has_skin(protocol) and truth.has_skin(protocol) else _why_no_skin(found, truth)
    columns: dict[str, list[np.ndarray]] = {"MPJPE": [], "PA-MPJPE": [], "PVE": [], "PA-PVE": []}
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, truth.count, _CHUNK):
        rows = slice(start, min(start + _CHUNK, truth.count))
        ours, theirs = (samples.at(rows, {protocol})[protocol] for samples in (found, truth))
        ours, theirs = ours - ours[:, [root]], theirs - theirs[:, [root]]
        ours, theirs = ours[:, chosen], theirs[:, chosen]
        kept.append((ours, theirs))
        columns["MPJPE"].append(metrics.distances(ours, theirs, None))
        columns["PA-MPJPE"].append(_aligned(ours, theirs))
        if no_skin:
            continue
        skin, true = found.skin(rows, protocol), truth.skin(rows, protocol)
        if skin.shape == true.shape:
            columns["PVE"].append(metrics.distances(skin, true, None).mean(1))
            columns["PA-PVE"].append(_aligned(skin, true).mean(1))
        else:
            no_skin = f"No PVE: {found.name} has skins of {skin.shape[1]} vertices, {truth.name} of {true.shape[1]}."
    for name, parts in columns.items():
        if parts:
            each = np.concatenate(parts)
            known = np.isfinite(each)
            by_row = np.where(known, each, 0).sum(1) / np.maximum(known.sum(1), 1) if each.ndim > 1 else each
            told = known.any(1) if each.ndim > 1 else known
            if told.any():
                result.figures[name] = float(by_row[told].mean())
            if name == "MPJPE":
                _tell_gaps(known, told, protocol, result)
    if no_skin:
        result.notes.append(no_skin)
    _restless(kept, truth, result)


def _aligned(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,K) mm after the best similarity of each row; NaN in rows with less than three points."""
    errors = np.full(found.shape[:2], np.nan)
    enough = (np.isfinite(found).all(-1) & np.isfinite(truth).all(-1)).sum(1) >= 3
    if enough.any():
        errors[enough] = metrics.distances(metrics.similarity(found[enough], truth[enough]), truth[enough], None)
    return errors


def _restless(kept: list[tuple[np.ndarray, np.ndarray]], truth: Samples, result: Scores) -> None:
    ours, theirs = (np.concatenate(parts) for parts in zip(*kept))
    if truth.runs_on is None or not truth.runs_on.any():
        result.notes.append("No acceleration error: no three consecutive rows are neighbours in one film.")
        return
    off = np.linalg.norm(metrics.accelerations(ours) - metrics.accelerations(theirs), axis=-1)[truth.runs_on]
    if np.isfinite(off).any():
        result.figures["acceleration error"] = float(np.nanmean(off))


def _tell_gaps(known: np.ndarray, told: np.ndarray, protocol: str, result: Scores) -> None:
    columns = known.any(0)
    result.notes.append(f"3D errors: {int(columns.sum())} of {len(columns)} joints of {protocol}, relative to joint {ROOTS[protocol]}"
                        + (f"; {int((~told).sum())} rows without 3D ground truth were left out." if not told.all() else "."))  # fmt: skip


def _why_no_skin(found: Samples, truth: Samples) -> str:
    lacks = [f"{'predictions' if samples is found else 'ground truth'}" for samples in (found, truth)
             if "vertices" not in samples.given and "vertices" not in samples.sets]  # fmt: skip
    if lacks:
        return f"No PVE: no skin is known of the {' nor of the '.join(lacks)} (vertices in the file, or a model file)."
    return "No PVE: the skin's root is not known (SMPL_to_J19.pkl must lie beside the model files)."


def _flat(found: Samples, truth: Samples, result: Scores) -> None:
    if truth.keypoints_2d is None or truth.boxes is None:
        return
    pixels = keypoints_in_image(found, truth)
    known = truth.keypoints_2d[..., 2] > _SURE
    if pixels is None or not known.any():
        return
    for share in _SHARES:
        result.figures[f"PCK@{share:g}"] = metrics.pck(pixels, truth.keypoints_2d[..., :2], known, truth.boxes[:, 2:].max(1), share)
    result.notes.append(f"PCK: {int(known.any(0).sum())} of 44 keypoints are annotated, against the box's longer side.")


def keypoints_in_image(found: Samples, truth: Samples) -> np.ndarray | None:
    """(N,44,2) px of the predictions: as they are told, or from the patch that HMR2.0 and HSMR cut out around the truth's box."""
    if found.keypoints_2d is not None:
        return found.keypoints_2d[..., :2]
    patch = found.patch_2d
    if patch is None and found.cam_t is not None and found.has("hsmr44"):
        parts = []
        for start in range(0, found.count, _CHUNK):
            rows = slice(start, min(start + _CHUNK, found.count))
            seen = found.at(rows, {"hsmr44"})["hsmr44"] + found.cam_t[rows, None]
            parts.append(_FOCAL / _PATCH * seen[..., :2] / seen[..., 2:])
        patch = np.concatenate(parts)
    if patch is None:
        return None
    middle, size = truth.boxes[:, :2], truth.boxes[:, 2:]
    side = np.maximum(size[:, 1], size[:, 0] * _ASPECT)
    return middle[:, None] + patch * side[:, None, None]


def angle_groups(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Mean error in degrees of the DoFs of each region, left and right together; poses (T,46) rad."""
    errors = metrics.angle_errors(found, truth)
    return {name: float(errors[:, list(dofs)].mean()) for name, dofs in REGIONS.items()}
