# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground under a camera, from the corners of what it passes."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from skel_blender.engine.background.ground import ground  # noqa: E402

UP = np.array([0.05, -np.cos(0.2), -np.sin(0.2)])
UP /= np.linalg.norm(UP)
HEIGHT = 0.4


def _corners(below=0):
    """Half of them on the ground, the others in the air before the camera, and some below the ground."""
    random = np.random.default_rng(5)
    spots = random.uniform([-1.5, -1.0, 0.5], [1.5, 0.2, 3.0], (240, 3))
    off = spots @ UP + HEIGHT
    spots[:120] -= off[:120, None] * UP
    spots[120:] += np.maximum(0.1 - off[120:], 0)[:, None] * UP
    spots[:below] -= 0.3 * UP
    spots += 0.002 * random.normal(size=spots.shape)
    return np.concatenate([spots, np.full((7, 3), np.nan)])


def test_the_ground_is_where_many_corners_lie():
    plane = ground(_corners())
    assert np.degrees(np.arccos(plane[:3] @ UP)) < 0.5 and plane[3] == pytest.approx(HEIGHT, rel=0.01)
    assert np.array_equal(plane, ground(_corners()))


def test_what_has_much_below_it_is_no_ground():
    """As a table has, or a balcony."""
    table = np.concatenate([_corners()[:120], _corners()[:60] - 0.5 * UP * [1, 1, 1]])
    plane = ground(table)
    assert plane is None or plane[3] > 0.8


@pytest.mark.parametrize("corners", [np.zeros((0, 3)), np.full((50, 3), np.nan), np.random.default_rng(0).normal(size=(300, 3)) + [0, 0, 4],
                                     np.ones((60, 3))])  # fmt: skip
def test_nothing_level_is_no_ground(corners):
    assert ground(corners) is None
