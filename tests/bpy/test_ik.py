# SPDX-License-Identifier: GPL-3.0-or-later
"""IK: controls reach, limits hold, nothing changes while it is off, and limbs change hands without a jump."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import DOFS_OF_JOINT, JOINT_INDEX, JOINT_NAMES
from skel_blender.messages import SkelError
from skel_blender.rig import controls, layout, limits, record
from skel_blender.rig.assemble import build_take
from skel_blender.rig.editing import matching, motion, pins, thinning
from skel_blender.rig.editing.steps import finish
from tests import synthetic, walk
from tests.bpy import bodies
from tests.bpy.evaluated import curves, degrees_apart, evaluated, joint_positions, joint_turns, pose, rig_of

SOLVED = controls.REACHING


@pytest.fixture
def rig(context):
    """A rig of the open body in the T pose at the origin, without an action."""
    take = bodies.random_take(bodies.open_body("open_male", "mean"), 2, seed=0)
    rig = rig_of(build_take(context, take))
    rig.animation_data.action = None
    rig.pose.bones["root"].location = (0, 0, 0)
    return rig


def calm(rig, rng, share=0.8):
    """Random angles (46,) in the middle of the limits."""
    low, up = np.clip(record.limits(rig), -1.5, 1.5).T
    return (low + up) / 2 + share * (up - low) * (rng.random(46) - 0.5)


def switch(rig, value):
    for limb in controls.LIMBS:
        rig[limb.switch] = value
    rig.update_tag()
    bpy.context.view_layer.update()


def follow(rig):
    """Put every control where its limb is now."""
    posed = evaluated(rig)
    for limb in controls.LIMBS:
        bones, tip = rig.data.bones, JOINT_NAMES[limb.tip]
        rigid = posed.pose.bones[tip].matrix @ bones[tip].matrix_local.inverted()
        rest = bones[limb.control].matrix_local
        rig.pose.bones[limb.control].matrix_basis = rest.inverted() @ rigid @ rest


def seen_angles(rig):
    """(46,) pose angles of the evaluated bones."""
    posed = evaluated(rig)
    result = np.zeros(46)
    for joint, name in enumerate(JOINT_NAMES):
        bone = posed.pose.bones[name]
        local = posed.convert_space(pose_bone=bone, matrix=bone.matrix, from_space="POSE", to_space="LOCAL")
        raw = bone.rotation_euler.copy()
        angles = local.to_euler(bone.rotation_mode, raw)
        for dof in DOFS_OF_JOINT[joint]:
            channel = layout.channel(dof.index)
            result[dof.index] = channel.sign * angles[channel.index]
    return result


def test_a_control_in_place_changes_nothing(rig):
    rng = np.random.default_rng(0)
    for _ in range(5):
        pose(rig, calm(rig, rng))
        joints, turns = joint_positions(rig), joint_turns(rig)
        follow(rig)
        switch(rig, 1.0)
        assert np.linalg.norm(joint_positions(rig) - joints, axis=1).max() < 1e-4
        assert degrees_apart(joint_turns(rig), turns) < 0.05
        switch(rig, 0.0)
        assert np.abs(joint_positions(rig) - joints).max() < 1e-6


def test_hands_and_feet_reach_their_controls_within_the_limits(rig):
    rng = np.random.default_rng(1)
    box, misses = record.limits(rig), []
    for _ in range(20):
        goal = calm(rig, rng)
        pose(rig, goal)
        follow(rig)
        wanted, turned = joint_positions(rig), joint_turns(rig)
        start = goal + 0.3 * rng.standard_normal(46)
        start[:3], start[17:29], start[36:39] = goal[:3], goal[17:29], goal[36:39]  # trunk and shoulder blades as before
        pose(rig, np.clip(start, *box.T))
        switch(rig, 1.0)
        reached, turns = joint_positions(rig), joint_turns(rig)
        for limb in SOLVED:
            misses.append(np.linalg.norm(reached[limb.tip] - wanted[limb.tip]))
            assert degrees_apart(turns[limb.tip], turned[limb.tip]) < 0.5
        angles = seen_angles(rig)
        assert (angles > box[:, 0] - 1e-3).all() and (angles < box[:, 1] + 1e-3).all()
        switch(rig, 0.0)
    assert np.sort(misses)[-3] < 2e-3 and max(misses) < 0.02  # now and then limits hold the solver up on its way


def test_a_control_out_of_reach_breaks_no_limit(rig):
    pose(rig, calm(rig, np.random.default_rng(2), 0.3))
    follow(rig)
    for number, limb in enumerate(controls.LIMBS):
        bone = rig.pose.bones[limb.control]
        bone.location = (1.0, -1.0, (-1) ** number)
        bone.rotation_quaternion = (0.2, 0.7, 0.3, -0.4)
    switch(rig, 1.0)
    angles, box = seen_angles(rig), record.limits(rig)
    assert (angles > box[:, 0] - 1e-3).all() and (angles < box[:, 1] + 1e-3).all()
    at_limit = (np.abs(angles - box[:, 0]) < 1e-3) | (np.abs(angles - box[:, 1]) < 1e-3)
    assert at_limit.any()
    limits.apply(rig, box, enabled=False)
    bpy.context.view_layer.update()
    angles = seen_angles(rig)
    assert (angles < box[:, 0] - 0.05).any() or (angles > box[:, 1] + 0.05).any()


def test_feet_stay_while_the_hips_sink(rig):
    pose(rig, np.zeros(46))
    follow(rig)
    before = joint_positions(rig)
    switch(rig, 1.0)
    rig.pose.bones["pelvis"].location[1] -= 0.1
    bpy.context.view_layer.update()
    after = joint_positions(rig)
    for name in ("calcn_r", "calcn_l", "toes_r", "toes_l"):
        joint = JOINT_NAMES.index(name)
        assert np.linalg.norm(after[joint] - before[joint]) < 2e-3
    assert before[0, 2] - after[0, 2] == pytest.approx(0.1, abs=1e-5)
    assert seen_angles(rig)[6] > 0.5  # the knee bends


@pytest.mark.parametrize(("joint", "first"), [(13, 23), (12, 20)])
def test_head_and_chest_turn_with_their_controls_and_the_spine_bends_as_in_the_model(context, rig, joint, first):
    body = bodies.open_body("open_male", "mean")
    aim = np.zeros(46)
    aim[[first, first + 1, first + 2]] = 0.3, -0.4, 0.5
    pose(rig, aim)
    wanted = joint_positions(rig), joint_turns(rig)
    follow(rig)
    pose(rig, np.zeros(46))
    switch(rig, 1.0)
    assert np.linalg.norm(joint_positions(rig) - wanted[0], axis=1).max() < 1e-4
    assert degrees_apart(joint_turns(rig), wanted[1]) < 0.02
    expected = kinematics.z_up(kinematics.forward(aim, body.joints, body.frames)[joint, :3, 3])
    assert np.abs(wanted[0][joint] - wanted[0][0] - (expected - kinematics.z_up(body.joints[0]))).max() < 1e-4


def test_limbs_change_hands_over_a_range_without_a_jump(context):
    """Channels to control, an edit there, and back: the raw action stays, around the range nothing changes."""
    take = synthetic.random_take(frames=40, people=1)
    person = take.people[0]
    person.poses[:] = 0.3 * np.sin(np.arange(40)[:, None] / 8 + np.arange(46))
    person.poses[:] = np.clip(person.poses, *person.body.limits.T)
    rig = rig_of(build_take(context, take))
    raw, frames = rig.animation_data.action, np.arange(11, 26)
    joints = person.joints()

    def worst():
        found = []
        for frame in range(40):
            context.scene.frame_set(frame + 1)
            found.append(np.linalg.norm(joint_positions(rig) - joints[frame], axis=1).max())
        return np.array(found)

    matching.to_control(context.scene, rig, controls.LIMBS, frames)
    assert rig.animation_data.action != raw and rig.animation_data.action.name == "person_1 edited"
    held = worst()
    assert np.median(held[10:25]) < 1e-4 and held.max() < 4e-3  # knees that are nearly straight start a little bent
    switches = [curve for curve in curves(rig) if curve.data_path == '["foot_ik_r_on"]']
    assert [switches[0].evaluate(frame) for frame in (10, 11, 25, 26)] == [0, 1, 1, 0]
    (lift,) = [c for c in curves(rig) if c.data_path == 'pose.bones["foot_ik_r"].location' and c.array_index == 2]
    for point in lift.keyframe_points:
        point.co.y += 0.05
    lift.update()
    lifted = worst()
    assert lifted[12] > 0.04 and np.delete(lifted, range(10, 25)).max() < 1e-4
    context.scene.frame_set(18)
    seen = joint_positions(rig)
    matching.to_channels(context.scene, rig, controls.LIMBS, frames)
    context.scene.frame_set(18)
    assert rig["foot_ik_r_on"] == 0.0
    assert np.linalg.norm(joint_positions(rig) - seen, axis=1).max() < 2e-4
    assert np.delete(worst(), range(10, 25)).max() < 1e-4
    poses, _ = motion.read(rig, frames)
    box = record.limits(rig)
    assert (poses > box[:, 0] - 1e-5).all() and (poses < box[:, 1] + 1e-5).all()
    assert len(raw.fcurves if not hasattr(raw, "slots") else raw.layers[0].strips[0].channelbag(raw.slots[0]).fcurves) == 49


def test_a_thinned_motion_stays_what_it_was_around_the_frames_that_change_hands(context):
    """Its keys are far apart: those of the range must not bend the curves beside it."""
    rig = rig_of(build_take(context, walk.take()))
    finish(motion.thin(rig, thinning.Bounds()))
    frames, inside = motion.frames_of(rig), np.arange(40, 52)
    before = motion.read(rig, frames)
    matching.to_control(context.scene, rig, controls.LIMBS, inside)
    matching.to_channels(context.scene, rig, controls.LIMBS, inside)
    after = motion.read(rig, frames)
    outside = ~np.isin(frames, inside)
    assert max(np.abs(one - other)[outside].max() for one, other in zip(before, after)) < 1e-5
    knee = next(curve for curve in curves(rig) if "tibia_r" in curve.data_path)
    assert len(knee.keyframe_points) < len(inside) + len(frames) // 3
    bent = [key for key in knee.keyframe_points if key.co.x == inside[0] - 1]
    assert len(bent) == 1 and bent[0].interpolation == "BEZIER"


def test_keys_around_the_frames_that_change_hands_are_as_they_were(context):
    """Their easing, their kind and whether they are selected: who moves keys in the Graph Editor moves those that he had selected. Of the
    stretches that are cut, the part that stays is keyed, since no easing makes it."""
    rig = rig_of(build_take(context, walk.take()))
    finish(motion.thin(rig, thinning.Bounds()))
    knee = next(curve for curve in curves(rig) if "tibia_r" in curve.data_path)
    for number, key in enumerate(knee.keyframe_points):
        key.interpolation, key.easing, key.back, key.amplitude, key.period = "BACK", "EASE_IN", 0.5, 0.25, 3.0
        key.type, key.select_control_point = "BREAKDOWN", number == 0

    def told(curve):
        names = ("interpolation", "easing", "back", "amplitude", "period", "type", "select_control_point")
        return {key.co.x: [getattr(key, name) for name in names] for key in curve.keyframe_points}

    knee.update()
    before, outside = told(knee), [*range(1, 40), *range(52, 121)]
    values = [knee.evaluate(frame) for frame in outside]
    cut = [max(frame for frame in before if frame < 40), min(frame for frame in before if frame > 51)]
    for change in (matching.to_control, matching.to_channels):
        change(context.scene, rig, controls.LIMBS, np.arange(40, 52))
    knee = next(curve for curve in curves(rig) if curve.data_path == knee.data_path and curve.array_index == knee.array_index)
    after, stay = told(knee), [frame for frame in before if not cut[0] <= frame <= cut[1] - (cut[1] == 52)]
    assert [after[frame] for frame in stay] == [before[frame] for frame in stay] and len(stay) > 8
    assert [knee.evaluate(frame) for frame in outside] == pytest.approx(values, abs=1e-5)
    assert sum(key[-1] for key in after.values()) == 1


def test_a_limb_that_leaps_keeps_its_limits_and_its_place_when_it_is_handed_over(context):
    """As an arm does that reaches for what is too far away: the nearest angles of the same turn lie beyond a limit, which cuts them."""
    take = walk.take()
    person, random = take.people[0], np.random.default_rng(2)
    arms = [dof.index for limb in controls.LIMBS[:2] for joint in limb.joints for dof in DOFS_OF_JOINT[joint]]
    low, up = person.body.limits[arms].T
    person.poses[:40, arms] = low + random.uniform(0.05, 0.95, (40, len(arms))) * (up - low)
    rig = rig_of(build_take(context, take))
    before = np.array([(context.scene.frame_set(frame), joint_turns(rig))[1] for frame in range(1, 41)])
    matching.to_channels(context.scene, rig, controls.LIMBS[:2], np.arange(1, 41))
    after = np.array([(context.scene.frame_set(frame), joint_turns(rig))[1] for frame in range(1, 41)])
    assert degrees_apart(before, after) < 0.1
    poses, box = motion.read(rig, np.arange(1, 41))[0], record.limits(rig)
    assert (poses[:, arms] > box[arms, 0] - 1e-3).all() and (poses[:, arms] < box[arms, 1] + 1e-3).all()


def test_on_a_subframe_the_whole_frame_is_handed_over(context):
    rig = rig_of(build_take(context, walk.take()))
    frames = motion.frames_of(rig)
    before = motion.read(rig, frames)[0]
    context.scene.frame_set(12, subframe=0.5)
    matching.to_channels(context.scene, rig, controls.LIMBS, np.array([12]))
    assert np.abs(kinematics.joint_rotations(motion.read(rig, frames)[0]) - kinematics.joint_rotations(before)).max() < 2e-3


@pytest.mark.parametrize("muted", [False, True])
def test_a_control_that_hangs_on_a_prop_takes_its_limb_over_without_a_jump(context, muted):
    """By a Child Of, as a hand holds on to something."""
    rig = rig_of(build_take(context, walk.take()))
    prop = bpy.data.objects.new("prop", None)
    context.scene.collection.objects.link(prop)
    for frame in (1, 120):
        prop.location, prop.rotation_euler = (0.01 * frame, 0.5, 1.0), (0.0, 0.01 * frame, 0.5)
        prop.keyframe_insert("location", frame=frame)
        prop.keyframe_insert("rotation_euler", frame=frame)
    hang = rig.pose.bones["hand_ik_l"].constraints.new("CHILD_OF")
    hang.target, hang.mute = prop, muted
    frames = range(20, 60, 7)

    def seen() -> np.ndarray:
        return np.array([(context.scene.frame_set(frame), joint_positions(rig))[1] for frame in frames])

    before = seen()
    for change in (matching.to_control, matching.to_control, matching.to_channels):
        change(context.scene, rig, controls.LIMBS[:3], np.arange(15, 70))
        assert np.abs(seen() - before).max() < 2e-4
    pins.pin(context.scene, rig, controls.LIMBS[1], pins.Pin(20, 27, 27, 2))
    hand = before[:2, JOINT_INDEX["hand_l"]]
    assert np.abs(seen()[:2, JOINT_INDEX["hand_l"]] - hand[1]).max() < 5e-3 < 0.1 * np.linalg.norm(hand[1] - hand[0])


@pytest.mark.parametrize("change", [matching.to_control, matching.to_channels])
def test_a_rig_in_rest_position_is_handed_over_with_its_motion(context, change):
    """It shows the T pose then, whatever is keyed, and on the current frame whatever is posed."""
    rig = rig_of(build_take(context, walk.take()))

    def feet() -> np.ndarray:
        return np.array([(context.scene.frame_set(frame), joint_positions(rig)[[3, 8]])[1] for frame in (10, 40, 80)])

    def in_rest_position(frames: np.ndarray) -> None:
        rig.data.pose_position = "REST"
        change(context.scene, rig, controls.LIMBS, frames)
        assert rig.data.pose_position == "REST"
        rig.data.pose_position = "POSE"

    before = feet()
    rig.pose.bones["femur_r"].rotation_euler.x += 0.4
    before[2] = joint_positions(rig)[[3, 8]]
    for frames in (np.array([80]), motion.frames_of(rig)):
        in_rest_position(frames)
        assert np.abs(feet() - before).max() < 5e-3


@pytest.mark.parametrize("change", [matching.to_control, matching.to_channels])
def test_a_rig_in_edit_mode_is_not_handed_over(context, change):
    """It has no pose there."""
    rig = rig_of(build_take(context, walk.take()))
    raw, context.view_layer.objects.active = rig.animation_data.action, rig
    bpy.ops.object.mode_set(mode="EDIT")
    for frames in (motion.frames_of(rig), np.array([context.scene.frame_current])):
        with pytest.raises(SkelError, match="walker is in Edit Mode, where it has no pose. Leave Edit Mode."):
            change(context.scene, rig, controls.LIMBS, frames)
    assert rig.animation_data.action == raw and context.mode == "EDIT_ARMATURE"


def test_a_control_is_seen_while_it_leads(rig, context):
    def shown() -> list[str]:
        context.view_layer.update()
        bones = rig.evaluated_get(context.evaluated_depsgraph_get()).pose.bones
        return [limb.control for limb in controls.LIMBS if max(bones[limb.control].custom_shape_scale_xyz) > 0.0]

    assert shown() == []
    rig["foot_ik_l_on"] = 0.5
    rig.update_tag()
    assert shown() == ["foot_ik_l"]
