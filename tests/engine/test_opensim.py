# SPDX-License-Identifier: GPL-3.0-or-later
"""The real OpenSim loads, plays and inverts what we write: bodies of any shape, random poses, motion capture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from bin.benchmarks import mocap  # noqa: E402
from skel_blender import kinematics, opensim  # noqa: E402
from skel_blender.anatomy import DOFS, JOINT_NAMES  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.opensim.model import ground  # noqa: E402
from skel_blender.take import RestBody  # noqa: E402
from tests import synthetic  # noqa: E402
from tests.importers import programs  # noqa: E402

READER = Path(programs.__file__).with_name("opensim_reader.py")
RATE = Fraction(30)
NEAR = 1e-6  # m; 2 mm is what we promise


def ask(what: str, prefix: Path, *more: str) -> dict[str, np.ndarray]:
    programs.run(READER, what, prefix, prefix.with_suffix(".npz"), *more)
    with np.load(prefix.with_suffix(".npz")) as file:
        return dict(file)


def check(prefix: Path, body: RestBody, poses: np.ndarray, trans: np.ndarray) -> None:
    """Write a motion, let OpenSim play it, and compare joints, axes, markers, names, ranges and times."""
    frames = np.arange(len(poses)) + 5
    opensim.write_motion(body, poses, trans, frames, RATE, prefix.with_suffix(".osim"), body_name="open female", mass=60.0)
    played = ask("play", prefix)
    transforms = kinematics.forward(poses, body.joints, body.frames, trans)
    assert played["bodies"].tolist() == list(JOINT_NAMES)
    assert np.linalg.norm(played["places"] - ground(transforms[..., :3, 3]), axis=-1).max() < NEAR
    axes = np.swapaxes(ground(np.swapaxes(transforms[..., :3, :3] @ body.frames, -1, -2)), -1, -2)
    assert np.abs(played["axes"] - axes).max() < 1e-6
    assert played["units"] == "mm" and played["rate"] == pytest.approx(30)
    assert np.linalg.norm(played["points"] - played["given"] / 1000, axis=-1).max() < NEAR
    assert played["coordinates"].tolist() == [dof.name for dof in DOFS] + ["pelvis_tx", "pelvis_ty", "pelvis_tz"]
    assert played["kinds"].tolist() == [1] * len(DOFS) + [2] * 3  # turns and shifts, none 'coupled'
    assert played["in_degrees"] == "yes" and played["times"] == pytest.approx(frames / 30) == played["marker_times"]
    bounded = np.isfinite(body.limits).all(axis=1)
    assert played["ranges"][: len(DOFS)][bounded] == pytest.approx(body.limits[bounded])
    assert played["mass"] == pytest.approx(60.0, rel=2e-3) and played["drawn"].tolist() == [1] * len(JOINT_NAMES)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """A captured walk on the open woman: body, poses, trans and where its files are."""
    clip = next(clip for clip in mocap.read_clips(mocap.SMALL_SET) if clip.category == "walk").part(0, 24)
    body = load_body("open", "female")
    motion = mocap.to_body(clip, body)
    prefix = tmp_path_factory.mktemp("walk") / "walk"
    rest = body.rest_body(motion.betas)
    opensim.write_motion(rest, motion.poses, motion.trans, np.arange(24), RATE, prefix.with_suffix(".osim"), body_name="open female")
    return rest, motion.poses, motion.trans, prefix


@pytest.mark.parametrize("sex", ["female", "male"])
def test_opensim_moves_a_shaped_body_as_we_do(tmp_path, sex):
    rng = np.random.default_rng(4)
    body = load_body("open", sex).rest_body(rng.normal(0.0, 1.5, 10))
    check(tmp_path / "random", body, synthetic.random_poses(60, body.limits, rng), rng.normal(0.0, 2.0, (60, 3)))


def test_opensim_moves_another_kind_of_skeleton_as_we_do(tmp_path):
    person = synthetic.random_take(frames=30, people=1, seed=8).people[0]
    check(tmp_path / "tubes", person.body, person.poses, person.trans)


def test_opensim_plays_a_captured_walk_as_we_do(walk, tmp_path):
    check(tmp_path / "walk", *walk[:3])


@pytest.mark.parametrize("left_out", ["none", "_jc"])
def test_inverse_kinematics_finds_the_angles_again(walk, left_out):
    """From all markers, and from those on the skin alone; degrees."""
    found = ask("ik", walk[3], left_out)
    assert np.abs(found["found"] - found["wanted"])[:, : len(DOFS)].max() < 1e-3
    assert np.abs(found["found"] - found["wanted"])[:, len(DOFS) :].max() < 1e-5


def test_inverse_dynamics_obeys_newton(walk):
    """Up to the second derivatives that OpenSim's polynomials of two angles lack (docs/opensim.md)."""
    found = ask("force", walk[3])
    by_opensim, by_newton = found["forces"][:, 0], found["forces"][:, 1]
    assert np.abs(by_opensim - by_newton).max() < 0.005 * found["weight"]
    assert np.ptp(by_newton, axis=0).max() > 0.05 * found["weight"]
