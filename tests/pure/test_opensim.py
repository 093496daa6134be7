# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSim's files, read again by an implementation of its own: the model's transforms against kinematics.py, tables, masses, bones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from skel_blender import kinematics, opensim, take
from skel_blender.anatomy import DOFS, JOINT_NAMES, PARENTS
from skel_blender.kinematics import axis_rotation
from skel_blender.messages import SkelError
from skel_blender.opensim import couplings, markers, segments
from skel_blender.opensim.frames import body_fixed_angles, ground
from tests import synthetic

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "skel_blender" / "engine" / "body" / "data"


def open_take(sex: str, frames: int = 12) -> take.Take:
    made = synthetic.random_take(frames=frames, people=1, seed=7, first=3)
    person = made.people[0]
    person.body, person.body_name = synthetic.open_body(DATA / f"open_{sex}.npz"), f"open {sex}"
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


@pytest.mark.parametrize("body", ["tubes", "female"])
def test_the_model_moves_as_skel_does(tmp_path, body):
    made = synthetic.random_take(frames=12, people=1, seed=7, first=3) if body == "tubes" else open_take(body)
    opensim.write(made, 0, tmp_path / "shot.osim")
    _, columns, rows = read_table(tmp_path / "shot.mot")
    person = made.people[0]
    transforms, joints = person.transforms(), ground(person.transforms()[..., :3, 3])
    for number, row in enumerate(rows):
        at = {name: value if name.startswith("pelvis_t") and name != "pelvis_tilt" else np.radians(value)
              for name, value in zip(columns, row)}  # fmt: skip
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
    opensim.write(made, 0, tmp_path / "shot.trc")
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


@pytest.mark.parametrize("sex", ["female", "male"])
def test_surface_markers_lie_where_their_names_say(sex):
    body = synthetic.open_body(DATA / f"open_{sex}.npz")
    still = kinematics.forward(np.zeros(46), body.joints, body.frames)
    points = markers.markers_of(body)
    at = dict(zip((p.name for p in points), markers.places(points, body, still[None])[0]))
    assert np.linalg.norm(at["RASI"] - at["LASI"]) == pytest.approx(0.24, abs=0.06)
    assert at["RLFE"][0] < at["RMFE"][0] < 0 < at["LMFE"][0] < at["LLFE"][0]
    assert at["RLMA"][0] < at["RMMA"][0] < 0 and at["RLMA"][1] == pytest.approx(body.joints[3, 1], abs=0.04)
    assert at["RHEE"][2] < body.joints[3, 2] < at["RMT5"][2] < at["RTOE"][2]
    assert at["SACR"][2] < at["RASI"][2] and at["C7"][2] < body.joints[12, 2] and at["STRN"][2] > 0
    assert at["VERT"][1] > 0.99 * body.skin_verts[:, 1].max() and abs(at["RFIN"][0]) > abs(at["RPNK"][0]) > abs(at["RRST"][0])
    for name, place in at.items():
        if not name.endswith(markers.CENTRE):
            assert np.linalg.norm(body.skin_verts - place, axis=1).min() < 1e-6
        if name[0] == "R" and f"L{name[1:]}" in at:
            assert at[f"L{name[1:]}"] * [-1, 1, 1] == pytest.approx(place, abs=0.02)


@pytest.mark.parametrize("sex,mass", [("female", None), ("male", 75.0)])
def test_masses_are_a_persons(sex, mass):
    body = synthetic.open_body(DATA / f"open_{sex}.npz")
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
    body = synthetic.open_body(DATA / f"open_{sex}.npz")
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
    body = synthetic.open_body(DATA / f"open_{sex}.npz")
    at = dict(zip(JOINT_NAMES, body.joints))
    found = zip(JOINT_NAMES, segments.inertias(body, sex, 100.0))
    place = {name: at[name] + body.frames[JOINT_NAMES.index(name)] @ part.centre for name, part in found}
    hips = (at["femur_r"] + at["femur_l"])[1] / 2
    length = at["thorax"][1] - hips
    top = hips + length * sum(lengths) / whole
    for name, part in zip(("thorax", "lumbar_body", "pelvis"), lengths):
        assert place[name][1] == pytest.approx(top - DE_LEVA[sex][name][1] / 100 * part / whole * length), name
        top -= part / whole * length
    crown = body.skin_verts[:, 1].max()
    assert place["head"][1] == pytest.approx(crown - DE_LEVA[sex]["head"][1] / 100 * (crown - at["thorax"][1]))
    down = -body.frames[JOINT_NAMES.index("hand_l")][:, 1]
    reach = ((body.skin_verts[body.owners() == JOINT_NAMES.index("hand_l")] - at["hand_l"]) @ down).max()
    assert place["hand_l"] == pytest.approx(at["hand_l"] + DE_LEVA[sex]["hand"][1] / 100 * reach * down)


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


def test_the_volume_is_that_of_the_skin():
    body = synthetic.rest_body()
    corners = np.array([[x, y, z] for x in (0.0, 2.0) for y in (0.0, 3.0) for z in (0.0, 0.5)])
    body.skin_verts = corners
    body.skin_faces = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, -1], [1, 7, 3, -1]])
    assert segments.volume(body) == pytest.approx(3.0)


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
        assert faces.min() == 1 and faces.max() == len(points)


def test_orientations_are_read_back():
    rng = np.random.default_rng(3)
    for angles in [*rng.uniform(-1.5, 1.5, (20, 3)), np.array([0.4, np.pi / 2, 0.0]), np.array([0.3, -np.pi / 2, 0.7])]:
        matrix = turned(angles)
        assert turned(body_fixed_angles(matrix)) == pytest.approx(matrix, abs=1e-7)


def test_names_of_what_is_written():
    assert opensim.targets("a/shot.osim") == [Path("a/shot.osim"), Path("a/shot.mot"), Path("a/shot.trc")]
    assert opensim.targets("shot.mot") == [Path("shot.mot")]
    assert opensim.numbered(Path("a/shot.osim"), 3) == [Path("a/shot.osim"), Path("a/shot_2.osim"), Path("a/shot_3.osim")]


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


def command(source: Path, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "skel_blender.opensim", str(source), "--out", str(out), *map(str, options)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)


def test_the_command_writes_everybody_and_overwrites_nobody(tmp_path):
    take.save(synthetic.random_take(frames=3, people=2), tmp_path / "shot.npz")
    done = command(tmp_path / "shot.npz", tmp_path / "out.osim")
    assert done.returncode == 0, done.stderr
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {"shot.npz", "Geometry", *(f"out{number}.{kind}" for number in ("", "_2") for kind in ("osim", "mot", "trc"))}
    again = command(tmp_path / "shot.npz", tmp_path / "out.osim")
    assert again.returncode == 1 and "exists already" in again.stderr and len(again.stderr.splitlines()) == 1
    assert command(tmp_path / "shot.npz", tmp_path / "out.osim", "--overwrite").returncode == 0
    second = command(tmp_path / "shot.npz", tmp_path / "b.mot", "--person", 2)
    assert second.returncode == 0 and (tmp_path / "b.mot").read_text() == (tmp_path / "out_2.mot").read_text()


@pytest.mark.parametrize("arguments,sentence", [
    (("shot.npz", "out.osim", "--person", "3"), "no number 3"),
    (("shot.npz", "out.c3d"), "must end in"),
    (("nothing.npz", "out.mot"), "There is no file"),
    (("shot.npz", "nowhere/out.mot"), "no folder"),
    (("shot.npz", "out.osim", "--mass", "-3"), "not a mass"),
])  # fmt: skip
def test_what_cannot_be_written_is_said_in_a_sentence(tmp_path, arguments, sentence):
    take.save(synthetic.random_take(frames=2, people=2), tmp_path / "shot.npz")
    source, out, *options = arguments
    done = command(tmp_path / source, tmp_path / out, *options)
    assert done.returncode == 1 and sentence in done.stderr and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["shot.npz"]


def test_a_folder_that_takes_no_files_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SkelError, match="could not be written"):
        opensim.write(synthetic.random_take(frames=2, people=1), 0, tmp_path / "file" / "shot.osim")
