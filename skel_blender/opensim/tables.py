# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSim's text tables: motions of coordinates (`.mot`) and places of markers (`.trc`)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


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
