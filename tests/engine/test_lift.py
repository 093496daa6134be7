# SPDX-License-Identifier: GPL-3.0-or-later
"""The lifting network with the weights that are shipped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from bin.benchmarks import ablation
from bin.benchmarks.ablation import Scene, scene
from bin.benchmarks.mocap import SMALL_SET, read_clips, to_body
from bin.benchmarks.noise import Mishaps, synthesize
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from bin.lifting.losses import arm_rotations
from bin.lifting.motions import mirror
from skel_blender.anatomy import DOF_INDEX, DOFS, JOINT_INDEX
from skel_blender.engine.blazepose import LIMBS, PARTNERS
from skel_blender.engine.body import articulate, load_body
from skel_blender.engine.camera import R_CAM_LEVEL
from skel_blender.engine.fit.evidence import gather
from skel_blender.engine.fit.observations import View
from skel_blender.engine.fit.start import first_state
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.lift import WEIGHTS
from skel_blender.engine.regress.lift import lift as lifting
from skel_blender.engine.regress.lift.features import features
from skel_blender.engine.regress.lift.network import LENGTHS
from skel_blender.engine.regress.lift.weights import read, write
from skel_blender.messages import SkelError

FRAMES = 60
CLIPS = (0, 4, 8)  # of the small set
BETTER = 0.4  # the network's error is at most this part of the start's without it
HIPS = (LIMBS.index(23), LIMBS.index(24))


@pytest.fixture(scope="module")
def lift():
    return load_lift()


@pytest.fixture(scope="module")
def cases(body) -> list[Scene]:
    """Motion of people whom the network has not learned from."""
    clips = read_clips(SMALL_SET)
    return [scene(to_body(clips[k].part(0, FRAMES), body), body, np.random.default_rng([3, k])) for k in CLIPS]


@pytest.fixture(scope="module")
def quiet(body) -> Scene:
    """A walk with noise, but nothing else goes wrong."""
    none = partial(synthesize, mishaps=Mishaps(dropouts=0.0, occlusions=0.0, swaps=0.0))
    with patch.object(ablation, "synthesize", none):
        return scene(to_body(read_clips(SMALL_SET)[0].part(0, FRAMES), body), body, np.random.default_rng(5))


def wrapped(angles: np.ndarray) -> np.ndarray:
    return np.angle(np.exp(1j * angles))


def error(case: Scene, body, poses: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> float:
    """MPJPE of the limbs, mm."""
    limbs = posed(body, poses, betas, trans)[0][:, LIMBS] @ R_CAM_LEVEL.T
    return metrics.mpjpe(limbs, case.limbs, HIPS)


def test_the_shipped_weights_are_what_their_description_says():
    about = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == about["sha256"]
    assert about["steps"] == about["of"] and f"--steps {about['steps']}" in about["command"]
    assert WEIGHTS.stat().st_size < 20e6 and "NSF EIA-0196217" in read(WEIGHTS)[1]["licence"]
    assert sum(tensor.numel() for tensor in read(WEIGHTS)[0].values()) < 5e6


def test_a_guess_beats_the_start_without_a_network(lift, body, cases):
    found, without = [], []
    for case in cases:
        guess = lift(case.track, body, case.K, case.fps)
        found.append(error(case, body, guess.poses, guess.betas, guess.trans))
        like = body.J_template
        view = View(torch.as_tensor(case.K).to(like), torch.as_tensor(R_CAM_LEVEL).to(like), like.new_zeros(3))
        start = first_state(body, gather(case.track, body, view, case.fps)).numpy()
        without.append(error(case, body, start[:, 3:], np.zeros(10), start[:, :3]))
    assert np.mean(found) < BETTER * np.mean(without), (found, without)


def test_the_person_is_put_where_the_camera_sees_the_hips(lift, body, cases):
    for case in cases:
        guess = lift(case.track, body, case.K, case.fps)
        hips = posed(body, guess.poses, guess.betas, guess.trans)[0][:, [23, 24]].mean(1) @ R_CAM_LEVEL.T @ case.K.T
        off = hips[:, :2] / hips[:, 2:] - case.track.keypoints_2d[:, [23, 24], :2].mean(1)
        px_per_m = case.K[0, 0] / case.pelvis[:, 2]
        assert np.median(np.linalg.norm(off, axis=1) / px_per_m) < 0.05
        assert np.median(np.abs(hips[:, 2] / case.pelvis[:, 2] - 1)) < 0.15, "before it, and as far away"


def test_the_same_track_gets_the_same_guess(lift, body, cases):
    first, second = (lift(cases[0].track, body, cases[0].K, cases[0].fps) for _ in range(2))
    for name in ("poses", "betas", "trans", "sigma"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_every_angle_is_inside_its_limits_and_goes_on_without_leaps(lift, body, cases):
    limits = body.limits.numpy()
    for case in cases:
        guess = lift(case.track, body, case.K, case.fps)
        assert (guess.poses >= limits[:, 0]).all() and (guess.poses <= limits[:, 1]).all()
        assert np.abs(np.diff(guess.poses[:, :3], axis=0)).max() < np.pi
        assert (guess.sigma > 0).all()


def test_a_mirrored_track_gets_the_mirrored_guess(lift, body, cases):
    case = cases[1]
    keypoints, landmarks = case.track.keypoints_2d[:, PARTNERS].copy(), case.track.landmarks_3d[:, PARTNERS] * [-1.0, 1.0, 1.0]
    keypoints[..., 0] = 2 * case.K[0, 2] - keypoints[..., 0]
    own = lift(case.track, body, case.K, case.fps)
    other = lift(replace(case.track, keypoints_2d=keypoints, landmarks_3d=landmarks), body, case.K, case.fps)
    assert np.abs(wrapped(mirror(torch.as_tensor(own.poses)).numpy() - other.poses)).max() < 0.02
    assert np.abs(own.trans * [-1.0, 1.0, 1.0] - other.trans).max() < 1e-4
    assert np.abs(own.betas - other.betas).max() < 1e-3
    assert np.abs(own.sigma[:, [dof.mirror for dof in DOFS]] - other.sigma).max() < 1e-3


def test_frames_beyond_the_reach_change_nothing(lift, cases):
    case, reach = cases[0], lift.network.size.reach
    long = [np.concatenate([part, part[::-1], part]) for part in lifting.whole(case.track)]
    other = [part.copy() for part in long]
    middle = len(long[0]) // 2
    other[1][middle + reach + 1 :] *= 1.3
    other[0][: middle - reach, :, :2] += 40.0
    answers = []
    for track in (long, other):
        given = features(*(torch.as_tensor(part).float() for part in (*track, case.K)), torch.tensor(30.0))
        with torch.inference_mode():
            answers.append(lift.network.symmetric(given.values[None]))
    for a, b in zip(*answers):
        assert torch.equal(a[:, middle], b[:, middle])
        assert not torch.equal(a[:, -1], b[:, -1])


def test_a_long_track_in_parts_is_the_same_track(lift, body, cases, monkeypatch):
    case = cases[2]
    whole = lift(case.track, body, case.K, case.fps)
    monkeypatch.setattr(lifting, "_PART", 17)
    parts = lift(case.track, body, case.K, case.fps)
    assert np.abs(whole.poses - parts.poses).max() < 1e-4 and np.abs(whole.trans - parts.trans).max() < 1e-4


def test_the_ends_are_as_steady_as_the_middle(lift, body, quiet):
    """The first and last frames' steps are no larger than the largest between."""
    poses = lift(quiet.track, body, quiet.K, quiet.fps).poses
    steps = np.abs(np.diff(np.unwrap(poses, axis=0), axis=0)).mean(1)
    assert max(steps[:2].max(), steps[-2:].max()) < 1.2 * steps[2:-2].max()


def test_frames_that_nobody_saw_are_bridged_and_known_to_be(lift, body, quiet):
    case = quiet
    gone = slice(20, 34)
    keypoints, landmarks, observed = (np.array(part, copy=True) for part in (
        case.track.keypoints_2d, case.track.landmarks_3d, case.track.observed))  # fmt: skip
    keypoints[gone], landmarks[gone, 3] = np.nan, np.inf
    guess = lift(Track(case.track.frames, keypoints, landmarks, observed), body, case.K, case.fps)
    assert all(np.isfinite(part).all() for part in (guess.poses, guess.betas, guess.trans, guess.sigma))
    seen = lift(case.track, body, case.K, case.fps)
    limbs = [DOF_INDEX[f"{name}_{side}"] for name in ("hip_flexion", "knee_angle", "elbow_flexion") for side in "rl"]
    assert guess.sigma[26:28][:, limbs].mean() > 1.15 * seen.sigma[26:28][:, limbs].mean()


def test_where_nothing_was_seen_for_long_nothing_is_known(lift, body, cases):
    case, reach = cases[0], lift.network.size.reach
    count = 2 * reach + 20
    for seen, known in ((0, slice(reach + 1)), (count - 1, slice(count - 1 - reach, None))):
        track = Track(np.arange(count), np.repeat(case.track.keypoints_2d[:1], count, 0), np.repeat(case.track.landmarks_3d[:1], count, 0),
                      np.arange(count) == seen)  # fmt: skip
        sigma = lift(track, body, case.K, case.fps).sigma
        assert np.isfinite(sigma[known]).all() and np.isinf(np.delete(sigma, np.arange(count)[known], axis=0)).all()


def test_weights_come_back_in_half_precision_and_other_files_are_refused(tmp_path):
    tensors = {"b": torch.randn(3, 4), "a": torch.zeros(0), "c": torch.tensor(2.5)}
    write(tmp_path / "x.safetensors", tensors, {"what": "a test"})
    found, about = read(tmp_path / "x.safetensors")
    assert about == {"what": "a test"}
    assert all(torch.equal(found[name], tensor.half().float()) for name, tensor in tensors.items())
    for content in (b"", b"\x80\x04pickle", (10**6).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]"):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(SkelError, match="bad is not a safetensors file"):
            load_lift(tmp_path / "bad")
    with pytest.raises(SkelError, match="none could not be read"):
        load_lift(tmp_path / "none")
    with pytest.raises(SkelError, match="does not hold a lifting network"):
        load_lift(tmp_path / "x.safetensors")


def test_a_guess_leaves_the_body_to_those_who_differentiate(lift, quiet):
    articulate.tables.cache_clear()
    own, poses = load_body("open", "female"), torch.zeros(2, 46, dtype=torch.float64, requires_grad=True)
    lift(quiet.track, own, quiet.K, quiet.fps)
    own.joints(poses, torch.zeros(10, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)).square().sum().backward()
    assert float(poses.grad.abs().max()) > 0


def test_a_photograph_is_a_track_of_one_frame(lift, body, quiet):
    track = Track(*(part[:1] for part in (quiet.track.frames, quiet.track.keypoints_2d, quiet.track.landmarks_3d, quiet.track.observed)))
    guess = lift(track, body, quiet.K, quiet.fps)
    assert guess.poses.shape == (1, 46) and np.isfinite(guess.trans).all()
    assert error(replace(quiet, limbs=quiet.limbs[:1]), body, guess.poses, guess.betas, guess.trans) < 150


def test_a_shape_has_the_lengths_that_were_told(body):
    first, second = ([JOINT_INDEX[pair[end]] for pair in LENGTHS] for end in (0, 1))

    def lengths(betas: np.ndarray) -> np.ndarray:
        joints = body.shape(torch.as_tensor(betas)[None]).joints[0].numpy()
        return np.log(np.linalg.norm(joints[first] - joints[second], axis=1))

    usual, betas = lengths(np.zeros(10)), np.array([1.5, -1.0, 0.8, 0, 0, 0, 0, 0, 0, 0])
    told = lengths(betas) - usual
    found = lifting.shape_of(told, body)
    assert np.abs(told).max() > 0.05 and np.abs(lengths(found) - usual - told).max() < 0.3 * np.abs(told).max()
    assert np.linalg.norm(found) <= np.linalg.norm(betas), "no more unusual than need be"
    assert np.abs(lifting.shape_of(np.zeros(9), body)).max() < 1e-9


def test_another_kind_of_body_has_its_own_arm_frames_and_the_same_arms(body):
    """Rotations in the open body's shoulder frame are told in the frame of a SKEL file's body."""
    joint = JOINT_INDEX["humerus_r"]
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    frames = body.rest_frames.clone()
    frames[joint] = frames[joint] @ turn
    rotation = arm_rotations(torch.tensor([[0.3, -0.5, 0.9]], dtype=torch.float64)).numpy()
    other = lifting._own_frame(rotation, joint, replace(body, rest_frames=frames, source=Path("skel_male.pkl")))
    told = [frame @ part @ frame.T for frame, part in ((body.rest_frames[joint].numpy(), rotation[0]), (frames[joint].numpy(), other[0]))]
    assert np.allclose(*told, atol=1e-9) and not np.allclose(rotation, other)
