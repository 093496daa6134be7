# SPDX-License-Identifier: GPL-3.0-or-later
"""The three limit tables: the anatomical one is symmetric and sourced, the published two keep their faults, which are listed."""

import math

import numpy as np
import pytest

from skel_blender import anatomy
from skel_blender.limit_sources import LIMIT_FAULTS, NORMS, SOURCES

_TABLES = sorted(anatomy.LIMIT_TABLES)


@pytest.mark.parametrize("name", _TABLES)
def test_limits_are_ordered_whatever_the_table_says(name):
    table = np.array(anatomy.limits(name))
    assert table.shape == (46, 2) and np.all(table[:, 0] < table[:, 1])
    assert np.array_equal(table, np.sort(np.array(anatomy.LIMIT_TABLES[name]), axis=1))
    assert not np.any(np.isfinite(table[:3]))


def test_anatomical_limits_are_their_own_mirror_image():
    assert anatomy.mirror_limits(anatomy.LIMITS_ANATOMICAL) == anatomy.LIMITS_ANATOMICAL == anatomy.limits("anatomical")


def test_mirrored_twice_is_as_before():
    once = anatomy.mirror_limits(anatomy.LIMITS_HSMR)
    assert once != anatomy.LIMITS_HSMR and anatomy.mirror_limits(once) == anatomy.LIMITS_HSMR


def test_every_limited_angle_has_a_source_whose_range_is_allowed():
    limited = {dof.name for dof in anatomy.DOFS if dof.index >= 3}
    assert {name for name in limited if not name.endswith("_l") and "_l_" not in name} == set(NORMS)
    for name, (low, up, source) in NORMS.items():
        assert source in SOURCES
        allowed = np.degrees(anatomy.LIMITS_ANATOMICAL[anatomy.DOF_INDEX[name]])
        assert allowed[0] <= low + 0.01 and up - 0.01 <= allowed[1]  # the radians of HSMR's table have three digits


# Degrees, by the start of an angle's name, the first that fits; what is not named is below, in radians.
_HSMR_DEGREES = {
    "pelvis": None, "hip_flexion": (-45, 135), "hip_adduction": (-45, 30), "hip_rotation": (-45, 45), "knee": (0, 135), "ankle": (-45, 45),
    "subtalar": (-45, 45), "mtp": (-45, 45), "lumbar_bending": (-30, 30), "lumbar": (-45, 45), "thorax": (-45, 45), "head": (-45, 45),
    "shoulder_r_y": (-90, 90), "shoulder_r_z": (-90, 90), "shoulder_l_y": (-90, 90), "shoulder_l_z": (-90, 90), "elbow": (0, 135),
    "pro_sup_r": (-67.5, 67.5), "pro_sup_l": (-90, 90), "wrist_flexion": (-90, 90), "wrist_deviation": (-45, 45),
}  # fmt: skip
_HSMR_RADIANS = {
    "scapula_abduction": (-0.628, 0.628), "scapula_elevation": (-0.4, -0.1), "scapula_upward_rot_r": (-0.190, 0.319),
    "scapula_upward_rot_l": (-0.210, 0.219), "shoulder_r_x": (-math.pi / 2, math.pi / 2 + 1.5),
    "shoulder_l_x": (-math.pi / 2 - 1.5, math.pi / 2),
}  # fmt: skip


@pytest.mark.parametrize("dof", anatomy.DOFS, ids=lambda dof: dof.name)
def test_every_limit_of_hsmr_is_the_released_one(dof):
    """Written down a second time, from the description of the release."""
    table = {name: pair and tuple(np.radians(pair)) for name, pair in _HSMR_DEGREES.items()} | _HSMR_RADIANS
    wanted = next(pair for name, pair in table.items() if dof.name.startswith(name))
    assert anatomy.LIMITS_HSMR[dof.index] == (anatomy.FREE if wanted is None else pytest.approx(wanted))


def test_published_tables_keep_their_values():
    index, hsmr, skel = anatomy.DOF_INDEX, anatomy.LIMITS_HSMR, anatomy.LIMITS_SKEL
    assert hsmr[index["scapula_elevation_r"]] == hsmr[index["scapula_elevation_l"]] == (-0.4, -0.1)
    assert np.degrees(hsmr[index["pro_sup_r"]]) == pytest.approx([-67.5, 67.5])
    assert np.degrees(hsmr[index["pro_sup_l"]]) == pytest.approx([-90, 90])
    assert hsmr[index["shoulder_r_x"]] == pytest.approx((-math.pi / 2, math.pi / 2 + 1.5))
    assert skel[index["scapula_elevation_l"]] == (-0.1, -0.4)
    assert skel[index["hip_flexion_r"]] == anatomy.FREE and np.degrees(skel[index["shoulder_r_y"]]) == pytest.approx([-90, 90])
    assert [dof.name for dof in anatomy.DOFS if skel[dof.index] != hsmr[dof.index]] == [
        "hip_flexion_r", "hip_adduction_r", "hip_rotation_r", "hip_flexion_l", "hip_adduction_l", "hip_rotation_l", "shoulder_r_x",
        "shoulder_r_z", "scapula_elevation_l", "shoulder_l_x", "shoulder_l_y", "shoulder_l_z",
    ]  # fmt: skip


@pytest.mark.parametrize("name", _TABLES)
def test_listed_faults_are_all_that_are_wrong(name):
    table = anatomy.LIMIT_TABLES[name]
    mirrored = anatomy.mirror_limits(table)
    wrong = set()
    for dof in anatomy.DOFS[3:]:
        low, up = table[dof.index]
        if not math.isfinite(low) or low > up or not min(low, up) <= 0 <= max(low, up) or mirrored[dof.index] != (low, up):
            wrong.add(dof.name)
    assert wrong == set(LIMIT_FAULTS[name])
