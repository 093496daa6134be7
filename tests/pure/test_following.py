# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody filmed by a camera that moves, fitted as if it stood still, finds back to where he was."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.rig import layout
from skel_blender.rig.editing import following
from tests import synthetic
from tests.synthetic import carried_camera

COUNT, SIZE = 30, 2.5
BODY = synthetic.rest_body()


def small(matrix: np.ndarray) -> np.ndarray:
    """The same camera in a solved scene of another size."""
    result = matrix.copy()
    result[:3, 3] /= SIZE
    return result


def walker(frames: np.ndarray) -> following.Walker:
    """Somebody who swings his arms and turns on stiff legs, feet on the floor; he stands at last."""
    poses = np.zeros((len(frames), 46))
    poses[:, 2] = np.linspace(2.5, 4.0, len(frames))
    poses[:, 29:32] = 0.5 * np.sin(frames[:, None] / 5 + np.arange(3))
    poses[10:, 2] = poses[10, 2]
    ground = layout.ground(BODY)
    trans = np.stack([np.linspace(0, 0.5, len(frames)), np.full(len(frames), ground), np.linspace(0.3, 0, len(frames))], axis=1)
    trans[10:] = trans[10]
    contacts = np.zeros((len(frames), 6), dtype=bool)
    contacts[10:] = True
    return following.Walker(frames, poses, trans, BODY.joints, BODY.frames, ground, contacts)


def seen(of: following.Walker, poses: np.ndarray, trans: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """(T,24,3) the joints in the camera's axes."""
    places = kinematics.z_up(kinematics.forward(poses, of.joints, of.rest, trans)[..., :3, 3])
    return np.einsum("tji,tkj->tki", matrices[:, :3, :3], places - matrices[:, None, :3, 3])


def test_what_the_camera_sees_stays_and_the_world_comes_right():
    true = walker(np.arange(1, COUNT + 1))
    moving = {frame: carried_camera(frame) for frame in range(1, COUNT + 1)}
    still = {frame: carried_camera(7) for frame in range(1, COUNT + 1)}
    fitted = following.carry(true, moving, still)
    views = [following.at_frames(cameras, true.frames) for cameras in (moving, still)]
    wanted = seen(true, true.poses, true.trans, views[0])
    assert np.abs(seen(true, *fitted, views[1]) - wanted).max() < 1e-9
    assert np.abs(fitted[1] - true.trans).max() > 0.1
    person = replace(true, poses=fitted[0], trans=fitted[1])
    solved = {frame: small(matrix) for frame, matrix in moving.items()}
    assert following.world_size([person], still, solved) == pytest.approx(SIZE, rel=1e-6)
    poses, trans = following.carry(person, still, moving)
    assert np.abs(trans - true.trans).max() < 1e-9 and np.abs(poses - true.poses).max() < 1e-9
    assert following.slide(true, poses, trans) < 1e-9 < 1e-3 < following.slide(true, *fitted)
    assert np.abs(poses[:, 3:] - person.poses[:, 3:]).max() == 0.0


def test_frames_that_were_not_solved_take_the_nearest_and_scale_is_no_rotation():
    matrices = {frame: carried_camera(frame) @ np.diag([3.0, 3.0, 3.0, 1.0]) for frame in range(5, 11)}
    found = following.at_frames(matrices, np.arange(1, 15))
    assert all(np.allclose(found[k], carried_camera(frame)) for k, frame in ((0, 5), (-1, 10), (6, 7)))


def test_without_feet_on_the_floor_the_size_is_as_given():
    person = walker(np.arange(1, COUNT + 1))
    moving = {frame: carried_camera(frame) for frame in range(1, COUNT + 1)}
    for contacts in (None, np.zeros((COUNT, 6), dtype=bool)):
        assert following.world_size([replace(person, contacts=contacts)], moving, moving) == 1.0


def test_feet_that_rest_on_a_wall_tell_nothing_of_the_floor():
    person = walker(np.arange(1, COUNT + 1))
    higher = replace(person, trans=person.trans + [0, 1.3, 0])
    moving = {frame: carried_camera(frame) for frame in range(1, COUNT + 1)}
    solved = {frame: small(matrix) for frame, matrix in moving.items()}
    assert following.world_size([higher], moving, solved) == 1.0
    assert following.world_size([higher, person], moving, solved) == pytest.approx(SIZE, rel=1e-6)


def test_a_camera_on_a_tripod_is_still():
    assert following.is_still(np.array([carried_camera(3)] * 5))
    assert not following.is_still(np.array([carried_camera(3), carried_camera(4)]))


def test_a_long_way_takes_room_in_proportion():
    frames = np.arange(4000)
    matrices = dict.fromkeys(range(0, 4000, 2), np.eye(4))
    tracemalloc.start()
    found = following.at_frames(matrices, frames)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == (4000, 4, 4) and most < 20 * found.nbytes
