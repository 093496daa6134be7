# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up Take for tests: people of tubes in a T pose, random poses inside their limits, a camera. numpy only, same for a seed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from skel_blender import anatomy, kinematics
from skel_blender.anatomy import JOINT_NAMES, PARENTS, J, Q
from skel_blender.take import TRIANGLE, Camera, Person, RestBody, Take

BODIES = Path(__file__).resolve().parents[1] / "skel_blender" / "engine" / "body" / "data"

# Joint centres of an adult, metres, model frame, origin between the hip bones' front spines; the right side is the mirror image.
_CENTRES = {
    "pelvis": (0, 0, 0), "femur_l": (0.091, -0.087, -0.042), "tibia_l": (0.103, -0.489, -0.069), "talus_l": (0.104, -0.889, -0.061),
    "calcn_l": (0.112, -0.931, -0.110), "toes_l": (0.111, -0.939, 0.067), "lumbar_body": (0, 0.2, -0.074),
    "thorax": (0, 0.501, -0.039), "head": (0, 0.581, -0.03), "scapula_l": (0.129, 0.377, -0.102),
    "humerus_l": (0.173, 0.408, -0.053), "ulna_l": (0.432, 0.408, -0.053), "radius_l": (0.444, 0.427, -0.059),
    "hand_l": (0.663, 0.412, -0.059),
}  # fmt: skip
_TIPS = {"head": (0, 0.2, 0), "toes_l": (0, 0, 0.07), "hand_l": (0.17, 0, 0)}  # from the joint, where there is no child
_TRUNK = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
_ARM_R, _ARM_L = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]), np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
_RING, _RINGS, _RADIUS = 8, 5, 0.05


def rest_body(scale: float = 1.0) -> RestBody:
    """A body of tubes, about 1.7 m times `scale` tall, with the anatomical limits."""
    joints = np.array([_place(_CENTRES, name) for name in JOINT_NAMES]) * scale
    frames = np.array([_frame(name) for name in JOINT_NAMES])
    verts, faces, index, value = [], [], [], []
    bone_verts, bone_faces = [], []
    for joint, name in enumerate(JOINT_NAMES):
        tip = joints[PARENTS.index(joint)] if joint in PARENTS else joints[joint] + np.array(_place(_TIPS, name)) * scale
        tube, quads = _tube(joints[joint], tip, _RADIUS * scale)
        faces.append(np.where(quads == TRIANGLE, TRIANGLE, quads + joint * len(tube)))
        verts.append(tube)
        share = np.repeat(np.linspace(0.5, 1.0, _RINGS), _RING)
        share = np.append(share, 1.0)  # the tip
        index.append(np.tile([joint, max(PARENTS[joint], 0)], (len(tube), 1)))
        value.append(np.stack([share, 1.0 - share], axis=1))
        core, _ = _tube(joints[joint], tip, 0.01 * scale)
        bone_verts.append(core)
        bone_faces.append(_triangles(quads) + joint * len(core))
    count = len(verts[0])
    faces = np.concatenate(faces)
    uv = np.random.default_rng(0).random((len(faces), 4, 2))
    return RestBody(
        skin_verts=np.concatenate(verts), skin_faces=faces, skin_uv=uv,
        weight_index=np.concatenate(index), weight_value=np.concatenate(value), joints=joints, frames=frames,
        bone_verts=np.concatenate(bone_verts), bone_faces=np.concatenate(bone_faces),
        bone_joint=np.repeat(np.arange(J), count), limits=np.array(anatomy.LIMITS_ANATOMICAL),
    )  # fmt: skip


def random_poses(count: int, limits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(count,46) poses inside `limits` (46,2), rad; free angles within a turn."""
    low, up = np.clip(limits, -np.pi, np.pi).T
    return low + (up - low) * rng.random((count, Q))


def random_take(frames: int = 30, people: int = 2, seed: int = 0, first: int = 0, fps: Fraction = Fraction(30000, 1001)) -> Take:
    """People beside each other in random poses, `frames` frames from source frame `first`, and a still camera in front of them."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(first, first + frames)
    crowd = [_person(k, rest_body(1.0 - 0.1 * k), numbers, rng) for k in range(people)]
    K = np.array([[1100.0, 0, 650], [0, 1100.0, 340], [0, 0, 1]])
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # the camera looks along +y of the world
    tilt = kinematics.axis_rotation(np.array([1.0, 0, 0]), np.array(-0.1)) @ turn
    camera = np.eye(4)
    camera[:3, :3], camera[:3, 3] = tilt, -tilt @ np.array([0.1, -5.0, 1.4])
    return Take(
        source="", fps=fps, frames=numbers, image_size=(1280, 720),
        camera=Camera(K, np.tile(camera, (frames, 1, 1))), people=crowd, producer="tests",
    )  # fmt: skip


def moving_camera(take: Take) -> None:
    """Let the Take's camera pan by half a turn and rise, from frame to frame."""
    count = len(take.frames)
    pans = kinematics.axis_rotation(np.array([0.0, 1, 0]), np.linspace(-0.3, np.pi, count))
    take.camera.world_to_cam[:, :3, :3] = pans @ take.camera.world_to_cam[:, :3, :3]
    take.camera.world_to_cam[:, 1, 3] += np.linspace(0.0, 0.5, count)


def _person(k: int, body: RestBody, numbers: np.ndarray, rng: np.random.Generator) -> Person:
    count = len(numbers)
    trans = np.stack([np.linspace(-0.5, 0.5, count) + k, np.full(count, 0.95), 0.1 * rng.random(count)], axis=1)
    return Person(
        name=f"person_{k + 1}", body_name="tubes", frames=numbers, poses=random_poses(count, body.limits, rng),
        betas=np.zeros(10), trans=trans, confidence=np.ones(count), keypoints_2d=np.zeros((count, 33, 3)),
        landmarks_3d=np.zeros((count, 33, 3)), reprojection_error=np.zeros(count), contacts=np.zeros((count, 6), dtype=bool),
        body=body,
    )  # fmt: skip


def _place(table: dict[str, tuple[float, float, float]], name: str) -> tuple[float, float, float]:
    if name in table:
        return table[name]
    x, y, z = table[name[:-1] + "l"]
    return (-x, y, z)


def _frame(name: str) -> np.ndarray:
    arm = name.startswith(("humerus", "ulna", "radius", "hand"))
    return (_ARM_R if name.endswith("_r") else _ARM_L) if arm else _TRUNK


def _tube(start: np.ndarray, end: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Rings from start to end and a tip: verts (41,3), faces (40,4) of quads and, around the tip, triangles."""
    along = (end - start) / np.linalg.norm(end - start)
    side = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    side /= np.linalg.norm(side)
    angles = np.arange(_RING) * 2 * np.pi / _RING
    ring = radius * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * np.cross(along, side))
    verts = np.concatenate([start + t * (end - start) + ring for t in np.linspace(0.05, 0.9, _RINGS)] + [end[None]])
    here, after = np.arange(_RING), (np.arange(_RING) + 1) % _RING
    quads = [np.stack([here, after, after + _RING, here + _RING], axis=1) + _RING * k for k in range(_RINGS - 1)]
    last = _RING * (_RINGS - 1)
    tip = np.stack([here + last, after + last, np.full(_RING, _RING * _RINGS), np.full(_RING, TRIANGLE)], axis=1)
    return verts, np.concatenate([*quads, tip])


def _triangles(faces: np.ndarray) -> np.ndarray:
    quads = faces[faces[:, 3] != TRIANGLE]
    return np.concatenate([faces[:, :3], quads[:, [0, 2, 3]]])


def open_body_file(sex: str) -> Path:
    """The package's data of the open body."""
    return BODIES / f"open_{sex}.npz"


def open_body(sex: str, betas: np.ndarray | None = None) -> RestBody:
    """The open body, with the anatomical limits: the mean one, or skin and joints of a shape (10,); the bones are the mean one's."""
    with np.load(open_body_file(sex), allow_pickle=False) as data:
        skin, joints = data["v_template"], data["J_template"].astype(float)
        if betas is not None:
            skin = skin + (data["shapedirs_q"] * data["shapedirs_scale"]) @ betas
            joints = joints + data["J_shapedirs"].astype(float) @ betas
        faces = data["faces"].astype(np.int64)
        weight = data["weight_value"] / data["weight_value"].sum(axis=1, keepdims=True, dtype=float)
        return RestBody(
            skin_verts=skin, skin_faces=np.where(faces == 65535, TRIANGLE, faces),
            skin_uv=data["uv"].astype(float), weight_index=data["weight_index"].astype(int), weight_value=weight,
            joints=joints, frames=data["rest_frames"].astype(float),
            bone_verts=data["skel_v_template"], bone_faces=data["skel_faces"].astype(int),
            bone_joint=data["skel_joint"].astype(int), limits=np.array(anatomy.LIMITS_ANATOMICAL),
        )  # fmt: skip


def carried_camera(frame: int) -> np.ndarray:
    """(4,4) world matrix of a Blender camera that is carried round the origin and looks at it."""
    angle = -0.5 + 0.03 * frame
    place = np.array([5 * np.sin(angle), -5 * np.cos(angle), 1.5 + 0.02 * frame])
    back = place - [0.0, 0.0, 1.0]
    back /= np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = np.stack([right, np.cross(back, right), back], axis=1), place
    return result


def mirrored(poses: np.ndarray) -> np.ndarray:
    """(...,46) poses of the left-right mirrored person."""
    return poses[..., [dof.mirror for dof in anatomy.DOFS]] * [dof.mirror_sign for dof in anatomy.DOFS]
