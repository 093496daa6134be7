# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify behind the lifting network, and the choice of a regressor."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bin.benchmarks.ablation import scene
from bin.benchmarks.mocap import SMALL_SET, read_clips, to_body
from bin.benchmarks.posing import posed
from bin.benchmarks.starts import ways
from bin.evaluation import metrics
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.fit.people import fit_people
from skel_blender.engine.pipeline import Options, reconstruct
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.guess import Guess
from skel_blender.messages import SkelError

FRAMES = 40
HIPS = (LIMBS.index(23), LIMBS.index(24))


@pytest.fixture(scope="module")
def case(body):
    return scene(to_body(read_clips(SMALL_SET)[4].part(0, FRAMES), body), body, np.random.default_rng(11))


def fitted(case, body, guesses):
    """MPJPE in mm and steps of a fit."""
    steps: list[int] = []
    fits, view = fit_people([case.track], body, case.K, case.fps, steps.append, guesses=guesses)
    points = posed(body, fits[0].state[:, 3:], fits[0].betas, fits[0].state[:, :3])[0] @ view.R.numpy().T + view.t.numpy()
    return metrics.mpjpe(points[:, LIMBS], case.limbs, HIPS), len(steps)


def test_from_the_network_a_fit_ends_nearer_to_the_truth_in_fewer_steps(case, body):
    guess = load_lift()(case.track, body, case.K, case.fps)
    (error, steps), (usual_error, usual_steps) = (fitted(case, body, guesses) for guesses in ([lambda _: guess], None))
    assert steps < usual_steps and error < 0.95 * usual_error, (steps, usual_steps, error, usual_error)


def test_in_one_objective_the_way_from_the_network_is_half_as_long(case, body):
    """Until the cost is within 1 % of where the stance's way ends; the network's ends no higher."""
    guess = load_lift()(case.track, body, case.K, case.fps)
    found = ways(case.track, body, case.K, case.fps, guess, drawn=False)
    network, stance = found["network"], found["stance, loose stage first"]
    assert network.cost < 1.001 * stance.cost
    assert network.until(1.01 * stance.cost) <= 0.5 * stance.until(1.01 * stance.cost), (network, stance)


def test_a_guess_that_knows_nothing_draws_nobody(case, body):
    """With infinite deviations the fit is drawn to the relaxed stance, as without a guess, and ends in the same place."""
    guess = load_lift()(case.track, body, case.K, case.fps)
    blind = dataclasses.replace(guess, sigma=np.full_like(guess.sigma, np.inf))
    told = ([lambda _: blind], None, [lambda _: guess])
    drawn = [fit_people([case.track], body, case.K, case.fps, guesses=guesses)[0][0].state for guesses in told]
    off = [np.abs(np.angle(np.exp(1j * (state[:, 6:] - drawn[1][:, 6:])))).mean() for state in drawn]
    assert off[0] < 0.5 * off[2]


@pytest.mark.parametrize(("choice", "said"), [
    ({"regressor": "oracle"}, "no regressor 'oracle'"), ({"regressor": "hsmr"}, "No HSMR checkpoint"),
])  # fmt: skip
def test_a_regressor_that_cannot_be_had_is_refused_before_the_footage_is_read(choice, said):
    with pytest.raises(SkelError, match=said):
        reconstruct(Options(inputs=("nowhere.mp4",), model="none", **choice))


def test_a_guess_of_another_length_is_refused():
    with pytest.raises(ValueError, match="sigma"):
        Guess(np.zeros((3, 46)), np.zeros(10), np.zeros((3, 3)), np.ones((2, 46)))
