# SPDX-License-Identifier: GPL-3.0-or-later
"""The body that a motion of the SMPL family moves: its rest shape, its joints, and where they go (Loper et al. 2015).

With the user's model file it is that model, reduced to the 22 joints of motion.py: what rides a finger, the jaw or an eye rides the
wrist or the head. Without one it is the open body itself, cut into SMPL's segments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...anatomy import JOINT_INDEX as SKEL
from ...messages import SkelError
from ...take import RestBody
from .motion import BODY, JOINT_INDEX, PARENTS, SmplMotion
from .smpl_model import read_model

_FEATURE = 9 * (BODY - 1)  # of the pose blend shapes, those of the body's joints come first in every model of the family

_SIZES = np.arange(0.75, 1.301, 0.01)
_FEET = [JOINT_INDEX[name] for name in ("left_ankle", "right_ankle", "left_foot", "right_foot")]
_MOVING = 0.3  # m/s of the pelvis; who stands tells nothing
_ENOUGH = 40  # frames, or as many as make a second
_CLEAR = 0.7  # the best size must leave less than this part of the speed that sizes at both ends leave


@dataclass(frozen=True)
class SourceBody:
    """A shaped body in its rest pose. `verts` may be a sample of the skin."""

    name: str
    verts: np.ndarray  # (V,3) m
    weights: np.ndarray  # (V,22), rows sum to 1
    posedirs: np.ndarray | None  # (V,3,189) m, by the rotations of joints 1..21 less the identity
    joints: np.ndarray  # (22,3) m
    is_real: bool  # whether it is the model that the motion was made with

    def sample(self, chosen: np.ndarray) -> SourceBody:
        """The same body with some of its skin."""
        posedirs = None if self.posedirs is None else self.posedirs[chosen]
        return replace(self, verts=self.verts[chosen], weights=self.weights[chosen], posedirs=posedirs)

    def scaled(self, scale: float) -> SourceBody:
        """The same body `scale` times as large."""
        posedirs = None if self.posedirs is None else self.posedirs * scale
        return replace(self, verts=self.verts * scale, joints=self.joints * scale, posedirs=posedirs)


def load_model(path: Path | str, motion: SmplMotion) -> SourceBody:
    """The user's SMPL, SMPL-H or SMPL-X file (.pkl or .npz) in the shape of a motion. A folder is searched for the file of its gender.

    Raises SkelError with one sentence for a file that is missing, refused or of another kind.
    """
    model = read_model(Path(path), motion.model, motion.gender)
    if model.kind != motion.model and "smplx" in (model.kind, motion.model):
        raise SkelError("bad_model", f"{model.path} is a model of {model.kind}, but the motion was made with {motion.model}, whose "
                        "shapes differ.", f"Give a model file of {motion.model}.")  # fmt: skip
    posedirs = model.posedirs[..., :_FEATURE]
    # SMPL-X's expressions follow its shapes: 100 after 300, in the first release 10 after 10
    shapes = model.shapedirs.shape[2] if model.kind != "smplx" else 300 if model.shapedirs.shape[2] > 300 else 10
    known = min(len(motion.betas), shapes)
    verts = model.template + model.shapedirs[..., :known] @ motion.betas[:known]
    weights = _folded(model.weights, model.parents)
    return SourceBody(model.path.name, verts, weights, posedirs if posedirs.any() else None, (model.regressor @ verts)[:BODY], True)


def _folded(weights: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """(V,22) weights with those of all later joints given to the nearest body joint above them."""
    above = np.arange(len(parents))
    while (above >= BODY).any():
        above = np.where(above >= BODY, parents[above], above)
    folded = np.zeros((len(weights), BODY))
    np.add.at(folded.T, above, weights.T)
    return folded / folded.sum(axis=1, keepdims=True)


# The SKEL joint whose rest centre stands for an SMPL joint, or two and how far from the first to the second.
_STAND_IN: dict[str, tuple[str, str, float]] = {
    "pelvis": ("femur_r", "femur_l", 0.5), "left_hip": ("femur_l", "femur_l", 0), "right_hip": ("femur_r", "femur_r", 0),
    "spine1": ("pelvis", "lumbar_body", 0.5), "left_knee": ("tibia_l", "tibia_l", 0), "right_knee": ("tibia_r", "tibia_r", 0),
    "spine2": ("lumbar_body", "thorax", 0.1), "left_ankle": ("talus_l", "talus_l", 0), "right_ankle": ("talus_r", "talus_r", 0),
    "spine3": ("lumbar_body", "thorax", 0.3), "left_foot": ("toes_l", "toes_l", 0), "right_foot": ("toes_r", "toes_r", 0),
    "neck": ("thorax", "thorax", 0), "left_collar": ("thorax", "scapula_l", 0.6), "right_collar": ("thorax", "scapula_r", 0.6),
    "head": ("head", "head", 0), "left_shoulder": ("humerus_l", "humerus_l", 0), "right_shoulder": ("humerus_r", "humerus_r", 0),
    "left_elbow": ("ulna_l", "ulna_l", 0), "right_elbow": ("ulna_r", "ulna_r", 0),
    "left_wrist": ("hand_l", "hand_l", 0), "right_wrist": ("hand_r", "hand_r", 0),
}  # fmt: skip
# Where the models' mean bodies have the pelvis at rest, m, and where it is from the middle of the hips (Loper et al. 2015, Pavlakos et al.
# 2019): files tell a place by it, which in a camera's axes tells where in the image somebody is.
_PELVIS = {"smpl": (0.0, -0.223, 0.028), "smplh": (0.0, -0.223, 0.028), "smplx": (0.0, -0.351, 0.012)}
_FROM_HIPS = (0.0, 0.092, 0.01)
# The SMPL segment that what rides a SKEL joint rides in the stand-in.
SMPL_OF_SKEL = {
    "pelvis": "pelvis", "lumbar_body": "spine2", "thorax": "spine3", "head": "head",
    **{f"{bone}_{side[0]}": f"{side}_{joint}" for side in ("left", "right") for bone, joint in (
        ("femur", "hip"), ("tibia", "knee"), ("talus", "ankle"), ("calcn", "ankle"), ("toes", "foot"), ("scapula", "collar"),
        ("humerus", "shoulder"), ("ulna", "elbow"), ("radius", "elbow"), ("hand", "wrist"))},
}  # fmt: skip


def stand_in(body: RestBody, model: str) -> tuple[SourceBody, np.ndarray]:
    """The open body cut into SMPL's segments, for a motion whose own body is not at hand, and by how much (3,) m it is moved, so that its
    pelvis lies where a model ('smpl', 'smplh', 'smplx') has it."""
    centres = body.joints
    joints = np.array([centres[SKEL[a]] + part * (centres[SKEL[b]] - centres[SKEL[a]]) for a, b, part in _STAND_IN.values()])
    joints[0] += _FROM_HIPS
    moved = np.array(_PELVIS[model]) - joints[0]
    segment = np.array([JOINT_INDEX[SMPL_OF_SKEL[name]] for name in SKEL])
    weights = np.zeros((len(body.skin_verts), BODY))
    rows = np.arange(len(weights))[:, None]
    np.add.at(weights, (rows, segment[body.weight_index]), body.weight_value)
    return SourceBody("the open body", body.skin_verts + moved, weights, None, joints + moved, False), moved


def chain(motion: SmplMotion, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Global rotations (T,22,3,3) and joint centres (T,22,3) m, y up, of a body with rest joints (22,3)."""
    turns, places = [motion.rotations[:, 0]], [motion.trans + joints[0]]
    for joint in range(1, BODY):
        parent = PARENTS[joint]
        places.append(places[parent] + turns[parent] @ (joints[joint] - joints[parent]))
        turns.append(turns[parent] @ motion.rotations[:, joint])
    rotations, centres = np.stack(turns, axis=1), np.stack(places, axis=1)
    lens = motion.lens
    if lens is not None and lens.cam_to_world is not None and not lens.people_in_world:
        moved = lens.cam_to_world[motion.frames, None]
        turn, move = moved[..., :3, :3], moved[..., :3, 3]
        rotations, centres = turn @ rotations, (turn @ centres[..., None])[..., 0] + move
    up = motion.to_y_up()
    return up @ rotations, centres @ up.T


def posed_skin(body: SourceBody, motion: SmplMotion, rotations: np.ndarray, centres: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
    """(T,V,3) m where the skin of a body goes in some frames; rotations and centres are those of `chain`."""
    rotations, centres = rotations[rows], centres[rows]
    moments = body.weights[:, :, None] * np.concatenate([body.verts, np.ones((len(body.verts), 1))], axis=1)[:, None]  # (V,22,4)
    shifts = centres - (rotations @ body.joints[None, :, :, None])[..., 0]
    transforms = np.concatenate([rotations, shifts[..., None]], axis=-1).transpose(0, 2, 1, 3)  # (T,3,22,4)
    skin = (transforms.reshape(-1, 4 * BODY) @ moments.reshape(len(body.verts), -1).T).reshape(len(rotations), 3, -1).transpose(0, 2, 1)
    if body.posedirs is None:
        return skin
    feature = (motion.rotations[rows, 1:] - np.eye(3)).reshape(len(rotations), -1)
    offsets = (feature @ body.posedirs.reshape(-1, _FEATURE).T).reshape(len(rotations), -1, 3)
    blended = np.einsum("vj,tjab->tvab", body.weights, rotations, optimize=True)
    return skin + (blended @ offsets[..., None])[..., 0]


def estimated_size(motion: SmplMotion, source: SourceBody) -> float | None:
    """How large the person of a motion is relative to `source`, within 0.75 and 1.3; None where too little walking tells.

    As large as lets the feet stand still: the pelvis moves as measured, the legs turn as measured, and only legs of the right length
    bring a resting foot's speed to nothing.
    """
    fps = float(motion.fps)
    _, centres = chain(motion, source.joints)
    stride = max(1, round(fps / 30.0))  # finer steps are noise
    centres = centres[::stride]
    if len(centres) < _ENOUGH:
        return None
    root = np.diff(centres[:, 0], axis=0) * fps / stride
    feet = np.diff(centres[:, _FEET] - centres[:, :1], axis=0) * fps / stride
    moving = np.linalg.norm(root, axis=1) > _MOVING
    if moving.sum() < _ENOUGH:
        return None
    speed = np.linalg.norm(root[moving, None] + _SIZES[:, None, None, None] * feet[moving], axis=-1).min(axis=-1)
    left = np.median(speed, axis=1)  # of the slowest foot, per size
    best = int(left.argmin())
    if best in (0, len(left) - 1) or left[best] > _CLEAR * min(left[0], left[-1]):
        return None
    return float(_SIZES[best])
