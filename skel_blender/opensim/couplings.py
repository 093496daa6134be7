# SPDX-License-Identifier: GPL-3.0-or-later
"""The translations that SKEL couples to angles as polynomials, the form in which a CustomJoint of OpenSim can hold them.

They are the Taylor series of kinematics.arc_offset and ellipsoid_offset about zero. Sines and cosines over a factorial end quickly:
of degree 12 the arcs are right to a tenth of a millimetre for any angle up to half a turn, the shoulder blades for two radians in all.
A component that hangs on one angle is a polynomial in it, whose derivatives OpenSim knows exactly; only the height of an arc and the
sideways shift of a blade hang on two.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from ..anatomy import ARCS, DOFS_OF_JOINT, ELLIPSOIDS
from ..kinematics import scapula_ellipsoid

DEGREE = 12


@dataclass(frozen=True)
class Shift:
    """One component (m) of a translation: sum of coefficients[i] q^i, or of coefficients[i, j] q^i r^j with i + j <= DEGREE."""

    coordinates: tuple[str, ...]  # q, or q and r
    coefficients: np.ndarray


def shifts(rest_joints: np.ndarray) -> dict[int, tuple[Shift, Shift, Shift]]:
    """Joint -> the components along OpenSim's x, y and z of the translation that its first two angles add, for joints (24,3) m."""
    width, height = scapula_ellipsoid(rest_joints)
    found = {}
    for joint, (bottom, top) in ARCS.items():
        found[joint] = _arc(joint, abs(float(rest_joints[top, 1] - rest_joints[bottom, 1])))
    for joint, side in ELLIPSOIDS.items():
        found[joint] = _ellipsoid(joint, side, width, height)
    return found


def _arc(joint: int, length: float) -> tuple[Shift, Shift, Shift]:
    bending, extension = (dof.name for dof in DOFS_OF_JOINT[joint][:2])
    powers = np.arange(DEGREE + 1)
    sine, cosine = _sine(0.0, DEGREE + 1), _sine(np.pi / 2, DEGREE + 1)
    versine = np.where(powers < DEGREE, -cosine[1:], 0.0)  # (1 - cos a) / a
    sinc = np.where(powers > 0, sine[1:], 0.0)  # sin a / a - 1
    rise = np.zeros((DEGREE + 1, DEGREE + 1))
    rise[:, 0] = sinc
    rise[0] += sinc
    return (
        Shift((extension,), -length * versine),
        Shift((bending, extension), length * rise),
        Shift((bending,), length * versine),
    )


def _ellipsoid(joint: int, side: int, width: float, height: float) -> tuple[Shift, Shift, Shift]:
    abduction, elevation = (dof.name for dof in DOFS_OF_JOINT[joint][:2])
    turned = float(-side) ** np.arange(DEGREE + 1)
    quarter = np.pi / 4
    aside = np.outer(turned * _sine(np.pi / 2), turned * _sine(np.pi / 2 - quarter))
    aside[np.add.outer(np.arange(DEGREE + 1), np.arange(DEGREE + 1)) > DEGREE] = 0.0
    ahead, up = turned * _sine(0.0), turned * _sine(-quarter)
    aside[0, 0] = up[0] = 0.0
    return (
        Shift((abduction,), width / 4 * ahead),
        Shift((elevation,), -height / 2 * up),
        Shift((abduction, elevation), -side * width / 4 * aside),
    )


def _sine(phase: float, degree: int = DEGREE) -> np.ndarray:
    """(degree+1,) Taylor coefficients of sin(a + phase) about a = 0."""
    return np.array([np.sin(phase + n * np.pi / 2) / factorial(n) for n in range(degree + 1)])
