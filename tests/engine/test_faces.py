# SPDX-License-Identifier: GPL-3.0-or-later
"""How a head is bent, told by a face whose points are seen deeper and lower than they are, or not seen at all."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.chain import pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.camera import R_CAM_LEVEL, intrinsics  # noqa: E402
from skel_blender.engine.fit import skelify  # noqa: E402
from skel_blender.engine.fit.evidence import gather  # noqa: E402
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE  # noqa: E402
from skel_blender.engine.fit.observations import View  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402

FRAMES, K = 6, intrinsics((1280, 720))
HEAD, BENT = 3 + DOF_INDEX["head_extension"], DOF_INDEX["head_extension"]
FACE = [*range(7), 9, 10]
# Where BlazePose puts the face of the drawn male body that faces the camera: m from the head's joint, aside, up and forward.
SEEN = {0: (0.0, -0.002, 0.112), 1: (0.015, 0.029, 0.094), 2: (0.026, 0.030, 0.087), 3: (0.037, 0.031, 0.081), 7: (0.055, 0.025, 0.029),
        9: (0.017, -0.032, 0.096)}
OPPOSITE = {1: 4, 2: 5, 3: 6, 7: 8, 9: 10}


@pytest.fixture(scope="module")
def body():
    return load_body("open")


def _standing(body, bowed=0.0, about=0.0):
    """Landmarks (T,33,3) m, model axes, of people in the origin who bow their heads and are turned about the vertical, rad."""
    poses = np.tile(relaxed_pose(), (FRAMES, 1))
    poses[:, BENT] = -bowed
    shape, owner = body.shape(torch.zeros(1, 10).double()), torch.zeros(FRAMES, dtype=torch.long)
    chain = pose_chain(shape, owner, torch.as_tensor(poses), torch.zeros(FRAMES, 3).double())
    c, s = np.cos(about), np.sin(about)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return pose_points(shape, owner, chain, body.markers)[0].numpy() @ turn.T


def _fitted(body, seen, markers):
    """(T,) rad by which the head is found bowed: image points (T,33,3) m, metric landmarks (T,33,3) m, both in model axes."""
    level, away = np.asarray(R_CAM_LEVEL), [0.0, 0.0, 4.0]
    imaged, local = (seen @ level.T + away) @ K.T, markers @ level.T
    keypoints = np.concatenate([imaged[..., :2] / imaged[..., 2:], np.full((FRAMES, 33, 1), 0.99)], -1)
    track = Track(np.arange(FRAMES), keypoints, local - local[:, [23, 24]].mean(1, keepdims=True), np.ones(FRAMES, bool))
    view = View(torch.as_tensor(K), torch.as_tensor(level), torch.zeros(3).double())
    found = skelify(body, gather(track, body, view, 30.0))
    return -found.state[:, HEAD].numpy()


@pytest.mark.parametrize("about, least, most", [(0.0, 0.25, 0.6), (np.pi, -0.1, 0.1)])
def test_a_face_bows_the_head_that_is_seen_and_not_one_that_is_turned_away(body, about, least, most):
    straight, bowed = (_standing(body, angle, about) for angle in (0.0, 0.5))
    seen = BLAZEPOSE @ straight
    seen[:, FACE] = (BLAZEPOSE @ bowed)[:, FACE]
    found = _fitted(body, seen, straight)
    assert (found > least).all() and (found < most).all()


def test_a_face_that_is_seen_as_drawn_ones_are_bows_no_head(body):
    straight = _standing(body)
    seen, head = BLAZEPOSE @ straight, body.J_template[JOINT_INDEX["head"]].numpy()
    for landmark, place in SEEN.items():
        seen[:, landmark] = head + place
        if landmark in OPPOSITE:
            seen[:, OPPOSITE[landmark]] = head + np.multiply(place, [-1, 1, 1])
    assert np.abs(_fitted(body, seen, straight)).max() < 0.025
