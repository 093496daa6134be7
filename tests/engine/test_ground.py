# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground under a camera, from the corners of what it passes."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from skel_blender.engine.background.ground import ground  # noqa: E402

HEIGHT = 0.4


def _up(tilt=0.2, roll=0.05):
    """The way up before a camera that looks down by `tilt` and rolls, rad."""
    return np.array([np.sin(roll), -np.cos(roll) * np.cos(tilt), -np.cos(roll) * np.sin(tilt)])


def _corners(up, on=120, seed=5):
    """So many of 240 on the plane of points X with up . X + HEIGHT = 0, the others above it, and some whose place is not known."""
    random = np.random.default_rng(seed)
    spots = random.uniform([-1.5, -1.0, 0.5], [1.5, 0.2, 3.0], (240, 3))
    off = spots @ up + HEIGHT
    spots[:on] -= off[:on, None] * up
    spots[on:] += np.maximum(0.1 - off[on:], 0)[:, None] * up
    spots += 0.002 * random.normal(size=spots.shape)
    return np.concatenate([spots, np.full((7, 3), np.nan)])


@pytest.mark.parametrize(("tilt", "roll"), [(0.2, 0.05), (0.0, 0.0), (0.4, -0.2), (-0.3, 0.1), (0.1, 0.4)])
def test_the_ground_is_where_many_corners_lie(tilt, roll):
    up = _up(tilt, roll)
    for seed in range(4):
        plane = ground(_corners(up, seed=seed))
        assert np.degrees(np.arccos(plane[:3] @ up)) < 0.5 and plane[3] == pytest.approx(HEIGHT, rel=0.01)
    assert np.array_equal(plane, ground(_corners(up, seed=seed)))


def test_what_has_much_below_it_is_no_ground():
    """As a table has, or a balcony."""
    table = np.concatenate([_corners(_up())[:120], _corners(_up())[:60] - 0.5 * _up()])
    plane = ground(table)
    assert plane is None or plane[3] > 0.8


NOTHING = {
    "no corners": np.zeros((0, 3)),
    "no places": np.full((50, 3), np.nan),
    "all around": np.random.default_rng(0).normal(size=(300, 3)) + [0, 0, 4],
    "one place": np.ones((60, 3)),
    "a slope of 40 degrees": _corners(_up(np.radians(40))),
    "a wall": np.random.default_rng(0).uniform([-3, -2, 3], [3, 2, 3], (300, 3)),
    "a ceiling": _corners(_up()) * [1, -1, 1],
    "few among many": np.concatenate([_corners(_up(), on=15, seed=seed) for seed in range(6)]),
}


@pytest.mark.parametrize("corners", NOTHING.values(), ids=NOTHING)
def test_nothing_level_is_no_ground(corners):
    assert ground(corners) is None
