# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion files that tell of a moving camera: TRAM's, SLAHMR's, 3DPW's and GVHMR's."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.anatomy import JOINT_INDEX  # noqa: E402
from skel_blender.engine.imports import formats  # noqa: E402
from skel_blender.engine.imports import motion as motions  # noqa: E402
from skel_blender.engine.imports.containers import read_tree  # noqa: E402
from skel_blender.engine.imports.formats import read_motions  # noqa: E402
from skel_blender.engine.imports.importer import Options, import_motion  # noqa: E402
from skel_blender.engine.imports.source_body import SourceBody, chain  # noqa: E402
from skel_blender.engine.imports.viewpoint import seen_from  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests.engine.smpl_layouts import GONE, JOINTS, NONSENSE, moving_camera, write_3dpw, write_gvhmr, write_slahmr, write_tram  # noqa: E402


def test_trams_moving_camera_puts_people_into_its_world(tmp_path, walk):
    (tmp_path / "hps").mkdir()
    path = tmp_path / "hps" / "hps_track_0.npy"
    write_tram(path, walk)
    count = len(walk[0])
    turns = motions.rotation_matrices(np.linspace([0, 0, 0], [0, 0.8, 0], count))
    places = np.linspace([0, 0, 0], [1.0, 0, 0.5], count)
    camera = {"pred_cam_R": turns, "pred_cam_T": places, "img_focal": np.float32(900), "img_center": np.array([640.0, 360.0])}
    np.save(tmp_path / "camera.npy", np.array(camera, dtype=object), allow_pickle=True)
    motion = read_motions(path)[0]
    still = replace(motion, lens=None)
    _, there = chain(motion, walk[2][:JOINTS])
    _, here = chain(still, walk[2][:JOINTS])
    flip = motions.UP_AXES["-y"]
    wanted = np.einsum("tij,tkj->tki", turns, here @ flip) + places[:, None]
    assert np.allclose(there @ flip, wanted)
    assert motion.lens.size == (1280, 720) and motion.lens.K.tolist() == [[900, 0, 640], [0, 900, 360], [0, 0, 1]]
    np.save(tmp_path / "camera.npy", np.array(camera | {"pred_cam_R": turns[:-1], "pred_cam_T": places[:-1]}, dtype=object))
    with pytest.raises(SkelError, match=f"has {count - 1} frames, fewer than the motion"):
        read_motions(path)
    for name in camera:
        for value in NONSENSE:
            changed = {key: entry for key, entry in (camera | {name: value}).items() if entry is not GONE}
            np.save(tmp_path / "camera.npy", np.array(changed, dtype=object), allow_pickle=True)
            with pytest.raises(SkelError) as caught:
                read_motions(path)
            assert caught.value.code in ("bad_motion", "hostile_file") and "\n" not in str(caught.value), (name, value)


@pytest.mark.parametrize("name, write", [("clip_000060_world_results.npz", write_slahmr), ("fencing.pkl", write_3dpw)])
def test_a_world_that_a_moving_camera_saw_stays_as_it_is(tmp_path, walk, name, write):
    """People stay where the file has them, and the camera sees them where its world to camera puts them."""
    write(tmp_path / name, walk)
    turns, places = moving_camera(len(walk[0]))
    for motion in read_motions(tmp_path / name):
        _, there = chain(motion, walk[2][:JOINTS])
        _, still = chain(replace(motion, lens=None), walk[2][:JOINTS])
        assert np.array_equal(there, still)
        own = there @ motions.UP_AXES[motion.up]
        to_cam = np.linalg.inv(motion.lens.cam_to_world)
        seen = np.einsum("tij,tkj->tki", to_cam[:, :3, :3], own) + to_cam[:, None, :3, 3]
        wanted = np.einsum("tij,tkj->tki", turns, own) + places[:, None]
        assert np.allclose(seen, wanted if motion.up == "-y" else wanted @ motions.UP_AXES["-y"])
    assert motion.lens.size == ((1280, 720) if motion.up == "-y" else (1080, 1920))
    assert motion.lens.K[[0, 1], [0, 1]].tolist() == ([900, 910] if motion.up == "-y" else [1960, 1970])


def test_slahmrs_list_of_tracks_tells_who_is_seen_when(tmp_path, walk):
    (tmp_path / "motion_chunks").mkdir()
    path, count = tmp_path / "motion_chunks" / "clip_000060_world_results.npz", len(walk[0])
    write_slahmr(path, walk)
    seen = np.zeros((2, count + 7), dtype=bool)
    seen[0, 5:] = True
    seen[1, 15:25] = seen[1, 28:30] = True  # the first five of these frames are before anybody was seen
    tracks = {"12": {"index": 1, "vis_mask": seen[1].tolist()}, "3": {"index": 0, "vis_mask": seen[0].tolist()}}
    told = {"tracks": tracks, "meta": {"seq_interval": [5, 5 + count], "data_interval": [0, count + 7]}}
    (tmp_path / "track_info.json").write_text(json.dumps(told))
    first, second = read_motions(path)
    assert first.seen.all() and len(first.frames) == count
    assert second.frames.tolist() == list(range(10, 25)) and np.flatnonzero(~second.seen).tolist() == [10, 11, 12]
    (tmp_path / "track_info.json").write_text(json.dumps(told | {"meta": {"seq_interval": [0, count - 1]}}))
    with pytest.raises(SkelError, match=f"2 x {count - 1} people and frames"):
        read_motions(path)
    for text in ("{", "[]", json.dumps(told | {"tracks": {}})):
        (tmp_path / "track_info.json").write_text(text)
        with pytest.raises(SkelError, match="track_info.json"):
            read_motions(path)


def test_slahmrs_zeros_where_nobody_was_followed_are_left_out(tmp_path, walk, monkeypatch):
    path, count = tmp_path / "clip_000060_world_results.npz", len(walk[0])
    write_slahmr(path, walk)
    mask = np.ones((2, count), dtype=bool)
    mask[1, :10] = mask[1, 25:] = False
    tree = read_tree(path) | {"track_mask": mask}
    for key in ("root_orient", "pose_body", "trans"):
        tree[key] = np.where(mask[..., None], tree[key], 0)
    monkeypatch.setattr(formats, "read_tree", lambda path: tree)
    first, second = read_motions(path)
    assert len(first.frames) == count and second.frames.tolist() == list(range(10, 25)) and second.seen.all()
    assert np.abs(second.rotations[:, 0] - np.eye(3)).max(axis=(1, 2)).min() > 0.5  # nobody lies as zeros do


@pytest.mark.parametrize("write, key", [(write_slahmr, "cam_R"), (write_3dpw, "cam_poses")])
def test_fewer_frames_of_the_camera_than_of_people_are_told(tmp_path, walk, monkeypatch, write, key):
    write(tmp_path / "x", walk)
    tree = read_tree(next(tmp_path.iterdir()))
    cut = tree[key][:, :-1] if key == "cam_R" else tree[key][:-1]
    monkeypatch.setattr(formats, "read_tree", lambda path: tree | {key: cut})
    with pytest.raises(SkelError, match=f"has {len(walk[0])} frames of people, but not as many of the camera"):
        read_motions(tmp_path / "x")


def test_3dpw_with_holes_is_refused(tmp_path, walk, monkeypatch):
    write_3dpw(tmp_path / "fencing.pkl", walk)
    tree = read_tree(tmp_path / "fencing.pkl")
    tree["poses"][1][3, 5] = np.nan
    monkeypatch.setattr(formats, "read_tree", lambda path: tree)
    with pytest.raises(SkelError, match="has values that are not numbers under 'poses'"):
        read_motions(tmp_path / "fencing.pkl")


def test_two_people_of_3dpw_and_their_camera_arrive_in_one_world(model, walk, tmp_path):
    """Nobody is let down onto a floor of his own, and the camera sees both where they were."""
    write_3dpw(tmp_path / "fencing.pkl", walk)
    take = import_motion(Options(motion=str(tmp_path / "fencing.pkl"), model=str(model[0]), body="female"))
    turns, places = moving_camera(len(walk[0]))
    for person, aside in zip(take.people, ([0, 0, 0], [1.0, 0.3, 0])):
        hips = person.joints()[:, [JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"]]].mean(axis=1)
        seen = np.einsum("tij,tj->ti", take.camera.world_to_cam[:, :3, :3], hips) + take.camera.world_to_cam[:, :3, 3]
        wanted = np.einsum("tij,tj->ti", turns, walk[1] + aside + walk[2][0]) + places
        assert np.linalg.norm(seen - wanted @ motions.UP_AXES["-y"], axis=1).max() < 0.2
    assert take.image_size == (1080, 1920) and len(take.people) == 2


def seen(take, camera: np.ndarray) -> np.ndarray:
    """(T,3) m: the middle of the first person's hips in the axes of the Take's camera."""
    hips = take.people[0].joints()[:, [JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"]]].mean(axis=1)
    return np.einsum("tij,tj->ti", camera[:, :3, :3], hips) + camera[:, :3, 3]


def as_smplx(poses: np.ndarray, trans: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same motion of a body whose rest pelvis lies where SMPL-X's does."""
    lower = np.array([0.003, -0.351, 0.012]) - joints[0]
    return poses, trans - lower, joints + lower


def test_gvhmrs_world_is_seen_as_its_camera_saw_it(tmp_path, walk):
    """Without the body's model, too: the person is where the file has him before the camera, and walks in the file's world."""
    walk = as_smplx(*walk)
    poses, trans, joints = walk
    write_gvhmr(tmp_path / "hmr4d_results.pt", walk)
    take = import_motion(Options(motion=str(tmp_path / "hmr4d_results.pt"), body="female"))
    turns, places = moving_camera(len(poses))
    hips = joints[0] + np.einsum("tij,j->ti", motions.rotation_matrices(poses[:, :3]), joints[1:3].mean(axis=0) - joints[0]) + trans
    wanted = np.einsum("tij,tj->ti", motions.UP_AXES["-y"] @ turns, hips) + places
    assert np.linalg.norm(seen(take, take.camera.world_to_cam) - wanted, axis=1).max() < 0.05
    assert take.image_size == (1280, 720) and take.camera.K[0].tolist() == pytest.approx([1468.6, 0, 640])
    down = take.camera.world_to_cam[:, 1, :3]
    assert down == pytest.approx(-turns[:, 1] @ motions.UP_AXES["z"], abs=1e-4), "y up as in the file"


def test_gvhmr_with_the_body_of_its_run(tmp_path, walk):
    """The pelvis about which that body turns tells where the camera was."""
    write_gvhmr(tmp_path / "hmr4d_results.pt", walk)
    motion, joints = read_motions(tmp_path / "hmr4d_results.pt")[0], walk[2]
    body = SourceBody("it", joints, np.eye(len(joints)), None, joints[:JOINTS], True)
    turns, places = moving_camera(len(walk[0]))
    lens = seen_from(motion, body).lens
    wanted = np.tile(np.eye(4), (len(turns), 1, 1))
    wanted[:, :3, :3], wanted[:, :3, 3] = motions.UP_AXES["-y"] @ turns, places
    assert np.linalg.inv(lens.cam_to_world) == pytest.approx(wanted, abs=1e-4)
    assert seen_from(replace(motion, lens=None), body).lens is None


def test_gvhmr_without_half_of_the_camera_is_a_motion_all_the_same(tmp_path, walk, monkeypatch):
    write_gvhmr(tmp_path / "x.pt", walk)
    tree = read_tree(tmp_path / "x.pt")
    for gone in ("smpl_params_incam", "K_fullimg"):
        rest = {key: value for key, value in tree.items() if key != gone}
        monkeypatch.setattr(formats, "read_tree", lambda path, rest=rest: rest)
        assert read_motions(tmp_path / "x.pt")[0].lens is None
    fewer = {key: value[:-1] for key, value in tree["smpl_params_incam"].items()}
    monkeypatch.setattr(formats, "read_tree", lambda path: tree | {"smpl_params_incam": fewer})
    with pytest.raises(SkelError, match=f"has {len(walk[0])} frames in the world, but not as many in the camera's axes"):
        read_motions(tmp_path / "x.pt")
