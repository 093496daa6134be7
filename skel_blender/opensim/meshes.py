# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone meshes as Wavefront `.obj` files in the frames of their bodies, metres."""

from __future__ import annotations

import numpy as np

from ..anatomy import JOINT_NAMES
from ..take import RestBody


def meshes_of(body: RestBody) -> dict[str, str]:
    """Name of a body -> text of its bone's `.obj`; a body without faces of its own is left out."""
    found = {}
    owner = body.bone_joint[body.bone_faces] if len(body.bone_faces) else np.zeros((0, 3), dtype=int)
    for joint, name in enumerate(JOINT_NAMES):
        faces = body.bone_faces[(owner == joint).all(axis=1)]
        if not len(faces):
            continue
        used, numbers = np.unique(faces, return_inverse=True)
        points = (body.bone_verts[used] - body.joints[joint]) @ body.frames[joint]
        lines = [f"# {name}", *(f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in points)]
        lines += [f"f {a} {b} {c}" for a, b, c in numbers.reshape(faces.shape) + 1]
        found[name] = "\n".join([*lines, ""])
    return found
