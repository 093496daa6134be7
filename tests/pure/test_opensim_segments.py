# SPDX-License-Identifier: GPL-3.0-or-later
"""Masses, centres and inertias of the bodies of an OpenSim model: those of de Leva 1996, table 4."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from skel_blender import opensim
from skel_blender.anatomy import JOINT_NAMES
from skel_blender.opensim import segments
from tests import synthetic


@pytest.mark.parametrize("sex,mass", [("female", None), ("male", 75.0)])
def test_masses_are_a_persons(sex, mass):
    body = synthetic.open_body(sex)
    found = dict(zip(JOINT_NAMES, segments.inertias(body, sex, mass)))
    total = sum(part.mass for part in found.values())
    assert total == pytest.approx(mass or segments.DENSITY * segments.volume(body), rel=2e-3)  # the table's shares sum to 0.999 or 1.001
    for part in found.values():
        low, middle, high = np.sort(np.linalg.eigvalsh(part.inertia))
        assert part.mass > 0 < low and high <= low + middle + 1e-12
    assert found["femur_r"].mass == pytest.approx(found["femur_l"].mass)
    still = {name: body.joints[k] + body.frames[k] @ found[name].centre for k, name in enumerate(JOINT_NAMES)}
    whole = sum(found[name].mass * still[name] for name in JOINT_NAMES) / total
    height = np.ptp(body.skin_verts[:, 1])
    assert 0.53 < (whole[1] - body.skin_verts[:, 1].min()) / height < 0.62  # with the arms out, above the 0.55 of standing
    assert body.joints[6, 1] < still["pelvis"][1] < still["lumbar_body"][1] < still["thorax"][1] < still["head"][1]


# de Leva 1996, table 4: share of the mass, place of its centre, radii of gyration (sagittal, transverse, longitudinal), all in percent.
DE_LEVA = {
    "female": {
        "head": (6.68, 48.41, 27.1, 29.5, 26.1), "thorax": (15.45, 20.77, 74.6, 50.2, 71.8), "pelvis": (12.47, 49.20, 43.3, 40.2, 44.4),
        "lumbar_body": (14.65, 45.12, 43.3, 35.4, 41.5), "humerus": (2.55, 57.54, 27.8, 26.0, 14.8),
        "forearm": (1.38, 45.59, 26.1, 25.7, 9.4), "hand": (0.56, 34.27, 24.4, 20.8, 15.4), "femur": (14.78, 36.12, 36.9, 36.4, 16.2),
        "tibia": (4.81, 43.52, 26.7, 26.3, 9.2), "calcn": (1.29, 40.14, 13.9, 27.9, 29.9),
    },
    "male": {
        "head": (6.94, 50.02, 30.3, 31.5, 26.1), "thorax": (15.96, 29.99, 71.6, 45.4, 65.9), "pelvis": (11.17, 61.15, 61.5, 55.1, 58.7),
        "lumbar_body": (16.33, 45.02, 48.2, 38.3, 46.8), "humerus": (2.71, 57.72, 28.5, 26.9, 15.8),
        "forearm": (1.62, 45.74, 27.6, 26.5, 12.1), "hand": (0.61, 36.24, 28.8, 23.5, 18.4), "femur": (14.16, 40.95, 32.9, 32.9, 14.9),
        "tibia": (4.33, 43.95, 25.1, 24.6, 10.2), "calcn": (1.37, 44.15, 12.4, 24.5, 25.7),
    },
}  # fmt: skip


@pytest.mark.parametrize("sex", list(DE_LEVA))
def test_segments_are_those_of_the_table(sex):
    body = synthetic.open_body(sex)
    at = dict(zip(JOINT_NAMES, body.joints))
    found = dict(zip(JOINT_NAMES, segments.inertias(body, sex, 100.0)))
    feet = ("talus_l", "calcn_l", "toes_l")
    for segment, (mass, centre, *radii) in DE_LEVA[sex].items():
        names = {"forearm": ("ulna_l", "radius_l"), "calcn": feet}.get(segment, (f"{segment}_l",))
        names = names if names[0] in found else (segment,)
        blades = 1.8 if segment == "thorax" else 0.0
        assert sum(found[name].mass for name in names) == pytest.approx(mass - blades), segment
        turned = np.sqrt(np.diag(found[names[-1]].inertia) / found[names[-1]].mass)  # about x, y, z
        sagittal, transverse, longitudinal = radii
        assert turned / turned[0] == pytest.approx(np.array([sagittal, longitudinal, transverse]) / sagittal), segment
        ends = {"humerus": ("humerus_l", "ulna_l"), "forearm": ("ulna_l", "hand_l"), "femur": ("femur_l", "tibia_l"),
                "tibia": ("tibia_l", "talus_l")}.get(segment)  # fmt: skip
        if ends:
            start, end = (at[name] for name in ends)
            place = at[names[0]] + body.frames[JOINT_NAMES.index(names[0])] @ found[names[0]].centre
            assert place == pytest.approx(start + centre / 100 * (end - start)), segment
            assert turned[0] == pytest.approx(sagittal / 100 * np.linalg.norm(end - start)), segment
    rest = {name: at[name] + body.frames[JOINT_NAMES.index(name)] @ found[name].centre for name in feet}
    ahead = body.frames[JOINT_NAMES.index("calcn_l")][:, 0]
    heel, toe = np.sort(body.skin_verts[np.isin(body.owners(), [JOINT_NAMES.index(name) for name in feet[1:]])] @ ahead)[[0, -1]]
    whole = sum(found[name].mass * rest[name] for name in feet) / sum(found[name].mass for name in feet)
    assert whole @ ahead == pytest.approx(heel + DE_LEVA[sex]["calcn"][1] / 100 * (toe - heel))
    assert rest["toes_l"] @ ahead == pytest.approx((at["toes_l"] @ ahead + toe) / 2)
    lengths = [np.sqrt(found[name].inertia[0, 0] / found[name].mass) for name in feet]  # Delp's 0.1, 1.25 and 0.2166 kg, alike in form
    assert np.array(lengths) / lengths[1] == pytest.approx(np.cbrt([0.1 / 1.25, 1.0, 0.2166 / 1.25]))
    blade = JOINT_NAMES.index("scapula_l")
    middle = body.bone_verts[body.bone_joint == blade].mean(axis=0)
    assert body.frames[blade] @ found["scapula_l"].centre + at["scapula_l"] == pytest.approx(middle)


@pytest.mark.parametrize(("sex", "whole", "lengths"), [("female", 614.8, (142.5, 205.3, 181.5)), ("male", 603.3, (170.7, 215.5, 145.7))])
def test_trunk_head_and_hands_have_their_centres_where_the_table_says(sex, whole, lengths):
    """The trunk's parts hang one below the other from suprasternale on; de Leva's lengths, mm, from cervicale to the hips in all."""
    body = synthetic.open_body(sex)
    at = dict(zip(JOINT_NAMES, body.joints))
    found = zip(JOINT_NAMES, segments.inertias(body, sex, 100.0))
    place = {name: at[name] + body.frames[JOINT_NAMES.index(name)] @ part.centre for name, part in found}
    hips = (at["femur_r"] + at["femur_l"])[1] / 2
    length = at["thorax"][1] - hips
    top = hips + length * sum(lengths) / whole
    for name, part in zip(("thorax", "lumbar_body", "pelvis"), lengths):
        assert place[name][1] == pytest.approx(top - DE_LEVA[sex][name][1] / 100 * part / whole * length), name
        level = np.abs(body.skin_verts[:, 1] - place[name][1]) < 0.03
        trunk = body.skin_verts[level & np.isin(body.owners(), [JOINT_NAMES.index(n) for n in ("pelvis", "lumbar_body", "thorax")]), 2]
        assert place[name][2] == pytest.approx((trunk.min() + trunk.max()) / 2), "midway from back to front"
        top -= part / whole * length
    crown = body.skin_verts[:, 1].max()
    assert place["head"][1] == pytest.approx(crown - DE_LEVA[sex]["head"][1] / 100 * (crown - at["thorax"][1]))
    down = -body.frames[JOINT_NAMES.index("hand_l")][:, 1]
    reach = ((body.skin_verts[body.owners() == JOINT_NAMES.index("hand_l")] - at["hand_l"]) @ down).max()
    assert place["hand_l"] == pytest.approx(at["hand_l"] + DE_LEVA[sex]["hand"][1] / 100 * reach * down)


def test_the_volume_is_that_of_the_skin():
    body = synthetic.rest_body()
    corners = np.array([[x, y, z] for x in (0.0, 2.0) for y in (0.0, 3.0) for z in (0.0, 0.5)])
    body.skin_verts = corners
    body.skin_faces = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, -1], [1, 7, 3, -1]])
    assert segments.volume(body) == pytest.approx(3.0)
    quads = body.skin_faces[:, 3] >= 0
    body.skin_faces = np.concatenate([body.skin_faces[quads][:, ::-1], body.skin_faces[~quads][:, [2, 1, 0, 3]]])  # inside out
    assert segments.volume(body) == pytest.approx(3.0)


def test_a_bodys_name_tells_whose_masses_it_gets(tmp_path):
    made, masses = synthetic.random_take(frames=2, people=1), {}
    for name in ("open female", "SKEL male", "tubes"):
        made.people[0].body_name = name
        path = opensim.write(made, 0, tmp_path / "shot.osim", mass=70.0)[0]
        masses[name] = [float(mass.text) for mass in ElementTree.parse(path).iter("mass")]
    for name, sex in (("open female", "female"), ("SKEL male", "male"), ("tubes", "")):
        wanted = [part.mass for part in segments.inertias(made.people[0].body, sex, 70.0)]
        assert masses[name][-len(wanted) :] == pytest.approx(wanted, rel=1e-6)
    assert masses["open female"] != masses["SKEL male"]
