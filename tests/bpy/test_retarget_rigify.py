# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk on Rigify's rigs: its human metarig, and the rig generated from one, whose controls stand between keys and bones."""

from __future__ import annotations

import os

import bpy
import numpy as np
import pytest

from skel_blender.export.retarget import Options, places, retarget, skeleton, slots
from skel_blender.export.retarget.guess import guess
from skel_blender.rig.armature import set_mode
from tests.bpy import walking
from tests.bpy.evaluated import curves
from tests.bpy.walking import apart

PARTS = {"upper_arm": "upper_arm", "forearm": "forearm", "hand": "hand", "thigh": "thigh", "shin": "shin", "foot": "foot", "toe": "toe"}


@pytest.fixture(autouse=True)
def rigify(source):
    """Rigify enabled, in a file with a rig that walks."""
    import addon_utils  # bpy brings it

    addon_utils.enable("rigify", default_set=True)
    yield
    addon_utils.disable("rigify", default_set=True)


def check(source, target, bones):
    """The walk as seen on `bones` (part -> bone of the target, with sides) against the source's."""
    before, seen = walking.look_at_source(source), walking.look(target, bones)
    for side in "lr":
        for step in walking.steps(before, side):
            assert walking.slide(seen.heads[f"toe_{side}"][step]) < 0.01
        assert walking.knee_ahead(seen, side).min() > 0.0
        assert seen.heads[f"toe_{side}"][:, 2].min() > skeleton.read(target).head(bones[f"toe_{side}"])[2] - 0.001
        for one, other, mean in (("upper_arm", "forearm", 0.1), ("forearm", "hand", 0.1), ("thigh", "shin", 4.0)):
            off = apart(seen.direction(f"{one}_{side}", f"{other}_{side}"), before.direction(f"{one}_{side}", f"{other}_{side}"))
            assert off.mean() < mean, (one, off.mean())
    return seen


def test_the_human_metarig_walks(source, context):
    bpy.ops.object.armature_human_metarig_add()
    target = context.object
    mapping = guess(skeleton.read(target))
    assert mapping["hips"] == "spine" and mapping["head"] == "spine.006" and mapping["neck_1"] == "spine.004"
    assert mapping["shin_l"] == "shin.L" and mapping["toe_r"] == "toe.R" and len(mapping) == 23
    by_place = places.guess(skeleton.read(target))
    limbs = [f"{part}_{side}" for part in (*slots.ARM, *slots.LEG) for side in "lr"]
    assert {slot: by_place.get(slot) for slot in limbs} == {slot: mapping[slot] for slot in limbs}
    result = retarget(context.scene, source, target, mapping)
    assert result.off_rad == 0.0
    check(source, target, mapping)


def generated(context, add):
    """A rig generated from the metarig that the operator `add` makes."""
    add()
    meta = context.object
    set_mode(context, "OBJECT")
    bpy.ops.pose.rigify_generate()
    assert context.object != meta and "thigh_fk.L" in context.object.pose.bones
    return context.object


METARIGS = {"basic_human": False, "human": True}  # whether it is left for --all, as a face takes long to generate


@pytest.mark.parametrize("metarig", METARIGS)
def test_the_generated_rigs_bones_walk_when_its_controls_are_keyed(source, context, metarig):
    if METARIGS[metarig] and not os.environ.get("SKEL_BLENDER_ALL"):
        pytest.skip("bin/test --all generates it")
    target = generated(context, getattr(bpy.ops.object, f"armature_{metarig}_metarig_add"))
    assert target.pose.bones["thigh_parent.L"]["IK_FK"] == 0.0  # it comes with IK on
    mapping = guess(skeleton.read(target))
    assert mapping["hips"] == "torso" and mapping["thigh_l"] == "thigh_fk.L" and mapping["spine_3"] == "spine_fk.003"
    result = retarget(context.scene, source, target, mapping)
    assert np.degrees(result.off_rad) < 0.1 and result.off_m < 0.001
    assert target.pose.bones["thigh_parent.L"]["IK_FK"] == 1.0
    switches = [curve for curve in curves(target) if "IK_FK" in curve.data_path]
    assert len(switches) == 4 and all(curve.evaluate(60) == 1.0 for curve in switches)
    deforming = {f"{part}_{side}": f"DEF-{bone}.{side.upper()}" for part, bone in PARTS.items() for side in "lr"}
    seen = check(source, target, deforming)
    before = walking.look_at_source(source)
    middles = [(where.heads["thigh_l"] + where.heads["thigh_r"])[:, :2] / 2 for where in (seen, before)]
    assert np.abs(middles[0] - result.ratio * middles[1]).max() < 0.01
    if not METARIGS[metarig]:
        return
    travels = retarget(context.scene, source, target, mapping, Options(root_travels=True))
    assert np.degrees(travels.off_rad) < 0.1 and travels.off_m < 0.001
    moved = walking.look(target, {**deforming, "root": "root"})
    assert np.abs(moved.heads["foot_l"] - seen.heads["foot_l"]).max() < 0.002
    assert np.ptp(moved.heads["root"][:, 1]) > 3.0 and np.ptp(moved.heads["root"][:, 2]) < 1e-4
