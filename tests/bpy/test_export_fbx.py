# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in an FBX file itself: unit, axes, clock, take, bind pose, nodes, materials, and curves of angles that do not jump."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from skel_blender.export import names, presets
from tests.bpy import deliveries, fbx_tree
from tests.bpy.test_export_root import turning

TICKS = 46186158000  # of FBX's clock in a second
AXES = {"Y": {"UpAxis": 1, "FrontAxis": 2, "FrontAxisSign": 1}, "Z": {"UpAxis": 2, "FrontAxis": 1, "FrontAxisSign": -1}}


@pytest.fixture(scope="module", params=list(presets.PRESETS))
def delivered(request, tmp_path_factory):
    """A preset, a Take of somebody who turns, and the root element of his file with skin and skeleton."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    take, _ = turning()
    preset = presets.choose(request.param, bones=True)
    (path,) = deliveries.deliver(take, tmp_path_factory.mktemp("fbx") / "shot.fbx", preset)
    return preset, take, fbx_tree.tree(path)


def test_the_file_says_what_the_preset_wants_exactly(delivered):
    preset, take, root = delivered
    settings = fbx_tree.properties(fbx_tree.section(root, b"GlobalSettings"))
    assert settings["UnitScaleFactor"] == settings["OriginalUnitScaleFactor"] == [100.0 * preset.unit]
    assert {name: settings[name][0] for name in AXES[preset.up]} == AXES[preset.up]
    assert settings["CustomFrameRate"] == [25.0] and settings["UpAxisSign"] == settings["CoordAxisSign"] == [1]
    (clip,) = (each for each in fbx_tree.section(root, b"Takes").elems if each.id == b"Take")
    assert clip.props == [b"shot"]
    assert fbx_tree.section(clip, b"LocalTime").props == [0, TICKS * (len(take.frames) - 1) // 25]
    assert [name for _, name, _ in fbx_tree.objects(root, b"AnimationStack")] == ["shot"]


def test_there_is_one_root_below_one_node_and_nothing_but_the_maps_bones(delivered):
    preset, take, root = delivered
    nodes = {number: name for number, name, _ in fbx_tree.objects(root, b"Model")}
    parents = {nodes[number]: nodes.get(above[0]) for number, above in fbx_tree.above(root).items() if number in nodes}
    top = preset.armature or take.people[0].name
    bones = deliveries.expected_bones(preset)
    assert {name for _, name, _ in fbx_tree.objects(root, b"Model", b"LimbNode")} == set(bones)  # no leaf bones
    assert [name for _, name, _ in fbx_tree.objects(root, b"Model", b"Null")] == [top] and parents[top] is None
    assert {name: parents[name] for name in bones} == bones | {names.root(preset.names): top}
    assert {name: parents[name] for name in nodes.values() if name not in bones} == {
        top: None, "person_1_skin": None, "person_1_skeleton": None}  # fmt: skip
    for _, name, element in fbx_tree.objects(root, b"Model"):
        own = fbx_tree.properties(element)
        assert own.get("Lcl Scaling", [1.0] * 3) == pytest.approx([1.0] * 3, abs=1e-6), name
        assert not any(own.get(offset, [0.0])[0] for offset in ("PreRotation", "PostRotation", "RotationOffset", "ScalingPivot"))
        if name in (top, names.root(preset.names), "person_1_skin"):
            for channel in ("Lcl Translation", "Lcl Rotation"):
                assert own.get(channel, [0.0] * 3) == pytest.approx([0.0] * 3, abs=1e-9), name
            assert own.get("Lcl Scaling", [1.0] * 3) == [1.0] * 3


def test_the_bind_pose_is_the_rest_pose_and_meshes_have_their_material(delivered):
    preset, _, root = delivered
    owners = fbx_tree.above(root)
    models = {number: (name, element) for number, name, element in fbx_tree.objects(root, b"Model")}
    binds = list(fbx_tree.objects(root, b"Pose", b"BindPose"))
    assert len(binds) == 2
    for _, _, pose in binds:
        matrices = {}
        for node in (each for each in pose.elems if each.id == b"PoseNode"):
            found = {each.id: each.props[0] for each in node.elems}
            matrices[found[b"Node"]] = np.array(found[b"Matrix"]).reshape(4, 4).T
        assert len(matrices) == len(deliveries.expected_bones(preset)) + 2
        for number, matrix in matrices.items():
            place = fbx_tree.properties(models[number][1]).get("Lcl Translation", [0.0] * 3)
            above = matrices.get(owners[number][0], np.eye(4))
            assert np.abs((np.linalg.inv(above) @ matrix)[:3, 3] - place).max() * preset.unit < 2e-6
    meshes = {name for name, element in models.values() if element.props[2] == b"Mesh"}
    coloured = {models[owner][0] for number, _, _ in fbx_tree.objects(root, b"Material") for owner in owners[number] if owner in models}
    assert meshes == coloured


def test_a_turning_roots_angles_do_not_jump(delivered):
    """Programs that play FBX go from key to key along each of the three angles."""
    preset, _, root = delivered
    limb = next(number for number, name, _ in fbx_tree.objects(root, b"Model", b"LimbNode") if name == names.root(preset.names))
    nodes = {number for number, name, _ in fbx_tree.objects(root, b"AnimationCurveNode") if name == "R"
             and limb in fbx_tree.above(root)[number]}  # fmt: skip
    curves = [element for number, _, element in fbx_tree.objects(root, b"AnimationCurve") if nodes & set(fbx_tree.above(root)[number])]
    values = np.array([fbx_tree.section(curve, b"KeyValueFloat").props[0] for curve in curves])
    assert values.shape == (3, 75)
    assert np.abs(np.diff(values)).max() < 30.0
    assert np.ptp(values, axis=1).max() > 800.0 if preset.heading else np.ptp(values) < 1e-4
