# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions of a made-up SMPL body, and what becomes of them on SKEL's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender import cli, environment, kinematics  # noqa: E402
from skel_blender import take as takes  # noqa: E402
from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX  # noqa: E402
from skel_blender.engine import __main__ as engine  # noqa: E402
from skel_blender.engine.imports import motion as motions  # noqa: E402
from skel_blender.engine.imports.formats import read_motions  # noqa: E402
from skel_blender.engine.imports.importer import Options, import_motion  # noqa: E402
from skel_blender.engine.imports.source_body import chain  # noqa: E402
from skel_blender.messages import Log  # noqa: E402
from tests import skel_file, synthetic_smpl  # noqa: E402
from tests.engine.smpl_layouts import BETAS, JOINTS, in_camera, in_z_up, write_aist, write_amass, write_phalp  # noqa: E402


def imported(path: Path, **options: object) -> tuple[takes.Take, dict, list[str]]:
    said: list[str] = []
    take = import_motion(Options(str(path), **options), lambda event: said.append(event.text) if isinstance(event, Log) else None)
    takes.validate(take)
    return take, json.loads(take.settings)["people"][0], said


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_few_frames_are_a_motion_too(model, walk, tmp_path, frames):
    poses, trans, joints = walk
    write_amass(tmp_path / "short.npz", (poses[:frames], trans[:frames], joints))
    take, told, _ = imported(tmp_path / "short.npz", model=str(model[0]))
    assert len(take.people[0].frames) == frames and told["joint_distance_mm"] < 10.0


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


@pytest.mark.parametrize("command", ["import", "reconstruct"])
@pytest.mark.parametrize("people", ["0", "-1", "some"])
def test_a_number_of_people_that_is_none_is_refused(tmp_path, capfd, command, people):
    with pytest.raises(SystemExit) as end:
        engine.main([command, "in.npz", "--out", str(tmp_path / "no.npz"), f"--people={people}"])
    assert end.value.code == 2 and f"'{people}' is not a number of people" in capfd.readouterr().err


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
