# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions of the SMPL family in every layout that is read, on a made-up SMPL body, and what becomes of them on SKEL's."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import types
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender import cli, environment, kinematics  # noqa: E402
from skel_blender import take as takes  # noqa: E402
from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX, LIMITS_ANATOMICAL, J, Q  # noqa: E402
from skel_blender.engine import __main__ as engine  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.chain import point_jacobians, pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.points import Points  # noqa: E402
from skel_blender.engine.imports import motion as motions  # noqa: E402
from skel_blender.engine.imports.calibrate import calibrate  # noqa: E402
from skel_blender.engine.imports.containers import read_tree  # noqa: E402
from skel_blender.engine.imports.formats import read_motions  # noqa: E402
from skel_blender.engine.imports.importer import Options, import_motion  # noqa: E402
from skel_blender.engine.imports.rigid_fit import Wanted, _step, fit  # noqa: E402
from skel_blender.engine.imports.source_body import chain, load_model, posed_skin  # noqa: E402
from skel_blender.engine.imports.start_pose import follow  # noqa: E402
from skel_blender.messages import Log, SkelError  # noqa: E402
from tests import skel_file, synthetic_smpl  # noqa: E402

BETAS = np.array([1.0, -1.0, 0.5, 0, 0, 0, 0, 0, 0, 0])
JOINTS = 22


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("smpl")


@pytest.fixture(scope="module")
def model(folder):
    """The path of a made-up SMPL file, and its entries."""
    path = folder / "SMPL_FEMALE.pkl"
    return path, synthetic_smpl.write_model(path, sex="female")


@pytest.fixture(scope="module")
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
    poses, trans, _ = (torch.as_tensor(part).float() for part in walk)
    betas = torch.as_tensor(BETAS).repeat(len(poses), 1)
    shown = {"global_orient": poses[:, :3], "body_pose": poses[:, 3:66], "transl": trans, "betas": betas}
    torch.save({"smpl_params_global": shown, "smpl_params_incam": shown, "K_fullimg": torch.eye(3)}, path)


def write_gvhmr_npz(path: Path, walk: tuple) -> None:
    poses, trans, _ = walk
    np.savez(path, smpl_params_global={"global_orient": poses[:, :3], "body_pose": poses[:, 3:66], "transl": trans, "betas": BETAS})


def write_tram(path: Path, walk: tuple) -> None:
    matrices, trans = in_camera(*walk)
    people = {"pred_rotmat": torch.as_tensor(matrices), "pred_trans": torch.as_tensor(trans)[:, None], "frame": torch.arange(len(trans)),
              "pred_shape": torch.as_tensor(BETAS).repeat(len(trans), 1)}  # fmt: skip
    np.save(path, np.array(people, dtype=object), allow_pickle=True)


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
]


@pytest.mark.parametrize("name, write, layout, kind, fps, up, knows_rate", LAYOUTS, ids=[row[0] for row in LAYOUTS])
def test_every_layout_gives_the_motion_that_was_written(tmp_path, walk, name, write, layout, kind, fps, up, knows_rate):
    path = tmp_path / name
    write(path, walk)
    found = read_motions(path)
    motion = found[0]
    assert (motion.layout, motion.model, motion.fps, motion.up, motion.knows_rate) == (layout, kind, fps, up, knows_rate)
    assert motion.gender == ("female" if layout == "AMASS" else "neutral")
    poses, trans, joints = walk
    assert len(motion.frames) == len(poses) and np.all(np.diff(motion.frames) == 1)
    truth = motions.rotation_matrices(poses.reshape(-1, 24, 3))[:, :JOINTS]
    _, centres = chain(motion, joints[:JOINTS])
    wanted = _chained(truth, joints) + trans[:, None]
    gap = slice(30, 33) if layout == "4D-Humans" else slice(0, 0)
    moved = centres - wanted
    moved -= moved[:1, :1]  # a camera's height and distance
    assert np.abs(np.delete(moved, gap, axis=0)).max() < 1e-4
    assert np.abs(moved).max() < 0.02  # bridged frames lie between their neighbours
    assert list(np.nonzero(~motion.seen)[0]) == list(range(30, 33)) * (layout == "4D-Humans")
    if layout != "SMPL":  # AIST++ has no shapes
        assert np.allclose(motion.betas[:10], BETAS, atol=1e-6)
    assert (motion.lens is not None) == (layout == "4D-Humans")
    assert len(found) == (2 if layout == "WHAM" else 1)


def _chained(turns: np.ndarray, joints: np.ndarray) -> np.ndarray:
    places, above = [np.tile(joints[0], (len(turns), 1))], [turns[:, 0]]
    for joint in range(1, JOINTS):
        parent = synthetic_smpl.PARENTS[joint]
        places.append(places[parent] + np.einsum("tij,j->ti", above[parent], joints[joint] - joints[parent]))
        above.append(above[parent] @ turns[:, joint])
    return np.stack(places, axis=1)


def test_trams_moving_camera_puts_people_into_its_world(tmp_path, walk):
    (tmp_path / "hps").mkdir()
    path = tmp_path / "hps" / "hps_track_0.npy"
    write_tram(path, walk)
    count = len(walk[0])
    turns = motions.rotation_matrices(np.linspace([0, 0, 0], [0, 0.8, 0], count))
    places = np.linspace([0, 0, 0], [1.0, 0, 0.5], count)
    np.save(tmp_path / "camera.npy", np.array({"pred_cam_R": turns, "pred_cam_T": places, "img_focal": np.float32(900), "img_center":
                                               np.array([640.0, 360.0])}, dtype=object), allow_pickle=True)  # fmt: skip
    motion = read_motions(path)[0]
    still = replace(motion, lens=None)
    _, there = chain(motion, walk[2][:JOINTS])
    _, here = chain(still, walk[2][:JOINTS])
    flip = motions.UP_AXES["-y"]
    wanted = np.einsum("tij,tkj->tki", turns, here @ flip) + places[:, None]
    assert np.allclose(there @ flip, wanted)
    assert motion.lens.size == (1280, 720) and motion.lens.K[0, 0] == 900


def test_a_file_with_another_up_axis_is_noticed(tmp_path, walk):
    poses, trans, _ = walk
    np.savez(tmp_path / "y.npz", poses=poses, trans=trans, betas=BETAS, mocap_framerate=60)
    assert read_motions(tmp_path / "y.npz")[0].up == "y"
    assert read_motions(tmp_path / "y.npz", fps=25, up="z")[0].up == "z"
    assert read_motions(tmp_path / "y.npz", fps=23.976)[0].fps == Fraction(24000, 1001)


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.mark}",)


def test_nothing_that_a_file_says_is_run(tmp_path):
    mark = tmp_path / "run"
    evil = Hostile(mark)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"poses": evil}))
    (tmp_path / "z.pkl").write_bytes(zlib.compress(pickle.dumps([evil])))
    np.save(tmp_path / "a.npy", np.array({"pred_rotmat": evil}, dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", poses=np.array([evil, None], dtype=object))
    torch.save({"smpl_params_global": evil}, tmp_path / "a.pt")
    stream = io.BytesIO()
    pickler = JoblibPickler(stream, protocol=3)
    pickler.dump({"pose_world": np.zeros(3), "more": evil})
    (tmp_path / "j.pkl").write_bytes(stream.getvalue())
    for name in ("a.pkl", "z.pkl", "a.npy", "a.npz", "a.pt", "j.pkl"):
        with pytest.raises(SkelError) as caught:
            read_tree(tmp_path / name)
        assert caught.value.code == "hostile_file" and name in caught.value.what, name
    assert not mark.exists()


def test_towers_of_tuples_are_refused(tmp_path):
    (tmp_path / "t.pkl").write_bytes(b"\x80\x03}" + b")" + b"\x85" * 100_000 + b"K\x01s.")
    with pytest.raises(SkelError) as caught:
        read_tree(tmp_path / "t.pkl")
    assert caught.value.code == "hostile_file"


def test_wrong_files_are_told_in_one_sentence(tmp_path, walk):
    poses, trans, _ = walk

    def refused(name: str, **entries: object) -> str:
        np.savez(tmp_path / name, **entries)
        with pytest.raises(SkelError) as caught:
            read_motions(tmp_path / name)
        assert name in caught.value.what and caught.value.what.endswith(".") and "\n" not in str(caught.value)
        return caught.value.what

    assert "none of the layouts" in refused("other.npz", weights=np.zeros(3))
    assert "no trans" in refused("placeless.npz", poses=poses)
    assert "frame" in refused("narrow.npz", poses=poses[:, :60], trans=trans)
    assert "instead of" in refused("short.npz", poses=poses, trans=trans[:-1])
    assert "no numbers" in refused("holes.npz", poses=np.where(poses > 0.1, np.nan, poses), trans=trans)
    assert "no rotations" in refused("flat.npz", pred_rotmat=np.ones((4, 24, 3, 3)), pred_trans=np.zeros((4, 3)))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("text.npz", "absent.npz"):
        with pytest.raises(SkelError, match=name):
            read_motions(tmp_path / name)


def test_model_files_of_another_kind_are_refused(tmp_path, model, walk):
    write_gvhmr_npz(tmp_path / "x.npz", walk)
    motion = read_motions(tmp_path / "x.npz")[0]
    with pytest.raises(SkelError, match="smplx"):
        load_model(model[0], motion)
    with pytest.raises(SkelError, match="SMPLX_NEUTRAL"):
        load_model(tmp_path, motion)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"v_template": np.zeros((5, 3))}))
    with pytest.raises(SkelError, match="weights"):
        load_model(tmp_path / "m.pkl", motion)


def test_the_first_releases_chumpy_arrays_are_read_without_chumpy(model, walk, tmp_path, monkeypatch):
    path, entries = model
    module = types.ModuleType("chumpy.ch")
    module.Ch = type("Ch", (), {"__module__": "chumpy.ch", "__qualname__": "Ch"})
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    wrapped = dict(entries)
    for name in ("v_template", "shapedirs", "posedirs", "weights"):
        wrapped[name] = module.Ch()
        wrapped[name].__dict__ = {"x": entries[name], "_dirty_vars": True}
    (tmp_path / "old.pkl").write_bytes(pickle.dumps(wrapped, protocol=2))
    monkeypatch.undo()
    write_aist(tmp_path / "m.pkl", walk)
    motion = read_motions(tmp_path / "m.pkl")[0]
    old, new = load_model(tmp_path / "old.pkl", motion), load_model(path, motion)
    assert np.array_equal(old.verts, new.verts) and np.array_equal(old.weights, new.weights)


def test_smplx_models_are_cut_down_to_the_body(model, walk, tmp_path):
    """55 joints: fingers ride the wrists, jaw and eyes the head; expressions are no shapes; lists of objects beside are passed over."""
    entries = model[1]
    count = len(entries["v_template"])
    parents = np.array([*synthetic_smpl.PARENTS[:22], 15, 15, 15, *[20] * 15, *[21] * 15])
    parents[0] = 2**31 - 1
    weights = np.zeros((count, 55))
    weights[:, :22] = entries["weights"][:, :22]
    weights[:, 25], weights[:, 54] = entries["weights"][:, 22], entries["weights"][:, 23]  # SMPL's hands become fingers
    weights[:, 22] = 0.5 * weights[:, 15]
    weights[:, 15] *= 0.5
    regressor = np.zeros((55, count))
    regressor[:22] = entries["J_regressor"].toarray()[:22]
    shapedirs = np.concatenate([entries["shapedirs"], 9.0 * np.ones((count, 3, 10))], axis=2)
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", v_template=entries["v_template"], shapedirs=shapedirs, weights=weights, J_regressor=regressor,
             posedirs=np.zeros((count, 3, 486), np.float32), kintree_table=np.stack([parents, np.arange(55)]), f=entries["f"],
             part2num=np.array({"head": 15}, dtype=object))  # fmt: skip
    write_gvhmr_npz(tmp_path / "m.npz", walk)
    motion = read_motions(tmp_path / "m.npz")[0]
    motion = replace(motion, betas=np.append(BETAS, np.ones(6)))
    found = load_model(tmp_path, motion)
    write_aist(tmp_path / "m.pkl", walk)
    plain = load_model(model[0], replace(read_motions(tmp_path / "m.pkl")[0], betas=BETAS))
    assert np.allclose(found.verts, plain.verts) and np.allclose(found.joints, plain.joints)
    assert np.allclose(found.weights, plain.weights)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_few_frames_are_a_motion_too(model, walk, tmp_path, frames):
    poses, trans, joints = walk
    write_amass(tmp_path / "short.npz", (poses[:frames], trans[:frames], joints))
    take, told, _ = imported(tmp_path / "short.npz", model=str(model[0]))
    assert len(take.people[0].frames) == frames and told["joint_distance_mm"] < 10.0


def test_posed_skin_is_that_of_the_smplx_package(tmp_path, walk):
    smplx = pytest.importorskip("smplx")
    path = tmp_path / "SMPL_FEMALE.pkl"
    synthetic_smpl.write_model(path, sex="female", blend=0.002)
    poses, trans, _ = walk
    poses, trans = poses[::20].copy(), trans[::20]
    np.savez(tmp_path / "m.npz", poses=poses, trans=trans, betas=BETAS, fps=30)
    motion = read_motions(tmp_path / "m.npz", up="y")[0]
    source = load_model(path, motion)
    rotations, centres = chain(motion, source.joints)
    skin = posed_skin(source, motion, rotations, centres)
    official = smplx.SMPL(str(path), batch_size=len(poses))
    given = {"betas": np.tile(BETAS, (len(poses), 1)), "body_pose": poses[:, 3:], "global_orient": poses[:, :3], "transl": trans}
    wanted = official(**{name: torch.as_tensor(value).float() for name, value in given.items()})
    assert np.abs(skin - wanted.vertices.detach().numpy()).max() < 1e-5
    assert np.abs(centres - wanted.joints.detach().numpy()[:, :JOINTS]).max() < 1e-5


@pytest.fixture(scope="module")
def points():
    """Points in clusters on every segment, wanted where a known pose takes them."""
    body = load_body("male")
    rng = np.random.default_rng(3)
    low, up = np.clip(np.array(LIMITS_ANATOMICAL), -1, 1).T
    poses = torch.as_tensor(low + (up - low) * rng.random((40, Q)))
    trans = torch.as_tensor(rng.normal(size=(40, 3)))
    joint = torch.arange(J).repeat_interleave(4)
    arms, weight = torch.as_tensor(0.1 * rng.normal(size=(4 * J, 3))), torch.as_tensor(rng.random(4 * J) + 0.5)
    shape = body.shape(torch.as_tensor(rng.normal(size=(1, 10))))
    posed = pose_chain(shape, torch.zeros(40, dtype=torch.long), poses, trans)
    targets = (posed.rotations[:, joint] @ arms[:, :, None])[..., 0] + posed.positions[:, joint]
    return shape, poses, trans, joint, arms, weight, targets


def test_moments_of_the_points_give_the_step_of_the_points(points):
    shape, poses, trans, joint, arms, weight, targets = points
    rng = np.random.default_rng(5)
    start = poses + 0.3 * torch.as_tensor(rng.normal(size=poses.shape))
    pull, prior = torch.as_tensor(rng.random(Q)), poses
    step = _step(shape, start, trans, Wanted.of(joint, arms, weight, targets), prior, pull)
    owner = torch.zeros(len(poses), dtype=torch.long)
    every = Points.rigid(tuple(map(str, range(len(joint)))), joint, arms + shape.joints[0, joint], torch.zeros(len(joint), 3, 10).double())
    posed = pose_chain(shape, owner, start, trans)
    where, pairs = pose_points(shape, owner, posed, every)
    rows = point_jacobians(posed, every, pairs, list(range(3 + Q))) * weight[:, None, None].sqrt()
    rows, residual = rows.flatten(1, 2), ((where - targets) * weight[:, None].sqrt()).flatten(1)
    system, gradient = rows.transpose(1, 2) @ rows, (rows * residual[..., None]).sum(1)
    torch.diagonal(system, dim1=1, dim2=2)[:, 3:] += pull
    torch.diagonal(system, dim1=1, dim2=2).mul_(1 + 1e-6)
    gradient[:, 3:] += pull * (start - prior)
    assert torch.allclose(step, -torch.linalg.solve(system, gradient), atol=1e-7)


def test_points_lead_back_to_the_pose(points):
    shape, poses, trans, joint, arms, weight, targets = points
    rng = np.random.default_rng(6)
    start = poses + 0.05 * torch.as_tensor(rng.normal(size=poses.shape))
    wanted = Wanted.of(joint, arms, weight, targets)
    found, place = fit(shape, start, trans + 0.1, wanted, start, torch.full((Q,), 1e-9).double(), steps=8)
    assert (found - poses).abs().max() < 1e-4 and (place - trans).abs().max() < 1e-5
    limits = torch.stack([poses.amin(0) + 0.1, poses.amax(0) - 0.1], dim=1)
    kept, _ = fit(shape, start, trans, wanted, start, torch.full((Q,), 1e-3).double(), limits, steps=8)
    assert bool((kept >= limits[:, 0]).all()) and bool((kept <= limits[:, 1]).all())


def test_angles_follow_the_rotations_without_jumps():
    """Arms that circle overhead and a body that turns round and round: no step is larger than the motion's."""
    count = 240
    time = np.linspace(0, 4 * np.pi, count)
    rotations = np.tile(np.eye(3), (count, JOINTS, 1, 1))
    turn = motions.rotation_matrices(np.stack([0 * time, time, 0 * time], axis=-1))
    lift = motions.rotation_matrices(np.stack([0 * time, 0 * time, 1.2 * np.sin(time)], axis=-1))
    rotations[:] = turn[:, None]
    for side in ("left_shoulder", "left_elbow", "left_wrist"):
        rotations[:, motions.JOINT_INDEX[side]] = turn @ lift
    rest = load_body("male").rest_body(np.zeros(10))
    poses = follow(rotations, rest.frames, np.zeros(Q), rest.limits)
    assert np.abs(np.diff(poses, axis=0)).max() < 2 * (time[1] - time[0])
    transforms = kinematics.forward(poses, rest.joints, rest.frames)
    assert np.abs(transforms[:, JOINT_INDEX["pelvis"], :3, :3] - turn).max() < 1e-9
    assert np.abs(transforms[:, JOINT_INDEX["humerus_l"], :3, :3] - turn @ lift).max() < 1e-6


def test_the_body_takes_the_sources_shape(model, walk, tmp_path):
    write_amass(tmp_path / "m.npz", walk)
    motion = read_motions(tmp_path / "m.npz")[0]
    source = load_model(model[0], motion)
    same = calibrate(load_body("female"), source)
    assert np.abs(same.betas - BETAS).max() < 0.5 and same.distance < 0.003
    other = calibrate(load_body("male"), source)
    assert other.distance < 0.02
    height = np.ptp(source.verts[:, 1])
    assert abs(np.ptp(other.skin()[:, 1]) - height) < 0.02 * height


def imported(path: Path, **options: object) -> tuple[takes.Take, dict, list[str]]:
    said: list[str] = []
    take = import_motion(Options(str(path), **options), lambda event: said.append(event.text) if isinstance(event, Log) else None)
    takes.validate(take)
    return take, json.loads(take.settings)["people"][0], said


@pytest.mark.parametrize("body", ["female", "male"])
def test_a_walk_arrives_within_millimetres_and_its_feet_do_not_slide_more(model, walk, tmp_path, body):
    write_amass(tmp_path / "walk.npz", walk)
    take, told, said = imported(tmp_path / "walk.npz", model=str(model[0]), body=body)
    assert told["joint_distance_mm"] < 10.0
    assert told["foot_slide_mm_per_frame"] <= told["source_foot_slide_mm_per_frame"]
    person = take.people[0]
    assert take.fps == 60 and len(person.frames) == len(walk[0]) and person.body_name == f"open {body}"
    joints = person.joints()
    # the world is AMASS's: z up, its floor, and where the hips are
    poses, trans = in_z_up(*walk)
    motion = read_motions(tmp_path / "walk.npz")[0]
    hips = kinematics.z_up(chain(motion, walk[2][:JOINTS])[1][:, 1:3].mean(axis=1))
    ours = joints[:, [JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"]]].mean(axis=1)
    assert np.linalg.norm(hips - ours, axis=1).max() < 0.05
    soles = joints[:, [JOINT_INDEX["calcn_l"], JOINT_INDEX["calcn_r"]], 2]
    assert 0.0 < soles.min() < 0.08  # the heel bone's joint is some centimetres above its sole
    assert person.contacts[:, :3].any(axis=1).mean() > 0.3 and person.contacts[:, 3:].any(axis=1).mean() > 0.3
    assert not person.contacts.all(axis=1).all()
    assert "mm from the source" in said[-2]


def test_a_skel_file_is_fitted_vertex_by_vertex(model, walk, tmp_path):
    """SKEL's official layout, its skin that of the source: the shape is the source's, whatever the frames do that follow it."""
    path = skel_file.write(tmp_path / "skel_female.pkl", "female", **synthetic_smpl.skel_entries("female"))
    write_amass(tmp_path / "walk.npz", walk)
    take, told, said = imported(tmp_path / "walk.npz", model=str(model[0]), body=str(path))
    person = take.people[0]
    assert person.body_name == "SKEL female" and len(person.body.skin_verts) == 6890
    assert np.abs(person.betas - BETAS).max() < 0.3
    assert told["joint_distance_mm"] < 10.0
    assert told["foot_slide_mm_per_frame"] <= told["source_foot_slide_mm_per_frame"]


def test_the_default_camera_sees_all_of_it(model, walk, tmp_path):
    write_amass(tmp_path / "walk.npz", walk)
    take, _, _ = imported(tmp_path / "walk.npz")
    joints = take.people[0].joints()
    seen = np.einsum("tij,tkj->tki", take.camera.world_to_cam[:, :3, :3], joints) + take.camera.world_to_cam[:, None, :3, 3]
    pixels = seen @ take.camera.K.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    assert seen[..., 2].min() > 0.5
    assert pixels.min() > 0 and (pixels < take.image_size).all()
    assert np.ptp(pixels[..., 1]) > 0.25 * take.image_size[1]
    assert pixels[0, JOINT_INDEX["head"], 1] < pixels[0, JOINT_INDEX["toes_l"], 1]


def test_without_a_model_file_the_feet_tell_the_size(walk, tmp_path):
    write_amass(tmp_path / "walk.npz", walk)
    take, told, said = imported(tmp_path / "walk.npz")
    assert told["joint_distance_mm"] < 10.0
    assert told["foot_slide_mm_per_frame"] <= told["source_foot_slide_mm_per_frame"]
    person, joints = take.people[0], walk[2]
    leg = np.linalg.norm(person.body.joints[JOINT_INDEX["femur_l"]] - person.body.joints[JOINT_INDEX["talus_l"]])
    assert abs(leg / np.linalg.norm(joints[1] - joints[7]) - 1) < 0.06
    assert "% of its mean size" in " ".join(said)
    standing = person.joints()[:, [JOINT_INDEX["calcn_l"], JOINT_INDEX["calcn_r"]], 2].min()
    assert 0.0 < standing < 0.08


def test_a_camera_that_filmed_the_motion_sees_it_where_it_was(model, walk, tmp_path):
    write_phalp(tmp_path / "phalp.pkl", walk)
    take, told, _ = imported(tmp_path / "phalp.pkl", model=str(model[0]), body="female")
    assert take.image_size == (1280, 720) and told["layout"] == "4D-Humans"
    _, trans = in_camera(*walk)
    hips = take.people[0].joints()[:, [JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"]]].mean(axis=1)
    seen = np.einsum("tij,tj->ti", take.camera.world_to_cam[:, :3, :3], hips) + take.camera.world_to_cam[:, :3, 3]
    assert np.linalg.norm(seen - (trans + walk[2][0]), axis=1).max() < 0.2
    assert list(np.nonzero(take.people[0].confidence == 0)[0]) == [30, 31, 32]


def test_a_tilted_camera_does_not_tilt_the_world(model, walk, tmp_path):
    """The camera of a 4D-Humans file looks down by 15 degrees: people stand upright in the Take, and where they were in the image."""
    poses, trans, joints = walk
    pitch = motions.rotation_matrices(np.radians([15.0, 0, 0]))
    tilted = poses.copy()
    tilted[:, :3] = motions.rotation_vectors(pitch @ motions.rotation_matrices(poses[:, :3]))
    write_phalp(tmp_path / "tilted.pkl", (tilted, (trans + joints[0]) @ pitch.T - joints[0], joints))
    take, _, said = imported(tmp_path / "tilted.pkl", model=str(model[0]), body="female")
    hips = take.people[0].joints()[:, [JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"]]].mean(axis=1)
    assert np.ptp(hips[:, 2]) < 0.12  # it walks on level ground
    assert any("tilted by" in text for text in said)
    _, there = in_camera(tilted, (trans + joints[0]) @ pitch.T - joints[0], joints)
    seen = np.einsum("tij,tj->ti", take.camera.world_to_cam[:, :3, :3], hips) + take.camera.world_to_cam[:, :3, 3]
    assert np.linalg.norm(seen - (there + joints[0]), axis=1).max() < 0.2


def test_angles_beyond_the_limits_are_kept_and_told(model, walk, tmp_path):
    poses, trans, joints = walk
    bent = poses.copy()
    bent[:, 3 * 4] -= 0.4  # the left knee bends the wrong way while it is straight
    write_amass(tmp_path / "bent.npz", (bent, trans, joints))
    take, told, said = imported(tmp_path / "bent.npz", model=str(model[0]), body="female")
    assert told["angles_beyond_limits_degrees"]["knee_angle_l"] > 8 and told["frames_beyond_limits"] > 0.3
    assert any("knee_angle_l" in text for text in said)
    kept, told, _ = imported(tmp_path / "bent.npz", model=str(model[0]), body="female", keep_limits=True)
    assert told["frames_beyond_limits"] == 0.0 and kept.people[0].violations().max() == 0.0


def test_the_command_imports(model, walk, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(environment, "install", lambda root, python, on_line, name="engine": sys.executable)
    write_aist(tmp_path / "dance.pkl", walk)
    out = tmp_path / "dance.npz"
    assert cli.main(["import", str(tmp_path / "dance.pkl"), "-o", str(out), "--model", str(model[0]), "--body", "male"]) == 0
    take = takes.load(out)
    assert take.fps == 60 and take.people[0].body_name == "open male" and Path(take.source).name == "dance.pkl"
    assert "mm from the source's" in capfd.readouterr().err


def test_a_wrong_file_ends_the_engine_with_one_sentence(model, tmp_path, capfd):
    assert engine.main(["import", str(model[0]), "--out", str(tmp_path / "no.npz")]) == 1
    said = capfd.readouterr().err
    assert "none of the layouts" in said and "Traceback" not in said and not (tmp_path / "no.npz").exists()


def test_angles_mean_what_they_say(tmp_path):
    """One joint bent at a time, without a model file: SKEL's angle of that name takes the bend."""
    bends = [("left_knee", 0, "knee_angle_l", 1), ("right_hip", 0, "hip_flexion_r", -1), ("left_elbow", 1, "elbow_flexion_l", -1),
             ("right_elbow", 1, "elbow_flexion_r", 1), ("head", 1, "head_twist", 1), ("left_foot", 0, "mtp_angle_l", 1)]  # fmt: skip
    poses, bend = np.zeros((len(bends) + 1, 72)), 0.6
    for row, (joint, axis, _, sign) in enumerate(bends):
        poses[row + 1, 3 * motions.JOINT_INDEX[joint] + axis] = sign * bend
    np.savez(tmp_path / "bends.npz", poses=poses, trans=np.zeros((len(poses), 3)), mocap_framerate=30.0, gender="male")
    person = imported(tmp_path / "bends.npz", up="y")[0].people[0]
    assert person.body_name == "open male" and np.abs(person.poses[0]).max() < 0.02
    for row, (_, _, name, _) in enumerate(bends):
        others = np.delete(person.poses[row + 1], [DOF_INDEX[name]])
        if name == "mtp_angle_l":  # its axis lies obliquely, the toe's turn does not
            assert abs(abs(person.poses[row + 1, DOF_INDEX[name]]) - bend) < 0.3
            continue
        assert abs(person.poses[row + 1, DOF_INDEX[name]] - bend) < 0.08, name
        assert np.abs(others).max() < 0.15, name


def test_shoulders_that_rise_take_the_shoulder_blades_along(model, walk, tmp_path):
    poses, trans, joints = walk
    shrug = 0.3 * np.sin(np.linspace(0, 4 * np.pi, len(poses)))
    raised = poses.copy()
    raised[:, 3 * motions.JOINT_INDEX["left_collar"] + 2] += shrug
    raised[:, 3 * motions.JOINT_INDEX["right_collar"] + 2] -= shrug
    write_amass(tmp_path / "shrug.npz", (raised, trans, joints))
    take, told, _ = imported(tmp_path / "shrug.npz", model=str(model[0]), body="female")
    assert told["joint_distance_mm"] < 10.0
    lifted = take.people[0].poses[:, [DOF_INDEX["scapula_elevation_l"], DOF_INDEX["scapula_elevation_r"]]]
    assert abs(np.corrcoef(lifted[:, 0], shrug)[0, 1]) > 0.9 and abs(np.corrcoef(lifted[:, 1], shrug)[0, 1]) > 0.9
