# SPDX-License-Identifier: GPL-3.0-or-later
"""SKEL's kinematics in numpy: poses and a rest skeleton give joint transforms. Builds rigs, checks rigs, reads Takes.

Model frame: x to the person's left, y up, z forward; metres and radians. `rest_joints` (24,3) are the joint centres of the T pose,
`rest_frames` (24,3,3) hold each joint's axes as columns: R_model_joint, the matrix that takes joint to model vectors.
Formulas: Keller et al. 2023, with the constant-curvature spine and the ellipsoid shoulder blade of OpenSim (Seth et al. 2016).
"""

from __future__ import annotations

import numpy as np

from .anatomy import ARCS, DOFS_OF_JOINT, ELLIPSOIDS, FEATURE_JOINTS, PARENTS, J, Q

R_ZUP_YUP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def z_up(vectors: np.ndarray) -> np.ndarray:
    """(...,3) vectors of the y-up model frame in the z-up world: (x, y, z) -> (x, -z, y). Who faces +z then faces -y."""
    return np.asarray(vectors) @ R_ZUP_YUP.T


def y_up(vectors: np.ndarray) -> np.ndarray:
    """(...,3) vectors of the z-up world in the y-up model frame; the inverse of `z_up`."""
    return np.asarray(vectors) @ R_ZUP_YUP


def axis_rotation(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (...,3,3) about one unit axis (3,) by angles (...) (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.asarray(angle, dtype=float)[..., None, None]
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)


def joint_rotations(poses: np.ndarray) -> np.ndarray:
    """(...,46) poses -> (...,24,3,3) rotations Rp of each joint in its own frame; the first DoF of a joint acts first."""
    poses = _checked(poses)
    result = np.broadcast_to(np.eye(3), poses.shape[:-1] + (J, 3, 3)).copy()
    for joint, dofs in enumerate(DOFS_OF_JOINT):
        for dof in dofs:
            result[..., joint, :, :] = axis_rotation(np.array(dof.axis), poses[..., dof.index]) @ result[..., joint, :, :]
    return result


def arc_offset(bending: np.ndarray, extension: np.ndarray, length: float) -> np.ndarray:
    """(...,3) shift of the top of an arc of constant curvature, model axes; zero at zero angles. Sinc forms lose no digits."""
    def sinc(angle: np.ndarray) -> np.ndarray:
        return np.sinc(angle / np.pi)

    def versine(angle: np.ndarray) -> np.ndarray:  # (1 - cos a) / a
        return 0.5 * angle * sinc(0.5 * angle) ** 2

    u, w = np.asarray(bending, dtype=float), np.asarray(extension, dtype=float)
    return length * np.stack([-versine(u), sinc(u) + sinc(w) - 2.0, -versine(w)], axis=-1)


def ellipsoid_offset(abduction: np.ndarray, elevation: np.ndarray, side: int, width: float, height: float) -> np.ndarray:
    """(...,3) shift of a shoulder blade on its ellipsoid, model axes; zero at zero angles. `side` is -1 right, +1 left."""
    def point(a: np.ndarray, e: np.ndarray) -> np.ndarray:
        e = e - np.pi / 4
        return np.stack(
            [side * width / 4 * np.cos(e) * np.cos(a), -height / 2 * np.sin(e), width / 4 * np.sin(a)], axis=-1
        )

    a, e = -side * np.asarray(abduction, dtype=float), -side * np.asarray(elevation, dtype=float)
    return point(a, e) - point(np.zeros_like(a), np.zeros_like(e))


def couplings(poses: np.ndarray, rest_joints: np.ndarray) -> dict[int, np.ndarray]:
    """Joint -> (...,3) translation that its angles add to its rest offset, in the parent's frame (model axes)."""
    poses = _checked(poses)
    result = {}
    for joint, (bottom, top) in ARCS.items():
        first, second = DOFS_OF_JOINT[joint][0].index, DOFS_OF_JOINT[joint][1].index
        length = abs(rest_joints[top, 1] - rest_joints[bottom, 1])
        result[joint] = arc_offset(poses[..., first], poses[..., second], length)
    width, height = scapula_ellipsoid(rest_joints)
    for joint, side in ELLIPSOIDS.items():
        first, second = DOFS_OF_JOINT[joint][0].index, DOFS_OF_JOINT[joint][1].index
        result[joint] = ellipsoid_offset(poses[..., first], poses[..., second], side, width, height)
    return result


def scapula_ellipsoid(rest_joints: np.ndarray) -> tuple[float, float]:
    """Width and height (m) that scale the shoulder blades' ellipsoids: between the scapulae, and of the thorax's arc."""
    width = float(np.linalg.norm(rest_joints[19] - rest_joints[14]))
    return width, float(np.linalg.norm(rest_joints[12] - rest_joints[11]))


def forward(poses: np.ndarray, rest_joints: np.ndarray, rest_frames: np.ndarray, trans: np.ndarray | None = None) -> np.ndarray:
    """Joint transforms (...,24,4,4), model frame: rotation from the T pose and position of each joint.

    poses (...,46) rad, rest_joints (24,3) m, rest_frames (24,3,3), trans (...,3) m added last. A skin point v bound to joint j goes
    to R_j (v - rest_joints[j]) + t_j.
    """
    rotations = rest_frames @ joint_rotations(poses) @ np.swapaxes(rest_frames, -1, -2)
    shifts = couplings(poses, rest_joints)
    result = np.zeros(rotations.shape[:-2] + (4, 4))
    result[..., 3, 3] = 1.0
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            result[..., joint, :3, :3] = rotations[..., joint, :, :]
            result[..., joint, :3, 3] = rest_joints[joint] + (0.0 if trans is None else trans)
            continue
        above = result[..., parent, :, :]
        offset = rest_joints[joint] - rest_joints[parent] + shifts.get(joint, 0.0)
        result[..., joint, :3, :3] = above[..., :3, :3] @ rotations[..., joint, :, :]
        result[..., joint, :3, 3] = above[..., :3, 3] + np.einsum("...ij,...j->...i", above[..., :3, :3], offset)
    return result


def skin(transforms: np.ndarray, rest_joints: np.ndarray, verts: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Linear blend skinning of one pose: transforms (24,4,4) of `forward`, verts (V,3), index and weight (V,K) -> (V,3) m."""
    local = verts[:, None] - rest_joints[index]
    moved = np.einsum("vkij,vkj->vki", transforms[index, :3, :3], local) + transforms[index, :3, 3]
    return np.einsum("vk,vki->vi", weight, moved)


def pose_features(poses: np.ndarray, rest_frames: np.ndarray) -> np.ndarray:
    """(...,171) what moves a SKEL skin beside its joints: the rotations of anatomy.FEATURE_JOINTS, model axes, less the identity.

    The T pose's vertices (V,3) become verts + posedirs @ features before `skin`.
    """
    joints = list(FEATURE_JOINTS)
    rotations = rest_frames[joints] @ joint_rotations(poses)[..., joints, :, :] @ np.swapaxes(rest_frames[joints], -1, -2)
    return (rotations - np.eye(3)).reshape(*rotations.shape[:-3], -1)


def eulers(rotations: np.ndarray, order: str, near: np.ndarray | None = None) -> np.ndarray:
    """(T,3) Euler angles x, y, z (rad), continuous in time, of rotations (T,3,3); `order` is Blender's: 'XYZ' turns about X first.

    Each rotation has two triples, and every angle its full turns: taken is what is nearest to the frame before, and in the first frame
    to `near` (3,), or the triple whose middle angle lies within a right angle.
    """
    i, j, k = ("XYZ".index(letter) for letter in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    m = rotations
    first = np.arctan2(sign * m[:, k, j], m[:, k, k])
    middle = np.arcsin(np.clip(-sign * m[:, k, i], -1.0, 1.0))
    level = np.cos(first)[:, None] * m[:, :, j] - sign * np.sin(first)[:, None] * m[:, :, k]  # free of the first, also where that is any
    result, other = np.empty((2, len(m), 3))
    result[:, [i, j, k]] = np.stack([first, middle, np.arctan2(-sign * level[:, i], level[:, j])], axis=1)
    other[:], other[:, j] = result + np.pi, np.pi - middle
    before = result[0] if near is None else np.asarray(near, dtype=float)
    # What leads from one triple to the next one's other leads back from its other: which is nearer does not depend on which was taken.
    stay, change = (_apart(triple, np.vstack([before, result[:-1]])) for triple in (result, other))
    swapped = np.logical_xor.accumulate(change < stay)
    result = np.where(swapped[:, None], other, result)
    return result - 2.0 * np.pi * np.cumsum(np.round(np.diff(result, axis=0, prepend=before[None]) / (2.0 * np.pi)), axis=0)


def _apart(angles: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(T,) rad between triples of angles (T,3), full turns apart, summed over the three."""
    away = angles - others
    return np.abs(away - 2.0 * np.pi * np.round(away / (2.0 * np.pi))).sum(axis=1)


def pelvis_angles(rotations: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """(T,3) tilt, list, rotation of the pelvis' rotations (T,3,3) = Ry Rx Rz in its own frame, continuous in time, from `near` (3,) on."""
    return eulers(rotations, "ZXY", None if near is None else np.roll(near, -1))[:, [2, 0, 1]]


def _checked(poses: np.ndarray) -> np.ndarray:
    poses = np.asarray(poses, dtype=float)
    if poses.shape[-1:] != (Q,):
        raise ValueError(f"poses must end in {Q} angles, not {poses.shape}")
    return poses
