# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion capture read, and carried over to the open body."""

import numpy as np
import pytest

pytest.importorskip("torch")

from bin.benchmarks import mocap  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.regress.lift.arms import arm_angles  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402


@pytest.fixture(scope="module")
def clips():
    return {clip.name: clip for clip in mocap.read_clips(mocap.SMALL_SET)}


def test_the_small_set_is_varied_and_of_the_test_split(clips):
    assert {clip.subject for clip in clips.values()} <= {"02", "06", "08", "14", "49", "93"}
    assert {clip.category for clip in clips.values()} >= {"walk", "run", "jump_acro", "martial", "dance", "daily", "sport"}
    assert all(clip.fps == 30 and len(clip.root) == len(clip.rotations) >= 44 for clip in clips.values())
    assert mocap.SMALL_SET.stat().st_size < 700_000


def test_bones_keep_their_lengths_and_feet_reach_the_floor(clips):
    for clip in clips.values():
        _, places = clip.forward()
        for joint, parent in enumerate(clip.parents):
            if parent >= 0:
                length = np.linalg.norm(places[:, joint] - places[:, parent], axis=1)
                assert length == pytest.approx(np.linalg.norm(clip.offsets[joint]), abs=1e-9)
        toes = places[:, [clip.joints.index("l_toe"), clip.joints.index("r_toe")], 1]
        assert -0.05 < toes.min() < 0.08


def test_no_rotation_is_a_t_pose(clips):
    clip = next(iter(clips.values())).part(0, 1)
    clip.rotations[:] = np.eye(3)
    _, places = clip.forward()
    at = {name: places[0, k] - places[0, 0] for k, name in enumerate(clip.joints)}
    assert at["l_wrist"][0] > 0.6 and at["r_wrist"][0] < -0.6
    assert at["l_ankle"][1] < -0.8 < 0.4 < at["head"][1]


def test_a_folder_without_motion_is_refused(tmp_path):
    with pytest.raises(SystemExit):
        mocap.read_clips(tmp_path)


def test_an_arm_gets_the_angles_that_it_was_turned_by():
    rng = np.random.default_rng(0)
    limits = np.radians([[-110, 160], [-170, 100], [-110, 140]])
    start, step = rng.uniform(-0.5, 0.5, 3), np.array([0.05, -0.09, 0.03])
    angles = start + step * np.arange(25)[:, None]  # y runs beyond -90 degrees, where the other triple begins
    x, y, z = (axis_rotation(axis, angles[:, k]) for k, axis in enumerate(np.eye(3)))
    assert arm_angles(z @ y @ x, limits) == pytest.approx(angles)


@pytest.mark.parametrize("name", ["49_01@0-120", "49_08#0", "14_02@240-360"])
def test_the_body_takes_the_motion_over(clips, name):
    body = load_body("open", "male")
    motion = mocap.to_body(clips[name].part(20, 50), body)
    assert motion.distance.mean() < 0.03 and np.quantile(motion.distance, 0.95) < 0.08
    limits = body.limits.numpy()
    assert np.all(motion.poses >= limits[:, 0] - 1e-9) and np.all(motion.poses <= limits[:, 1] + 1e-9)
    assert np.abs(np.diff(motion.poses, axis=0)).max() < np.radians(70)
    _, soles = mocap.posed(body, motion.poses, motion.betas, motion.trans)
    assert abs(np.quantile(soles[..., 1].min(axis=1), 0.1)) < 1e-6
