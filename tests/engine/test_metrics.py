# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures, on motions whose errors are known."""

import numpy as np
import pytest

from bin.evaluation import metrics
from skel_blender.engine.imports.fit_motion import foot_slide
from skel_blender.kinematics import axis_rotation


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(20, 12, 3))


def _turn(angle: float) -> np.ndarray:
    return axis_rotation(np.array([1.0, 2.0, 3.0]) / np.sqrt(14), np.array(angle))


def test_equal_motions_have_no_error(points):
    assert metrics.mpjpe(points, points) == 0
    assert metrics.pa_mpjpe(points, points) == pytest.approx(0, abs=1e-9)
    assert metrics.acceleration_error(points, points) == 0
    assert metrics.peak_kept(points, points, 1) == metrics.peak_kept(points, points, 2) == 1
    assert metrics.drift(points[:, 0], points[:, 0]) == 0


def test_roots_take_a_shift_out_and_no_more(points):
    moved = points + [0.1, 0.2, -0.3]
    assert metrics.mpjpe(moved, points, (6, 7)) == pytest.approx(0, abs=1e-9)
    assert metrics.mpjpe(moved, points, None) == pytest.approx(1000 * np.sqrt(0.14))
    one = points.copy()
    one[:, 3, 0] += 0.12
    assert metrics.mpjpe(one, points, (6, 7)) == pytest.approx(10)


def test_procrustes_takes_rotation_shift_and_scale_out(points):
    moved = 1.3 * points @ _turn(0.7).T + [1.0, 2.0, 3.0]
    assert metrics.mpjpe(moved, points, (6, 7)) > 300
    assert metrics.pa_mpjpe(moved, points) == pytest.approx(0, abs=1e-9)
    rigid = metrics.similarity(moved, points, scale=False)
    assert np.linalg.norm(np.diff(rigid, axis=1), axis=-1) == pytest.approx(1.3 * np.linalg.norm(np.diff(points, axis=1), axis=-1))


def test_procrustes_does_not_mirror(points):
    assert metrics.pa_mpjpe(points * [-1.0, 1, 1], points) > 100


def test_unknown_points_take_no_part(points):
    truth = points.copy()
    truth[:, 5] = np.nan
    moved = points @ _turn(0.3).T
    moved[:, 5] = 100.0
    assert metrics.pa_mpjpe(moved, truth) == pytest.approx(0, abs=1e-9)


def test_acceleration_of_a_falling_point():
    t = np.arange(30) / 30
    path = np.stack([0 * t, -0.5 * 9.81 * t**2, t], axis=-1)[:, None]
    assert metrics.acceleration(path) == pytest.approx(9810 / 900)
    assert metrics.acceleration_error(path, np.zeros_like(path)) == pytest.approx(9810 / 900)


def test_a_smoothed_kick_loses_its_peak():
    t = np.linspace(-1, 1, 61)
    kick = np.exp(-((t / 0.1) ** 2))[:, None, None] * [1.0, 0, 0]
    blurred = np.exp(-((t / 0.2) ** 2))[:, None, None] * [1.0, 0, 0]
    assert metrics.peak_kept(0.8 * kick, kick) == pytest.approx(0.8)
    assert metrics.peak_kept(np.roll(kick, 1, axis=0), kick) > 0.95
    assert metrics.peak_kept(blurred, kick, 1) == metrics.peak_kept(blurred, kick) < 0.6
    assert metrics.peak_kept(blurred, kick, 2) < 0.4


def test_feet_slide_only_while_they_rest():
    soles = np.zeros((10, 6, 3))
    soles[:, 0, 0] = 0.002 * np.arange(10)
    soles[:, 0, 1] = 0.5 * np.arange(10)  # height is not sliding
    soles[:, 1, 0] = np.arange(10)
    resting = np.zeros((10, 6), dtype=bool)
    assert np.isnan(foot_slide(soles, resting))
    resting[:, 0] = True
    assert foot_slide(soles, resting) == pytest.approx(2)
    resting[4:, 1] = True
    resting[5, 1] = False
    assert foot_slide(soles, resting) == pytest.approx((9 * 2 + 3 * 1000) / 12)


def test_floor_penetration_is_the_lowest_points():
    soles = np.full((4, 6, 3), 0.05)
    soles[0, 2, 1], soles[0, 3, 1] = -0.02, -0.01
    assert metrics.floor_penetration(soles) == pytest.approx(5)


def test_limit_violations_count_frames_and_degrees():
    limits = np.tile([-1.0, 1.0], (46, 1))
    limits[0] = -np.inf, np.inf
    poses = np.zeros((10, 46))
    poses[:, 0] = 50.0
    assert metrics.limit_violations(poses, limits) == (0.0, 0.0)
    poses[3, 5], poses[3, 6], poses[7, 9] = 1 + np.radians(4), 1 + np.radians(1), -1 - np.radians(2)
    share, degrees = metrics.limit_violations(poses, limits)
    assert share == pytest.approx(0.2) and degrees == pytest.approx(3)


def test_drift_is_seen_from_the_start():
    truth = np.random.default_rng(1).normal(size=(5, 3))
    found = truth + [1.0, 2, 3] + np.array([0, 0.1, 0.1, 0.1, 0.2])[:, None] * [0.0, 0, 1]
    assert metrics.drift(found, truth) == pytest.approx(100)


def test_angle_between_directions():
    assert metrics.angle_between(np.array([0, 0, 2.0]), np.array([0, 3.0, 0])) == pytest.approx(90)
    assert metrics.angle_between(np.array([0, 2.0, 0]), np.array([0, 5.0, 5.0])) == pytest.approx(45)
    assert metrics.angle_between(np.array([1.0, 1, 1]), np.array([1.0, 1, 1])) == pytest.approx(0, abs=1e-5)


def test_keypoints_that_nobody_annotated_are_left_out_of_pck():
    truth, known = np.zeros((4, 3, 2)), np.array([[True, True, False]] * 4)
    known[3, 0] = False
    found = truth + np.array([[0.0, 0], [20, 0], [0, 0]])
    found[0, 0] = 20.0
    assert metrics.pck(found, truth, known, np.full(4, 100.0), 0.1) == pytest.approx((2 / 3 + 0) / 2)
    assert np.isnan(metrics.pck(found, truth, np.zeros_like(known), np.full(4, 100.0), 0.1))
