# SPDX-License-Identifier: GPL-3.0-or-later
"""The `.osim` document of OpenSim 4 (file format 40000): bodies, joints, coordinates, markers, and where the bones' meshes lie."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as xml

import numpy as np

from ..anatomy import JOINT_NAMES
from .couplings import DEGREE, Shift
from .markers import Marker
from .model import Axis, Coordinate, Joint
from .segments import Inertia

VERSION = "40000"
_GRAVITY = (0.0, -9.80665, 0.0)
_BONE_COLOUR = (0.92, 0.88, 0.78)


def document(name: str, joints: list[Joint], masses: list[Inertia], markers: list[Marker], meshes: dict[str, str], credits: str) -> bytes:
    """The XML. `meshes` says which body has which mesh file."""
    root = xml.Element("OpenSimDocument", Version=VERSION)
    model = xml.SubElement(root, "Model", name=name)
    _put(model, "credits", credits)
    _put(model, "length_units", "meters")
    _put(model, "force_units", "N")
    _put(model, "gravity", _numbers(_GRAVITY))
    xml.SubElement(model, "Ground", name="ground")
    bodies, chain, points = (_set(model, kind) for kind in ("BodySet", "JointSet", "MarkerSet"))
    for joint, mass in zip(joints, masses):
        _body(bodies, joint.child, mass, meshes.get(joint.child))
        _joint(chain, joint)
    for marker in markers:
        point = xml.SubElement(points, "Marker", name=marker.name)
        _put(point, "socket_parent_frame", _path(JOINT_NAMES[marker.joint]))
        _put(point, "location", _numbers(marker.location))
        _put(point, "fixed", "true")
    xml.indent(root)
    return xml.tostring(root, encoding="UTF-8", xml_declaration=True)


def _body(bodies: xml.Element, name: str, mass: Inertia, mesh: str | None) -> None:
    body = xml.SubElement(bodies, "Body", name=name)
    if mesh:
        shape = xml.SubElement(xml.SubElement(body, "attached_geometry"), "Mesh", name=f"{name}_bone")
        _put(shape, "socket_frame", "..")
        _put(xml.SubElement(shape, "Appearance"), "color", _numbers(_BONE_COLOUR))
        _put(shape, "mesh_file", mesh)
    _put(body, "mass", _numbers([mass.mass]))
    _put(body, "mass_center", _numbers(mass.centre))
    rows = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    _put(body, "inertia", _numbers([mass.inertia[row] for row in rows]))


def _joint(chain: xml.Element, joint: Joint) -> None:
    made = xml.SubElement(chain, "CustomJoint", name=joint.name)
    above, below = f"{joint.parent}_offset", f"{joint.child}_offset"
    _put(made, "socket_parent_frame", above)
    _put(made, "socket_child_frame", below)
    listed = xml.SubElement(made, "coordinates")
    for coordinate in joint.coordinates:
        _coordinate(listed, coordinate)
    frames = xml.SubElement(made, "frames")
    _frame(frames, above, joint.parent, joint.translation, joint.orientation)
    _frame(frames, below, joint.child, np.zeros(3), np.zeros(3))
    spatial = xml.SubElement(made, "SpatialTransform")
    for kind, axes in (("rotation", joint.rotations), ("translation", joint.translations)):
        for number, axis in enumerate(axes, 1):
            _axis(spatial, f"{kind}{number}", axis)


def _coordinate(listed: xml.Element, coordinate: Coordinate) -> None:
    made = xml.SubElement(listed, "Coordinate", name=coordinate.name)
    _put(made, "default_value", _numbers([coordinate.default]))
    _put(made, "default_speed_value", "0")
    _put(made, "range", _numbers((coordinate.low, coordinate.up)))
    _put(made, "clamped", "false")
    _put(made, "locked", "false")


def _frame(frames: xml.Element, name: str, parent: str, translation: np.ndarray, orientation: np.ndarray) -> None:
    frame = xml.SubElement(frames, "PhysicalOffsetFrame", name=name)
    _put(frame, "socket_parent", _path(parent))
    _put(frame, "translation", _numbers(translation))
    _put(frame, "orientation", _numbers(orientation))


def _axis(spatial: xml.Element, name: str, axis: Axis) -> None:
    made = xml.SubElement(spatial, "TransformAxis", name=name)
    names = axis.shift.coordinates if axis.shift else (axis.coordinate,)
    _put(made, "coordinates", " ".join(names))
    _put(made, "axis", _numbers(axis.direction))
    if axis.shift:
        _polynomial(made, axis.shift)
    elif axis.coordinate:
        _put(xml.SubElement(made, "LinearFunction", name="function"), "coefficients", "1 0")
    else:
        _put(xml.SubElement(made, "Constant", name="function"), "value", "0")


def _polynomial(parent: xml.Element, shift: Shift) -> None:
    """One angle: highest power first. Two angles: ascending, the second angle's powers running fastest, as OpenSim reads them."""
    if len(shift.coordinates) == 1:
        _put(xml.SubElement(parent, "PolynomialFunction", name="function"), "coefficients", _numbers(shift.coefficients[::-1]))
        return
    made = xml.SubElement(parent, "MultivariatePolynomialFunction", name="function")
    powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    _put(made, "coefficients", _numbers([shift.coefficients[power] for power in powers]))
    _put(made, "dimension", "2")
    _put(made, "order", str(DEGREE))


def _set(model: xml.Element, kind: str) -> xml.Element:
    return xml.SubElement(xml.SubElement(model, kind, name=kind.lower()), "objects")


def _path(body: str) -> str:
    return "/ground" if body == "ground" else f"/bodyset/{body}"


def _put(parent: xml.Element, name: str, text: str) -> None:
    xml.SubElement(parent, name).text = text


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.15g}" for value in (float(v) + 0.0 for v in values))
