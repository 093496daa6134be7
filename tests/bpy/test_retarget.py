# SPDX-License-Identifier: GPL-3.0-or-later
"""A captured walk on other people's characters: where feet stand, how knees bend, where limbs point, and that nothing else is touched."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.export.retarget import Options, legs, retarget, rotations, sample, skeleton
from skel_blender.export.retarget.guess import guess
from skel_blender.messages import SkelError
from skel_blender.rig import controls, matching, record
from skel_blender.rig.assemble import build_take
from tests import walk
from tests.bpy import characters, walking
from tests.bpy.evaluated import curves, degrees_apart, rig_of
from tests.bpy.walking import apart

MAKERS = {"mixamo": characters.mixamo, "manny": characters.manny, "nameless": characters.nameless,
          "unity": lambda: characters.simple("Unity", characters.UNITY)}  # fmt: skip


@pytest.fixture
def source(context):
    """The SKEL rig that walks, without its skin and bones, which would only cost time."""
    rig = rig_of(build_take(context, walk.take()))
    for thing in list(rig.children):
        bpy.data.objects.remove(thing)
    return rig


def put(source, target, **options):
    """Retarget with the guessed map; the result, the map and how the target is seen."""
    mapping = guess(skeleton.read(target))
    result = retarget(bpy.context.scene, source, target, mapping, Options(**options))
    return result, mapping, walking.look(target, mapping)


@pytest.mark.parametrize("name", MAKERS)
def test_a_walk_stands_bends_and_points_as_the_source_does(source, name):
    before = walking.look_at_source(source)
    target = MAKERS[name]()
    modes = [bone.rotation_mode for bone in target.pose.bones]
    rest = skeleton.read(target)
    result, mapping, seen = put(source, target)
    assert result.frames == 120 and result.off_rad == result.off_m == 0.0
    assert [bone.rotation_mode for bone in target.pose.bones] == modes
    for side in "lr":
        stood = walking.steps(before, side)
        assert len(stood) >= 2
        for step in stood:
            assert walking.slide(seen.heads[f"toe_{side}"][step]) < 0.01
        for part in ("foot", "toe"):
            assert seen.heads[f"{part}_{side}"][:, 2].min() > rest.head(mapping[f"{part}_{side}"])[2] - 0.001
        assert walking.knee_ahead(seen, side).min() > 0.0
        assert np.abs(walking.knee_bend(seen, side) - walking.knee_bend(before, side)).mean() < 5.0
        for one, other, mean, most in (("upper_arm", "forearm", 0.1, 0.1), ("forearm", "hand", 0.1, 0.1), ("thigh", "shin", 4.0, 13.0)):
            off = apart(seen.direction(f"{one}_{side}", f"{other}_{side}"), before.direction(f"{one}_{side}", f"{other}_{side}"))
            assert off.mean() < mean and off.max() < most, (one, off.mean(), off.max())
        smooth = walking.jerkiness(before.heads[f"foot_{side}"]) * result.ratio
        assert walking.jerkiness(seen.heads[f"foot_{side}"]) < 1.5 * smooth
    middles = [(where.heads["thigh_l"] + where.heads["thigh_r"]) / 2 for where in (seen, before)]
    assert np.abs(middles[0] - result.ratio * middles[1])[:, :2].max() < 0.01
    assert walking.jerkiness(middles[0]) < 1.5 * walking.jerkiness(middles[1]) * result.ratio
    assert degrees_apart(seen.turns["head"] @ np.swapaxes(seen.turns["head"][:1], 1, 2),
                         before.turns["head"] @ np.swapaxes(before.turns["head"][:1], 1, 2)) < 0.1  # fmt: skip


def test_without_ik_every_limb_points_where_the_sources_does(source):
    before = walking.look_at_source(source)
    _, _, seen = put(source, characters.manny(), hold_feet=False)
    for side in "lr":
        for one, other in (("thigh", "shin"), ("shin", "foot"), ("upper_arm", "forearm"), ("forearm", "hand")):
            names = f"{one}_{side}", f"{other}_{side}"
            assert apart(seen.direction(*names), before.direction(*names)).max() < 0.05
    slides = [walking.slide(seen.heads["toe_l"][step]) for step in walking.steps(before, "l")]
    assert max(slides) > 0.01  # what IK is there for


def test_the_trunk_is_shared_out_and_its_ends_are_exact(source):
    bones = source.pose.bones
    source.animation_data.action = None
    bpy.context.scene.frame_set(1)
    for bone, angle in (("lumbar_body", 0.3), ("thorax", -0.25), ("head", 0.2)):
        bones[bone].rotation_euler = (angle, 0.1, angle / 2)
    for frame in (1, 2):
        for bone in ("lumbar_body", "thorax", "head", "root"):
            bones[bone].keyframe_insert("rotation_euler", frame=frame)
    bones["root"].keyframe_insert("location", frame=1)
    before = walking.look_at_source(source)
    rest = {name: np.array(source.data.bones[name].matrix_local)[:3, :3] for name in ("pelvis", "thorax", "head")}
    target = characters.manny()
    _, mapping, seen = put(source, target)
    still = skeleton.read(target)
    turn = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # it faces +x, the source -y

    def own(slot):
        return seen.turns[slot][0] @ (turn @ still.basis(mapping[slot])).T

    def theirs(joint):
        return before.turns[joint][0] @ rest[joint].T

    assert degrees_apart(own("spine_5"), theirs("thorax")) < 0.05
    assert degrees_apart(own("head"), theirs("head")) < 0.05
    assert degrees_apart(own("hips"), theirs("pelvis")) < 0.05
    spine = [f"spine_{k}" for k in range(1, 6)]
    shares = [degrees_apart(own(a), own(b)) for a, b in zip(["hips", *spine], spine)]
    assert min(shares) > 1.0 and max(shares) < 12.0


def test_twist_bones_take_the_turn_of_the_palm(source):
    (palm,) = (curve for curve in curves(source) if "radius_l" in curve.data_path)
    for point in palm.keyframe_points:
        point.co.y += 0.8
    target = characters.manny()
    _, mapping, seen = put(source, target)
    rest = skeleton.read(target)

    def twist(one, other):
        """Degrees by which one turns against the other about the forearm, each from its rest."""
        turns = [seen.turns[slot] @ rest.basis(mapping[slot]).T for slot in (one, other)]
        change = np.swapaxes(turns[0], 1, 2) @ turns[1]
        along = rest.head(mapping["hand_l"]) - rest.head(mapping["forearm_l"])
        axis = np.stack([change[:, i, j] - change[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=-1) / 2
        return np.degrees(np.arcsin(np.clip(axis @ (along / np.linalg.norm(along)), -1, 1)))

    whole = abs(np.degrees(palm.evaluate(60)))
    near, far = (np.abs(twist("forearm_l", f"forearm_twist_{k}_l")[59]) for k in (1, 2))
    assert whole > 40.0
    assert near == pytest.approx(0.35 * whole, abs=2.0) and far == pytest.approx(0.75 * whole, abs=2.0)


def test_palms_that_lie_otherwise_at_rest_turn_as_the_others_do(source):
    across = []
    for lies in ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)):  # to the floor, to the front
        target = characters.mixamo(across=lies)
        put(source, target)
        fingers = {finger: f"mixamorig:RightHand{finger}1" for finger in ("Index", "Pinky")}
        across.append(walking.look(target, fingers).direction("Index", "Pinky"))
    assert apart(*across).max() < 0.5


def test_a_target_elsewhere_walks_beside_the_source(source):
    target = characters.mixamo()
    target.location.x += 2.0
    bpy.context.view_layer.update()
    matrix = target.matrix_world.copy()
    result, _, seen = put(source, target)
    before = walking.look_at_source(source)
    assert np.abs(seen.heads["thigh_l"][:, 0] - 2.0 - result.ratio * before.heads["thigh_l"][:, 0]).max() < 0.06
    assert target.matrix_world == matrix


def test_the_root_bone_takes_the_way_if_asked(source):
    target = characters.manny()
    _, _, plain = put(source, target)
    _, _, travelled = put(source, target, root_travels=True)
    for slot in ("hips", "foot_l", "hand_r", "head"):
        assert np.abs(plain.heads[slot] - travelled.heads[slot]).max() < 1e-4
    way = travelled.heads["root"]
    hips = (travelled.heads["thigh_l"] + travelled.heads["thigh_r"]) / 2
    assert np.ptp(plain.heads["root"]) < 1e-6 and np.ptp(way[:, 2]) < 1e-5
    assert np.abs(way - way[0] - (hips - hips[0]))[:, :2].max() < 1e-4 and np.ptp(way[:, 1]) > 3.0


def test_contacts_of_the_take_are_believed_and_those_that_an_edit_lifts_are_not(source):
    action = source.animation_data.action
    target = characters.mixamo()
    down = np.zeros((120, 6), dtype=bool)
    down[29:45, 3:5] = True
    record.keep_contacts(action, 1, down)
    _, _, seen = put(source, target)
    assert walking.slide(seen.heads["foot_l"][29:45]) < 0.001 < walking.slide(seen.heads["toe_l"][10:24])
    down[:] = True  # of a walk this can't be true: the feet are in the air in between
    record.keep_contacts(action, 1, down)
    _, _, seen = put(source, target)
    assert seen.heads["foot_l"][:, 2].max() > 0.2


def keys(thing):
    return [(curve.data_path, curve.array_index, [tuple(point.co) for point in curve.keyframe_points]) for curve in curves(thing)]


def test_angles_do_not_jump_and_other_actions_stay(source):
    target = characters.nameless()
    target.pose.bones[0].keyframe_insert("location", frame=3)
    old = target.animation_data.action
    before = keys(target)
    theirs = source.animation_data.action
    bpy.context.scene.frame_set(37)
    scenes, mapping = list(bpy.data.scenes), guess(skeleton.read(target))
    result = retarget(bpy.context.scene, source, target, mapping)
    assert target.animation_data.action == result.action != old and old.use_fake_user and source.animation_data.action == theirs
    assert list(bpy.data.scenes) == scenes and bpy.context.scene.frame_current == 37
    keyed = curves(target)
    moved = {curve.data_path.split('"')[1] for curve in keyed}
    assert moved == set(mapping.values())
    for curve in keyed:
        values = np.empty(len(curve.keyframe_points) * 2, dtype=np.float32)
        curve.keyframe_points.foreach_get("co", values)
        assert len(values) == 240 and (values[::2] == np.arange(1, 121)).all()
        most = 0.1 if "location" in curve.data_path else 0.5
        if "axis_angle" in curve.data_path and curve.array_index > 0:
            most = 2.0  # near no angle the axis is anybody's guess
        assert np.abs(np.diff(values[1::2])).max() < most, curve.data_path
    target.animation_data.action = old
    if hasattr(old, "slots"):
        target.animation_data.action_slot = old.slots[0]
    assert before == keys(target)
    again, _, _ = put(source, target)
    assert again.action != result.action


def test_what_ik_makes_of_the_source_is_what_the_target_does(source):
    hand = next(limb for limb in controls.LIMBS if limb.control == "hand_ik_l")
    matching.to_control(bpy.context.scene, source, [hand], walking.FRAMES)
    (lift,) = (curve for curve in curves(source) if curve.data_path == 'pose.bones["hand_ik_l"].location' and curve.array_index == 2)
    for point in lift.keyframe_points:
        point.co.y += 0.25
    before = walking.look_at_source(source)
    _, _, seen = put(source, characters.mixamo())
    for one, other in (("upper_arm_l", "forearm_l"), ("forearm_l", "hand_l")):
        assert apart(seen.direction(one, other), before.direction(one, other)).max() < 0.1
    assert (before.heads["forearm_l"] - before.heads["humerus_l"])[:, 2].max() > -0.22  # lifted indeed


def test_a_source_that_hides_on_this_frame_is_seen(context):
    results = []
    for hide in (False, True):
        take = walk.take()
        person, part = take.people[0], slice(20, 60)
        for name in ("frames", "poses", "trans", "confidence", "keypoints_2d", "landmarks_3d", "reprojection_error", "contacts"):
            setattr(person, name, getattr(person, name)[part])
        rig = rig_of(build_take(context, take, hide=hide))
        context.scene.frame_set(3)
        assert rig.hide_viewport is hide
        results.append(sample.sample(context.scene, rig)[0])
        assert rig.hide_viewport is hide
    assert (results[0].frames == np.arange(21, 61)).all()
    assert (results[0].places == results[1].places).all() and np.ptp(results[0].places[:, 0, 1]) > 0.5


def refused(source, target, mapping=None, **options):
    """The code of the error, and that the target has no action."""
    with pytest.raises(SkelError) as caught:
        retarget(bpy.context.scene, source, target, guess(skeleton.read(target)) if mapping is None else mapping, Options(**options))
    assert target is None or target.animation_data is None
    return caught.value.code


def test_what_cannot_be_done_is_said_before_anything_is_changed(source):
    target = characters.mixamo()
    mapping = guess(skeleton.read(target))
    assert refused(source, None, {}) == "no_target"
    assert refused(source, target, {**mapping, "hips": ""}) == "unmapped"
    assert refused(source, target, {**mapping, "hips": "Hüfte"}) == "no_bone"
    assert refused(source, target, {**mapping, "head": mapping["neck_1"]}) == "twice"
    assert refused(source, target, root_travels=True) == "unmapped"
    target.scale = (0.01, 0.01, 0.02)
    bpy.context.view_layer.update()
    assert refused(source, target, mapping) == "skewed"
    target.scale = (-0.01, 0.01, 0.01)
    bpy.context.view_layer.update()
    assert refused(source, target, mapping) == "mirrored"
    target.scale = (0.01, 0.01, 0.01)
    bpy.context.view_layer.update()
    theirs = source.animation_data.action
    source.animation_data.action = None
    assert refused(source, target, mapping) == "no_action"
    source.animation_data.action = theirs
    assert refused(target, target, mapping) == "no_rig"


def test_a_linked_target_is_refused_and_a_linked_source_is_not(source, context, tmp_path):
    target = characters.mixamo()
    path = tmp_path / "character.blend"
    bpy.data.libraries.write(str(path), {target, source})
    names = target.name, source.name
    for thing in (target, source):
        bpy.data.objects.remove(thing)
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.objects = list(names)
    target, source = wanted.objects
    for thing in wanted.objects:
        context.scene.collection.objects.link(thing)
    context.view_layer.update()
    assert target.library is not None
    assert refused(source, target) == "linked"
    own = characters.manny()
    result, _, _ = put(source, own)
    assert result.frames == 120


def test_a_leg_reaches_its_goal_and_its_knee_stays_on_its_side():
    rng = np.random.default_rng(3)
    count = 500
    hinge = rotations.unit(rng.standard_normal((count, 3)))
    down = rotations.unit(np.cross(hinge, rng.standard_normal((count, 3))))
    bend = rng.uniform(-0.05, 2.0, count)[:, None]  # some are a little bent the wrong way
    shin = rotations.apply(rotations.turn(bend * hinge), down)
    hip = rng.standard_normal((count, 3))
    knee, ankle = hip + 0.45 * down, hip + 0.45 * down + 0.4 * shin
    goal = ankle + 0.1 * rng.standard_normal((count, 3))
    first, second = legs.solve(hip, knee, ankle, hinge, goal)
    new_knee = hip + rotations.apply(first, knee - hip)
    new_ankle = new_knee + rotations.apply(second, ankle - knee)
    reach = np.linalg.norm(goal - hip, axis=1)
    reached = np.linalg.norm(new_ankle - goal, axis=1)
    assert reached[(reach > 0.06) & (reach < 0.849)].max() < 1e-9
    assert (np.abs(reached - (reach - 0.85))[reach > 0.86] < 1e-3).all()
    axis = np.cross(new_knee - hip, new_ankle - new_knee)
    assert (rotations.unit(axis) * rotations.apply(first, hinge)).sum(1).min() > 0.9
    same, also = legs.solve(hip, knee, ankle, hinge, ankle)
    bent = (bend[:, 0] > 0.1) & (np.linalg.norm(ankle - hip, axis=1) < 0.849)
    assert np.abs(same - np.eye(3))[bent].max() < 1e-6 and np.abs(also - np.eye(3))[bent].max() < 1e-6
