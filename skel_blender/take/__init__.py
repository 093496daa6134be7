# SPDX-License-Identifier: GPL-3.0-or-later
"""The Take: the one file that crosses from the engine to Blender, a documented `.npz` without pickles.

It holds everything that building and keying a person needs, and everything that a later re-fit to the footage needs.
`poses`, `trans` and the rest body are in SKEL's model frame (x left, y up, z forward; metres, radians); `joints()` and the camera
speak of the Take's world: z up, floor at z = 0 (`kinematics.z_up` takes one to the other). Frame numbers count decoded frames
of the source from 0. In the file a field of person k is named `people/k/field`, of the camera `camera/field`.
"""

from .checks import validate
from .file import VERSION, dumps, load, loads, save
from .model import CONTACT_NAMES, DOUBTED, OUTLINED, TRIANGLE, Camera, Corrections, Person, RestBody, Take, index_of, zoomed

__all__ = ["CONTACT_NAMES", "DOUBTED", "OUTLINED", "TRIANGLE", "VERSION", "Camera", "Corrections", "Person", "RestBody", "Take", "dumps",
           "index_of", "load", "loads", "save", "validate", "zoomed"]  # fmt: skip
