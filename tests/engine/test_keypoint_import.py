# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in space on a SKEL body: of four real cameras, and of motions that are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bin.benchmarks import keypoints as made  # noqa: E402
from bin.benchmarks import mocap  # noqa: E402
from skel_blender import cli, kinematics, opensim  # noqa: E402
from skel_blender import take as takes  # noqa: E402
from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.anthropometry import stature  # noqa: E402
from skel_blender.engine.imports.importer import Options, import_motion  # noqa: E402
from skel_blender.engine.imports.trc import read_trc  # noqa: E402
from skel_blender.messages import Log, SkelError  # noqa: E402
from tests import skel_file  # noqa: E402

CARTWHEEL, WALK = "49_07#1", "49_01@0-120"


def imported(path, **options: object) -> tuple[takes.Take, dict, list[str]]:
    said: list[str] = []
    take = import_motion(Options(str(path), **options), lambda event: said.append(event.text) if isinstance(event, Log) else None)
    takes.validate(take)
    return take, json.loads(take.settings)["people"][0], said


@pytest.fixture(scope="module")
def body():
    return load_body("open", "male")


@pytest.fixture(scope="module")
def motions(body):
    clips = {clip.name: clip for clip in mocap.read_clips(mocap.SMALL_SET)}
    return {name: mocap.to_body(clips[name].part(0, 60), body) for name in (WALK, CARTWHEEL)}


@pytest.fixture
def points(motions, body):
    """(60,K,3) m, y up: the keypoints of the walk, 10 mm off, one in twenty not seen."""
    return made.told(motions[WALK], body, 0.01, 0.05, np.random.default_rng(0))


@pytest.mark.parametrize("name", [WALK, CARTWHEEL])
def test_a_motion_is_found_again_from_its_keypoints(motions, body, tmp_path, name):
    motion = motions[name]
    made.write(tmp_path / "a.trc", made.told(motion, body, 0.01, 0.05, np.random.default_rng(0)), motion.clip.fps)
    take, told, _ = imported(tmp_path / "a.trc")
    person = take.people[0]
    off = made.miss(person, motion, body)
    assert off.joints.mean() < 0.015 and np.quantile(off.joints, 0.95) < 0.03
    assert np.degrees(off.hinges).mean() < 3.0
    assert not person.beyond_limits().any() and told["points_left_out"] == 0
    assert 0.8 < person.confidence.mean() < 1.0 and take.fps == 30


def test_four_cameras_tell_what_opensim_reads_from_them():
    person, off = made.real()
    assert len(person.frames) == 100 and not person.beyond_limits().any()
    for name in ("knee_angle_r", "knee_angle_l"):
        assert np.sqrt((off[name] ** 2).mean()) < 4.0
    take, told, said = imported(made.REAL)
    assert take.fps == 60 and told["up"] == "y" and told["point_distance_mm"] < 30 and told["foot_slide_mm_per_frame"] < 1.0
    assert said[0] == "TRC: 100 frames at 60 a second, y up, 20 points known by name; not used: Neck."
    seen = read_trc(made.REAL)
    hips = kinematics.z_up(seen.places[:, [seen.names.index(name) for name in ("LHip", "RHip")]].mean(1))
    ours = person.joints()[:, [JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"]]].mean(1)
    assert np.linalg.norm((ours - hips)[:, :2], axis=1).max() < 0.04
    lowest = person.joints()[:, [JOINT_INDEX["calcn_l"], JOINT_INDEX["calcn_r"]], 2].min()
    assert 0.0 < lowest < 0.08  # over the floor, by the heel's height


@pytest.mark.parametrize("up, axes", [("z", [0, 2, 1]), ("-y", [0, 1, 2])])
def test_the_axis_that_points_up_is_read_from_the_person(points, tmp_path, up, axes):
    turned = points[..., axes] * {"z": [1, -1, 1], "-y": [1, -1, -1]}[up]
    made.write(tmp_path / "a.trc", turned, 30)
    made.write(tmp_path / "b.trc", points, 30)
    (take, told, _), (other, _, _) = (imported(tmp_path / f"{name}.trc") for name in "ab")
    assert told["up"] == up
    assert np.allclose(take.people[0].joints(), other.people[0].joints(), atol=1e-4)
    assert imported(tmp_path / "a.trc", up=up)[1]["up"] == up


def test_points_that_are_somebody_elses_are_left_out_and_told(points, motions, body, tmp_path):
    rng = np.random.default_rng(1)
    column, rows = made.NAMES.index("RWrist"), rng.choice(60, 12, replace=False)
    points[rows, column] = points[rows, column] + [0.0, 0.6, 0.3]
    made.write(tmp_path / "a.trc", points, 30)
    take, told, said = imported(tmp_path / "a.trc")
    seen = np.isfinite(points[rows, column]).all(-1).sum()
    assert told["points_left_out"] == pytest.approx(seen / (60 * len(made.NAMES)), abs=1e-4)
    assert any("no body reaches them (RWrist most often)" in text for text in said)
    off = made.miss(take.people[0], motions[WALK], body)
    assert off.joints[:, JOINT_INDEX["hand_r"]].mean() < 0.03


def test_a_child_is_as_tall_as_the_points_say(points, motions, body, tmp_path):
    wanted = 0.65 * float(stature(body, torch.as_tensor(motions[WALK].betas)[None])[0])
    made.write(tmp_path / "a.trc", 0.65 * points, 30)
    take, told, _ = imported(tmp_path / "a.trc")
    skin = take.people[0].body.skin_verts[:, 1]
    assert np.ptp(skin) == pytest.approx(wanted, rel=0.04) and told["point_distance_mm"] < 15


@pytest.mark.filterwarnings("error")
def test_limbs_of_which_nothing_is_told_are_named(points, tmp_path):
    """Since the file does not name them, or has nothing below the name."""
    points[:, [made.NAMES.index(name) for name in ("LAnkle", "RAnkle", "LWrist")]] = np.nan
    path = tmp_path / "a.trc"
    made.write(path, points, 30)
    path.write_text(path.read_text().replace("LElbow", "STRN"))
    _, told, said = imported(path)
    assert "Person 1: no points for the left elbow, left wrist, left ankle, right ankle; what depends on them is a guess." in said
    assert "LAnkle" not in said[0] and told["point_distance_mm"] < 20


@pytest.mark.parametrize("frames", [1, 2])
def test_a_few_frames_are_a_motion_too(points, tmp_path, frames):
    made.write(tmp_path / "a.trc", points[np.isfinite(points).all((1, 2))][:frames], 30)
    assert len(imported(tmp_path / "a.trc")[0].people[0].frames) == frames


def test_frames_without_a_trunk_are_bridged(points, motions, body, tmp_path):
    points[20:24] = np.nan
    made.write(tmp_path / "a.trc", points, 30)
    person = imported(tmp_path / "a.trc")[0].people[0]
    assert (person.confidence[20:24] == 0).all()
    assert made.miss(person, motions[WALK], body).joints[20:24].mean() < 0.05


def test_who_comes_late_and_leaves_early_is_there_only_then(points, motions, body, tmp_path):
    """As in the files of several people, each of whom is told in every frame."""
    points[:10], points[55:] = np.nan, np.nan
    made.write(tmp_path / "a.trc", points, 30)
    take, _, said = imported(tmp_path / "a.trc")
    assert np.array_equal(take.frames, np.arange(60)) and np.array_equal(take.people[0].frames, np.arange(10, 55))
    assert said[0].startswith("TRC: 60 frames")
    part = replace(motions[WALK], poses=motions[WALK].poses[10:55], trans=motions[WALK].trans[10:55])
    assert made.miss(take.people[0], part, body).joints.mean() < 0.015


def test_what_cannot_be_a_person_is_one_sentence(points, tmp_path):
    path = tmp_path / "a.trc"
    made.write(path, points, 30)
    with pytest.raises(SkelError, match="^a.trc holds points, which need no SMPL model. Leave the model out.$"):
        imported(path, model="SMPL_MALE.pkl")
    points[::2, made.NAMES.index("RHip")], points[1::2, made.NAMES.index("LShoulder")] = np.nan, np.nan
    made.write(path, points, 30)
    with pytest.raises(SkelError, match="^No frame of a.trc has both shoulders and both hips."):
        imported(path)


def test_a_unit_that_makes_giants_is_one_sentence(points, tmp_path):
    made.write(tmp_path / "a.trc", points, 30)
    text = (tmp_path / "a.trc").read_text()
    (tmp_path / "a.trc").write_text(text.replace("\tmm\t", "\tm\t"))
    with pytest.raises(SkelError, match="^By the points of a.trc the person is 1e.03 times as large as people are. Check the unit"):
        imported(tmp_path / "a.trc")


def test_a_skel_file_can_be_the_body(points, tmp_path):
    model = skel_file.write(tmp_path / "skel_male.pkl", "male")
    made.write(tmp_path / "a.trc", points[:20], 30)
    take, told, _ = imported(tmp_path / "a.trc", body=str(model))
    assert "open" not in take.people[0].body_name and told["point_distance_mm"] < 40


def test_a_trc_of_ours_comes_back(motions, body, tmp_path):
    """A Take's joint centres, which `export` writes beside an OpenSim model."""
    made.write(tmp_path / "a.trc", made.told(motions[WALK], body, 0.0, 0.0, np.random.default_rng(0)), 30)
    take, _, _ = imported(tmp_path / "a.trc")
    person = take.people[0]
    opensim.write_motion(person.body, person.poses, person.trans, person.frames, take.fps, tmp_path / "ours.trc")
    again, told, _ = imported(tmp_path / "ours.trc")
    assert told["point_distance_mm"] < 10
    off = np.degrees(np.abs(again.people[0].poses - person.poses)[:, [DOF_INDEX[name] for name in made.HINGES]])
    assert off.mean() < 2.0


def test_the_command_imports(points, tmp_path, capsys):
    made.write(tmp_path / "a.trc", points, 30)
    assert cli.main(["import", str(tmp_path / "a.trc"), "-o", str(tmp_path / "a.npz"), "--body", "female"]) == 0
    person = takes.load(tmp_path / "a.npz").people[0]
    assert person.body_name == "open female"
    assert len(person.frames) == 60
