# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions of the SMPL family in every layout that is read, on a made-up SMPL body, and what becomes of them on SKEL's."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
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
from skel_blender.engine.imports.formats import read_motions  # noqa: E402
from skel_blender.engine.imports.importer import Options, import_motion  # noqa: E402
from skel_blender.engine.imports.rigid_fit import Wanted, _step, fit  # noqa: E402
from skel_blender.engine.imports.source_body import chain, load_model, posed_skin  # noqa: E402
from skel_blender.engine.imports.start_pose import follow  # noqa: E402
from skel_blender.messages import Log  # noqa: E402
from tests import skel_file, synthetic_smpl  # noqa: E402
from tests.engine.smpl_layouts import BETAS, JOINTS, in_camera, in_z_up, write_aist, write_amass, write_gvhmr_npz, write_phalp  # noqa: E402


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
