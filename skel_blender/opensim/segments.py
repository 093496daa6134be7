# SPDX-License-Identifier: GPL-3.0-or-later
"""Masses, centres of mass and inertias of the 24 bodies, from segment fractions and the person's own lengths.

Fractions: P. de Leva, "Adjustments to Zatsiorsky-Seluyanov's segment inertia parameters", J. Biomechanics 29 (1996) 1223-1230, tables 3
and 4. A segment's mass is a share of the whole body's, its centre of mass and radii of gyration are shares of its length. Where SKEL
has more bodies than that table, a segment is shared out: forearm in halves to ulna and radius, foot to talus, calcaneus and toes as in
the leg model of Delp et al. 1990 (0.1, 1.25 and 0.2166 kg), and 0.9 % of the body each for the shoulder blades, taken from the upper
trunk. The whole body weighs what its skin encloses, with 1010 kg/m3: tissue of 1050 around three litres of air in 75.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import JOINT_INDEX, JOINT_NAMES
from ..take import TRIANGLE, RestBody

DENSITY = 1010.0  # kg/m3
_SCAPULA = 0.009  # of the body's mass
_FOOT = {"talus": 0.1 / 1.5666, "calcn": 1.25 / 1.5666, "toes": 0.2166 / 1.5666}  # of the foot's mass


@dataclass(frozen=True)
class Segment:
    """Shares: of the body's mass; of the length from the proximal end to the centre of mass; radii of gyration of the length about
    the sagittal (forward), transverse (sideways) and longitudinal axes."""

    mass: float
    centre: float
    radii: tuple[float, float, float]


# Ends: head vertex to cervicale; trunk suprasternale, xiphion, omphalion, middle of the hips; arm shoulder, elbow, wrist, third finger's
# tip; leg hip, knee, ankle; foot heel to the longest toe.
_SEGMENTS = {
    "female": {
        "head": Segment(0.0668, 0.4841, (0.271, 0.295, 0.261)), "upper": Segment(0.1545, 0.2077, (0.746, 0.502, 0.718)),
        "middle": Segment(0.1465, 0.4512, (0.433, 0.354, 0.415)), "lower": Segment(0.1247, 0.4920, (0.433, 0.402, 0.444)),
        "humerus": Segment(0.0255, 0.5754, (0.278, 0.260, 0.148)), "forearm": Segment(0.0138, 0.4559, (0.261, 0.257, 0.094)),
        "hand": Segment(0.0056, 0.3427, (0.244, 0.208, 0.154)), "femur": Segment(0.1478, 0.3612, (0.369, 0.364, 0.162)),
        "tibia": Segment(0.0481, 0.4352, (0.267, 0.263, 0.092)), "foot": Segment(0.0129, 0.4014, (0.299, 0.279, 0.139)),
    },
    "male": {
        "head": Segment(0.0694, 0.5002, (0.303, 0.315, 0.261)), "upper": Segment(0.1596, 0.2999, (0.716, 0.454, 0.659)),
        "middle": Segment(0.1633, 0.4502, (0.482, 0.383, 0.468)), "lower": Segment(0.1117, 0.6115, (0.615, 0.551, 0.587)),
        "humerus": Segment(0.0271, 0.5772, (0.285, 0.269, 0.158)), "forearm": Segment(0.0162, 0.4574, (0.276, 0.265, 0.121)),
        "hand": Segment(0.0061, 0.3624, (0.288, 0.235, 0.184)), "femur": Segment(0.1416, 0.4095, (0.329, 0.329, 0.149)),
        "tibia": Segment(0.0433, 0.4395, (0.251, 0.246, 0.102)), "foot": Segment(0.0137, 0.4415, (0.257, 0.245, 0.124)),
    },
}  # fmt: skip
# mm: from cervicale to the hips, and the three parts of the trunk, which begin at suprasternale
_TRUNK = {"female": (614.8, 142.5, 205.3, 181.5), "male": (603.3, 170.7, 215.5, 145.7)}
_BAND = 0.03  # m, half the height of the slice of skin whose middle is the trunk's


@dataclass(frozen=True)
class Inertia:
    """Of one body, in its own frame: mass kg, centre (3,) m, inertia (3,3) kg m2 about that centre."""

    mass: float
    centre: np.ndarray
    inertia: np.ndarray


def volume(body: RestBody) -> float:
    """m3 inside the skin, which has to be closed; its faces may look inward."""
    faces, quads = body.skin_faces, body.skin_faces[body.skin_faces[:, 3] != TRIANGLE]
    a, b, c = np.moveaxis(body.skin_verts[np.concatenate([faces[:, :3], quads[:, [0, 2, 3]]])].astype(float), 1, 0)
    return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0))


def inertias(body: RestBody, sex: str, mass: float | None = None) -> list[Inertia]:
    """The 24 bodies' in the order of the joints. `sex` is female, male or anything else for their mean; `mass` kg, else by volume."""
    total = DENSITY * volume(body) if mass is None else mass
    tables = [_SEGMENTS[sex]] if sex in _SEGMENTS else list(_SEGMENTS.values())
    table = {name: _mean([each[name] for each in tables]) for name in tables[0]}
    scale = np.mean([_TRUNK[sex]] if sex in _SEGMENTS else list(_TRUNK.values()), axis=0)
    found = _trunk(body, table, scale / scale[0], total)
    for side in ("r", "l"):
        found |= _arm(body, table, side, total) | _leg(body, table, side, total)
    return [found[name] for name in JOINT_NAMES]


def _trunk(body: RestBody, table: dict[str, Segment], shares: np.ndarray, total: float) -> dict[str, Inertia]:
    hips = body.joints[[JOINT_INDEX["femur_r"], JOINT_INDEX["femur_l"]]].mean(axis=0)
    neck = body.joints[JOINT_INDEX["thorax"]]
    length = float(neck[1] - hips[1])
    top = hips[1] + length * shares[1:].sum()
    found = {}
    for part, name, share in zip(("upper", "middle", "lower"), ("thorax", "lumbar_body", "pelvis"), shares[1:]):
        segment = table[part]
        height = top - segment.centre * share * length
        weight = total * (segment.mass - (2 * _SCAPULA if part == "upper" else 0.0))
        centre = _axis_point(body, height, (0, 11, 12), hips + (neck - hips) * (height - hips[1]) / length)
        found[name] = _made(body, JOINT_INDEX[name], weight, centre, segment.radii, share * length)
        top -= share * length
    vertex = max(float(body.skin_verts[:, 1].max()), neck[1] + 0.1 * length)
    segment, head = table["head"], JOINT_INDEX["head"]
    height = vertex - segment.centre * (vertex - neck[1])
    centre = _axis_point(body, height, (head,), np.array([0.0, height, body.joints[head, 2]]))
    return found | {"head": _made(body, head, total * segment.mass, centre, segment.radii, vertex - float(neck[1]))}


def _arm(body: RestBody, table: dict[str, Segment], side: str, total: float) -> dict[str, Inertia]:
    at = {name: body.joints[JOINT_INDEX[f"{name}_{side}"]] for name in ("humerus", "ulna", "hand")}
    hand = JOINT_INDEX[f"hand_{side}"]
    down = -body.frames[hand][:, 1]
    reach = float(((_cloud(body, hand) - at["hand"]) @ down).max())
    fore = table["forearm"]
    found = {f"humerus_{side}": _limb(body, f"humerus_{side}", table["humerus"], at["humerus"], at["ulna"], total)}
    half = Segment(fore.mass / 2, fore.centre, fore.radii)
    for name in ("ulna", "radius"):
        found[f"{name}_{side}"] = _limb(body, f"{name}_{side}", half, at["ulna"], at["hand"], total)
    found[f"hand_{side}"] = _limb(body, f"hand_{side}", table["hand"], at["hand"], at["hand"] + reach * down, total)
    blade = JOINT_INDEX[f"scapula_{side}"]
    local = (_cloud(body, blade, bone_first=True) - body.joints[blade]) @ body.frames[blade]
    spread = np.cov(local.T, bias=True) if len(local) > 3 else np.eye(3) * 1e-3  # the inertia of its bone's vertices
    found[f"scapula_{side}"] = Inertia(total * _SCAPULA, local.mean(axis=0), total * _SCAPULA * (np.trace(spread) * np.eye(3) - spread))
    return found


def _leg(body: RestBody, table: dict[str, Segment], side: str, total: float) -> dict[str, Inertia]:
    at = {name: body.joints[JOINT_INDEX[f"{name}_{side}"]] for name in ("femur", "tibia", "talus", "calcn", "toes")}
    found = {f"{name}_{side}": _limb(body, f"{name}_{side}", table[name], at[name], at[below], total)
             for name, below in (("femur", "tibia"), ("tibia", "talus"))}  # fmt: skip
    numbers = [JOINT_INDEX[f"{name}_{side}"] for name in _FOOT]
    ahead = body.frames[numbers[1]][:, 0]
    cloud = np.concatenate([_cloud(body, number) for number in numbers[1:]])
    heel, toe = float((cloud @ ahead).min()), float((cloud @ ahead).max())
    foot, length = table["foot"], toe - heel
    sagittal, transverse, longitudinal = foot.radii
    radii = (longitudinal, transverse, sagittal)  # the foot lies: its long axis points forward
    middles = {"talus": (at["talus"] + at["calcn"]) / 2, "toes": at["toes"] + ahead * (toe - at["toes"] @ ahead) / 2}
    whole = (at["calcn"] + at["toes"]) / 2
    whole = whole + ahead * (heel + foot.centre * length - whole @ ahead)
    middles["calcn"] = (whole - sum(_FOOT[name] * middles[name] for name in ("talus", "toes"))) / _FOOT["calcn"]
    for name, number in zip(_FOOT, numbers):
        share = _FOOT[name]
        found[f"{name}_{side}"] = _made(body, number, total * foot.mass * share, middles[name], radii, length * share ** (1 / 3))
    return found


def _limb(body: RestBody, name: str, segment: Segment, start: np.ndarray, end: np.ndarray, total: float) -> Inertia:
    centre = start + segment.centre * (end - start)
    return _made(body, JOINT_INDEX[name], total * segment.mass, centre, segment.radii, float(np.linalg.norm(end - start)))


def _made(body: RestBody, joint: int, mass: float, centre: np.ndarray, radii: tuple[float, float, float], length: float) -> Inertia:
    """From a centre in the model frame and radii about the joint frame's x, z and y, shares of `length`."""
    about_x, about_z, about_y = radii
    moments = mass * (np.array([about_x, about_y, about_z]) * length) ** 2
    return Inertia(float(mass), body.frames[joint].T @ (centre - body.joints[joint]), np.diag(moments))


def _cloud(body: RestBody, joint: int, bone_first: bool = False) -> np.ndarray:
    """(N,3) the skin that a joint moves most, its bone where it moves none; or the other way round."""
    main = body.owners()
    clouds = body.skin_verts[main == joint], body.bone_verts[body.bone_joint == joint]
    for cloud in clouds[::-1] if bone_first else clouds:
        if len(cloud):
            return cloud
    return body.joints[joint][None]


def _axis_point(body: RestBody, height: float, joints: tuple[int, ...], otherwise: np.ndarray) -> np.ndarray:
    """The middle, between front and back, of the skin of some joints at a height; x on the middle line."""
    cloud = np.concatenate([_cloud(body, joint) for joint in joints])
    near = cloud[np.abs(cloud[:, 1] - height) < _BAND]
    depth = (near[:, 2].min() + near[:, 2].max()) / 2 if len(near) else otherwise[2]
    return np.array([otherwise[0], height, depth])


def _mean(segments: list[Segment]) -> Segment:
    radii = np.mean([segment.radii for segment in segments], axis=0)
    return Segment(float(np.mean([s.mass for s in segments])), float(np.mean([s.centre for s in segments])), tuple(radii))
