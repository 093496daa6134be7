# SPDX-License-Identifier: GPL-3.0-or-later
"""How tall people are, if somebody says so: the fit keeps to it, and distances and the floor follow."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine import pipeline  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.anthropometry import REACH, measure, of_stature, sized, stature  # noqa: E402
from skel_blender.engine.fit import Config, Observations, Weights  # noqa: E402
from skel_blender.engine.fit.normal import NormalEquations  # noqa: E402
from skel_blender.engine.fit.people import fit_people  # noqa: E402
from skel_blender.engine.fit.problem import make_problem  # noqa: E402
from skel_blender.engine.fit.terms import priors  # noqa: E402
from skel_blender.engine.floor import Sightings, find_floor  # noqa: E402
from skel_blender.engine.pipeline import Options, reconstruct  # noqa: E402
from skel_blender.engine.refit import refit  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from skel_blender.take import Corrections  # noqa: E402
from tests import skel_file, synthetic_smpl  # noqa: E402
from tests.engine import squatting  # noqa: E402
from tests.engine.test_refit import case as seen_take  # noqa: E402, F401

CHILD = 1.15


@pytest.fixture(scope="module")
def skel(tmp_path_factory):
    """A synthetic file in SKEL's layout."""
    path = tmp_path_factory.mktemp("skel") / "skel_male.pkl"
    return load_body(str(skel_file.write(path, "male", **synthetic_smpl.skel_entries("male")))).to(torch.float64)


@pytest.fixture(scope="module", params=["male", "female", "file"])
def body(request, skel):
    return skel if request.param == "file" else load_body("open", request.param)


@pytest.fixture(params=["open", "file"])
def squat(request, skel, monkeypatch):
    if request.param == "file":
        monkeypatch.setattr(squatting, "load_body", lambda name: skel)
    return squatting.imaged()


def test_a_body_is_as_tall_as_its_tape_says(body):
    betas = np.random.default_rng(5).normal(size=(4, 10))
    tall = stature(body, torch.as_tensor(betas).to(body.J_template))[0]
    assert np.allclose(tall, [measure(body, one).stature for one in betas], atol=1e-9)


def test_the_slope_of_a_stature_is_its_difference(body):
    betas = torch.as_tensor(np.random.default_rng(6).normal(size=(1, 10))).to(body.J_template)
    step = 1e-4 * torch.eye(10).to(betas)
    differences = (stature(body, betas + step)[0] - stature(body, betas - step)[0]) / 2e-4
    assert torch.allclose(differences, stature(body, betas)[1][0], atol=1e-7)


def test_shapes_are_made_so_tall_as_near_as_may_be(body):
    betas = torch.as_tensor(np.random.default_rng(7).normal(size=(1, 10))).to(body.J_template)
    wanted = float(stature(body, betas)[0]) + 0.08
    found = of_stature(body, betas, wanted)
    slope = stature(body, found)[1]
    assert float(stature(body, found)[0]) == pytest.approx(wanted, abs=1e-6)
    assert float((found - betas).norm()) == pytest.approx(0.08 / float(slope.norm()), rel=0.2)
    assert sized(body, wanted) is body


def test_children_and_giants_are_the_body_made_smaller_or_larger(body):
    """Beyond what shapes reach, everything is as much smaller: skin, joints and bones, in any pose."""
    usual, rng = body.J_template.new_zeros(1, 10), np.random.default_rng(8)
    for metres in (CHILD, 2.4):
        own = sized(body, metres)
        nearest = of_stature(own, usual, metres)
        assert float(stature(own, nearest)[0]) == pytest.approx(metres, abs=2e-3) and float(nearest.norm()) <= REACH + 1e-6
        size = float(stature(own, usual)[0] / stature(body, usual)[0])
        assert abs(size - 1) > 0.05
        poses, trans, betas = (torch.as_tensor(rng.normal(size=shape)).to(usual) for shape in ((3, 46), (3, 3), (1, 10)))
        small, large = (one.forward(0.3 * poses, betas, way, skel=True) for one, way in ((own, size * trans), (body, trans)))
        for part in ("joints", "skin_verts", "skel_verts"):
            assert torch.allclose(getattr(small, part), size * getattr(large, part), atol=1e-6), part
        assert torch.allclose(small.joints_ori, large.joints_ori, atol=1e-9)


def test_the_term_is_the_square_of_what_the_stature_lacks_and_knows_its_slope():
    body, config = load_body("open", "male"), Config(Weights(stature_m=0.02))
    seen = Observations(fps=30.0, lengths=(4, 9, 2), statures=(1.9, None, 1.6))
    betas = torch.as_tensor(np.random.default_rng(9).normal(size=(3, 10)))

    def assembled(shared):
        state = torch.zeros(15, 49).double()
        problem = make_problem(body, seen, config, state, (), (priors.known_stature,))
        system = NormalEquations.zeros(problem.owner, 3, 10, state)
        priors.known_stature(system, problem, state, shared)
        return system

    found, tall = assembled(betas), stature(body, betas)[0]
    assert torch.allclose(found.cost, torch.tensor([4.0, 0.0, 2.0]) * ((tall - torch.tensor([1.9, 0.0, 1.6])) / 0.02) ** 2)
    step = 1e-5 * torch.eye(10).double()
    for k in range(10):
        differences = (assembled(betas + step[k]).cost - assembled(betas - step[k]).cost) / 4e-5  # half the gradient
        assert torch.allclose(found.shared_gradient[:, k], differences, rtol=1e-5, atol=1e-6)
        curved = (assembled(betas + step[k]).shared_gradient - assembled(betas - step[k]).shared_gradient) / 2e-5
        assert torch.allclose(found.shared[:, k], curved, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="statures"):
        replace(seen, statures=(1.8,)).checked()


@pytest.mark.parametrize("metres", [CHILD, 1.55, 1.95])
def test_who_is_said_to_be_small_or_tall_is_as_much_nearer_or_farther(squat, metres):
    """The same pictures, of an actor of another size: the truth is the squat's, made as large."""
    (fit,), view = fit_people([squat.track], squat.body, squat.K, squatting.FPS, statures=(metres,))
    betas = torch.as_tensor(fit.betas)[None]
    assert float(stature(fit.body, betas)[0]) == pytest.approx(metres, abs=5e-3)
    size = metres / float(stature(squat.body, torch.zeros(1, 10).double())[0])
    state = torch.as_tensor(fit.state)
    pelvis = fit.body.joints(state[:, 3:], betas, state[:, :3])[:, 0] @ view.R.T + view.t
    found, true = (np.linalg.norm(path, axis=-1).mean() for path in (pelvis.numpy(), squat.joints[:, 0]))
    assert found == pytest.approx(size * true, rel=0.03)
    assert abs(float(view.eye[1]) - 1.7 * size) < abs(float(view.eye[1]) - 1.7)  # m over the floor


def test_one_stature_is_everybodys_and_several_are_by_peoples_numbers(squat):
    """Whoever is not there, as he was left out or is somebody else, passes nothing on."""
    tracks = [replace(squat.track, number=number) for number in (1, 3, 5)]
    assert pipeline._of_each((1.8,), tracks) == (1.8, 1.8, 1.8)
    assert pipeline._of_each((1.8, 1.7, None, 1.6), tracks) == (1.8, None, None)
    assert pipeline._of_each((None, None, 1.6), tracks) == (None, 1.6, None)
    assert pipeline._of_each((), tracks) == (None, None, None)


def test_the_floor_is_under_those_whose_size_is_known():
    """The others are put on it by their distance; who is as tall as somebody said stays where he is."""
    up = np.tile([0.0, 1.0, 0.0], (20, 1))
    feet = [np.column_stack([np.linspace(-2, 2, 20), np.full(20, height), np.linspace(-6, -3, 20)]) for height in (-1.5, -1.6)]
    plain = find_floor([Sightings(one, up, up) for one in feet])
    known = find_floor([Sightings(one, up, up, sized=sized) for one, sized in zip(feet, (False, True))])
    assert plain.height == pytest.approx(plain.levels[0]) and known.height == pytest.approx(known.levels[1])
    assert plain.nearer(0) == known.nearer(1) == 1.0
    assert known.nearer(0) == pytest.approx(known.levels[1] / known.levels[0]) and known.nearer(0) > 1.02


def test_a_take_says_what_was_asked_and_has_bodies_so_tall(monkeypatch):
    seen = squatting.imaged()
    source = SimpleNamespace(
        size=squatting.SIZE, fps=Fraction(30), path=Path("clip.mp4"), frame_numbers=tuple(range(60)), cuts=[], focal_hints={}
    )
    monkeypatch.setattr(pipeline, "open_source", lambda *arguments: source)
    monkeypatch.setattr(pipeline, "find_people", lambda *arguments: [seen.track])
    options = Options(("clip.mp4",), "none", camera="still", regressor="stance", fov=60.0, stature=(CHILD,))
    take = reconstruct(options)
    assert np.ptp(take.people[0].body.skin_verts[:, 1]) == pytest.approx(CHILD, abs=2e-3) and take.people[0].body_name == "open male"
    assert json.loads(take.settings)["stature"] == [CHILD]
    with pytest.raises(SkelError, match="2 heights are given, for 1 person"):
        reconstruct(replace(options, stature=(1.7, 1.8)))


def test_a_child_is_fitted_again_as_a_child(seen_take):  # noqa: F811
    """Re-fit makes the body as large as the Take's; a body of another kind is still told from it."""
    take, poses, trans = seen_take
    person, small = take.people[0], load_body("open").scaled(0.7)
    child = replace(person, body=small.rest_body(person.betas), trans=0.7 * person.trans)
    camera = replace(take.camera, world_to_cam=take.camera.world_to_cam * np.array([[1, 1, 1, 0.7]] * 3 + [[1, 1, 1, 1]]))
    take = replace(take, people=[child], camera=camera)
    again = refit(take, 0, Corrections(np.array([30]), poses[[20]], 0.7 * trans[[20]])).people[0]
    off = np.linalg.norm(again.joints()[:, 0] - child.joints()[:, 0], axis=1)
    assert off.max() < 0.02 and np.nanmax(again.reprojection_error) < 2.0
    other = replace(child, body=load_body("open", "female").rest_body(person.betas))
    with pytest.raises(SkelError, match="another version"):
        refit(replace(take, people=[other]), 0, Corrections(np.array([30]), poses[[20]], trans[[20]]))
