# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that lie beside a model: motions of coordinates (`.mot`), places of markers (`.trc`), bone meshes (`.obj`)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..anatomy import JOINT_NAMES
from ..take import RestBody


def mot(name: str, times: np.ndarray, columns: tuple[str, ...], values: np.ndarray) -> str:
    """A motion: values (T,C) in degrees and, for translations, metres, at times (T,) s."""
    head = [name, "version=1", f"nRows={len(values)}", f"nColumns={len(columns) + 1}", "inDegrees=yes", "endheader"]
    lines = ["\t".join(("time", *columns))]
    lines += ["\t".join([f"{time:.9f}", *(f"{value:.9f}" for value in row)]) for time, row in zip(times, values)]
    return "\n".join([*head, *lines, ""])


def trc(name: str, fps: Fraction, frames: np.ndarray, times: np.ndarray, markers: list[str], places: np.ndarray) -> str:
    """Marker places (T,M,3) m, written in millimetres, at frame numbers (T,) and times (T,) s."""
    rate = f"{float(fps):.9g}"
    kinds = ("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames")
    said = (rate, rate, len(frames), len(markers), "mm", rate, int(frames[0]), len(frames))
    lines = [
        "\t".join(("PathFileType", "4", "(X/Y/Z)", name)),
        "\t".join(kinds),
        "\t".join(str(value) for value in said),
        "\t".join(("Frame#", "Time", *(cell for marker in markers for cell in (marker, "", "")))),
        "\t".join(("", "", *(f"{axis}{number}" for number in range(1, len(markers) + 1) for axis in "XYZ"))),
        "",
    ]
    flat = 1000.0 * places.reshape(len(places), -1)
    lines += ["\t".join([str(int(frame)), f"{time:.9f}", *(f"{value:.6f}" for value in row)])
              for frame, time, row in zip(frames, times, flat)]  # fmt: skip
    return "\n".join([*lines, ""])


def meshes_of(body: RestBody) -> dict[str, str]:
    """Name of a body -> text of its bone's Wavefront `.obj`, metres, in the body's frame; a body without faces of its own is left out."""
    found = {}
    owner = body.bone_joint[body.bone_faces]
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
