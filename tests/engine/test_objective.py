# SPDX-License-Identifier: GPL-3.0-or-later
"""Each term of the objective by itself, on both kinds of body: it speaks, and its gradient is that of its cost."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.fit import Config, Observations, View, Weights, problem  # noqa: E402
from skel_blender.engine.fit.contacts import GRAVITY  # noqa: E402
from skel_blender.engine.fit.normal import S  # noqa: E402
from skel_blender.engine.fit.observations import Girths  # noqa: E402
from skel_blender.engine.fit.skelify import PRIOR_TERMS, SIGHT_TERMS  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402
from tests import skel_file  # noqa: E402

FRAMES, PERSON = 14, 9  # two people, one after the other
TERMS = {term.__name__: ((term,), ()) for term in SIGHT_TERMS} | {term.__name__: ((), (term,)) for term in PRIOR_TERMS}
# So wide that each of them is felt at a state that is far from all evidence.
WEIGHTS = Weights(limit=0.7, adaptive=1.5, target_m=0.2, pin_m=0.1, angle_leap=0.2, balance_robust=30.0, midline_m=0.2)


@pytest.fixture(scope="module", params=["open", "SKEL"])
def body(request, tmp_path_factory):
    """The SKEL file's skin answers to the pose, and its joint frames follow the shape."""
    if request.param == "open":
        return load_body("open")
    return load_body(skel_file.write(tmp_path_factory.mktemp("body") / "skel_male.pkl", "male")).to(torch.float64)


@pytest.fixture(scope="module")
def case(body):
    """Two people who stand on the floor before a level camera, with nonsense of every kind said about them, and a state near them."""
    rng = np.random.default_rng(4)

    def noise(*shape):
        return torch.as_tensor(rng.normal(size=shape))

    view = View(torch.tensor([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]]).double(), torch.diag(torch.tensor([1.0, -1, -1])).double(),
                torch.tensor([0.0, 1.0, 5.0]).double())  # fmt: skip
    count = len(body.markers)
    state = torch.cat([torch.zeros(FRAMES, 3).double(), torch.as_tensor(relaxed_pose()).repeat(FRAMES, 1)], 1)
    state += noise(FRAMES, S) * torch.tensor([0.01] * 3 + [0.2] * (S - 3))  # hardly going, or balance would ask for little
    places = noise(FRAMES, count, 3)
    seen = Observations(
        30.0, (PERSON, FRAMES - PERSON), view=view, statures=(1.6, 1.95),
        keypoints_2d=torch.cat([640 + 300 * noise(FRAMES, count, 2), torch.ones(FRAMES, count, 1)], -1), keypoint_points=body.markers,
        landmarks_3d=0.4 * places, landmark_points=body.markers, targets=places, target_points=body.markers,
        pins=torch.where(noise(FRAMES, count, 1) < -1.3, places, torch.nan), pin_points=body.markers,
        prior_poses=state[:, 3:] + 0.3 * noise(FRAMES, S - 3), prior_sigma=0.2 + noise(FRAMES, S - 3).abs(),
        prior_turns=torch.as_tensor(axis_rotation(np.array([0.6, 0.0, 0.8]), rng.uniform(-3, 3, FRAMES))),
        prior_turns_sigma=0.1 + noise(FRAMES).abs(), midlines=_lines(noise), midline_points=body.markers.select(list(range(11, 22))),
        girths=tuple(Girths(noise(4, 10), noise(4), noise(4).abs()) for _ in range(2)),
        contacts=noise(FRAMES, 6).clip(0, 1), airborne=torch.arange(FRAMES) % PERSON > 0,
    )  # fmt: skip
    state[:, 1] += 0.1 - float(body.soles.at_rest(torch.zeros(1, 10).double())[..., 1].min())
    return seen, state


def _lines(noise):
    """(F,11,3) lines through the image, a few of which nobody saw."""
    normal = torch.nn.functional.normalize(noise(FRAMES, 11, 2), dim=-1)
    lines = torch.cat([normal, (normal * torch.tensor([640.0, 360.0])).sum(-1, keepdim=True) + 100 * noise(FRAMES, 11, 1)], -1)
    return torch.where(noise(FRAMES, 11, 1) < -1.3, torch.nan, lines)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_speaks_and_its_gradient_is_that_of_its_cost(body, case, term):
    """Against central differences, by every angle, place and shape at once."""
    seen, state = case
    made = problem.make_problem(body, seen.checked(), Config(WEIGHTS), state, *TERMS[term])
    rng = np.random.default_rng(6)
    shared = torch.as_tensor(0.3 * rng.normal(size=(2, 10)))
    system = made.assemble(state, shared)
    assert (system.cost > 0).all()
    step = 1e-6
    for _ in range(6):
        move, shape = torch.as_tensor(rng.normal(size=(FRAMES, S))), torch.as_tensor(rng.normal(size=(2, 10)))
        ahead = made.assemble(state + step * move, shared + step * shape).cost
        behind = made.assemble(state - step * move, shared - step * shape).cost
        by_state = (system.gradient * move).sum(-1)
        wanted = 2 * torch.stack([by_state[:PERSON].sum(), by_state[PERSON:].sum()]) + 2 * (system.shared_gradient * shape).sum(-1)
        assert ((ahead - behind) / (2 * step)).tolist() == pytest.approx(wanted.tolist(), rel=1e-4, abs=1e-6 * float(system.cost.max()))


def test_who_falls_as_things_do_costs_nothing(body):
    """Nor does who goes on meanwhile; one who falls upward does."""
    when = torch.arange(FRAMES).double()[:, None] / 30.0
    for gravity, falls in ((GRAVITY, True), (-GRAVITY, False), (0.0, False)):
        place = torch.cat([0.7 * when, 3.0 - 0.5 * gravity * when**2, -0.4 * when], 1)
        state = torch.cat([place, torch.as_tensor(relaxed_pose()).repeat(FRAMES, 1)], 1)
        seen = Observations(30.0, (FRAMES,), airborne=torch.ones(FRAMES, dtype=torch.bool))
        made = problem.make_problem(body, seen, Config(), state, *TERMS["flight"])
        cost = float(made.assemble(state, torch.zeros(1, 10).double()).cost)
        assert (cost < 1e-9) if falls else (cost > 1.0)
