# SPDX-License-Identifier: GPL-3.0-or-later
"""The yaw that root bones take: it follows turns, whole ones too, and neither steps nor somersaults make it swing or spin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.export import delivery
from skel_blender.export.heading import headings

FPS = 30.0
X, Y, Z = np.eye(3)  # to the left, to the back and up, of who faces -y; a turn about X bends forward
MOCAP = Path(__file__).resolve().parents[1] / "data" / "mocap_test.npz"


def about(axis, angle):
    return kinematics.axis_rotation(axis, np.asarray(angle, dtype=float))


def ramp(*angles, seconds=2.0):
    """Through these angles (rad), each leg of the way in so many seconds."""
    frames = np.linspace(0.0, len(angles) - 1.0, round(seconds * FPS) * (len(angles) - 1) + 1)
    return np.interp(frames, np.arange(len(angles)), angles)


def test_a_root_bone_takes_the_yaw_at_the_rate_of_its_clip():
    world, rest = np.tile(np.eye(4), (120, 24, 1, 1)), np.tile(np.eye(4), (24, 1, 1))
    rest[0, :3, :3] = about(X, 0.4) @ about(Y, 1.0)  # the bone's own axes are not those of the world
    turns = about(Z, np.random.default_rng(0).normal(0.0, 0.3, 120))
    world[:, 0, :3, :3] = turns @ rest[0, :3, :3]
    for fps in (24.0, 60.0):
        way, taken = delivery.root_motion(world, rest, delivery.Travel("root", True, fps))
        assert np.abs(way[:, :3, :3] - about(Z, headings(turns, fps))).max() < 1e-9 and (taken == np.eye(4)).all()


def test_whole_turns_are_followed_without_a_jump():
    yaw = ramp(0.5, 0.5 + 6.0 * np.pi, 0.5 + 2.0 * np.pi)
    found = headings(about(Z, yaw), FPS)
    assert found[[0, -1]] == pytest.approx(yaw[[0, -1]], abs=1e-9)
    assert np.abs(np.diff(found)).max() <= np.abs(np.diff(yaw)).max() + 1e-9
    even = np.abs(np.arange(len(yaw)) - 60) > 25  # away from where the turn turns back
    assert np.abs(found - yaw)[even].max() < 1e-9 and np.ptp(found) > 5.4 * np.pi


def test_the_swing_of_steps_is_taken_out_and_a_bend_of_the_way_is_not():
    seconds = np.arange(150) / FPS
    bend, swing = np.interp(seconds, [2.0, 3.0], [0.0, 1.5]), np.radians(8) * np.sin(2.0 * np.pi * seconds)
    found, inner = headings(about(Z, bend + swing), FPS), slice(25, -25)
    off = found - headings(about(Z, bend), FPS)
    assert np.std(off[inner]) < 0.35 * np.std(swing[inner])
    assert np.abs(found - bend).max() < np.radians(12)


# Turns of the whole body in one place that leave its heading, or bring it back.
STUNTS = {
    "backflip": about(X, ramp(0.0, -2.0 * np.pi, seconds=0.8)),
    "forward rolls": about(X, ramp(0.0, 6.0 * np.pi)),
    "handstand": about(X, ramp(0.0, np.pi, np.pi, 0.0)),
    "cartwheel": about(Y, ramp(0.0, 2.0 * np.pi, seconds=1.0)),
    "falls on the face, rolls over thrice": np.concatenate([
        about(X, ramp(0.0, np.pi / 2)), about(X, np.pi / 2) @ about(Z, ramp(0.0, 6.0 * np.pi)), about(X, ramp(np.pi / 2, 0.0))]),
    "lies on the back and on the sides": np.concatenate([
        about(X, ramp(0.0, -np.pi / 2)), about(X, -np.pi / 2) @ about(Z, ramp(0.0, 1.5, -1.5, 0.0)), about(X, ramp(-np.pi / 2, 0.0))]),
}  # fmt: skip


@pytest.mark.parametrize("stunt", STUNTS)
@pytest.mark.parametrize("yaw", [0.0, 2.5])
def test_nothing_but_a_turn_turns_the_root(stunt, yaw):
    rng = np.random.default_rng(1)
    noise = about(X, rng.normal(0.0, 0.02, len(STUNTS[stunt]))) @ about(Y, rng.normal(0.0, 0.02, len(STUNTS[stunt])))
    found = headings(about(Z, yaw) @ STUNTS[stunt] @ noise, FPS)
    assert np.abs(found - yaw).max() < np.radians(6)


def test_who_turns_on_all_fours_is_followed():
    yaw = ramp(0.0, np.pi)
    assert np.abs(headings(about(Z, yaw) @ about(X, np.full(len(yaw), 1.5)), FPS) - yaw).max() < 0.35


def test_who_is_never_up_has_no_heading_and_a_single_frame_is_enough():
    assert (headings(np.tile(about(X, -np.pi / 2), (9, 1, 1)), FPS) == 0.0).all()
    assert headings(about(Z, [1.2]), FPS) == pytest.approx([1.2])
    assert headings(np.empty((0, 3, 3)), FPS).shape == (0,)


def test_another_way_to_face_at_rest_counts():
    yaw = ramp(0.2, 1.2)
    for forward in (X, -Y, about(Z, 2.0) @ X):
        assert headings(about(Z, yaw), FPS, forward)[[0, -1]] == pytest.approx([0.2, 1.2])


def test_captured_cartwheels_turn_the_root_no_faster_than_a_person_turns():
    """Facing along the pelvis' forward axis, the root would turn by more than 1000 degrees a second."""
    with np.load(MOCAP, allow_pickle=False) as data:
        clip = list(data["clip_names"]).index("49_08#0")
        quaternions = data["local_quat"][data["clip_start"][clip] : data["clip_start"][clip + 1], 0].astype(float)
    w, *vector = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    x, y, z = vector
    zero = np.zeros_like(w)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    hips = np.eye(3) + 2.0 * w[:, None, None] * cross + 2.0 * cross @ cross  # y up
    hips = kinematics.R_ZUP_YUP @ hips @ kinematics.R_ZUP_YUP.T
    forward = np.unwrap(np.arctan2(-hips[:, 1, 1], -hips[:, 0, 1]))
    assert np.degrees(np.abs(np.diff(forward)).max()) * FPS > 1000.0
    assert np.degrees(np.abs(np.diff(headings(hips, FPS))).max()) * FPS < 250.0


def test_hips_whose_lateral_axis_stands_steep_have_no_say_and_level_ones_have():
    """Level is what is left of the axis over the floor: at 0.55 of it the yaw goes on evenly, at 0.75 it is that axis'."""
    for level, wanted in ((0.55, 0.0), (0.75, np.pi / 2)):
        steep = np.sqrt(1.0 - level**2)
        across = np.array([0.0, level, steep])  # where X, to the left, has gone: seen from above, a quarter turn
        up = np.array([np.sqrt(0.5), -steep * np.sqrt(0.5), level * np.sqrt(0.5)])
        fallen = np.stack([across, np.cross(up, across), up], axis=1)
        turns = np.concatenate([np.tile(np.eye(3), (60, 1, 1)), np.tile(fallen, (60, 1, 1)), np.tile(np.eye(3), (60, 1, 1))])
        assert headings(turns, FPS)[90] == pytest.approx(wanted, abs=0.01)
