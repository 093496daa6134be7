# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lifting network is trained: its data, and that a run can be stopped and repeated."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
import torch

from bin.benchmarks.mocap import SMALL_SET
from bin.benchmarks.noise import Noise, by_landmark
from bin.lifting import labels as labelling
from bin.lifting import motions as motion_windows
from bin.lifting import train
from bin.lifting.chain import Chain
from bin.lifting.errors import landmarked
from bin.lifting.generator import Batch, Batches
from bin.lifting.labels import level
from bin.lifting.losses import arm_rotations, losses, total
from bin.lifting.motions import mirror
from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX, LIMITS_ANATOMICAL
from skel_blender.engine.blazepose import PARTNERS
from skel_blender.engine.body import load_body
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.lift.features import features, mirror_table
from skel_blender.engine.regress.lift.network import ANGLES, SHOULDERS, Answer, LiftNetwork, Size
from skel_blender.kinematics import forward


def arguments(out, cache, *more: str) -> list[str]:
    fixed = ["--steps", "3", "--width", "32", "--batch", "4", "--frames", "12", "--longest", "24", "--workers", "0", "--log", "1"]
    return [str(SMALL_SET), "--out", str(out), "--cache", str(cache), "--train-split", "test", "--val-split", "test", *fixed, *more]


def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path, cache, motions):
    whole, stopped = (tmp_path / name / "lift.safetensors" for name in ("whole", "stopped"))
    train.main(arguments(whole, cache))
    train.main(arguments(stopped, cache, "--minutes", "0"))
    assert json.loads(stopped.with_suffix(".json").read_text())["steps"] == 1
    with stopped.with_suffix(".csv").open("a") as curves:
        curves.write("2" + 8 * ",0.5" + "\n")  # of a run that was killed before it was kept
    train.main(arguments(stopped, cache))
    assert whole.read_bytes()[-1000:] == stopped.read_bytes()[-1000:]
    first, second = (load_lift(path).network.state_dict() for path in (whole, stopped))
    assert all(torch.equal(first[name], second[name]) for name in first)
    for path in (whole, stopped):
        assert [row.split(",")[0] for row in path.with_suffix(".csv").read_text().splitlines()] == ["step", "1", "2", "3"]
    with pytest.raises(SystemExit, match="another run"):
        train.main(arguments(whole, cache, "--rate", "0.5"))


def test_curves_of_a_run_that_goes_on_are_means_of_what_it_learned_since(tmp_path, cache, motions):
    out = tmp_path / "lift.safetensors"
    for more in (["--minutes", "0"], []):
        train.main(arguments(out, cache, "--log", "3", "--rate", "0", *more))
    assert out.with_suffix(".csv").read_text().splitlines()[1].startswith("3,")
    each = tmp_path / "each.safetensors"
    train.main(arguments(each, cache, "--rate", "0"))
    every, once = (np.loadtxt(path.with_suffix(".csv"), delimiter=",", skiprows=1, ndmin=2)[:, 2:] for path in (each, out))
    assert np.allclose(once[0], every[1:].mean(0), atol=2e-5)  # of steps 2 and 3, as the first run ended before it had told of its one


def test_a_run_that_begins_from_weights_says_so(tmp_path, cache, motions):
    first, second = (tmp_path / name / "lift.safetensors" for name in ("first", "second"))
    train.main(arguments(first, cache))
    train.main(arguments(second, cache, "--start", str(first), "--rate", "0"))
    before, after = (load_lift(path).network.state_dict() for path in (first, second))
    assert all(torch.equal(before[name], after[name]) for name in before)
    about, begun = (json.loads(path.with_suffix(".json").read_text()) for path in (second, first))
    assert about["start"]["sha256"] == begun["sha256"] and about["start"]["command"] == begun["command"]
    assert "--start lift.safetensors" in about["command"] and "start" not in begun
    assert about["code_sha256"] == begun["code_sha256"] != begun["data_sha256"]


def test_a_batch_is_a_function_of_seed_and_number(motions):
    one, same, other = Batches(motions, 1, 4, 12, 9)[5], Batches(motions, 1, 4, 12, 9)[5], Batches(motions, 2, 4, 12, 9)[5]
    assert torch.equal(one.values, same.values) and not torch.equal(one.values, other.values)


def test_the_right_answer_costs_nothing(motions):
    """Features' frames, labels and the differentiable chain agree with each other."""
    batch = Batches(motions, 0, 6, 12, 1)[0]
    wanted = torch.stack([batch.pelvis, *(arm_rotations(batch.poses[..., SHOULDERS[side]]) for side in "rl")], 2)
    lengths = batch.lengths[:, None].expand(-1, 12, -1)
    answer = Answer((wanted, batch.poses[..., ANGLES], batch.place, lengths, torch.zeros(6, 12, 40)))
    terms = losses(answer, batch, Chain(load_body("open", "male").rest_frames))
    assert float(terms["joints"]) < 1e-4  # the sexes' joint frames differ by a fifth of a degree
    assert all(float(terms[name]) < 1e-5 for name in ("angles", "pelvis", "shoulders", "place", "lengths"))


def test_variations_stay_inside_the_limits(motions):
    windows = motions.varied(64, 12, torch.Generator().manual_seed(0))
    low, up = np.array(LIMITS_ANATOMICAL, dtype=np.float32).T
    assert (windows.poses.numpy() >= low).all() and (windows.poses.numpy() <= up).all()
    assert len(set(windows.fps.tolist())) > 2


def test_legs_that_are_straightened_keep_their_feet_below_the_hips(motions, monkeypatch):
    monkeypatch.setattr(motion_windows, "_STRAIGHTENED", 1.0)
    plain = motions.plain(40, 12, torch.Generator().manual_seed(0)).poses
    straight = motion_windows._straightened(plain, torch.Generator().manual_seed(1))
    knee, hip = DOF_INDEX["knee_angle_r"], DOF_INDEX["hip_flexion_r"]
    less = plain[..., knee] - straight[..., knee]
    assert float(less.max()) > np.radians(15) and float(less.min()) >= 0 and float(straight[..., knee].min()) >= 0
    constant = plain[..., knee].amin(1) > np.radians(motion_windows._STRAIGHTER)  # where no leg gets straight
    assert torch.allclose(less[constant], less[constant, :1].expand_as(less[constant]), atol=1e-6) and constant.any()
    assert torch.equal(straight[..., 20:], plain[..., 20:]) and torch.equal(straight[..., :3], plain[..., :3])
    rest = load_body("open", "male").rest_body(np.zeros(10))
    legs = [forward(poses.double().numpy(), rest.joints, rest.frames)[..., [1, 3], :3, 3] for poses in (plain, straight)]
    ways = [leg[..., 1, :] - leg[..., 0, :] for leg in legs]
    cosine = (ways[0] * ways[1]).sum(-1) / np.linalg.norm(ways[0], axis=-1) / np.linalg.norm(ways[1], axis=-1)
    assert np.median(np.degrees(np.arccos(cosine.clip(-1, 1)))) < 1.5 and float((plain - straight)[..., hip].max()) > np.radians(7)


def test_a_bend_that_all_clips_of_a_subject_have_is_taken_out_of_the_loins():
    """Trunk and thighs stay as they are turned; a subject who bends now and then is left alone."""
    rng = np.random.default_rng(0)
    poses = rng.normal(0, 0.05, (60, 46)).astype(np.float32)
    between = ("lumbar_bending", "lumbar_twist", "hip_adduction_r", "hip_adduction_l", "hip_rotation_r", "hip_rotation_l")
    poses[:, [DOF_INDEX[name] for name in between]] = 0.0
    bent = poses.copy()
    bent[:, DOF_INDEX["lumbar_extension"]] -= np.radians(22)
    (levelled,) = level([bent])
    median = np.degrees(np.median(levelled[:, DOF_INDEX["lumbar_extension"]]))
    assert abs(median - labelling._LUMBAR) < 0.01
    rest = load_body("open", "male").rest_body(np.zeros(10))
    turned = [forward(one.astype(float), rest.joints, rest.frames)[..., :3, :3] for one in (bent, levelled)]
    for joint in ("thorax", "femur_r", "femur_l", "talus_r", "hand_l"):
        assert np.allclose(*(rotations[:, JOINT_INDEX[joint]] for rotations in turned), atol=1e-5)
    assert np.array_equal(level([poses])[0], poses)
    assert np.array_equal(level([bent[:20]])[0], bent[:20])  # too few frames to tell


def test_mirroring_twice_is_nothing():
    poses = torch.randn(5, 46)
    assert torch.equal(mirror(mirror(poses)), poses)
    index, sign = mirror_table()
    values = torch.randn(7, len(index))
    assert torch.equal((values[:, index] * sign)[:, index] * sign, values)


def test_features_of_a_mirrored_person_are_the_mirrored_features():
    random, double = torch.Generator().manual_seed(1), {"dtype": torch.float64}
    landmarks = 0.4 * torch.randn(1, 5, 33, 3, generator=random, **double)
    keypoints = torch.cat([0.1 * landmarks[..., :2] + 0.02, torch.rand(1, 5, 33, 1, generator=random, **double)], -1)
    rest = (torch.ones(1, 5, **double), torch.eye(3, **double), torch.tensor([25.0], **double))
    own = features(keypoints, landmarks, *rest).values
    flip = torch.tensor([-1.0, 1, 1])
    other = features(keypoints[:, :, PARTNERS] * flip, landmarks[:, :, PARTNERS] * flip, *rest).values
    index, sign = mirror_table()
    assert torch.allclose(own[..., index] * sign, other, atol=1e-9)


def test_errors_are_as_large_as_they_were_measured():
    """The median window's, which neither occlusions nor swaps touch."""
    markers = torch.randn(33, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    markers = (markers - markers[[23, 24]].mean(0) + torch.tensor([0.0, 0, 5])).expand(400, 20, 33, 3)
    seen = landmarked(markers, torch.full((400, 2), 9.0), torch.full((400,), 30.0), torch.Generator().manual_seed(1))
    off = (seen.keypoints[..., :2] - markers[..., :2] / markers[..., 2:]).mul(5.0).square().mean((1, 3)).sqrt().median(0).values
    noise = Noise()
    expected = np.hypot(by_landmark(noise.image_bias), by_landmark(noise.image_wave))
    assert np.allclose(off, expected, rtol=0.35)
    assert 0.9 < float(seen.observed.mean()) < 1.0


def test_a_step_stays_on_its_device(motions):
    """Nothing is left behind on the CPU when a network learns elsewhere; 'meta' computes shapes and devices only."""
    batch = Batches(motions, 0, 4, 12, 9)[0]
    batch = Batch(*(getattr(batch, field.name).to("meta") for field in fields(Batch)))
    network = LiftNetwork(Size(32, 64)).to("meta")
    cost = total(losses(network(batch.values), batch, Chain(load_body("open", "male").rest_frames, "meta")))
    cost.backward()
    assert cost.device.type == "meta" and network.symmetric(batch.values).angles.device.type == "meta"
