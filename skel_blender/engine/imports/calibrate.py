# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays a SKEL body over the rest pose of the body that a motion was made with: its shape, and the angles in which the two poses agree.

SMPL's joints are not SKEL's, and two T poses differ by some degrees. Both are settled here once, so that afterwards a point of the
source's body is a point of the SKEL body, and SMPL's identity is a known pose of SKEL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from ... import kinematics
from ...anatomy import JOINT_INDEX as SKEL
from ...anatomy import Q
from ...take import RestBody
from ..body import BodyModel
from ..body.chain import point_jacobians, point_shape_jacobians, pose_chain, pose_points
from ..body.points import TRANS, joints_as_points
from ..body.skel import SKIN_VERTS
from .motion import JOINT_INDEX
from .source_body import SourceBody

# SKEL's joint beside each of SMPL's; the rest of SMPL's joints have no counterpart.
_SAME = {
    "left_hip": "femur_l", "right_hip": "femur_r", "left_knee": "tibia_l", "right_knee": "tibia_r", "left_ankle": "talus_l",
    "right_ankle": "talus_r", "left_shoulder": "humerus_l", "right_shoulder": "humerus_r", "left_elbow": "ulna_l",
    "right_elbow": "ulna_r", "left_wrist": "hand_l", "right_wrist": "hand_r",
}  # fmt: skip
_JOINT_M, _SKIN_M = 0.012, 0.006  # how far a joint and the skin may lie from their counterparts, standard deviations
_ANGLE = 0.1  # rad, how far two T poses differ
_SHAPE = 2.0  # standard deviations of betas; the skin speaks, so the prior is wide
_WIDEST = 4.0
_SAMPLE = 500  # vertices of the source
_ROUNDS = 12


@dataclass(frozen=True)
class Calibration:
    """The pose and shape in which a SKEL body lies over the source's rest pose."""

    betas: np.ndarray  # (10,)
    rest: RestBody  # of these betas
    poses: np.ndarray  # (46,) rad
    trans: np.ndarray  # (3,) m
    distance: float  # m, mean of the source's skin from the body's; 0 where the source is the body itself

    def transforms(self) -> np.ndarray:
        """(24,4,4) of the SKEL joints, see `kinematics.forward`."""
        return kinematics.forward(self.poses, self.rest.joints, self.rest.frames, self.trans)

    def skin(self) -> np.ndarray:
        """(V,3) m, of the SKEL body."""
        rest = self.rest
        return kinematics.skin(self.transforms(), rest.joints, rest.skin_verts, rest.weight_index, rest.weight_value)


def as_it_is(body: BodyModel, betas: np.ndarray) -> Calibration:
    """For a source that is this very body."""
    return Calibration(betas, body.rest_body(betas), np.zeros(Q), np.zeros(3), 0.0)


def calibrate(body: BodyModel, source: SourceBody) -> Calibration:
    """Shape and pose a body to the source's rest pose: first by the joints that both have, then also by the nearest skin."""
    state, betas = np.zeros(TRANS + Q), np.zeros(10)
    hands = source.weights[:, [JOINT_INDEX["left_wrist"], JOINT_INDEX["right_wrist"]]].sum(axis=1)
    sample = spread(source.verts, np.nonzero(hands < 0.5)[0], _SAMPLE)  # each file bends the fingers as it likes
    pairs = sorted((SKEL[ours], JOINT_INDEX[theirs]) for theirs, ours in _SAME.items())
    joints = joints_as_points(body.J_template, body.J_shapedirs).select([ours for ours, _ in pairs])
    wanted = source.joints[[theirs for _, theirs in pairs]]
    state[:TRANS] = (wanted - joints.at_rest(torch.zeros(1, 10, dtype=body.J_template.dtype))[0].cpu().numpy()).mean(axis=0)
    found = Calibration(betas, body.rest_body(betas), state[TRANS:], state[:TRANS], 0.0)
    for turn in range(_ROUNDS):
        points, targets, deviation = joints, wanted, np.full(len(wanted), _JOINT_M)
        if turn >= 2:
            nearest, distance = corresponding(found, source, sample)
            points = joints.joined(body.vertex_points([int(v) for v in nearest], tuple(f"skin {k}" for k in range(len(sample)))))
            targets = np.concatenate([wanted, source.verts[sample]])
            # a point far from its counterpart speaks of another hairdo or posture of the hands, not of the shape
            deviation = np.concatenate([deviation, _SKIN_M * np.sqrt(len(sample) / 50) * (1 + (distance / 0.02) ** 2)])
        state, betas = _step(body, points, targets, deviation, state, betas)
        found = Calibration(betas, body.rest_body(betas), state[TRANS:], state[:TRANS], 0.0)
    _, distance = corresponding(found, source, sample)
    return Calibration(found.betas, found.rest, found.poses, found.trans, float(distance.mean()))


def _step(body: BodyModel, points: object, targets: np.ndarray, deviation: np.ndarray, state: np.ndarray,
          betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """One Gauss-Newton step of state (49,) and betas (10,) toward targets (K,3) with standard deviations (K,) m."""
    like = body.J_template
    owner = torch.zeros(1, dtype=torch.long, device=like.device)
    now, shape = torch.as_tensor(state[None]).to(like), body.shape(torch.as_tensor(betas[None]).to(like))
    posed = pose_chain(shape, owner, now[:, TRANS:], now[:, :TRANS])
    where, pairs = pose_points(shape, owner, posed, points)
    by_state = point_jacobians(posed, points, pairs, list(range(TRANS + Q)))[0]
    by_betas = point_shape_jacobians(posed, shape, points, pairs)[0]
    rows = torch.cat([by_state, by_betas], dim=-1).cpu().numpy().astype(float) / deviation[:, None, None]
    residual = (where[0].cpu().numpy() - targets) / deviation[:, None]
    prior = np.concatenate([np.zeros(TRANS), np.full(Q, 1 / _ANGLE**2), np.full(10, 1 / _SHAPE**2)])
    flat = rows.reshape(-1, rows.shape[-1])
    gradient = flat.T @ residual.ravel() + prior * np.concatenate([state, betas])
    step = np.linalg.solve(flat.T @ flat + np.diag(prior + 1e-9), -gradient)
    return state + step[: TRANS + Q], np.clip(betas + step[TRANS + Q :], -_WIDEST, _WIDEST)


def corresponding(found: Calibration, source: SourceBody, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each sampled vertex of the source the body's vertex (K,) that corresponds, and how far (K,) m it is.

    On SKEL's skin and SMPL's, and on a body and its stand-in, that is the vertex of the same number; else the nearest one.
    """
    skin = found.skin()
    if len(skin) == len(source.verts) and (len(skin) == SKIN_VERTS or not source.is_real):
        return sample, np.linalg.norm(skin[sample] - source.verts[sample], axis=1)
    distance, nearest = cKDTree(skin).query(source.verts[sample])
    return nearest, distance


def spread(verts: np.ndarray, allowed: np.ndarray, count: int) -> np.ndarray:
    """(count,) of the allowed vertices, each as far as can be from those before (farthest point sampling)."""
    places = verts[allowed]
    chosen = [int(places[:, 1].argmax())]
    distance = np.full(len(allowed), np.inf)
    for _ in range(min(count, len(allowed)) - 1):
        distance = np.minimum(distance, ((places - places[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return allowed[chosen]
