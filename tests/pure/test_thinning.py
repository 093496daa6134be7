# SPDX-License-Identifier: GPL-3.0-or-later
"""Thinning: bounds in space hold, extremes stay, few keys are left."""

import time

import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.rig import bezier, limbs
from skel_blender.rig.editing import thinning
from tests import synthetic

BODY = synthetic.rest_body()


def stride(count: int, fps: float, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth poses and places of somebody in motion, with noise (rad, m)."""
    rng = np.random.default_rng(1)
    seconds = np.arange(count) / fps
    pace = rng.uniform(0.3, 1.2, 46)
    poses = 0.4 * np.sin(2 * np.pi * pace * seconds[:, None] + rng.uniform(0, 6, 46)) + noise * rng.standard_normal((count, 46))
    trans = np.stack([0.1 * np.sin(seconds), 0.95 + 0.03 * np.sin(7 * seconds), seconds], axis=1)
    return poses, trans + noise * rng.standard_normal((count, 3))


def off(thinned: thinning.Thinned, poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(T,24) m between the joints of the thinned and the given motion."""
    one, other = (kinematics.forward(q, BODY.joints, BODY.frames, t)[..., :3, 3] for q, t in (thinned.poses(), (poses, trans)))
    return np.linalg.norm(one - other, axis=-1)


@pytest.mark.parametrize(("fps", "noise", "most"), [(60, 0.0, 0.06), (30, 0.0, 0.08), (60, 0.003, 0.12)])
def test_joints_stay_within_the_bound_with_few_keys(fps, noise, most):
    poses, trans = stride(400, fps, noise)
    result = thinning.thin(poses, trans, BODY.joints, BODY.frames)
    away = off(result, poses, trans)
    assert away.max() < 0.005 and away.max() == pytest.approx(result.error)
    print(f"\n{fps} fps, noise {noise}: {100 * result.share:.1f} % of the keys")
    assert result.share < most


def test_feet_on_the_floor_are_held_tighter():
    poses, trans = stride(300, 30)
    contacts = np.zeros((300, 6), dtype=bool)
    contacts[100:180, :3] = True
    result = thinning.thin(poses, trans, BODY.joints, BODY.frames, contacts)
    away = off(result, poses, trans)
    assert away[100:180, 3:6].max() < 0.001 and away.max() < 0.005
    loose = thinning.thin(poses, trans, BODY.joints, BODY.frames)
    assert off(loose, poses, trans)[100:180, 3:6].max() > 0.001


def test_angles_that_keep_their_limits_go_on_keeping_them():
    poses, trans = stride(150, 30)
    limits = np.tile([-0.2, 0.25], (46, 1))
    poses = np.clip(poses, *limits.T)
    loose = thinning.thin(poses, trans, BODY.joints, BODY.frames).poses()[0]
    held = thinning.thin(poses, trans, BODY.joints, BODY.frames, limits=limits).poses()[0]
    assert np.maximum(limits[:, 0] - held, held - limits[:, 1]).max() < 3e-4
    assert np.maximum(limits[:, 0] - loose, loose - limits[:, 1]).max() > 3e-3
    free = limits.copy()
    free[:] = -0.1, 0.1  # what the motion breaks anyway costs no keys
    assert thinning.thin(poses, trans, BODY.joints, BODY.frames, limits=free).share < 0.5


def test_extremes_and_ends_are_keys():
    poses, trans = stride(300, 30)
    result = thinning.thin(poses, trans, BODY.joints, BODY.frames)
    for channel in (3, 6, 30):
        frames, values, _, _ = result.spline.of(channel)
        assert frames[0] == 0 and frames[-1] == 299
        assert np.array_equal(values, poses[frames, channel])
        inner = np.diff(np.sign(np.diff(poses[:, channel]))).nonzero()[0] + 1
        assert len(inner) > 5 and set(inner[3:-3]) <= set(frames)


def test_long_motions_are_thinned_in_parts_that_fit_together(monkeypatch):
    monkeypatch.setattr(thinning, "_PART", 100)
    poses, trans = stride(240, 30)
    result = thinning.thin(poses, trans, BODY.joints, BODY.frames)
    assert off(result, poses, trans).max() < 0.005 and result.share < 0.15
    assert np.all(np.diff(result.spline.keys) > 0)
    frames, values, left, right = result.spline.of(7)
    for a, b in zip(range(len(frames) - 1), range(1, len(frames))):
        start, stop = np.array([0.0, values[a]]), np.array([frames[b] - frames[a], values[b]])
        u = np.linspace(0, 1, 2001)[:, None]
        path = (1 - u) ** 3 * start + 3 * u * (1 - u) ** 2 * (start + right[a]) + 3 * u * u * (1 - u) * (stop + left[b]) + u**3 * stop
        seen = np.interp(np.arange(stop[0] + 1), path[:, 0], path[:, 1])
        assert np.abs(seen - result.spline.curve[7, frames[a] : frames[b] + 1]).max() < 1e-5


def test_a_thousand_frames_take_seconds():
    poses, trans = stride(1000, 60)
    start = time.process_time()  # others may use the machine
    thinning.thin(poses, trans, BODY.joints, BODY.frames)
    assert time.process_time() - start < 20.0


def test_single_frames_and_still_people():
    poses, trans = stride(1, 30)
    assert thinning.thin(poses, trans, BODY.joints, BODY.frames).share == 1.0
    still = np.repeat(poses, 50, axis=0), np.repeat(trans, 50, axis=0)
    assert thinning.thin(*still, BODY.joints, BODY.frames).share == pytest.approx(2 / 50)


@pytest.mark.parametrize("shape", range(len(bezier.SHAPES)))
def test_handles_find_a_curve_that_is_one(shape):
    start, first, second, stop = bezier.blending(20, shape)
    values = np.stack([0.3 * start + 0.9 * first - 0.4 * second + 0.1 * stop, 0.5 * np.arange(21.0)])
    chosen = np.zeros(values.shape, dtype=bool)
    chosen[:, [0, -1]] = True
    found = bezier.Stretches(values, chosen, np.full(values.shape, shape))
    found.fit_evenly(np.ones(values.shape))
    assert np.abs(found.curve() - values).max() < 1e-4
    frames, _, left, right = found.spline().of(0)
    assert right[0] == pytest.approx([20 * bezier.SHAPES[shape][0], 0.6], abs=1e-3)
    assert left[1] == pytest.approx([-20 * bezier.SHAPES[shape][1], -0.5], abs=1e-3)


def test_limbs_share_out_all_angles():
    assert sorted(index for dofs in limbs.LIMBS.values() for index in dofs) == list(range(46))
    assert limbs.label(3) == "Hip Flexion" and limbs.label(33) == "Pronation" and limbs.label(9) == "Toes"
    assert limbs.channels({"ROOT", "HEAD"}).sum() == 6
