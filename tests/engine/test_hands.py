# SPDX-License-Identifier: GPL-3.0-or-later
"""How hands are turned, told by knuckles that are seen nearer together than they are."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.anatomy import DOF_INDEX  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.chain import pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.camera import R_CAM_LEVEL, intrinsics  # noqa: E402
from skel_blender.engine.fit import skelify  # noqa: E402
from skel_blender.engine.fit.evidence import gather  # noqa: E402
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE, keypoint_points  # noqa: E402
from skel_blender.engine.fit.observations import View  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402

FRAMES, K = 8, intrinsics((1280, 720))
HANDS = {"left": (15, 19, 17, 21), "right": (16, 20, 18, 22)}  # wrist, index, pinky, thumb
# Where four cameras put BlazePose's image keypoints of a man's hand: m from the wrist to the middle of the knuckles, towards the index.
SEEN = np.array([[0.078, 0.013], [0.072, -0.013], [0.060, 0.024]])


@pytest.fixture(scope="module")
def body():
    return load_body("open")


def _placed(body, poses, points):
    """(T,K,3) m, model axes, of people who stand in the origin."""
    shape, owner = body.shape(torch.zeros(1, 10).double()), torch.zeros(len(poses), dtype=torch.long)
    chain = pose_chain(shape, owner, torch.as_tensor(poses), torch.zeros(len(poses), 3).double())
    return pose_points(shape, owner, chain, points)[0].numpy()


def _palms(markers):
    """(T,2,3,3) of landmarks (T,33,3): along the palm, out of it, across it."""
    palms = []
    for wrist, index, pinky, _ in HANDS.values():
        along = 0.5 * (markers[:, index] + markers[:, pinky]) - markers[:, wrist]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        out = np.cross(markers[:, index] - markers[:, wrist], markers[:, pinky] - markers[:, wrist])
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        palms.append(np.stack([along, out, np.cross(along, out)], -1))
    return np.stack(palms, 1)


def test_hands_are_turned_as_they_were_though_their_knuckles_are_seen_too_near_together(body):
    poses = np.tile(relaxed_pose(), (FRAMES, 1))
    for side, turned in (("l", -0.3), ("r", 0.5)):
        poses[:, DOF_INDEX[f"elbow_flexion_{side}"]] = 1.0
        poses[:, DOF_INDEX[f"pro_sup_{side}"]] = turned + np.linspace(-0.3, 0.3, FRAMES)
    markers = _placed(body, poses, body.markers)
    seen, palms = BLAZEPOSE @ markers, _palms(markers)
    for palm, (wrist, *others) in zip(np.moveaxis(palms, 1, 0), HANDS.values()):
        across = np.where(np.einsum("ti,ti->t", palm[..., 2], markers[:, others[0]] - markers[:, others[1]]) > 0, 1.0, -1.0)
        seen[:, others] = markers[:, [wrist]] + SEEN[:, :1] * palm[:, None, :, 0] + SEEN[:, 1:] * (across[:, None] * palm[..., 2])[:, None]
    level, away = np.asarray(R_CAM_LEVEL), [0.0, 0.0, 4.0]
    imaged, local = (seen @ level.T + away) @ K.T, markers @ level.T
    keypoints = np.concatenate([imaged[..., :2] / imaged[..., 2:], np.full((FRAMES, 33, 1), 0.9)], -1)
    track = Track(np.arange(FRAMES), keypoints, local - local[:, [23, 24]].mean(1, keepdims=True), np.ones(FRAMES, bool))
    view = View(torch.as_tensor(K), torch.as_tensor(level), torch.zeros(3).double())
    evidence = gather(track, body, view, 30.0)

    def off(observations):
        found = _palms(_placed(body, skelify(body, observations).poses.numpy(), body.markers))
        return np.degrees(np.arccos(np.clip((np.einsum("thij,thij->th", found, palms) - 1) / 2, -1, 1))).mean()

    told = off(evidence)
    assert told < 15.0
    assert told < 0.88 * off(replace(evidence, keypoint_points=body.markers))  # as if they were seen where they are


@pytest.mark.parametrize("rigid", [True, False])
def test_a_sum_of_points_is_where_its_members_posed_are(body, rigid):
    points = body.markers if rigid else body.markers.joined(body.vertex_points([0, 500, 900], ("a", "b", "c")))
    poses = np.random.default_rng(0).normal(0.0, 0.3, (3, 46))
    shares = np.zeros((2, len(points)))
    shares[0, [15, 19, 17]] = 0.5, 0.7, -0.2  # they ride one joint
    shares[1, [0, 13, -1]] = 0.2, 0.3, 0.5  # these do not
    mixed = points.mixed(("hand", "anywhere"), shares)
    assert mixed.names == ("hand", "anywhere") and mixed.select(["hand"]).is_rigid
    assert np.allclose(_placed(body, poses, mixed), shares @ _placed(body, poses, points), atol=1e-12)


def test_what_blazepose_sees_of_hands_rides_them(body):
    seen = keypoint_points(body, "blazepose33")
    hands = [number for side in HANDS.values() for number in side[1:]]
    knuckles, bare = seen.select(hands), body.markers.select(hands)
    assert seen.names == body.markers.names and knuckles.is_rigid and torch.equal(knuckles.joint, bare.joint)
    assert ((knuckles.template - bare.template).norm(dim=1) > 0.02).all()
