# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin Keys on a range: few keys there, within the bounds, and around it not a key or a handle is another."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.messages import SkelError
from skel_blender.rig import compat, contacts, keyframes, record
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import motion, thinning
from skel_blender.rig.editing.steps import finish
from tests.bpy.evaluated import curves, joint_positions, rig_of
from tests.bpy.test_keys import walking_take

FIRST, LAST = 81, 140
AROUND = [*np.arange(1.0, FIRST, 0.25), *np.arange(LAST + 0.25, 240.0, 0.25)]
DENSE, THINNED, BY_HAND = "a key on every frame", "few keys", "set by hand"


@pytest.fixture
def walker(context):
    """A rig that swings as in walking for 240 frames, in which a foot rests for a while."""
    take = walking_take()
    take.people[0].contacts[60:110, :3] = True
    return rig_of(build_take(context, take))


def by_hand(rig: bpy.types.Object) -> None:
    """Keys of several kinds, 7 to 13 frames apart, that no range begins or ends with."""
    kinds = (("BEZIER", "AUTO_CLAMPED"), ("BEZIER", "AUTO"), ("LINEAR", "VECTOR"), ("BEZIER", "ALIGNED"), ("SINE", "AUTO"))
    holder = compat.holder(rig)
    for number, track in enumerate(record.of(rig).tracks):
        curve, (interpolation, handles) = holder.fcurves.find(track.path, index=track.index), kinds[number % len(kinds)]
        frames = np.array([*range(1 + number % 5, 240, 7 + number % 7), 240])
        keyframes.write(holder, keyframes.Curve(track.path, track.index, track.bone, frames, np.array([curve.evaluate(f) for f in frames])))
        curve.auto_smoothing = ("NONE", "CONT_ACCEL")[number % 2]
        for key in curve.keyframe_points:
            key.interpolation, key.handle_left_type, key.handle_right_type = interpolation, handles, handles
        curve.update()


def keys(rig: bpy.types.Object) -> list[list[tuple]]:
    """All that keys outside of the range are, curve by curve."""
    names = ("interpolation", "easing", "handle_left_type", "handle_right_type", "type", "select_control_point")
    return [[(*key.co, *key.handle_left, *key.handle_right, *(getattr(key, name) for name in names))
             for key in curve.keyframe_points if not FIRST <= key.co.x <= LAST] for curve in curves(rig)]  # fmt: skip


def seen(rig: bpy.types.Object) -> np.ndarray:
    return np.array([[curve.evaluate(frame) for frame in AROUND] for curve in curves(rig)])


def count(rig: bpy.types.Object) -> int:
    known = {(track.path, track.index) for track in record.of(rig).tracks}
    return sum(FIRST <= key.co.x <= LAST for curve in curves(rig) if (curve.data_path, curve.array_index) in known
               for key in curve.keyframe_points)  # fmt: skip


@pytest.mark.parametrize("kind", [DENSE, THINNED, BY_HAND])
def test_around_the_range_nothing_changes_and_within_it_bounds_hold(context, walker, kind):
    if kind == THINNED:
        finish(motion.thin(walker, thinning.Bounds(0.002, 0.001)))
    elif kind == BY_HAND:
        by_hand(walker)
    frames = np.arange(FIRST, LAST + 1)
    raw, rested = walker.animation_data.action, contacts.of(walker, motion.frames_of(walker))
    places = []
    for frame in frames:
        context.scene.frame_set(frame)
        places.append(joint_positions(walker))
    before, shown, many = keys(walker), seen(walker), count(walker)
    result = finish(motion.thin(walker, thinning.Bounds(0.02, 0.01), frames))
    assert walker.animation_data.action != raw
    after = keys(walker)
    assert [len(row) for row in after] == [len(row) for row in before]
    for one, other in zip(sum(before, []), sum(after, [])):
        assert one[6:] == other[6:] and other[:6] == pytest.approx(one[:6], abs=1e-6)
    assert np.abs(seen(walker) - shown).max() < 1e-5
    assert count(walker) < (0.2 if kind == DENSE else 0.9) * many
    assert result.share == pytest.approx(count(walker) / (49 * len(frames)))
    away = []
    for frame, place in zip(frames, places):
        context.scene.frame_set(frame)
        away.append(np.linalg.norm(joint_positions(walker) - place, axis=1))
    resting = rested[frames - 1]
    assert np.max(away) <= 0.02 and result.error == pytest.approx(np.max(away), abs=1e-4)
    assert np.array(away)[resting[:, 0]][:, 4].max() <= 0.01  # the heel
    assert np.array_equal(contacts.of(walker, motion.frames_of(walker)), rested)


def test_what_noise_makes_of_a_curve_stays_and_missing_curves_stay_away(walker):
    holder = compat.holder(walker)
    noisy, gone = holder.fcurves[5], holder.fcurves[7]
    noisy.modifiers.new("NOISE")
    name, path = (noisy.data_path, noisy.array_index), (gone.data_path, gone.array_index)
    holder.fcurves.remove(gone)
    shown = [noisy.evaluate(frame) for frame in range(1, 241)]
    finish(motion.thin(walker, thinning.Bounds(0.02, 0.01), np.arange(FIRST, LAST + 1)))
    holder = compat.holder(walker)
    noisy = holder.fcurves.find(name[0], index=name[1])
    assert [noisy.evaluate(frame) for frame in range(1, 241)] == shown and len(noisy.modifiers) == 1
    assert holder.fcurves.find(path[0], index=path[1]) is None


def test_a_range_that_has_all_of_the_motion_is_the_motion(walker):
    raw = walker.animation_data.action
    made = []
    for within in (None, np.arange(-10, 500)):
        compat.use_action(walker, raw)
        finish(motion.thin(walker, thinning.Bounds(), within))
        made.append([len(curve.keyframe_points) for curve in curves(walker)])
    assert made[0] == made[1]
    with pytest.raises(SkelError, match="There is no motion between these frames"):
        finish(motion.thin(walker, thinning.Bounds(), np.arange(500, 600)))


def test_the_button_thins_the_preview_range_if_asked_to(rig, context):
    scene = context.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 0, 15
    assert bpy.ops.skel.thin_keys(range="SCENE", joint=0.5, contact=0.5) == {"FINISHED"}
    for curve in curves(rig):
        after = [key.co.x for key in curve.keyframe_points if key.co.x > 15]
        assert after == list(range(16, 35)) and len(curve.keyframe_points) - len(after) <= 11
    assert sum(len(curve.keyframe_points) for curve in curves(rig)) < 49 * 28
    scene.frame_preview_start, scene.frame_preview_end = 500, 600
    with pytest.raises(RuntimeError, match="There is no motion between these frames"):
        bpy.ops.skel.thin_keys(range="SCENE")
