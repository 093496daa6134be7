# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone maps that are guessed where names mean joints, say little, or contradict what places tell."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.anatomy import JOINT_NAMES
from skel_blender.export import names as export_names
from skel_blender.export.retarget import guess, names, skeleton
from skel_blender.rig import layout
from skel_blender.rig.assemble import build_take
from tests import synthetic, walk
from tests.bpy import characters, walking
from tests.bpy.evaluated import rig_of


def read(target):
    return guess.guess(skeleton.read(target))


def test_bones_that_bend_beside_others_that_twist_are_the_parts():
    assert [names.read(f"l{part}Bend").key for part in ("Shldr", "Forearm", "Thigh")] == ["shldr", "forearm", "thigh"]


def test_a_part_begins_at_the_first_of_two_bones_that_have_names_for_it(context):
    called = {**characters.UNITY, "hand": "{} Wrist", "knuckles": "{} Hand", "ball": "{} Ball", "toes": "{} Toes",
              "fingers": "{}_forearmtwist1"}  # fmt: skip
    parents = {**characters._PARENTS, "knuckles": "hand", "toes": "ball", "fingers": "forearm"}
    found = read(characters.simple("Joints", called, parents=parents))
    assert {part: found[f"{part}_l"] for part in ("hand", "toe", "forearm_twist_1")} == {
        "hand": "Left Wrist", "toe": "Left Ball", "forearm_twist_1": "Left_forearmtwist1"}  # fmt: skip


def exported(table, called=lambda name: name):
    """An armature of the bones that an export has under a table's names."""
    body, joints = synthetic.open_body("male"), JOINT_NAMES.index
    places = kinematics.z_up(body.joints) + [0.0, 0.0, layout.ground(body)]
    root = export_names.root(table)
    bones = [(called(root), None, np.zeros(3), np.array([0.0, 0.0, 0.1]))]
    for bone in export_names.bones(table):
        head = places[joints(bone.head)]
        bones.append((called(bone.name), called(bone.parent or root), head, head + [0.0, -0.03, 0.01]))
    return characters.armature("Exported", bones)


@pytest.mark.parametrize("table", export_names.TITLES)
def test_the_skeletons_that_are_exported_are_mapped(context, table):
    called = {bone.joint: bone.name for bone in export_names.bones(table)}
    if table == export_names.SKEL:
        called |= {f"calcn_{side}": f"talus_{side}" for side in "lr"}  # the foot begins at the ankle
    wanted = {"root": export_names.root(table), "hips": called["pelvis"], "spine_1": called["lumbar_body"], "spine_2": called["thorax"],
              "head": called["head"]}  # fmt: skip
    parts = {"shoulder": "scapula", "upper_arm": "humerus", "forearm": "ulna", "forearm_twist_1": "radius", "hand": "hand",
             "thigh": "femur", "shin": "tibia", "foot": "calcn", "toe": "toes"}  # fmt: skip
    wanted |= {f"{part}_{side}": called[f"{joint}_{side}"] for part, joint in parts.items() for side in "lr"}
    assert read(exported(table)) == wanted


def test_toes_lie_before_a_heel_that_is_on_the_way_to_them(context):
    numbers = {name: f"b{number:02d}" for number, name in enumerate(["root", *JOINT_NAMES])}
    found = read(exported(export_names.SKEL, numbers.__getitem__))
    for part, joint in (("thigh", "femur"), ("shin", "tibia"), ("toe", "toes"), ("upper_arm", "humerus"), ("hand", "hand")):
        assert [found[f"{part}_{side}"] for side in "lr"] == [numbers[f"{joint}_{side}"] for side in "lr"], part


def test_names_say_which_side_is_left_where_places_say_otherwise(context):
    called = {part: f"b{number:02d}{'{}' * ('{}' in title)}" for number, (part, title) in enumerate(characters.UNITY.items())}
    called |= {"thigh": "{} thigh"}
    del called["ball"]
    target = characters.simple("Backward", called)
    context.view_layer.objects.active = target
    bpy.ops.object.mode_set(mode="EDIT")
    for side in ("Left", "Right"):
        target.data.edit_bones[called["foot"].format(side)].tail.y += 0.2
    bpy.ops.object.mode_set(mode="OBJECT")
    found = read(target)
    for part, own in (("thigh", "thigh"), ("shin", "shin"), ("foot", "foot"), ("upper_arm", "arm"), ("hand", "hand")):
        assert [found[f"{part}_l"], found[f"{part}_r"]] == [called[own].format("Left"), called[own].format("Right")]


def test_collar_bones_of_unknown_names_are_not_the_way_to_the_head(context):
    called = {**characters.UNITY, "clavicle": "{} Schulter", "neck0": "Hals", "head": "Kopf"}
    found = read(characters.simple("Words", called))
    assert (found["neck_1"], found["head"], found["upper_arm_l"]) == ("Hals", "Kopf", "Left arm")


def test_a_spine_beside_the_pelvis_is_carried_along(source):
    parents = {**characters._PARENTS, "hips": "crown", "spine0": "crown"}  # where what carries both begins does not matter
    for numbered in (False, True):
        called = {part: f"b{number:02d}{'{}' * ('{}' in title)}" if numbered else title
                  for number, (part, title) in enumerate(({"crown": "Torso"} | characters.UNITY).items())}  # fmt: skip
        target = characters.simple("Parted", called, parents=parents)
        _, found, seen = walking.put(source, target)
        assert (found["hips"], found["pelvis"], found["spine_1"]) == tuple(called[part] for part in ("crown", "hips", "spine0"))
        assert np.ptp(np.linalg.norm(seen.heads["head"] - seen.heads["thigh_l"], axis=1)) < 0.05
        assert np.abs(seen.heads["thigh_l"] - seen.heads["pelvis"])[:, :2].max() < 0.2


def test_a_foot_that_begins_where_its_ankle_does_is_no_toe(context):
    called = {**characters.UNITY, "foot": "{} Ankle", "ball": "{} Foot"}
    target = characters.simple("Helper", called)
    assert (read(target)["foot_l"], read(target)["toe_l"]) == ("Left Ankle", "Left Foot")
    context.view_layer.objects.active = target
    bpy.ops.object.mode_set(mode="EDIT")
    for side in ("Left", "Right"):
        target.data.edit_bones[f"{side} Foot"].head = target.data.edit_bones[f"{side} Ankle"].head
    bpy.ops.object.mode_set(mode="OBJECT")
    found = read(target)
    assert found["foot_l"] == "Left Foot" and "toe_l" not in found


MMD = {"root": "全ての親", "hips": "腰", "lower": "下半身", "spine0": "上半身", "spine1": "上半身2", "neck0": "首", "head": "頭",
       "clavicle": "{}肩", "arm": "{}腕", "arm_twist": "{}腕捩", "forearm": "{}ひじ", "twist": "{}手捩", "twist1": "{}手捩1",
       "hand": "{}手首", "knuckles": "{}人指１", "fingers": "{}人指２", "little": "{}小指１", "little2": "{}小指２", "thigh": "{}足",
       "shin": "{}ひざ", "foot": "{}足首", "ball": "{}つま先", "thighD": "{}足D", "shinD": "{}ひざD", "ik": "{}足ＩＫ",
       "heel": "{}足首D"}  # fmt: skip
_MMD_PARENTS = {"hips": "root", "lower": "hips", "spine0": "hips", "spine1": "spine0", "neck0": "spine1", "head": "neck0",
                "clavicle": "spine1", "arm": "clavicle", "arm_twist": "arm", "forearm": "arm_twist", "twist": "forearm",
                "twist1": "forearm", "hand": "twist", "knuckles": "hand", "fingers": "knuckles", "little": "hand", "little2": "little",
                "thigh": "lower", "shin": "thigh", "foot": "shin", "ball": "foot", "thighD": "lower", "shinD": "thighD",
                "heel": "shinD"}  # fmt: skip
_NAMED = {"root": "root", "hips": "hips", "pelvis": "lower", "spine_1": "spine0", "spine_2": "spine1", "neck_1": "neck0", "head": "head",
          "shoulder": "clavicle", "upper_arm": "arm", "forearm": "forearm", "forearm_twist_1": "twist", "hand": "hand",
          "thigh": "thigh", "shin": "shin", "foot": "foot", "toe": "ball"}  # fmt: skip


def mikumiku(context, sided, names=MMD):
    """A body as MikuMikuDance's, `sided` with the sides' words, and the map it should have."""
    def half(j, one, other):
        return (j[one] + j[other]) / 2

    j = characters.places(characters.Build(drop=0.6, spine=2))
    j |= {"root": np.zeros(3), "lower": j["hips"] + [0, 0, 0.02], "arm_twist": half(j, "arm", "forearm"), "heel": j["foot"],
          "twist": half(j, "forearm", "hand"), "twist1": half(j, "forearm", "hand"), "thighD": j["thigh"], "shinD": j["shin"],
          "ik": j["foot"], "little": j["knuckles"] + [0, 0.03, 0], "little2": j["fingers"] + [0, 0.03, 0]}  # fmt: skip
    bones = []
    for part, name in names.items():
        above = names.get(_MMD_PARENTS.get(part, "root")) if part != "root" else None
        for side, flip in (("l", lambda p: p), ("r", characters.mirrored)) if "{}" in name else (("", lambda p: p),):
            bones.append((sided(name, side), above and sided(above, side), flip(j[part]), flip(j[part]) + [0, -0.01, 0.05]))
    wanted = {slot + end: sided(names[part], end[1:]) for slot, part in _NAMED.items() if part in names
              for end in (("_l", "_r") if "{}" in names[part] else ("",))}  # fmt: skip
    return characters.armature("MMD", bones), wanted


@pytest.mark.parametrize("sided", [lambda name, side: name.format({"l": "左", "r": "右"}.get(side, "")),
                                   lambda name, side: name.replace("{}", "") + (f".{side.upper()}" if "{}" in name else "")])  # fmt: skip
def test_mikumikudances_names_are_known(context, sided):
    """As they are, and as its importer for Blender turns them; what follows or leads those bones is not taken for them."""
    made, wanted = mikumiku(context, sided)
    assert read(made) == wanted and names.knuckles(skeleton.read(made), "l") == (sided(MMD["knuckles"], "l"), sided(MMD["little"], "l"))


def test_bones_that_twist_on_the_way_to_a_hand_without_names_are_no_joints(context):
    numbered = {part: f"n{k:02d}" + ("_{}" if "{}" in name else "") for k, (part, name) in enumerate(MMD.items()) if part != "ik"}
    made, wanted = mikumiku(context, lambda name, side: name.format({"l": "q", "r": "z"}.get(side, "")), numbered)
    arms = {slot: bone for slot, bone in wanted.items() if slot[:-2] in ("shoulder", "upper_arm", "forearm", "hand")}
    assert len(arms) == 8 and {slot: read(made).get(slot) for slot in arms} == arms


def test_legs_that_hang_on_the_spine_are_carried_by_the_pelvis(context):
    """As 3ds Max's Biped has it: what carries them turns as the pelvis does, else feet slid by 9 mm."""
    called = characters.UNITY | {"hips": "Bip001 Pelvis", "spine0": "Bip001 Spine"}
    parents = characters._PARENTS | {"thigh": "spine0"}
    source = rig_of(build_take(context, walk.take()))
    seen, before = walking.look_at_source(source), characters.simple("Biped", called, parents=parents)
    _, found, after = walking.put(source, before)
    assert (found["hips"], found["pelvis"], found["spine_1"]) == ("Bip001 Pelvis", "Bip001 Spine", "Chest")
    assert max(walking.slide(after.heads[f"toe_{side}"][step]) for side in "lr" for step in walking.steps(seen, side)) < 0.001


def test_few_controls_are_meant_rather_than_the_many_bones_that_copy_them(context):
    controls = {"hips": "Hips", "thigh": "{}Thigh", "shin": "{}Shin", "foot": "{}Foot"}
    copies = {part: f"DEF-{title}" for part, title in characters.UNITY.items()}
    target = characters.simple("Copied", copies)
    bones = [bone for thing in (target, characters.simple("Own", controls)) for bone in thing.data.bones]
    both = characters.armature("Both", [(bone.name, bone.parent and bone.parent.name, np.array(bone.head_local), np.array(bone.tail_local))
                                        for bone in bones])  # fmt: skip
    found = read(both)
    assert found["thigh_l"] == "LeftThigh" and found["foot_r"] == "RightFoot" and found["hips"] == "Hips"
