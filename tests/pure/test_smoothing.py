# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing: seconds count and not frames, kicks are kept, resting feet stay."""

import tracemalloc

import numpy as np
import pytest

from skel_blender.rig import limbs, tracks
from skel_blender.rig.editing import planted, smoothing
from skel_blender.rig.editing.sway import CHANNELS, Bounds, Moving
from tests import synthetic, walk


def test_smoothing_keeps_parabolas_and_takes_noise_away():
    seconds = np.arange(90) / 30
    flight = np.stack([1 + 3 * seconds - 4.9 * seconds**2, seconds, np.ones(90)], axis=1)
    assert np.abs(smoothing.smooth(flight, 0.1, 30.0) - flight).max() < 1e-9
    noise = np.random.default_rng(0).standard_normal(2000)
    assert smoothing.smooth(noise, 0.1, 30.0)[50:-50].std() < 0.5


def test_a_change_of_a_stretch_comes_and_goes_and_is_whole_where_the_motion_ends():
    share = smoothing.share(np.arange(5, 25), 10, 19, 2)
    assert share[5:15] == pytest.approx([0.25, 0.75, 1, 1, 1, 1, 1, 1, 0.75, 0.25]) and not share[:5].any() and not share[15:].any()
    assert (smoothing.share(np.arange(5, 25), 5, 24, 2) == 1.0).all()
    assert smoothing.share(np.arange(5, 25), 10, 10, 2)[5] == pytest.approx(0.25)


def test_smoothing_counts_seconds_not_frames():
    def swing(fps: float) -> np.ndarray:
        seconds = np.arange(int(4 * fps)) / fps
        return smoothing.smooth(np.sin(2 * np.pi * 2.5 * seconds), 0.1, fps)

    assert np.abs(swing(30.0) - swing(120.0)[::4])[15:-15].max() < 0.01


@pytest.fixture(scope="module")
def shaky():
    """A real walk with noise of a degree and a centimetre, its smoothed channels, its skeleton, and soles that rest."""
    person, rng = walk.take().people[0], np.random.default_rng(0)
    before = tracks.sources(person.poses + rng.normal(0, 0.02, person.poses.shape), person.trans + rng.normal(0, 0.01, person.trans.shape))
    contacts = np.zeros((len(person.frames), 6), dtype=bool)
    contacts[20:35, :3] = contacts[40:50, 4:] = True
    return before, smoothing.smooth(before.T, 0.1, 30.0).T, (person.body.joints, person.body.frames), contacts


def _moved(before, after, rest):
    return np.linalg.norm(Moving(before, rest, None, Bounds()).off(after), axis=-1)


def test_joints_go_no_farther_than_they_may(shaky):
    before, after, rest, _ = shaky
    assert _moved(before, after, rest).max() > 0.06
    held = planted.held_back(before, after, rest, 0.03, 3)
    assert 0.02 < _moved(before, held, rest).max() < 0.031
    assert np.allclose(planted.held_back(before, after, rest, np.inf, 3), after, rtol=0, atol=1e-12)
    share = ((held - before) * (after - before)).sum(0) / ((after - before) ** 2).sum(0)
    assert np.abs(np.diff(share)).max() < 0.2  # nothing is held back from one frame to the next


def test_resting_feet_stay_and_the_rest_is_left_alone(shaky):
    before, after, rest, contacts = shaky
    chosen = limbs.channels(set(limbs.TITLES))
    done = planted.plant(before, after, rest, contacts, chosen, 3)
    held = Moving(before, rest, contacts, Bounds(contact=0.0)).allowed == 0.0
    assert _moved(before, after, rest)[held].max() > 0.01 and _moved(before, done, rest)[held].max() < 0.001
    away = [k for k in range(before.shape[1]) if np.abs(np.flatnonzero(contacts.any(1)) - k).min() > 3]
    assert np.array_equal(done[:, away], after[:, away]) and len(away) > 50
    assert np.abs(done - after).max() < 0.35


def test_legs_give_way_where_only_the_trunk_is_smoothed(shaky):
    before, _, rest, contacts = shaky
    chosen, after = limbs.channels({"TRUNK"}), before.copy()
    after[chosen] = smoothing.smooth(before[chosen].T, 0.1, 30.0).T
    done = planted.plant(before, after, rest, contacts, chosen, 3)
    held = Moving(before, rest, contacts, Bounds(contact=0.0)).allowed == 0.0
    assert _moved(before, done, rest)[held].max() < 0.001
    assert np.array_equal(done[limbs.channels({"ARM_R", "ARM_L", "HEAD"})], before[limbs.channels({"ARM_R", "ARM_L", "HEAD"})])


def test_what_angles_carry_is_what_they_change():
    take = synthetic.random_take(frames=7, people=1)
    person = take.people[0]
    values = tracks.sources(person.poses, person.trans)
    rest = person.body.joints, person.body.frames
    carried = Moving(values, rest, None, Bounds()).carried([3, 9, 17, 0], [*range(CHANNELS)])
    for channel in range(CHANNELS):
        after, before = values.copy(), values.copy()
        after[channel] += 1e-6
        before[channel] -= 1e-6
        changed = (Moving(after, rest, None, Bounds()).places - Moving(before, rest, None, Bounds()).places)[:, [3, 9, 17, 0]] / 2e-6
        assert np.abs(carried[..., channel] - changed).max() < 2e-5, channel


def test_a_long_motion_is_planted_in_parts(shaky, monkeypatch):
    before, after, rest, contacts = shaky
    chosen, sizes, carried = limbs.channels(set(limbs.TITLES)), [], Moving.carried
    whole = planted.plant(before, after, rest, contacts, chosen, 3)
    monkeypatch.setattr(Moving, "carried", lambda self, *which: sizes.append(self.values.shape[1]) or carried(self, *which))
    monkeypatch.setattr(planted, "_AT_ONCE", 20)
    parts = planted.plant(before, after, rest, contacts, chosen, 3)
    assert max(sizes) == 20 and np.abs(parts - whole).max() < 1e-9


def test_feet_that_rest_in_a_long_motion_take_room_in_proportion():
    held = np.zeros((6000, 24), dtype=bool)
    held[::3, 4] = True
    tracemalloc.start()
    share = planted._faded(held, 1)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.allclose(share[:4, 4], [1.0, 0.5, 0.5, 1.0]) and not share[:, :4].any()
    assert most < 10 * share.nbytes
