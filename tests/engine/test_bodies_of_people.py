# SPDX-License-Identifier: GPL-3.0-or-later
"""Which body each person has, if somebody says so: guess, fit and Take are of that body."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender import take as takes  # noqa: E402
from skel_blender.engine import pipeline  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.fit import people  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.engine.pipeline import Options, reconstruct  # noqa: E402
from skel_blender.engine.refit import refit  # noqa: E402
from skel_blender.engine.regress import load_lift  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from skel_blender.take import Corrections  # noqa: E402
from tests import skel_file, synthetic_smpl  # noqa: E402
from tests.engine import squatting  # noqa: E402

FRAMES = 16


@pytest.fixture(scope="module")
def squat():
    """A part of the squats in which they are seen."""
    whole = squatting.imaged()
    seen = slice(squatting.HIDDEN.stop, squatting.HIDDEN.stop + FRAMES)
    parts = (part[seen] for part in (whole.track.keypoints_2d, whole.track.landmarks_3d, whole.track.observed))
    return replace(whole, track=Track(np.arange(FRAMES), *parts))


@pytest.fixture(scope="module")
def skel(tmp_path_factory):
    """The path of a synthetic file in SKEL's layout."""
    path = tmp_path_factory.mktemp("skel") / "skel_male.pkl"
    return str(skel_file.write(path, "male", **synthetic_smpl.skel_entries("male")))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(people, "STAGES", tuple(replace(stage, iterations=3) for stage in people.STAGES))


@pytest.fixture
def clip(squat, monkeypatch):
    """Options of a clip in which two people squat alike."""
    source = SimpleNamespace(
        size=squatting.SIZE, fps=Fraction(30), path=Path("clip.mp4"), frame_numbers=tuple(range(FRAMES)), cuts=[], focal_hints={}
    )
    monkeypatch.setattr(pipeline, "open_source", lambda *arguments: source)
    monkeypatch.setattr(pipeline, "find_people", lambda *arguments: [squat.track, squat.track])
    return Options(("clip.mp4",), "none", camera="still", fov=60.0)


def test_everybody_is_fitted_with_his_own_body_from_the_guess_of_that_body(squat):
    female, lift = load_body("female"), load_lift().seen(squat.track, squat.K, squatting.FPS)
    asked = []

    def guess(number):
        return lambda body: asked.append((number, body)) or lift(body)

    guesses = [guess(number) for number in range(3)]
    fits, _ = people.fit_people([squat.track] * 3, squat.body, squat.K, squatting.FPS, guesses=guesses, bodies=(None, female, None))
    own = [squat.body, female, squat.body]
    assert asked == list(enumerate(own)) and [fit.body for fit in fits] == own
    assert np.allclose(fits[0].betas, fits[2].betas, atol=1e-6) and np.abs(fits[0].betas - fits[1].betas).max() > 0.2
    for fit in fits:
        assert np.nanmedian(fit.reprojection_error) < 4.0


def test_a_take_holds_a_body_for_each_and_is_fitted_again_with_it(clip, tmp_path):
    takes.save(reconstruct(replace(clip, body=("", "female"))), tmp_path / "take.npz")
    take = takes.load(tmp_path / "take.npz")
    assert [person.body_name for person in take.people] == ["open male", "open female"]
    assert json.loads(take.settings)["body"] == ["", "female"]
    for person, name in zip(take.people, ("male", "female")):
        assert np.allclose(load_body(name).rest_body(person.betas).skin_verts, person.body.skin_verts, atol=1e-6)
    for number, person in enumerate(take.people):
        wanted = person.poses[[8]] + 0.02
        again = refit(take, number, Corrections(person.frames[[8]], wanted, person.trans[[8]]), (6, 11)).people[number]
        assert np.allclose(again.poses[8], wanted[0]) and again.body_name == person.body_name


def test_open_bodies_and_files_may_stand_side_by_side(clip, skel, tmp_path):
    takes.save(reconstruct(replace(clip, body=(skel, "female"))), tmp_path / "take.npz")
    first, second = takes.load(tmp_path / "take.npz").people
    assert (first.body_name, second.body_name) == ("SKEL male", "open female")
    assert first.body.posedirs is not None and second.body.posedirs is None


def test_hsmr_has_the_first_file_for_who_is_not_said_to_have_another(skel):
    usual, bodies = pipeline._bodies(Options((), "", regressor="hsmr", body=("", skel)), torch.device("cpu"))
    assert usual.name == "SKEL male" and bodies == (usual, usual)
    assert pipeline._bodies(Options((), "", body=("", skel)), torch.device("cpu"))[0].name == "open male"


@pytest.mark.parametrize(("choice", "said"), [
    ({"body": ("male", "elf")}, "There is no body 'elf'"),
    ({"body": ("male", "", "female")}, "3 bodies are given, for 2 people"),
    ({"body": ("female",), "regressor": "hsmr", "hsmr": "h.ckpt"}, "not of the body 'open female'"),
])  # fmt: skip
def test_bodies_that_cannot_be_had_are_refused_before_the_fit(clip, monkeypatch, choice, said):
    monkeypatch.setattr(pipeline, "fit_people", lambda *arguments, **named: pytest.fail("people were fitted"))
    with pytest.raises(SkelError, match=said):
        reconstruct(replace(clip, **choice))


def test_of_several_bodies_hsmr_takes_none_that_is_open(skel):
    options = Options((), "", regressor="hsmr", hsmr="h.ckpt", body=(skel, "female"))
    usual, bodies = pipeline._bodies(options, torch.device("cpu"))
    with pytest.raises(SkelError, match="not of the body 'open female'"):
        pipeline._regressor(options, (usual, *bodies), torch.device("cpu"), print)
