# SPDX-License-Identifier: GPL-3.0-or-later
"""A body's tape measures, and shapes fitted to measures."""

from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.anthropometry import NAMES, REACH, TOLERANCE, fit_shape, measure  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests import skel_file, synthetic_smpl  # noqa: E402

SEXES = ("male", "female")
# Means of the ANSUR II survey (US Army 2012): stature, crotch height, span, bideltoid breadth, weight.
SURVEY = {"male": (1.7562, 0.8459, 1.8142, 0.5104, 85.5), "female": (1.6285, 0.7823, 1.6603, 0.4503, 67.8)}
NEAR_SURVEY = (0.015, 0.015, 0.015, 0.015, 4.0)


@pytest.fixture(scope="module", params=SEXES)
def body(request):
    return load_body("open", request.param)


def as_row(measures):
    return np.array([getattr(measures, name) for name in NAMES])


def test_the_mean_body_measures_like_the_surveyed_mean(body):
    assert (np.abs(as_row(measure(body, np.zeros(10))) - SURVEY[body.name.split()[-1]]) < NEAR_SURVEY).all()


def test_measures_scale_with_the_body(body):
    larger = replace(body, skin=replace(body.skin, template=1.1 * body.skin.template), J_template=1.1 * body.J_template)
    ratio = as_row(measure(larger, np.zeros(10))) / as_row(measure(body, np.zeros(10)))
    assert np.abs(ratio - [1.1, 1.1, 1.1, 1.1, 1.331]).max() < 2e-3


def test_shapes_are_found_again_by_their_measures(body):
    allowed = np.array([TOLERANCE.get(name, 5e-3) for name in NAMES])
    for betas in np.random.default_rng(3).normal(size=(8, 10)):
        wanted = measure(body, betas)
        found = fit_shape(body, wanted)
        assert (np.abs(as_row(measure(body, found)) - as_row(wanted)) < allowed).all()
        assert np.linalg.norm(found) <= np.linalg.norm(betas) + 0.2  # the most usual shape that has them


def test_one_measure_leaves_the_rest_near_the_mean(body):
    usual = measure(body, np.zeros(10))
    betas = fit_shape(body, {"stature": usual.stature + 0.1})
    assert abs(measure(body, betas).stature - usual.stature - 0.1) < 5e-3
    assert np.abs(betas).max() < 2.0 and measure(body, betas).inseam > usual.inseam + 0.03
    heavier = fit_shape(body, {"stature": usual.stature, "mass": usual.mass + 15})
    assert abs(measure(body, heavier).mass - usual.mass - 15) < 0.5
    assert abs(measure(body, heavier).stature - usual.stature) < 5e-3


def test_the_mean_measures_give_the_mean_shape(body):
    assert np.abs(fit_shape(body, asdict(measure(body, np.zeros(10))))).max() < 1e-6
    assert not fit_shape(body, {}).any()


def test_out_of_reach_is_said_with_the_nearest(body):
    with pytest.raises(SkelError, match="stature 2.600 m.*nearest has stature [12]"):
        fit_shape(body, {"stature": 2.6})
    with pytest.raises(SkelError):
        fit_shape(body, {"stature": 1.9, "mass": 30.0})
    edge = measure(body, np.array([REACH, *np.zeros(9)]))
    assert np.linalg.norm(fit_shape(body, {"stature": edge.stature - 1e-3})) <= REACH + 1e-9


@pytest.mark.parametrize("given", [{"height": 1.8}, {"stature": -1.0}, {"mass": float("nan")}])
def test_what_is_no_measure_is_refused(body, given):
    with pytest.raises(SkelError):
        fit_shape(body, given)


def test_a_skel_file_is_measured_and_fitted_too(tmp_path):
    path = skel_file.write(tmp_path / "skel_female.pkl", "female", **synthetic_smpl.skel_entries("female"))
    skel = load_body(str(path))
    usual = measure(skel, np.zeros(10))
    assert 1.4 < usual.stature < 2.0 and 0.4 < usual.inseam / usual.stature < 0.52
    assert 0.9 < usual.arm_span / usual.stature < 1.15 and 0.2 < usual.shoulder_breadth / usual.stature < 0.35
    wanted = measure(skel, np.full(10, 0.4))
    found = measure(skel, fit_shape(skel, {"stature": wanted.stature, "mass": wanted.mass}))
    assert abs(found.stature - wanted.stature) < 5e-3 and abs(found.mass - wanted.mass) < 0.5
