# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify as other programs call it: bad evidence, several people, pins, fixed frames, an unknown lens, other detectors' keypoints."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.anatomy import DOF_INDEX, JOINT_NAMES  # noqa: E402
from skel_blender.engine.body.chain import pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.points import joints_as_points  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.camera import intrinsics  # noqa: E402
from skel_blender.engine.fit import Config, Observations, View, Weights, skelify  # noqa: E402
from skel_blender.engine.fit.keypoint_sets import NAMES, keypoint_points  # noqa: E402
from skel_blender.kinematics import axis_rotation  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402

FRAMES, F_PX = 24, 1000.0
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def truth():
    """Somebody who lifts an arm and steps aside: poses (T,46), trans (T,3)."""
    when = np.linspace(0, 1, FRAMES)
    poses = np.tile(relaxed_pose(), (FRAMES, 1))
    poses[:, DOF_INDEX["shoulder_r_x"]] = 1.3 - 1.2 * when
    poses[:, DOF_INDEX["hip_flexion_l"]] = 0.6 * np.sin(np.pi * when)
    poses[:, DOF_INDEX["knee_angle_l"]] = 0.1 + 0.9 * np.sin(np.pi * when)
    poses[:, DOF_INDEX["pelvis_rotation"]] = 0.3
    return torch.as_tensor(poses), torch.as_tensor(np.stack([0.5 * when, np.zeros(FRAMES), np.full(FRAMES, -4.0)], 1))


def _where(body, poses, trans, points):
    shape, owner = body.shape(torch.zeros(1, 10).double()), torch.zeros(len(poses), dtype=torch.long)
    return pose_points(shape, owner, pose_chain(shape, owner, poses, trans), points)[0]


def _seen(body, truth, points, focal=F_PX, noise=1.0, metric=False):
    """Keypoints of `points` in a level camera at the origin, with noise in px."""
    view = View(torch.tensor([[focal, 0, 640], [0, focal, 360], [0, 0, 1]]).double(), torch.diag(torch.tensor([1.0, -1, -1])).double(),
                torch.zeros(3).double())  # fmt: skip
    where = _where(body, *truth, points)
    imaged = (where @ view.R.T) @ view.K.T
    rng = np.random.default_rng(0)
    pixels = imaged[..., :2] / imaged[..., 2:] + torch.as_tensor(rng.normal(0, noise, (*where.shape[:2], 2)))
    seen = Observations(30.0, (len(where),), view, torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1), points)
    if metric:
        hips = where[:, [23, 24]].mean(1, keepdim=True)
        seen = replace(seen, landmarks_3d=(where - hips) @ view.R.T, landmark_points=points)
    return seen


def _error(body, truth, poses, trans):
    points = joints_as_points(body.J_template, body.J_shapedirs)
    found, true = _where(body, poses, trans, points), _where(body, *truth, points)
    return ((found - found[:, :1]) - (true - true[:, :1])).norm(dim=-1)


def test_ill_posed_frames_are_bridged_and_marked(body, truth):
    """One keypoint left, all keypoints wrong, nothing but NaN: the neighbours decide, and nobody trusts these frames."""
    seen = _seen(body, truth, body.markers, metric=True)
    keypoints, landmarks = seen.keypoints_2d.clone(), seen.landmarks_3d.clone()
    keypoints[6, 1:, 2] = 0.0
    landmarks[6] = torch.nan
    keypoints[12, :, :2] = torch.as_tensor(np.random.default_rng(1).uniform(0, 700, (33, 2)))
    landmarks[12] = torch.nan
    keypoints[18] = torch.nan
    landmarks[18] = torch.nan
    found = skelify(body, replace(seen, keypoints_2d=keypoints, landmarks_3d=landmarks))
    assert torch.isfinite(found.poses).all() and torch.isfinite(found.trans).all() and torch.isfinite(found.betas).all()
    bad = torch.tensor([6, 12, 18])
    good = torch.ones(FRAMES, dtype=torch.bool)
    good[bad] = False
    assert float(_error(body, truth, found.poses, found.trans)[bad].mean()) < 0.05
    assert float(found.confidence[bad].max()) < 0.3 < 0.8 < float(found.confidence[good].min())


def test_people_together_are_people_alone(body, truth):
    first = _seen(body, truth, body.markers, metric=True)
    second = _seen(body, (truth[0][:9], truth[1][:9]), body.markers, noise=3.0, metric=True)
    both = Observations(30.0, (FRAMES, 9), first.view, *_both(first, second))
    config = Config(iterations=10)
    found, alone = skelify(body, both, None, config), skelify(body, second, None, config)
    assert torch.allclose(found.poses[FRAMES:], alone.poses, atol=1e-6) and torch.allclose(found.betas[1:], alone.betas, atol=1e-6)
    assert float(found.cost[1]) == pytest.approx(float(alone.cost[0]), rel=1e-9)


def _both(first, second):
    return (torch.cat([first.keypoints_2d, second.keypoints_2d]), first.keypoint_points,
            torch.cat([first.landmarks_3d, second.landmarks_3d]), None, first.landmark_points)  # fmt: skip


def test_pins_hold_and_fixed_frames_stay(body, truth):
    seen = _seen(body, truth, body.markers, metric=True)
    base = skelify(body, seen)
    joints = joints_as_points(body.J_template, body.J_shapedirs).select(["hand_r"])
    hand = _posed(body, base, joints)
    pins = torch.full_like(hand, torch.nan)
    pins[10] = hand[10] + torch.tensor([0.0, 0.05, 0.05])
    fixed = torch.zeros(FRAMES, dtype=torch.bool)
    fixed[[0, 23]] = True
    found = skelify(body, replace(seen, pins=pins, pin_points=joints, fixed=fixed), (base.poses, base.betas, base.trans),
                    Config(fit_shape=False))  # fmt: skip
    assert float((_posed(body, found, joints)[10] - pins[10]).norm()) < 0.005
    assert torch.equal(found.poses[fixed], base.poses[fixed]) and torch.equal(found.trans[fixed], base.trans[fixed])
    assert float((found.poses[2] - base.poses[2]).abs().max()) < 0.02  # far from the pin little changes


def _posed(body, found, points):
    shape, owner = body.shape(found.betas), torch.zeros(len(found.poses), dtype=torch.long)
    return pose_points(shape, owner, pose_chain(shape, owner, found.poses, found.trans), points)[0]


def test_the_pelvis_faces_as_a_regressor_says_whatever_its_euler_angles(body, truth):
    """Lying on the side, where tilt and rotation are one; a frame of which the regressor knows nothing is bridged."""
    turn = axis_rotation(np.array([0.0, 0.0, 1.0]), np.array(np.pi / 2)) @ axis_rotation(np.array([0.0, 1.0, 0.0]), np.array(0.4))
    sigma = torch.full((FRAMES,), 0.05).double()
    sigma[5] = torch.inf
    seen = Observations(30.0, (FRAMES,), prior_turns=torch.as_tensor(turn).expand(FRAMES, 3, 3), prior_turns_sigma=sigma)
    poses = torch.as_tensor(relaxed_pose()).repeat(FRAMES, 1)
    found = skelify(body, seen, (poses, torch.zeros(1, 10).double(), torch.zeros(FRAMES, 3).double()), Config(iterations=60))
    shape, owner = body.shape(found.betas), torch.zeros(FRAMES, dtype=torch.long)
    facing = pose_chain(shape, owner, found.poses, found.trans).rotations[:, 0].numpy()
    assert np.abs(facing - turn).max() < 0.02


def test_the_focal_length_is_found(body, truth):
    """Of somebody whose size is known and who comes nearer; started 15 % off."""
    near = truth[1].clone()
    near[:, 2] = torch.linspace(-6, -2, FRAMES)
    seen = _seen(body, (truth[0], near), body.markers, noise=0.5, metric=True)
    K = seen.view.K.clone()
    K[[0, 1], [0, 1]] *= 1.15
    config = Config(Weights(focal=1.0, shape=0.05, travel_rate=50.0, travel_acceleration=100.0), 60, estimate_focal=True)
    found = skelify(body, replace(seen, view=replace(seen.view, K=K)), None, config)
    assert float(found.camera.K[0, 0]) == pytest.approx(F_PX, rel=0.04)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("hsmr44", "blazepose33")])
def test_other_keypoint_sets_fit_without_a_start(body, truth, name):
    """Image keypoints alone, nothing known about where the person looks."""
    seen = _seen(body, (truth[0][::4], truth[1][::4]), keypoint_points(body, name))
    found = skelify(body, seen)
    error = _error(body, (truth[0][::4], truth[1][::4]), found.poses, found.trans)
    assert float(error.mean()) < 0.12
    reprojected = (_posed(body, found, seen.keypoint_points) @ seen.view.R.T) @ seen.view.K.T
    off = (reprojected[..., :2] / reprojected[..., 2:] - seen.keypoints_2d[..., :2]).norm(dim=-1)
    assert float(off.median()) < 4


def test_the_example_in_the_docs_fits_what_openpose_writes(body, truth, tmp_path):
    """As it stands there; in one frame OpenPose saw nobody, in another not his wrists."""
    part = truth[0][::2], truth[1][::2]
    seen = _seen(body, part, keypoint_points(body, "openpose25"), focal=intrinsics((1280, 720), fov_degrees=60.0)[0, 0])
    keypoints = seen.keypoints_2d.numpy().copy()
    keypoints[3, [4, 7]] = 0.0
    (tmp_path / "keypoints").mkdir()
    for number, one in enumerate(keypoints):
        people = [] if number == 6 else [{"person_id": [-1], "pose_keypoints_2d": one.flatten().tolist()}]
        (tmp_path / "keypoints" / f"clip_{number:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))
    page = (ROOT / "docs" / "solver.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"], cwd=tmp_path,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "fit.npz")
    joints, true = found["joints"], body.joints(part[0], torch.zeros(1, 10).double(), part[1]).numpy()
    assert np.linalg.norm((joints - joints[:, :1]) - (true - true[:, :1]), axis=-1).mean() < 0.12
    assert found["betas"].shape == (1, 10) and found["confidence"].argmin() == 6 and found["confidence"][6] < 0.1


def test_limits_hold_unless_they_are_off(body, truth):
    bent = truth[0].clone()
    bent[:, DOF_INDEX["knee_angle_r"]] = -0.35  # beyond what a knee does
    seen = _seen(body, (bent, truth[1]), body.markers, metric=True)
    low, up = body.limits.T
    inside = skelify(body, seen).poses
    assert bool(((inside >= low) & (inside <= up)).all())
    free = skelify(body, seen, None, Config(Weights(prior=0.3), limits="off")).poses
    assert float(free[:, DOF_INDEX["knee_angle_r"]].median()) < -0.15


def test_parts_that_do_not_fit_are_refused(body, truth):
    seen = _seen(body, truth, body.markers)
    with pytest.raises(ValueError, match="keypoints_2d must be"):
        skelify(body, replace(seen, keypoints_2d=seen.keypoints_2d[:, :5]))
    with pytest.raises(ValueError, match="24 frames"):
        skelify(body, replace(seen, contacts=torch.zeros(3, 6)))
    with pytest.raises(ValueError, match="init"):
        skelify(body, replace(seen, keypoints_2d=None))
    with pytest.raises(SkelError, match="Choose one of"):
        keypoint_points(body, "coco18")
    with pytest.raises(SkelError, match="SMPL's skin"):
        keypoint_points(body, "hsmr44")


def test_joint_set_is_all_joints(body):
    assert keypoint_points(body, "joints24").names == JOINT_NAMES
