# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingers of the target: bent to the palm as in a hand at rest, or left alone."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.export import rotations
from skel_blender.export.retarget import fingers, skeleton
from skel_blender.export.retarget.guess import guess
from tests.bpy import characters
from tests.bpy.evaluated import curves
from tests.bpy.walking import put

FINGERS = ("Index", "Middle", "Ring", "Pinky")


def relaxed(target):
    """The target with its fingers relaxed and nothing else moved."""
    rest = skeleton.read(target)
    for bone, turn in fingers.relaxed(rest, guess(rest)).items():
        target.pose.bones[bone].matrix_basis = bpy_matrix(turn)
    bpy.context.view_layer.update()
    return rest


def bpy_matrix(turn):
    result = np.eye(4)
    result[:3, :3] = turn
    return result.T  # Blender takes rows of columns


def heads(target, side, finger):
    """(4,3) the joints of a finger and its tip, m."""
    names = [f"mixamorig:{side}Hand{finger}{k}" for k in (1, 2, 3, 4)]
    return np.array([target.matrix_world @ target.pose.bones[name].head for name in names])


def bends(points):
    lines = rotations.unit(np.diff(points, axis=0))
    return np.degrees(np.arccos(np.clip((lines[1:] * lines[:-1]).sum(axis=1), -1.0, 1.0)))


@pytest.mark.parametrize(("across", "palm"), [((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)), ((0.0, 0.0, -1.0), (0.0, -1.0, 0.0))])
def test_fingers_bend_to_the_palm_more_and_more_to_the_little_one(context, across, palm):
    target = characters.mixamo(across=across)
    rest = relaxed(target)
    for side in ("Left", "Right"):
        reach = [(heads(target, side, finger)[-1] - heads(target, side, finger)[0]) @ palm for finger in FINGERS]
        assert min(reach) > 0.02
        found = np.array([bends(heads(target, side, finger)) for finger in FINGERS])
        assert found == pytest.approx(np.array([[30, 15], [34, 17], [37, 19], [38, 20]]), abs=0.1)
        thumb = f"mixamorig:{side}HandThumb"
        for k in (1, 2, 3):
            assert np.abs(np.array(target.pose.bones[f"{thumb}{k}"].matrix_basis) - np.eye(4)).max() == 0.0
    assert {bone for bone in guess(rest).values()}.isdisjoint(fingers.relaxed(rest, guess(rest)))


def test_a_hand_may_have_fewer_fingers(context):
    target = characters.mixamo()
    for bone in target.data.bones:
        bone.name = bone.name.replace("HandRing", "HandProp")
    rest = relaxed(target)
    bent = set(fingers.relaxed(rest, guess(rest)))
    assert "mixamorig:LeftHandPinky1" in bent and "mixamorig:LeftHandProp1" not in bent


def test_what_is_bent_at_rest_is_not_bent_twice(context):
    target = characters.mixamo()
    relaxed(target)
    context.view_layer.objects.active = target
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.pose.armature_apply()
    bpy.ops.object.mode_set(mode="OBJECT")
    before = heads(target, "Left", "Ring")
    relaxed(target)
    assert np.abs(heads(target, "Left", "Ring") - before).max() < 1e-5


def test_fingers_get_one_key_and_keep_it_or_stay_as_they_are_posed(source):
    target = characters.mixamo()
    posed = target.pose.bones["mixamorig:LeftHandIndex2"]
    posed.rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    put(source, target, relax_fingers=False)
    assert not [curve for curve in curves(target) if "HandIndex" in curve.data_path]
    assert tuple(posed.rotation_quaternion) == pytest.approx((0.8, 0.6, 0.0, 0.0))
    put(source, target)
    keyed = [curve for curve in curves(target) if "HandIndex2" in curve.data_path]
    assert len(keyed) == 8 and all(len(curve.keyframe_points) == 1 for curve in keyed)
    assert bends(heads(target, "Left", "Index"))[0] == pytest.approx(30.0, abs=0.1)
