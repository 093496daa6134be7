# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR's network, representation, crops and cameras give the original's numbers (tests/data/hsmr_oracle.npz)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.body.chain import pose_chain, pose_points  # noqa: E402
from skel_blender.engine.regress import load_hsmr  # noqa: E402
from skel_blender.engine.regress.hsmr import cameras, rotations  # noqa: E402
from skel_blender.engine.regress.hsmr.network import multiplies_bfloat16  # noqa: E402
from skel_blender.engine.regress.hsmr.patches import SEEN, cut, normalised, squares  # noqa: E402
from skel_blender.engine.regress.hsmr.rotations import poses_to_rep, rep_to_poses  # noqa: E402
from tests import synthetic  # noqa: E402
from tests.engine import hsmr_file  # noqa: E402
from tests.engine.oracle import read_oracle  # noqa: E402


@pytest.fixture(scope="module")
def network(checkpoint):
    return load_hsmr(checkpoint, "cpu")


@pytest.fixture(scope="module")
def given():
    return normalised(torch.from_numpy(hsmr_file.patches()))


def _apart(one, other):
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).max())


def test_the_network_gives_the_originals_numbers(network, given):
    wanted, found = hsmr_file.numbers("network"), network(given)
    assert network.dtype == torch.float32
    assert _apart(found.rep, wanted["rep"]) < 1e-5
    for name in ("poses", "betas", "cam"):
        assert _apart(found[name], wanted[name]) < 2e-5
        assert _apart(found[name], wanted["f64_" + name]) < 2e-5
    assert wanted["poses"].std(0).max() > 0.01  # the two patches differ in what comes out


def test_the_backbone_gives_the_originals_features(network, given):
    assert _apart(network.backbone(given)[:, ::24], hsmr_file.numbers("network")["feats"]) < 2e-5


def test_a_whole_patch_is_read_in_its_middle_columns(network, given):
    whole = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    whole[..., SEEN] = given
    assert torch.equal(network(whole).rep, network(given).rep)
    with pytest.raises(ValueError, match="256, 256"):
        network(whole[..., :200])


def test_bytes_and_normalised_patches_are_one(network, given):
    pixels = torch.from_numpy(hsmr_file.patches())
    assert torch.allclose(network.of_pixels(pixels).rep, network(given).rep, atol=1e-6)


def test_bfloat16_stays_near(tmp_path, network, given):
    rough = load_hsmr(hsmr_file.write(tmp_path / "small.ckpt"), dtype=torch.bfloat16)
    assert 1e-5 < _apart(rough(given).rep, network(given).rep) < 0.02


@pytest.mark.parametrize(("able", "wanted"), [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False),
                                               ({"bf16": True}, False)])  # fmt: skip
def test_a_processor_is_asked_for_units_of_bfloat16(monkeypatch, able, wanted):
    """Not timed, so that one machine always chooses alike; those of ARM are not relied on."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert multiplies_bfloat16(torch.device("cpu")) is wanted


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 2e-5)])
def test_representation_to_angles_and_back(dtype, tolerance):
    """In float64 the original's own rounding shows."""
    stored = {key: torch.from_numpy(value).to(dtype) for key, value in hsmr_file.numbers("rep").items()}
    pairs = [(rep_to_poses, "rep_in", "rep_to_q"), (poses_to_rep, "q_in", "q_to_rep"), (rep_to_poses, "q_to_rep", "q_to_rep_to_q"),
             (poses_to_rep, "mean_q", "mean_rep"), (rep_to_poses, "mean_rep", "mean_back")]  # fmt: skip
    for function, given, wanted in pairs:
        assert _apart(function(stored[given]), stored[wanted]) < tolerance
    assert torch.equal(rep_to_poses(stored["rep_in"].flatten(1)), rep_to_poses(stored["rep_in"]))


def test_who_differentiates_may_come_after_who_infers():
    """Constants that are made once serve both."""
    rotations._tables.cache_clear()
    rep = poses_to_rep(torch.linspace(-0.5, 0.5, 46)[None])
    with torch.inference_mode():
        rep_to_poses(rep)
    rep.requires_grad_()
    rep_to_poses(rep).sum().backward()
    assert bool(torch.isfinite(rep.grad).all()) and float(rep.grad.abs().max()) > 0


def test_a_right_angle_in_the_middle_gives_numbers():
    poses = torch.zeros(1, 46)
    poses[0, [1, 4, 18, 30, 37]] = torch.pi / 2
    rep = poses_to_rep(poses) * (1 + 1e-6)
    assert bool(torch.isfinite(rep_to_poses(rep)).all())
    assert torch.allclose(poses_to_rep(rep_to_poses(rep)), poses_to_rep(poses), atol=1e-5)


def test_rounding_beyond_one_gives_numbers():
    """A shoulder at a right angle, where the third row of its rotation is a cross product that float32 makes longer than one."""
    turn = 6 * torch.rand(4096, 1, generator=torch.Generator().manual_seed(0))
    none, c, s = torch.zeros_like(turn), torch.cos(turn), torch.sin(turn)
    rep = torch.cat([none, c, s, none, -s, c], 1)[:, None].repeat(1, 24, 1)
    assert float(torch.linalg.cross(rep[..., :3], rep[..., 3:]).max()) > 1
    assert bool(torch.isfinite(rep_to_poses(rep)).all())


def test_mirrored_poses_are_the_originals():
    stored = hsmr_file.numbers("rep")
    assert _apart(synthetic.mirrored(stored["q_in"]), stored["flip_lr"]) < 1e-7


def test_crops_are_the_originals_to_the_bit():
    stored = hsmr_file.numbers("crop")
    assert _apart(squares(stored["boxes"]), stored["cs"]) < 1e-4
    for square, wanted in zip(squares(stored["boxes"]), stored["patches"]):
        assert np.array_equal(cut(stored["image"], square)[::8, ::8, 0], wanted)


def test_a_crop_outside_the_image_is_black():
    assert not cut(np.full((50, 60, 3), 255, np.uint8), np.array([-300.0, 20.0, 100.0])).any()


def test_cameras_are_the_originals():
    network, crop = hsmr_file.numbers("network"), hsmr_file.numbers("crop")
    assert cameras.patch_camera(network["cam"]) == pytest.approx(network["cam_t"], rel=1e-6)
    full = cameras.full_camera(crop["patch_cam_t"], crop["cs"], crop["image"].shape[1::-1])
    assert full == pytest.approx(crop["full_cam_t"], rel=1e-6)


def test_a_person_is_placed_and_turned_through_any_lens():
    """One with another focal length down than across, its middle beside the picture's: 24 points are seen where they were."""
    K = np.array([[[900.0, 0, 500], [0, 1100.0, 380], [0, 0, 1]]] * 3)
    points, where = np.random.default_rng(0).normal(0, 0.4, (3, 24, 3)), np.array([[0.3, -0.2, 3.0], [-1.0, 0.5, 6.0], [2.0, 0.1, 9.0]])
    seen = (points + where[:, None]) @ K.mT
    assert np.allclose(cameras.placed(points, seen[..., :2] / seen[..., 2:], K), where)
    assert (cameras.placed(points, seen[..., :2] / -seen[..., 2:], K)[:, 2] > 0).all()
    middle = where @ K[0].T
    windows = np.column_stack([middle[:, :2] / middle[:, 2:], [100.0] * 3])
    assert np.allclose(cameras.toward(windows, K)[..., 2], where / np.linalg.norm(where, axis=1, keepdims=True))


def test_the_44_keypoints_are_the_originals():
    """On the stored model's keypoints, of the poses and betas that the original network gave."""
    oracle, stored = read_oracle(), hsmr_file.numbers("network")
    poses, betas = (torch.from_numpy(stored[name]).double() for name in ("poses", "betas"))
    shape, owner = oracle.body.shape(betas), torch.arange(len(poses))
    posed = pose_chain(shape, owner, poses, torch.zeros(len(poses), 3, dtype=torch.float64))
    found = pose_points(shape, owner, posed, oracle.points)[0]
    assert _apart(found, stored["kp3d_44"]) < 1e-5
