# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of a camera's path from feet that take turns in resting."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from skel_blender.engine.fit.scene.travel import Steps, path_size  # noqa: E402

FPS, SIZE = 30.0, 2.5


def _walk(count=120, noise=0.01):
    """Two feet that step 0.7 m in half a second and then rest as long, one after the other, and a camera that sways beside them."""
    rng, when = np.random.default_rng(3), np.arange(count) / FPS
    feet = np.stack([_strides(when), _strides(when + 0.5) - 0.35], 1)[..., None] * [1.0, 0, 0] + [0, -1.5, 4.0]
    path = np.stack([0.7 * when, 0.05 * np.sin(5 * when), 0.3 * np.cos(2 * when)], 1)
    soles = feet - path[:, None] + noise * rng.normal(size=feet.shape)
    return Steps(soles, np.ones(soles.shape[:2], dtype=bool), path / SIZE)


def _strides(when):
    whole, part = np.divmod(when, 1.0)
    return 0.7 * (whole + np.clip(2 * part, 0, 1))


def test_resting_feet_tell_the_size():
    assert path_size([_walk()], FPS) == pytest.approx(SIZE, rel=0.02)


@pytest.mark.parametrize("leaps", [slice(0), slice(40, 100)], ids=["walks", "is in the air half of the time"])
def test_soles_on_the_ground_tell_it_better(leaps):
    """The ground lies 1.5 m under the camera, in the path's unit; the steps alone are made too short, as along a view."""
    walk, ground = _walk(), np.array([0.0, 1.0, 0.0, 1.5 / SIZE])
    short = Steps(walk.soles * [0.8, 1, 0.8], walk.sure, walk.path)
    assert path_size([short], FPS) < 0.85 * SIZE
    short.soles[leaps, :, 1] += 0.3
    assert path_size([short], FPS, ground) == pytest.approx(SIZE, rel=0.02)


def test_a_table_top_is_not_the_ground():
    """With feet on it they would glide."""
    table = np.array([0.0, 1.0, 0.0, 0.4 / SIZE])
    assert path_size([_walk()], FPS, table) == pytest.approx(SIZE, rel=0.02)


def test_everybody_is_asked():
    """Somebody who only flies by beside somebody who walks."""
    walk, when = _walk(), np.arange(120)[:, None, None] / FPS
    flight = Steps(np.tile([[[0, 0, 5.0]]], (120, 2, 1)) + when * [3.0, 1, 0], walk.sure, walk.path)
    assert path_size([walk, flight], FPS) == pytest.approx(SIZE, rel=0.03)


@pytest.mark.parametrize("change", ["nobody seen", "in the air", "stays", "short"])
def test_who_does_not_tell_leaves_the_camera_in_its_place(change):
    walk = _walk()
    when = np.arange(120)[:, None, None] / FPS
    told = {
        "nobody seen": Steps(walk.soles, ~walk.sure, walk.path),
        "in the air": Steps(np.tile([[[0, 0, 5.0]]], (120, 2, 1)) + when**2 * [1.0, 3, 0.5], walk.sure, walk.path),
        "stays": Steps(walk.soles, walk.sure, 0 * walk.path),
        "short": Steps(walk.soles[:3], walk.sure[:3], walk.path[:3]),
    }[change]
    assert path_size([told], FPS) == 0.0
