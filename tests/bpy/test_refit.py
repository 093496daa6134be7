# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames set by hand are found and handed to the engine; its answer arrives as an action beside the one that was there."""

from __future__ import annotations

import copy
from pathlib import Path

import bpy
import numpy as np
import pytest

import skel_blender
from skel_blender import rig as rigs
from skel_blender import take as takes
from skel_blender.anatomy import DOF_INDEX
from skel_blender.messages import SkelError
from skel_blender.rig import assemble, clock, compat, contacts, controls, embedded, layout, limbs, record
from skel_blender.rig.editing import corrections, matching, motion
from skel_blender.ui import arrival, refit_operators

KNEE = DOF_INDEX["knee_angle_r"]


@pytest.fixture
def rig(context, take):
    return rigs.build(take, collection_name="shot")[0].armature


def set_by_hand(rig, frame, value):
    """Key one angle in a scene frame, as an animator would."""
    channel = layout.channels()[KNEE]
    path = f'pose.bones["{channel.bone}"].rotation_euler'
    compat.holder(rig).fcurves.find(path, index=channel.index).keyframe_points.insert(frame, channel.sign * value, options={"REPLACE"})


def test_corrected_frames_are_found(rig, take):
    person = take.people[0]
    with pytest.raises(SkelError, match="No frame differs"):
        corrections.find(rig, person)
    frames = clock.Clock().places(person.frames)
    set_by_hand(rig, float(frames[3]), 1.0)
    set_by_hand(rig, float(frames[7]), 0.4)
    found = corrections.find(rig, person)
    assert found.frames.tolist() == [person.frames[3], person.frames[7]]
    assert np.allclose(found.poses[:, KNEE], [1.0, 0.4], atol=1e-5)
    motion.smooth(rig, 2.0, 30.0, set(limbs.TITLES))
    with pytest.raises(SkelError, match="Most frames differ"):
        corrections.find(rig, person)


def test_what_an_ik_control_does_is_a_correction_once_it_is_handed_over(rig, take):
    person, hand = take.people[0], next(limb for limb in controls.LIMBS if limb.control == "hand_ik_r")
    frames = clock.Clock().places(person.frames)
    matching.to_control(bpy.context.scene, rig, [hand], frames)
    bpy.context.scene.frame_set(int(frames[7]))
    rig.pose.bones[hand.control].location.z += 0.1
    rig.pose.bones[hand.control].keyframe_insert("location", frame=int(frames[7]))
    with pytest.raises(SkelError, match="IK controls lead Right Hand. Press To Angles first"):
        corrections.find(rig, person)
    matching.to_channels(bpy.context.scene, rig, [hand], frames[7:8])
    assert corrections.find(rig, person).frames.tolist() == [person.frames[7]]


def test_the_answer_is_a_new_action(rig, take, tmp_path):
    old = rig.animation_data.action
    again = copy.deepcopy(take)
    again.people[0].poses[:, KNEE] = 0.7
    path = tmp_path / "again.npz"
    takes.save(again, path)
    home = rig.users_collection[0]
    home[arrival.PROPERTY] = "/before.npz"
    twin = rig.copy()  # earlier in the list of objects, and with the same id
    twin.name = "a twin"
    rig.users_collection[0].objects.link(twin)
    sent = corrections.sent(rig, take.people[0], *take.people[0].frames[[0, -1]])
    text = refit_operators.bring_back(str(path), rig[record.ID], rig.session_uid, 2, sent)
    assert twin.animation_data.action == old
    assert rig.animation_data.action != old and old in record.versions(rig) and rig.animation_data.action.name in text
    poses, _ = motion.read(rig, clock.Clock().places(take.people[0].frames))
    assert np.allclose(poses[:, KNEE], 0.7, atol=1e-5)
    assert home[arrival.PROPERTY] == str(path)
    path.unlink()
    there, data = refit_operators.data_of(rig)
    assert there == home and takes.loads(data, "it").people[0].poses[3, KNEE] == 0.7


def test_what_is_keyed_elsewhere_while_it_is_fitted_is_kept(rig, take):
    person, inside = take.people[0], slice(5, 12)
    frames = clock.Clock().places(person.frames).astype(int)
    sent = corrections.sent(rig, person, *person.frames[[5, 11]])
    person.poses[:, KNEE] = 0.7
    set_by_hand(rig, float(frames[20]), 1.2)
    root = rig.pose.bones["root"]
    root.location.z = 0.25
    for row in (14, 25):
        root.keyframe_insert("location", index=2, frame=int(frames[row]))
    contacts.keep(rig, int(frames[0]), np.ones((len(frames), 6), dtype=bool))
    before = motion.read(rig, frames)
    corrections.bring(rig, person, sent)
    after = motion.read(rig, frames)
    assert np.allclose(after[0][inside, KNEE], 0.7, atol=1e-5) and after[0][20, KNEE] == pytest.approx(1.2, abs=1e-5)
    assert np.allclose(after[1][inside], person.trans[inside], atol=1e-5)
    for one, other in zip(before, after):
        assert np.abs(np.delete(one - other, np.r_[inside], axis=0)).max() < 1e-5
    assert contacts.of(rig, frames).all()


def test_what_is_changed_meanwhile_where_it_is_fitted_is_told(rig, take):
    person, old = take.people[0], rig.animation_data.action
    frames = clock.Clock().places(person.frames).astype(int)
    set_by_hand(rig, float(frames[8]), 1.0)
    sent = corrections.sent(rig, person, *person.frames[[5, 11]])
    set_by_hand(rig, float(frames[2]), 0.1)
    assert not corrections.bring(rig, person, sent).sentence()
    compat.use_action(rig, old)
    for row in (6, 7, 10):
        set_by_hand(rig, float(frames[row]), 0.2)
    said = corrections.bring(rig, person, sent).sentence()
    assert said == f" What you changed meanwhile on frames {frames[6]} to {frames[7]}, {frames[10]} is only in {old.name}."
    compat.use_action(rig, old)
    assert np.allclose(motion.read(rig, frames[[2, 7]])[0][:, KNEE], [0.1, 0.2], atol=1e-5)


def test_the_take_travels_with_the_file(context, take, tmp_path):
    """Saved, loaded, appended and linked: the same bytes; left out of the file with the collection."""
    rigs.build(take, collection_name="shot")
    before = takes.loads(embedded.data_of(bpy.data.collections["shot"]), "it")
    assert np.array_equal(before.people[1].poses, take.people[1].poses)
    path, data = tmp_path / "shot.blend", embedded.data_of(bpy.data.collections["shot"])
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    print(f"\n.blend of {path.stat().st_size} bytes, of which {len(data)} are the Take")
    bpy.ops.wm.open_mainfile(filepath=str(path))
    home = bpy.data.collections["shot"]
    assert embedded.data_of(home) == data
    bpy.data.collections.remove(home)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "empty.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "empty.blend"))
    assert "shot.npz" not in bpy.data.palettes
    for button in (bpy.ops.wm.append, bpy.ops.wm.link):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        button(filepath=f"{path}/Collection/shot", directory=f"{path}/Collection/", filename="shot", instance_collections=False)
        home = bpy.data.collections["shot"]
        rig = next(thing for thing in home.objects if record.is_rig(thing))
        there, found = refit_operators.data_of(rig)
        assert found == data and home == there
        assert set(bpy.context.scene.objects) == set(home.all_objects)  # nothing else comes along


def test_refit_needs_no_file_but_the_blend(context, take, tmp_path, monkeypatch):
    """What the engine is asked for: the Take as it is in the .blend, and the frames set by hand."""
    rig = rigs.build(take, collection_name="shot")[0].armature
    set_by_hand(rig, float(clock.Clock().places(take.people[0].frames)[3]), 1.0)
    asked, started = [], []
    monkeypatch.setattr(refit_operators.engine, "start", asked.append)
    monkeypatch.setattr(refit_operators.runner, "start", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(refit_operators.gather, "user_folder", lambda name: tmp_path)
    skel_blender.register()
    try:
        context.scene.skel.body_file = str(tmp_path / "skel_male.pkl")
        context.view_layer.objects.active = rig
        assert bpy.ops.skel.refit() == {"FINISHED"}
    finally:
        skel_blender.unregister()
    (request,) = asked
    assert np.array_equal(takes.load(request.take).people[0].poses, take.people[0].poses)
    with np.load(request.corrections) as file:
        assert file["frames"].tolist() == [take.people[0].frames[3]]
    assert request.body.endswith("skel_male.pkl")  # the person's body is not the open one
    ((*_, scratch),) = started  # a folder of this run's own, for the runner to remove
    assert Path(request.take).parent == Path(request.corrections).parent == Path(scratch.name)


def test_a_rig_without_its_take_says_so(context, take, tmp_path):
    handle = rigs.build(take, embed=False)[0]
    with pytest.raises(SkelError, match="has no Take"):
        refit_operators.data_of(handle.armature)
    home = handle.armature.users_collection[0]
    home[arrival.PROPERTY] = str(tmp_path / "a.npz")
    with pytest.raises(SkelError, match="There is no file"):
        refit_operators.data_of(handle.armature)
    takes.save(take, tmp_path / "a.npz")
    assert takes.loads(refit_operators.data_of(handle.armature)[1], "it").source == take.source


def test_a_duplicate_of_a_take_keeps_it_as_it_was(context, take):
    home = assemble.build_take(context, take)
    before = embedded.data_of(home)
    bpy.ops.scene.new(type="FULL_COPY")
    copy = next(other for other in bpy.data.collections if embedded.DATA in other and other != home)
    assert embedded.data_of(copy) == before
    take.people[0].poses += 0.01
    for _ in range(2):
        embedded.embed(home, take)
    assert embedded.data_of(copy) == before != embedded.data_of(home)
    assert len({home[embedded.DATA], copy[embedded.DATA]}) == len(bpy.data.palettes) == 2
