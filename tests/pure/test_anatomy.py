# SPDX-License-Identifier: GPL-3.0-or-later
"""The anatomy table is complete, consistent and symmetric."""

import numpy as np

from skel_blender import anatomy
from skel_blender.rig import layout


def test_every_dof_has_one_place_and_a_unit_axis():
    assert len(anatomy.DOFS) == anatomy.Q == 46
    assert [dof.index for dof in anatomy.DOFS] == list(range(46))
    assert len({dof.name for dof in anatomy.DOFS}) == 46
    assert all(abs(np.linalg.norm(dof.axis) - 1) < 1e-7 for dof in anatomy.DOFS)
    assert {dof.joint for dof in anatomy.DOFS} == set(range(anatomy.J))


def test_parents_come_before_children():
    assert all(parent < joint for joint, parent in enumerate(anatomy.PARENTS))


def test_mirror_partners_point_at_each_other():
    for dof in anatomy.DOFS:
        partner = anatomy.DOFS[dof.mirror]
        assert partner.mirror == dof.index and partner.mirror_sign == dof.mirror_sign
        other = [{"r": "l", "l": "r"}.get(part, part) for part in dof.name.split("_")]
        assert "_".join(other) == partner.name


def test_bone_axes_are_mirror_images():
    flip = np.array([1, 1, -1.0])
    for name, joint in anatomy.JOINT_INDEX.items():
        if name.endswith("_r") and joint in anatomy.BONE_AXES:
            (x_r, y_r), (x_l, y_l) = anatomy.BONE_AXES[joint], anatomy.BONE_AXES[anatomy.JOINT_INDEX[name[:-2] + "_l"]]
            assert np.allclose(-flip * x_r, x_l) and np.allclose(flip * y_r, y_l)


def test_every_dof_is_one_channel_of_its_joints_bone_up_to_a_sign():
    for dof in anatomy.DOFS:
        along = layout.local_axes(dof.joint, np.array([0.0, -1.0, 0.0])).T @ np.array(dof.axis)
        assert np.allclose(along, dof.sign * np.eye(3)[dof.channel], atol=1e-7), dof.name
        assert dof.bone == anatomy.JOINT_NAMES[dof.joint] and dof.limits == anatomy.LIMITS_ANATOMICAL[dof.index]
    assert len({(dof.bone, dof.channel) for dof in anatomy.DOFS}) == 46
