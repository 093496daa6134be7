# SPDX-License-Identifier: GPL-3.0-or-later
"""Root and hips that an animator has moved, by channels that the motion itself does not have: what is made of it has them in it once."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.rig import assemble, compat, controls, limbs, record
from skel_blender.rig.editing import corrections, layers, loops, matching, motion, placement, thinning, timing
from skel_blender.rig.editing.steps import finish
from tests import walk
from tests.bpy.evaluated import joint_positions

UP, ASIDE, LATER = 0.3, 0.1, 1000
FEET = [limb for limb in controls.LIMBS if limb.control.startswith("foot")]


def seen(rig, frames) -> np.ndarray:
    """(T,24,3) the joints' places."""
    return np.array([(bpy.context.scene.frame_set(int(frame)), joint_positions(rig))[1] for frame in frames])


def key(rig, bone: str, prop: str, index: int, values: dict[int, float]) -> None:
    """Key a channel of a bone as an animator does, values by the motion's frame."""
    first = motion.frames_of(rig)[0]
    if rig.animation_data.action.get(record.KIND) != motion.EDITED:
        motion.derive(rig, motion.EDITED, [])
    for frame, value in values.items():
        getattr(rig.pose.bones[bone], prop)[index] = value
        rig.pose.bones[bone].keyframe_insert(prop, index=index, frame=first + frame)


def raised(rig) -> None:
    """A step: up halfway."""
    key(rig, "root", "location", 2, {0: 0.0, 50: 0.0, 60: UP, 119: UP})


def aside(rig) -> None:
    """The hips, over feet that stay on their controls."""
    frames = motion.frames_of(rig)
    matching.to_control(bpy.context.scene, rig, FEET, frames)
    key(rig, "pelvis", "location", 0, {0: 0.0, 40: ASIDE, 119: 0.5 * ASIDE})
    key(rig, "pelvis", "location", 2, {0: 0.0, 80: -ASIDE})


def turned(rig) -> None:
    """The person by the root, raised and with the hips out of the middle."""
    key(rig, "root", "rotation_euler", 2, {0: 0.7})
    key(rig, "root", "location", 2, {0: UP})
    key(rig, "pelvis", "location", 0, {0: ASIDE})


def laid_down(rig) -> None:
    """On the side, by quaternions of the root, which lifts him by its own z."""
    rig.pose.bones["root"].rotation_mode = "QUATERNION"
    for index, value in enumerate((0.5**0.5, 0.5**0.5, 0.0, 0.0)):
        key(rig, "root", "rotation_quaternion", index, {0: value})
    key(rig, "root", "location", 2, {0: UP})


def worst(off: np.ndarray, edit) -> float:
    """m that a joint is off by. Only the hips where controls lead the feet; half as much where the root is turned, since thinning weighs
    the way and the angles against each other as if it were not."""
    far = np.linalg.norm(off, axis=-1)
    return float(far[:, 0].max() if edit is aside else far.max() / (2.0 if edit in (turned, laid_down) else 1.0))


EVERYTHING = [raised, aside, turned, laid_down]


@pytest.mark.parametrize("edit, start", [(raised, 1 + LATER), *((edit, 1) for edit in EVERYTHING)])
def test_smooth_and_thin_leave_the_person_where_he_is(source, context, edit, start):
    edit(source)
    timing.move(context.scene, source.users_collection[0], start)
    edited, frames = source.animation_data.action, motion.frames_of(source)
    before = seen(source, frames)
    motion.smooth(source, 0.01, 30.0, set(limbs.TITLES))  # nothing is so short
    assert frames[0] == start and np.abs(seen(source, frames) - before).max() < 1e-4
    finish(motion.thin(source, thinning.Bounds()))
    assert worst(seen(source, frames) - before, edit) < 0.0055
    compat.use_action(source, edited)
    assert np.abs(seen(source, frames) - before).max() < 1e-4


def test_what_is_smoothed_is_the_motion_and_not_the_step(source):
    raw, frames = source.animation_data.action, motion.frames_of(source)
    motion.smooth(source, 0.3, 30.0, set(limbs.TITLES))
    smooth = seen(source, frames)
    compat.use_action(source, raw)
    raised(source)
    up = np.interp(frames, frames[[0, 50, 60, 119]], [0.0, 0.0, UP, UP])
    motion.smooth(source, 0.3, 30.0, set(limbs.TITLES))
    off = seen(source, frames) - smooth
    assert np.abs(off[..., :2]).max() < 1e-4 and np.abs(off[[0, 20, 40, 70, 119], :, 2] - up[[0, 20, 40, 70, 119], None]).max() < 1e-4


@pytest.mark.parametrize("edit", [raised, turned, laid_down])
def test_a_loop_is_of_what_is_seen_and_goes_on(source, edit):
    raw = source.animation_data.action
    first, last = loops.find(source, 30.0)
    stretch, length = np.arange(first, last + 1), last - first
    before = seen(source, stretch)
    loops.loop(source, first, last)
    spread = np.linalg.norm(seen(source, stretch) - before, axis=-1)
    compat.use_action(source, raw)
    edit(source)
    before = seen(source, stretch)
    loops.loop(source, first, last)
    after = seen(source, stretch)
    rise = abs(before[-1, 0, 2] - before[0, 0, 2])  # is spread over the stretch
    assert np.linalg.norm(after - before, axis=-1).max() < spread.max() + rise + 0.01
    again = seen(source, stretch + 3 * length)
    way = again[0, 0] - after[0, 0]
    assert np.abs(way - 3 * (after[-1, 0] - after[0, 0])).max() < 1e-3 and np.abs(again - after - way).max() < 1e-3


@pytest.mark.parametrize("edit", EVERYTHING[:1] + EVERYTHING[2:])
def test_a_solved_camera_carries_the_person_from_where_he_is(source, context, edit, monkeypatch):
    edit(source)
    home, frames = source.users_collection[0], motion.frames_of(source)
    before, eye = seen(source, frames), assemble.camera_of(home)
    ours = {int(frame): np.array(eye.matrix_basis) for frame in range(frames[0], frames[-1] + 1)}
    theirs = {frame: matrix.copy() for frame, matrix in ours.items()}
    for number, matrix in enumerate(theirs.values()):
        matrix[0, 3] += 0.02 * number
    monkeypatch.setattr(placement, "solved_matrices", lambda scene, clip: theirs)
    size = placement.place(context.scene, home, None).size
    way = np.array([size * theirs[frame][:3, 3] - ours[frame][:3, 3] for frame in ours])
    assert np.abs(seen(source, frames) - before - way[:, None]).max() < 1e-3


@pytest.mark.parametrize("start", [1, 1 + LATER])
@pytest.mark.parametrize("layered", [False, True])
def test_the_answer_to_a_raised_frame_is_the_new_motion(source, context, layered, start):
    person, frames = walk.take().people[0], motion.frames_of(source)
    raw = seen(source, frames)
    timing.move(context.scene, source.users_collection[0], start)
    frames = motion.frames_of(source)
    if layered:
        layers.add(source)
        root = source.pose.bones["root"]
        for number, up in ((29, 0.0), (30, UP), (31, 0.0)):
            root.location[2] = up
            root.keyframe_insert("location", index=2, frame=int(frames[number]))
    else:
        key(source, "root", "location", 2, {29: 0.0, 30: UP, 31: 0.0})
    edited = seen(source, frames[30:31])
    assert np.abs(edited - raw[30] - [0.0, 0.0, UP]).max() < 1e-4
    found = corrections.find(source, person)
    assert found.frames.tolist() == [person.frames[30]]
    person.trans[30] = found.trans[0]
    corrections.bring(source, person, corrections.sent(source, person, 20, 40))
    after = seen(source, frames)
    assert np.abs(np.delete(after, 30, axis=0) - np.delete(raw, 30, axis=0)).max() < 1e-4 and np.abs(after[30] - edited[0]).max() < 1e-4


@pytest.mark.parametrize("edit", EVERYTHING)
def test_layers_over_it_are_merged_and_thinned_as_they_are_seen(source, edit):
    edit(source)
    frames = motion.frames_of(source)
    layers.add(source)
    pelvis = source.pose.bones["pelvis"]
    for number, by in ((10, 0.0), (30, ASIDE)):
        pelvis.location[0] = by
        pelvis.keyframe_insert("location", index=0, frame=int(frames[number]))
    before = seen(source, frames)
    layers.merge(source)
    assert np.abs(seen(source, frames) - before).max() < 1e-4
    finish(motion.thin(source, thinning.Bounds()))
    assert worst(seen(source, frames) - before, edit) < 0.0055


def test_a_pose_of_the_hips_that_is_not_keyed_is_there_once_as_well(rig, context):
    frames = motion.frames_of(rig)
    rig.pose.bones["pelvis"].location.x, rig.pose.bones["root"].location.z = ASIDE, UP
    before = seen(rig, frames)
    assert bpy.ops.skel.smooth(seconds=0.01) == {"FINISHED"}
    assert np.abs(seen(rig, frames) - before).max() < 1e-4
    assert bpy.ops.skel.loop(first=int(frames[3]), last=int(frames[20])) == {"FINISHED"}
    assert np.abs(seen(rig, frames[3:4]) - before[3]).max() < 1e-3
