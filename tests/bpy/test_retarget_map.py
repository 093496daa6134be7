# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone map: guessed from names and from shapes, kept as files, edited and used in the panel."""

from __future__ import annotations

import json
from types import SimpleNamespace

import bpy
import mathutils
import numpy as np
import pytest

import skel_blender
from skel_blender import kinematics
from skel_blender.export import rotations
from skel_blender.export.retarget import guess, names, places, presets, skeleton, slots
from skel_blender.messages import SkelError
from skel_blender.rig.assemble import build_take, layer_of
from skel_blender.ui import gather, retarget_properties
from tests import walk
from tests.bpy import characters
from tests.bpy.evaluated import rig_of

LIMBS = [f"{part}_{side}" for part in (*slots.ARM, *slots.LEG) for side in "lr"]
# How others call the parts of characters.UNITY, in its order; '{}' is the side.
CONVENTIONS = {
    "unity humanoid": (("Hips", "Spine", "Chest", "UpperChest", "Neck", "Head"), ("Left", "Right"),
                       ("Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot", "Toes"), "{}{}"),
    "vrm": (("J_Bip_C_Hips", "J_Bip_C_Spine", "J_Bip_C_Chest", "J_Bip_C_UpperChest", "J_Bip_C_Neck", "J_Bip_C_Head"), ("L", "R"),
            ("Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot", "ToeBase"), "J_Bip_{}_{}"),
    "biped": (("Bip001 Pelvis", "Bip001 Spine", "Bip001 Spine1", "Bip001 Spine2", "Bip001 Neck", "Bip001 Head"), ("L", "R"),
              ("Clavicle", "UpperArm", "Forearm", "Hand", "Thigh", "Calf", "Foot", "Toe0"), "Bip001 {} {}"),
    "daz": (("hip", "abdomen", "abdomen2", "chest", "neck", "head"), ("l", "r"),
            ("Collar", "Shldr", "ForeArm", "Hand", "Thigh", "Shin", "Foot", "Toe"), "{}{}"),
    "source": (("ValveBiped.Bip01_Pelvis", "ValveBiped.Bip01_Spine", "ValveBiped.Bip01_Spine1", "ValveBiped.Bip01_Spine4",
                "ValveBiped.Bip01_Neck1", "ValveBiped.Bip01_Head1"), ("L", "R"),
               ("Clavicle", "UpperArm", "Forearm", "Hand", "Thigh", "Calf", "Foot", "Toe0"), "ValveBiped.Bip01_{}_{}"),
    "deform bones": (("DEF-hips", "DEF-spine", "DEF-chest", "DEF-upper_chest", "DEF-neck", "DEF-head"), ("L", "R"),
                     ("shoulder", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe"), "DEF-{1}.{0}"),
    "smpl": (("Pelvis", "Spine1", "Spine2", "Spine3", "Neck", "Head"), ("L", "R"),
             ("Collar", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Foot"), "{}_{}"),
    "advanced skeleton": (("Root_M", "Spine1_M", "Spine2_M", "Chest_M", "Neck_M", "Head_M"), ("L", "R"),
                          ("Scapula", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Toes"), "{1}_{0}"),
    "auto-rig": (("root.x", "spine_01.x", "spine_02.x", "spine_03.x", "neck.x", "head.x"), ("l", "r"),
                 ("shoulder", "arm_stretch", "forearm_stretch", "hand", "thigh_stretch", "leg_stretch", "foot", "toes_01"), "{1}.{0}"),
    "numbers": (("pelvis", "spine_1", "spine_2", "spine_3", "neck", "head"), ("L", "R"),
                ("shoulder", "arm_1", "arm_2", "arm_3", "leg_1", "leg_2", "leg_3", "foot_1"), "{}_{}"),
    "numbered arms": (("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head"), ("Left", "Right"),
                      ("Shoulder", "Arm1", "Arm2", "Arm3", "UpLeg", "Leg", "Foot", "ToeBase"), "{}{}"),
    "optitrack": (("Hip", "Ab", "Spine", "Chest", "Neck", "Head"), ("L", "R"),
                  ("Shoulder", "UArm", "FArm", "Hand", "Thigh", "Shin", "Foot", "Toe"), "{}{}"),
}  # fmt: skip
PARTS = ("clavicle", "arm", "forearm", "hand", "thigh", "shin", "foot", "ball")


def read(target):
    return guess.guess(skeleton.read(target))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_names_of_many_schools_are_understood(context, convention):
    middle, words, outer, form = CONVENTIONS[convention]
    target = characters.simple("Person", characters.UNITY)
    called = dict(zip(("Hips", "Spine", "Chest", "UpperChest", "Neck", "Head"), middle))
    for word, side in zip(("Left", "Right"), words):
        called |= {characters.UNITY[part].format(word): form.format(side, name) for part, name in zip(PARTS, outer)}
    for old, new in called.items():
        target.data.bones[old].name = new
    found = read(target)
    expected = {"hips": middle[0], **dict(zip(slots.SPINE, middle[1:4])), "neck_1": middle[4], "head": middle[5]}
    for side, word in zip("lr", words):
        for part, name in zip((*slots.ARM, *slots.LEG), outer):
            expected[f"{part}_{side}"] = form.format(word, name)
    assert found == expected


def test_mixamo_and_unreal_are_mapped_whole(context):
    found = read(characters.mixamo())
    limbs = {"thigh_l": "LeftUpLeg", "shin_l": "LeftLeg", "toe_r": "RightToeBase", "upper_arm_r": "RightArm"}
    assert {slot: found[slot] for slot in limbs} == {slot: f"mixamorig:{bone}" for slot, bone in limbs.items()}
    assert [found[f"spine_{k}"] for k in (1, 2, 3)] == [f"mixamorig:Spine{k}" for k in ("", 1, 2)] and set(LIMBS) < set(found)
    found = read(characters.manny())
    assert found["root"] == "root" and found["hips"] == "pelvis" and found["spine_5"] == "spine_05" and found["neck_2"] == "neck_02"
    assert found["forearm_twist_2_r"] == "lowerarm_twist_01_r" and found["toe_l"] == "ball_l" and set(LIMBS) < set(found)


@pytest.mark.parametrize("whose", ["Hero_", "SK_Bob_", "Bob ", "bobs"])
def test_a_characters_own_name_before_its_bones_changes_nothing(context, whose):
    target = characters.manny()
    plain = read(target)
    for bone in target.data.bones:
        bone.name = whose + (bone.name if whose[-1] in "_ " else bone.name.capitalize()) * (bone.name != "root")
    found = read(target)
    assert {slot: bone.lower() for slot, bone in found.items() if slot != "root"} == {
        slot: (whose + bone).lower() for slot, bone in plain.items() if slot != "root"}  # fmt: skip
    assert len(names.finger(skeleton.read(target), "l", "middle")) == 1


@pytest.mark.parametrize("maker", [characters.mixamo, characters.manny, lambda: characters.simple("Unity", characters.UNITY)])
def test_shapes_alone_tell_the_limbs_that_names_tell(context, maker):
    target = maker()
    bones = skeleton.read(target)
    by_name, by_place = names.guess(bones), places.guess(bones)
    assert set(LIMBS) <= set(by_place)
    assert {slot: by_place[slot] for slot in LIMBS} == {slot: by_name[slot] for slot in LIMBS}
    assert by_place["hips"] == by_name["hips"]


def test_a_rig_without_names_is_mapped_by_its_shape_whichever_way_it_faces(context):
    target = characters.nameless()
    found = read(target)
    bones = skeleton.read(target)
    assert set(LIMBS) < set(found) and {"hips", "spine_1", "spine_2", "spine_3", "neck_1", "head"} < set(found)
    assert bones.head(found["hand_l"])[0] < -0.5 < 0.5 < bones.head(found["hand_r"])[0]  # it faces +y
    upward = "toe_l", "foot_l", "shin_l", "thigh_l", "spine_1", "spine_2", "spine_3", "neck_1", "head"
    heights = [bones.head(found[slot])[2] for slot in upward]
    assert heights == sorted(heights)


def test_legs_or_arms_that_hang_on_nothing_in_common_have_no_hips_and_no_head_between_them(context):
    parents = {part: parent for part, parent in characters._PARENTS.items() if part not in ("thigh", "clavicle")}
    names = {**characters.UNITY, "hips": "Base", "head": "Top"}
    target = characters.simple("Parted", names, parents=parents)
    found = read(target)
    assert set(found) == set(LIMBS) and guess.missing(found) == ["Hips"]


def test_what_is_no_person_is_not_guessed(context):
    data = bpy.data.armatures.new("Chain")
    chain = bpy.data.objects.new("Chain", data)
    context.scene.collection.objects.link(chain)
    context.view_layer.objects.active = chain
    bpy.ops.object.mode_set(mode="EDIT")
    before = None
    for k in range(6):
        bone = data.edit_bones.new(f"link.{k:03d}")
        bone.head, bone.tail, bone.parent = (0, 0, k), (0, 0, k + 1), before
        before = bone
    bpy.ops.object.mode_set(mode="OBJECT")
    assert guess.missing(read(chain)) == [slot.title for slot in slots.SLOTS if slot.needed]


def test_a_bone_map_is_the_same_after_save_and_load(tmp_path):
    folder = tmp_path / "maps"
    mapping = {"hips": "Hüfte", "thigh_l": 'with "quotes"', "head": ""}
    presets.save(folder, "My Rig: 1/2", mapping)
    assert presets.listed(folder) == ["My Rig_ 1_2"]
    assert presets.load(folder, "My Rig_ 1_2") == {"hips": "Hüfte", "thigh_l": 'with "quotes"'}
    presets.delete(folder, "My Rig_ 1_2")
    assert presets.listed(folder) == [] == list(folder.iterdir())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "skel_blender bone map", "version": 2, "bones": {}}',
                                     json.dumps({"format": presets.FORMAT, "version": 1, "bones": {"tail": "Tail"}}),
                                     json.dumps({"format": presets.FORMAT, "version": 1, "bones": {"hips": 3}})])  # fmt: skip
def test_a_file_that_is_no_bone_map_is_refused(tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(SkelError, match="bad"):
        presets.load(tmp_path, "bad")
    with pytest.raises(SkelError):
        presets.save(tmp_path, " . ", {"hips": "Hips"})


def test_rotations_are_blenders(context):
    rng = np.random.default_rng(0)
    turns = [mathutils.Quaternion(rng.standard_normal(4)).normalized() for _ in range(50)]
    matrices = np.array([turn.to_matrix() for turn in turns])
    for order in ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"):
        angles = kinematics.eulers(matrices, order)
        back = np.array([mathutils.Euler(row, order).to_matrix() for row in angles])
        assert np.abs(back - matrices).max() < 1e-5
        steep = [[np.pi / 2 * (-1) ** k if letter == order[1] else rng.uniform(-3.0, 3.0) for letter in "XYZ"] for k in range(20)]
        locked = np.array([mathutils.Euler(row, order).to_matrix() for row in steep])
        back = np.array([mathutils.Euler(row, order).to_matrix() for row in kinematics.eulers(locked, order)])
        assert np.abs(back - locked).max() < 1e-3  # single precision where the middle angle's sine is one
    quaternions = rotations.continuous_quaternions(matrices)
    assert np.abs(np.array([mathutils.Quaternion(row).to_matrix() for row in quaternions]) - matrices).max() < 1e-6
    back = np.array([mathutils.Matrix.Rotation(row[0], 3, row[1:]) for row in rotations.axis_angles(matrices)])
    assert np.abs(back - matrices).max() < 1e-5
    assert np.abs(rotations.turn(rotations.rotvec(matrices)) - matrices).max() < 1e-6
    half = rotations.share(matrices[:25], matrices[25:], 0.5)
    assert np.abs(np.array([a.slerp(b, 0.5).to_matrix() for a, b in zip(turns[:25], turns[25:])]) - half).max() < 1e-5
    for one, other in (((0, 0, 1), (0, 0, -1)), ((1, 0, 0), (1, 0, 0)), ((1, 2, 3), (-2, 0.1, 1))):
        turn = rotations.between(np.array(one, dtype=float), np.array(other, dtype=float))
        assert np.abs(turn @ rotations.unit(np.array(one, dtype=float)) - rotations.unit(np.array(other, dtype=float))).max() < 1e-9


@pytest.fixture
def addon(context, tmp_path, monkeypatch):
    """The add-on enabled, a source active, and its files in a folder of the test."""
    monkeypatch.setattr("skel_blender.ui.retarget_operators.user_folder", lambda name: tmp_path / name)
    monkeypatch.setattr("skel_blender.ui.retarget_panel.user_folder", lambda name: tmp_path / name)
    skel_blender.register()
    rig = rig_of(build_take(context, walk.take()))
    context.view_layer.objects.active = rig
    yield context.scene.skel_retarget
    skel_blender.unregister()


class Drawn:
    """Takes a layout's place and keeps what is drawn."""

    def __init__(self) -> None:
        self.seen = []

    def __getattr__(self, name):
        def keep(*values, **options):
            self.seen.append((name, *values, *options.values()))
            return SimpleNamespace() if name == "operator" else self

        return keep


def draw(name):
    drawn = Drawn()
    getattr(bpy.types, name).draw(SimpleNamespace(layout=drawn), bpy.context)
    return str(drawn.seen)


def test_the_panel_guesses_keeps_and_retargets(addon, context):
    assert "skel.guess_bones" not in draw("SKEL_PT_retarget")
    assert "None is saved yet" in draw("SKEL_MT_bone_maps")
    addon.target = target = characters.mixamo()
    context.view_layer.objects.active = next(thing for thing in bpy.data.objects if thing.name == "walker")
    assert addon.rows["hips"].bone == "mixamorig:Hips"  # guessed as soon as it was chosen
    shown = draw("SKEL_PT_retarget")
    assert "SKEL_UL_slots" in shown and "Takes walker" in shown and "prop_search" in shown
    drawn = Drawn()
    bpy.types.SKEL_UL_slots.draw_item(SimpleNamespace(), context, drawn, addon, addon.rows["thigh_l"], 0, None, "", 0)
    assert "Left Thigh" in str(drawn.seen) and "'LeftUpLeg'" in str(drawn.seen)
    assert bpy.ops.skel.save_bone_map(name="mixamo") == {"FINISHED"}
    assert "mixamo" in draw("SKEL_MT_bone_maps")
    bpy.ops.skel.clear_bones()
    assert retarget_properties.bone_map(addon) == {}
    with pytest.raises(RuntimeError, match="The bone map is empty. Press Guess"):
        bpy.ops.skel.save_bone_map(name="empty")
    with pytest.raises(RuntimeError, match="Hips has no bone. Choose one in the list"):
        bpy.ops.skel.retarget()
    bpy.ops.skel.load_bone_map(name="mixamo")
    assert addon.rows["shin_r"].bone == "mixamorig:RightLeg"
    addon.rows["neck_1"].bone = ""
    assert bpy.ops.skel.retarget() == {"FINISHED"}
    keyed = target.animation_data.action
    assert keyed.name == "Mixamo walker"
    bpy.ops.skel.guess_bones()
    assert addon.rows["neck_1"].bone == "mixamorig:Neck"
    bpy.ops.skel.delete_bone_map(name="mixamo")
    with pytest.raises(RuntimeError, match="There is no bone map mixamo"):
        bpy.ops.skel.load_bone_map(name="mixamo")


def test_the_panel_says_what_is_missing_in_one_sentence(addon, context):
    with pytest.raises(RuntimeError, match="No target is chosen. Choose your character's armature."):
        bpy.ops.skel.retarget()
    addon.target = characters.mixamo()
    context.view_layer.objects.active = addon.target
    rig = next(thing for thing in bpy.data.objects if thing.name == "walker")
    assert gather.source_rig(context) == rig  # the only one
    layer_of(context.view_layer, rig.users_collection[0]).exclude = True
    with pytest.raises(RuntimeError, match="No source is chosen"):
        bpy.ops.skel.retarget()
    layer_of(context.view_layer, rig.users_collection[0]).exclude = False
    context.view_layer.objects.active = rig
    addon.target = rig
    with pytest.raises(RuntimeError, match="The target is the source itself"):
        bpy.ops.skel.retarget()


@pytest.mark.parametrize("role", ("source", "target"))
def test_who_was_deleted_is_not_retargeted_though_the_panel_keeps_him(addon, role):
    addon.source, addon.target = bpy.data.objects["walker"], characters.mixamo()
    gone = getattr(addon, role)
    bpy.ops.object.select_all(action="DESELECT")
    gone.select_set(True)
    bpy.ops.object.delete()
    assert getattr(addon, role) == gone and gone.name in bpy.data.objects
    with pytest.raises(RuntimeError, match=f"{gone.name} was deleted. Choose another armature"):
        bpy.ops.skel.retarget()
