# SPDX-License-Identifier: GPL-3.0-or-later
"""What several cameras see together, and landmarks made up with a landmarker's errors."""

import numpy as np
import pytest

pytest.importorskip("torch")

from bin.benchmarks import noise  # noqa: E402
from bin.benchmarks.cameras import knees_off  # noqa: E402
from bin.benchmarks.multiview import CalibratedCamera, same_person, triangulate  # noqa: E402
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402

K = np.array([[1500.0, 0, 540], [0, 1500.0, 960], [0, 0, 1]])


@pytest.fixture(scope="module")
def cameras():
    level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # looks along y of a world whose z is up
    return [CalibratedCamera(f"cam{k}", K, np.zeros(4), level @ axis_rotation(np.array([0, 0, 1.0]), np.array(turn)), np.array([0, 0, 4.0]))
            for k, turn in enumerate((0.0, 1.3, 2.6, 4.2))]  # fmt: skip


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return rng.uniform(-0.8, 0.8, (1, 33, 3)) + 0.05 * rng.normal(size=(20, 33, 3))


def _seen(points, camera):
    flat = (points @ camera.R.T + camera.t) @ camera.K.T
    return flat[..., :2] / flat[..., 2:]


def test_points_are_found_from_their_views(cameras, points):
    pixels = np.stack([_seen(points, camera) for camera in cameras])
    found, residual = triangulate(pixels, np.ones(pixels.shape[:-1]), cameras)
    assert np.abs(found - points).max() < 1e-6 and residual.max() < 1e-3


def test_a_view_that_tells_something_else_is_left_out(cameras, points):
    pixels = np.stack([_seen(points, camera) for camera in cameras])
    pixels[2, 5:9, 11] += 300.0
    found, residual = triangulate(pixels, np.ones(pixels.shape[:-1]), cameras)
    assert np.abs(found - points).max() < 2e-3
    assert residual[2, 5:9, 11].min() > 250


def test_knees_are_more_bent_by_what_the_shank_is_turned():
    leg = np.zeros((3, 33, 3))
    leg[:, [25, 26], 1], leg[:, [27, 28], 1] = -0.4, -0.8
    bent = leg.copy()
    turn = np.radians([10.0, 20.0, 60.0])
    bent[:, [27, 28]] = bent[:, [25, 26]] + 0.4 * np.stack([0 * turn, -np.cos(turn), np.sin(turn)], -1)[:, None]
    assert knees_off(bent, leg) == pytest.approx(20.0) and knees_off(leg, bent) == pytest.approx(-20.0)


def test_one_view_alone_finds_nothing(cameras, points):
    pixels = np.stack([_seen(points, camera) for camera in cameras])
    sure = np.zeros(pixels.shape[:-1])
    sure[1] = 1
    assert np.isnan(triangulate(pixels, sure, cameras)[0]).all()


def test_the_same_person_is_known_in_every_view(cameras, points):
    others = points + [0.9, -0.3, 0.0]
    tracks = []
    for k, camera in enumerate(cameras):
        both = [Track(np.arange(20), np.concatenate([_seen(p, camera), np.ones((20, 33, 1))], -1), p, np.ones(20, dtype=bool))
                for p in (points, others)]  # fmt: skip
        tracks.append(both[::-1] if k % 2 else both)
    chosen = same_person(tracks, cameras)
    assert [one.landmarks_3d is points for one in chosen] == [True] * 4


def test_nobody_is_somebody_else_in_a_view_that_is_not_calibrated_well(cameras, points):
    others = points + [0.9, -0.3, 0.0]
    tracks = []
    for k, camera in enumerate(cameras):
        shift, people = ([30.0, 0.0, 0.0], (others, points)) if k == 2 else (np.zeros(3), (points, others))
        seen = [np.concatenate([_seen(p, camera), np.ones((20, 33, 1))], -1) + shift for p in people]
        tracks.append([Track(np.arange(20), view, p, np.ones(20, dtype=bool)) for view, p in zip(seen, people)])
    assert [one.landmarks_3d is points for one in same_person(tracks, cameras)] == [True] * 4


def _standing(frames):
    rng = np.random.default_rng(1)
    return np.tile(rng.uniform(-0.6, 0.6, (33, 3)) + [0.0, 0, 4], (frames, 1, 1))


def test_made_up_landmarks_are_the_same_for_a_seed():
    first, second = (noise.synthesize(_standing(30), K, np.random.default_rng(3)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second))


def test_made_up_landmarks_err_as_much_as_they_should():
    quiet = noise.Mishaps(dropouts=0, occlusions=0, swaps=0)
    markers = _standing(60)
    hips = markers[:, noise.HIPS].mean(1)
    true = np.einsum("tji,tkj->tki", noise.toward(hips), markers - hips[:, None])
    image, depth = [], []
    for seed in range(40):
        keypoints, landmarks, observed = noise.synthesize(markers, K, np.random.default_rng(seed), mishaps=quiet)
        assert observed.all() and np.abs(landmarks[:, noise.HIPS].mean(1)).max() < 1e-9
        flat = BLAZEPOSE @ markers @ K.T
        image.append((keypoints[..., :2] - flat[..., :2] / flat[..., 2:]) * hips[:, None, 2:] / K[0, 0])
        depth.append((landmarks - true)[..., 2])
    wanted = noise.by_landmark(np.hypot(noise.Noise().image_bias, noise.Noise().image_wave))
    assert np.std(image, axis=(0, 1, 3)) == pytest.approx(wanted, rel=0.35)
    wrists = np.hypot(noise.Noise().depth_bias[3], noise.Noise().depth_wave[3])
    assert np.std(np.array(depth)[..., 15]) == pytest.approx(wrists, rel=0.3)


def test_a_person_who_is_not_seen_has_no_confidence():
    often = noise.Mishaps(dropouts=3.0, dropout_s=0.3)
    keypoints, landmarks, observed = noise.synthesize(_standing(90), K, np.random.default_rng(0), mishaps=often)
    assert 0.05 < (~observed).mean() < 0.95 and observed[0] and observed[-1]
    assert np.all(keypoints[~observed, :, 2] == 0) and np.all(keypoints[observed, :, 2] > 0)
    assert np.isfinite(keypoints).all() and np.isfinite(landmarks).all()
