# SPDX-License-Identifier: GPL-3.0-or-later
"""Where to look: what the panel lists, and where its buttons lead."""

from __future__ import annotations

from fractions import Fraction

import bpy
import numpy as np
import pytest

from skel_blender import rig as rigs
from skel_blender.rig import armature, assemble, doubt, limbs
from skel_blender.rig.editing import corrections, layers, motion, timing
from skel_blender.take import DOUBTED
from tests import synthetic
from tests.bpy.panels import draw

ARM, LEG = DOUBTED.index("arm_r"), DOUBTED.index("leg_l")
FIRST = 4  # of the Take, so that its row 0 is scene frame 5


def doubtful(take):
    """The first person's right arm is doubtful in rows 10 to 14, most in 12, his left leg in 20."""
    error = np.full((len(take.frames), 5), 0.02)
    error[10:15, ARM], error[12, ARM], error[20, LEG] = 0.1, 0.2, 0.12
    take.people[0].expected_error = error
    return take


@pytest.fixture
def rig(enabled, take):
    rig = rigs.build(doubtful(take), collection_name="shot")[0].armature
    armature.select(bpy.context, rig)
    return rig


def selected(rig):
    return {bone.name for bone in rig.pose.bones if (bone if hasattr(bone, "select") else bone.bone).select}


def test_a_button_leads_to_the_worst_frame_and_the_limb(rig):
    drawn = draw("SKEL_PT_look")
    assert drawn.operators.count("skel.look") == drawn.operators.count("skel.looked") == 2
    assert drawn.labels == ["Probably worst first"]
    bpy.ops.skel.look(number=0)
    assert bpy.context.scene.frame_current == 17 and rig.mode == "POSE"
    assert selected(rig) == set(limbs.PARTS["ARM_R"]) and rig.data.bones.active.name in limbs.PARTS["ARM_R"]
    bpy.ops.skel.look(number=1)
    assert bpy.context.scene.frame_current == 25 and selected(rig) == set(limbs.PARTS["LEG_L"])
    with pytest.raises(RuntimeError, match="There are 2"):
        bpy.ops.skel.look(number=2)


def test_where_nothing_stands_out_the_panel_says_so(enabled, take):
    take.people[0].expected_error = np.full((len(take.frames), 5), 0.02)
    armature.select(bpy.context, rigs.build(take, collection_name="shot")[0].armature)
    drawn = draw("SKEL_PT_look")
    assert drawn.labels == ["Nothing stands out"] and not drawn.operators
    assert not bpy.ops.skel.look.poll()


def test_next_and_previous_pass_what_is_ticked_off(rig):
    scene = bpy.context.scene
    scene.frame_set(1)
    bpy.ops.skel.look_on(where="NEXT")
    assert scene.frame_current == 17
    bpy.ops.skel.look_on(where="NEXT")
    assert scene.frame_current == 25
    with pytest.raises(RuntimeError, match="no other place"):
        bpy.ops.skel.look_on(where="NEXT")
    bpy.ops.skel.looked(number=0)
    with pytest.raises(RuntimeError, match="no other place"):
        bpy.ops.skel.look_on(where="PREVIOUS")
    bpy.ops.skel.looked(number=0)
    bpy.ops.skel.look_on(where="PREVIOUS")
    assert scene.frame_current == 17


def test_stretches_that_are_worst_on_one_frame_are_shown_one_after_the_other(enabled, take):
    error = np.full((len(take.frames), 5), 0.02)
    error[12, [ARM, LEG]], error[20, ARM] = (0.2, 0.1), 0.15
    take.people[0].expected_error = error
    rig = rigs.build(take, collection_name="shot")[0].armature
    armature.select(bpy.context, rig)
    bpy.context.scene.frame_set(1)

    def led(where: str) -> tuple[int, int]:
        bpy.ops.skel.look_on(where=where)
        return bpy.context.scene.frame_current, ARM if selected(rig) == set(limbs.PARTS["ARM_R"]) else LEG

    assert [led("NEXT") for _ in range(3)] == [(17, ARM), (17, LEG), (25, ARM)]
    with pytest.raises(RuntimeError, match="no other place"):
        bpy.ops.skel.look_on(where="NEXT")
    assert [led("PREVIOUS") for _ in range(2)] == [(17, LEG), (17, ARM)]
    bpy.ops.skel.look(number=2)
    assert selected(rig) == set(limbs.PARTS["LEG_L"]) and led("NEXT") == (25, ARM)
    bpy.context.scene.frame_set(17)
    assert led("NEXT") == (25, ARM)


def test_it_goes_with_the_take_in_time_in_every_version_and_into_the_file(rig, tmp_path):
    timing.move(bpy.context.scene, rig.users_collection[0], 101)
    motion.smooth(rig, 0.2, 30.0, {"ARM_R"})
    layers.add(rig)
    bpy.ops.skel.looked(number=1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.skel.look(number=0)
    assert bpy.context.scene.frame_current == 117
    assert [one.looked for one in doubt.of(bpy.context.object)] == [0, 1]


def test_in_a_scene_of_another_rate_it_is_the_frame_that_shows_it(enabled):
    assemble.build_take(bpy.context, synthetic.random_take(people=1, fps=Fraction(30)))
    slow = assemble.build_take(bpy.context, doubtful(synthetic.random_take(people=1, fps=Fraction(12))))
    armature.select(bpy.context, next(thing for thing in slow.objects if doubt.of(thing)))
    bpy.ops.skel.look(number=0)
    assert bpy.context.scene.frame_current == 1 + 12 * 30 / 12


def test_who_nobody_doubts_has_no_list(rig):
    other = next(thing for thing in rig.users_collection[0].objects if thing.type == "ARMATURE" and thing != rig)
    armature.select(bpy.context, other)
    assert not bpy.types.SKEL_PT_look.poll(bpy.context) and not bpy.ops.skel.look_on.poll()


def test_a_fit_around_corrections_tells_anew_and_keeps_ticks(rig, take):
    bpy.ops.skel.looked(number=0)
    person = take.people[0]
    person.expected_error[12, ARM], person.expected_error[11, ARM] = 0.0, 0.11
    corrections.bring(rig, person, corrections.sent(rig, person, 12, 20))
    leg, arm = sorted(doubt.of(rig), key=lambda one: -one.limb)
    assert (arm.worst, arm.looked) == (FIRST + 11, 1) and (leg.worst, leg.looked) == (FIRST + 20, 0)


@pytest.mark.parametrize("editable", [None, False, True])
def test_who_comes_from_another_file_is_looked_at_and_posed_only_where_blender_lets_him(rig, context, tmp_path, editable):
    name = rig.users_collection[0].name
    bpy.data.libraries.write(str(tmp_path / "lib.blend"), {rig.users_collection[0]})
    with bpy.data.libraries.load(str(tmp_path / "lib.blend"), link=True) as (_, wanted):
        wanted.collections = [name]
    (home,) = wanted.collections
    if editable is None:
        context.scene.collection.children.link(home)
    else:
        home = home.override_hierarchy_create(context.scene, context.view_layer, do_fully_editable=editable)
    theirs = next(thing for thing in home.all_objects if thing.type == "ARMATURE" and doubt.of(thing))
    armature.set_mode(context, "POSE")
    armature.select(context, theirs)
    assert context.object == theirs and bpy.ops.skel.look(number=0) == {"FINISHED"}
    assert context.scene.frame_current == 17 and selected(theirs) == set(limbs.PARTS["ARM_R"])
    assert theirs.mode == ("POSE" if editable else "OBJECT")
