# SPDX-License-Identifier: GPL-3.0-or-later
"""A SKEL skin in Blender against what the original implementation made of a synthetic model file, with and without pose blend shapes."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender import kinematics
from skel_blender.rig import correctives, record, update
from skel_blender.rig.assemble import build_take
from skel_blender.take import TRIANGLE, RestBody, Take
from tests import skel_file, synthetic
from tests.bpy.evaluated import mesh_points, pose, put, rig_of

FEATURE_ROWS = [9 * s + k for s in range(23) if s not in (8, 11, 21, 22) for k in range(9)]  # SMPL's 9, 12, 22, 23 have no joint


def shaped(sex: str, sample: int) -> tuple[RestBody, dict[str, np.ndarray]]:
    """The reduced model in the shape of one of its random samples."""
    data = skel_file.numbers(sex)
    count = len(data["vertices"])
    index = np.argsort(-data["skin_weights"], axis=1, kind="stable")[:, : int((data["skin_weights"] > 0).sum(axis=1).max())]
    corners = np.arange(count - 2)
    frames = data["rnd/Rk01"][sample].astype(float) @ np.swapaxes(data["apose_rel_transfo"][:, :3, :3], 1, 2)
    tubes = synthetic.rest_body()
    return RestBody(
        skin_verts=data["skin_template_v"] + data["shapedirs"] @ data["rnd/betas"][sample],
        skin_faces=np.stack([corners, corners + 1, corners + 2, np.full(count - 2, TRIANGLE)], axis=1), skin_uv=np.zeros((count - 2, 4, 2)),
        weight_index=index, weight_value=np.take_along_axis(data["skin_weights"], index, axis=1),
        joints=data["rnd/joints_tpose"][sample].astype(float), frames=frames, bone_verts=tubes.bone_verts, bone_faces=tubes.bone_faces,
        bone_joint=tubes.bone_joint, limits=np.tile([-np.inf, np.inf], (46, 1)), posedirs=data["posedirs"][..., FEATURE_ROWS],
    ), data  # fmt: skip


def rows_of(data: dict[str, np.ndarray]) -> list[int]:
    """Where the vertices that the original implementation was asked for are in the reduced model."""
    rows = {vertex: row for row, vertex in enumerate(data["vertices"].tolist())}
    return [rows[vertex] for vertex in data["compared_vertices"].tolist()]


def take_of(body: RestBody) -> Take:
    take = synthetic.random_take(frames=3, people=1)
    take.people[0].body = body
    return take


@pytest.mark.parametrize("sex", ["male", "female"])
def test_the_skin_is_the_models(context, sex):
    off = []
    for sample in range(0, 12, 3):
        body, data = shaped(sex, sample)
        compared = rows_of(data)
        angles, trans = data["rnd/poses"][sample].astype(float), data["rnd/trans"][sample].astype(float)
        wanted = kinematics.z_up(data["rnd/skin_verts"][sample])
        for correct in (True, False):
            collection = build_take(context, take_of(body), correct=correct)
            rig = rig_of(collection)
            put(rig, body, trans)
            pose(rig, angles)
            skin = record.parts(rig, "skin")[0]
            assert correctives.have(skin) is correct
            off.append(np.linalg.norm(mesh_points(skin)[compared] - wanted, axis=1).max())
    print(f"\n{sex}: skin off by {1e3 * max(off[::2]):.4f} mm with the pose blend shapes, {1e3 * max(off[1::2]):.0f} mm without")
    assert max(off[::2]) < 1e-4 and max(off[1::2]) > 1e-2


def test_drivers_are_simple_and_the_t_pose_is_left_alone(context):
    body, _ = shaped("female", 0)
    rig = rig_of(build_take(context, take_of(body), correct=True))
    skin = record.parts(rig, "skin")[0]
    drivers = [curve.driver for curve in skin.data.shape_keys.animation_data.drivers]
    assert len(drivers) == len(skin.data.shape_keys.key_blocks) - 1 > 80
    assert all(driver.is_valid and driver.is_simple_expression and len(driver.expression) < 200 for driver in drivers)
    put(rig, body, np.zeros(3))
    pose(rig, np.zeros(46))
    assert np.abs(mesh_points(skin) - kinematics.z_up(body.skin_verts)).max() < 1e-5


def test_an_update_with_another_shape_keeps_the_correctives(context):
    take = take_of(shaped("male", 0)[0])
    collection = build_take(context, take, correct=True)
    rig = rig_of(collection)
    body, data = shaped("male", 3)
    again = take_of(body)
    again.people[0].betas = np.ones(10)
    update.update_take(context, again, collection)
    skin = record.parts(rig, "skin")[0]
    put(rig, body, data["rnd/trans"][3].astype(float))
    pose(rig, data["rnd/poses"][3].astype(float))
    compared = rows_of(data)
    assert np.linalg.norm(mesh_points(skin)[compared] - kinematics.z_up(data["rnd/skin_verts"][3]), axis=1).max() < 1e-4


def test_an_update_keeps_what_an_animator_sculpted_beside_the_correctives(context):
    """And what he joined to the skin."""
    collection = build_take(context, take_of(shaped("male", 0)[0]), correct=True)
    skin = record.parts(rig_of(collection), "skin")[0]
    count, keys = len(skin.data.vertices), len(skin.data.shape_keys.key_blocks)
    hat = bpy.data.objects.new("hat", bpy.data.meshes.new("hat"))
    hat.data.from_pydata([(0, 0, 2), (0, 0.1, 2), (0.1, 0, 2)], [], [(0, 1, 2)])
    collection.objects.link(hat)
    with context.temp_override(active_object=skin, object=skin, selected_objects=[skin, hat], selected_editable_objects=[skin, hat]):
        bpy.ops.object.join()
    fix = skin.shape_key_add(name="Fix", from_mix=False)
    fix.value, fix.data[5].co.z = 0.0, fix.data[5].co.z + 0.25
    body, data = shaped("male", 3)
    again = take_of(body)
    again.people[0].betas = np.ones(10)
    assert update.update_take(context, again, collection) == []
    blocks = skin.data.shape_keys.key_blocks
    assert len(blocks) == keys + 1 and len(skin.data.shape_keys.animation_data.drivers) == keys - 1
    assert blocks["Fix"].data[5].co.z - blocks["Basis"].data[5].co.z == pytest.approx(0.25, abs=1e-5)
    put(rig_of(collection), body, data["rnd/trans"][3].astype(float))
    pose(rig_of(collection), data["rnd/poses"][3].astype(float))
    off = mesh_points(skin)[:count][rows_of(data)] - kinematics.z_up(data["rnd/skin_verts"][3])
    assert np.linalg.norm(off, axis=1).max() < 1e-4


def test_a_sculpted_key_does_not_ask_for_correctives(context):
    collection = build_take(context, take_of(shaped("male", 0)[0]), correct=False)
    skin = record.parts(rig_of(collection), "skin")[0]
    for name in ("Basis", "Fix"):
        skin.shape_key_add(name=name)
    again = take_of(shaped("male", 3)[0])
    again.people[0].betas = np.ones(10)
    update.update_take(context, again, collection)
    assert not correctives.have(skin) and len(skin.data.shape_keys.key_blocks) == 2


def test_bodies_without_them_have_none(context, take):
    rig = rig_of(build_take(context, take, correct=True))
    assert not correctives.have(record.parts(rig, "skin")[0]) and not bpy.data.shape_keys
