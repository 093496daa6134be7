# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSim's files, read again by an implementation of its own: the model's transforms against kinematics.py, motions, markers, bones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from skel_blender import kinematics, opensim, take
from skel_blender.anatomy import DOFS, JOINT_NAMES, PARENTS
from skel_blender.kinematics import axis_rotation
from skel_blender.opensim import couplings, markers, segments
from skel_blender.opensim.model import TRANSLATIONS, body_fixed_angles, ground
from tests import synthetic


def open_take(sex: str, frames: int = 12) -> take.Take:
    made = synthetic.random_take(frames=frames, people=1, seed=7, first=3)
    person = made.people[0]
    person.body, person.body_name = synthetic.open_body(sex), f"open {sex}"
    person.poses = synthetic.random_poses(frames, person.body.limits, np.random.default_rng(11))
    return made


def numbers(element: ElementTree.Element, name: str) -> np.ndarray:
    return np.array([float(word) for word in element.findtext(name).split()])


def function(axis: ElementTree.Element, at: dict[str, float]) -> float:
    """The value of a TransformAxis, by OpenSim's documentation of its functions."""
    values = [at[name] for name in (axis.findtext("coordinates") or "").split()]
    made = next(child for child in axis if child.get("name") == "function")
    if made.tag == "Constant":
        return float(made.findtext("value"))
    factors = numbers(made, "coefficients")
    if made.tag in ("LinearFunction", "PolynomialFunction"):
        return float(np.polyval(factors, values[0]))
    assert made.tag == "MultivariatePolynomialFunction" and made.findtext("dimension") == "2"
    order = int(made.findtext("order"))
    powers = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    assert len(powers) == len(factors)
    return float(sum(c * values[0] ** i * values[1] ** j for c, (i, j) in zip(factors, powers)))


def turned(angles: np.ndarray) -> np.ndarray:
    return np.linalg.multi_dot([axis_rotation(axis, angle) for axis, angle in zip(np.eye(3), angles)])


def placed(path: Path, at: dict[str, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Body -> its axes (3,3) and place (3,) in the ground, from the XML alone."""
    found = {"ground": (np.eye(3), np.zeros(3))}
    for joint in ElementTree.parse(path).getroot().iter("CustomJoint"):
        frames = {frame.get("name"): frame for frame in joint.find("frames")}
        above, below = frames[joint.findtext("socket_parent_frame")], frames[joint.findtext("socket_child_frame")]
        assert not numbers(below, "translation").any() and not numbers(below, "orientation").any()
        axes = {axis.get("name"): axis for axis in joint.find("SpatialTransform")}
        turn, shift = np.eye(3), np.zeros(3)
        for number in "123":
            turn = turn @ axis_rotation(numbers(axes[f"rotation{number}"], "axis"), function(axes[f"rotation{number}"], at))
            shift = shift + numbers(axes[f"translation{number}"], "axis") * function(axes[f"translation{number}"], at)
        spun, place = found[above.findtext("socket_parent").rpartition("/")[2]]
        place = place + spun @ numbers(above, "translation")
        spun = spun @ turned(numbers(above, "orientation"))
        found[below.findtext("socket_parent").rpartition("/")[2]] = spun @ turn, place + spun @ shift
    return found


def read_table(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Header lines, column names and rows of a `.mot`."""
    lines = path.read_text().splitlines()
    end = lines.index("endheader")
    return lines[:end], lines[end + 1].split("\t"), np.array([[float(cell) for cell in line.split("\t")] for line in lines[end + 2 :]])


def oblique_take() -> take.Take:
    """Of a body none of whose frames has the world's axes, and whose pelvis is not at the origin."""
    made = synthetic.random_take(frames=12, people=1, seed=7, first=3)
    body, rng = made.people[0].body, np.random.default_rng(5)
    body.frames = np.array([turned(angles) for angles in rng.uniform(-1.0, 1.0, (len(JOINT_NAMES), 3))]) @ body.frames
    for points in (body.joints, body.skin_verts, body.bone_verts):
        points += [0.3, -0.2, 0.1]
    return made


@pytest.mark.parametrize("body", ["tubes", "oblique", "female"])
def test_the_model_moves_as_skel_does(tmp_path, body):
    tubes = synthetic.random_take(frames=12, people=1, seed=7, first=3)
    made = {"tubes": tubes, "oblique": oblique_take()}.get(body) or open_take(body)
    opensim.write(made, 0, tmp_path / "shot.osim")
    _, columns, rows = read_table(tmp_path / "shot.mot")
    person = made.people[0]
    transforms, joints = person.transforms(), ground(person.transforms()[..., :3, 3])
    for number, row in enumerate(rows):
        at = {name: value if name in TRANSLATIONS else np.radians(value) for name, value in zip(columns, row)}
        found = placed(tmp_path / "shot.osim", at)
        for joint, name in enumerate(JOINT_NAMES):
            axes, place = found[name]
            assert np.linalg.norm(place - joints[number, joint]) < 1e-6
            assert axes == pytest.approx(ground((transforms[number, joint, :3, :3] @ person.body.frames[joint]).T).T, abs=1e-6)


def test_the_polynomials_hold_beyond_the_limits():
    joints = synthetic.rest_body().joints
    poses = np.random.default_rng(0).uniform(-np.pi / 2, np.pi / 2, (200, len(DOFS)))
    wanted = kinematics.couplings(poses, joints)
    names = [dof.name for dof in DOFS]
    for joint, components in couplings.shifts(joints).items():
        found = []
        for shift in components:
            values = [poses[:, names.index(name)] for name in shift.coordinates]
            found.append((np.polynomial.polynomial.polyval if len(values) == 1 else np.polynomial.polynomial.polyval2d)(
                *values, shift.coefficients))  # fmt: skip
        assert np.abs(np.stack(found, axis=1) - ground(wanted[joint])).max() < 1e-4


def test_coordinates_have_the_limits_and_names_of_the_anatomy(tmp_path):
    made = synthetic.random_take(frames=2, people=1)
    limits = made.people[0].body.limits
    opensim.write(made, 0, tmp_path / "shot.osim")
    root = ElementTree.parse(tmp_path / "shot.osim").getroot()
    assert root.get("Version") == "40000"
    found = {c.get("name"): c for c in root.iter("Coordinate")}
    assert set(found) == {dof.name for dof in DOFS} | {"pelvis_tx", "pelvis_ty", "pelvis_tz"}
    for dof in DOFS:
        low, up = numbers(found[dof.name], "range")
        if np.isfinite(limits[dof.index]).all():
            assert (low, up) == pytest.approx(limits[dof.index])
        assert low < up and found[dof.name].findtext("clamped") == "false"
    assert numbers(found["pelvis_rotation"], "range") == pytest.approx([-2 * np.pi, 2 * np.pi])  # a turn to either side where it is free
    joints = {joint.findtext("socket_child_frame"): joint for joint in root.iter("CustomJoint")}
    assert [c.get("name") for c in joints["humerus_l_offset"].find("coordinates")] == ["shoulder_l_x", "shoulder_l_y", "shoulder_l_z"]
    parents = {name: joint.findtext("socket_parent_frame") for name, joint in joints.items()}
    assert [parents[f"{name}_offset"] for name in JOINT_NAMES[1:]] == [f"{JOINT_NAMES[p]}_offset" for p in PARENTS[1:]]


def test_the_motion_is_in_degrees_and_seconds(tmp_path):
    made = synthetic.random_take(frames=5, people=2, seed=2, first=4)
    assert opensim.write(made, 1, tmp_path / "shot.mot") == [tmp_path / "shot.mot"]
    assert [path.name for path in tmp_path.iterdir()] == ["shot.mot"]
    head, columns, rows = read_table(tmp_path / "shot.mot")
    assert head == ["person_2", "version=1", "nRows=5", "nColumns=50", "inDegrees=yes"]
    assert columns == ["time", *(dof.name for dof in DOFS), "pelvis_tx", "pelvis_ty", "pelvis_tz"]
    person = made.people[1]
    assert rows[:, 0] == pytest.approx(person.frames * 1.001 / 30)
    turns = rows[:, 1:47] - np.degrees(person.poses)
    assert turns == pytest.approx(360.0 * np.round(turns / 360.0), abs=1e-7)  # whole turns, of the pelvis only
    assert not np.round(turns[:, 3:]).any() and np.abs(np.diff(rows[:, 1:4], axis=0)).max() <= 180.0
    world = person.joints()[:, 0]  # z up: OpenSim's x is the world's -y, its y is z, its z is -x
    assert rows[:, 47:] == pytest.approx(np.stack([-world[:, 1], world[:, 2], -world[:, 0]], axis=1), abs=1e-8)


def test_markers_are_in_millimetres_and_ride_their_bodies(tmp_path):
    made = open_take("male", 4)
    person = made.people[0]
    assert opensim.write(made, 0, tmp_path / "shot.trc") == [tmp_path / "shot.trc"] == list(tmp_path.iterdir())
    lines = [line.split("\t") for line in (tmp_path / "shot.trc").read_text().splitlines()]
    assert lines[0] == ["PathFileType", "4", "(X/Y/Z)", "shot.trc"]
    head = dict(zip(lines[1], lines[2]))
    assert head["Units"] == "mm" and head["NumFrames"] == "4" and head["OrigDataStartFrame"] == "4" and float(head["DataRate"]) == 29.97003
    names = lines[3][2::3]
    assert len(names) == len(set(names)) == int(head["NumMarkers"]) and lines[5] == [""]
    assert lines[4][2:] == [f"{axis}{number}" for number in range(1, len(names) + 1) for axis in "XYZ"]
    rows = np.array([[float(cell) for cell in line] for line in lines[6:]])
    assert rows[:, 0].tolist() == [4, 5, 6, 7] and rows[:, 1] == pytest.approx(person.frames * 1.001 / 30)
    places = rows[:, 2:].reshape(4, -1, 3) / 1000
    assert places[:, : len(JOINT_NAMES)] == pytest.approx(ground(person.transforms()[..., :3, 3]), abs=1e-8)
    heel, toe = (places[:, names.index(name)] for name in ("RHEE", "RMT1"))
    assert np.ptp(np.linalg.norm(heel - toe, axis=1)) < 1e-7 < 0.1 < np.linalg.norm(heel - toe, axis=1)[0]


def test_the_model_carries_the_markers_of_its_file(tmp_path):
    opensim.write(open_take("female", 1), 0, tmp_path / "shot.osim")
    _, columns, (row,) = read_table(tmp_path / "shot.mot")
    at = {name: value if name in TRANSLATIONS else np.radians(value) for name, value in zip(columns, row)}
    bodies = placed(tmp_path / "shot.osim", at)
    lines = (tmp_path / "shot.trc").read_text().splitlines()
    written = np.array([float(cell) for cell in lines[-1].split("\t")[2:]]).reshape(-1, 3) / 1000
    root = ElementTree.parse(tmp_path / "shot.osim").getroot()
    found = list(root.iter("Marker"))
    assert [marker.get("name") for marker in found] == lines[3].split("\t")[2::3]
    for marker, place in zip(found, written):
        axes, origin = bodies[marker.findtext("socket_parent_frame").removeprefix("/bodyset/")]
        assert origin + axes @ numbers(marker, "location") == pytest.approx(place, abs=1e-6)
    parents = {frame.findtext("socket_parent") for frame in root.iter("PhysicalOffsetFrame")}
    assert parents == {"/ground", *(f"/bodyset/{name}" for name in JOINT_NAMES)}


@pytest.mark.parametrize("sex", ["female", "male"])
def test_surface_markers_lie_where_their_names_say(sex):
    body = synthetic.open_body(sex)
    still = kinematics.forward(np.zeros(46), body.joints, body.frames)
    points = markers.markers_of(body)
    at = dict(zip((p.name for p in points), markers.places(points, body, still[None])[0]))
    assert np.linalg.norm(at["RASI"] - at["LASI"]) == pytest.approx(0.24, abs=0.06)
    assert at["RLFE"][0] < at["RMFE"][0] < 0 < at["LMFE"][0] < at["LLFE"][0]
    assert at["RLMA"][0] < at["RMMA"][0] < 0 and at["RLMA"][1] == pytest.approx(body.joints[3, 1], abs=0.04)
    assert at["RHEE"][2] < body.joints[3, 2] < at["RMT5"][2] < at["RTOE"][2]
    assert at["SACR"][2] < at["RASI"][2] and at["C7"][2] < body.joints[12, 2] and at["STRN"][2] > 0
    assert at["C7"][1] == pytest.approx(body.joints[12, 1], abs=0.015)
    assert at["VERT"][1] > 0.99 * body.skin_verts[:, 1].max() and abs(at["RFIN"][0]) > abs(at["RPNK"][0]) > abs(at["RRST"][0])
    for name, place in at.items():
        if not name.endswith(markers.CENTRE):
            assert np.linalg.norm(body.skin_verts - place, axis=1).min() < 1e-6
        if name[0] == "R" and f"L{name[1:]}" in at:
            assert at[f"L{name[1:]}"] * [-1, 1, 1] == pytest.approx(place, abs=0.02)


def surface(body):
    """Name -> (3,) of the surface markers of a body at rest."""
    still = kinematics.forward(np.zeros(46), body.joints, body.frames)
    points = markers.markers_of(body)
    return {point.name: place for point, place in zip(points, markers.places(points, body, still[None])[0])
            if not point.name.endswith(markers.CENTRE)}  # fmt: skip


def test_surface_markers_hold_wherever_the_body_stands_and_whatever_lies_beside_its_middle():
    body = synthetic.open_body("male")
    at, aside = surface(body), np.array([0.3, 0.0, 0.0])
    away = replace(body, joints=body.joints + aside, skin_verts=body.skin_verts + aside, bone_verts=body.bone_verts + aside)
    horned = body.bone_verts.copy()
    beside = (np.abs(horned[:, 0]) > 0.02) & np.isin(body.bone_joint, [JOINT_NAMES.index(name) for name in ("pelvis", "thorax")])
    horned[beside] += [0.0, 0.1, np.inf] * np.where(horned[beside, 2:] > 0, 1.0, -1.0)
    for name, place in surface(away).items():
        assert place - aside == pytest.approx(at[name], abs=1e-9), name
    beyond = surface(replace(body, bone_verts=np.clip(horned, -1.0, 1.0)))
    assert all(beyond[name] == pytest.approx(at[name], abs=1e-9) for name in ("SACR", "LUMB", "T10", "C7", "STRN"))
    off = surface(replace(body, skin_verts=body.skin_verts + [0.004, 0.0, 0.0]))  # no vertex on the middle
    assert all(off[name][0] == body.joints[0, 0] for name in ("SACR", "T10", "C7", "STRN", "VERT", "FACE"))


def test_a_body_without_bones_has_markers_on_the_skin_that_they_move():
    body = synthetic.open_body("male")
    bare = surface(replace(body, bone_verts=np.zeros((0, 3)), bone_faces=np.zeros((0, 4), dtype=int), bone_joint=np.zeros(0, dtype=int)))
    off = {name: np.linalg.norm(place - bare[name]) for name, place in surface(body).items()}
    assert max(off.values()) < 0.25 and np.median(list(off.values())) < 0.03


def test_the_model_opens_on_its_feet_under_gravity_with_the_inertias_in_opensims_order(tmp_path):
    made = open_take("male", 2)
    body = made.people[0].body
    opensim.write(made, 0, tmp_path / "shot.osim", mass=75.0)
    root = ElementTree.parse(tmp_path / "shot.osim").getroot()
    assert numbers(root.find("Model"), "gravity") == pytest.approx([0.0, -9.80665, 0.0])
    start = {c.get("name"): float(c.findtext("default_value")) for c in root.iter("Coordinate")}
    assert start.pop("pelvis_ty") == pytest.approx(body.joints[0, 1] - body.skin_verts[:, 1].min()) and not any(start.values())
    wanted = dict(zip(JOINT_NAMES, segments.inertias(body, "male", 75.0)))
    for part in root.iter("Body"):
        xx, yy, zz, xy, xz, yz = numbers(part, "inertia")
        assert np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) == pytest.approx(wanted[part.get("name")].inertia)
        assert numbers(part, "mass_center") == pytest.approx(wanted[part.get("name")].centre)


def test_a_pelvis_that_goes_on_turning_never_leaps():
    body, turns = synthetic.rest_body(), np.linspace(0.0, 7.0, 40)
    poses = np.zeros((40, len(DOFS)))
    poses[:, 2] = (turns + np.pi) % (2 * np.pi) - np.pi
    assert opensim.coordinates(body, poses, np.zeros((40, 3)))[:, 2] == pytest.approx(turns)


def test_bones_lie_in_their_bodies_frames(tmp_path):
    made = open_take("male", 2)
    body = made.people[0].body
    opensim.write(made, 0, tmp_path / "my shot.osim")
    root = ElementTree.parse(tmp_path / "my shot.osim").getroot()
    for part in root.iter("Body"):
        text = (tmp_path / "Geometry" / part.find("attached_geometry/Mesh").findtext("mesh_file")).read_text().splitlines()
        points = np.array([[float(word) for word in line.split()[1:]] for line in text if line.startswith("v ")])
        faces = np.array([[int(word) for word in line.split()[1:]] for line in text if line.startswith("f ")])
        joint = JOINT_NAMES.index(part.get("name"))
        wanted = body.bone_verts[body.bone_joint == joint]
        rest = points @ body.frames[joint].T + body.joints[joint]
        assert len(points) == len(wanted) and rest == pytest.approx(wanted, abs=1e-6)
        corners = body.bone_verts[body.bone_faces[body.bone_joint[body.bone_faces[:, 0]] == joint]]
        assert rest[faces - 1] == pytest.approx(corners, abs=1e-6)  # and so they turn the same side out


def test_orientations_are_read_back():
    rng = np.random.default_rng(3)
    for angles in [*rng.uniform(-1.5, 1.5, (20, 3)), np.array([0.4, np.pi / 2, 0.0]), np.array([0.3, -np.pi / 2, 0.7])]:
        matrix = turned(angles)
        assert turned(body_fixed_angles(matrix)) == pytest.approx(matrix, abs=1e-7)
