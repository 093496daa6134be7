# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up SMPL body's walk, written in every layout that is read; fixtures for the tests of the import."""

from __future__ import annotations

import io
import pickle
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.imports import motion as motions  # noqa: E402
from tests import synthetic_smpl  # noqa: E402

BETAS = np.array([1.0, -1.0, 0.5, 0, 0, 0, 0, 0, 0, 0])
JOINTS = 22
FEW = 12  # frames
GONE = object()  # stands for an entry that is left out
NONSENSE = [
    GONE, None, "text", b"x", -1, float("nan"), float("inf"), 1e30, [], (), {}, {"a": 1}, np.zeros(0), np.zeros((1, FEW, 72)),
    np.full((FEW, 3), np.nan), np.array(["a"] * FEW), np.array([None] * FEW, dtype=object), np.array([*range(FEW - 1), 10**9]),
    np.arange(FEW)[::-1],
]  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("smpl")


@pytest.fixture(scope="session")
def model(folder):
    """The path of a made-up SMPL file, and its entries."""
    path = folder / "SMPL_FEMALE.pkl"
    return path, synthetic_smpl.write_model(path, sex="female")


@pytest.fixture(scope="session")
def walk(model):
    """A walk that was captured, for the made-up body: poses (T,72), trans (T,3), y up, feet on the floor; joints (24,3)."""
    entries = model[1]
    joints = entries["J_regressor"] @ (entries["v_template"] + entries["shapedirs"] @ BETAS)
    poses, trans = synthetic_smpl.captured("49_01@0-120", joints, rate=2)
    trans[:, 1] -= np.percentile(_lowest(poses, trans, entries), 3)
    return poses, trans, joints


def _lowest(poses: np.ndarray, trans: np.ndarray, entries: dict) -> np.ndarray:
    """(T,) height of the lowest vertex, by linear blend skinning with one 4x4 matrix per joint."""
    verts = entries["v_template"] + entries["shapedirs"] @ BETAS
    joints = entries["J_regressor"] @ verts
    turns = motions.rotation_matrices(poses.reshape(-1, 24, 3))
    transforms: list[np.ndarray] = []
    for joint, parent in enumerate(synthetic_smpl.PARENTS):
        local = np.tile(np.eye(4), (len(poses), 1, 1))
        local[:, :3, :3] = turns[:, joint]
        local[:, :3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        transforms.append(local if parent < 0 else transforms[parent] @ local)
    rows = np.arange(0, len(verts), 7)
    moved = np.zeros((len(poses), len(rows)))
    for joint, transform in enumerate(transforms):
        height = (verts[rows] - joints[joint]) @ transform[:, 1, :3].T + transform[:, 1, 3]
        moved += (entries["weights"][rows, joint][:, None] * height).T
    return (moved + trans[:, 1:2]).min(axis=1)


def in_z_up(poses: np.ndarray, trans: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same motion in a world whose z is up, as AMASS writes it: the root turns about its own joint."""
    up = motions.UP_AXES["z"]
    poses = poses.copy()
    poses[:, :3] = motions.rotation_vectors(up.T @ motions.rotation_matrices(poses[:, :3]))
    return poses, (trans + joints[0]) @ up - joints[0]


def in_camera(poses: np.ndarray, trans: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same motion seen by a level camera five metres away: matrices (T,24,3,3) and trans in its axes."""
    flip = motions.UP_AXES["-y"]
    matrices = motions.rotation_matrices(poses.reshape(-1, 24, 3))
    matrices[:, 0] = flip @ matrices[:, 0]
    return matrices, (trans + joints[0]) @ flip.T - joints[0] + [0, 1.0, 5.0]


class JoblibPickler(pickle._Pickler):
    """Writes as joblib does: an array is a wrapper that speaks of it, and then its raw bytes between the opcodes."""

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        if not isinstance(obj, np.ndarray):
            super().save(obj, save_persistent_id)
            return
        self.write(pickle.GLOBAL + b"joblib.numpy_pickle\nNumpyArrayWrapper\n" + pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        super().save({"subclass": np.ndarray, "shape": obj.shape, "order": "C", "dtype": obj.dtype, "allow_mmap": True,
                      "numpy_array_alignment_bytes": 16})  # fmt: skip
        self.write(pickle.BUILD)
        self.write(bytes([5]) + b"\xff" * 5 + np.ascontiguousarray(obj).tobytes())


def joblib_bytes(value: object) -> bytes:
    stream = io.BytesIO()
    JoblibPickler(stream, protocol=3).dump(value)
    return stream.getvalue()


def write_amass(path: Path, walk: tuple) -> None:
    poses, trans = in_z_up(*walk)
    np.savez(path, poses=np.pad(poses[:, :66], ((0, 0), (0, 90))), trans=trans, betas=np.pad(BETAS, (0, 6)), gender="female",
             mocap_framerate=60.0, dmpls=np.zeros((len(poses), 8)))  # fmt: skip


def write_amass_smplx(path: Path, walk: tuple) -> None:
    poses, trans = in_z_up(*walk)
    np.savez(path, root_orient=poses[:, :3], pose_body=poses[:, 3:66], pose_hand=np.zeros((len(poses), 90)), trans=trans, betas=BETAS,
             gender=np.array("female"), surface_model_type="smplx", mocap_frame_rate=59.94,
             labels=np.array(["a", None], dtype=object))  # fmt: skip


def write_aist(path: Path, walk: tuple) -> None:
    poses, trans, _ = walk
    path.write_bytes(pickle.dumps({"smpl_poses": poses, "smpl_trans": 93.0 * trans, "smpl_scaling": np.array([93.0])}))


def write_phalp(path: Path, walk: tuple) -> None:
    matrices, trans = in_camera(*walk)
    frames = {}
    for t, (pose, place) in enumerate(zip(matrices.astype(np.float32), trans)):
        person = {"global_orient": pose[:1], "body_pose": pose[1:], "betas": BETAS.astype(np.float32)}
        seen = t not in (30, 31, 32)
        frames[f"img/{t:06d}.jpg"] = {
            "time": t, "shot": 0, "tid": [7, 3] if seen else [3], "camera": [place, place] if seen else [place],
            "smpl": [person, -1] if seen else [-1], "size": [[720, 1280]] * (2 if seen else 1),
        }  # fmt: skip
    path.write_bytes(zlib.compress(joblib_bytes(frames), 3))


def write_wham(path: Path, walk: tuple) -> None:
    from collections import defaultdict

    poses, trans, _ = walk
    people = defaultdict(dict)
    people[0] = {"pose": poses[:20], "pose_world": poses[:20], "trans_world": trans[:20], "betas": np.tile(BETAS, (20, 1)),
                 "frame_ids": np.arange(20)}  # fmt: skip
    people[4] = {"pose": poses, "pose_world": poses, "trans_world": trans, "betas": np.tile(BETAS, (len(poses), 1)),
                 "frame_ids": np.arange(5, 5 + len(poses)), "verts": np.zeros((2, 6890, 3), np.float32)}  # fmt: skip
    path.write_bytes(joblib_bytes(people))


def write_gvhmr(path: Path, walk: tuple) -> None:
    """Beside the world what a camera saw that goes along."""
    poses, trans, joints = walk
    turns, places = moving_camera(len(poses))
    turns = motions.UP_AXES["-y"] @ turns
    seen = poses.copy()
    seen[:, :3] = motions.rotation_vectors(turns @ motions.rotation_matrices(poses[:, :3]))
    there = np.einsum("tij,tj->ti", turns, trans + joints[0]) + places - joints[0]
    K = torch.tensor([[1468.6, 0, 640], [0, 1468.6, 360], [0, 0, 1]]).repeat(len(poses), 1, 1)
    torch.save({"smpl_params_global": _gvhmr_params(poses, trans), "smpl_params_incam": _gvhmr_params(seen, there), "K_fullimg": K}, path)


def _gvhmr_params(poses: np.ndarray, trans: np.ndarray) -> dict:
    poses, trans = (torch.as_tensor(part).float() for part in (poses, trans))
    betas = torch.as_tensor(BETAS).repeat(len(poses), 1)
    return {"global_orient": poses[:, :3], "body_pose": poses[:, 3:66], "transl": trans, "betas": betas}


def write_gvhmr_npz(path: Path, walk: tuple) -> None:
    poses, trans, _ = walk
    np.savez(path, smpl_params_global={"global_orient": poses[:, :3], "body_pose": poses[:, 3:66], "transl": trans, "betas": BETAS})


def write_tram(path: Path, walk: tuple) -> None:
    matrices, trans = in_camera(*walk)
    people = {"pred_rotmat": torch.as_tensor(matrices), "pred_trans": torch.as_tensor(trans)[:, None], "frame": torch.arange(len(trans)),
              "pred_shape": torch.as_tensor(BETAS).repeat(len(trans), 1)}  # fmt: skip
    np.save(path, np.array(people, dtype=object), allow_pickle=True)


def moving_camera(count: int) -> tuple[np.ndarray, np.ndarray]:
    """World to camera, turns (count,3,3) and places (count,3) m: one that starts as the world and turns, goes and looks along."""
    return motions.rotation_matrices(np.linspace([0, 0, 0], [0.1, 0.5, 0], count)), np.linspace([0, 0, 0], [0.6, 0.1, 0.4], count)


def write_slahmr(path: Path, walk: tuple) -> None:
    """Somebody walks beside, whose limbs turn half as much."""
    matrices, trans = in_camera(*walk)
    count = len(trans)
    poses = motions.rotation_vectors(matrices)[:, :JOINTS].reshape(count, -1)
    poses, trans = np.stack([poses, poses * np.where(np.arange(66) < 3, 1.0, 0.5)]), np.stack([trans, trans + [2.0, 0, 0]])
    turns, places = (np.stack([part, part]) for part in moving_camera(count))
    np.savez(path, root_orient=poses[..., :3], pose_body=poses[..., 3:], trans=trans, betas=np.stack([np.pad(BETAS, (0, 6)), np.zeros(16)]),
             latent_pose=np.zeros((2, count, 32)), cam_R=turns, cam_t=places, intrins=np.array([900.0, 910, 640, 360]),
             floor_plane=np.zeros((2, 3)), world_scale=np.ones((1, 1)))  # fmt: skip


def write_3dpw(path: Path, walk: tuple) -> None:
    poses, trans, _ = walk
    cameras = np.tile(np.eye(4), (len(poses), 1, 1))
    cameras[:, :3, :3], cameras[:, :3, 3] = moving_camera(len(poses))
    cameras[:, :3] = motions.UP_AXES["-y"] @ cameras[:, :3]
    people = {"poses": [poses, poses[:, ::-1] * 0.1], "trans": [trans, trans + [1.0, 0.3, 0]], "genders": ["f", "m"],
              "betas": [np.pad(BETAS, (0, 290)), np.zeros(300)], "poses_60Hz": [poses, poses], "trans_60Hz": [trans, trans],
              "v_template_clothed": [np.zeros((9, 3))] * 2, "campose_valid": [np.ones(len(poses), bool)] * 2}  # fmt: skip
    told = {"sequence": "outdoors_fencing_01", "cam_poses": cameras, "img_frame_ids": 2 * np.arange(len(poses)),
            "cam_intrinsics": np.array([[1960.0, 0, 540], [0, 1970, 960], [0, 0, 1]])}  # fmt: skip
    path.write_bytes(pickle.dumps(people | told, protocol=2))


# file, writer, layout, model, frames a second, up, whether it says its rate
LAYOUTS = [
    ("amass.npz", write_amass, "AMASS", "smplh", Fraction(60), "z", True),
    ("stageii.npz", write_amass_smplx, "AMASS", "smplx", Fraction(60000, 1001), "z", True),
    ("aist.pkl", write_aist, "SMPL", "smpl", Fraction(60), "y", True),
    ("phalp.pkl", write_phalp, "4D-Humans", "smpl", Fraction(30), "-y", False),
    ("wham_output.pkl", write_wham, "WHAM", "smpl", Fraction(30), "y", False),
    ("hmr4d_results.pt", write_gvhmr, "GVHMR", "smplx", Fraction(30), "y", True),
    ("gvhmr.npz", write_gvhmr_npz, "GVHMR", "smplx", Fraction(30), "y", True),
    ("hps_track_0.npy", write_tram, "TRAM", "smpl", Fraction(30), "-y", False),
    ("clip_000060_world_results.npz", write_slahmr, "SLAHMR", "smplh", Fraction(30), "-y", False),
    ("outdoors_fencing_01.pkl", write_3dpw, "3DPW", "smpl", Fraction(30), "y", True),
]
