# SPDX-License-Identifier: GPL-3.0-or-later
"""Keypoint sets of the usual detectors and data sets as points of a body, by tables from keypoint to landmark or joint."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...anatomy import JOINT_NAMES
from ...messages import SkelError
from ..body import BodyModel, Points
from ..body.landmarks import MIXTURES, VERTEX
from ..body.points import joints_as_points
from ..body.skel import SKIN_VERTS
from ..unpickle import read_pickle

# HSMR's 44 (its own order): SMPL's 24 joints, then skin vertices, put in OpenPose's order; then the rows of a joint regressor.
_SMPL_JOINTS = (0, 6, 1, 11, 7, 2, 11, 8, 3, 12, 10, 5, 12, 19, 14, 13, 20, 15, 21, 16, 23, 18, 23, 18)  # SKEL's joints for SMPL's
SMPL_VERTICES = ("nose", "eye_r", "eye_l", "ear_r", "ear_l", "big_toe_l", "small_toe_l", "heel_l", "big_toe_r", "small_toe_r", "heel_r")
TO_OPENPOSE = (24, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, *range(25, 35))
EXTRA, EXTRA_FILE = 19, "SMPL_to_J19.pkl"
_MIX_FILE = "J_regressor_SKEL_mix_MALE.pkl"

# Means of a body's own landmarks (BlazePose's names), surface points and joints.
_COCO = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
         "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle")  # fmt: skip
_NECK, _MIDHIP = "left_shoulder+right_shoulder", "left_hip+right_hip"
_FEET = ("big_toe_l", "big_toe_r", "small_toe_l", "small_toe_r", "heel_l", "heel_r")
KEYPOINT_SETS = {
    "coco17": _COCO,
    "halpe26": (*_COCO, "head_top", _NECK, _MIDHIP, *_FEET),
    "openpose25": (
        "nose", _NECK, "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", _MIDHIP,
        "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
        "big_toe_l", "small_toe_l", "heel_l", "big_toe_r", "small_toe_r", "heel_r"),
    "joints24": JOINT_NAMES,
}  # fmt: skip
NAMES = ("blazepose33", *KEYPOINT_SETS, "hsmr44")
# BlazePose's knuckles in the image lie deeper in the hand and nearer together than a hand's are: parts of the way from the wrist to the
# middle between the knuckles of index and pinky, and of half their distance, towards the index.
_KNUCKLES = {"index": (0.75, 0.4), "pinky": (0.75, -0.4), "thumb": (0.55, 0.7)}
# Likewise ends of feet and face lie deeper in the body, and the face lower: what each is a sum of beside itself. Drawn bodies and people
# seen from four sides agree on how deep, how low drawn bodies of both sexes that face the camera say.
_BACK = {"left_ear": 0.065, "right_ear": 0.065}
_DEEPER = {
    **{f"left_{part}": _BACK | {"mouth_left": 0.08} for part in ("eye_inner", "eye", "eye_outer")},
    "nose": _BACK | {"mouth_left": 0.06, "mouth_right": 0.06}, "mouth_left": _BACK | {"left_eye": -0.1},
    "left_ear": {"left_eye": 0.24, "nose": 0.1, "right_ear": 0.06},
    "left_ankle": {"left_knee": 0.045},
    "left_heel": {"left_ankle": 0.105, "left_foot_index": 0.055},
    "left_foot_index": {"left_ankle": 0.06, "left_heel": 0.05},
}  # fmt: skip


def _blazepose() -> np.ndarray:
    """(33,33): BlazePose's image keypoints as sums of a body's landmarks."""
    names = tuple(MIXTURES)
    shares = np.eye(len(names))
    for side in ("left", "right"):
        hand = [names.index(f"{side}_{part}") for part in ("wrist", "index", "pinky")]
        for finger, (forward, aside) in _KNUCKLES.items():
            number = names.index(f"{side}_{finger}")
            shares[number, number] = 0.0
            shares[number, hand] = 1.0 - forward, 0.5 * (forward + aside), 0.5 * (forward - aside)
    for name, parts in _DEEPER.items():
        for mirrored in (False, True):
            rows = [names.index(_mirrored(one) if mirrored else one) for one in (name, *parts)]
            shares[rows[0]] = 0.0
            shares[rows[0], rows] = 1.0 - sum(parts.values()), *parts.values()
    return shares


def _mirrored(name: str) -> str:
    return re.sub("left|right", lambda side: "right" if side[0] == "left" else "left", name)


BLAZEPOSE = _blazepose()


def keypoint_points(body: BodyModel, name: str) -> Points:
    """The keypoints of a set (one of NAMES) on a body. Raises SkelError for an unknown set and for files that are missing."""
    if name == "blazepose33":
        return body.markers.mixed(body.markers.names, BLAZEPOSE)
    if name == "hsmr44":
        return hsmr_points(body, *_regressors(body))
    if name not in KEYPOINT_SETS:
        raise SkelError("no_keypoints", f"There is no keypoint set '{name}'.", f"Choose one of: {', '.join(NAMES)}.")
    known = body.markers.joined(joints_as_points(body.J_template, body.J_shapedirs)).joined(body.surface)
    groups = [entry.split("+") for entry in KEYPOINT_SETS[name]]
    return known.mixed(KEYPOINT_SETS[name], np.array([[(one in group) / len(group) for one in known.names] for group in groups]))


def hsmr_points(body: BodyModel, mix: object | None, extra: object) -> Points:
    """HSMR's 44 keypoints on a body with SMPL's skin.

    `mix` is the regressor (24,V) of SMPL's joints from the posed skin that HSMR's configurations name, or None, in which case SKEL's
    joints take their places; `extra` is the (19,V) regressor of SMPL_to_J19.pkl.
    """
    if mix is None:
        joints = joints_as_points(body.J_template, body.J_shapedirs).select(list(_SMPL_JOINTS))
    else:
        joints = body.regressed_points(mix, tuple(f"smpl_{k}" for k in range(24)))
    surface = body.vertex_points([VERTEX[name] for name in SMPL_VERTICES], SMPL_VERTICES)
    first = joints.joined(surface).select(list(TO_OPENPOSE))
    return first.joined(body.regressed_points(extra, tuple(f"extra_{k}" for k in range(EXTRA))))


def _regressors(body: BodyModel) -> tuple[np.ndarray | None, np.ndarray]:
    """The two regressor files, of which the first may be missing."""
    if body.source is None:
        raise SkelError("no_keypoints", f"HSMR's 44 keypoints are points of SMPL's skin, which the {body.name} body does not have.",
                        "Choose another set, or a SKEL model file.")  # fmt: skip
    extra = regressor(body.source, EXTRA_FILE, EXTRA)
    return regressor(body.source, _MIX_FILE, 24) if find_regressor(body.source, _MIX_FILE) else None, extra


def regressor(model: Path, name: str, joints: int) -> np.ndarray:
    """One of HSMR's regressor files (joints,6890), which it keeps beside a model's file or one folder up.

    Raises SkelError where it is missing or another.
    """
    path = find_regressor(model, name)
    if path is None:
        raise SkelError("no_file", f"{name} is not beside {model}.", "Put HSMR's joint regressors beside the model file.")
    value = read_pickle(path, "a joint regressor")
    matrix = np.asarray(value.toarray() if hasattr(value, "toarray") else value, dtype=float)
    if matrix.shape != (joints, SKIN_VERTS):
        raise SkelError("bad_model", f"{path} must be {joints} x {SKIN_VERTS} numbers, not {matrix.shape}.", "Download the file again.")
    return matrix


def find_regressor(model: Path, name: str) -> Path | None:
    """A file beside a model's file, or in its folder, or one folder up."""
    folder = model if model.is_dir() else model.parent
    return next((place / name for place in (folder, folder.parent) if (place / name).is_file()), None)
