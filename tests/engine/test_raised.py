# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands on a wall, a box or a step stands as still there as on the floor."""

from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.fit.contacts import raised  # noqa: E402
from skel_blender.engine.fit.people import fit_people  # noqa: E402
from skel_blender.engine.fit.scene.sightings import over_feet, places  # noqa: E402
from skel_blender.engine.refit import refit  # noqa: E402
from skel_blender.kinematics import R_ZUP_YUP  # noqa: E402
from skel_blender.take import Camera, Corrections, Person, Take  # noqa: E402
from tests.engine import squatting  # noqa: E402
from tests.engine.squatting import FPS, FRAMES, HIDDEN  # noqa: E402
from tests.engine.standing import NONE, evidence, on_floor, standing  # noqa: E402

WALL_M = 1.3
KNOWN = np.setdiff1d(np.arange(FRAMES), np.arange(HIDDEN.start - 2, HIDDEN.stop + 2))


@pytest.fixture(scope="module")
def scene():
    """One squats on the floor, one on a wall beside him."""
    squats = squatting.imaged(), squatting.imaged(beside=(1.2, WALL_M, -0.4))
    fits, view = fit_people([squat.track for squat in squats], squats[0].body, squats[0].K, FPS)
    return squats, fits, view


def _soles(body, state, betas):
    return places(body, torch.as_tensor(state), torch.as_tensor(betas)[None], body.soles)


def test_who_squats_on_a_wall_is_up_there_and_his_feet_stay(scene):
    (_, squat), (below, above), view = scene
    soles = _soles(squat.body, above.state, above.betas)
    assert below.contacts[KNOWN].mean() > 0.8 and above.contacts[KNOWN].mean() > 0.8
    assert np.median(soles[..., 1]) == pytest.approx(WALL_M, abs=0.15)  # as far as size and distance are told
    both = above.contacts[1:] & above.contacts[:-1]
    assert np.linalg.norm(np.diff(soles, axis=0), axis=-1)[both].max() < 0.01


def test_fitting_again_leaves_him_on_the_wall(scene):
    (_, squat), (_, fit), view = scene
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = view.R.numpy() @ R_ZUP_YUP.T, view.t.numpy()
    track, body = squat.track, squat.body
    person = Person("Person 1", body.name, np.arange(FRAMES), fit.state[:, 3:], fit.betas, fit.state[:, :3], fit.confidence,
                    track.keypoints_2d, track.landmarks_3d, np.zeros(FRAMES), fit.contacts, body.rest_body(fit.betas))  # fmt: skip
    shot = Take("clip.mp4", Fraction(30), np.arange(FRAMES), (1280, 720), Camera(squat.K, np.tile(world, (FRAMES, 1, 1))), [person])
    again = refit(shot, 0, Corrections(np.array([15]), person.poses[[15]], person.trans[[15]])).people[0]
    state = np.concatenate([again.trans, again.poses], 1)
    moved = _soles(body, state, again.betas) - _soles(body, fit.state, fit.betas)
    assert np.abs(moved[fit.contacts]).max() < 0.02


@pytest.fixture(scope="module")
def waits(body):
    """Somebody who stands, and 40 frames of what is seen of him."""
    state = on_floor(body, standing(40))
    return evidence(body, state), np.full(40, 5.0), places(body, state, NONE, body.soles)[..., 1]


def test_only_the_lowest_soles_of_who_is_upright_and_off_the_floor_rest_there(waits):
    seen, depth, soles = waits
    upright = np.ones(40, dtype=bool)
    assert raised(seen, depth, soles + 1.0, upright).all()
    assert not raised(seen, depth, soles, upright).any()
    assert not raised(seen, depth, soles + 1.0, ~upright).any()
    assert not raised(seen, depth, soles + 1.0, np.arange(40) % 20 == 0).any()  # a moment
    lifted = soles + 1.0 + [0, 0, 0, 0.3, 0.3, 0.3]
    assert (raised(seen, depth, lifted, upright) == [True, True, True, False, False, False]).all()


def test_who_walks_by_up_there_does_not_rest(body):
    state = on_floor(body, standing(40))
    state[:, 0] += torch.arange(40) / 30.0
    heights = places(body, state, NONE, body.soles)[..., 1] + 1.0
    assert not raised(evidence(body, state), np.full(40, 5.0), heights, np.ones(40, dtype=bool)).any()


def test_who_squats_is_over_his_feet_and_who_sits_is_not(body):
    bent = {f"{name}_{side}": angle for side in "rl" for name, angle in (("hip_flexion", 1.57), ("knee_angle", 1.57))}
    squat = bent | {f"{name}_{side}": angle for side in "rl" for name, angle in (("hip_flexion", 1.7), ("ankle_angle", 0.6))}
    assert over_feet(body, standing(1), NONE)[0] and over_feet(body, standing(1, **squat, pelvis_tilt=-0.6), NONE)[0]
    assert not over_feet(body, standing(1, **bent), NONE)[0]
