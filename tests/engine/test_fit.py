# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify on motion whose answer is known: imaged, made noisy, found again."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bin.benchmarks.posing import posed  # noqa: E402
from bin.benchmarks.postures import pose_of  # noqa: E402
from skel_blender.engine.blazepose import LEGS, LIMBS  # noqa: E402
from skel_blender.engine.body.chain import pose_chain, pose_points  # noqa: E402
from skel_blender.engine.camera import R_CAM_LEVEL  # noqa: E402
from skel_blender.engine.fit import Config, View, Weights, problem  # noqa: E402
from skel_blender.engine.fit.evidence import gather  # noqa: E402
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE  # noqa: E402
from skel_blender.engine.fit.normal import S  # noqa: E402
from skel_blender.engine.fit.people import fit_people  # noqa: E402
from skel_blender.engine.fit.skelify import PRIOR_TERMS, SIGHT_TERMS  # noqa: E402
from skel_blender.engine.fit.start import first_state  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402
from tests.engine import squatting  # noqa: E402
from tests.engine.squatting import FPS, FRAMES, HIDDEN  # noqa: E402

KNUCKLES = [17, 18, 19, 20]
ONE = torch.zeros(FRAMES, dtype=torch.long)


@pytest.fixture(scope="module")
def squat():
    """Two squats before a still camera."""
    return squatting.imaged()


@pytest.fixture(scope="module")
def found(squat):
    body, K, track = squat.body, squat.K, squat.track
    fits, view = fit_people([track], body, K, FPS)
    return fits[0], view


def _posed(body, fit):
    state, shape = torch.as_tensor(fit.state), body.shape(torch.as_tensor(fit.betas)[None])
    return shape, pose_chain(shape, ONE, state[:, 3:], state[:, :3])


def test_joints_are_found(squat, found):
    body, true = squat.body, squat.joints
    fit, view = found
    joints = (_posed(body, fit)[1].positions @ view.R.T + view.t).numpy()
    error = np.linalg.norm(joints - true, axis=-1)
    relative = np.linalg.norm((joints - joints[:, :1]) - (true - true[:, :1]), axis=-1)
    # 20 mm noise on metric landmarks, 2 px on the image: the fit must do better than the noise, and bridge the hidden frames
    assert np.median(relative) < 0.03 and relative[HIDDEN].mean() < 0.06
    assert np.median(error) < 0.15  # along the view, where a size of 3 % is 13 cm
    assert np.nanmedian(fit.reprojection_error) < 4


def test_no_angle_leaves_its_limits(squat, found):
    low, up = squat.body.limits.T.numpy()
    poses = found[0].state[:, 3:]
    assert np.all(poses >= low) and np.all(poses <= up)


def test_feet_rest_on_the_floor_and_stay(squat, found):
    body, fit = squat.body, found[0]
    shape, chains = _posed(body, fit)
    soles = pose_points(shape, ONE, chains, body.soles)[0].numpy()
    assert fit.contacts.mean() > 0.5
    assert np.abs(soles[..., 1][fit.contacts]).max() < 0.02
    both = fit.contacts[1:] & fit.contacts[:-1]
    assert np.linalg.norm(np.diff(soles, axis=0), axis=-1)[both].max() < 0.01


def test_world_is_upright(squat, found):
    up = found[1].R.numpy() @ [0, 1, 0]
    true = squat.R @ [0, 1, 0]
    assert np.degrees(np.arccos(np.clip(up @ true, -1, 1))) < 6


def test_a_curled_up_body_is_kept_and_a_tangle_of_two_is_left_out(squat):
    """Limbs 45 mm off, as BlazePose's are in a crouch, and every other limb from somebody who stands half a metre beside."""
    body, K = squat.body, squat.K
    crouch = np.tile(pose_of("crouch, curled up"), (6, 1))
    rng = np.random.default_rng(0)
    markers = posed(body, crouch, np.zeros(10), np.zeros((6, 3)))[0] @ R_CAM_LEVEL.T + [0.0, 0.0, 4.0]
    off = np.tile(rng.normal(size=(33, 2)), (6, 1, 1))
    off *= 0.045 / np.linalg.norm(off, axis=-1, keepdims=True)
    tangled = np.where(np.arange(33)[:, None] % 2, 0.0, [0.5, 0.0])
    for error, kept in ((off, True), (tangled, False)):
        flat = np.concatenate([markers[..., :2] + error, markers[..., 2:]], -1) @ K.T
        keypoints = np.concatenate([flat[..., :2] / flat[..., 2:], np.full((6, 33, 1), 0.9)], -1)
        local = markers - markers[:, [23, 24]].mean(1, keepdims=True)
        fits, _ = fit_people([Track(np.arange(6), keypoints, local, np.ones(6, bool))], body, K, FPS)
        assert (fits[0] is not None) == kept


def test_who_stands_on_his_hands_keeps_his_legs_in_the_air(squat):
    """He rests on no sole, so the floor is not where his feet are, but under his hands."""
    body, K = squat.body, squat.K
    poses = np.tile(pose_of("handstand"), (12, 1))
    markers = posed(body, poses, np.zeros(10), np.zeros((12, 3)))[0] @ R_CAM_LEVEL.T + [0.0, 0.0, 4.0]
    flat = (BLAZEPOSE @ markers) @ K.T
    keypoints = np.concatenate([flat[..., :2] / flat[..., 2:], np.full((12, 33, 1), 0.9)], -1)
    track = Track(np.arange(12), keypoints, markers - markers[:, [23, 24]].mean(1, keepdims=True), np.ones(12, bool))
    fits, view = fit_people([track], body, K, FPS)
    found = posed(body, fits[0].state[:, 3:], fits[0].betas, fits[0].state[:, :3])[0]
    off = found @ view.R.numpy().T + view.t.numpy() - markers
    off = np.linalg.norm((off - off[:, [23, 24]].mean(1, keepdims=True))[:, LIMBS], axis=-1)
    assert np.median(off) < 0.04 and off.max() < 0.15
    assert np.abs(found[:, KNUCKLES, 1].min(1)).max() < 0.02 and (found[:, LEGS, 1] > 0.5).all()


@pytest.fixture(scope="module")
def first(squat):
    """Observations of the squat in a level camera, with contacts, targets and pins, and a first state."""
    body, K, track = squat.body, squat.K, squat.track
    view = View(torch.as_tensor(K), torch.as_tensor(R_CAM_LEVEL), torch.zeros(3, dtype=torch.float64))
    seen = gather(track, body, view, FPS)
    rng = np.random.default_rng(4)
    places = torch.as_tensor(rng.normal(size=(FRAMES, 33, 3)))
    pins = torch.where(torch.as_tensor(rng.uniform(size=(FRAMES, 33, 1))) < 0.1, places, torch.nan)
    turns = axis_rotation(np.array([0.6, 0.0, 0.8]), rng.uniform(-3, 3, FRAMES))
    touching = torch.as_tensor(rng.uniform(-1, 1, (FRAMES, 6)).clip(0))
    seen = replace(seen, contacts=touching, airborne=torch.arange(FRAMES) % 20 < 9, targets=places, target_points=body.markers,
                   pins=pins, pin_points=body.markers, prior_turns=torch.as_tensor(turns),
                   prior_turns_sigma=torch.as_tensor(rng.uniform(0.1, 1.0, FRAMES)))  # fmt: skip
    return body, seen, first_state(body, seen)


EVERYTHING = Weights(limit=0.7, adaptive=1.5, target_m=0.2, pin_m=0.1)


def _problem(first, config):
    body, seen, state = first
    return problem.make_problem(body, seen.checked(), config, state, SIGHT_TERMS, PRIOR_TERMS)


def test_frames_taken_in_chunks_give_the_same_equations(first, monkeypatch):
    made, shared = _problem(first, Config(EVERYTHING)), torch.full((1, 10), 0.3, dtype=torch.float64)
    whole = made.assemble(first[2], shared)
    monkeypatch.setattr(problem, "CHUNK", 7)
    parts = made.assemble(first[2], shared)
    for name in ("band", "gradient", "cross", "shared", "shared_gradient", "cost"):
        assert torch.allclose(getattr(whole, name), getattr(parts, name), rtol=1e-10)


@pytest.mark.parametrize("focal", [False, True])
def test_gradient_is_that_of_the_cost(first, focal):
    """All terms at once, robust ones included, against central differences."""
    made = _problem(first, Config(EVERYTHING, estimate_focal=focal))
    rng = np.random.default_rng(6)
    state = first[2] + torch.as_tensor(rng.normal(0, 0.3, (FRAMES, S)))
    shared = torch.as_tensor(rng.normal(size=(1, 10 + focal))) * torch.tensor([1.0] * 10 + [0.1] * focal)
    system = made.assemble(state, shared)
    step = 1e-6
    for _ in range(8):
        move, shape = torch.as_tensor(rng.normal(size=(FRAMES, S))), torch.as_tensor(rng.normal(size=shared.shape))
        ahead = made.assemble(state + step * move, shared + step * shape).cost.sum()
        behind = made.assemble(state - step * move, shared - step * shape).cost.sum()
        wanted = 2 * ((system.gradient * move).sum() + (system.shared_gradient * shape).sum())
        assert float((ahead - behind) / (2 * step)) == pytest.approx(float(wanted), rel=1e-5)
