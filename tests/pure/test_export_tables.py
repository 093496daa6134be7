# SPDX-License-Identifier: GPL-3.0-or-later
"""What presets and bone names are: the table in the documents says what engines want, and the program does what it says."""

from pathlib import Path

import pytest

from skel_blender.export import names, presets

DOCS = Path(__file__).resolve().parents[2] / "docs" / "export.md"
FACING = {"Y": "+Z", "Z": "-Y"}
SAID = {"unreal": "UE5 Manny", "unity": "Unity Humanoid", "godot": "Godot Humanoid", "generic": "SKEL"}
# What each program calls the left hand, the hips, the right thigh and the left foot.
CALLED = {
    "mixamo": ("mixamorig:LeftHand", "mixamorig:Hips", "mixamorig:RightUpLeg", "mixamorig:LeftFoot"),
    "ue5": ("hand_l", "pelvis", "thigh_r", "foot_l"),
    "humanoid": ("LeftHand", "Hips", "RightUpperLeg", "LeftFoot"),
    "rigify": ("hand.L", "spine", "thigh.R", "foot.L"),
    "skel": ("hand_l", "pelvis", "femur_r", "calcn_l"),
}


def _rows():
    """Preset -> what the documents' table says of it."""
    lines = DOCS.read_text(encoding="utf-8").split("## Presets")[1].strip().split("\n\n")[0].splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): dict(zip(table[0], row)) for row in table[2:]}


def test_the_documents_name_every_preset():
    assert set(_rows()) == set(presets.PRESETS) == set(SAID)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_is_what_the_documents_say(name):
    said, preset = _rows()[name], presets.PRESETS[name]
    assert said["FBX unit"] == {1.0: "m", 0.01: "cm"}[preset.unit]
    assert (said["Up"], said["People face"], said["Bones along"]) == (preset.up, FACING[preset.up], preset.axes[0])
    assert said["Names"].startswith(SAID[name]) and SAID[name].split()[-1] in names.TITLES[preset.names]
    assert (said["Root turns"], said["Bones a vertex"]) == ("yes" if preset.heading else "no", preset.influences)
    assert said["Several people"] == ("a file each" if preset.separate else "one file")
    assert said["Armature's node"].startswith(f"`{preset.armature}`" if preset.armature else "the person's name")
    assert (preset.rest, preset.travel, preset.skin, preset.bones) == ("t", "root", True, False)


@pytest.mark.parametrize("table", names.TITLES)
def test_bones_are_called_as_in_the_program_they_are_for(table):
    called = {bone.joint: bone.name for bone in names.bones(table)}
    assert tuple(called[joint] for joint in ("hand_l", "pelvis", "femur_r", "calcn_l")) == CALLED[table]
