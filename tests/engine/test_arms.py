# SPDX-License-Identifier: GPL-3.0-or-later
"""Of the two triples of angles that a shoulder's rotation has, those inside the limits are taken, and on from frame to frame."""

import numpy as np
import pytest

from skel_blender.engine.regress.lift.arms import arm_angles, both_triples
from skel_blender.kinematics import axis_rotation

LIMITS = np.array([[-1.0, 2.0], [-0.5, 2.5], [-1.2, 1.5]])
PART = np.linspace(0, 1, 40)
RAISED = np.stack([0.3 + PART, 0.2 + 2.0 * PART, 0.4 - PART], 1)  # past a right angle of the middle one


def _rotations(angles: np.ndarray) -> np.ndarray:
    x, y, z = (axis_rotation(axis, angle) for axis, angle in zip(np.eye(3), angles.T))
    return z @ y @ x


@pytest.mark.parametrize("angles", [RAISED, RAISED[::-1], RAISED[:1], RAISED[-1:], RAISED[[39, 5]]],
                         ids=["up", "down", "low", "high", "leaps"])  # fmt: skip
def test_an_arm_that_is_raised_keeps_inside_its_limits(angles):
    assert np.abs(arm_angles(_rotations(angles), LIMITS) - angles).max() < 1e-6


def test_what_is_a_little_beyond_goes_on():
    """Rather than to leap to the other triple and back."""
    angles = np.stack([0.2 + 0 * PART, 1.3 + 0.2 * PART, 1.3 + 0.3 * np.sin(np.pi * PART)], 1)
    assert angles[:, 2].max() > LIMITS[2, 1]
    assert np.abs(arm_angles(_rotations(angles), LIMITS) - angles).max() < 1e-6


def test_both_triples_turn_alike_and_cost_what_they_are_beyond():
    angles = RAISED + [1.5, 0, 0]
    both, excess = both_triples(_rotations(angles), LIMITS)
    for one in (both[:, 0], both[:, 1]):
        assert np.abs(_rotations(one) - _rotations(angles)).max() < 1e-9
        assert np.abs(one - LIMITS.mean(1)).max() <= np.pi
    beyond = np.maximum(0.0, np.maximum(LIMITS[:, 0] - both, both - LIMITS[:, 1])).sum(-1)
    assert np.allclose(excess, 10.0 * beyond) and excess.max() > 1
