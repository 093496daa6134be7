# SPDX-License-Identifier: GPL-3.0-or-later
"""Of all angles that mean a motion's rotations, those that go on from frame to frame and stay within the limits."""

import numpy as np
import pytest

from skel_blender.engine.branches import TRIPLES, continuous
from skel_blender.kinematics import joint_rotations

FREE = np.tile([-np.inf, np.inf], (46, 1))


def other_side(triple: np.ndarray) -> np.ndarray:
    """The other three angles of the same rotations (..., 3)."""
    return np.pi + np.array([1, -1, 1]) * triple


def test_angles_go_on_through_both_branches_and_full_turns():
    """A smooth motion, cut to the ranges in which a rotation has one triple."""
    t = np.linspace(0, 1, 60)[:, None]
    random = np.random.default_rng(0)
    smooth = random.normal(0, 0.4, (1, 46)) + random.normal(0, 0.6, (1, 46)) * np.sin(3 * t + random.normal(0, 1, (1, 46)))
    smooth[:, 41] += 4.5 * t[:, 0]  # an arm that turns on
    smooth[:, 30] = 2.4 * np.sin(4 * t[:, 0])  # and one that passes a right angle in its middle angle
    broken = smooth.copy()
    for triple in TRIPLES:
        rows = np.abs(broken[:, triple[1]]) > np.pi / 2
        broken[np.ix_(rows, triple)] = other_side(broken[np.ix_(rows, triple)])
    broken = (broken + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(np.diff(broken, axis=0)).max() > 2
    found = continuous(broken, FREE)
    assert np.abs(np.diff(found, axis=0)).max() < 0.3
    assert np.abs(joint_rotations(found) - joint_rotations(smooth)).max() < 1e-12


@pytest.mark.parametrize("begins", ["inside", "on the other side"])
def test_the_path_within_the_limits_is_taken(begins):
    """Limits as a shoulder's, not about zero, which the motion keeps; it comes on the other side of every joint, and full turns off."""
    random = np.random.default_rng(1)
    middle = random.uniform(-2.8, 2.8, 46)
    limits = middle[:, None] + np.array([-0.7, 0.9])
    smooth = middle + 0.1 + 0.75 * np.sin(np.linspace(0, 5, 40)[:, None] + random.uniform(0, 6, 46))
    given = smooth + 2 * np.pi * random.integers(-2, 3, 46)
    for triple in TRIPLES:
        rows = slice(None) if begins == "on the other side" else slice(20, None)
        given[rows, triple] = other_side(given[rows, triple])
    assert continuous(given, limits) == pytest.approx(smooth)


def test_one_frame_has_the_branch_within_the_limits():
    limits = np.tile([-2.0, 2.0], (46, 1))
    poses = np.zeros((1, 46))
    poses[:, TRIPLES[8]] = [np.pi - 0.2, np.pi - 0.3, np.pi - 0.1]
    assert continuous(poses, limits)[0, TRIPLES[8]] == pytest.approx([-0.2, 0.3, -0.1])
