# SPDX-License-Identifier: GPL-3.0-or-later
"""What `bin/benchmark gait` measures against: angles of another program's model on the open body, over a floor, before a camera."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bin.benchmarks import gait  # noqa: E402
from bin.benchmarks.posing import posed  # noqa: E402
from skel_blender.anatomy import DOF_INDEX  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402

NAMES = ("hip_flexion_r", "hip_flexion_l", "knee_angle_r", "knee_angle_l", "ankle_angle_r", "ankle_angle_l", "lumbar_extension",
         "lumbar_bending", "lumbar_rotation", "arm_flex_r", "arm_flex_l", "elbow_flex_r", "elbow_flex_l", "pelvis_tx")  # fmt: skip


@pytest.fixture(scope="module")
def body():
    return load_body("open", "male")


@pytest.fixture
def squat(tmp_path):
    """One second: both knees from 0.05 to 1.25 rad, recorded from time 7 on."""
    time = np.linspace(7.0, 8.0, 101)
    bend = 0.05 + 1.2 * (time - 7.0)
    parts = {"knee_angle": 1.0, "hip_flexion": 0.7, "ankle_angle": 0.3}
    told = np.stack([parts.get(name.rpartition("_")[0], 0.0) * bend for name in NAMES], 1)
    np.savez(tmp_path / "squat.npz", time=time, coordinate_names=np.array(NAMES), coordinates=told)
    return tmp_path / "squat.npz"


def test_a_trial_has_its_angles_and_stands_on_the_floor(body, squat):
    motion = gait.read(squat, 0.5, 9.0, body, np.random.default_rng(0))
    assert len(motion.poses) == 13  # what is left of it, at 25 frames a second
    expected = 0.65 + 1.2 * np.arange(13) / 25
    for side in "rl":
        assert motion.poses[:, DOF_INDEX[f"knee_angle_{side}"]] == pytest.approx(expected)
    soles = posed(body, motion.poses, motion.betas, motion.trans)[1]
    assert np.abs(soles[..., 1].min(1)).max() < 1e-6
    lowest = soles[..., 1].argmin(1)
    rows = np.arange(1, len(soles))
    assert np.abs((soles[rows, lowest[1:]] - soles[rows - 1, lowest[1:]])[:, [0, 2]]).max() < 1e-6, "what rests does not slide"


@pytest.mark.parametrize(("around", "facing"), [(0, -1.0), (180, 1.0), (90, 0.0)])
def test_cameras_look_at_a_person_from_around(body, around, facing):
    """Who faces along z looks at a camera at 0 degrees: his way ahead is against its view."""
    R, eye = gait.camera(around, 25)
    assert R @ R.T == pytest.approx(np.eye(3)) and np.linalg.det(R) == pytest.approx(1.0)
    middle = R @ (np.array([0, gait._MIDDLE_M, 0]) - eye)
    assert middle == pytest.approx([0, 0, gait._DISTANCE_M]) and eye[1] > gait._MIDDLE_M
    assert (R @ [0, 0, 1.0])[2] == pytest.approx(facing * np.cos(np.radians(25)), abs=1e-9)
    assert (R @ [0, 1.0, 0])[1] < -0.9, "up is up in the image"
