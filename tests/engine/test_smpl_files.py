# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion files of the SMPL family as they are read: every layout, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
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

from skel_blender.engine.imports import containers, formats  # noqa: E402
from skel_blender.engine.imports import motion as motions  # noqa: E402
from skel_blender.engine.imports.containers import read_tree  # noqa: E402
from skel_blender.engine.imports.formats import read_motions  # noqa: E402
from skel_blender.engine.imports.source_body import chain, load_model  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from skel_blender.take.file import FORMAT  # noqa: E402
from tests import synthetic_smpl  # noqa: E402
from tests.engine.smpl_layouts import BETAS, FEW, GONE, JOINTS, LAYOUTS, NONSENSE, JoblibPickler, write_aist, write_amass, write_gvhmr_npz  # noqa: E402


@pytest.mark.parametrize("name, write, layout, kind, fps, up, knows_rate", LAYOUTS, ids=[row[0] for row in LAYOUTS])
def test_every_layout_gives_the_motion_that_was_written(tmp_path, walk, name, write, layout, kind, fps, up, knows_rate):
    path = tmp_path / name
    write(path, walk)
    found = read_motions(path)
    motion = found[0]
    assert (motion.layout, motion.model, motion.fps, motion.up, motion.knows_rate) == (layout, kind, fps, up, knows_rate)
    assert motion.gender == ("female" if layout in ("AMASS", "3DPW") else "neutral")
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
    assert motion.has_floor == (layout == "AMASS")
    assert (motion.lens is not None) == (layout in ("4D-Humans", "SLAHMR", "3DPW") or name == "hmr4d_results.pt")
    if layout == "4D-Humans":
        assert motion.lens.size == (1280, 720) and motion.lens.K.tolist() == [[25000, 0, 640], [0, 25000, 360], [0, 0, 1]]
    assert len(found) == (2 if layout in ("WHAM", "SLAHMR", "3DPW") else 1)


def _chained(turns: np.ndarray, joints: np.ndarray) -> np.ndarray:
    places, above = [np.tile(joints[0], (len(turns), 1))], [turns[:, 0]]
    for joint in range(1, JOINTS):
        parent = synthetic_smpl.PARENTS[joint]
        places.append(places[parent] + np.einsum("tij,j->ti", above[parent], joints[joint] - joints[parent]))
        above.append(above[parent] @ turns[:, joint])
    return np.stack(places, axis=1)



def test_a_batch_of_one_and_people_without_a_place_in_the_world(tmp_path, walk):
    poses, trans, _ = walk
    np.savez(tmp_path / "batch.npz", smpl_params_global={"global_orient": poses[None, :, :3], "body_pose": poses[None, :, 3:66],
                                                         "transl": trans[None], "betas": BETAS})  # fmt: skip
    (tmp_path / "wham.pkl").write_bytes(pickle.dumps({0: {"pose": poses}, 1: {"pose_world": poses, "trans_world": trans, "betas": BETAS}}))
    for name in ("batch.npz", "wham.pkl"):
        (motion,) = read_motions(tmp_path / name)
        assert np.allclose(motion.trans, trans) and np.allclose(motions.rotation_vectors(motion.rotations[:, 0]), poses[:, :3])


def test_a_file_with_another_up_axis_is_noticed(tmp_path, walk):
    poses, trans, _ = walk
    np.savez(tmp_path / "y.npz", poses=poses, trans=trans, betas=BETAS, mocap_framerate=60)
    assert read_motions(tmp_path / "y.npz")[0].up == "y"
    assert read_motions(tmp_path / "y.npz", fps=25, up="z")[0].up == "z"
    assert read_motions(tmp_path / "y.npz", fps=23.976)[0].fps == Fraction(24000, 1001)
    for fps in (1e-5, np.nan):
        with pytest.raises(SkelError, match="is not a number of frames a second"):
            read_motions(tmp_path / "y.npz", fps=fps)


def test_who_lies_for_most_of_the_time_does_not_turn_the_world(tmp_path):
    """The trunk lies along y in three of four frames of a file whose z is up, and stands in the others."""
    poses = np.zeros((40, 66))
    poses[:, 0] = np.radians(90.0) * (np.arange(40) < 10)
    np.savez(tmp_path / "m.npz", poses=poses, trans=np.zeros((40, 3)))
    assert read_motions(tmp_path / "m.npz")[0].up == "z"
    np.savez(tmp_path / "m.npz", poses=poses[10:], trans=np.zeros((30, 3)))
    assert read_motions(tmp_path / "m.npz")[0].up == "y"  # who never stands by the layout's


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.mark}",)


class Storage:
    """What torch's tensors leave in a plain pickle, with bytes of anybody's making in place of its own."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __reduce__(self) -> tuple:
        return torch.storage._load_from_bytes, (self.raw,)


def test_nothing_that_a_file_says_is_run(tmp_path):
    mark = tmp_path / "run"
    evil = Hostile(mark)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"poses": evil}))
    (tmp_path / "z.pkl").write_bytes(zlib.compress(pickle.dumps([evil])))
    np.save(tmp_path / "a.npy", np.array({"pred_rotmat": evil}, dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", poses=np.array([evil, None], dtype=object))
    torch.save({"smpl_params_global": evil}, tmp_path / "a.pt")
    inner = io.BytesIO()
    torch.save(evil, inner)
    (tmp_path / "s.pkl").write_bytes(pickle.dumps({"pose": Storage(inner.getvalue())}))
    stream = io.BytesIO()
    pickler = JoblibPickler(stream, protocol=3)
    pickler.dump({"pose_world": np.zeros(3), "more": evil})
    (tmp_path / "j.pkl").write_bytes(stream.getvalue())
    for name in ("a.pkl", "z.pkl", "a.npy", "a.npz", "a.pt", "s.pkl", "j.pkl"):
        with pytest.raises(SkelError) as caught:
            read_tree(tmp_path / name)
        assert caught.value.code == "hostile_file" and name in caught.value.what, name
    assert not mark.exists()


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, bz2.compress, lzma.compress], ids=lambda pack: pack.__module__)
def test_what_unpacks_to_more_than_a_machine_holds_is_refused(tmp_path, monkeypatch, pack):
    (tmp_path / "bomb.pkl").write_bytes(pack(pickle.dumps({"pose": bytes(100_000)})))
    assert read_tree(tmp_path / "bomb.pkl") == {"pose": bytes(100_000)}
    monkeypatch.setattr(containers, "MOST_BYTES", 70_000)
    with pytest.raises(SkelError, match="unpacks to more") as caught:
        read_tree(tmp_path / "bomb.pkl")
    assert caught.value.code == "hostile_file"


def test_a_tensor_that_repeats_a_few_numbers_beyond_what_a_machine_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "MOST_BYTES", 70_000)
    few, many = torch.zeros(1, 3).expand(1000, 3), torch.zeros(1, 3).expand(100_000, 3)
    for name, write in (("s.pkl", lambda value, path: path.write_bytes(pickle.dumps(value))), ("s.pt", torch.save)):
        write({"pose": few}, tmp_path / name)
        assert read_tree(tmp_path / name)["pose"].shape == (1000, 3)
        write({"pose": many}, tmp_path / name)
        assert (tmp_path / name).stat().st_size < 5000
        with pytest.raises(SkelError, match="unpacks to more") as caught:
            read_tree(tmp_path / name)
        assert caught.value.code == "hostile_file"


def test_a_sparse_tensor_whose_indices_nobody_checks_is_refused(tmp_path):
    beyond = torch.sparse_coo_tensor([[10**9], [0]], [1.0], (10**9 + 1, 3), check_invariants=True)
    torch.save({"pose": beyond}, tmp_path / "s.pt")
    with pytest.raises(SkelError, match="sparse") as caught:
        read_tree(tmp_path / "s.pt")
    assert caught.value.code == "hostile_file"


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
    assert "is a Take already" in refused("take.npz", format=np.array(FORMAT), people=np.array(1))
    assert "no trans" in refused("placeless.npz", poses=poses)
    others = {"narrow": poses[:, :60], "quaternions": np.ones((len(poses), 24, 4)), "six": np.ones((len(poses), 144)), "batch": poses[None]}
    for name, values in others.items():
        assert "165 a frame were expected" in refused(f"{name}.npz", poses=values, trans=trans)
    parts = {"root_orient": poses[None, :, :3], "pose_body": poses[None, :, 3:66]}
    assert "165 a frame were expected" in refused("parts.npz", **parts, trans=trans[None])
    assert "instead of" in refused("short.npz", poses=poses, trans=trans[:-1])
    assert "2000000 m from its origin" in refused("far.npz", poses=poses, trans=trans * 0 + 2e6)
    assert "do not count up" in refused("gap.npz", pose_world=poses[:2], trans_world=trans[:2], betas=BETAS, frame_ids=[0, 10**6])
    assert "values that are not numbers" in refused("holes.npz", poses=np.where(poses > 0.1, np.nan, poses), trans=trans)
    assert "positions that are not numbers" in refused("nowhere.npz", poses=poses, trans=trans * np.nan)
    assert "not rotations" in refused("flat.npz", pred_rotmat=np.ones((4, 24, 3, 3)), pred_trans=np.zeros((4, 3)))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("text.npz", "absent.npz"):
        with pytest.raises(SkelError, match=name):
            read_motions(tmp_path / name)


def _places(tree: object) -> list[tuple]:
    """Where something stands in a tree, as keys one after the other: the first few of each level."""
    keys = list(tree)[:5] if isinstance(tree, dict) else range(min(2, len(tree))) if isinstance(tree, list) else ()
    return [(key, *below) for key in keys for below in [(), *_places(tree[key])]]


def _with(tree: object, place: tuple, value: object) -> object:
    """The tree with another value at a place."""
    key, *below = place
    changed = tree.copy()
    if value is GONE and not below:
        changed.pop(key)
    else:
        changed[key] = _with(tree[key], tuple(below), value) if below else value
    return changed


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # division by a scale of zero, infinity as a frame's number
@pytest.mark.parametrize("name, write", [row[:2] for row in LAYOUTS], ids=[row[0] for row in LAYOUTS])
def test_nonsense_under_any_name_is_told_in_one_sentence_or_read_as_numbers(tmp_path, walk, monkeypatch, name, write):
    path = tmp_path / name
    write(path, (walk[0][:FEW], walk[1][:FEW], walk[2]))
    whole, refused = read_tree(path), 0
    for place in _places(whole):
        for value in NONSENSE:
            changed = _with(whole, place, value)
            monkeypatch.setattr(formats, "read_tree", lambda path, tree=changed: tree)
            try:
                for motion in read_motions(path):
                    assert np.isfinite(motion.betas).all() and np.isfinite(motion.trans).all() and 1 <= motion.fps <= 10000, (place, value)
            except SkelError as error:
                assert name in error.what and "\n" not in str(error), (place, value)
                refused += 1
    assert refused > 20


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


@pytest.mark.parametrize("name", ["SMPLH_NEUTRAL.npz", "smplh/SMPLH_neutral.npz", "neutral/model.npz", "smplh/neutral/model.npz"])
def test_a_model_is_found_by_the_names_that_its_sites_give_it(tmp_path, walk, name):
    write_amass(tmp_path / "amass.npz", walk)
    motion = replace(read_motions(tmp_path / "amass.npz")[0], gender="neutral")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    np.savez(tmp_path / name, v_template=np.zeros((5, 3)))
    with pytest.raises(SkelError, match=f"{name} has no entry 'weights'"):
        load_model(tmp_path, motion)


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
