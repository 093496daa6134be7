# SPDX-License-Identifier: GPL-3.0-or-later
"""People upright on one floor, at known places before a known camera that is taken for another: what they tell of its lens."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skel_blender.engine import pipeline
from skel_blender.engine.body.stance import relaxed_pose
from skel_blender.engine.camera import R_CAM_LEVEL, CameraMotion, intrinsics
from skel_blender.engine.fit import people
from skel_blender.engine.fit.evidence import gather
from skel_blender.engine.fit.observations import View
from skel_blender.engine.fit.people import _refocused
from skel_blender.engine.fit.scene import lens
from skel_blender.engine.fit.scene.sightings import places
from skel_blender.engine.fit.scene.upright import LensEvidence, Refocused, _cost, _first, _rows, _weights, misfit
from skel_blender.engine.people.tracks import Track
from skel_blender.kinematics import axis_rotation

SIZE = (1280, 720)


def folk(longer: float, pitch: float, ways: list[np.ndarray], random: np.random.Generator | None = None) -> list[LensEvidence]:
    """People on ways (n,2) m over a floor 3 m below a camera that looks `pitch` rad down, as one has it who takes its lens to be e^longer
    times shorter than it is."""
    R = axis_rotation(np.array([1.0, 0, 0]), np.array(pitch)) @ R_CAM_LEVEL
    told = []
    for place in ways:
        floor = np.stack([place[:, 0], np.full(len(place), -3.0), -place[:, 1]], 1)
        up = np.tile([0.0, 1.0, 0.0], (len(place), 1))
        if random is not None:
            floor, up = floor + random.normal(size=floor.shape) * [0.02, 0.02, 0.1], up + random.normal(size=up.shape) * [0.04, 0, 0.07]
        feet, hips, bodies = floor @ R.T, (floor + [0, 0.9, 0]) @ R.T, up / np.linalg.norm(up, axis=1, keepdims=True) @ R.T
        there = hips * [1, 1, np.exp(-longer)]
        turns = lens.toward(torch.as_tensor(there)).numpy() @ lens.toward(torch.as_tensor(hips)).numpy().swapaxes(1, 2)
        beside, axes = (np.einsum("nij,nj->ni", turns, part) for part in (feet - hips, bodies))
        told.append(LensEvidence(there, beside, there, axes))
    return told


def walks(random: np.random.Generator, count: int) -> list[np.ndarray]:
    """Straight ways across a floor, 12 stations each."""
    ends = random.uniform([-4, 5], [4, 14], (count, 2, 2))
    return [np.linspace(start, end, 12) for start, end in ends]


@pytest.mark.parametrize("longer", [-0.4, 0.0, 0.5])
def test_people_all_over_a_floor_tell_the_lens_to_what_they_say_it_is_off(longer):
    random = np.random.default_rng(3)
    found, spread = lens.told_focal(folk(longer, 0.35, walks(random, 4), random))
    assert spread < lens.SURE
    assert abs(found - longer) < 1.5 * spread


def test_who_stays_in_his_place_tells_nothing_and_neither_does_nobody():
    random = np.random.default_rng(4)
    still = [np.tile([0.3, 6.0], (12, 1))]
    for told in (folk(0.5, 0.35, still, random), folk(0.5, 0.35, [np.zeros((0, 2))])):
        assert lens.told_focal(told)[1] > lens.SURE


def test_who_stays_for_long_repeats_himself_and_who_walks_does_not(body):
    """What the landmarks of one place err by is no surer after ten minutes: a juggler was taken for before a lens of 113 degrees."""

    def words(ways: np.ndarray) -> int:
        state = torch.as_tensor(np.concatenate([ways, np.tile(relaxed_pose(), (len(ways), 1))], 1))
        view = View(*(torch.as_tensor(part).double() for part in (intrinsics(SIZE), R_CAM_LEVEL, np.zeros(3))))
        seen_at = places(body, state, torch.zeros(1, 10).double(), body.markers) @ R_CAM_LEVEL.T
        imaged = seen_at @ intrinsics(SIZE).T
        keypoints = np.concatenate([imaged[..., :2] / imaged[..., 2:], np.full((*imaged.shape[:2], 1), 0.9)], -1)
        track = Track(np.arange(len(ways)), keypoints, seen_at - seen_at[:, [23, 24]].mean(1, keepdims=True), np.ones(len(ways), bool))
        told = lens.lens_evidence(body, gather(track, body, view, 10.0), state, torch.zeros(1, 10).double(), track.observed)
        return len(told.bodies)

    stays, walk = np.tile([0.2, 0.0, -6.0], (6000, 1)), np.linspace([-3.0, 0.0, -6.0], [3.0, 0.0, -6.0], 50)
    assert words(stays) == lens._MOST and words(stays[:14]) == 2
    assert words(walk) == 8 and words(np.concatenate([walk, walk[::-1]] * 30)) <= 13 * lens._MOST


def test_who_walks_by_before_a_level_camera_tells_nothing():
    random = np.random.default_rng(5)
    by = [np.linspace([-3, 6.0], [3, 6.0], 12)]
    assert lens.told_focal(folk(0.5, 0.0, by, random))[1] > lens.SURE


def test_the_misfit_is_least_at_the_true_lens_and_its_slopes_are_its_own():
    told = folk(0.3, 0.4, walks(np.random.default_rng(6), 3))
    tried = np.linspace(-0.3, 0.9, 13)
    assert tried[np.argmin([misfit(Refocused.of(told, longer)) for longer in tried])] == pytest.approx(0.3)
    cast = Refocused.of(told, 0.1)
    unknown = _first(cast) + np.random.default_rng(7).normal(scale=0.02, size=len(_first(cast)))
    _, slopes = _rows(cast, unknown)
    n = len(cast.feet)  # a foot's deviation is taken as it is, so its row is compared by what is told of the others
    for k in range(len(unknown)):
        step = np.eye(len(unknown))[k] * 1e-6
        numeric = (_rows(cast, unknown + step)[0] - _rows(cast, unknown - step)[0]) / 2e-6
        assert np.allclose(slopes[n:, k], numeric[n:], atol=1e-5)
    assert misfit(cast) < _cost(_rows(cast, _first(cast))[0], *_weights(cast))


def test_through_another_lens_a_body_looks_the_same(body):
    random = np.random.default_rng(8)
    poses = np.tile(relaxed_pose(), (4, 1))
    state = torch.as_tensor(np.concatenate([random.uniform([-2, -1, -9], [2, 0, -7], (4, 3)), poses], 1))
    betas = torch.zeros(1, 10, dtype=state.dtype)
    track = Track(np.arange(4), random.uniform(200, 500, (4, 33, 3)), random.normal(size=(4, 33, 3)), np.ones(4, dtype=bool))
    view = View(torch.as_tensor(intrinsics(SIZE)), torch.as_tensor(R_CAM_LEVEL), torch.zeros(3, dtype=state.dtype))
    seen = gather(track, body, view, 30.0)
    seen = replace(seen, prior_turns=torch.eye(3).to(state).expand(4, 3, 3), prior_turns_sigma=torch.ones(4).to(state))

    def imaged(state, view):
        points = places(body, state, betas, body.markers) @ R_CAM_LEVEL.T @ view.K.numpy().T
        return points[..., :2] / points[..., 2:]

    before = imaged(state, view)
    _, after_seen, after, _ = _refocused(lens.longer_view(view, 0.4), 0.4, body, seen, state, betas)
    off = np.abs(imaged(after, after_seen.view) - before).max()
    assert after_seen.view.K[0, 0] == pytest.approx(np.exp(0.4) * view.K[0, 0])
    assert off < 0.06 * np.ptp(before[..., 1], axis=1).max()  # but for perspective within the body
    assert torch.allclose(after_seen.landmarks_3d.norm(dim=-1), seen.landmarks_3d.norm(dim=-1))
    trunk, turned = (places(body, s, betas, body.markers)[:, 11] - places(body, s, betas, body.markers)[:, 23] for s in (state, after))
    assert np.allclose(np.einsum("tij,tj->ti", after_seen.prior_turns.numpy(), trunk), turned, atol=1e-6)


def test_people_tell_the_lens_of_a_camera_that_hardly_turns(body, monkeypatch):
    random, level = np.random.default_rng(9), torch.as_tensor(R_CAM_LEVEL)
    state = torch.as_tensor(np.concatenate([random.uniform([-2, -1, -9], [2, 0, -7], (4, 3)), np.tile(relaxed_pose(), (4, 1))], 1))
    betas = torch.zeros(1, 10, dtype=state.dtype)
    track = Track(np.arange(4), random.uniform(200, 500, (4, 33, 3)), random.normal(size=(4, 33, 3)), np.ones(4, dtype=bool))
    turns = axis_rotation(np.array([0.0, 1, 0]), np.radians([0.0, 1, 2, 1]))
    monkeypatch.setattr(people, "told_focal", lambda folk: (0.4, 0.1))
    view = View(torch.as_tensor(intrinsics(SIZE)), level, torch.zeros(3, dtype=state.dtype))

    def imaged(state, view):
        points = view.see(torch.as_tensor(places(body, state, betas, body.markers))) @ view.K.mT
        return (points[..., :2] / points[..., 2:]).numpy()

    def told(motion):
        there, heard = people._following(view, motion, track.frames), []
        seen = gather(track, body, there, 30.0)
        found = people._through_told_lens([(body, seen, state, betas)], [True], [track], view, motion, lambda *lens: heard.append(lens))
        return imaged(state, there), *found, heard

    before, [(_, seen, after, _)], now, moved, heard = told(CameraMotion(0, intrinsics(SIZE), turns, np.ones(4)))
    assert heard == [(0.4, 0.1)] and now.K[0, 0] == pytest.approx(np.exp(0.4) * view.K[0, 0])
    assert torch.allclose(seen.view.R, torch.as_tensor(moved.turns) @ level)
    assert np.abs(imaged(after, seen.view) - before).max() < 0.06 * np.ptp(before[..., 1], axis=1).max()
    turning = CameraMotion(0, intrinsics(SIZE), turns @ turns @ turns, np.ones(4))
    _, [(_, _, same, _)], now, moved, heard = told(turning)
    assert same is state and now is view and moved is turning and not heard, "its turns would tell"


@pytest.mark.parametrize("known", [{}, {"fov": 50.0}, {"focal_length": 900.0}, {"exif": 900.0}])
def test_people_are_asked_only_for_a_lens_that_nobody_knows(known, monkeypatch):
    class AskedError(Exception):
        pass

    def asked(*_, on_lens, **__):
        if on_lens is not None:
            on_lens(np.log(2.0), 0.1)
        raise AskedError

    track = Track(np.arange(3), np.ones((3, 33, 3)), np.ones((3, 33, 3)), np.ones(3, dtype=bool))
    hints = {0: known["exif"]} if "exif" in known else {}
    source = SimpleNamespace(size=SIZE, fps=30.0, path=Path("clip.mp4"), focal_hints=hints, frame_numbers=[0, 1, 2], cuts=[])
    monkeypatch.setattr(pipeline, "open_source", lambda *_: source)
    monkeypatch.setattr(pipeline, "find_people", lambda *_: [track])
    monkeypatch.setattr(pipeline, "fit_people", asked)
    options = {name: value for name, value in known.items() if name != "exif"}
    said = []
    with pytest.raises(AskedError):
        pipeline.reconstruct(pipeline.Options(("clip.mp4",), "", regressor="stance", camera="still", **options), said.append)
    told = [log.text for log in said if "The lens was estimated" in log.text]
    right = "The lens was estimated from people who stand and walk on one floor, to about 10 %: 32 degrees across the longer side."
    assert told == ([] if known else [right])
