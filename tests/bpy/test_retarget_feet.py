# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet and legs of a retarget: which contacts count, and legs that reach."""

from __future__ import annotations

import numpy as np

from skel_blender.export import rotations
from skel_blender.export.retarget import legs
from skel_blender.rig import record
from tests.bpy import characters, walking
from tests.bpy.walking import put


def test_contacts_of_the_take_are_believed_and_those_that_an_edit_lifts_are_not(source):
    action = source.animation_data.action
    target = characters.mixamo()
    down = np.zeros((120, 6), dtype=bool)
    down[29:45, 3:5] = True
    record.keep_contacts(action, 1, down)
    _, _, seen = put(source, target)
    assert walking.slide(seen.heads["foot_l"][29:45]) < 0.001 < walking.slide(seen.heads["toe_l"][10:24])
    down[:] = True  # of a walk this can't be true: the feet are in the air in between
    record.keep_contacts(action, 1, down)
    _, _, seen = put(source, target)
    assert seen.heads["foot_l"][:, 2].max() > 0.2


def test_a_leg_reaches_its_goal_and_its_knee_stays_on_its_side():
    rng = np.random.default_rng(3)
    count = 500
    hinge = rotations.unit(rng.standard_normal((count, 3)))
    down = rotations.unit(np.cross(hinge, rng.standard_normal((count, 3))))
    bend = rng.uniform(-0.05, 2.0, count)[:, None]  # some are a little bent the wrong way
    shin = rotations.apply(rotations.turn(bend * hinge), down)
    hip = rng.standard_normal((count, 3))
    knee, ankle = hip + 0.45 * down, hip + 0.45 * down + 0.4 * shin
    goal = ankle + 0.1 * rng.standard_normal((count, 3))
    first, second = legs.solve(hip, knee, ankle, hinge, goal)
    new_knee = hip + rotations.apply(first, knee - hip)
    new_ankle = new_knee + rotations.apply(second, ankle - knee)
    reach = np.linalg.norm(goal - hip, axis=1)
    reached = np.linalg.norm(new_ankle - goal, axis=1)
    assert reached[(reach > 0.06) & (reach < 0.849)].max() < 1e-9
    assert (np.abs(reached - (reach - 0.85))[reach > 0.86] < 1e-3).all()
    axis = np.cross(new_knee - hip, new_ankle - new_knee)
    assert (rotations.unit(axis) * rotations.apply(first, hinge)).sum(1).min() > 0.9
    same, also = legs.solve(hip, knee, ankle, hinge, ankle)
    bent = (bend[:, 0] > 0.1) & (np.linalg.norm(ankle - hip, axis=1) < 0.849)
    assert np.abs(same - np.eye(3))[bent].max() < 1e-6 and np.abs(also - np.eye(3))[bent].max() < 1e-6
