# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor from what people tell of it, who is taken to stand on it, and the level world over it."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from skel_blender.engine.floor import Floor, Sightings, find_floor, level_world  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402


def test_floor_of_a_walk_in_depth():
    """Feet on a floor seen from a camera that looks down by 15 degrees, with errors along the rays."""
    rng = np.random.default_rng(1)
    R, height = axis_rotation(np.array([1.0, 0, 0]), np.array(np.radians(15))), 1.4
    floor = np.stack([rng.uniform(-2, 2, 300), np.full(300, -height), rng.uniform(-9, -3, 300)], axis=1)
    seen = floor @ R.T * (1 + rng.normal(0, 0.05, (300, 1)))
    up = R @ [0, 1.0, 0]
    bodies = np.tile(up, (50, 1))
    found = find_floor([Sightings(seen, bodies, bodies)])
    assert np.degrees(np.arccos(found.up @ up)) < 2 and abs(found.height + height) < 0.1
    turn, shift = level_world(found, seen[0])
    assert np.allclose(turn @ found.up, [0, 1, 0]) and np.linalg.det(turn) == pytest.approx(1)
    assert abs((seen @ turn.T + shift)[:, 1].mean()) < 0.1


def test_rounding_does_not_move_the_floor():
    """By which a card's sums differ from the processor's; which of several starts ends best is as good as drawn."""
    rng = np.random.default_rng(0)
    feet = np.stack([rng.uniform(-3, 3, 300), np.full(300, -1.5), rng.uniform(-8, -4, 300)], axis=1) * (1 + rng.normal(0, 0.05, (300, 1)))
    bodies = np.tile([0.0, 1.0, 0.0], (60, 1))
    floors = [find_floor([Sightings(feet + rng.normal(0, off, feet.shape), bodies, bodies)]) for off in (0.0, *[1e-15] * 12)]
    assert max(abs(found.height - floors[0].height) for found in floors) < 2e-7
    assert max(np.abs(found.up - floors[0].up).max() for found in floors) < 2e-7


def test_a_floor_is_seen_from_where_the_camera_was():
    """Who walks along beside a camera that goes 60 m, with errors along each frame's own rays."""
    rng = np.random.default_rng(3)
    eyes = np.outer(np.linspace(0, 60, 200), [1.0, 0, 0])
    floor = eyes + np.stack([rng.uniform(-2, 2, 200), np.full(200, -1.5), rng.uniform(-9, -3, 200)], axis=1)
    seen = eyes + (floor - eyes) * (1 + rng.normal(0, 0.08, (200, 1)))
    bodies = np.tile([0, 1.0, 0], (10, 1))
    found = find_floor([Sightings(seen, bodies, bodies, eyes)])
    assert np.degrees(np.arccos(found.up[1])) < 0.6 and abs(found.height + 1.5) < 0.05


def test_someone_on_a_wall_does_not_tilt_the_floor():
    rng = np.random.default_rng(2)
    up = np.array([0, 1.0, 0])
    ground = np.stack([rng.uniform(-3, 3, 200), np.full(200, -1.5), rng.uniform(-8, -6, 200)], axis=1)
    wall = ground + [0, 1.3, 0]
    bodies = np.tile(up, (40, 1))
    found = find_floor([Sightings(wall, bodies, bodies), Sightings(ground, bodies, bodies)])
    assert np.degrees(np.arccos(found.up @ up)) < 2 and abs(found.height + 1.5) < 0.1
    assert found.nearer(0) == 1.0


def test_who_climbs_is_on_no_slope_and_stands_on_the_floor_at_his_lowest():
    """Three steps up, away from the camera or towards it, of somebody who leans forward a little. From a plane through all of the steps
    he would lean by 35 degrees."""
    rng = np.random.default_rng(4)
    for away in (1.0, -1.0):
        step = np.repeat(np.arange(4), 30)
        feet = np.stack([rng.normal(0, 0.1, 120), -1.4 + 0.2 * step, -4.0 - away * 0.27 * step], axis=1)
        feet *= 1 + np.repeat(rng.normal(0, 0.02, 24), 5)[:, None]
        trunks = np.tile([0.0, np.cos(0.15), -away * np.sin(0.15)], (80, 1))  # forward
        found = find_floor([Sightings(feet, trunks[:0], trunks)])
        assert np.degrees(np.arccos(found.up[1])) < 10, "as a slope it would be about 35 degrees"
        assert found.climbs == (True,) and found.nearer(0) == 1.0
        assert found.height == pytest.approx((feet[:30] @ found.up).mean(), abs=0.15), "the lowest step"
        level = find_floor([Sightings(feet - np.outer(0.2 * step, [0.0, 1, 0]), trunks[:0], trunks)])
        assert level.climbs == (False,)


def test_who_leans_all_the_time_hardly_tilts_the_floor():
    leaning = np.tile([0.0, np.cos(0.7), np.sin(0.7)], (100, 1))
    found = find_floor([Sightings(np.zeros((0, 3)), np.zeros((0, 3)), leaning)])
    assert np.degrees(np.arccos(found.up[1])) < 15


def test_who_is_seen_without_feet_stands_on_the_floor():
    upright = np.tile([0.0, 1.0, 0.0], (20, 1))
    soles = np.tile([0.2, -0.7, -2.0], (20, 1))
    found = find_floor([Sightings(np.zeros((0, 3)), upright, upright, under=soles)])
    assert found.height == pytest.approx(-0.7, abs=0.02)


def test_a_camera_that_goes_keeps_its_height():
    """People who seem to lean by 6 degrees; a camera that goes 4 m along the floor, and one that goes up a ladder."""
    leaning = np.tile([0.0, np.cos(np.radians(6)), np.sin(np.radians(6))], (40, 1))
    seen, when = Sightings(np.zeros((0, 3)), leaning, leaning), np.linspace(-2, 2, 40)
    path = np.stack([0.02 * np.sin(9 * when), 0.03 * np.cos(5 * when), when], 1) + [0, 2, 3]
    tilts = [np.degrees(np.arcsin(find_floor([seen], way).up[2])) for way in (None, path, path[:, [0, 2, 1]])]
    assert tilts[0] > 5 and tilts[1] < 0.6 * tilts[0] and tilts[2] > 5
    assert np.degrees(np.arcsin(find_floor([seen], path, np.array([0.0, 1.0, 0.0])).up[2])) < 0.6 * tilts[1]


def _standing(rng, where, tilt, lean, size=1.0, noise=0.0):
    """Somebody who stands at `where` (3,) m of a level world, seen by a camera that looks down by `tilt` rad: as if `size` times as large,
    each frame's depth off by `noise` of it, and leaning along the view by `lean` rad."""
    R = axis_rotation(np.array([1.0, 0, 0]), np.array(tilt))
    feet = np.tile(where, (60, 1)) + rng.normal(0, 0.02, (60, 3)) * [1, 0, 1]
    bodies = np.tile(R @ [0.0, np.cos(lean), np.sin(lean)], (60, 1))
    return Sightings(size * feet @ R.T * (1 + noise * rng.normal(size=(60, 1))), bodies, bodies), R @ [0, 1.0, 0]


def test_people_who_stand_near_and_far_tell_where_up_is_though_all_seem_to_lean():
    rng = np.random.default_rng(5)
    places = ([0.3, -1.5, -3], [-2, -1.5, -6], [3, -1.5, -13])
    seen = [_standing(rng, np.array(at), 0.2, -0.1, size) for at, size in zip(places, (1.0, 1.04, 0.97))]
    people, up = [person for person, _ in seen], seen[0][1]
    assert np.degrees(np.arccos(find_floor(people[:1]).up @ up)) > 4, "one alone does not tell"
    found = find_floor(people)
    assert np.degrees(np.arccos(found.up @ up)) < 3
    stand, _ = _standing(rng, np.array([3.0, 1.2, -16]), 0.2, -0.1, noise=0.08)
    found = find_floor([*people, stand])
    assert np.degrees(np.arccos(found.up @ up)) < 3, "somebody far off, in a stand"
    assert found.nearer(3) == 1.0 and found.levels[3] > 0


def test_whose_size_is_not_what_it_is_taken_for_keeps_his_own_level():
    """A child beside a man, taken for a man farther away."""
    rng = np.random.default_rng(6)
    man, child = (_standing(rng, np.array([x, -1.5, -4]), 0.1, 0.0, size)[0] for x, size in ((0, 1.0), (1, 1.5)))
    alone, both = find_floor([man]), find_floor([man, child])
    assert both.levels[0] == pytest.approx(alone.levels[0], abs=0.03)
    assert both.levels[1] == pytest.approx(float(np.median(child.feet @ both.up)), abs=0.03)


@pytest.mark.parametrize(
    ("level", "nearer"), [(-1.5, 1.0), (-1.4, 1.5 / 1.4), (-1.6, 1.5 / 1.6), (-1.2, 1.14), (-1.8, 0.88), (-1.0, 1.0),
                          (-2.1, 1.0), (0.1, 1.0)]
)  # fmt: skip
def test_who_nearly_stands_on_the_floor_is_put_on_it_and_who_stands_elsewhere_is_not(level, nearer):
    up = np.array([0.0, 1, 0])
    assert Floor(up, -1.5, (-1.5, level)).nearer(1) == pytest.approx(nearer)
    assert Floor(up, -1.5, (-1.5, level), (False, True)).nearer(1) == 1.0, "his size is known"


def test_the_world_is_level_over_the_floor_and_the_camera_looks_along_it():
    up = axis_rotation(np.array([1.0, 0, 0]), np.array(0.3)) @ axis_rotation(np.array([0.0, 0, 1]), np.array(0.2)) @ [0, 1, 0]
    R, t = level_world(Floor(up, -1.5, (-1.5,)), np.array([0.4, 0.2, -3.0]))
    assert np.allclose(R @ R.T, np.eye(3)) and np.linalg.det(R) == pytest.approx(1) and np.allclose(R @ up, [0, 1, 0])
    assert (R @ (-1.5 * up) + t)[1] == pytest.approx(0)
    assert (R @ [0.4, 0.2, -3.0] + t)[[0, 2]] == pytest.approx(0)
    ahead = R @ [0, 0, -1]
    assert ahead[0] == pytest.approx(0) and ahead[2] < 0
