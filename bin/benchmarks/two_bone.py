# SPDX-License-Identifier: GPL-3.0-or-later
"""The classic way from 3D landmarks to a rig, to compare with: frames of pelvis and chest, then each limb by two-bone inverse kinematics.

Hips and shoulders give the pelvis and the chest, whose difference the two joints of the spine share. A limb's end goes where its landmark
is, as seen from the limb's root and scaled to the body's bones; the law of cosines bends elbow and knee, the middle landmark says to which
side. Every angle is cut at its limit. Head, shoulder blades, forearms, hands and toes stay relaxed.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX
from skel_blender.engine.blazepose import HIPS, SHOULDERS
from skel_blender.engine.body import BodyModel
from skel_blender.engine.body.landmarks import trunk_axes
from skel_blender.engine.body.stance import relaxed_pose
from skel_blender.engine.regress.lift.arms import arm_angles
from skel_blender.kinematics import pelvis_angles

_LEGS, _ARMS = {"l": (23, 25, 27), "r": (24, 26, 28)}, {"l": (11, 13, 15), "r": (12, 14, 16)}
_FEET = {"l": (29, 31), "r": (30, 32)}
_STRAIGHT = 0.15  # sine of the bend under which the middle landmark does not tell to which side a limb bends


def two_bone(landmarks: np.ndarray, body: BodyModel) -> np.ndarray:
    """Poses (T,46) rad of landmarks (T,33,3), BlazePose's, in model axes (m, anywhere)."""
    rest = body.markers.at_rest(torch.zeros_like(body.J_shapedirs[:1, 0]))[0].cpu().numpy()
    frames, limits = body.rest_frames.cpu().numpy(), body.limits.cpu().numpy()
    poses = np.tile(relaxed_pose(), (len(landmarks), 1))
    pelvis = trunk_axes(torch.as_tensor(landmarks)).numpy()
    chest = _chest(landmarks)
    poses[:, :3] = pelvis_angles(_in(frames[0], pelvis))
    half = _half_turn(np.swapaxes(pelvis, 1, 2) @ chest)
    for joint in ("lumbar_body", "thorax"):
        m = _in(frames[JOINT_INDEX[joint]], half)  # Ry Rz Rx
        first = DOF_INDEX[f"{joint.removesuffix('_body')}_bending"]
        poses[:, first : first + 3] = np.stack(
            [np.arctan2(-m[:, 1, 2], m[:, 1, 1]), np.arcsin(np.clip(m[:, 1, 0], -1, 1)), np.arctan2(-m[:, 2, 0], m[:, 0, 0])], 1)
    for side, sign in (("l", -1.0), ("r", 1.0)):
        femur, humerus = frames[JOINT_INDEX[f"femur_{side}"]], frames[JOINT_INDEX[f"humerus_{side}"]]
        turned, bend, hinge = _limb(landmarks, rest, _LEGS[side], femur[:, 2], pelvis, -1.0)
        m = _in(femur, np.swapaxes(pelvis, 1, 2) @ turned)  # Ry Rx Rz, the left side's x and y turned round
        hip = DOF_INDEX[f"hip_flexion_{side}"]
        lean, turn = np.arcsin(np.clip(-m[:, 1, 2], -1, 1)), np.arctan2(m[:, 0, 2], m[:, 2, 2])
        poses[:, hip : hip + 3] = np.stack([np.arctan2(m[:, 1, 0], m[:, 1, 1]), sign * lean, sign * turn], 1)
        poses[:, DOF_INDEX[f"knee_angle_{side}"]] = bend
        poses[:, DOF_INDEX[f"ankle_angle_{side}"]] = _ankle(landmarks, rest, side, hinge)
        turned, bend, _ = _limb(landmarks, rest, _ARMS[side], humerus[:, 2], chest, 1.0)
        arm = slice(DOF_INDEX[f"shoulder_{side}_x"], DOF_INDEX[f"shoulder_{side}_z"] + 1)
        poses[:, arm] = arm_angles(_in(humerus, np.swapaxes(chest, 1, 2) @ turned), limits[arm])
        poses[:, DOF_INDEX[f"elbow_flexion_{side}"]] = bend
    return np.clip(poses, limits[:, 0], limits[:, 1])


def _limb(landmarks: np.ndarray, rest: np.ndarray, chain: tuple[int, int, int], axis: np.ndarray, parent: np.ndarray,
          side: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Of one limb: the first bone's rotation from the T pose (T,3,3), the bend (T,) rad, and the hinge (T,3) it bends about.

    axis (3,): the hinge in the T pose, model axes; parent (T,3,3) where it turns to if the limb is straight. `side`: whether the bend
    takes the second bone round the hinge the way of the right hand (1, an elbow) or the other way (-1, a knee).
    """
    a, b = (float(np.linalg.norm(rest[chain[k + 1]] - rest[chain[k]])) for k in (0, 1))
    root, middle, end = (landmarks[:, k] for k in chain)
    seen = np.median(np.linalg.norm(middle - root, axis=1) + np.linalg.norm(end - middle, axis=1))
    reach = np.clip(np.linalg.norm(end - root, axis=1) * (a + b) / seen, 1.001 * abs(a - b), 0.9999 * (a + b))
    bend = np.pi - np.arccos(np.clip((a * a + b * b - reach**2) / (2 * a * b), -1, 1))
    lift = np.arccos(np.clip((a * a + reach**2 - b * b) / (2 * a * reach), -1, 1))
    toward = _unit(end - root)
    across = side * np.cross(_unit(middle - root), _unit(end - middle))
    sure = np.clip(np.linalg.norm(across, axis=1) / _STRAIGHT, 0, 1)[:, None]
    hinge = sure * across / np.maximum(np.linalg.norm(across, axis=1), 1e-9)[:, None] + (1 - sure) * (parent @ axis)
    hinge = _unit(hinge - (hinge * toward).sum(1, keepdims=True) * toward)
    first = np.cos(lift)[:, None] * toward - side * np.sin(lift)[:, None] * np.cross(hinge, toward)
    return _basis(first, hinge) @ _basis(_unit(rest[None, chain[1]] - rest[chain[0]]), axis[None])[0].T, bend, hinge


def _ankle(landmarks: np.ndarray, rest: np.ndarray, side: str, hinge: np.ndarray) -> np.ndarray:
    """(T,) rad: by how much the foot is turned up about the knee's hinge, against the T pose."""
    def raised(points: np.ndarray, about: np.ndarray) -> np.ndarray:
        heel, toe = _FEET[side]
        down = _unit(points[:, _LEGS[side][2]] - points[:, _LEGS[side][1]])
        foot = points[:, toe] - points[:, heel]
        return np.arctan2(-(foot * down).sum(1), (foot * np.cross(about, down)).sum(1))

    right = np.array([[-1.0, 0.0, 0.0]])
    return np.angle(np.exp(1j * (raised(landmarks, hinge) - raised(rest[None], right))))


def _chest(landmarks: np.ndarray) -> np.ndarray:
    """(T,3,3) rotation of the chest from the T pose."""
    shoulders, hips = landmarks[:, SHOULDERS], landmarks[:, HIPS]
    left = _unit(shoulders[:, 0] - shoulders[:, 1])
    up = shoulders.mean(1) - hips.mean(1)
    up = _unit(up - (up * left).sum(1, keepdims=True) * left)
    return np.stack([left, up, np.cross(left, up)], -1)


def _half_turn(rotations: np.ndarray) -> np.ndarray:
    """(T,3,3) the rotation that, done twice, is the given one."""
    return Rotation.from_rotvec(0.5 * Rotation.from_matrix(rotations).as_rotvec()).as_matrix()


def _basis(bone: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """(T,3,3) with columns bone, hinge made perpendicular, and their cross product."""
    hinge = _unit(hinge - (hinge * bone).sum(1, keepdims=True) * bone)
    return np.stack([bone, hinge, np.cross(bone, hinge)], -1)


def _in(frame: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Rotations (T,3,3) of the model in a joint's own frame (3,3)."""
    return frame.T @ rotations @ frame


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
