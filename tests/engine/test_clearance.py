# SPDX-License-Identifier: GPL-3.0-or-later
"""Limbs do not go through each other: capsules lie in the skin, hands come out of thighs along the view, and what is apart is left alone.

That the term's gradient is that of its cost is in test_objective."""

from dataclasses import replace
from math import inf

import pytest

torch = pytest.importorskip("torch")

from bin.benchmarks.piercing import depths  # noqa: E402
from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.fit import Config, Observations, View, Weights, skelify  # noqa: E402
from skel_blender.engine.fit.capsules import capsules  # noqa: E402
from skel_blender.engine.fit.normal import NormalEquations, S  # noqa: E402
from skel_blender.engine.fit.problem import make_problem  # noqa: E402
from skel_blender.engine.fit.scene.sightings import places  # noqa: E402
from skel_blender.engine.fit.terms.clearance import clearance  # noqa: E402

FRAMES = 6
NONE = torch.zeros(1, 10).double()
K = torch.tensor([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]).double()
VIEW = View(K, torch.diag(torch.tensor([1.0, -1, -1])).double(), torch.tensor([0.0, 0.0, 5.0]).double())  # level, five metres before it


def _posed(**angles):
    state = torch.cat([torch.zeros(3).double(), torch.as_tensor(relaxed_pose())])
    for name, angle in angles.items():
        state[3 + DOF_INDEX[name]] = angle
    return state.repeat(FRAMES, 1)


def _seen(body, state):
    eye = torch.as_tensor(places(body, state, NONE, body.markers)) @ VIEW.R.T + VIEW.t
    pixels = (eye @ K.T)[..., :2] / eye[..., 2:]
    return Observations(30.0, (FRAMES,), VIEW, keypoints_2d=torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1),
                        keypoint_points=body.markers, landmarks_3d=eye - eye[:, [23, 24]].mean(1, keepdim=True),
                        landmark_points=body.markers)  # fmt: skip


def _deepest(body, state):
    """m by which any point is inside a capsule, of all frames; negative if none is."""
    made = capsules(body)
    where = torch.as_tensor(places(body, state, NONE, made.points))
    mover, start, end = (where[:, number] for number in made.numbers)
    steps = torch.linspace(0, 1, 101).double()[:, None, None, None]
    axis = (start + steps * (end - start), made.radius[0] + steps[..., 0] * (made.radius[1] - made.radius[0]))
    return float((axis[1] - (mover - axis[0]).norm(dim=-1)).max())


@pytest.fixture(scope="module")
def in_thigh(body):
    """Both arms hang so far inward that the hands are in the thighs."""
    return _posed(shoulder_r_x=1.65, shoulder_l_x=-1.65)


@pytest.mark.parametrize("sex", ["male", "female"])
def test_a_capsule_is_as_thick_as_the_limb(sex):
    """Of thin and stout bodies: half the skin of thighs and shanks is within two centimetres of the capsule's surface."""
    body = load_body("open", sex)
    made = capsules(body)
    thigh, shank = ([JOINT_INDEX[f"{bone}_r"]] for bone in ("femur", "tibia"))
    for betas in (NONE, NONE + torch.tensor([[0.0, 2.0] + [0.0] * 8]).double(), NONE - torch.tensor([[0.0, 2.0] + [0.0] * 8]).double()):
        skin = body.skin.at_rest(betas)[0]
        ends = made.points.at_rest(betas)[0]
        radii = made.radius + (made.radius_by_betas @ betas[0])
        for joint in (thigh, shank):
            pair = next(k for k, number in enumerate(made.numbers[1].tolist()) if made.points.joint[number] == joint[0]
                        and made.points.names[int(made.numbers[0, k])] == "wrist")  # fmt: skip
            start, end = ends[made.numbers[1, pair]], ends[made.numbers[2, pair]]
            own = skin[body.skin.weights[:, joint].sum(1) > 0.9]
            along = ((own - start) @ (end - start)) / ((end - start) ** 2).sum()
            own, along = own[(along > 0) & (along < 1)], along[(along > 0) & (along < 1)]
            off = (own - start - along[:, None] * (end - start)).norm(dim=1) - (1 - along) * radii[0, pair] - along * radii[1, pair]
            assert float(off.abs().median()) < 0.02 and float(off.median().abs()) < 0.015


def test_hands_come_out_of_the_thighs_along_the_view(body, in_thigh):
    """Told to be inside by the image and the landmarks alike; in the image they hardly move."""
    assert _deepest(body, in_thigh) > 0.03
    seen = _seen(body, in_thigh)
    fits = [skelify(body, seen, (in_thigh[:, 3:], NONE, in_thigh[:, :3]), Config(weights, fit_shape=False)).state
            for weights in (Weights(clearance_m=inf), Weights())]  # fmt: skip
    inside, out = (_deepest(body, state) for state in fits)
    assert inside > 0.03 and out < 0.5 * inside
    hands = body.markers.select(["right_wrist", "left_wrist", "right_index", "left_index"])
    moved = abs(places(body, fits[1], NONE, hands) - places(body, fits[0], NONE, hands)).max(axis=(0, 1))
    assert moved[2] > 0.02 and max(moved[0], moved[1]) < 0.1 * moved[2]


def test_the_benchmark_sees_hands_in_thighs(body, in_thigh):
    arms, legs = zip(*(depths(body, state[:1, 3:].numpy(), NONE[0].numpy(), state[:1, :3].numpy()) for state in (in_thigh, _posed())))
    assert arms[0][0] > 50.0 and arms[1][0] < 10.0 and legs[0][0] == legs[1][0] == 0.0


def test_what_is_apart_and_what_has_no_view_costs_nothing(body, in_thigh):
    for state, view, costs in ((_posed(), VIEW, False), (in_thigh, VIEW, True), (in_thigh, None, False)):
        seen = Observations(30.0, (FRAMES,), view=view)
        made = make_problem(body, seen, Config(), state, (clearance,), ())
        assert (float(made.assemble(state, NONE).cost) > 0) == costs


def test_one_person_s_hands_are_no_matter_of_another_s(body, in_thigh):
    """Two people in one system, of different shapes, cost what they cost alone."""
    stout = NONE + 1.0
    both = torch.cat([in_thigh, _posed(), in_thigh])
    seen = Observations(30.0, (FRAMES, FRAMES, FRAMES), view=VIEW)
    costs = make_problem(body, seen, Config(), both, (clearance,), ()).assemble(both, torch.cat([NONE, NONE, stout])).cost
    alone = [float(make_problem(body, replace(seen, lengths=(FRAMES,)), Config(), in_thigh, (clearance,), ()).assemble(in_thigh, b).cost)
             for b in (NONE, stout)]  # fmt: skip
    assert costs.tolist() == pytest.approx([alone[0], 0.0, alone[1]]) and alone[0] != pytest.approx(alone[1], rel=0.01)


def test_rows_of_single_frames_are_those_of_frames_in_a_row():
    generator = torch.Generator().manual_seed(1)
    columns, owner = list(range(6, S, 2)), torch.tensor([0, 0, 0, 1, 1])
    shapes = ((3, 4), (3, 4, len(columns)), (3, 4, 10), (3,))
    residual, by_state, by_shared, cost = (torch.rand(*shape, generator=generator).double() for shape in shapes)
    rows, frames = (NormalEquations.zeros(owner, 2, 10, torch.zeros(1).double()) for _ in range(2))
    rows.add_rows(columns, 1, residual, [by_state], by_shared, cost)
    frames.add_frames(columns, torch.tensor([3, 1, 2]), *(part[[2, 0, 1]] for part in (residual, by_state, by_shared, cost)))
    for name in ("band", "gradient", "cross", "shared", "shared_gradient", "cost"):
        assert torch.allclose(getattr(rows, name), getattr(frames, name))
    assert float(rows.band.abs().sum()) > 0
