# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH, written here: one person's bones as offsets and Euler angles, y up, in the preset's unit.

In BVH all bones at rest have the axes of the world. A bone that also moves along (spine, shoulder blades, hands) has six channels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import kinematics
from .delivery import Skeleton, Space
from .presets import Preset

_STILL = 1e-5  # m; a bone that stays this near to its place needs no position channels


def space(preset: Preset) -> Space:
    """Axes and unit of the file."""
    return Space(preset.unit, "Y")


def write(path: Path, skeleton: Skeleton, bones: np.ndarray, unit: float, fps: float) -> None:
    """Write bones at (T,B,4,4), file space; `unit` is in m. Raises OSError if the file can't be written."""
    offsets, places, turns = _relative(skeleton, bones)
    moving = np.abs(places - offsets).max(axis=(0, 2)) * unit > _STILL
    moving[0] = True
    eulers = [kinematics.eulers(turns[:, bone], "YXZ", np.zeros(3)) for bone in range(len(skeleton.names))]
    angles = np.degrees(np.stack(eulers, axis=1)[..., [2, 0, 1]])  # in the order of the columns
    columns, lines = [], ["HIERARCHY"]
    _joint(0, 0, skeleton, offsets, moving, lines, columns)
    table = np.concatenate([places[:, bone] if kind == "place" else angles[:, bone] for bone, kind in columns], axis=1)
    lines += ["MOTION", f"Frames: {len(table)}", f"Frame Time: {1.0 / fps:.9f}"]
    lines += [" ".join(f"{value:.7g}" for value in row) for row in table]
    path.write_text("\n".join(lines) + "\n", encoding="ascii", errors="replace")


def _relative(skeleton: Skeleton, bones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets (B,3), places (T,B,3) and rotations (T,B,3,3) in the parents' axes, all axes at rest those of the file."""
    level = skeleton.rest.copy()
    level[:, :3, :3] = np.eye(3)
    moved = bones @ np.linalg.inv(skeleton.rest) @ level
    above = np.array(skeleton.parents[1:])
    inner = np.concatenate([moved[:, :1], np.linalg.inv(moved[:, above]) @ moved[:, 1:]], axis=1)
    offsets = level[:, :3, 3].copy()
    offsets[1:] -= level[above, :3, 3]
    return offsets, inner[..., :3, 3], inner[..., :3, :3]


def _joint(
    bone: int, depth: int, skeleton: Skeleton, offsets: np.ndarray, moving: np.ndarray, lines: list[str], columns: list[tuple[int, str]]
) -> None:
    """Write a bone and those below it; `columns` gets what the motion's columns hold."""
    pad, turns = "\t" * depth, "Zrotation Xrotation Yrotation"
    lines += [f"{pad}{'JOINT' if depth else 'ROOT'} {skeleton.names[bone].replace(' ', '_')}", f"{pad}{{"]
    lines.append(f"{pad}\tOFFSET {_numbers(offsets[bone])}")
    if moving[bone]:
        lines.append(f"{pad}\tCHANNELS 6 Xposition Yposition Zposition {turns}")
        columns.append((bone, "place"))
    else:
        lines.append(f"{pad}\tCHANNELS 3 {turns}")
    columns.append((bone, "turn"))
    below = [child for child, parent in enumerate(skeleton.parents) if parent == bone]
    for child in below:
        _joint(child, depth + 1, skeleton, offsets, moving, lines, columns)
    if not below:
        end = skeleton.rest[bone, :3, 1] * skeleton.lengths[bone]
        lines += [f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {_numbers(end)}", f"{pad}\t}}"]
    lines.append(f"{pad}}}")


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.7g}" for value in values)
