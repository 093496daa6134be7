# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the import of motions: the source's body, the shape and the pose that follow it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender import kinematics  # noqa: E402
from skel_blender.anatomy import JOINT_INDEX, LIMITS_ANATOMICAL, J, Q  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.chain import point_jacobians, pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.points import Points  # noqa: E402
from skel_blender.engine.imports import motion as motions  # noqa: E402
from skel_blender.engine.imports.calibrate import as_it_is, calibrate  # noqa: E402
from skel_blender.engine.imports.carry import carry  # noqa: E402
from skel_blender.engine.imports.formats import read_motions  # noqa: E402
from skel_blender.engine.imports.levelling import levelled  # noqa: E402
from skel_blender.engine.imports.rigid_fit import Wanted, _step, fit  # noqa: E402
from skel_blender.engine.imports.source_body import chain, estimated_size, load_model, posed_skin, stand_in  # noqa: E402
from skel_blender.engine.imports.start_pose import follow  # noqa: E402
from skel_blender.engine.imports.viewpoint import watching  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests import synthetic, synthetic_smpl  # noqa: E402
from tests.engine.smpl_layouts import BETAS, JOINTS, write_aist, write_amass, write_gvhmr_npz  # noqa: E402


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


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("kintree_table", (5, 5), "is not a tree"), ("kintree_table", (7, 12), "is not a tree"), ("kintree_table", (5, -3), "is not a tree"),
     ("weights", 0.0, "skin without a joint"), ("J_regressor", np.ones((5, 3)), "'J_regressor' must be 24 x")],
)  # fmt: skip
def test_model_files_that_are_none_are_refused(model, walk, tmp_path, name, value, said):
    entries = dict(model[1])
    if name == "kintree_table":  # a parent that comes later or is none: who climbs to the root would never arrive
        entries[name] = np.array(entries[name], int)
        entries[name][0, value[0]] = value[1]
    else:
        entries[name] = value * entries[name] if name == "weights" else value
    synthetic_smpl.write_model(tmp_path / "SMPL_NEUTRAL.pkl", entries)
    write_aist(tmp_path / "m.pkl", walk)
    with pytest.raises(SkelError, match=said):
        load_model(tmp_path, read_motions(tmp_path / "m.pkl")[0])


def test_what_is_carried_lies_in_its_place_and_segments_weigh_alike():
    mean = as_it_is(load_body("open"), np.zeros(10))
    source, moved = stand_in(mean.rest, "smpl")
    carried = carry(source, replace(mean, trans=moved))
    skin = len(carried.skin)
    places = np.concatenate([source.verts[carried.skin], source.joints[carried.smpl_joint]])
    assert carried.arms + mean.rest.joints[carried.segment] + moved == pytest.approx(places)
    owners = mean.rest.owners()[carried.skin]
    assert 300 < skin < 800 and np.array_equal(owners, carried.segment[:skin])  # who rides two segments is left out
    assert source.weights[carried.skin].max(axis=1).min() > 0.6
    heavy = {"calcn_r": 3.0, "calcn_l": 3.0, "toes_r": 2.0, "toes_l": 2.0, "scapula_r": 0.1, "scapula_l": 0.1}
    for name, joint in JOINT_INDEX.items():
        own = carried.weight[:skin][owners == joint]
        if len(own):
            assert own.sum() == pytest.approx(1e4 * heavy.get(name, 1.0))  # a centimetre's certainty
    assert np.bincount(carried.smpl_joint, carried.weight[skin:]) == pytest.approx(np.full(JOINTS, 1e4))
    certain = np.where(mean.rest.weight_index == JOINT_INDEX["femur_l"], mean.rest.weight_value, 0.0).max(axis=1)
    thigh = carried.skin[owners == JOINT_INDEX["femur_l"]]
    share = np.minimum(certain[thigh], source.weights[thigh, 1]) - 0.6
    assert carried.weight[:skin][owners == JOINT_INDEX["femur_l"]] / share == pytest.approx(np.full(len(thigh), 1e4 / share.sum()))


@pytest.mark.parametrize("degrees", [-20.0, 12.0])
def test_the_tilt_of_a_camera_is_told_by_who_stands_in_it(degrees):
    """Somebody stands, squats and walks on level ground before a tilted camera; a motion in other axes stays as it is."""
    source, _ = stand_in(as_it_is(load_body("open"), np.zeros(10)).rest, "smpl")
    frames, joints = 60, source.joints
    turns = np.tile(np.eye(3), (frames, JOINTS, 1, 1))
    bent = motions.rotation_matrices(np.outer(np.clip(np.arange(frames) - 40, 0, 15) / 10, [1.0, 0, 0]))
    turns[:, [1, 2]], turns[:, [4, 5]] = bent.swapaxes(-1, -2)[:, None], (bent @ bent)[:, None]
    trans = np.stack([np.linspace(0.0, 0.2, frames), np.full(frames, 1.0), np.linspace(-4.0, -4.1, frames)], axis=1) - joints[0]
    axes = motions.UP_AXES["-y"].T @ kinematics.axis_rotation(np.array([1.0, 0, 0]), np.radians(degrees))
    turned = turns.copy()
    turned[:, 0] = axes @ turns[:, 0]
    seen = np.ones(frames, dtype=bool)
    filmed = motions.SmplMotion("Person 1", "smpl", "male", Fraction(30), np.arange(frames), turned,
                                (trans + joints[0]) @ axes.T - joints[0], np.zeros(10), seen, "-y", False, "4D-Humans")  # fmt: skip
    other = replace(filmed, up="y")
    (level, same), tilt = levelled([filmed, other], [source, source])
    assert tilt == pytest.approx(abs(degrees), abs=2.0) and same is other
    assert level.to_y_up() @ axes == pytest.approx(np.eye(3), abs=0.04)
    assert levelled([other], [source]) == ([other], 0.0)


def test_a_camera_that_watches_sees_everybody_upright_from_the_front_and_near():
    people = synthetic.random_take().people
    for person in people:
        person.poses[:, :3] = [0.0, 0.0, 0.7]  # who faces +z in the model frame, and so -y in the world, turned to the left
    camera, size = watching(people, people[0].frames)
    world_to_cam = camera.world_to_cam[0]
    joints = np.concatenate([person.joints().reshape(-1, 3) for person in people])
    seen = joints @ world_to_cam[:3, :3].T + world_to_cam[:3, 3]
    pixels = seen[:, :2] / seen[:, 2:] * camera.K[0, 0] + camera.K[:2, 2]
    assert seen[:, 2].min() > 1.0 and (pixels > 0).all() and (pixels < size).all()
    assert np.ptp(pixels, axis=0).max() > 0.4 * min(size)
    assert world_to_cam[:3, :3] @ world_to_cam[:3, :3].T == pytest.approx(np.eye(3))
    assert np.degrees(np.arccos(-world_to_cam[1, 2])) == pytest.approx(8.0)  # it looks down a little
    assert np.linalg.det(world_to_cam[:3, :3]) > 0
    facing = kinematics.z_up(people[0].transforms()[0, 0, :3, 2])
    toward = -world_to_cam[:3, :3].T @ world_to_cam[:3, 3] - joints.mean(axis=0)
    assert facing[:2] @ toward[:2] / np.linalg.norm(toward[:2]) > 0.5


def test_rotations_of_any_size_come_back_as_vectors():
    rng = np.random.default_rng(0)
    axes = np.concatenate([np.eye(3), -np.eye(3), rng.normal(size=(20, 3))])
    vectors = (axes / np.linalg.norm(axes, axis=1, keepdims=True))[:, None] * np.array([1e-9, 0.1, 1.5, 3.0, 3.14159])[:, None]
    assert motions.rotation_vectors(motions.rotation_matrices(vectors)) == pytest.approx(vectors, abs=1e-9)


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


@pytest.mark.parametrize("lean", [-90.0, 90.0])
def test_who_lies_on_the_side_is_turned_as_the_source(lean):
    """Where the middle one of three angles is a right angle, the other two turn about one axis; rounding must not choose them."""
    lies = motions.rotation_matrices(np.radians([0.0, 0.0, lean]))
    noise = np.random.default_rng(0).normal(0, 1e-15, (50, 3, 3))
    turns = motions.rotation_matrices(np.linspace([0, 0, 0], [0, 3.0, 0], 50)) @ lies + noise
    rest = load_body("male").rest_body(np.zeros(10))
    poses = follow(np.tile(turns[:, None], (1, JOINTS, 1, 1)), rest.frames, np.zeros(Q), rest.limits)
    assert np.abs(kinematics.forward(poses, rest.joints, rest.frames)[:, 0, :3, :3] - turns).max() < 1e-6


def test_the_size_that_lets_feet_stand_is_told(model, walk, tmp_path):
    write_amass(tmp_path / "m.npz", walk)
    motion = read_motions(tmp_path / "m.npz")[0]
    source = load_model(model[0], motion)
    whole, smaller = (estimated_size(motion, source.scaled(size)) for size in (1.0, 1 / 1.034))
    assert whole == pytest.approx(1.0, abs=0.02) and smaller / whole == pytest.approx(1.034, abs=0.01)


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
