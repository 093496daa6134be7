# SPDX-License-Identifier: GPL-3.0-or-later
"""The anatomy table is complete, consistent and symmetric."""

import numpy as np
import pytest

from skel_blender import anatomy


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


@pytest.mark.parametrize("name", anatomy.LIMIT_TABLES)
def test_limits_are_ordered_and_free_only_at_the_pelvis(name):
    table = np.array(anatomy.LIMIT_TABLES[name])
    assert table.shape == (46, 2) and np.all(table[:, 0] < table[:, 1])
    assert np.all(np.isfinite(table[3:])) and not np.any(np.isfinite(table[:3]))


def test_anatomical_limits_are_their_own_mirror_image():
    table = np.array(anatomy.LIMITS_ANATOMICAL)
    for dof in anatomy.DOFS:
        low, up = table[dof.index] * dof.mirror_sign
        assert tuple(sorted((low, up))) == tuple(table[dof.mirror])


def test_hsmr_limits_keep_their_published_oddities():
    table, index = anatomy.LIMITS_HSMR, anatomy.DOF_INDEX
    assert table[index["scapula_elevation_r"]] == table[index["scapula_elevation_l"]] == (-0.4, -0.1)
    assert np.degrees(table[index["pro_sup_r"]]) == pytest.approx([-67.5, 67.5])
    assert np.degrees(table[index["pro_sup_l"]]) == pytest.approx([-90, 90])


def test_bone_axes_are_mirror_images():
    flip = np.array([1, 1, -1.0])
    for name, joint in anatomy.JOINT_INDEX.items():
        if name.endswith("_r") and joint in anatomy.BONE_AXES:
            (x_r, y_r), (x_l, y_l) = anatomy.BONE_AXES[joint], anatomy.BONE_AXES[anatomy.JOINT_INDEX[name[:-2] + "_l"]]
            assert np.allclose(-flip * x_r, x_l) and np.allclose(flip * y_r, y_l)
