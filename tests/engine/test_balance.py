# SPDX-License-Identifier: GPL-3.0-or-later
"""What physics tells where one view does not: the centre of mass, flight, and bodies held up by what they stand on."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from math import inf  # noqa: E402

from skel_blender.anatomy import DOF_INDEX  # noqa: E402
from skel_blender.engine.fit import Config, Weights, skelify  # noqa: E402
from skel_blender.engine.fit.contacts import GRAVITY, airborne  # noqa: E402
from skel_blender.engine.fit.mass import centre_of_mass, point_masses  # noqa: E402
from skel_blender.engine.fit.scene.sightings import places  # noqa: E402
from skel_blender.kinematics import axis_rotation, forward  # noqa: E402
from skel_blender.opensim.segments import inertias  # noqa: E402
from tests.engine.standing import FPS, NONE, evidence, on_floor, standing  # noqa: E402


def test_the_masses_have_the_segments_centres_and_inertias(body):
    """About the whole body's centre, in a pose; the reference is summed by the parallel axis theorem."""
    rng = np.random.default_rng(0)
    state = standing(1) + torch.as_tensor(rng.normal(0, 0.3, (1, 49)))
    points, share = (part for part in point_masses(body))
    rest = body.rest_body(np.zeros(10))
    posed = forward(state[0, 3:].numpy(), rest.joints, rest.frames, state[0, :3].numpy())
    mass, centre, inertia = 0.0, np.zeros(3), np.zeros((3, 3))
    found = []
    for segment, transform, frame in zip(inertias(rest, "male", 1.0), posed, rest.frames):
        R = transform[:3, :3] @ frame
        found.append((segment.mass, R @ segment.centre + transform[:3, 3], R @ segment.inertia @ R.T))
        mass, centre = mass + segment.mass, centre + segment.mass * found[-1][1]
    centre /= mass
    for weight, place, own in found:
        arm = place - centre
        inertia += (own + weight * (arm @ arm * np.eye(3) - np.outer(arm, arm))) / mass
    where = places(body, state, NONE, points)[0]
    arms = where - places(body, state, NONE, centre_of_mass(body))[0]
    mine = sum(w * (a @ a * np.eye(3) - np.outer(a, a)) for w, a in zip(share.numpy(), arms))
    assert np.abs(places(body, state, NONE, centre_of_mass(body))[0, 0] - centre).max() < 1e-6
    assert np.abs(mine - inertia).max() < 1e-4 * inertia.max()  # shoulder blades lie askew


@pytest.mark.parametrize("gravity, flies", [(GRAVITY, True), (GRAVITY / 9, False)])
def test_a_leap_is_told_from_standing_and_from_slow_motion(body, gravity, flies):
    """Stands, leaps for 0.6 s (slow motion: as far off the ground), stands: only what falls as things do is a flight."""
    when = np.arange(60) / FPS
    up = np.maximum(0.0, 0.5 * gravity * (when - 0.7) * (1.3 - when))
    state = on_floor(body, standing(60))
    state[:, 1] += torch.as_tensor(up)
    seen = evidence(body, state)
    heights = places(body, state, NONE, body.soles)[..., 1]
    found = airborne(seen, np.full(60, 5.0), heights, places(body, state, NONE, centre_of_mass(body))[:, 0])
    assert not found[when < 0.65].any() and not found[when > 1.35].any()
    assert found[(when > 0.8) & (when < 1.2)].all() == flies and found.any() == flies


def test_in_flight_the_way_along_the_view_is_straight_and_turns_go_on(body):
    """Landmarks that lean to and fro by 15 degrees along the view, of somebody who flies by, hardly bend either."""
    frames = 24
    when = torch.arange(frames).double() / FPS
    state = on_floor(body, standing(frames))
    state[:, 0] += when
    state[:, 1] += 0.4 + 0.5 * GRAVITY * when * (when[-1] - when)
    true = torch.as_tensor(places(body, state, NONE, body.markers))
    leaning = torch.as_tensor(axis_rotation(np.array([1.0, 0, 0]), np.radians(15) * np.sin(2 * np.pi * 2.5 * when.numpy())))
    seen = replace(evidence(body, state, true @ leaning.mT), airborne=torch.ones(frames, dtype=torch.bool))
    wobbles = []
    for weights in (Weights(fall=inf), Weights()):
        found = skelify(body, seen, (state[:, 3:], NONE, state[:, :3]), Config(weights, fit_shape=False))
        masses = places(body, found.state, NONE, point_masses(body)[0]) - places(body, state, NONE, point_masses(body)[0])
        wobbles.append(np.abs(np.diff(masses[..., 2], 2, axis=0)).mean())
    assert wobbles[1] < 0.5 * wobbles[0]


def test_nobody_leans_along_the_view_on_feet_that_rest(body):
    """Landmarks of somebody seen from the side that lean by 25 degrees toward the camera; without the term he would fall over."""
    state = standing(8)
    state[:, 3 + DOF_INDEX["pelvis_rotation"]] = np.pi / 2
    state = on_floor(body, state)
    true = torch.as_tensor(places(body, state, NONE, body.markers))
    lean = torch.as_tensor(axis_rotation(np.array([1.0, 0, 0]), np.array(np.radians(25))))
    seen = replace(evidence(body, state, true @ lean.T), contacts=torch.ones(8, 6).double())
    beyond = []
    for weights in (Weights(balance_m=inf), Weights()):
        found = skelify(body, seen, (state[:, 3:], NONE, state[:, :3]), Config(weights, fit_shape=False)).state
        mass = places(body, found, NONE, centre_of_mass(body))[:, 0, 2]
        beyond.append(float((mass - places(body, found, NONE, body.soles)[..., 2].max(1)).mean()))
    assert beyond[0] > 0.1 and beyond[1] < 0.07


def test_who_sits_on_the_floor_is_not_drawn_over_his_feet(body):
    """Legs ahead of him toward the camera: what he sits on rests, though only soles are known to."""
    state = standing(8)
    for side in "rl":
        state[:, 3 + DOF_INDEX[f"hip_flexion_{side}"]], state[:, 3 + DOF_INDEX[f"knee_angle_{side}"]] = 1.9, 1.3
    state = on_floor(body, state)
    assert 0.1 < float(places(body, state, NONE, centre_of_mass(body))[..., 1].mean()) < 0.5
    seen = replace(evidence(body, state), contacts=torch.ones(8, 6).double())
    fits = [skelify(body, seen, (state[:, 3:], NONE, state[:, :3]), Config(weights, fit_shape=False)).state
            for weights in (Weights(balance_m=inf), Weights())]  # fmt: skip
    assert torch.equal(*fits)
