# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames set by hand are found and handed to the engine; its answer arrives as an action beside the one that was there."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from skel_blender import rig as rigs
from skel_blender import take as takes
from skel_blender.anatomy import DOF_INDEX
from skel_blender.messages import SkelError
from skel_blender.rig import compat, corrections, keyframes, layout, limbs, motion, record
from skel_blender.ui import arrival, refit_operators

KNEE = DOF_INDEX["knee_angle_r"]


@pytest.fixture
def rig(context, take):
    return rigs.build(take, collection_name="shot")[0].armature


def set_by_hand(rig, frame, value):
    """Key one angle in a scene frame, as an animator would."""
    channel = layout.channels()[KNEE]
    path = f'pose.bones["{channel.bone}"].rotation_euler'
    compat.holder(rig).fcurves.find(path, index=channel.index).keyframe_points.insert(frame, channel.sign * value, options={"REPLACE"})


def test_corrected_frames_are_found(rig, take):
    person = take.people[0]
    with pytest.raises(SkelError, match="No frame differs"):
        corrections.find(rig, person)
    frames = keyframes.scene_frames(person.frames)
    set_by_hand(rig, float(frames[3]), 1.0)
    set_by_hand(rig, float(frames[7]), 0.4)
    found = corrections.find(rig, person)
    assert found.frames.tolist() == [person.frames[3], person.frames[7]]
    assert np.allclose(found.poses[:, KNEE], [1.0, 0.4], atol=1e-5)
    motion.smooth(rig, 2.0, 30.0, set(limbs.TITLES))
    with pytest.raises(SkelError, match="Most frames differ"):
        corrections.find(rig, person)


def test_the_answer_is_a_new_action(rig, take, tmp_path):
    old = rig.animation_data.action
    again = copy.deepcopy(take)
    again.people[0].poses[:, KNEE] = 0.7
    path = tmp_path / "again.npz"
    takes.save(again, path)
    home = rig.users_collection[0]
    home[arrival.PROPERTY] = "/before.npz"
    text = refit_operators.bring_back(str(path), rig[record.ID], 2)
    assert rig.animation_data.action != old and old in record.versions(rig) and rig.animation_data.action.name in text
    poses, _ = motion.read(rig, keyframes.scene_frames(take.people[0].frames))
    assert np.allclose(poses[:, KNEE], 0.7, atol=1e-5)
    assert home[arrival.PROPERTY] == str(path)
    assert refit_operators.take_of(rig)[0] == path


def test_a_rig_without_its_take_says_so(rig, take):
    with pytest.raises(SkelError, match="does not know its Take"):
        refit_operators.take_of(rig)
