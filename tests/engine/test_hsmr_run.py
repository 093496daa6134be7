# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR over a clip: who is in which patch, and from the patches' cameras to the footage's."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.camera import R_CAM_LEVEL  # noqa: E402
from skel_blender.engine.footage.source import Source  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.engine.regress import load_hsmr  # noqa: E402
from skel_blender.engine.regress.hsmr import HsmrRegressor, Prediction, cameras, regressor  # noqa: E402
from skel_blender.engine.regress.hsmr.batches import Batches  # noqa: E402
from skel_blender.engine.regress.hsmr.patches import person_boxes, squares  # noqa: E402
from skel_blender.kinematics import axis_rotation, joint_rotations  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests import skel_file  # noqa: E402
from tests.engine import hsmr_file  # noqa: E402
from tests.engine.hsmr_file import Small  # noqa: E402

SIZE = (640, 480)


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    return load_body(skel_file.write(tmp_path_factory.mktemp("skel") / "skel_male.pkl", "male"))


def _in_front(body, K, away):
    """Poses, betas and places (F,3), camera axes, of a few people at `away` m, off the axis, and the squares around them."""
    random = np.random.default_rng(3)
    poses = random.normal(0, 0.3, (5, 46))
    poses[:, 0] += np.pi
    across = np.array([[-0.35, 0.1], [0.3, -0.1], [0.0, 0.0], [0.25, 0.15], [-0.2, -0.2]])
    where = np.concatenate([across * np.array(SIZE) / K[0, 0], np.ones((5, 1))], 1) * away
    betas = random.normal(0, 1, 10)
    joints = _joints(body, poses, betas) + where[:, None]
    px = joints[..., :2] / joints[..., 2:] * K[0, 0] + K[:2, 2]
    margin = 0.1 * np.ptp(px[..., 1], axis=1)[:, None]
    return poses, betas, where, squares(np.concatenate([px.min(1) - margin, px.max(1) + margin], 1))


def _joints(body, poses, betas):
    poses, betas = torch.as_tensor(poses), torch.as_tensor(betas)
    return body.joints(poses, betas, torch.zeros(len(poses), 3, dtype=torch.float64)).numpy()


@pytest.mark.parametrize(("focal", "away", "tolerance"), [(40000.0, 200.0, 0.01), (900.0, 6.0, 0.05)])
def test_a_person_is_put_where_the_footages_camera_sees_him(body, focal, away, tolerance):
    """What a perfect HSMR says: the pose as seen along the line of sight, the pelvis at its pixel, at its size. The longer the lens, the
    nearer it is to a patch's; with a short one a body's perspective is not that of its patch."""
    K = np.array([[focal, 0, SIZE[0] / 2], [0, focal, SIZE[1] / 2], [0, 0, 1]])
    poses, betas, where, cuts = _in_front(body, K, away)
    line, frame = cameras.toward(cuts, K), body.rest_frames[0].numpy()
    seen = poses.copy()
    seen[:, :3] = regressor.pelvis_angles(frame.T @ line.swapaxes(1, 2) @ frame @ joint_rotations(poses)[:, 0])
    pelvis = _joints(body, poses, betas)[:, 0]
    px = (pelvis + where)[:, :2] / (pelvis + where)[:, 2:] * focal + K[:2, 2]
    far = (pelvis + where)[:, 2] / focal * cuts[:, 2] / 256 * cameras.FOCAL
    shift = (px - cuts[:, :2]) / cuts[:, 2:] * 256 / cameras.FOCAL * far[:, None] - pelvis[:, :2]
    cam = np.concatenate([2 * cameras.FOCAL / (256 * (far - pelvis[:, 2]))[:, None], shift], 1)
    given = Prediction(*map(torch.from_numpy, (seen, np.tile(betas, (5, 1)), cam)), torch.zeros(5, 24, 6))
    found, trans = regressor.in_camera(given, cuts, torch.from_numpy(betas), body, K)
    level = _joints(body, found, betas) + trans[:, None]
    truth = _joints(body, poses, betas) + where[:, None]
    off = level @ R_CAM_LEVEL.T - truth
    assert np.linalg.norm((off - off[:, :1]), axis=-1).max() < 1e-6  # the body's pose and heading, exactly
    assert (np.linalg.norm(off[:, 0], axis=-1) / away).max() < tolerance
    again = (level @ R_CAM_LEVEL.T)[..., :2] / (level @ R_CAM_LEVEL.T)[..., 2:] * focal + K[:2, 2]
    wanted = truth[..., :2] / truth[..., 2:] * focal + K[:2, 2]
    assert np.abs(again - wanted).mean() < 0.015 * cuts[:, 2].mean()


def test_the_line_of_sight_is_where_the_square_is():
    K = np.array([[500.0, 0, 300], [0, 510.0, 250], [0, 0, 1]])
    lines = cameras.toward(np.array([[300.0, 250, 10], [800, 250, 10], [10, 500, 10]]), K)
    assert lines[0] == pytest.approx(np.eye(3)) and lines[1] == pytest.approx(axis_rotation(np.array([0.0, 1, 0]), np.array(np.pi / 4)))
    ray = np.array([(10 - 300) / 500, (500 - 250) / 510, 1])
    assert lines[2][:, 2] == pytest.approx(ray / np.linalg.norm(ray)) and np.linalg.det(lines[2]) == pytest.approx(1)


def test_boxes_hold_the_person_and_stay_in_the_image():
    points = np.zeros((4, 33, 3))
    points[..., 0], points[..., 1] = 300, np.linspace(100, 380, 33)
    points[:, [7, 8], 1], points[:, [11, 12], 1], points[:, [7, 8], 0] = 100, 150, (290, 310)
    points[1, :, 0] += SIZE[0]
    points[2, :, 0] -= SIZE[0]
    points[3, :, 1] = 200 + 0.1 * (points[3, :, 1] - 100)
    margin, crown = 0.015 * (380 - 70), 100 - 0.6 * 50
    top, bottom = crown - margin, 380 + margin
    wanted = [[290 - margin, top, 310 + margin, bottom], [SIZE[0] - 8, top, SIZE[0], bottom], [0, top, 8, bottom],
              [286, 200 - 0.6 * 5 - 4, 314, 228 + 4]]  # fmt: skip
    assert person_boxes(points, SIZE) == pytest.approx(np.array(wanted))


class Clip:
    """Frames 10 to 29 of noise in which two people are squares of one brightness each, which changes with the frame."""

    size, first, last, fps = SIZE, 10, 29, Fraction(25)

    def frames(self, first, last):
        for number in range(first, last + 1):
            image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
            image[50:350, 50:250], image[50:350, 350:550] = number, 100 + number
            yield number, image


def _lenses(K):
    return [np.tile(K, (len(track.frames), 1, 1)) for track in _tracks()]


def _tracks():
    tracks = []
    for left, first, last in ((60, 10, 30), (360, 14, 26)):
        count = last - first
        points = np.zeros((count, 33, 3), np.float32)
        points[..., 0], points[..., 1], points[..., 2] = left + np.linspace(0, 150, 33), np.linspace(100, 300, 33), 1
        observed = np.ones(count, bool)
        observed[5:8] = False
        tracks.append(Track(np.arange(first, last), points, np.zeros((count, 33, 3), np.float32), observed))
    return tracks


def test_every_patch_shows_the_right_person_and_frame(checkpoint, body):
    """The network is replaced by one that reads a patch's brightness, as its first shape coefficient and scale."""
    logs, told = [], []
    run = HsmrRegressor(checkpoint, "cpu", logs.append)

    class Reading(Small):
        def of_pixels(self, pixels):
            self.taken(pixels)
            bright = pixels[:, 128, 96, :1].float()
            poses = torch.zeros(len(pixels), 46)
            poses[:, 0], poses[:, 6:7] = torch.pi, bright / 100
            cam = torch.tensor([[0.9, 0, 0]]).expand(len(pixels), -1)
            return Prediction(poses, bright.expand(-1, 10) / 100, cam, torch.zeros(len(pixels), 24, 6))

    reading = Reading(8)
    run._batches = Batches(reading, 16)
    K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
    guesses = [tell(body) for tell in run(Clip(), _tracks(), _lenses(K), lambda done, total: told.append((done, total)))]
    assert reading.sizes == [8, 8, 8, 2]  # both people's frames in the same batches
    assert [log.level for log in logs] == ["info"] and "8 people" in logs[0].text
    assert told[-1] == (20, 20) and told == sorted(told)
    for guess, track, offset in zip(guesses, _tracks(), (0, 100)):
        assert guess.poses[:, 6] == pytest.approx((track.frames + offset) / 100)  # in between for who was not seen
        assert guess.betas == pytest.approx(np.full(10, np.median(track.frames[track.observed] + offset) / 100), abs=0.011)
        assert np.isinf(guess.sigma[~track.observed]).all() and (guess.sigma[track.observed] < 1).all()
        assert guess.trans.shape == (len(track.frames), 3) and (guess.trans[:, 2] < -1).all()  # in front of the level camera


def test_the_open_body_is_refused(checkpoint):
    with pytest.raises(SkelError) as caught:
        HsmrRegressor(checkpoint)(Clip(), _tracks(), _lenses(np.eye(3)), lambda done, total: None)[0](load_body("male"))
    assert caught.value.code == "needs_skel"


def test_a_clip_runs_with_the_network(checkpoint, body):
    K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
    guesses = [tell(body) for tell in HsmrRegressor(checkpoint)(Clip(), _tracks(), _lenses(K), lambda done, total: None)]
    assert [len(guess.poses) for guess in guesses] == [20, 12]
    assert all(np.isfinite(part).all() for guess in guesses for part in (guess.poses, guess.betas, guess.trans))


class Breaks(Source):
    """Like Clip, with a cut; can be read whole once."""

    def __init__(self):
        super().__init__(Path("clip.mp4"), 30, (Clip.first, Clip.last), lambda log: None)
        self.fps, self.size, self.read = Clip.fps, SIZE, 0

    def _in_shots(self):
        self.cuts.append(20)
        return self._pictures(self.first, self.last)

    def _pictures(self, first, last):
        self.read += 1
        return Clip().frames(first, last if self.read == 1 else 25)


def test_the_second_reading_leaves_the_footage_as_it_was(checkpoint, body):
    """What the first one has told of frames and cuts is in use, and stays true if less can be read the second time."""
    source = Breaks()
    numbers = [number for number, _ in source]
    guesses = [tell(body) for tell in HsmrRegressor(checkpoint)(source, _tracks(), _lenses(np.eye(3)), lambda done, total: None)]
    assert source.frame_numbers == numbers and source.cuts == [20] and source.count == 20
    assert [len(guess.poses) for guess in guesses] == [20, 12]


@pytest.mark.skipif(not os.environ.get("SKEL_BLENDER_ALL"), reason="loading torch's compiler takes longer than the other tests")
def test_one_compiled_graph_serves_all_blocks(checkpoint):
    """Captured but not turned into code, which takes minutes."""
    graphs, whole = [], load_hsmr(checkpoint)
    pixels = torch.from_numpy(hsmr_file.patches())
    plain = whole.of_pixels(pixels).rep
    compiled = whole.compiled(lambda graph, _inputs: graphs.append(graph) or graph.forward)
    assert torch.allclose(compiled.of_pixels(pixels).rep, plain, atol=1e-6)
    assert len(graphs) == 1 and len(whole.backbone.blocks) == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card")
def test_a_card_says_the_same(checkpoint):
    patches = [np.random.default_rng(n).integers(0, 256, (256, 192, 3), np.uint8) for n in range(37)]
    here, whole = Batches(load_hsmr(checkpoint))(patches), load_hsmr(checkpoint, "cuda", torch.float32)
    there = Batches(whole, 8)(patches)
    assert all(torch.allclose(one, other, atol=1e-3) for one, other in zip(here, there))
    pixels = torch.from_numpy(np.stack(patches)).to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        whole.of_pixels(pixels)  # lets nobody wait
    finally:
        torch.cuda.set_sync_debug_mode("default")
