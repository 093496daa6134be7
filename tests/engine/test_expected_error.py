# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fit expects to be off: more where a limb was not seen, is missed, or the regressor was unsure of it; nothing where it is fixed."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.anatomy import DOF_INDEX  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.chain import pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.landmarks import MIXTURES  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.camera import R_CAM_LEVEL  # noqa: E402
from skel_blender.engine.fit import Config, View, confidence  # noqa: E402
from skel_blender.engine.fit.alone import doubted  # noqa: E402
from skel_blender.engine.fit.evidence import gather  # noqa: E402
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE  # noqa: E402
from skel_blender.engine.fit.problem import Problem  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.take import DOUBTED  # noqa: E402

FRAMES, BAD = 20, slice(8, 12)
ARM, OTHERS = DOUBTED.index("arm_r"), [k for k, limb in enumerate(DOUBTED) if limb != "arm_r"]
FOREARM = [14, 16, 18, 20, 22]


@pytest.fixture(scope="module")
def case():
    """A body, the state of somebody who stands before a level camera, and the track that shows exactly that."""
    body = load_body("open")
    poses = np.tile(relaxed_pose(), (FRAMES, 1))
    poses[:, DOF_INDEX["elbow_flexion_r"]] = 1.0
    state = torch.cat([torch.tensor([[0.0, 0.0, -4.0]]).double().expand(FRAMES, 3), torch.as_tensor(poses)], 1)
    shape, owner = body.shape(torch.zeros(1, 10).double()), torch.zeros(FRAMES, dtype=torch.long)
    K = np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
    seen = pose_points(shape, owner, pose_chain(shape, owner, state[:, 3:], state[:, :3]), body.markers)[0].numpy() @ R_CAM_LEVEL.T
    imaged = BLAZEPOSE @ seen @ K.T
    keypoints = np.concatenate([imaged[..., :2] / imaged[..., 2:], np.full((FRAMES, 33, 1), 0.9)], -1)
    landmarks = seen - seen[:, [23, 24]].mean(1, keepdims=True)
    view = View(torch.as_tensor(K), torch.as_tensor(R_CAM_LEVEL), torch.zeros(3).double())
    return body, state, Track(np.arange(FRAMES), keypoints, landmarks, np.ones(FRAMES, dtype=bool)), view


def expected(case, track, **evidence) -> np.ndarray:
    body, state, _, view = case
    seen = replace(gather(track, body, view, 30.0), **evidence)
    return doubted(body, seen, Config(), state, torch.zeros(1, 10).double()).numpy()


def test_a_limb_that_was_not_seen_is_doubted_where_it_was_not(case):
    keypoints = case[2].keypoints_2d.copy()
    keypoints[BAD, FOREARM, 2] = 0.0
    usual, error = expected(case, case[2]), expected(case, replace(case[2], keypoints_2d=keypoints))
    assert 0.01 < usual.min() < usual.max() < 0.15
    assert (error[BAD, ARM] > 1.4 * usual[BAD, ARM]).all() and np.allclose(error[:, OTHERS], usual[:, OTHERS], rtol=0.2)
    assert np.allclose(error[[0, -1], ARM], usual[[0, -1], ARM], rtol=0.2)


def test_a_limb_that_is_missed_in_the_image_is_doubted_by_as_much(case):
    keypoints = case[2].keypoints_2d.copy()
    keypoints[BAD, FOREARM, 0] += 50.0  # px, 0.2 m at 4 m
    usual, error = expected(case, case[2]), expected(case, replace(case[2], keypoints_2d=keypoints))
    assert ((error[BAD, ARM] > 0.19) & (error[BAD, ARM] < 0.3)).all() and np.allclose(error[:4], usual[:4], rtol=0.1)
    assert np.allclose(error[:, OTHERS], usual[:, OTHERS], rtol=0.2)


@pytest.mark.parametrize(("landmark", "limb"), [("left_shoulder", "trunk"), ("right_elbow", "arm_r"), ("left_wrist", "arm_l"),
                                               ("right_knee", "leg_r"), ("left_ankle", "leg_l")])  # fmt: skip
def test_a_landmark_that_is_missed_makes_its_own_limb_doubtful(case, landmark, limb):
    keypoints = case[2].keypoints_2d.copy()
    keypoints[BAD, list(MIXTURES).index(landmark), 1] += 60.0
    more = expected(case, replace(case[2], keypoints_2d=keypoints))[BAD].mean(0) - expected(case, case[2])[BAD].mean(0)
    assert DOUBTED[int(more.argmax())] == limb and more.max() > 4 * np.sort(more)[-2]


def test_an_unsure_regressor_makes_its_limb_doubtful(case):
    state = case[1]
    sigma = torch.full((FRAMES, 46), 0.05).double()
    told = {"prior_poses": state[:, 3:], "prior_sigma": sigma}
    sure = expected(case, case[2], **told)
    unsure = sigma.clone()
    unsure[BAD, DOF_INDEX["shoulder_r_x"]] = 1.0
    error = expected(case, case[2], **told | {"prior_sigma": unsure})
    assert (error[BAD, ARM] > 1.3 * sure[BAD, ARM]).all() and np.allclose(error[BAD, OTHERS], sure[BAD, OTHERS], rtol=0.2)


def test_what_is_fixed_is_right_and_makes_its_neighbours_surer(case):
    fixed = torch.zeros(FRAMES, dtype=torch.bool)
    fixed[10] = True
    usual, error = expected(case, case[2]), expected(case, case[2], fixed=fixed)
    assert (error[10] == 0).all() and (error[[9, 11]] < 0.95 * usual[[9, 11]]).all() and np.allclose(error[0], usual[0], rtol=0.2)


def test_where_the_posterior_has_no_width_nobody_knows(case, monkeypatch):
    monkeypatch.setattr(confidence.lapack, "dpbtrf", lambda band, **_: (band, 1))
    assert np.isnan(expected(case, case[2])).all()


def test_the_factor_takes_the_place_of_the_system(case, monkeypatch):
    """Of a long track each is gigabytes."""
    factored, factor = [], confidence.lapack.dpbtrf

    def told(band, **options):
        found = factor(band, **options)
        factored.append(np.shares_memory(found[0], band) and np.shares_memory(band, system[-1].band.numpy()))
        return found

    system, assemble = [], Problem.assemble
    monkeypatch.setattr(Problem, "assemble", lambda *given: system.append(assemble(*given)) or system[-1])
    monkeypatch.setattr(confidence.lapack, "dpbtrf", told)
    expected(case, case[2])
    assert factored == [True]
